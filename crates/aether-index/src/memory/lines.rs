//! Bytes that grow and stay on whole cache lines: their own, or a part of a checkpoint until they grow.

use super::block::{Block, LINE_BYTES, Part};
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
    Part(Part),
}

impl Lines {
    /// None yet.
    pub(crate) const fn new() -> Lines {
        Lines {
            owner: Owner::Nobody,
            length: 0,
        }
    }

    /// The bytes of a part; `None` when it does not start on a cache line.
    pub(crate) fn over(part: Part) -> Option<Lines> {
        let aligned = (part.base().as_ptr() as usize).is_multiple_of(LINE_BYTES);
        aligned.then(|| Lines {
            length: part.bytes(),
            owner: Owner::Part(part),
        })
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
            Owner::Part(part) => part.bytes(),
        }
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        match &self.owner {
            Owner::Nobody => &[],
            // SAFETY: the block is initialized and at least `length` long (see `set_len`), and only `self` knows it.
            Owner::Block(block) => unsafe {
                std::slice::from_raw_parts(block.base().as_ptr(), self.length)
            },
            Owner::Part(part) => &part.as_bytes()[..self.length],
        }
    }

    pub(crate) fn as_bytes_mut(&mut self) -> &mut [u8] {
        let base = match &self.owner {
            Owner::Nobody => return &mut [],
            Owner::Block(block) => block.base(),
            Owner::Part(part) => part.base(),
        };
        // SAFETY: as in `as_bytes`; a part is ours by value, so nobody else has its range, and `self` is borrowed alone.
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
    use crate::Image;

    #[test]
    fn bytes_stay_as_lines_grow_and_shrink() {
        let image = Image::from((0..=255).collect::<Vec<u8>>());
        let [_, part] = image.split(0, [64, 128]).unwrap();
        let mut lines = Lines::over(part).unwrap();
        assert_eq!(lines.as_bytes(), (64..192).collect::<Vec<u8>>());
        lines.as_bytes_mut()[0] = 7;
        lines.set_len(100).unwrap();
        lines.set_len(120).unwrap();
        assert_eq!(
            (
                lines.as_bytes()[0],
                lines.as_bytes()[99],
                lines.as_bytes()[100]
            ),
            (7, 163, 0)
        );
        for length in (120..5000).step_by(40) {
            lines.set_len(length).unwrap();
            assert!(lines.capacity() < length + length / 4 + 128);
            assert!((lines.as_bytes().as_ptr() as usize).is_multiple_of(LINE_BYTES));
        }
        assert_eq!((lines.as_bytes()[1], lines.as_bytes()[4000]), (65, 0));
        let mut own = Lines::new();
        assert!(own.as_bytes().is_empty() && own.as_bytes_mut().is_empty());
        own.set_len(10).unwrap();
        assert_eq!(own.as_bytes(), [0; 10]);
    }
}
