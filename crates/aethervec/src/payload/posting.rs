//! The points that have one value: most values of an id-like field have one point, a few have nearly all.

use roaring::{RoaringBitmap, RoaringTreemap};

/// Points from which on a bitmap is smaller than a list.
const LIST_POINTS_MAX: usize = 32;

/// Points are sorted by setting bits, if they are at least one of so many numbers between the least and the greatest.
const SPAN_SHARE: u64 = 128;

/// A set of points.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Posting {
    /// A single point.
    One(u64),
    /// Few points, ascending.
    List(Vec<u64>),
    /// Many points.
    Bitmap(Box<RoaringTreemap>),
}

impl Posting {
    /// The set of `points`, which are ascending; `None` if there are none.
    pub(crate) fn of(mut points: Vec<u64>) -> Option<Posting> {
        match points[..] {
            [] => return None,
            [only] => return Some(Posting::One(only)),
            _ => points.shrink_to_fit(),
        }
        Some(if points.len() > LIST_POINTS_MAX {
            Posting::Bitmap(Box::new(bitmap(points)))
        } else {
            Posting::List(points)
        })
    }

    /// Adds `point`. False when it is in already.
    pub(crate) fn insert(&mut self, point: u64) -> bool {
        match self {
            Posting::One(only) if *only == point => return false,
            Posting::One(only) => {
                let (first, second) = (point.min(*only), point.max(*only));
                *self = Posting::List(vec![first, second]);
            }
            Posting::List(points) => {
                let Err(place) = points.binary_search(&point) else {
                    return false;
                };
                points.insert(place, point);
                if points.len() > LIST_POINTS_MAX {
                    *self = Posting::Bitmap(Box::new(bitmap(std::mem::take(points))));
                }
            }
            Posting::Bitmap(points) => return points.insert(point),
        }
        true
    }

    /// How many points there are.
    pub(crate) fn len(&self) -> u64 {
        match self {
            Posting::One(_) => 1,
            Posting::List(points) => points.len() as u64,
            Posting::Bitmap(points) => points.len(),
        }
    }

    /// How many of its points are smaller than `point`.
    pub(crate) fn rank(&self, point: u64) -> usize {
        match self {
            Posting::One(only) => usize::from(*only < point),
            Posting::List(points) => points.partition_point(|&other| other < point),
            Posting::Bitmap(points) => {
                let before = point.checked_sub(1).map_or(0, |last| points.rank(last));
                usize::try_from(before).expect("they are in memory")
            }
        }
    }

    /// Its points, ascending.
    pub(crate) fn iter(&self) -> Box<dyn Iterator<Item = u64> + '_> {
        match self {
            Posting::One(point) => Box::new(std::iter::once(*point)),
            Posting::List(points) => Box::new(points.iter().copied()),
            Posting::Bitmap(points) => Box::new(points.iter()),
        }
    }

    /// How many of `points` it holds.
    pub(crate) fn intersection_len(&self, points: &RoaringTreemap) -> u64 {
        match self {
            Posting::Bitmap(bitmap) => bitmap.intersection_len(points),
            few => few.iter().filter(|&point| points.contains(point)).count() as u64,
        }
    }

    /// Adds its points to `out`.
    pub(crate) fn union_into(&self, out: &mut RoaringTreemap) {
        match self {
            Posting::Bitmap(points) => *out |= &**points,
            few => out.extend(few.iter()),
        }
    }

    /// All points of `postings`.
    pub(crate) fn union<'a>(postings: impl Iterator<Item = &'a Posting>) -> RoaringTreemap {
        let mut union = RoaringTreemap::new();
        let mut few = Vec::new();
        for posting in postings {
            match posting {
                Posting::One(point) => few.push(*point),
                Posting::List(points) => few.extend_from_slice(points),
                Posting::Bitmap(points) => union |= &**points,
            }
        }
        union | bitmap_of_any(few)
    }

    /// Forgets all points but those of `keep`: what is left, if anything is.
    pub(crate) fn keep_only(self, keep: &RoaringTreemap) -> Option<Posting> {
        let kept = match self {
            Posting::Bitmap(points) if points.len() > LIST_POINTS_MAX as u64 => {
                let points = *points & keep;
                if points.len() > LIST_POINTS_MAX as u64 {
                    return Some(Posting::Bitmap(Box::new(points)));
                }
                points.iter().collect()
            }
            few => few
                .iter()
                .filter(|&point| keep.contains(point))
                .collect::<Vec<u64>>(),
        };
        Posting::of(kept)
    }

    /// Bytes beside the value itself.
    pub(crate) fn memory_bytes(&self) -> usize {
        match self {
            Posting::One(_) => 0,
            Posting::List(points) => points.capacity() * size_of::<u64>(),
            Posting::Bitmap(points) => bitmap_bytes(points),
        }
    }
}

