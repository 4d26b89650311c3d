//! ALP: values that are decimals of few digits, as integers of few bits.
//!
//! A value is an integer times a power of ten that the block shares; what does not come back to the bit is an exception. The integers
//! count from the smallest one.
//!
//! The paper multiplies by two powers, one up and one down, in the precision of the values, and rounds away what goes wrong. Here floats of
//! 32 bits are multiplied in 64: one power is enough, and hardly a decimal of up to nine digits is an exception.

use super::pack::{self, LANES, Rows};
use super::{BLOCK_VALUES, DECIMAL, Exceptions, Fields, Result, corrupt, put, short};

const POWER_MAX: i8 = 10;

/// Powers of ten: -10 to 10.
const TENS: [f64; 21] = [
    1e-10, 1e-9, 1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6,
    1e7, 1e8, 1e9, 1e10,
];

/// Values of a block that the power is chosen by.
const SAMPLE: usize = 32;

/// Bits of an exception: where, and the value.
const EXCEPTION_BITS: usize = 16 + 32;

/// Adding it leaves a number, rounded to an integer, in the low bits.
const ROUNDING: f64 = 1.5 * (1_u64 << 52) as f64;

/// Appends `values` as a decimal block; nothing when that would take more than `limit` bytes, as far as a sample tells.
pub(super) fn encode(values: &[f32], limit: usize, out: &mut Vec<u8>) {
    let Some(power) = choose(values, limit) else {
        return;
    };
    let mut integers = [0_u32; BLOCK_VALUES];
    let integers = &mut integers[..values.len()];
    let (mut low, mut high) = (i32::MAX, i32::MIN);
    let mut exceptions = Vec::new();
    for (position, (&value, slot)) in values.iter().zip(integers.iter_mut()).enumerate() {
        match integer(value, power) {
            Some(integer) => {
                (low, high) = (low.min(integer), high.max(integer));
                *slot = integer.cast_unsigned();
            }
            None => exceptions.push(short(position)),
        }
    }
    let width = range_width(low, high);
    for integer in integers.iter_mut() {
        *integer = integer.wrapping_sub(low.cast_unsigned());
    }
    for &position in &exceptions {
        integers[usize::from(position)] = 0;
    }
    let [width_byte, ..] = width.to_le_bytes();
    out.extend_from_slice(&[DECIMAL, power.to_le_bytes()[0], width_byte]);
    out.extend_from_slice(&short(exceptions.len()).to_le_bytes());
    out.extend_from_slice(&low.to_le_bytes());
    pack::pack(integers, width, out);
    put(out, exceptions.iter().map(|at| at.to_le_bytes()));
    let instead = exceptions.iter().map(|&at| values[usize::from(at)]);
    put(out, instead.map(f32::to_le_bytes));
}

/// Of a block of `length` values, those from `first` on.
pub(super) fn decode(
    fields: &mut Fields<'_>,
    length: usize,
    first: usize,
    values: &mut [f32],
) -> Result<()> {
    let (power, width) = (fields.u8()?.cast_signed(), u32::from(fields.u8()?));
    let exceptions = fields.u16()?;
    let base = fields.u32()?;
    if power.unsigned_abs() > POWER_MAX.unsigned_abs() || width > 32 {
        return Err(corrupt(format!(
            "has decimals of {width} bits times 10^{power}"
        )));
    }
    let packed = fields.take(pack::packed_bytes(length, width))?;
    let exceptions = Exceptions::<4>::read(fields, exceptions)?;
    let mut rows: Rows = [[0; LANES]; _];
    let row = first / LANES;
    let rows = &mut rows[..(first + values.len()).div_ceil(LANES) - row];
    pack::unpack(packed, width, row, rows);
    let unit = tens(power);
    for (value, integer) in values.iter_mut().zip(&rows.as_flattened()[first % LANES..]) {
        *value = float(base.wrapping_add(*integer).cast_signed(), unit);
    }
    for (place, value) in exceptions.within(first, values.len()) {
        values[place] = f32::from_le_bytes(value);
    }
    Ok(())
}

/// The power of ten by which a sample becomes smallest; of equal ones that nearest to 0. None when all are beyond `limit`.
fn choose(values: &[f32], limit: usize) -> Option<i8> {
    let step = values.len().div_ceil(SAMPLE);
    let sample = || values.iter().step_by(step);
    let cost = |power| {
        let (mut low, mut high, mut exceptions) = (i32::MAX, i32::MIN, 0);
        for &value in sample() {
            match integer(value, power) {
                Some(integer) => (low, high) = (low.min(integer), high.max(integer)),
                None => exceptions += 1,
            }
        }
        exceptions * EXCEPTION_BITS + range_width(low, high) as usize * sample().len()
    };
    let powers = (0..=POWER_MAX).flat_map(|power| [-power, power]);
    let costs = powers.map(|power| (cost(power), power));
    let (bits, power) = costs.min_by_key(|&(bits, _)| bits)?;
    (bits / 8 * step <= limit).then_some(power)
}

/// Bits of the distance from `low` to `high`; 0 when there is nothing between them.
fn range_width(low: i32, high: i32) -> u32 {
    pack::width(high.max(low).wrapping_sub(low).cast_unsigned())
}

/// The integer that [`float`] makes this value of.
fn integer(value: f32, power: i8) -> Option<i32> {
    let scaled = f64::from(value) * tens(-power) + ROUNDING;
    #[expect(clippy::cast_possible_truncation, reason = "what is cut off differs")]
    let integer = (scaled.to_bits() as u32).cast_signed();
    (float(integer, tens(power)).to_bits() == value.to_bits()).then_some(integer)
}

#[expect(clippy::cast_possible_truncation, reason = "rounds to the nearest")]
fn float(integer: i32, unit: f64) -> f32 {
    (f64::from(integer) * unit) as f32
}

fn tens(power: i8) -> f64 {
    TENS[usize::from((power + POWER_MAX).cast_unsigned())]
}
