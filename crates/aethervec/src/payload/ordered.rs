//! Values in order, each with its points, such that a range of any width is a union of few bitmaps.
//!
//! ```text
//! groups  [ all points ]                                 [ all points ] …
//! runs    [ all points ] [ all points ] …                [ all points ] …
//! values  v1 → posting, v2 → posting, …
//! ```
//!
//! A range takes whole groups and runs by their bitmaps, and single values only at its two ends.

use crate::payload::posting::{Posting, bitmap_bytes};
use roaring::RoaringTreemap;
use std::ops::{Bound, RangeBounds};

/// Values in a run from which on it is split.
const RUN_VALUES_MAX: usize = 1_024;

/// Runs in a group from which on it is split.
const GROUP_RUNS_MAX: usize = 128;

/// An ordered map of values to the points that have them.
#[derive(Debug)]
pub(crate) struct Ordered<V> {
    groups: Vec<Group<V>>,
    values: usize,
}

#[derive(Debug)]
struct Group<V> {
    points: RoaringTreemap,
    /// Never empty.
    runs: Vec<Run<V>>,
}

#[derive(Debug)]
struct Run<V> {
    points: RoaringTreemap,
    /// Never empty; ascending.
    values: Vec<(V, Posting)>,
}

impl<V> Default for Ordered<V> {
    fn default() -> Self {
        Ordered {
            groups: Vec::new(),
            values: 0,
        }
    }
}

impl<V: Ord> Ordered<V> {
    /// How many values there are.
    pub(crate) fn len(&self) -> usize {
        self.values
    }

    /// `point` has `value`.
    pub(crate) fn insert(&mut self, value: V, point: u64) {
        let Some(last) = self.groups.len().checked_sub(1) else {
            let run = Run::new(value, point);
            self.groups.push(Group::new(vec![run]));
            self.values = 1;
            return;
        };
        let place = self.groups.partition_point(|group| *group.last() < value);
        let place = place.min(last);
        let group = &mut self.groups[place];
        self.values += usize::from(group.insert(value, point));
        if group.runs.len() > GROUP_RUNS_MAX {
            let behind = group.runs.split_off(GROUP_RUNS_MAX / 2);
            group.points = union(group.runs.iter().map(|run| &run.points));
            self.groups.insert(place + 1, Group::new(behind));
        }
    }

    /// As [`insert`](Ordered::insert), for many values: fast for those that are ascending, and behind all that are here.
    pub(crate) fn extend(&mut self, values: Vec<(V, Posting)>)
    where
        V: Clone,
    {
        let last = self.groups.last().map(Group::last);
        let first = values.first().map(|(value, _)| value);
        if last < first && values.is_sorted_by(|(a, _), (b, _)| a < b) {
            return self.append(values.into_iter());
        }
        for (value, posting) in values {
            for point in posting.iter() {
                self.insert(value.clone(), point);
            }
        }
    }

    /// The points that have `value`.
    pub(crate) fn get(&self, value: &V) -> Option<&Posting> {
        let group = self
            .groups
            .get(self.groups.partition_point(|group| group.last() < value))?;
        let run = group
            .runs
            .get(group.runs.partition_point(|run| run.last() < value))?;
        let place = run.values.binary_search_by(|(other, _)| other.cmp(value));
        place.ok().map(|place| &run.values[place].1)
    }

    /// The values within `range` with their points, ascending.
    pub(crate) fn range(
        &self,
        range: impl RangeBounds<V> + Clone,
    ) -> impl Iterator<Item = &(V, Posting)> {
        let before = {
            let range = range.clone();
            move |value: &V| is_before(value, &range)
        };
        let first = self.groups.partition_point(|group| before(group.last()));
        let runs = self.groups[first..].iter().flat_map(|group| &group.runs);
        runs.skip_while({
            let range = range.clone();
            move |run| is_before(run.last(), &range)
        })
        .flat_map(|run| &run.values)
        .skip_while({
            let range = range.clone();
            move |(value, _)| is_before(value, &range)
        })
        .take_while(move |(value, _)| !is_behind(value, &range))
    }

