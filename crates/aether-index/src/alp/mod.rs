//! Vectors of `f32`, compressed without loss: every bit comes back, those of NaNs and of -0 too.
//!
//! ALP (Afroozeh, Kuffo and Boncz: "ALP: Adaptive Lossless floating-Point Compression", SIGMOD 2024). Values are taken
//! in blocks of [`BLOCK_VALUES`], each by the scheme that makes it smallest, as far as a sample tells: decimals as integers (`decimal`), the frequent front
//! bits of real numbers by a dictionary (`real`), or as they are.
//!
//! # The bytes, little endian
//! ```text
//! stream     values u32   end u32 of each block, counted from the start of the stream   blocks, without gaps
//! block      scheme u8, then
//!  0 raw      the values
//!  1 decimal  power i8   width u8   exceptions u16   base i32   packed integers
//!             position u16 of each exception   value u32 of each
//!  2 real     dictionary u8 (1 to 16)   shift u8   width u8   exceptions u16   front bits u16 of each word of the dictionary
//!             packed words   packed back bits   position u16 of each exception   front bits u16 of each
//! packed     integers of `width` bits in eight lanes (`pack`): ⌈⌈n / 8⌉ * width / 32⌉ * 32 bytes
//! ```
//! No stream is longer than [`encoded_bytes_max`], and a block takes 9 bytes at least, with its end: a damaged stream cannot
//! claim many times what it holds.
//!
//! # How small
//! Bytes as a fraction of those of the floats, one stream for all vectors:
//!
//! | vectors | fraction |
//! | --- | --- |
//! | 60,000 × 784 pixels, integers 0 to 255 (`fashion`) | 0.253 |
//! | 67,999 × 384 sentence embeddings of half precision, widened (`minilm`) | 0.474 |
//! | the same, multiplied by a number and hence with all 24 bits | 0.877 |
//!
//! ```
//! let vectors: Vec<f32> = (0..4_000).map(|i| i as f32 / 100.0).collect();
//! let mut bytes = Vec::new();
//! aether_index::alp::encode(&vectors, &mut bytes);
//! assert!(bytes.len() < 4 * vectors.len() / 2);
//!
//! let mut again = vec![0.0; vectors.len()];
//! assert_eq!(aether_index::alp::decode(&bytes, &mut again)?, bytes.len());
//! assert_eq!(again, vectors);
//!
//! let mut few = [0.0; 3];
//! aether_index::alp::decode_range(&bytes, 2_500, &mut few)?;
//! assert_eq!(few, [25.0, 25.01, 25.02]);
//! # Ok::<(), aether_index::Error>(())
//! ```

mod decimal;
mod pack;
mod real;
#[cfg(test)]
mod tests;

use crate::{Error, Result};

/// So many values are compressed together: what decoding one value may have to read.
pub const BLOCK_VALUES: usize = 1024;

/// More values than this are not encoded together: their bytes, at worst, are what offsets of 32 bits reach.
pub const VALUES_MAX: usize = 1 << 29;

const RAW: u8 = 0;
const DECIMAL: u8 = 1;
const REAL: u8 = 2;

/// The fewest bytes of a block, with its end: a raw one of one value.
const BLOCK_BYTES_MIN: usize = 9;

/// Appends `values` to `out`: at most [`encoded_bytes_max`] bytes, in about 12 ns a value.
///
/// # Panics
/// If there are more than [`VALUES_MAX`] values.
pub fn encode(values: &[f32], out: &mut Vec<u8>) {
    let count = values.len();
    assert!(count <= VALUES_MAX, "{count} values for one stream");
    let start = out.len();
    out.extend_from_slice(&narrow(count).to_le_bytes());
    out.resize(start + table_bytes(count), 0);
    let (mut best, mut other) = (Vec::new(), Vec::new());
    for (i, block) in values.chunks(BLOCK_VALUES).enumerate() {
        best.clear();
        for encode in [raw, decimal::encode, real::encode] {
            other.clear();
            let limit = if best.is_empty() {
                usize::MAX
            } else {
                best.len()
            };
            encode(block, limit, &mut other);
            if (1..limit).contains(&other.len()) {
                std::mem::swap(&mut best, &mut other);
            }
        }
        out.extend_from_slice(&best);
        let end = narrow(out.len() - start).to_le_bytes();
        out[start + 4 + 4 * i..][..4].copy_from_slice(&end);
    }
}

