//! Many sorted sources as one.
//!
//! A binary heap of the children that stand on an entry, the one in front first. Runs of one child are common, so
//! the second in line is remembered: as long as the first stays before it, a step costs one comparison.

use std::cmp::Ordering;

use bytes::Bytes;

use crate::error::{Error, Result};
use crate::key::compare;
use crate::wal::LogPosition;

use super::InternalIterator;

/// The entries of all children in order.
///
/// Should two children have the same internal key, both entries appear, that of the earlier child first.
#[derive(Debug)]
pub(crate) struct MergeIter<I> {
    children: Vec<I>,
    heap: Vec<usize>,
    /// The slot of the heap that comes after the root, when known: 1 or 2.
    second: Option<usize>,
    backward: bool,
    error: Option<Error>,
}

impl<I: InternalIterator> MergeIter<I> {
    /// Merges `children`, given newest first.
    pub(crate) fn new(children: Vec<I>) -> Self {
        let heap = Vec::with_capacity(children.len());
        MergeIter {
            children,
            heap,
            second: None,
            backward: false,
            error: None,
        }
    }

    /// True when child `a` is to be seen before child `b`; both stand on entries.
    #[inline]
    fn precedes(&self, a: usize, b: usize) -> bool {
        let order = compare(self.children[a].key(), self.children[b].key()).then(a.cmp(&b));
        order
            == if self.backward {
                Ordering::Greater
            } else {
                Ordering::Less
            }
    }

    /// Orders the children after all of them have moved.
    fn rebuild(&mut self, backward: bool) {
        self.backward = backward;
        self.second = None;
        self.error = None;
        self.heap.clear();
        for child in 0..self.children.len() {
            if self.children[child].valid() {
                self.heap.push(child);
            } else if let Err(error) = self.children[child].status() {
                return self.fail(error);
            }
        }
        for slot in (0..self.heap.len() / 2).rev() {
            self.sift_down(slot);
        }
    }

    fn fail(&mut self, error: Error) {
        self.heap.clear();
        self.error = Some(error);
    }

    fn sift_down(&mut self, mut slot: usize) {
        self.second = None;
        while let Some(next) = self
            .first_below(slot)
            .filter(|&next| self.precedes(self.heap[next], self.heap[slot]))
        {
            self.heap.swap(slot, next);
            slot = next;
        }
    }

    /// Of the two slots below `slot`, the one that comes first.
    #[inline]
    fn first_below(&self, slot: usize) -> Option<usize> {
        let (left, right) = (2 * slot + 1, 2 * slot + 2);
        match self.heap.len() {
            length if right < length => Some(if self.precedes(self.heap[right], self.heap[left]) {
                right
            } else {
                left
            }),
            length if left < length => Some(left),
            _ => None,
        }
    }

    /// Restores the order after the child at the root, and no other, has moved.
    #[inline]
    fn root_moved(&mut self) {
        let root = self.heap[0];
        if !self.children[root].valid() {
            return self.root_ended(root);
        }
        let Some(second) = self.second.or_else(|| self.first_below(0)) else {
            return;
        };
        if self.precedes(self.heap[second], root) {
            self.heap.swap(0, second);
            self.sift_down(second);
        } else {
            self.second = Some(second);
        }
    }

    fn root_ended(&mut self, root: usize) {
        match self.children[root].status() {
            Err(error) => self.fail(error),
            Ok(()) => {
                self.heap.swap_remove(0);
                self.sift_down(0);
            }
        }
    }

    /// Lets all children stand on the other side of the current entry, and the current one on it.
    fn turn(&mut self, backward: bool) {
        let current = self.heap[0];
        let key = self.children[current].key().to_vec();
        for (position, child) in self.children.iter_mut().enumerate() {
            if position == current {
                continue;
            }
            if backward {
                child.seek_for_prev(&key);
                if position > current && child.valid() && child.key() == key {
                    child.prev();
                }
            } else {
                child.seek(&key);
                if position < current && child.valid() && child.key() == key {
                    child.next();
                }
            }
        }
    }
}

impl<I: InternalIterator> InternalIterator for MergeIter<I> {
    fn seek_to_first(&mut self) {
        self.children.iter_mut().for_each(I::seek_to_first);
        self.rebuild(false);
    }

    fn seek_to_last(&mut self) {
        self.children.iter_mut().for_each(I::seek_to_last);
        self.rebuild(true);
    }

    fn seek(&mut self, target: &[u8]) {
        self.children
            .iter_mut()
            .for_each(|child| child.seek(target));
        self.rebuild(false);
    }

    fn seek_for_prev(&mut self, target: &[u8]) {
        self.children
            .iter_mut()
            .for_each(|child| child.seek_for_prev(target));
        self.rebuild(true);
    }

    #[inline]
    fn next(&mut self) {
        let current = self.heap[0];
        if self.backward {
            self.turn(false);
            self.children[current].next();
            self.rebuild(false);
        } else {
            self.children[current].next();
            self.root_moved();
        }
    }

    #[inline]
    fn prev(&mut self) {
        let current = self.heap[0];
        if self.backward {
            self.children[current].prev();
            self.root_moved();
        } else {
            self.turn(true);
            self.children[current].prev();
            self.rebuild(true);
        }
    }

    fn skip(&mut self, rank: usize, target: &[u8]) {
        if self.heap[0] <= rank {
            return self.next();
        }
        debug_assert!(!self.backward, "the way goes forward");
        for child in self.children.iter_mut().skip(rank + 1) {
            if child.valid() && compare(child.key(), target).is_lt() {
                child.seek(target);
            }
        }
        self.rebuild(false);
    }

    fn skip_back(&mut self, rank: usize, target: &[u8]) {
        if self.heap[0] <= rank {
            return self.prev();
        }
        debug_assert!(self.backward, "the way goes backward");
        for child in self.children.iter_mut().skip(rank + 1) {
            if child.valid() && compare(child.key(), target).is_gt() {
                child.seek_for_prev(target);
            }
        }
        self.rebuild(true);
    }

    #[inline]
    fn valid(&self) -> bool {
        !self.heap.is_empty()
    }

    #[inline]
    fn key(&self) -> &[u8] {
        self.children[self.heap[0]].key()
    }

    #[inline]
    fn value(&self) -> Bytes {
        self.children[self.heap[0]].value()
    }

    #[inline]
    fn value_slice(&self) -> &[u8] {
        self.children[self.heap[0]].value_slice()
    }

    fn position(&self) -> Option<LogPosition> {
        self.children[self.heap[0]].position()
    }

    fn status(&self) -> Result<()> {
        self.error.clone().map_or(Ok(()), Err)
    }
}