    /// The values up to `from` with their points, descending; unbounded: all of them.
    pub(crate) fn descend(&self, from: Bound<V>) -> impl Iterator<Item = &(V, Posting)>
    where
        V: Clone,
    {
        let range = (Bound::Unbounded, from);
        let behind = {
            let range = range.clone();
            move |value: &V| is_behind(value, &range)
        };
        let groups = self.groups.partition_point(|group| !behind(group.first()));
        let runs = self.groups[..groups].iter().rev();
        let runs = runs.flat_map(|group| group.runs.iter().rev());
        runs.skip_while(move |run| behind(run.first()))
            .flat_map(|run| run.values.iter().rev())
            .skip_while(move |(value, _)| is_behind(value, &range))
    }

    /// All values with their points, ascending.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &(V, Posting)> {
        let runs = self.groups.iter().flat_map(|group| &group.runs);
        runs.flat_map(|run| &run.values)
    }

    /// Adds all points that have a value within `range` to `out`.
    pub(crate) fn union_into(&self, range: &impl RangeBounds<V>, out: &mut RoaringTreemap) {
        for group in within(&self.groups, Group::last, range) {
            if is_inside(group.first(), group.last(), range) {
                *out |= &group.points;
                continue;
            }
            for run in within(&group.runs, Run::last, range) {
                if is_inside(run.first(), run.last(), range) {
                    *out |= &run.points;
                    continue;
                }
                *out |= points_of(run.range(range));
            }
        }
    }

    /// How many points have a value within `range`, at most: who has several values may count several times.
    pub(crate) fn count(&self, range: &impl RangeBounds<V>) -> u64 {
        let mut count = 0;
        for group in within(&self.groups, Group::last, range) {
            if is_inside(group.first(), group.last(), range) {
                count += group.points.len();
                continue;
            }
            for run in within(&group.runs, Run::last, range) {
                if is_inside(run.first(), run.last(), range) {
                    count += run.points.len();
                } else {
                    let values = run.range(range).iter();
                    count += values.map(|(_, posting)| posting.len()).sum::<u64>();
                }
            }
        }
        count
    }

    /// Forgets all points but those of `keep`, and the values that then have none.
    pub(crate) fn keep_only(&mut self, keep: &RoaringTreemap) {
        let groups = std::mem::take(&mut self.groups);
        let runs = groups.into_iter().flat_map(|group| group.runs);
        let values = runs.flat_map(|run| run.values);
        self.values = 0;
        self.append(values.filter_map(|(value, posting)| Some((value, posting.keep_only(keep)?))));
    }

    /// Adds ascending `values`, all of which are greater than those that are here.
    fn append(&mut self, values: impl Iterator<Item = (V, Posting)>) {
        let mut values = values.peekable();
        while values.peek().is_some() {
            let run: Vec<(V, Posting)> = values.by_ref().take(RUN_VALUES_MAX / 2).collect();
            self.values += run.len();
            let run = Run::of(run);
            match self.groups.last_mut() {
                Some(group) if group.runs.len() < GROUP_RUNS_MAX / 2 => group.push(run),
                _ => self.groups.push(Group::new(vec![run])),
            }
        }
    }

    /// About how many bytes it takes; `heap` tells what a value has beside itself.
    pub(crate) fn memory_bytes(&self, heap: impl Fn(&V) -> usize) -> usize {
        let groups = self.groups.iter().map(|group| bitmap_bytes(&group.points));
        let runs = self.groups.iter().flat_map(|group| &group.runs);
        let runs = runs.map(|run| {
            let values = run.values.capacity() * size_of::<(V, Posting)>();
            values + bitmap_bytes(&run.points)
        });
        let values = self.iter();
        let values = values.map(|(value, posting)| heap(value) + posting.memory_bytes());
        groups.sum::<usize>() + runs.sum::<usize>() + values.sum::<usize>()
    }
}

