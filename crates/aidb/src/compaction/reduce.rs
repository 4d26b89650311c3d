//! What is left of the versions of one key, newest first.
//!
//! ```text
//! hidden            no reader sees it: a reader at S sees the newest version up to S, and what its operands need
//! tombstone         dropped when every reader sees it and nothing older lies below the target
//! over              a value whose time is over is a tombstone for all readers, old snapshots included
//! operands          of one stripe become one, or a value when what is below them is known and in the same stripe
//! filter            has a say in the newest value, when no snapshot sees it
//! ```
//!
//! Ranges that the inputs delete hide what is older than they are. They themselves stand elsewhere (output.rs).

use std::sync::Arc;

use bytes::Bytes;

use crate::compaction_filter::{CompactionFilter, Decision};
use crate::error::Result;
use crate::key::{self, SeqNo, ValueKind};
use crate::lookup::Rules;
use crate::range_deletes::RangeDeletes;
use crate::values::{EXPIRY_BYTES, in_stored};
use crate::version::Table;
use crate::wal::LogPosition;

use super::retention::{Retention, Stripe};

/// Operands are only put together up to this many bytes.
const FOLD_BYTES_MAX: usize = 32 << 20;

/// What decides what is left.
pub(super) struct Reduction<'a> {
    pub(super) retention: &'a Retention,
    pub(super) rules: &'a Rules,
    pub(super) filter: Option<&'a dyn CompactionFilter>,
    /// What the inputs delete.
    pub(super) deletes: &'a RangeDeletes,
    /// Tables below the target; none when there may be anything.
    pub(super) below: Option<&'a [Arc<Table>]>,
}

/// A version that stays.
#[derive(Debug)]
pub(super) struct Version {
    pub(super) trailer: u64,
    pub(super) stored: Bytes,
    /// Where it stands in the logs, if it does.
    pub(super) position: Option<LogPosition>,
}

/// Goes through the versions of one key after the other.
pub(super) struct Reducer<'a> {
    reduction: Reduction<'a>,
    /// The oldest version so far that hides all older ones.
    hiding: Option<SeqNo>,
    /// Operands of one stripe without anything between them, newest first.
    pending: Vec<Version>,
    pending_bytes: usize,
    /// No version was taken yet that hides others, and no operand.
    is_newest: bool,
    /// What stays, in order.
    left: Vec<Version>,
}

