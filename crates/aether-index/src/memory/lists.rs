//! Lists of numbers, each number atomic: the links of upper layers.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use aether_distance::prefetch_at;
use parking_lot::Mutex;

use super::column::{Column, NO_SLOT};
use crate::Result;

/// Lists of `width` numbers each. Anybody may read and write any list at any time: only numbers can be wrong.
#[derive(Debug)]
pub(crate) struct Lists {
    column: Column,
    width: usize,
    unused: Mutex<Unused>,
}

/// Lists that nobody has.
#[derive(Debug)]
struct Unused {
    /// Given back.
    free: Vec<u32>,
    /// From here on none was ever given out.
    next: u32,
}

impl Lists {
    /// Lists over a column, of which the first `used` are in use.
    pub(crate) fn new(column: Column, used: u32) -> Lists {
        let width = column.stride() / size_of::<u32>();
        Lists {
            column,
            width,
            unused: Mutex::new(Unused {
                free: Vec::new(),
                next: used,
            }),
        }
    }

    /// The numbers of one list; empty if there is no such list.
    #[inline]
    pub(crate) fn get(&self, list: u32) -> &[AtomicU32] {
        match self.column.address(list) {
            // SAFETY: there are `stride` = `4 * width` bytes, aligned to 4 (base of a line, stride a multiple of 4),
            // initialized (zeroed, or of a file), and all access to them is through such atomics.
            Some(address) => unsafe {
                std::slice::from_raw_parts(address.cast().as_ptr(), self.width)
            },
            None => &[],
        }
    }

    /// Asks the memory for a list.
    #[inline]
    pub(crate) fn prefetch(&self, list: u32) {
        if let Some(address) = self.column.address(list) {
            prefetch_at(address.as_ptr(), self.column.stride());
        }
    }

    /// A list of [`NO_SLOT`]s that nobody else has.
    pub(crate) fn claim(&self) -> Result<u32> {
        let mut unused = self.unused.lock();
        let list = match unused.free.pop() {
            Some(list) => list,
            None => {
                self.column.reserve(unused.next)?;
                unused.next += 1;
                unused.next - 1
            }
        };
        for number in self.get(list) {
            number.store(NO_SLOT, Relaxed);
        }
        Ok(list)
    }

    /// Gives a list back; it is reused at once, so no search may still need its numbers to be right.
    pub(crate) fn release(&self, list: u32) {
        self.unused.lock().free.push(list);
    }

    /// Bytes of the lists in use or given back.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.unused.lock().next as usize * self.column.stride()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Image;

    #[test]
    fn lists_go_on_after_those_of_a_checkpoint() {
        let bytes: Vec<u8> = (0..48).collect();
        let [part, rest] = Image::from(bytes).split(0, [40, 8]).unwrap();
        assert_eq!(rest.as_bytes(), (40..48).collect::<Vec<u8>>());
        let lists = Lists::new(Column::over(part, 5, 8).unwrap(), 5);
        assert_eq!(
            lists.get(1)[1].load(Relaxed),
            u32::from_le_bytes([12, 13, 14, 15])
        );
        assert!(lists.get(5).is_empty());
        let list = lists.claim().unwrap();
        assert_eq!((list, lists.claim().unwrap()), (5, 6));
        assert_eq!(lists.get(5)[0].load(Relaxed), NO_SLOT);
        lists.get(4)[1].store(1, Relaxed);
        lists.release(4);
        assert_eq!(lists.claim().unwrap(), 4);
        assert_eq!(lists.get(4)[1].load(Relaxed), NO_SLOT);
    }

    #[test]
    fn parts_that_do_not_fit_are_refused() {
        assert!(Image::from(vec![0; 100]).split(50, [51]).is_none());
        assert!(Image::from(vec![0; 100]).split(50, [usize::MAX]).is_none());
        let [part] = Image::from(vec![0; 100]).split(0, [100]).unwrap();
        assert!(Column::over(part, 13, 8).is_none());
    }
}
