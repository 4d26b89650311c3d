//! Vectors as users give them and get them back: of all kinds, and several to a document.
//!
//! What is given is checked against a field's declaration only when it is written or searched for; these types hold
//! anything.

use crate::error::{Error, Result};
use aether_distance::{ElementType, VectorRef};
use aether_index::SparseRef;
use half::f16;

/// The components of a dense vector.
///
/// A field accepts any of the three and stores its own [`ElementType`]. Wider values must fit: a `f32` that is
/// beyond the range of `f16`, or no integer in `0..=255` for a `u8` field, is an error. Rounding to `f16` is not.
#[derive(Clone, Debug, PartialEq)]
pub enum Vector {
    /// 32-bit floats.
    F32(Vec<f32>),
    /// 16-bit floats.
    F16(Vec<f16>),
    /// Unsigned bytes.
    U8(Vec<u8>),
}

impl Vector {
    /// Number of components.
    pub fn dim(&self) -> usize {
        self.as_ref().dim()
    }

    /// The type of the components.
    pub fn element(&self) -> ElementType {
        self.as_ref().element()
    }

    /// A borrowed view.
    pub fn as_ref(&self) -> VectorRef<'_> {
        match self {
            Vector::F32(components) => VectorRef::F32(components),
            Vector::F16(components) => VectorRef::F16(components),
            Vector::U8(components) => VectorRef::U8(components),
        }
    }

    /// Becomes a copy of `other`, in the memory that it has if the element type is the same.
    pub(crate) fn clone_from_ref(&mut self, other: VectorRef<'_>) {
        fn refill<T: Copy>(out: &mut Vec<T>, components: &[T]) {
            out.clear();
            out.extend_from_slice(components);
        }
        match (self, other) {
            (Vector::F32(out), VectorRef::F32(components)) => refill(out, components),
            (Vector::F16(out), VectorRef::F16(components)) => refill(out, components),
            (Vector::U8(out), VectorRef::U8(components)) => refill(out, components),
            (out, VectorRef::F32(components)) => *out = Vector::F32(components.to_vec()),
            (out, VectorRef::F16(components)) => *out = Vector::F16(components.to_vec()),
            (out, VectorRef::U8(components)) => *out = Vector::U8(components.to_vec()),
        }
    }

    /// The components as 32-bit floats; exact.
    ///
    /// ```
    /// # use aethervec::Vector;
    /// assert_eq!(Vector::from(vec![0u8, 255]).to_f32(), [0.0, 255.0]);
    /// ```
    pub fn to_f32(&self) -> Vec<f32> {
        let mut components = Vec::new();
        self.as_ref().to_f32(&mut components);
        components
    }
}

impl From<Vec<f32>> for Vector {
    fn from(components: Vec<f32>) -> Vector {
        Vector::F32(components)
    }
}

impl From<&[f32]> for Vector {
    fn from(components: &[f32]) -> Vector {
        Vector::F32(components.to_vec())
    }
}

impl From<&Vec<f32>> for Vector {
    fn from(components: &Vec<f32>) -> Vector {
        Vector::F32(components.clone())
    }
}

impl<const DIM: usize> From<[f32; DIM]> for Vector {
    fn from(components: [f32; DIM]) -> Vector {
        Vector::F32(components.to_vec())
    }
}

impl From<Vec<f16>> for Vector {
    fn from(components: Vec<f16>) -> Vector {
        Vector::F16(components)
    }
}

impl From<Vec<u8>> for Vector {
    fn from(components: Vec<u8>) -> Vector {
        Vector::U8(components)
    }
}

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

/// A vector of which most components are 0: the others, by the number of their dimension.
///
/// ```
/// use aethervec::SparseVector;
///
/// let vector = SparseVector::new([(70_000, 0.5), (3, 2.0)]);
/// assert_eq!((vector.indices(), vector.values()), (&[3, 70_000][..], &[2.0, 0.5][..]));
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SparseVector {
    indices: Vec<u32>,
    values: Vec<f32>,
}

impl SparseVector {
    /// These components, in any order. A dimension may occur once.
    pub fn new(components: impl IntoIterator<Item = (u32, f32)>) -> SparseVector {
        let mut components: Vec<(u32, f32)> = components.into_iter().collect();
        components.sort_by_key(|&(index, _)| index);
        let (indices, values) = components.into_iter().unzip();
        SparseVector { indices, values }
    }

    /// The dimensions, ascending.
    pub fn indices(&self) -> &[u32] {
        &self.indices
    }

