//! Vectors of bits.

/// Bits, eight to a byte: bit `i` is the one of value `128 >> (i % 8)` in byte `i / 8`, as `numpy.packbits` packs them.
///
/// ```
/// use aethervec::BinaryVector;
///
/// let vector = BinaryVector::from_signs(&[0.5, -1.0, 2.0]);
/// assert_eq!(vector, BinaryVector::from_bits([true, false, true]));
/// assert_eq!(vector.as_bytes(), [0b1010_0000]);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BinaryVector(Vec<u8>);

impl BinaryVector {
    /// Bits that are packed already. Those of the last byte that belong to none must be 0.
    pub fn from_bytes(bytes: impl Into<Vec<u8>>) -> BinaryVector {
        BinaryVector(bytes.into())
    }

    /// These bits.
    pub fn from_bits(bits: impl IntoIterator<Item = bool>) -> BinaryVector {
        let mut bytes = Vec::new();
        for (position, bit) in bits.into_iter().enumerate() {
            if position % 8 == 0 {
                bytes.push(0);
            }
            if let (true, Some(byte)) = (bit, bytes.last_mut()) {
                *byte |= 128 >> (position % 8);
            }
        }
        BinaryVector(bytes)
    }

    /// A bit for each component: whether it is greater than 0.
    pub fn from_signs(components: &[f32]) -> BinaryVector {
        BinaryVector::from_bits(components.iter().map(|&component| component > 0.0))
    }

    /// The packed bits.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}
