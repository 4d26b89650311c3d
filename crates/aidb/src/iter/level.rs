//! Tables that do not overlap, as one source; each is opened when it is reached.

use bytes::Bytes;

use crate::error::{Error, Result};
use crate::key::compare;

use super::InternalIterator;

/// The tables of one level, in key order, not overlapping.
pub(crate) trait LevelTables {
    /// A cursor over one table.
    type Cursor: InternalIterator;
    /// How many tables there are.
    fn len(&self) -> usize;
    /// The last internal key of table `index`.
    fn largest(&self, index: usize) -> &[u8];
    /// A cursor over table `index`, standing nowhere yet.
    fn open(&self, index: usize) -> Result<Self::Cursor>;
}

/// The entries of all tables of a level. Holds one table open.
#[derive(Debug)]
pub(crate) struct LevelIter<T: LevelTables> {
    tables: T,
    current: Option<(usize, T::Cursor)>,
    error: Option<Error>,
}

impl<T: LevelTables> LevelIter<T> {
    /// A cursor over `tables`; opens none yet.
    pub(crate) fn new(tables: T) -> Self {
        LevelIter {
            tables,
            current: None,
            error: None,
        }
    }

    /// The cursor over table `index`; none when there is no such table or it cannot be opened.
    fn table(&mut self, index: Option<usize>) -> Option<&mut T::Cursor> {
        let Some(index) = index.filter(|&index| index < self.tables.len()) else {
            self.current = None;
            return None;
        };
        if self
            .current
            .as_ref()
            .is_none_or(|(current, _)| *current != index)
        {
            self.current = None;
            match self.tables.open(index) {
                Ok(cursor) => self.current = Some((index, cursor)),
                Err(error) => self.error = Some(error),
            }
        }
        self.current.as_mut().map(|(_, cursor)| cursor)
    }

    fn first_of(&mut self, index: Option<usize>) {
        if let Some(cursor) = self.table(index) {
            cursor.seek_to_first();
            self.skip_forward();
        }
    }

    fn last_of(&mut self, index: Option<usize>) {
        if let Some(cursor) = self.table(index) {
            cursor.seek_to_last();
            self.skip_backward();
        }
    }

    /// The current table, when its cursor has come to an end without an error.
    #[inline]
    fn ended(&self) -> Option<usize> {
        let (index, cursor) = self.current.as_ref()?;
        (!cursor.valid() && cursor.status().is_ok()).then_some(*index)
    }

    #[inline]
    fn skip_forward(&mut self) {
        if let Some(index) = self.ended() {
            self.first_of(Some(index + 1));
        }
    }

    #[inline]
    fn skip_backward(&mut self) {
        if let Some(index) = self.ended() {
            self.last_of(index.checked_sub(1));
        }
    }

    /// The first table whose last key is `target` or stands after it.
    fn find(&self, target: &[u8]) -> usize {
        let (mut low, mut high) = (0, self.tables.len());
        while low < high {
            let middle = low + (high - low) / 2;
            if compare(self.tables.largest(middle), target).is_lt() {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }
}

impl<T: LevelTables> InternalIterator for LevelIter<T> {
    fn seek_to_first(&mut self) {
        self.error = None;
        self.first_of(Some(0));
    }

    fn seek_to_last(&mut self) {
        self.error = None;
        self.last_of(self.tables.len().checked_sub(1));
    }

    fn seek(&mut self, target: &[u8]) {
        self.error = None;
        let index = self.find(target);
        if let Some(cursor) = self.table(Some(index)) {
            cursor.seek(target);
            self.skip_forward();
        }
    }

    fn seek_for_prev(&mut self, target: &[u8]) {
        self.error = None;
        let index = self.find(target);
        if index == self.tables.len() {
            return self.seek_to_last();
        }
        if let Some(cursor) = self.table(Some(index)) {
            cursor.seek_for_prev(target);
            self.skip_backward();
        }
    }

    #[inline]
    fn next(&mut self) {
        if let Some((_, cursor)) = &mut self.current {
            cursor.next();
            self.skip_forward();
        }
    }

    #[inline]
    fn prev(&mut self) {
        if let Some((_, cursor)) = &mut self.current {
            cursor.prev();
            self.skip_backward();
        }
    }

    #[inline]
    fn valid(&self) -> bool {
        self.current
            .as_ref()
            .is_some_and(|(_, cursor)| cursor.valid())
    }

    #[inline]
    fn key(&self) -> &[u8] {
        self.current
            .as_ref()
            .map_or(&[], |(_, cursor)| cursor.key())
    }

    #[inline]
    fn value(&self) -> Bytes {
        self.current
            .as_ref()
            .map_or_else(Bytes::new, |(_, cursor)| cursor.value())
    }

    #[inline]
    fn value_slice(&self) -> &[u8] {
        self.current
            .as_ref()
            .map_or(&[], |(_, cursor)| cursor.value_slice())
    }

    fn status(&self) -> Result<()> {
        match (&self.error, &self.current) {
            (Some(error), _) => Err(error.clone()),
            (None, Some((_, cursor))) => cursor.status(),
            (None, None) => Ok(()),
        }
    }
}
