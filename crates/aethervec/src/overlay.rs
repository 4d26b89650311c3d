//! What a transaction has staged in one collection: the newest rows for its own reads, and what its commit will write.
//!
//! Staged points have numbers of their own, above all that are ever given, so that rows name them as they name others.
//! Nobody else meets them: the commit gives them real ones. Who only writes never reads a row: they are made when somebody
//! asks for them.

use crate::id::DocId;
use crate::keyspace;
use crate::version::{Change, Old, Version};
use aether_index::PointId;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::OnceLock;

/// Staged points have this number and those above it.
const STAGED_MIN: u64 = 1 << 63;

/// See the head of this module.
#[derive(Clone, Debug, Default)]
pub(crate) struct Overlay {
    /// By their keys in `docs`.
    docs: BTreeMap<Bytes, Staged>,
    /// The keys in `docs` of the points that it names.
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
    version: Version,
    /// Its row in `docs`.
    row: OnceLock<Bytes>,
    /// Its row in `points`.
    point_row: OnceLock<Bytes>,
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
        let new = change.new.map(|version| self.add(&key, version));
        let id = change.id;
        self.docs.insert(key, Staged { id, old, new });
    }

    fn add(&mut self, key: &Bytes, version: Version) -> StagedVersion {
        let point = PointId(STAGED_MIN + self.given);
        self.given += 1;
        self.bytes += version.bytes();
        self.points.insert(point, key.clone());
        StagedVersion {
            point,
            version,
            row: OnceLock::new(),
            point_row: OnceLock::new(),
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
        Some(staged.row())
    }

    /// The first staged document within a bound: its key, and its row as [`Overlay::doc`] gives it.
    pub(crate) fn next_doc(&self, from: Bound<&[u8]>) -> Option<(&Bytes, Option<&Bytes>)> {
        let (key, staged) = self
            .docs
            .range::<[u8], _>((from, Bound::Unbounded))
            .next()?;
        Some((key, staged.row()))
    }

    /// The row of a staged point.
    pub(crate) fn point(&self, point: PointId) -> Option<&Bytes> {
        let key = self.points.get(&point)?;
        self.docs.get(key)?.point_row()
    }

    /// The staged points and their rows, ascending from `from` on.
    pub(crate) fn points_from(&self, from: PointId) -> impl Iterator<Item = (PointId, &Bytes)> {
        let points = self.points.range(from..);
        points.filter_map(|(point, key)| Some((*point, self.docs.get(key)?.point_row()?)))
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

impl Staged {
    fn row(&self) -> Option<&Bytes> {
        let new = self.new.as_ref()?;
        Some(new.row.get_or_init(|| {
            let mut row = Vec::new();
            keyspace::doc_value(new.point, new.version.expires, &new.version.json, &mut row);
            row.into()
        }))
    }

    fn point_row(&self) -> Option<&Bytes> {
        let new = self.new.as_ref()?;
        Some(new.point_row.get_or_init(|| {
            let mut row = Vec::new();
            keyspace::point_value(&self.id, &new.version.vectors, &mut row);
            row.into()
        }))
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
