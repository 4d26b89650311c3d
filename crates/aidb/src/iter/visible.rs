//! What a snapshot sees: the newest version of each user key up to a sequence number; tombstones, deleted ranges and
//! values whose time is over are hidden, and operands are made values.
//!
//! One cursor serves both ends: it stays where the last call from one end left it, and seeks when the other end is
//! asked. The ends move towards each other and stop when they meet.

use std::cmp::Ordering;
use std::ops::Bound;

use bytes::{Bytes, BytesMut};

use crate::error::{Error, Result};
use crate::key::{
    SeqNo, ValueKind, compare, compare_user, split, trailer_kind, trailer_seq, write_internal,
};
use crate::lookup::{Base, Rules};

use super::InternalIterator;
use super::covers::Covers;

/// After so many versions of one key that are not wanted, a seek is cheaper than going on one by one.
const SKIPPED_MAX: u32 = 8;

/// Keys that are handed out share pieces of memory of up to this size.
const KEY_CHUNK_BYTES_MAX: usize = 4096;

/// How versions are seen.
#[derive(Debug)]
pub(crate) struct View {
    /// The newest versions up to here.
    pub(crate) at: SeqNo,
    pub(crate) rules: Rules,
    /// The deleted ranges of the cursor's sources.
    pub(crate) covers: Covers,
}

/// User keys and values visible at a sequence number, within bounds, from both ends.
#[derive(Debug)]
pub(crate) struct VisibleIter<I> {
    cursor: I,
    view: View,
    /// As given, and the same after a seek of the front.
    lower_given: Bound<Bytes>,
    lower: Bound<Bytes>,
    upper: Bound<Bytes>,
    /// The last user key that the front has passed, and the back.
    front: Option<Vec<u8>>,
    back: Option<Vec<u8>>,
    position: Position,
    given: Given,
    /// The ends have met, or nothing is left between them.
    exhausted: bool,
    /// Buffers: where to seek; the key whose versions are looked through at the back.
    target: Vec<u8>,
    candidate: Vec<u8>,
    /// The piece of memory for the next keys that are handed out, and how large the one after it is to be.
    keys: BytesMut,
    key_chunk_bytes: usize,
}

/// Where the cursor is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Position {
    Nowhere,
    /// On a version of the key that the front has passed last.
    OnFront,
    /// Behind all versions of that key, or nowhere when there is nothing.
    AfterFront,
    /// On the first entry of the next key at the back, or nowhere when there is none.
    BeforeBack,
}

/// The value that the last step came to.
#[derive(Debug, Default)]
enum Given {
    #[default]
    Nothing,
    /// That of the entry on which the cursor stands.
    Cursor,
    Value(Bytes),
}

impl<I: InternalIterator> VisibleIter<I> {
    /// Over the user keys of `cursor` from `lower` to `upper`.
    pub(crate) fn new(cursor: I, view: View, lower: Bound<Bytes>, upper: Bound<Bytes>) -> Self {
        VisibleIter {
            cursor,
            view,
            lower_given: lower.clone(),
            lower,
            upper,
            front: None,
            back: None,
            position: Position::Nowhere,
            given: Given::Nothing,
            exhausted: false,
            target: Vec::new(),
            candidate: Vec::new(),
            keys: BytesMut::new(),
            key_chunk_bytes: 128,
        }
    }

    /// Moves the front: [`next`](Self::next) then gives the first entry at or after `user_key`, never before the
    /// lower bound nor behind what the back has given.
    pub(crate) fn seek(&mut self, user_key: &[u8]) {
        self.lower = match &self.lower_given {
            Bound::Included(lower) | Bound::Excluded(lower) if user_key <= &**lower => {
                self.lower_given.clone()
            }
            _ => Bound::Included(Bytes::copy_from_slice(user_key)),
        };
        self.front = None;
        self.given = Given::Nothing;
        self.position = Position::Nowhere;
        self.exhausted = false;
    }

    /// The next entry from the front.
    ///
    /// # Errors
    /// As [`advance`](Self::advance).
    #[inline]
    pub(crate) fn next(&mut self) -> Result<Option<(Bytes, Bytes)>> {
        if !self.advance()? {
            return Ok(None);
        }
        let front = self.front.as_deref().unwrap_or_default();
        let key = copy_key(&mut self.keys, &mut self.key_chunk_bytes, front);
        let value = match std::mem::take(&mut self.given) {
            Given::Value(value) => value,
            Given::Nothing | Given::Cursor => self.cursor.value(),
        };
        Ok(Some((key, value)))
    }

