//! Point reads: a key's versions, for a [`Lookup`].

use std::sync::Arc;

use crate::key::ValueKind;
use crate::keyspace::KeyspaceId;
use crate::lookup::Lookup;
use crate::merge_operator::MergeOperator;

use super::MemTable;
use super::folds::{FOLD_VERSIONS, Fold};
use super::writes::WriteId;

impl MemTable {
    /// Tells `lookup` of the versions of its key; true when no older source matters. `operator`: the one of the
    /// keyspace, asked for when there are operands.
    #[inline]
    pub(crate) fn look(
        &self,
        keyspace: KeyspaceId,
        lookup: &mut Lookup<'_>,
        operator: impl FnOnce() -> Option<Arc<dyn MergeOperator>>,
    ) -> bool {
        if !self.ranges.is_empty() {
            lookup.hide(
                self.ranges
                    .covering_seq(keyspace, lookup.key(), lookup.moment()),
            );
        }
        let user_key = lookup.key();
        let newest = self.index.newest(keyspace, user_key, |id| {
            self.writes.get(id).is_of(keyspace, user_key)
        });
        let Some((id, write)) = newest.and_then(|newest| self.writes.version(newest, lookup.at()))
        else {
            return lookup.is_settled();
        };
        match write.kind() {
            ValueKind::Merge => self.look_back(id, lookup, operator().as_deref()),
            kind => lookup.take(write.seq(), kind, write.value.clone()),
        }
    }

    /// Goes on from the operand `newest`, to what is below all operands.
    #[cold]
    fn look_back(
        &self,
        newest: WriteId,
        lookup: &mut Lookup<'_>,
        operator: Option<&dyn MergeOperator>,
    ) -> bool {
        // The newest place without a fold, and how many operands come before it.
        let mut place: Option<(WriteId, usize)> = None;
        let (mut replaced, mut oldest) = (None, lookup.at());
        let mut next = Some(newest);
        while let Some(id) = next {
            let write = self.writes.get(id);
            if write.kind() != ValueKind::Merge || lookup.is_hidden(write.seq()) {
                break;
            }
            let is_place = write.depth() % FOLD_VERSIONS == FOLD_VERSIONS - 1;
            let fold = is_place.then(|| self.folds.get(id)).flatten();
            if let Some(fold) = fold.filter(|fold| !lookup.is_hidden(fold.oldest)) {
                lookup.add(fold.oldest, fold.operand);
                (replaced, oldest, next) = (Some(id), fold.oldest, fold.older);
                continue;
            }
            if is_place {
                place.get_or_insert((id, lookup.operands().len()));
            }
            lookup.add(write.seq(), write.value.clone());
            (oldest, next) = (write.seq(), self.writes.older(write));
        }
        if let Some((place, from)) = place
            && !lookup.is_settled()
        {
            let operands = lookup.operands()[from..].iter().rev();
            let operands: Vec<&[u8]> = operands.map(|operand| &operand[..]).collect();
            let operand = operator.and_then(|operator| operator.partial(lookup.key(), &operands));
            if let Some(operand) = operand {
                let fold = Fold {
                    operand: operand.into(),
                    oldest,
                    older: next,
                };
                self.folds.put(place, fold, replaced);
            }
        }
        let base = next.map(|id| self.writes.get(id));
        base.is_some_and(|write| lookup.take(write.seq(), write.kind(), write.value.clone()))
            || lookup.is_settled()
    }
}