    /// The component of each dimension.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// How many components there are.
    pub fn len(&self) -> usize {
        self.indices.len()
    }

    /// Whether all components are 0.
    pub fn is_empty(&self) -> bool {
        self.indices.is_empty()
    }

    pub(crate) fn as_ref(&self) -> SparseRef<'_> {
        SparseRef {
            indices: &self.indices,
            values: &self.values,
        }
    }

    /// Dimension and component, ascending.
    pub fn iter(&self) -> impl Iterator<Item = (u32, f32)> {
        self.indices
            .iter()
            .copied()
            .zip(self.values.iter().copied())
    }
}

impl From<Vec<(u32, f32)>> for SparseVector {
    fn from(components: Vec<(u32, f32)>) -> SparseVector {
        SparseVector::new(components)
    }
}

/// Several dense vectors of one dimension, compared by MaxSim: one for each token of a text, for example.
///
/// ```
/// use aethervec::MultiVector;
///
/// let vector = MultiVector::new([vec![1.0, 0.0], vec![0.6, 0.8], vec![0.0, 1.0]])?;
/// assert_eq!((vector.len(), vector.dim()), (3, 2));
/// assert!(MultiVector::new([vec![1.0, 0.0], vec![1.0]]).is_err());
/// # Ok::<(), aethervec::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct MultiVector {
    dim: usize,
    components: Vector,
}

impl MultiVector {
    /// These vectors.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) when their dimensions differ.
    pub fn new<V: AsRef<[f32]>>(vectors: impl IntoIterator<Item = V>) -> Result<MultiVector> {
        let mut components = Vec::new();
        let mut dim = None;
        for (position, vector) in vectors.into_iter().enumerate() {
            let vector = vector.as_ref();
            let first = *dim.get_or_insert(vector.len());
            if vector.len() != first {
                return Err(Error::invalid(format!(
                    "vector {position}: it has {} components, and those before have {first}",
                    vector.len()
                )));
            }
            components.extend_from_slice(vector);
        }
        Ok(MultiVector {
            dim: dim.unwrap_or_default(),
            components: Vector::F32(components),
        })
    }

    /// The vectors of `dim` components that stand one behind the other in `components`.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) when a part is left over.
    pub fn from_components(dim: usize, components: impl Into<Vector>) -> Result<MultiVector> {
        let components = components.into();
        if components
            .dim()
            .checked_rem(dim)
            .unwrap_or(components.dim())
            != 0
        {
            return Err(Error::invalid(format!(
                "vectors: {} components do not divide into vectors of {dim}",
                components.dim()
            )));
        }
        Ok(MultiVector { dim, components })
    }

    /// How many vectors there are.
    pub fn len(&self) -> usize {
        self.components.dim().checked_div(self.dim).unwrap_or(0)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The components of each.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// The components of all, one vector behind the other.
    pub fn components(&self) -> &Vector {
        &self.components
    }

    pub(crate) fn into_components(self) -> Vector {
        self.components
    }
}

/// A vector of any kind.
#[derive(Clone, Debug, PartialEq)]
pub enum VectorValue {
    /// For a dense field.
    Dense(Vector),
    /// For a binary field.
    Binary(BinaryVector),
    /// For a sparse field.
    Sparse(SparseVector),
    /// For a field of several dense vectors.
    Multi(MultiVector),
}

impl VectorValue {
    /// What the documentation calls its kind.
    pub fn kind(&self) -> &'static str {
        match self {
            VectorValue::Dense(_) => "dense",
            VectorValue::Binary(_) => "binary",
            VectorValue::Sparse(_) => "sparse",
            VectorValue::Multi(_) => "multi",
        }
    }

    /// The vector, if it is dense.
    pub fn as_dense(&self) -> Option<&Vector> {
        match self {
            VectorValue::Dense(vector) => Some(vector),
            _ => None,
        }
    }
}

impl<V: Into<Vector>> From<V> for VectorValue {
    fn from(vector: V) -> VectorValue {
        VectorValue::Dense(vector.into())
    }
}

impl From<BinaryVector> for VectorValue {
    fn from(vector: BinaryVector) -> VectorValue {
        VectorValue::Binary(vector)
    }
}

impl From<SparseVector> for VectorValue {
    fn from(vector: SparseVector) -> VectorValue {
        VectorValue::Sparse(vector)
    }
}

impl From<MultiVector> for VectorValue {
    fn from(vector: MultiVector) -> VectorValue {
        VectorValue::Multi(vector)
    }
}