    /// The key that [`advance`](Self::advance) came to.
    #[inline]
    pub(crate) fn key(&self) -> &[u8] {
        self.front.as_deref().unwrap_or_default()
    }

    /// The value that [`advance`](Self::advance) came to.
    #[inline]
    pub(crate) fn value(&self) -> &[u8] {
        match &self.given {
            Given::Nothing => &[],
            Given::Cursor => self.cursor.value_slice(),
            Given::Value(value) => value,
        }
    }

    /// Goes to the next entry from the front; false at the end.
    ///
    /// # Errors
    /// When a source cannot be read; the iterator then goes on where it stopped if it is asked again.
    #[inline]
    pub(crate) fn advance(&mut self) -> Result<bool> {
        self.given = Given::Nothing;
        if self.exhausted {
            return Ok(false);
        }
        match self.position {
            Position::OnFront => self.cursor.next(),
            Position::AfterFront => {}
            Position::Nowhere | Position::BeforeBack => self.seek_front(),
        }
        self.position = Position::Nowhere;
        let mut skipped = 0;
        let mut sought = Vec::new();
        while self.cursor.valid() {
            let (user_key, trailer) = split(self.cursor.key());
            let order = self
                .front
                .as_deref()
                .map_or(Ordering::Greater, |front| compare_user(user_key, front));
            let seen = order == Ordering::Equal;
            if !seen && self.is_beyond_back(user_key) {
                self.exhausted = true;
                return Ok(false);
            }
            if seen || !self.view.sees(trailer_seq(trailer)) {
                skipped += 1;
                if skipped == SKIPPED_MAX {
                    skipped = 0;
                    self.skip_versions(seen, &mut sought)?;
                } else {
                    self.cursor.next();
                }
                continue;
            }
            let kind = trailer_kind(trailer).ok_or_else(|| unknown_kind(user_key, trailer))?;
            if !self.view.covers.is_empty()
                && let Some(rank) = self.view.skip(user_key, trailer, true, &mut self.target)?
            {
                self.cursor.skip(rank, &self.target);
                continue;
            }
            if order == Ordering::Less {
                return Err(Error::disordered(user_key));
            }
            let front = self.front.get_or_insert_default();
            front.clear();
            front.extend_from_slice(user_key);
            if kind == ValueKind::Put {
                self.position = Position::OnFront;
                self.given = Given::Cursor;
                return Ok(true);
            }
            if kind != ValueKind::Delete
                && let Some(value) = self.unusual_value(kind)?
            {
                self.given = Given::Value(value);
                return Ok(true);
            }
            skipped = 0;
            if self.position == Position::Nowhere {
                self.cursor.next();
            }
            self.position = Position::Nowhere;
        }
        self.cursor.status()?;
        self.exhausted = true;
        Ok(false)
    }

    /// The value of the key that the front has just come to, of a version that is neither a put nor a delete. The
    /// position is set when there is one; and when the cursor has gone on.
    #[cold]
    fn unusual_value(&mut self, kind: ValueKind) -> Result<Option<Bytes>> {
        let front = self.front.as_deref().unwrap_or_default();
        if kind != ValueKind::Merge {
            let value = self.view.rules.value(front, kind, self.cursor.value())?;
            if value.is_some() {
                self.position = Position::OnFront;
            }
            return Ok(value);
        }
        let mut operands = Vec::new();
        let mut base: Base = None;
        while self.cursor.valid() {
            let (user_key, trailer) = split(self.cursor.key());
            if user_key != front || self.view.is_gone(user_key, trailer)? {
                break;
            }
            if !self.view.sees(trailer_seq(trailer)) {
                // Between a transaction's own writes and what it began with.
                self.cursor.next();
                continue;
            }
            match trailer_kind(trailer).ok_or_else(|| unknown_kind(user_key, trailer))? {
                ValueKind::Merge => operands.push(self.cursor.value()),
                ValueKind::Delete => break,
                kind => {
                    base = Some((kind, self.cursor.value()));
                    break;
                }
            }
            self.cursor.next();
        }
        self.cursor.status()?;
        let value = self.view.rules.settle(front, base, &operands)?;
        // Maybe on an older version of this key: those are passed.
        self.position = Position::AfterFront;
        Ok(value)
    }

