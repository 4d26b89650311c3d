//! How many bytes a component of `f32` takes in a row: the fewest whole ones that give back every bit.
//!
//! Much that comes as `f32` was less before: models compute with halves of 16 bits, images and many codes are bytes. Such vectors
//! show it in their first components (the bits at the end are zeros), so that those that were not cost next to nothing to
//! find out. Numbers that use all their 24 bits would not shrink by an eighth under any scheme, and are left alone.

use half::f16;
use half::slice::HalfFloatSliceExt;
use std::ops::Range;

/// Components that are looked at, or converted, at once.
const CHUNK: usize = 64;

/// What the bits of a float end in that is a byte, a half or a bfloat: an `f16` has 10 bits behind the first, an `f32` 23.
const END_OF_HALF: u32 = (1 << 13) - 1;

/// The same of a bfloat.
const END_OF_BFLOAT: u32 = (1 << 16) - 1;

/// The bits of the absolute values that have as many bits behind the first as a half: from 2^-14 up to below 2^16.
const HALF_NORMAL: Range<u32> = 0x3880_0000..0x4780_0000;

/// What each component of a vector is stored as. Its number is that in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Form {
    /// As the element type says.
    Plain = 0,
    /// An `f32` as a byte: an integer from 0 to 255.
    Byte = 1,
    /// An `f32` as a bfloat: its upper 16 bits, the lower ones are zeros.
    Bfloat = 2,
    /// An `f32` as an `f16`.
    Half = 3,
}

impl Form {
    /// The form with this number.
    pub(crate) fn numbered(number: u64) -> Option<Form> {
        let all = [Form::Plain, Form::Byte, Form::Bfloat, Form::Half];
        all.get(usize::try_from(number).ok()?).copied()
    }

    /// The smallest form that all of `components` have. O(components), and hardly anything when the first ones need all bits.
    pub(crate) fn of(components: &[f32]) -> Form {
        let all = |has: fn(&[f32]) -> bool| components.chunks(CHUNK).all(has);
        if !all(|chunk| ends(chunk) & END_OF_HALF == 0) {
            return Form::Plain;
        }
        if all(are_bytes) {
            return Form::Byte;
        }
        if all(|chunk| ends(chunk) & END_OF_BFLOAT == 0) {
            return Form::Bfloat;
        }
        match all(are_halves) {
            true => Form::Half,
            false => Form::Plain,
        }
    }

    /// Bytes that a component of `f32` takes.
    pub(crate) const fn float_bytes(self) -> usize {
        match self {
            Form::Plain => 4,
            Form::Byte => 1,
            Form::Bfloat | Form::Half => 2,
        }
    }

    /// Appends `components`, which have this form.
    pub(crate) fn encode(self, components: &[f32], out: &mut Vec<u8>) {
        let start = out.len();
        out.resize(start + components.len() * self.float_bytes(), 0);
        let bytes = &mut out[start..];
        match self {
            Form::Plain => put(bytes, components, |c| c.to_le_bytes()),
            Form::Byte => put(bytes, components, |c| [byte(c)]),
            Form::Bfloat => put(bytes, components, |c| upper(c).to_le_bytes()),
            Form::Half => {
                let parts = bytes.chunks_mut(2 * CHUNK).zip(components.chunks(CHUNK));
                for (bytes, components) in parts {
                    let mut halves = [f16::ZERO; CHUNK];
                    halves[..components.len()].convert_from_f32_slice(components);
                    put(bytes, &halves, f16::to_le_bytes);
                }
            }
        }
    }

    /// Replaces what `out` holds by the components that `bytes` are: as many as they have whole ones.
    pub(crate) fn decode(self, bytes: &[u8], out: &mut Vec<f32>) {
        out.clear();
        match self {
            Form::Plain => out.extend(take(bytes, f32::from_le_bytes)),
            Form::Byte => out.extend(bytes.iter().map(|&byte| f32::from(byte))),
            Form::Bfloat => {
                let widen = |bytes| f32::from_bits(u32::from(u16::from_le_bytes(bytes)) << 16);
                out.extend(take(bytes, widen));
            }
            Form::Half => {
                out.resize(bytes.len() / 2, 0.0);
                for (bytes, out) in bytes.chunks(2 * CHUNK).zip(out.chunks_mut(CHUNK)) {
                    let mut halves = [f16::ZERO; CHUNK];
                    for (half, read) in halves.iter_mut().zip(take(bytes, f16::from_le_bytes)) {
                        *half = read;
                    }
                    halves[..out.len()].convert_to_f32_slice(out);
                }
            }
        }
    }
}

/// The bits that any of them has.
fn ends(components: &[f32]) -> u32 {
    components.iter().fold(0, |bits, c| bits | c.to_bits())
}

