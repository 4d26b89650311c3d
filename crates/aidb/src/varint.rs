//! Variable-length integers (LEB128): seven bits a byte, low bits first, the high bit says that more follow.

/// Appends `value`: 1 to 10 bytes.
pub(crate) fn put(buffer: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        buffer.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    buffer.push(value.to_le_bytes()[0]);
}

/// Takes an integer off the front of `bytes`; none when they end too early or it does not fit 64 bits.
pub(crate) fn take(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for (index, &byte) in bytes.iter().take(10).enumerate() {
        let part = u64::from(byte & 0x7f);
        if index == 9 && part > 1 {
            return None;
        }
        value |= part << (7 * index);
        if byte < 0x80 {
            *bytes = &bytes[index + 1..];
            return Some(value);
        }
    }
    None
}

/// Takes a length and that many bytes off the front of `bytes`.
pub(crate) fn take_bytes<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::try_from(take(bytes)?).ok()?;
    let (taken, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(taken)
}

/// Appends the length of `value` and `value`.
pub(crate) fn put_bytes(buffer: &mut Vec<u8>, value: &[u8]) {
    put(buffer, value.len() as u64);
    buffer.extend_from_slice(value);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_is_taken() {
        for value in (0..64).flat_map(|bit| [(1 << bit) - 1, 1 << bit, u64::MAX >> bit]) {
            let mut buffer = Vec::new();
            put(&mut buffer, value);
            put_bytes(&mut buffer, b"xyz");
            let mut rest = buffer.as_slice();
            assert_eq!(take(&mut rest), Some(value));
            assert_eq!(take_bytes(&mut rest), Some(&b"xyz"[..]));
            assert_eq!(take(&mut rest), None);
            assert_eq!(take(&mut &buffer[..0]), None);
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        assert_eq!(take(&mut &[0xff; 12][..]), None);
        assert_eq!(
            take(&mut &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2][..]),
            None
        );
        assert_eq!(
            take_bytes(&mut &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 7][..]),
            None
        );
        assert_eq!(take_bytes(&mut &[3, 7, 7][..]), None);
    }
}
