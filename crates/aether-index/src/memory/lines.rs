//! Bytes that grow and stay on whole cache lines.

use super::block::{Block, LINE_BYTES};
use crate::{Error, Result};

/// Growing makes room for one more byte in so many.
const SPARE_SHARE: usize = 8;

/// Bytes that start on a cache line, zeroed where nobody wrote.
#[derive(Debug)]
pub(crate) struct Lines {
    owner: Owner,
    length: usize,
}

#[derive(Debug)]
enum Owner {
    Nobody,
    Block(Block),
}

impl Lines {
    /// None yet.
    pub(crate) const fn new() -> Lines {
        Lines {
            owner: Owner::Nobody,
            length: 0,
        }
    }

    /// How many are in use.
    pub(crate) fn len(&self) -> usize {
        self.length
    }

    /// How many it has memory for.
    pub(crate) fn capacity(&self) -> usize {
        match &self.owner {
            Owner::Nobody => 0,
            Owner::Block(block) => block.bytes(),
        }
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        match &self.owner {
            Owner::Nobody => &[],
            // SAFETY: the block is initialized and at least `length` long (see `set_len`), and only `self` knows it.
            Owner::Block(block) => unsafe {
                std::slice::from_raw_parts(block.base().as_ptr(), self.length)
            },
        }
    }

    pub(crate) fn as_bytes_mut(&mut self) -> &mut [u8] {
        let base = match &self.owner {
            Owner::Nobody => return &mut [],
            Owner::Block(block) => block.base(),
        };
        // SAFETY: as in `as_bytes`, and `self` is borrowed alone.
        unsafe { std::slice::from_raw_parts_mut(base.as_ptr(), self.length) }
    }

    /// Makes them fewer, or more: new ones are zero.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) when there is no memory; nothing has changed then.
    pub(crate) fn set_len(&mut self, length: usize) -> Result<()> {
        if length > self.capacity() {
            let spare = if self.length == 0 {
                0
            } else {
                length / SPARE_SHARE
            };
            let room = (length + spare).next_multiple_of(LINE_BYTES);
            let block = Block::zeroed(room).ok_or_else(|| {
                Error::unavailable(format!("no memory for a bucket of {room} bytes"))
            })?;
            let mut grown = Lines {
                owner: Owner::Block(block),
                length: self.length,
            };
            grown.as_bytes_mut().copy_from_slice(self.as_bytes());
            *self = grown;
        }
        let old = std::mem::replace(&mut self.length, length);
        if let Some(new) = self.as_bytes_mut().get_mut(old..) {
            new.fill(0);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_stay_as_lines_grow_and_shrink() {
        let mut lines = Lines::new();
        assert!(lines.as_bytes().is_empty() && lines.as_bytes_mut().is_empty());
        lines.set_len(120).unwrap();
        lines.as_bytes_mut()[0] = 7;
        lines.as_bytes_mut()[110] = 8;
        lines.set_len(100).unwrap();
        lines.set_len(120).unwrap();
        assert_eq!((lines.as_bytes()[0], lines.as_bytes()[110]), (7, 0));
        for length in (120..5000).step_by(40) {
            lines.set_len(length).unwrap();
            assert!(lines.capacity() < length + length / 4 + 128);
            assert!((lines.as_bytes().as_ptr() as usize).is_multiple_of(LINE_BYTES));
        }
        assert_eq!((lines.as_bytes()[0], lines.as_bytes()[4000]), (7, 0));
    }
}
