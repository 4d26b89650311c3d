//! ALP-RD: real numbers, whose front bits (sign, exponent, a little more) are few different ones: a word of a dictionary each.
//!
//! ```text
//! value  = front bits │ back bits, `width` │ zeros, `shift`
//! ```
//! Front bits that are not in the dictionary are exceptions. Beyond the paper: zeros at the end that all values of a block share,
//! as numbers of less precision have them, are not stored, and the dictionary may have up to 16 words.

use super::pack::{self, LANES, Rows};
use super::{BLOCK_VALUES, Exceptions, Fields, REAL, Result, corrupt, put, short};

/// Front bits are 1 to 16.
const FRONT_MAX: u32 = 16;

/// Bits of a word's number are 0 to 4.
const WORD_BITS_MAX: u32 = 4;

const WORDS_MAX: usize = 1 << WORD_BITS_MAX;

/// The number of what is no word.
const NO_WORD: u16 = u16::MAX;

/// Values of a block that the cut and the dictionary are chosen by.
const SAMPLE: usize = 256;

/// Bits of an exception: where, and its front bits.
const EXCEPTION_BITS: usize = 16 + 16;

/// Appends `values` as a real block; nothing when that would take more than `limit` bytes, as far as a sample tells.
pub(super) fn encode(values: &[f32], limit: usize, out: &mut Vec<u8>) {
    let Some(Plan { shift, back, words }) = Plan::new(values, limit) else {
        return;
    };
    let mut fronts = [0_u16; BLOCK_VALUES];
    let mut backs = [0_u32; BLOCK_VALUES];
    for ((value, front), back_bits) in values.iter().zip(&mut fronts).zip(&mut backs) {
        let bits = value.to_bits() >> shift;
        *front = low_half(bits >> back);
        *back_bits = bits & !(u32::MAX << back);
    }
    let fronts = &fronts[..values.len()];
    let mut numbers = [NO_WORD; BLOCK_VALUES];
    let numbers = &mut numbers[..values.len()];
    for (number, &word) in (0..).zip(&words) {
        for (slot, &front) in numbers.iter_mut().zip(fronts) {
            *slot = if front == word { number } else { *slot };
        }
    }
    let mut exceptions = Vec::new();
    for (position, number) in numbers.iter_mut().enumerate() {
        if *number == NO_WORD {
            *number = 0;
            exceptions.push(short(position));
        }
    }
    let dictionary = u8::try_from(words.len()).expect("16 at most");
    let ([shift, ..], [back_byte, ..]) = (shift.to_le_bytes(), back.to_le_bytes());
    out.extend_from_slice(&[REAL, dictionary, shift, back_byte]);
    out.extend_from_slice(&short(exceptions.len()).to_le_bytes());
    put(out, words.iter().map(|word| word.to_le_bytes()));
    pack::pack(numbers, word_bits(words.len()), out);
    pack::pack(&backs[..values.len()], back, out);
    put(out, exceptions.iter().map(|at| at.to_le_bytes()));
    let instead = exceptions.iter().map(|&at| fronts[usize::from(at)]);
    put(out, instead.map(u16::to_le_bytes));
}