fn are_bytes(components: &[f32]) -> bool {
    let is_byte = |c: &f32| f32::from(byte(*c)).to_bits() == c.to_bits();
    components.iter().fold(true, |all, c| all & is_byte(c))
}

/// At most [`CHUNK`] of them, which end in as many zeros as a half.
fn are_halves(components: &[f32]) -> bool {
    let is_normal = |c: &f32| HALF_NORMAL.contains(&c.abs().to_bits());
    let is_usual = |c: &f32| is_normal(c) | (c.to_bits() == 0);
    let are_usual = components.iter().fold(true, |all, c| all & is_usual(c));
    are_usual || come_back(components)
}

/// Whether conversion to halves, at most [`CHUNK`] of them, and back changes nothing.
fn come_back(components: &[f32]) -> bool {
    let (mut halves, mut again) = ([f16::ZERO; CHUNK], [0.0; CHUNK]);
    let halves = &mut halves[..components.len()];
    let again = &mut again[..components.len()];
    halves.convert_from_f32_slice(components);
    halves.convert_to_f32_slice(again);
    let mut pairs = components.iter().zip(again);
    pairs.all(|(before, after)| before.to_bits() == after.to_bits())
}

/// The component as a byte, if it is one.
fn byte(component: f32) -> u8 {
    // Behind 2^23 floats are integers, their last bits those of the number: simpler for processors than a conversion.
    let [last, ..] = (component + 8_388_608.0).to_bits().to_le_bytes();
    last
}

fn upper(component: f32) -> u16 {
    let [_, _, low, high] = component.to_le_bytes();
    u16::from_le_bytes([low, high])
}

fn put<T: Copy, const N: usize>(bytes: &mut [u8], items: &[T], to_bytes: impl Fn(T) -> [u8; N]) {
    let places = bytes.as_chunks_mut().0;
    for (place, &item) in places.iter_mut().zip(items) {
        *place = to_bytes(item);
    }
}

fn take<T, const N: usize>(
    bytes: &[u8],
    from_bytes: impl Fn([u8; N]) -> T,
) -> impl Iterator<Item = T> {
    bytes
        .as_chunks()
        .0
        .iter()
        .map(move |&bytes| from_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use half::bf16;

    fn bits(components: &[f32]) -> Vec<u32> {
        components.iter().map(|c| c.to_bits()).collect()
    }

    #[test]
    fn every_bit_comes_back() {
        let seed = fastrand::u64(..);
        eprintln!("seed {seed}");
        let mut random = fastrand::Rng::with_seed(seed);
        let sorts: [fn(u32) -> f32; 5] = [
            |bits| f32::from(bits.to_le_bytes()[0]),
            |bits| f16::from_bits((bits >> 16) as u16).to_f32(),
            |bits| bf16::from_bits((bits >> 16) as u16).to_f32(),
            f32::from_bits,
            |_| -0.0,
        ];
        for _ in 0..20_000 {
            // All of one sort, or one of another.
            let (most, other) = (random.usize(..5), random.usize(..5));
            let count = random.usize(1..200);
            let mut components: Vec<f32> =
                (0..count).map(|_| sorts[most](random.u32(..))).collect();
            components[random.usize(..count)] = sorts[other](random.u32(..));
            let form = Form::of(&components);
            let (mut bytes, mut again) = (vec![7], vec![1.0]);
            form.encode(&components, &mut bytes);
            assert_eq!(bytes.len(), 1 + form.float_bytes() * components.len());
            form.decode(&bytes[1..], &mut again);
            assert_eq!(self::bits(&again), self::bits(&components), "{form:?}");
        }
    }

    #[test]
    fn the_smallest_form_is_found() {
        let of = |component: f32| Form::of(&[vec![1.0; 99], vec![component]].concat());
        for (component, form) in [
            (255.0, Form::Byte),
            (0.0, Form::Byte),
            (-0.0, Form::Bfloat),
            (256.0, Form::Bfloat),
            (2.0_f32.powi(127), Form::Bfloat),
            (f32::INFINITY, Form::Bfloat),
            (1.0 + 1.0 / 1024.0, Form::Half),
            (65_504.0, Form::Half),
            (f16::from_bits(3).to_f32(), Form::Bfloat),
            (f16::from_bits(1023).to_f32(), Form::Half),
            (1.0 + 1.0 / 2048.0, Form::Plain),
            (131_008.0, Form::Plain),
            (0.1, Form::Plain),
        ] {
            assert_eq!(of(component), form, "{component}");
        }
        assert_eq!(Form::numbered(3), Some(Form::Half));
        assert_eq!(Form::numbered(4), None);
        assert_eq!(Form::numbered(u64::MAX), None);
    }
}