    /// The next entry from the back.
    ///
    /// # Errors
    /// As [`next`](Self::next).
    pub(crate) fn next_back(&mut self) -> Result<Option<(Bytes, Bytes)>> {
        self.given = Given::Nothing;
        if self.exhausted {
            return Ok(None);
        }
        if self.position != Position::BeforeBack {
            self.seek_back();
        }
        self.position = Position::Nowhere;
        while self.cursor.valid() {
            let (user_key, _) = split(self.cursor.key());
            if self.is_before_front(user_key) {
                self.exhausted = true;
                return Ok(None);
            }
            // Else going on might never end.
            if self.back.as_deref().is_some_and(|back| user_key >= back) {
                return Err(Error::disordered(user_key));
            }
            if !self.view.covers.is_empty() {
                let (user_key, trailer) = split(self.cursor.key());
                let rank = self.view.skip(user_key, trailer, false, &mut self.target)?;
                if let Some(rank) = rank {
                    self.cursor.skip_back(rank, &self.target);
                    continue;
                }
            }
            let (user_key, _) = split(self.cursor.key());
            self.candidate.clear();
            self.candidate.extend_from_slice(user_key);
            let newest = self.newest_visible()?;
            std::mem::swap(self.back.get_or_insert_default(), &mut self.candidate);
            if let Some(value) = newest {
                self.position = Position::BeforeBack;
                let back = self.back.as_deref().unwrap_or_default();
                return Ok(Some((
                    copy_key(&mut self.keys, &mut self.key_chunk_bytes, back),
                    value,
                )));
            }
        }
        self.cursor.status()?;
        self.exhausted = true;
        Ok(None)
    }

    /// Goes backward over the versions of the candidate, oldest first, and gives what the newest visible ones say, unless
    /// that is nothing. The cursor then stands on the key before.
    fn newest_visible(&mut self) -> Result<Option<Bytes>> {
        let mut base: Base = None;
        // Oldest first.
        let mut operands = Vec::new();
        let mut skipped = 0;
        while self.cursor.valid() {
            let (user_key, trailer) = split(self.cursor.key());
            if self.candidate != user_key {
                break;
            }
            if self.view.sees(trailer_seq(trailer)) {
                let kind = trailer_kind(trailer).ok_or_else(|| unknown_kind(user_key, trailer))?;
                if self.view.covers.is_empty() || !self.view.is_gone(user_key, trailer)? {
                    if kind == ValueKind::Merge {
                        operands.push(self.cursor.value());
                    } else {
                        operands.clear();
                        base = (kind != ValueKind::Delete).then(|| (kind, self.cursor.value()));
                    }
                }
            } else {
                skipped += 1;
            }
            if skipped == SKIPPED_MAX {
                // On the own writes of this key, if there are any, or else on the key before.
                let own = crate::key::trailer(SeqNo::OWN, ValueKind::Delete);
                write_internal(&mut self.target, &self.candidate, own);
                self.cursor.seek_for_prev(&self.target);
                skipped = 0;
            } else {
                self.cursor.prev();
            }
        }
        self.cursor.status()?;
        operands.reverse();
        self.view.rules.settle(&self.candidate, base, &operands)
    }

    /// Seeks past versions of the current user key: all of them when it was `seen`, else those that are too new.
    /// `sought`: where the last such seek of this call went to; the next one goes further, or would never end.
    #[cold]
    fn skip_versions(&mut self, seen: bool, sought: &mut Vec<u8>) -> Result<()> {
        let trailer = if seen {
            0
        } else {
            crate::key::seek_trailer(self.view.at)
        };
        let (user_key, current) = split(self.cursor.key());
        if current <= trailer {
            self.cursor.next();
            return Ok(());
        }
        write_internal(&mut self.target, user_key, trailer);
        if !sought.is_empty() && compare(&self.target, sought).is_le() {
            return Err(Error::disordered(user_key));
        }
        sought.clone_from(&self.target);
        self.cursor.seek(&self.target);
        Ok(())
    }

