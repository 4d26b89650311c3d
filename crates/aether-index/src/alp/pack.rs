//! Integers of few bits, eight at a time: simple loops over eight lanes, which compilers turn into vector instructions.
//!
//! ```text
//! row r     integers 8r to 8r + 7, one for each lane; the last row is filled up with zeros
//! lane      its integers one after the other, `width` bits each, low bits first
//! line l    32 bytes: bits 32l to 32l + 31 of each lane
//! ```

/// Integers that are packed and unpacked at once.
pub(super) const LANES: usize = 8;

/// A number of integers that fills whole rows.
pub(super) type Rows = [[u32; LANES]; super::BLOCK_VALUES / LANES];

const LINE: usize = 4 * LANES;

/// Bits that `integer` takes: 0 to 32.
pub(super) fn width(integer: u32) -> u32 {
    u32::BITS - integer.leading_zeros()
}

/// Bytes of `count` packed integers.
pub(super) fn packed_bytes(count: usize, width: u32) -> usize {
    let bits = count.div_ceil(LANES) * width as usize;
    bits.div_ceil(32) * LINE
}

/// Appends `integers`, all below `2^width`.
pub(super) fn pack<T: Copy + Into<u64>>(integers: &[T], width: u32, out: &mut Vec<u8>) {
    let (mut lanes, mut filled) = ([0_u64; LANES], 0);
    for row in integers.chunks(LANES) {
        for (lane, &integer) in lanes.iter_mut().zip(row) {
            *lane |= integer.into() << filled;
        }
        filled += width;
        if filled >= 32 {
            put_line(&mut lanes, out);
            filled -= 32;
        }
    }
    if filled > 0 {
        put_line(&mut lanes, out);
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the upper half stays")]
fn put_line(lanes: &mut [u64; LANES], out: &mut Vec<u8>) {
    super::put(out, lanes.iter().map(|&lane| (lane as u32).to_le_bytes()));
    for lane in lanes {
        *lane >>= 32;
    }
}

/// The rows from number `first` on. `packed` has what [`packed_bytes`] says for all of them.
pub(super) fn unpack(packed: &[u8], width: u32, first: usize, rows: &mut [[u32; LANES]]) {
    if width == 0 {
        rows.fill([0; LANES]);
        return;
    }
    let lines: &[[u8; LINE]] = packed.as_chunks().0;
    let mask = u32::MAX >> (32 - width);
    let mut bit = first * width as usize;
    for row in rows {
        let (line, offset) = (bit / 32, bit % 32);
        let low = load(&lines[line]);
        if offset + width as usize <= 32 {
            for (integer, low) in row.iter_mut().zip(low) {
                *integer = low >> offset & mask;
            }
        } else {
            let high = load(&lines[line + 1]);
            for ((integer, low), high) in row.iter_mut().zip(low).zip(high) {
                *integer = (low >> offset | high << (32 - offset)) & mask;
            }
        }
        bit += width as usize;
    }
}

fn load(line: &[u8; LINE]) -> [u32; LANES] {
    let words: &[[u8; 4]] = line.as_chunks().0;
    std::array::from_fn(|lane| u32::from_le_bytes(words[lane]))
}