/// The vectors of a document, by the name of their field; `""` is the default field.
///
/// ```
/// use aethervec::{SparseVector, Vectors};
///
/// let vectors = Vectors::from(vec![0.6, 0.8]).with("words", SparseVector::new([(17, 1.5)]));
/// assert_eq!(vectors.len(), 2);
/// assert!(vectors.get("words").is_some() && vectors.get("image").is_none());
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Vectors(Vec<(String, VectorValue)>);

impl Vectors {
    /// No vectors.
    pub fn new() -> Vectors {
        Vectors::default()
    }

    /// The same with this vector in `field`, in place of the one that was there.
    #[must_use]
    pub fn with(mut self, field: impl Into<String>, vector: impl Into<VectorValue>) -> Vectors {
        self.insert(field, vector);
        self
    }

    /// Puts a vector into `field`: returns the one that was there.
    pub fn insert(
        &mut self,
        field: impl Into<String>,
        vector: impl Into<VectorValue>,
    ) -> Option<VectorValue> {
        let (field, vector) = (field.into(), vector.into());
        match self.position(&field) {
            Ok(position) => Some(std::mem::replace(&mut self.0[position].1, vector)),
            Err(position) => {
                self.0.insert(position, (field, vector));
                None
            }
        }
    }

    /// Takes the vector of `field` out.
    pub fn remove(&mut self, field: &str) -> Option<VectorValue> {
        let position = self.position(field).ok()?;
        Some(self.0.remove(position).1)
    }

    /// The vector of `field`, if there is one.
    pub fn get(&self, field: &str) -> Option<&VectorValue> {
        let position = self.position(field).ok()?;
        Some(&self.0[position].1)
    }

    /// Field and vector, ordered by the field's name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &VectorValue)> {
        self.0.iter().map(|(field, vector)| (&field[..], vector))
    }

    /// How many fields have a vector.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether no field has one.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn position(&self, field: &str) -> Result<usize, usize> {
        self.0
            .binary_search_by(|(name, _)| name.as_str().cmp(field))
    }
}

impl IntoIterator for Vectors {
    type Item = (String, VectorValue);
    type IntoIter = std::vec::IntoIter<(String, VectorValue)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

/// Of several vectors for one field the last one stays.
impl<F: Into<String>, V: Into<VectorValue>> FromIterator<(F, V)> for Vectors {
    fn from_iter<I: IntoIterator<Item = (F, V)>>(vectors: I) -> Vectors {
        let mut collected = Vectors::new();
        for (field, vector) in vectors {
            collected.insert(field, vector);
        }
        collected
    }
}

/// One vector, in the default field.
impl<V: Into<VectorValue>> From<V> for Vectors {
    fn from(vector: V) -> Vectors {
        Vectors(vec![(String::new(), vector.into())])
    }
}

/// What a search compares with: a vector of the kind that the field holds.
#[derive(Clone, Copy, Debug)]
pub enum QueryVector<'a> {
    /// For a dense field: needs no normalization.
    Dense(&'a [f32]),
    /// For a binary field.
    Binary(&'a BinaryVector),
    /// For a sparse field.
    Sparse(&'a SparseVector),
    /// For a field of several dense vectors.
    Multi(&'a MultiVector),
}

impl QueryVector<'_> {
    /// What the documentation calls its kind.
    pub fn kind(&self) -> &'static str {
        match self {
            QueryVector::Dense(_) => "dense",
            QueryVector::Binary(_) => "binary",
            QueryVector::Sparse(_) => "sparse",
            QueryVector::Multi(_) => "multi",
        }
    }
}

impl<'a, V: AsRef<[f32]> + ?Sized> From<&'a V> for QueryVector<'a> {
    fn from(vector: &'a V) -> QueryVector<'a> {
        QueryVector::Dense(vector.as_ref())
    }
}

impl<'a> From<&'a BinaryVector> for QueryVector<'a> {
    fn from(vector: &'a BinaryVector) -> QueryVector<'a> {
        QueryVector::Binary(vector)
    }
}

impl<'a> From<&'a SparseVector> for QueryVector<'a> {
    fn from(vector: &'a SparseVector) -> QueryVector<'a> {
        QueryVector::Sparse(vector)
    }
}

impl<'a> From<&'a MultiVector> for QueryVector<'a> {
    fn from(vector: &'a MultiVector) -> QueryVector<'a> {
        QueryVector::Multi(vector)
    }
}