impl<'a> Reducer<'a> {
    pub(super) fn new(reduction: Reduction<'a>) -> Reducer<'a> {
        Reducer {
            reduction,
            hiding: None,
            pending: Vec::new(),
            pending_bytes: 0,
            is_newest: true,
            left: Vec::new(),
        }
    }

    /// Another key begins. What was left of the last one must have been taken away.
    #[inline]
    pub(super) fn begin(&mut self) {
        debug_assert!(
            self.pending.is_empty() && self.left.is_empty(),
            "the last key has ended"
        );
        self.hiding = None;
        self.is_newest = true;
    }

    /// True when the next version is certainly decided by [`Reducer::keeps`]: no operands wait, no range is deleted, and
    /// there is no filter.
    #[inline]
    pub(super) fn is_plain(&self, kind: ValueKind) -> bool {
        matches!(
            kind,
            ValueKind::Put | ValueKind::Delete | ValueKind::Pointer
        ) && self.pending.is_empty()
            && self.reduction.deletes.is_empty()
            && self.reduction.filter.is_none()
    }

    /// For plain versions: takes the next older one, and tells whether it stays as it is.
    #[inline]
    pub(super) fn keeps(&mut self, user_key: &[u8], trailer: u64) -> bool {
        let seq = key::trailer_seq(trailer);
        let stays =
            self.reduction.retention.is_seen(seq, self.hiding) && !self.is_spent(user_key, trailer);
        self.hiding = Some(seq);
        stays
    }

    /// Takes the next older version of any kind.
    pub(super) fn take(
        &mut self,
        user_key: &[u8],
        kind: ValueKind,
        version: Version,
    ) -> Result<()> {
        let seq = key::trailer_seq(version.trailer);
        let piece = self.reduction.deletes.around(user_key).piece;
        let deleted = piece.and_then(|piece| piece.next_after(seq));
        if let Some(last) = self.pending.last()
            && deleted.is_some_and(|deleted| deleted < key::trailer_seq(last.trailer))
        {
            // Below the operands is nothing any more.
            self.close(user_key)?;
        }
        let hiding = match (self.hiding, deleted) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        if !self.reduction.retention.is_seen(seq, hiding) {
            // Whoever sees the operands above it, if any, sees it: so there are none that wait.
            return Ok(());
        }
        if kind == ValueKind::Merge {
            self.take_operand(user_key, version);
            return Ok(());
        }
        let is_over = kind == ValueKind::Expiring
            && self.reduction.rules.is_over(user_key, &version.stored)?
            || kind == ValueKind::ExpiringPointer
                && self.reduction.rules.is_over(user_key, &version.stored)?;
        let (kind, version) = if is_over {
            (ValueKind::Delete, tombstone(seq))
        } else {
            (kind, version)
        };
        if !self.pending.is_empty() {
            let is_together = self.pending_stripe() == Some(self.reduction.retention.stripe(seq));
            let is_known = matches!(
                kind,
                ValueKind::Delete | ValueKind::Put | ValueKind::Pointer
            );
            if is_together && is_known {
                let rules = self.reduction.rules;
                let base = rules.value(user_key, kind, version.stored.clone())?;
                if self.settle(user_key, base.as_deref())? {
                    return Ok(());
                }
            }
            self.combine(user_key);
        }
        self.keep_base(user_key, kind, version)
    }

    /// The key has no older versions in the inputs.
    pub(super) fn end(&mut self, user_key: &[u8]) -> Result<()> {
        let Some(last) = self.pending.last() else {
            return Ok(());
        };
        let oldest = key::trailer_seq(last.trailer);
        let deletes = self.reduction.deletes;
        let is_deleted_below = deletes.covering_seq(user_key, oldest).is_some();
        if is_deleted_below || self.is_bottom(user_key) {
            self.close(user_key)?;
        } else {
            self.combine(user_key);
        }
        Ok(())
    }

    /// What stays of the key so far, newest first.
    pub(super) fn left(&mut self) -> std::vec::Drain<'_, Version> {
        self.left.drain(..)
    }

    fn take_operand(&mut self, user_key: &[u8], version: Version) {
        let stripe = self
            .reduction
            .retention
            .stripe(key::trailer_seq(version.trailer));
        let bytes = self.pending_bytes + version.stored.len();
        if self
            .pending_stripe()
            .is_some_and(|pending| pending != stripe)
            || bytes > FOLD_BYTES_MAX
        {
            self.combine(user_key);
        }
        self.pending_bytes += version.stored.len();
        self.pending.push(version);
        self.is_newest = false;
    }

    fn pending_stripe(&self) -> Option<Stripe> {
        let last = self.pending.last()?;
        Some(
            self.reduction
                .retention
                .stripe(key::trailer_seq(last.trailer)),
        )
    }

    /// The pending operands stay, with nothing below them.
    fn close(&mut self, user_key: &[u8]) -> Result<()> {
        if !self.settle(user_key, None)? {
            self.combine(user_key);
        }
        Ok(())
    }

