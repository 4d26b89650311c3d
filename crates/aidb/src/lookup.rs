//! One key at one moment: what its versions say, gathered from the newest to the oldest until no older one matters.
//!
//! ```text
//! sources, newest first     per source: hide (deleted ranges), take (versions, newest first), then is_settled
//! rules                     what a version says by itself: its value, unless its time is over; what operands make of it
//! ```
//!
//! Never here: where versions come from.

use std::fmt;
use std::sync::{Arc, OnceLock};

use aether_env::{Clock, Storage};
use bytes::Bytes;

use crate::error::{Error, ErrorKind, Result};
use crate::key::{SeqNo, ValueKind};
use crate::merge_operator::MergeOperator;
use crate::values::{EXPIRY_BYTES, ValueFiles};

/// A version that decides, unless it is a tombstone: its kind, and what is stored.
pub(crate) type Base = Option<(ValueKind, Bytes)>;

/// See the head of this module.
#[derive(Debug)]
pub(crate) struct Lookup<'a> {
    key: &'a [u8],
    moment: SeqNo,
    /// Versions up to here are still wanted.
    at: SeqNo,
    /// The newest delete of a range that holds the key; versions before it are gone. Zero for none.
    hidden: SeqNo,
    base: Base,
    /// Newest first.
    operands: Vec<Bytes>,
}

impl<'a> Lookup<'a> {
    /// Looks for `key` as it was at `moment`.
    #[inline]
    pub(crate) fn new(key: &'a [u8], moment: SeqNo) -> Lookup<'a> {
        Lookup {
            key,
            moment,
            at: moment,
            hidden: SeqNo::ZERO,
            base: None,
            operands: Vec::new(),
        }
    }

    #[inline]
    pub(crate) fn key(&self) -> &'a [u8] {
        self.key
    }

    /// The moment that is looked at: ranges that were deleted later do not count.
    pub(crate) fn moment(&self) -> SeqNo {
        self.moment
    }

    /// The newest version up to here is wanted next.
    #[inline]
    pub(crate) fn at(&self) -> SeqNo {
        self.at
    }

    /// A range that holds the key was deleted at `seq`. Given before the versions of its source.
    pub(crate) fn hide(&mut self, seq: Option<SeqNo>) {
        self.hidden = self.hidden.max(seq.unwrap_or_default());
    }

    /// True when a version of this number is gone with a range.
    #[inline]
    pub(crate) fn is_hidden(&self, seq: SeqNo) -> bool {
        seq < self.hidden
    }

    /// Takes the newest version up to [`Lookup::at`]; true when no older one matters.
    #[inline]
    pub(crate) fn take(&mut self, seq: SeqNo, kind: ValueKind, stored: Bytes) -> bool {
        if self.is_hidden(seq) || kind == ValueKind::Delete {
            return true;
        }
        if kind == ValueKind::Merge {
            self.add(seq, stored);
            return false;
        }
        self.base = Some((kind, stored));
        true
    }

    /// Takes the operand of `seq`, or several as one, the oldest of which is that of `seq`.
    #[cold]
    pub(crate) fn add(&mut self, seq: SeqNo, operand: Bytes) {
        self.operands.push(operand);
        self.at = SeqNo(seq.0.saturating_sub(1));
    }

    /// The operands so far, newest first.
    pub(crate) fn operands(&self) -> &[Bytes] {
        &self.operands
    }

    /// True when all sources that are older than the last one have nothing to say: they come before the deleted range.
    #[inline]
    pub(crate) fn is_settled(&self) -> bool {
        self.hidden > SeqNo::ZERO
    }

    /// True when a value was found that stands apart from its key.
    pub(crate) fn is_apart(&self) -> bool {
        let kind = self.base.as_ref().map(|(kind, _)| *kind);
        matches!(kind, Some(ValueKind::Pointer | ValueKind::ExpiringPointer))
    }

    /// What was found: a version that decides, and the operands for it, newest first.
    #[inline]
    pub(crate) fn into_parts(self) -> (Base, Vec<Bytes>) {
        (self.base, self.operands)
    }
}

/// What the versions of one keyspace mean.
pub(crate) struct Rules {
    operator: Option<Arc<dyn MergeOperator>>,
    values: ValueFiles,
    clock: Arc<dyn Clock>,
    /// Milliseconds since 1970, when first asked for: one look at the clock serves a whole iteration.
    now: OnceLock<u64>,
}

impl Rules {
    /// The rules of a keyspace with `operator`, whose large values are in `values`.
    pub(crate) fn new(
        operator: Option<Arc<dyn MergeOperator>>,
        values: ValueFiles,
        clock: Arc<dyn Clock>,
    ) -> Rules {
        Rules {
            operator,
            values,
            clock,
            now: OnceLock::new(),
        }
    }

    /// The operator of the keyspace.
    pub(crate) fn operator(&self) -> Option<&dyn MergeOperator> {
        self.operator.as_deref()
    }

    /// The large values of the keyspace.
    pub(crate) fn values(&self) -> &ValueFiles {
        &self.values
    }