/// Of a block of `length` values, those from `first` on.
pub(super) fn decode(
    fields: &mut Fields<'_>,
    length: usize,
    first: usize,
    values: &mut [f32],
) -> Result<()> {
    let count = usize::from(fields.u8()?);
    let (shift, back) = (u32::from(fields.u8()?), u32::from(fields.u8()?));
    let exceptions = fields.u16()?;
    if !(1..=WORDS_MAX).contains(&count) || !(32 - FRONT_MAX..32).contains(&(shift + back)) {
        return Err(corrupt(format!(
            "has a dictionary of {count} words, and cuts {back} and {shift} bits"
        )));
    }
    let mut words = [0_u32; WORDS_MAX];
    for (word, &front) in words.iter_mut().zip(fields.array(count)?) {
        *word = u32::from(u16::from_le_bytes(front)) << back << shift;
    }
    let numbers_width = word_bits(count);
    let numbers = fields.take(pack::packed_bytes(length, numbers_width))?;
    let backs = fields.take(pack::packed_bytes(length, back))?;
    let exceptions = Exceptions::<2>::read(fields, exceptions)?;
    let row = first / LANES;
    let rows = ..(first + values.len()).div_ceil(LANES) - row;
    let (mut number_rows, mut back_rows): (Rows, Rows) = ([[0; LANES]; _], [[0; LANES]; _]);
    pack::unpack(numbers, numbers_width, row, &mut number_rows[rows]);
    pack::unpack(backs, back, row, &mut back_rows[rows]);
    let numbers = &number_rows.as_flattened()[first % LANES..];
    let backs = &back_rows.as_flattened()[first % LANES..];
    for ((value, number), back) in values.iter_mut().zip(numbers).zip(backs) {
        let word = words[*number as usize % WORDS_MAX];
        *value = f32::from_bits(word | back << shift);
    }
    for (place, front) in exceptions.within(first, values.len()) {
        let front = u32::from(u16::from_le_bytes(front)) << back << shift;
        values[place] = f32::from_bits(front | backs[place] << shift);
    }
    Ok(())
}

/// Where values are cut, and the words of their dictionary, the most frequent first.
struct Plan {
    shift: u32,
    back: u32,
    words: Vec<u16>,
}

impl Plan {
    /// None when the sample takes more than its share of `limit` bytes.
    fn new(values: &[f32], limit: usize) -> Option<Plan> {
        let all = values.iter().fold(0, |bits, value| bits | value.to_bits());
        let shift = all.trailing_zeros().min(31);
        let step = values.len().div_ceil(SAMPLE);
        let sample = values.iter().step_by(step);
        let mut fronts: Vec<u16> = sample
            .map(|value| low_half(value.to_bits() >> FRONT_MAX))
            .collect();
        fronts.sort_unstable();
        let mut best = (usize::MAX, 0, Vec::new());
        let mut counts = Vec::with_capacity(SAMPLE);
        for front_bits in 1..=FRONT_MAX.min(32 - shift) {
            count(&fronts, FRONT_MAX - front_bits, &mut counts);
            let back = 32 - shift - front_bits;
            let (mut uncovered, mut cheapest) = (fronts.len(), usize::MAX);
            for bits in 0..=WORD_BITS_MAX {
                let words = &counts[..counts.len().min(1 << bits)];
                let new = &words[words.len().min(1 << bits >> 1)..];
                uncovered -= new.iter().map(|&(count, _)| count).sum::<usize>();
                let cost = fronts.len() * (bits + back) as usize + uncovered * EXCEPTION_BITS;
                cheapest = cheapest.min(cost);
                if cost < best.0 {
                    best = (cost, back, words.iter().map(|&(_, word)| word).collect());
                }
            }
            // More bits in front are more different words.
            if cheapest > best.0 + 2 * fronts.len() {
                break;
            }
        }
        let (bits, back, words) = best;
        (bits / 8 * step <= limit).then_some(Plan { shift, back, words })
    }
}

/// How often each of the sorted `fronts` occurs without its last `cut` bits: the most frequent first.
fn count(fronts: &[u16], cut: u32, counts: &mut Vec<(usize, u16)>) {
    counts.clear();
    let same = fronts.chunk_by(|a, b| a >> cut == b >> cut);
    counts.extend(same.map(|chunk| (chunk.len(), chunk[0] >> cut)));
    counts.sort_unstable_by(|a, b| b.cmp(a));
}

/// Bits of the number of one of so many words.
fn word_bits(words: usize) -> u32 {
    usize::BITS - (words - 1).leading_zeros()
}

#[expect(clippy::cast_possible_truncation, reason = "front bits are 16 at most")]
fn low_half(bits: u32) -> u16 {
    bits as u16
}
