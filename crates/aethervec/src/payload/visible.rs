//! Which points a snapshot sees, as a bitmap.
//!
//! Points enter before their commit is visible, and leave under the lock of [`Newest`](crate::index::core::Newest), which a
//! commit holds from its submission until everything here knows of it. Whoever takes that lock for a moment therefore finds
//! each commit here completely, but for points that were entered for the next one; and these have greater numbers than all
//! others.

use crate::index::deaths::Deaths;
use aether_index::Candidate;
use aidb::SeqNo;
use parking_lot::RwLock;
use roaring::RoaringTreemap;
use std::collections::VecDeque;
use std::ops::Range;

/// The points of a collection that are alive, and when they came.
#[derive(Debug, Default)]
pub(crate) struct Visible(RwLock<State>);

#[derive(Debug, Default)]
struct State {
    live: RoaringTreemap,
    /// Commits and the first number that none of their points has, oldest first. A snapshot sees the points below that of
    /// the last commit before it.
    ends: VecDeque<(SeqNo, u64)>,
    /// The last commit that is not in the list any more.
    first: (SeqNo, u64),
    /// Points that have died since the last sweep.
    dead: u64,
}

impl State {
    fn last_before(&self, seq: SeqNo) -> (SeqNo, u64) {
        let later = self.ends.partition_point(|&(commit, _)| commit <= seq);
        later
            .checked_sub(1)
            .map_or(self.first, |last| self.ends[last])
    }
}

impl Visible {
    /// What is alive when the collection is opened, and the next number.
    pub(crate) fn open(&mut self, live: RoaringTreemap, next: u64) {
        *self.0.get_mut() = State {
            live,
            first: (SeqNo::ZERO, next),
            ..State::default()
        };
    }

    /// How many points are alive, those of a commit under way included.
    pub(crate) fn len(&self) -> u64 {
        self.0.read().live.len()
    }

    /// `points` are about to be committed.
    pub(crate) fn enter(&self, points: Range<u64>) {
        self.0.write().live.insert_range(points);
    }

    /// `points` were not committed after all.
    pub(crate) fn withdraw(&self, points: Range<u64>) {
        let mut state = self.0.write();
        state.dead += points.end - points.start;
        state.live.remove_range(points);
    }

    /// There was a commit at `seq`: `died` are not alive any more, and `end` is the first number that it did not give.
    pub(crate) fn commit(&self, seq: SeqNo, end: u64, died: impl IntoIterator<Item = u64>) {
        let mut state = self.0.write();
        for point in died {
            state.live.remove(point);
            state.dead += 1;
        }
        state.ends.push_back((seq, end));
    }

    /// No snapshot is older than `watermark`.
    pub(crate) fn forget_before(&self, watermark: SeqNo) {
        let mut state = self.0.write();
        while let Some(&first) = state.ends.front()
            && first.0 <= watermark
        {
            state.first = first;
            state.ends.pop_front();
        }
    }

    /// The points that a snapshot at `seq` sees: exactly these, if it is not older than the opening of the database, and if
    /// no commit is under way that it sees.
    pub(crate) fn at(&self, seq: SeqNo, deaths: &Deaths) -> RoaringTreemap {
        let state = self.0.read();
        let mut points = state.live.clone();
        let (_, end) = state.last_before(seq);
        drop(state);
        points.extend(deaths.after(seq));
        points.remove_range(end..);
        points
    }

    /// The first `k` of `candidates` that a snapshot at `seq` sees, under the conditions of [`at`](Visible::at).
    pub(crate) fn first(
        &self,
        k: usize,
        candidates: &[Candidate],
        seq: SeqNo,
        deaths: &Deaths,
    ) -> Vec<Candidate> {
        let state = self.0.read();
        let (_, end) = state.last_before(seq);
        let seen = candidates.iter().filter(|candidate| {
            let point = candidate.point;
            point.0 < end && (state.live.contains(point.0) || deaths.dies_after(point, seq))
        });
        seen.take(k).copied().collect()
    }

    /// The first number that no point has that a snapshot at `seq` sees, under the conditions of [`at`](Visible::at).
    pub(crate) fn end(&self, seq: SeqNo) -> u64 {
        self.0.read().last_before(seq).1
    }

    /// The last commit that a snapshot at `seq` sees: two snapshots with the same one see the same.
    pub(crate) fn version(&self, seq: SeqNo) -> SeqNo {
        self.0.read().last_before(seq).0
    }

    /// The points that some snapshot sees or is going to see.
    pub(crate) fn all(&self, deaths: &Deaths) -> RoaringTreemap {
        let mut points = self.0.read().live.clone();
        points.extend(deaths.after(SeqNo::ZERO));
        points
    }

    /// How many points have died since the last [`swept`](Visible::swept).
    pub(crate) fn dead(&self) -> u64 {
        self.0.read().dead
    }

    /// So many dead points were swept out.
    pub(crate) fn swept(&self, points: u64) {
        let mut state = self.0.write();
        state.dead = state.dead.saturating_sub(points);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aether_distance::Distance;
    use aether_index::PointId;

    #[test]
    fn each_snapshot_sees_its_points() {
        let visible = Visible::default();
        let deaths = Deaths::default();
        let commit = |seq, added: Range<u64>, died: &[u64]| {
            visible.enter(added.clone());
            let points: Vec<PointId> = died.iter().copied().map(PointId).collect();
            deaths.stamp(&points, SeqNo(seq));
            visible.commit(SeqNo(seq), added.end, died.iter().copied());
        };
        commit(10, 0..3, &[]);
        commit(20, 3..5, &[1]);
        commit(30, 5..6, &[3, 4]);
        visible.enter(6..9);
        let all: Vec<Candidate> = (0..9u64)
            .map(|point| Candidate {
                point: PointId(point),
                distance: Distance(1.0),
            })
            .collect();
        let at = |seq| -> Vec<u64> {
            let seen: Vec<u64> = visible.at(SeqNo(seq), &deaths).iter().collect();
            let first = visible.first(2, &all, SeqNo(seq), &deaths);
            assert!(
                first
                    .iter()
                    .map(|seen| seen.point.0)
                    .eq(seen.iter().copied().take(2))
            );
            seen
        };
        assert_eq!(at(9), [0; 0]);
        assert_eq!(at(10), [0, 1, 2]);
        assert_eq!(at(29), [0, 2, 3, 4]);
        assert_eq!(at(30), [0, 2, 5]);
        assert_eq!(at(99), [0, 2, 5]);
        visible.withdraw(6..9);
        visible.forget_before(SeqNo(29));
        assert_eq!(at(29), [0, 2, 3, 4]);
        assert_eq!(at(30), [0, 2, 5]);
        deaths.forget(&[PointId(1)]);
        assert!(visible.all(&deaths).iter().eq([0, 2, 3, 4, 5]));
        assert_eq!(visible.dead(), 6);
    }
}