fn raw(values: &[f32], _limit: usize, out: &mut Vec<u8>) {
    out.push(RAW);
    put(out, values.iter().map(|value| value.to_le_bytes()));
}

/// The longest stream of so many values, in bytes.
pub const fn encoded_bytes_max(values: usize) -> usize {
    table_bytes(values) + values.div_ceil(BLOCK_VALUES) + 4 * values
}

/// How many values the stream at the start of `bytes` holds.
///
/// # Errors
/// [`ErrorKind::Corruption`](crate::ErrorKind::Corruption) when `bytes` are too few for them.
pub fn values(bytes: &[u8]) -> Result<usize> {
    Ok(Stream::open(bytes)?.count)
}

/// The inverse of [`encode`]: fills `values` with all values of the stream at the start of `bytes`, and gives its length in bytes.
/// About 2 ns a value. What `values` hold after an error is undefined.
///
/// # Errors
/// [`ErrorKind::Corruption`](crate::ErrorKind::Corruption) when the stream holds another number of values than `values` has room for, and when it is
/// none. Damage that leaves its structure intact gives other values: who stores it keeps a checksum.
pub fn decode(bytes: &[u8], values: &mut [f32]) -> Result<usize> {
    let stream = Stream::open(bytes)?;
    if stream.count != values.len() {
        let (found, wanted) = (stream.count, values.len());
        let text = format!("holds {found} values, where {wanted} are expected");
        return Err(corrupt(text));
    }
    stream.decode(0, values)?;
    stream.end()
}

/// Fills `values` with those from number `first` on: reads the blocks that they lie in.
///
/// # Errors
/// As [`decode`], and when the stream ends before them.
pub fn decode_range(bytes: &[u8], first: usize, values: &mut [f32]) -> Result<()> {
    let stream = Stream::open(bytes)?;
    if first > stream.count || values.len() > stream.count - first {
        let (count, wanted) = (stream.count, values.len());
        let text = format!("holds {count} values, where {wanted} from {first} on are asked for");
        return Err(corrupt(text));
    }
    stream.decode(first, values)
}

/// A stream whose table of blocks is there.
struct Stream<'a> {
    bytes: &'a [u8],
    count: usize,
    ends: &'a [[u8; 4]],
}