    /// The value of a version of `key`; none when it is a tombstone or its time is over.
    #[inline]
    pub(crate) fn value(
        &self,
        key: &[u8],
        kind: ValueKind,
        stored: Bytes,
    ) -> Result<Option<Bytes>> {
        match kind {
            ValueKind::Put => Ok(Some(stored)),
            ValueKind::Pointer => self.values.fetch(&stored, key).map(Some),
            _ => self.unusual_value(key, kind, stored),
        }
    }

    /// Puts values that stand apart into the `lookups` that have found where: all of them are read in one batch.
    /// `storage` holds their files.
    pub(crate) fn fetch(&self, storage: &dyn Storage, lookups: &mut [Lookup<'_>]) -> Result<()> {
        for lookup in lookups.iter_mut() {
            if let Some((ValueKind::ExpiringPointer, stored)) = &lookup.base {
                let lives = !self.is_over(lookup.key, stored)?;
                lookup.base = lives.then(|| (ValueKind::Pointer, stored.slice(EXPIRY_BYTES..)));
            }
        }
        let wanted = lookups.iter().filter_map(|lookup| match &lookup.base {
            Some((ValueKind::Pointer, pointer)) => Some((&pointer[..], lookup.key)),
            _ => None,
        });
        let wanted: Vec<(&[u8], &[u8])> = wanted.collect();
        let values = self.values.fetch_many(storage, &wanted)?;
        let apart = lookups.iter_mut().filter(|lookup| lookup.is_apart());
        for (lookup, value) in apart.zip(values) {
            lookup.base = Some((ValueKind::Put, value));
        }
        Ok(())
    }

    #[cold]
    fn unusual_value(&self, key: &[u8], kind: ValueKind, stored: Bytes) -> Result<Option<Bytes>> {
        match kind {
            ValueKind::Delete | ValueKind::RangeDelete => Ok(None),
            ValueKind::Put => Ok(Some(stored)),
            ValueKind::Merge => self.fold(key, None, &[stored]).map(Some),
            ValueKind::Expiring => {
                if self.is_over(key, &stored)? {
                    return Ok(None);
                }
                Ok(Some(stored.slice(EXPIRY_BYTES..)))
            }
            ValueKind::Pointer => self.values.fetch(&stored, key).map(Some),
            ValueKind::ExpiringPointer => {
                if self.is_over(key, &stored)? {
                    return Ok(None);
                }
                self.values.fetch(&stored[EXPIRY_BYTES..], key).map(Some)
            }
        }
    }

    /// True when the time of what is stored under [`ValueKind::Expiring`] or [`ValueKind::ExpiringPointer`] is over.
    pub(crate) fn is_over(&self, key: &[u8], stored: &[u8]) -> Result<bool> {
        let (end, _) = stored
            .split_first_chunk::<EXPIRY_BYTES>()
            .ok_or_else(|| damaged(key, "its time to live is cut off"))?;
        Ok(u64::from_le_bytes(*end) <= self.now())
    }

    fn now(&self) -> u64 {
        *self.now.get_or_init(|| self.clock.now().0 / 1000)
    }

    /// What a lookup of `key` comes to; `operands` newest first.
    pub(crate) fn settle(
        &self,
        key: &[u8],
        base: Base,
        operands: &[Bytes],
    ) -> Result<Option<Bytes>> {
        let base = match base {
            Some((kind, stored)) => self.value(key, kind, stored)?,
            None => None,
        };
        if operands.is_empty() {
            return Ok(base);
        }
        self.fold(key, base.as_deref(), operands).map(Some)
    }

    /// What `operands`, newest first, make of `base`.
    pub(crate) fn fold(
        &self,
        key: &[u8],
        base: Option<&[u8]>,
        operands: &[Bytes],
    ) -> Result<Bytes> {
        let Some(operator) = self.operator() else {
            return Err(Error::invalid(format!(
                "the key \"{}\" has operands, and its keyspace was not opened with a merge operator: give \
                 KeyspaceOptions::merge",
                shown(key)
            )));
        };
        let operands: Vec<&[u8]> = operands.iter().rev().map(|operand| &operand[..]).collect();
        match operator.full(key, base, &operands) {
            Ok(value) => Ok(value.into()),
            Err(reason) => Err(Error::new(
                ErrorKind::Invalid,
                format!(
                    "the merge operator {:?} makes no value of the {} operands of the key \"{}\": {reason}",
                    operator.name(),
                    operands.len(),
                    shown(key)
                ),
            )),
        }
    }
}

impl fmt::Debug for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rules")
            .field("operator", &self.operator)
            .finish_non_exhaustive()
    }
}

/// A key in a message, cut if it is long.
fn shown(key: &[u8]) -> impl fmt::Display + '_ {
    key[..key.len().min(100)].escape_ascii()
}

#[cold]
fn damaged(key: &[u8], detail: &str) -> Error {
    let remedy = "DB::verify finds the file; restore it from a backup";
    let message = format!(
        "a version of the key \"{}\" is damaged, {detail}: {remedy}",
        shown(key)
    );
    Error::new(ErrorKind::Corruption, message)
}