    /// Makes a value of the pending operands and `base`; false when the operator can not, and they stay pending.
    fn settle(&mut self, user_key: &[u8], base: Option<&[u8]>) -> Result<bool> {
        let Some(newest) = self.pending.first() else {
            return Ok(false);
        };
        let seq = key::trailer_seq(newest.trailer);
        let operands = self.pending.iter().rev().map(|version| &version.stored[..]);
        let operands: Vec<&[u8]> = operands.collect();
        let bytes = self.pending_bytes + base.map_or(0, <[u8]>::len);
        let operator = self
            .reduction
            .rules
            .operator()
            .filter(|_| bytes <= FOLD_BYTES_MAX);
        // When it fails, it tells its reason to whoever reads the key.
        let value = operator.and_then(|operator| operator.full(user_key, base, &operands).ok());
        let Some(value) = value else {
            return Ok(false);
        };
        self.pending.clear();
        self.pending_bytes = 0;
        self.is_newest = self.left.is_empty() && self.hiding.is_none();
        let version = Version {
            trailer: key::trailer(seq, ValueKind::Put),
            stored: value.into(),
            position: None,
        };
        self.keep_base(user_key, ValueKind::Put, version)?;
        Ok(true)
    }

    /// Makes one operand of the pending ones, if the operator can, and lets it stay.
    fn combine(&mut self, user_key: &[u8]) {
        let operator = self.reduction.rules.operator();
        let operator = operator.filter(|_| self.pending.len() > 1);
        let operands = self.pending.iter().rev().map(|version| &version.stored[..]);
        let combined =
            operator.and_then(|operator| operator.partial(user_key, &operands.collect::<Vec<_>>()));
        match (combined, self.pending.first()) {
            (Some(operand), Some(newest)) => self.left.push(Version {
                trailer: newest.trailer,
                stored: operand.into(),
                position: None,
            }),
            _ => self.left.append(&mut self.pending),
        }
        self.pending.clear();
        self.pending_bytes = 0;
    }

    /// A version that hides all older ones stays, unless it is a spent tombstone or the filter removes it.
    fn keep_base(&mut self, user_key: &[u8], kind: ValueKind, version: Version) -> Result<()> {
        let seq = key::trailer_seq(version.trailer);
        let version = match self.reduction.filter {
            Some(filter) if self.is_newest && self.reduction.retention.is_present(seq) => {
                filtered(filter, self.reduction.rules, user_key, kind, version)?
            }
            _ => version,
        };
        self.hiding = Some(seq);
        self.is_newest = false;
        if !self.is_spent(user_key, version.trailer) {
            self.left.push(version);
        }
        Ok(())
    }

    /// True for a tombstone that has nothing left to hide. Older versions in the inputs go with it: every reader is at
    /// or after the tombstone, so none sees them.
    #[inline]
    fn is_spent(&self, user_key: &[u8], trailer: u64) -> bool {
        key::trailer_kind(trailer) == Some(ValueKind::Delete)
            && key::trailer_seq(trailer) <= self.reduction.retention.watermark()
            && self.is_bottom(user_key)
    }

    /// True when no version of the key lies below the target.
    fn is_bottom(&self, user_key: &[u8]) -> bool {
        self.reduction
            .below
            .is_some_and(|tables| !tables.iter().any(|table| table.meta.spans(user_key)))
    }
}

fn tombstone(seq: SeqNo) -> Version {
    Version {
        trailer: key::trailer(seq, ValueKind::Delete),
        stored: Bytes::new(),
        position: None,
    }
}

/// What the filter makes of a value. It is not asked about tombstones.
fn filtered(
    filter: &dyn CompactionFilter,
    rules: &Rules,
    user_key: &[u8],
    kind: ValueKind,
    version: Version,
) -> Result<Version> {
    let (front, plain) = match kind {
        ValueKind::Put | ValueKind::Pointer => (0, ValueKind::Put),
        ValueKind::Expiring | ValueKind::ExpiringPointer => (EXPIRY_BYTES, ValueKind::Expiring),
        _ => return Ok(version),
    };
    let value = match in_stored(kind, &version.stored) {
        Some(pointer) => rules.values().fetch(pointer, user_key)?,
        None => version.stored.slice(front..),
    };
    let seq = key::trailer_seq(version.trailer);
    Ok(match filter.filter(user_key, &value) {
        Decision::Keep => version,
        Decision::Remove => tombstone(seq),
        Decision::Replace(value) => Version {
            trailer: key::trailer(seq, plain),
            stored: [&version.stored[..front], &value].concat().into(),
            position: None,
        },
    })
}