    /// Puts the cursor on the first entry that the front has not passed, or on a version of the key it has passed.
    fn seek_front(&mut self) {
        let (user_key, trailer) = match (&self.front, &self.lower) {
            (Some(front), _) => (front.as_slice(), 0),
            (None, Bound::Included(lower)) => (&**lower, u64::MAX),
            (None, Bound::Excluded(lower)) => (&**lower, 0),
            (None, Bound::Unbounded) => return self.cursor.seek_to_first(),
        };
        write_internal(&mut self.target, user_key, trailer);
        self.cursor.seek(&self.target);
        // Only a version with sequence number 0 and kind 0 can stand exactly there.
        if trailer == 0 && self.cursor.valid() && self.cursor.key() == self.target {
            self.cursor.next();
        }
    }

    /// Puts the cursor on the last entry that the back has not passed.
    fn seek_back(&mut self) {
        let (user_key, trailer) = match (&self.back, &self.upper) {
            (Some(back), _) => (back.as_slice(), u64::MAX),
            (None, Bound::Excluded(upper)) => (&**upper, u64::MAX),
            (None, Bound::Included(upper)) => (&**upper, 0),
            (None, Bound::Unbounded) => return self.cursor.seek_to_last(),
        };
        write_internal(&mut self.target, user_key, trailer);
        self.cursor.seek_for_prev(&self.target);
    }

    #[inline]
    fn is_beyond_back(&self, user_key: &[u8]) -> bool {
        match (&self.back, &self.upper) {
            (Some(back), _) => user_key >= back.as_slice(),
            (None, Bound::Excluded(upper)) => user_key >= &**upper,
            (None, Bound::Included(upper)) => user_key > &**upper,
            (None, Bound::Unbounded) => false,
        }
    }

    fn is_before_front(&self, user_key: &[u8]) -> bool {
        match (&self.front, &self.lower) {
            (Some(front), _) => user_key <= front.as_slice(),
            (None, Bound::Included(lower)) => user_key < &**lower,
            (None, Bound::Excluded(lower)) => user_key <= &**lower,
            (None, Bound::Unbounded) => false,
        }
    }
}

impl View {
    /// True when a version of that number is not too new.
    #[inline]
    fn sees(&self, seq: SeqNo) -> bool {
        seq <= self.at || seq >= SeqNo::OWN
    }

    /// Of sources without deleted ranges and operands.
    #[cfg(test)]
    pub(crate) fn plain(at: SeqNo) -> View {
        let clock = std::sync::Arc::new(aether_env::SystemClock::new());
        View {
            at,
            rules: Rules::new(None, Default::default(), clock),
            covers: Covers::default(),
        }
    }

    /// True when a version is gone with a range.
    fn is_gone(&mut self, user_key: &[u8], trailer: u64) -> Result<bool> {
        if self.covers.is_empty() {
            return Ok(false);
        }
        let (window, _) = self.covers.at(user_key)?;
        Ok(Some(trailer_seq(trailer)) < window.hidden)
    }

    /// When a version is gone with a range: how to leave that range, which is by `target` and the rank of the result;
    /// see [`InternalIterator::skip`].
    #[cold]
    fn skip(
        &mut self,
        user_key: &[u8],
        trailer: u64,
        forward: bool,
        target: &mut Vec<u8>,
    ) -> Result<Option<usize>> {
        let (window, rank) = self.covers.at(user_key)?;
        if Some(trailer_seq(trailer)) >= window.hidden {
            return Ok(None);
        }
        let bound = if forward {
            &window.upper
        } else {
            &window.lower
        };
        // A deleted range has two ends.
        write_internal(target, bound.as_deref().unwrap_or(user_key), u64::MAX);
        Ok(Some(rank))
    }
}

/// A copy of `key` that shares its memory with other keys.
#[inline]
fn copy_key(chunk: &mut BytesMut, chunk_bytes: &mut usize, key: &[u8]) -> Bytes {
    if chunk.capacity() < key.len() {
        *chunk = BytesMut::with_capacity((*chunk_bytes).max(key.len()));
        *chunk_bytes = (*chunk_bytes * 2).min(KEY_CHUNK_BYTES_MAX);
    }
    chunk.extend_from_slice(key);
    chunk.split().freeze()
}

/// The error for a version of a kind that this build does not know.
#[cold]
pub(crate) fn unknown_kind(user_key: &[u8], trailer: u64) -> Error {
    let (key, kind) = (user_key.escape_ascii(), trailer & 0xff);
    Error::new(
        crate::error::ErrorKind::Corruption,
        format!(
            "the key \"{key}\" has a version of unknown kind {kind}; restore the database from a backup"
        ),
    )
}
