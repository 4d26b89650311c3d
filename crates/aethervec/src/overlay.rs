//! What a transaction has staged in one collection: the newest rows for its own reads, and what its commit will write.
//!
//! Staged points have numbers of their own, above all that are ever given, so that rows name them as they name others.
//! Nobody else meets them: the commit gives them real ones.

use crate::id::DocId;
use crate::keyspace;
use crate::version::{Change, Old, Version};
use aether_index::PointId;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::ops::Bound;

/// Staged points have this number and those above it.
const STAGED_MIN: u64 = 1 << 63;

/// See the head of this module.
#[derive(Clone, Debug, Default)]
pub(crate) struct Overlay {
    /// By their keys in `docs`.
    docs: BTreeMap<Bytes, Staged>,
    /// Rows of the points that `docs` names.
    points: BTreeMap<PointId, Bytes>,
    /// Points staged so far, those that are gone again included.
    given: u64,
    bytes: usize,
}

/// A document as it will be.
#[derive(Clone, Debug)]
struct Staged {
    id: DocId,
    /// What everybody else sees.
    old: Option<Old>,
    /// None: it is removed.
    new: Option<StagedVersion>,
}

#[derive(Clone, Debug)]
struct StagedVersion {
    point: PointId,
    /// Its row in `docs`.
    row: Bytes,
    version: Version,
}

/// Whether `point` is one that a transaction has staged.
pub(crate) fn is_staged(point: PointId) -> bool {
    point.0 >= STAGED_MIN
}

impl Overlay {
    /// Stages `change`, made on top of what is staged already.
    pub(crate) fn stage(&mut self, change: Change) {
        let key = Bytes::from(change.key);
        let before = self.docs.remove(&key);
        let old = match before {
            Some(before) => {
                self.forget(before.new);
                before.old
            }
            None => change.old,
        };
        let new = change.new.map(|version| self.add(&change.id, version));
        let id = change.id;
        self.docs.insert(key, Staged { id, old, new });
    }

    fn add(&mut self, id: &DocId, version: Version) -> StagedVersion {
        let point = PointId(STAGED_MIN + self.given);
        self.given += 1;
        self.bytes += version.bytes();
        let mut row = Vec::new();
        keyspace::point_value(id, &version.vectors, &mut row);
        self.points.insert(point, Bytes::from(row));
        let mut row = Vec::new();
        keyspace::doc_value(point, version.expires, &version.json, &mut row);
        StagedVersion {
            point,
            row: Bytes::from(row),
            version,
        }
    }

    fn forget(&mut self, staged: Option<StagedVersion>) {
        if let Some(StagedVersion { point, version, .. }) = staged {
            self.points.remove(&point);
            self.bytes -= version.bytes();
        }
    }

    /// How many documents are staged.
    pub(crate) fn len(&self) -> usize {
        self.docs.len()
    }

    /// Bytes of what is staged, about.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The row of a document in `docs`: none inside when it is removed, none outside when nothing is staged for it.
    pub(crate) fn doc(&self, key: &[u8]) -> Option<Option<&Bytes>> {
        let staged = self.docs.get(key)?;
        Some(staged.new.as_ref().map(|new| &new.row))
    }

    /// The first staged document within a bound: its key, and its row as [`Overlay::doc`] gives it.
    pub(crate) fn next_doc(&self, from: Bound<&[u8]>) -> Option<(&Bytes, Option<&Bytes>)> {
        let (key, staged) = self
            .docs
            .range::<[u8], _>((from, Bound::Unbounded))
            .next()?;
        Some((key, staged.new.as_ref().map(|new| &new.row)))
    }

    /// The row of a staged point.
    pub(crate) fn point(&self, point: PointId) -> Option<&Bytes> {
        self.points.get(&point)
    }

    /// The staged points and their rows, ascending from `from` on.
    pub(crate) fn points_from(&self, from: PointId) -> impl Iterator<Item = (PointId, &Bytes)> {
        self.points.range(from..).map(|(point, row)| (*point, row))
    }

    /// The points that staged documents take the place of.
    pub(crate) fn hidden(&self) -> impl Iterator<Item = PointId> {
        let staged = self.docs.values();
        staged.filter_map(|staged| Some(staged.old?.point))
    }

    /// What is to be written. A document that was not there and shall not be is left out.
    pub(crate) fn into_changes(self) -> Vec<Change> {
        let staged = self.docs.into_iter();
        let differs = staged.filter(|(_, staged)| staged.old.is_some() || staged.new.is_some());
        differs
            .map(|(key, staged)| Change {
                id: staged.id,
                key: key.into(),
                old: staged.old,
                new: staged.new.map(|new| new.version),
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(id: u64, old: Option<u64>, expires: Option<u64>) -> Change {
        let version = |expires| Version {
            vectors: Vec::new(),
            payload: None,
            json: vec![b'{', b'}'],
            expires,
        };
        Change {
            id: DocId::U64(id),
            key: vec![u8::try_from(id).unwrap()],
            old: old.map(|point| Old {
                point: PointId(point),
                expires: 0,
            }),
            new: expires.map(version),
        }
    }

    #[test]
    fn the_last_version_stays_and_the_old_one_is_that_of_the_others() {
        let mut overlay = Overlay::default();
        overlay.stage(change(1, Some(7), Some(5)));
        overlay.stage(change(1, Some(STAGED_MIN), Some(6)));
        overlay.stage(change(2, None, Some(0)));
        overlay.stage(change(2, Some(STAGED_MIN + 2), None));
        overlay.stage(change(3, Some(9), None));
        assert_eq!((overlay.len(), overlay.bytes()), (3, 2));
        assert_eq!(overlay.points_from(PointId(0)).count(), 1);
        assert_eq!(overlay.doc(&[2]), Some(None));
        assert_eq!(overlay.doc(&[4]), None);
        let hidden: Vec<PointId> = overlay.hidden().collect();
        assert_eq!(hidden, [PointId(7), PointId(9)]);
        let changes = overlay.into_changes();
        let told: Vec<_> = changes
            .iter()
            .map(|change| {
                (
                    change.key[0],
                    change.old,
                    change.new.as_ref().map(|new| new.expires),
                )
            })
            .collect();
        let old = |point| {
            Some(Old {
                point: PointId(point),
                expires: 0,
            })
        };
        assert_eq!(told, [(1, old(7), Some(6)), (3, old(9), None)]);
    }
}