/// The bitmap of `points`, which are ascending.
pub(crate) fn bitmap(points: Vec<u64>) -> RoaringTreemap {
    RoaringTreemap::from_sorted_iter(points).expect("each is greater than the one before")
}

/// The bitmap of `points` in any order. O(points), if these are more than a few of all numbers between them.
fn bitmap_of_any(mut points: Vec<u64>) -> RoaringTreemap {
    let (Some(&first), Some(&last)) = (points.iter().min(), points.iter().max()) else {
        return RoaringTreemap::new();
    };
    let span = last - first;
    if span > points.len() as u64 * SPAN_SHARE || first >> 32 != last >> 32 {
        points.sort_unstable();
        points.dedup();
        return bitmap(points);
    }
    // Whole bytes, from the one in which the first number is.
    let start = first & !7;
    let mut bits = vec![0u8; usize::try_from((last - start) / 8 + 1).expect("they are in memory")];
    for point in points {
        let place = point - start;
        bits[usize::try_from(place / 8).expect("they are in memory")] |= 1 << (place % 8);
    }
    #[expect(clippy::cast_possible_truncation, reason = "the halves of a number")]
    let (upper, lower) = ((start >> 32) as u32, start as u32);
    RoaringTreemap::from_bitmaps([(upper, RoaringBitmap::from_lsb0_bytes(lower, &bits))])
}

/// About how many bytes a bitmap takes.
pub(crate) fn bitmap_bytes(points: &RoaringTreemap) -> usize {
    size_of::<RoaringTreemap>() + points.serialized_size()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_union_has_the_points_of_all() {
        let mut rng = fastrand::Rng::with_seed(3);
        for (from, span) in [(0, 10), (77, 5_000), ((1 << 32) - 900, 2_000), (5, 1 << 50)] {
            for count in [0, 1, 40, 700] {
                let postings: Vec<Posting> = (0..count)
                    .filter_map(|i| {
                        let some: BTreeSet<u64> =
                            (0..i % 50).map(|_| from + rng.u64(..span)).collect();
                        Posting::of(some.into_iter().collect())
                    })
                    .collect();
                let all: BTreeSet<u64> = postings.iter().flat_map(Posting::iter).collect();
                assert!(
                    Posting::union(postings.iter()).iter().eq(all),
                    "{from}, {span}, {count}"
                );
            }
        }
    }

    #[test]
    fn it_is_a_set_at_every_size() {
        let mut rng = fastrand::Rng::with_seed(1);
        for size in [1, 2, LIST_POINTS_MAX, LIST_POINTS_MAX + 1, 5_000] {
            let mut points: BTreeSet<u64> = (0..size).map(|_| rng.u64(..1 << 40)).collect();
            let mut posting = Posting::One(*points.first().unwrap());
            let mut order: Vec<u64> = points.iter().copied().collect();
            rng.shuffle(&mut order);
            for &point in &order {
                posting.insert(point);
                assert!(!posting.insert(point));
            }
            assert!(posting.iter().eq(points.iter().copied()));
            assert_eq!(
                Posting::of(points.iter().copied().collect()),
                Some(posting.clone())
            );
            assert_eq!(posting.len(), points.len() as u64);
            let keep: RoaringTreemap = points.iter().copied().filter(|_| rng.bool()).collect();
            assert_eq!(posting.intersection_len(&keep), keep.len());
            points.retain(|point| keep.contains(*point));
            match posting.keep_only(&keep) {
                Some(kept) => assert!(kept.iter().eq(points.iter().copied())),
                None => assert!(points.is_empty()),
            }
        }
    }
}