impl<'a> Stream<'a> {
    fn open(bytes: &'a [u8]) -> Result<Stream<'a>> {
        let count = Fields(bytes).u32()? as usize;
        let blocks = count.div_ceil(BLOCK_VALUES);
        if blocks > (bytes.len() - 4) / BLOCK_BYTES_MIN {
            let length = bytes.len();
            return Err(corrupt(format!(
                "claims {count} values in {length} bytes at most"
            )));
        }
        let ends = bytes[4..table_bytes(count)].as_chunks().0;
        Ok(Stream { bytes, count, ends })
    }

    /// Its length in bytes.
    fn end(&self) -> Result<usize> {
        let end = self.place(self.ends.len());
        match end <= self.bytes.len() {
            true => Ok(end),
            false => Err(corrupt(format!("ends at byte {end}, beyond the last"))),
        }
    }

    /// Where block `i` begins, as the table has it.
    fn place(&self, i: usize) -> usize {
        match i.checked_sub(1) {
            Some(before) => u32::from_le_bytes(self.ends[before]) as usize,
            None => table_bytes(self.count),
        }
    }

    /// Those from `first` on, which it has.
    fn decode(&self, first: usize, mut values: &mut [f32]) -> Result<()> {
        let (mut i, mut from) = (first / BLOCK_VALUES, first % BLOCK_VALUES);
        while !values.is_empty() {
            let length = BLOCK_VALUES.min(self.count - BLOCK_VALUES * i);
            let (part, rest) = values.split_at_mut(values.len().min(length - from));
            let place = self.place(i)..self.place(i + 1);
            let block = self.bytes.get(place.clone());
            let block = block.ok_or_else(|| corrupt(format!("has a block at {place:?}")))?;
            decode_block(Fields(block), length, from, part)?;
            (values, i, from) = (rest, i + 1, 0);
        }
        Ok(())
    }
}

/// Of a block of `length` values, those from `first` on.
fn decode_block(
    mut fields: Fields<'_>,
    length: usize,
    first: usize,
    values: &mut [f32],
) -> Result<()> {
    match fields.u8()? {
        RAW => {
            let raw = fields.array::<4>(length)?;
            for (value, &raw) in values.iter_mut().zip(&raw[first..]) {
                *value = f32::from_le_bytes(raw);
            }
        }
        DECIMAL => decimal::decode(&mut fields, length, first, values)?,
        REAL => real::decode(&mut fields, length, first, values)?,
        scheme => return Err(corrupt(format!("has a block of scheme {scheme}"))),
    }
    fields.finish()
}

/// Up to where the table of blocks goes.
const fn table_bytes(values: usize) -> usize {
    4 + 4 * values.div_ceil(BLOCK_VALUES)
}

fn put<const N: usize>(out: &mut Vec<u8>, items: impl ExactSizeIterator<Item = [u8; N]>) {
    let start = out.len();
    out.resize(start + N * items.len(), 0);
    let places = out[start..].as_chunks_mut().0;
    for (place, item) in places.iter_mut().zip(items) {
        *place = item;
    }
}

fn narrow(number: usize) -> u32 {
    u32::try_from(number).expect("VALUES_MAX bounds what a stream takes")
}

/// A position in a block, or a number of values of one.
fn short(number: usize) -> u16 {
    u16::try_from(number).expect("a block has 1,024 values at most")
}

fn corrupt(what: impl std::fmt::Display) -> Error {
    Error::corruption(format!("a stream of compressed vectors {what}"))
}

/// What is left to read of a block.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, bytes: usize) -> Result<&'a [u8]> {
        let left = self.0.len();
        let cut = self.0.split_at_checked(bytes);
        let (taken, rest) =
            cut.ok_or_else(|| corrupt(format!("is cut off: {bytes} bytes are wanted of {left}")))?;
        self.0 = rest;
        Ok(taken)
    }

    /// `count` records of `N` bytes.
    fn array<const N: usize>(&mut self, count: usize) -> Result<&'a [[u8; N]]> {
        Ok(self.take(count * N)?.as_chunks().0)
    }

    fn one<const N: usize>(&mut self) -> Result<[u8; N]> {
        Ok(self.array(1)?[0])
    }

    fn u8(&mut self) -> Result<u8> {
        Ok(u8::from_le_bytes(self.one()?))
    }

    fn u16(&mut self) -> Result<u16> {
        Ok(u16::from_le_bytes(self.one()?))
    }

    fn u32(&mut self) -> Result<u32> {
        Ok(u32::from_le_bytes(self.one()?))
    }

    fn finish(self) -> Result<()> {
        match self.0.len() {
            0 => Ok(()),
            left => Err(corrupt(format!("has {left} bytes too many in a block"))),
        }
    }
}

/// What a scheme could not express: where in the block, and what instead.
struct Exceptions<'a, const N: usize> {
    positions: &'a [[u8; 2]],
    instead: &'a [[u8; N]],
}

impl<'a, const N: usize> Exceptions<'a, N> {
    fn read(fields: &mut Fields<'a>, count: u16) -> Result<Exceptions<'a, N>> {
        let count = usize::from(count);
        Ok(Exceptions {
            positions: fields.array(count)?,
            instead: fields.array(count)?,
        })
    }

    /// Those of the `length` values from `first` on: places counted from there.
    fn within(&self, first: usize, length: usize) -> impl Iterator<Item = (usize, [u8; N])> {
        let all = self.positions.iter().zip(self.instead);
        all.filter_map(move |(&position, &instead)| {
            let place = usize::from(u16::from_le_bytes(position)).checked_sub(first)?;
            (place < length).then_some((place, instead))
        })
    }
}