impl<V: Ord> Group<V> {
    fn new(runs: Vec<Run<V>>) -> Group<V> {
        Group {
            points: union(runs.iter().map(|run| &run.points)),
            runs,
        }
    }

    fn first(&self) -> &V {
        self.runs[0].first()
    }

    fn last(&self) -> &V {
        self.runs[self.runs.len() - 1].last()
    }

    fn push(&mut self, run: Run<V>) {
        self.points |= &run.points;
        self.runs.push(run);
    }

    /// True when the value is new.
    fn insert(&mut self, value: V, point: u64) -> bool {
        self.points.insert(point);
        let place = self.runs.partition_point(|run| *run.last() < value);
        let place = place.min(self.runs.len() - 1);
        let run = &mut self.runs[place];
        let new = run.insert(value, point);
        if run.values.len() > RUN_VALUES_MAX {
            let behind = run.values.split_off(RUN_VALUES_MAX / 2);
            run.points = points_of(&run.values);
            self.runs.insert(place + 1, Run::of(behind));
        }
        new
    }
}

impl<V: Ord> Run<V> {
    fn new(value: V, point: u64) -> Run<V> {
        Run::of(vec![(value, Posting::One(point))])
    }

    fn of(values: Vec<(V, Posting)>) -> Run<V> {
        Run {
            points: points_of(&values),
            values,
        }
    }

    fn first(&self) -> &V {
        &self.values[0].0
    }

    fn last(&self) -> &V {
        &self.values[self.values.len() - 1].0
    }

    /// The values within `range`.
    fn range(&self, range: &impl RangeBounds<V>) -> &[(V, Posting)] {
        let values = &self.values[self
            .values
            .partition_point(|(value, _)| is_before(value, range))..];
        &values[..values.partition_point(|(value, _)| !is_behind(value, range))]
    }

    /// True when the value is new.
    fn insert(&mut self, value: V, point: u64) -> bool {
        self.points.insert(point);
        match self.values.binary_search_by(|(other, _)| other.cmp(&value)) {
            Ok(place) => {
                self.values[place].1.insert(point);
                false
            }
            Err(place) => {
                self.values.insert(place, (value, Posting::One(point)));
                true
            }
        }
    }
}

fn union<'a>(bitmaps: impl Iterator<Item = &'a RoaringTreemap>) -> RoaringTreemap {
    bitmaps.fold(RoaringTreemap::new(), |all, points| all | points)
}

fn points_of<V>(values: &[(V, Posting)]) -> RoaringTreemap {
    Posting::union(values.iter().map(|(_, posting)| posting))
}

/// The ordered `items` that may have something within `range`.
fn within<'a, T, V: Ord + 'a>(
    items: &'a [T],
    last: impl Fn(&T) -> &V,
    range: &impl RangeBounds<V>,
) -> impl Iterator<Item = &'a T> {
    let first = items.partition_point(|item| is_before(last(item), range));
    let behind = items[first..].partition_point(|item| !is_behind(last(item), range));
    // The one in which the range ends reaches beyond it.
    items[first..].iter().take(behind + 1)
}

fn is_before<V: Ord>(value: &V, range: &impl RangeBounds<V>) -> bool {
    match range.start_bound() {
        Bound::Included(start) => value < start,
        Bound::Excluded(start) => value <= start,
        Bound::Unbounded => false,
    }
}

fn is_behind<V: Ord>(value: &V, range: &impl RangeBounds<V>) -> bool {
    match range.end_bound() {
        Bound::Included(end) => value > end,
        Bound::Excluded(end) => value >= end,
        Bound::Unbounded => false,
    }
}

