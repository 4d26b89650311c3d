//! The rows of an index, but for the records of bodies. Little endian.
//!
//! ```text
//! state    version u8 · next u32 · seed u64 · alignment f32 · splits u64 · merges u64 · moves u64 · cleaned u64 · centre f32 × dim
//! header   points u32 · spread f32 · base f32 · centroid f32 × width │ points u32 of each append
//! ```

use crate::{Error, Result};

/// The format of the state, and of all other rows.
const VERSION: u8 = 1;

/// No bucket has a greater number.
const NUMBERS_MAX: u32 = u32::MAX / 2;

/// Nothing is counted further.
const COUNT_MAX: u64 = u64::MAX / 2;

const STATE_BYTES: usize = 1 + 4 + 8 + 4 + 4 * 8;

/// Bytes of a header before the centroid.
const HEADER_BYTES: usize = 12;

/// One row that a commit changes. Rows are known by what they are and by the number of their bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Row {
    /// The state of the index becomes this.
    State(Vec<u8>),
    /// There is a new bucket: its number, header and body.
    Create(u32, Vec<u8>, Vec<u8>),
    /// This is appended to the header and the body of a bucket.
    Append(u32, Vec<u8>, Vec<u8>),
    /// A bucket goes, with header and body.
    Remove(u32),
}

impl Row {
    /// Bytes of its contents.
    pub fn bytes(&self) -> usize {
        match self {
            Row::State(bytes) => bytes.len(),
            Row::Create(_, header, body) | Row::Append(_, header, body) => {
                header.len() + body.len()
            }
            Row::Remove(_) => 0,
        }
    }
}

/// What holds for an index as a whole, but for its centre.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct State {
    /// No bucket had this number or a greater one.
    pub(super) next: u32,
    pub(super) seed: u64,
    pub(super) alignment: f32,
    pub(super) splits: u64,
    pub(super) merges: u64,
    pub(super) moves: u64,
    pub(super) cleaned: u64,
}

/// What is known of a bucket without its body.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Header {
    /// Records in its body.
    pub(super) points: u32,
    /// The mean squared distance of its points from the centroid.
    pub(super) spread: f32,
    /// The same when the centroid was their mean.
    pub(super) base: f32,
    /// Rotated.
    pub(super) centroid: Box<[f32]>,
}

pub(super) fn encode_state(state: &State, centre: &[f32]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(STATE_BYTES + size_of_val(centre));
    bytes.push(VERSION);
    bytes.extend_from_slice(&state.next.to_le_bytes());
    bytes.extend_from_slice(&state.seed.to_le_bytes());
    bytes.extend_from_slice(&state.alignment.to_le_bytes());
    for count in [state.splits, state.merges, state.moves, state.cleaned] {
        bytes.extend_from_slice(&count.to_le_bytes());
    }
    bytes.extend(centre.iter().flat_map(|x| x.to_le_bytes()));
    bytes
}

/// A state, and the centre of `dim` components.
pub(super) fn decode_state(bytes: &[u8], dim: usize) -> Result<(State, Vec<f32>)> {
    let mut rest = Rest(bytes);
    let version = rest.take::<1>()?[0];
    if version != VERSION {
        return Err(Error::invalid(format!(
            "the buckets have format {version}, this program reads {VERSION}: build the index again"
        )));
    }
    let state = State {
        next: rest.u32()?,
        seed: rest.u64()?,
        alignment: rest.finite()?,
        splits: rest.u64()?,
        merges: rest.u64()?,
        moves: rest.u64()?,
        cleaned: rest.u64()?,
    };
    if !(0.0..=1.0).contains(&state.alignment) {
        return Err(bad(&format!(
            "the alignment of buckets is {}",
            state.alignment
        )));
    }
    let counts = [state.splits, state.merges, state.moves, state.cleaned];
    if state.next > NUMBERS_MAX || counts.iter().any(|&count| count > COUNT_MAX) {
        return Err(bad("a count of buckets is larger than any can be"));
    }
    let centre = rest.floats(dim)?;
    match rest.0 {
        [] => Ok((state, centre)),
        more => Err(bad(&format!(
            "the state of buckets has {} bytes too many",
            more.len()
        ))),
    }
}