fn is_inside<V: Ord>(first: &V, last: &V, range: &impl RangeBounds<V>) -> bool {
    !is_before(first, range) && !is_behind(last, range)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{BTreeMap, BTreeSet};

    type Model = BTreeMap<u64, BTreeSet<u64>>;

    fn agrees(ordered: &Ordered<u64>, model: &Model, rng: &mut fastrand::Rng, values: u64) {
        assert_eq!(ordered.len(), model.len());
        let plain: Vec<(u64, Vec<u64>)> = ordered
            .iter()
            .map(|(value, posting)| (*value, posting.iter().collect()))
            .collect();
        assert!(
            plain
                .iter()
                .map(|(value, points)| (value, points.iter().collect::<Vec<_>>()))
                .eq(model
                    .iter()
                    .map(|(value, points)| (value, points.iter().collect())))
        );
        for _ in 0..200 {
            let mut bound = || {
                let value = rng.u64(..values);
                match rng.u8(..5) {
                    0 => Bound::Unbounded,
                    1 | 2 => Bound::Excluded(value),
                    _ => Bound::Included(value),
                }
            };
            let range = (bound(), bound());
            let expected: BTreeSet<u64> = model
                .iter()
                .filter(|(value, _)| range.contains(value))
                .flat_map(|(_, points)| points)
                .copied()
                .collect();
            let mut found = RoaringTreemap::new();
            ordered.union_into(&range, &mut found);
            assert!(found.iter().eq(expected.iter().copied()), "{range:?}");
            let listed: BTreeSet<u64> = ordered
                .range(range)
                .flat_map(|(_, posting)| posting.iter())
                .collect();
            assert_eq!(listed, expected, "{range:?}");
            let descending = ordered.descend(range.1).map(|(value, _)| value);
            let up_to = (Bound::Unbounded, range.1);
            assert!(descending.eq(model.range(up_to).rev().map(|(value, _)| value)));
            assert!(ordered.count(&range) >= expected.len() as u64);
            let value = rng.u64(..values);
            let got: Option<BTreeSet<u64>> =
                ordered.get(&value).map(|posting| posting.iter().collect());
            assert_eq!(got.as_ref(), model.get(&value));
        }
    }

    #[test]
    fn it_agrees_with_a_plain_map() {
        let mut rng = fastrand::Rng::with_seed(5);
        for (values, inserts) in [(10, 3_000), (70_000, 70_000)] {
            let mut ordered = Ordered::default();
            let mut model = Model::new();
            for point in 0..inserts {
                let value = rng.u64(..values);
                let point = point / 2;
                ordered.insert(value, point);
                model.entry(value).or_default().insert(point);
            }
            agrees(&ordered, &model, &mut rng, values);
            let keep: RoaringTreemap = (0..inserts).filter(|_| rng.u8(..3) == 0).collect();
            ordered.keep_only(&keep);
            model.retain(|_, points| {
                points.retain(|point| keep.contains(*point));
                !points.is_empty()
            });
            agrees(&ordered, &model, &mut rng, values);
            for point in inserts..inserts + 5_000 {
                let value = rng.u64(..values);
                ordered.insert(value, point);
                model.entry(value).or_default().insert(point);
            }
            agrees(&ordered, &model, &mut rng, values);
        }
    }

    #[test]
    fn many_values_at_once_are_the_same_as_one_by_one() {
        let mut rng = fastrand::Rng::with_seed(6);
        let mut ordered = Ordered::default();
        let mut model = Model::new();
        // In order, as a file has them; and a part once more, which is not behind the others.
        for from in [0, 10_000, 20_000, 5_000] {
            let mut values = Vec::new();
            for value in (from..from + 10_000).step_by(3) {
                let points: BTreeSet<u64> = (0..rng.u64(1..40)).map(|_| rng.u64(..9_000)).collect();
                values.extend(Posting::of(points.iter().copied().collect()).map(|of| (value, of)));
                model.entry(value).or_default().extend(points);
            }
            ordered.extend(values);
            ordered.extend(Vec::new());
        }
        agrees(&ordered, &model, &mut rng, 40_000);
    }

    #[test]
    fn an_empty_one_has_nothing() {
        let empty = Ordered::<u64>::default();
        assert!(empty.get(&1).is_none());
        assert_eq!(empty.range(..).count(), 0);
        let mut found = RoaringTreemap::new();
        empty.union_into(&(..), &mut found);
        assert!(found.is_empty());
    }
}