pub(super) fn encode_header(points: u32, [spread, base]: [f32; 2], centroid: &[f32]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER_BYTES + size_of_val(centroid));
    bytes.extend_from_slice(&points.to_le_bytes());
    bytes.extend_from_slice(&spread.to_le_bytes());
    bytes.extend_from_slice(&base.to_le_bytes());
    bytes.extend(centroid.iter().flat_map(|x| x.to_le_bytes()));
    bytes
}

/// The header of a bucket with what was appended to it; `width`: components of a rotated vector.
pub(super) fn decode_header(number: u32, bytes: &[u8], width: usize) -> Result<Header> {
    let of_bucket = |error: Error| bad(&format!("header of bucket {number}: {error}"));
    let mut rest = Rest(bytes);
    let mut header = || {
        let mut points = rest.u32()?;
        let (spread, base) = (rest.finite()?, rest.finite()?);
        let centroid = rest.floats(width)?.into_boxed_slice();
        while !rest.0.is_empty() {
            let more = rest.u32()?;
            points = points
                .checked_add(more)
                .ok_or_else(|| bad("more points than can be counted"))?;
        }
        if spread < 0.0 || base < 0.0 {
            return Err(bad(&format!("the spread is {spread}, and was {base}")));
        }
        Ok(Header {
            points,
            spread,
            base,
            centroid,
        })
    };
    header().map_err(of_bucket)
}

pub(super) fn bad(what: &str) -> Error {
    Error::corruption(what)
}

/// Bytes that are still to be read.
struct Rest<'a>(&'a [u8]);

impl Rest<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N]> {
        let (taken, rest) = self
            .0
            .split_first_chunk()
            .ok_or_else(|| bad("it ends too early"))?;
        self.0 = rest;
        Ok(*taken)
    }

    fn u32(&mut self) -> Result<u32> {
        self.take().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64> {
        self.take().map(u64::from_le_bytes)
    }

    fn finite(&mut self) -> Result<f32> {
        let float = f32::from_le_bytes(self.take()?);
        if float.is_finite() {
            Ok(float)
        } else {
            Err(bad(&format!("a number is {float}")))
        }
    }

    fn floats(&mut self, count: usize) -> Result<Vec<f32>> {
        // What is not there is not asked memory for.
        if self.0.len() / size_of::<f32>() < count {
            return Err(bad("it ends too early"));
        }
        (0..count).map(|_| self.finite()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_round_trip_and_bad_ones_are_errors() {
        let state = State {
            next: 7,
            seed: u64::MAX,
            alignment: 0.25,
            splits: 1,
            merges: 2,
            moves: 3,
            cleaned: 4,
        };
        let bytes = encode_state(&state, &[1.0, -2.0]);
        assert_eq!(decode_state(&bytes, 2).unwrap(), (state, vec![1.0, -2.0]));
        for end in 0..bytes.len() {
            assert!(decode_state(&bytes[..end], 2).is_err());
        }
        assert!(decode_state(&bytes, 1).is_err());
        let mut header = encode_header(5, [0.5, 0.25], &[1.0; 64]);
        for end in 0..header.len() {
            assert!(decode_header(3, &header[..end], 64).is_err());
        }
        header.extend_from_slice(&2u32.to_le_bytes());
        let decoded = decode_header(3, &header, 64).unwrap();
        assert_eq!(
            (decoded.points, decoded.spread, decoded.base),
            (7, 0.5, 0.25)
        );
        header.extend_from_slice(&u32::MAX.to_le_bytes());
        let error = decode_header(3, &header, 64).unwrap_err().to_string();
        assert!(error.starts_with("header of bucket 3"), "{error}");
    }

    #[test]
    fn numbers_that_are_none_are_refused() {
        let nan = encode_header(1, [f32::NAN, 0.0], &[0.0; 64]);
        assert!(decode_header(0, &nan, 64).is_err());
        let negative = encode_header(1, [0.0, -1.0], &[0.0; 64]);
        assert!(decode_header(0, &negative, 64).is_err());
    }
}
