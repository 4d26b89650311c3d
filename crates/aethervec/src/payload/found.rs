//! What an index knows of a condition: the points for which it surely holds, and those for which it may.

use roaring::RoaringTreemap;

/// Points of some universe. For those in neither set the condition does not hold.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Found {
    /// Surely.
    pub(crate) sure: RoaringTreemap,
    /// Perhaps; none of these is in `sure`.
    pub(crate) unsure: RoaringTreemap,
}

impl Found {
    /// Exactly these.
    pub(crate) fn exactly(points: RoaringTreemap) -> Found {
        Found {
            sure: points,
            unsure: RoaringTreemap::new(),
        }
    }

    /// These, and perhaps the others.
    pub(crate) fn new(sure: RoaringTreemap, perhaps: RoaringTreemap) -> Found {
        let unsure = perhaps - &sure;
        Found { sure, unsure }
    }

    /// Nothing is known but that they are of `universe`.
    pub(crate) fn unknown(universe: &RoaringTreemap) -> Found {
        Found::new(RoaringTreemap::new(), universe.clone())
    }

    /// Whether there is nothing to look at again.
    pub(crate) fn is_exact(&self) -> bool {
        self.unsure.is_empty()
    }

    /// All for which it holds, and perhaps others.
    pub(crate) fn upper(&self) -> RoaringTreemap {
        if self.is_exact() {
            return self.sure.clone();
        }
        &self.sure | &self.unsure
    }

    /// Both conditions.
    pub(crate) fn and(self, other: &Found) -> Found {
        if self.is_exact() && other.is_exact() {
            return Found::exactly(self.sure & &other.sure);
        }
        let upper = self.upper() & other.upper();
        Found::new(self.sure & &other.sure, upper)
    }

    /// One of the conditions, or both.
    pub(crate) fn or(self, other: &Found) -> Found {
        Found::new(self.sure | &other.sure, self.unsure | &other.unsure)
    }

    /// Not this condition.
    pub(crate) fn not(self, universe: &RoaringTreemap) -> Found {
        Found {
            sure: universe - self.upper(),
            unsure: self.unsure,
        }
    }

    /// What two indexes say of the same condition.
    pub(crate) fn refine(self, other: &Found) -> Found {
        let upper = self.upper() & other.upper();
        Found::new(self.sure | &other.sure, upper)
    }

    /// At least `min` of the conditions.
    pub(crate) fn at_least(min: usize, of: &[Found], universe: &RoaringTreemap) -> Found {
        let sure = at_least(min, of.iter().map(|found| found.sure.clone()), universe);
        let upper = at_least(min, of.iter().map(Found::upper), universe);
        Found::new(sure, upper)
    }
}

fn at_least(
    min: usize,
    of: impl ExactSizeIterator<Item = RoaringTreemap>,
    universe: &RoaringTreemap,
) -> RoaringTreemap {
    if min == 0 {
        return universe.clone();
    }
    if min > of.len() {
        return RoaringTreemap::new();
    }
    // The points in at least one, two, … of those so far.
    let mut reached = vec![RoaringTreemap::new(); min];
    for points in of {
        for count in (1..min).rev() {
            let (fewer, more) = reached.split_at_mut(count);
            more[0] |= &fewer[count - 1] & &points;
        }
        reached[0] |= points;
    }
    reached.swap_remove(min - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A condition: what it is, and what an index says of it.
    fn condition(rng: &mut fastrand::Rng, universe: &RoaringTreemap) -> (Vec<bool>, Found) {
        let truth: Vec<bool> = (0..200).map(|_| rng.bool()).collect();
        let mut found = Found::default();
        for point in universe {
            let holds = truth[usize::try_from(point).unwrap()];
            match (rng.u8(..4), holds) {
                (0, _) => found.unsure.insert(point),
                (_, true) => found.sure.insert(point),
                _ => false,
            };
        }
        (truth, found)
    }

    #[test]
    fn what_is_combined_stays_true() {
        let rng = &mut fastrand::Rng::with_seed(8);
        for _ in 0..50 {
            let universe: RoaringTreemap = (0..200).filter(|_| rng.u8(..5) > 0).collect();
            let (a, in_a) = condition(rng, &universe);
            let (b, in_b) = condition(rng, &universe);
            let (c, in_c) = condition(rng, &universe);
            let holds = |found: &Found, truth: &dyn Fn(usize) -> bool| {
                assert!(found.sure.is_disjoint(&found.unsure));
                assert!(found.upper().is_subset(&universe));
                for point in &universe {
                    let truth = truth(usize::try_from(point).unwrap());
                    assert!(truth || !found.sure.contains(point));
                    assert!(!truth || found.upper().contains(point));
                }
            };
            holds(&in_a.clone().and(&in_b), &|p| a[p] && b[p]);
            holds(&in_a.clone().or(&in_b), &|p| a[p] || b[p]);
            holds(&in_a.clone().not(&universe), &|p| !a[p]);
            for min in 0..5 {
                let of = [in_a.clone(), in_b.clone(), in_c.clone()];
                let count = |p: usize| [a[p], b[p], c[p]].iter().filter(|&&is| is).count();
                holds(&Found::at_least(min, &of, &universe), &|p| count(p) >= min);
            }
            holds(&in_a.clone().refine(&in_a), &|p| a[p]);
            holds(&Found::unknown(&universe), &|p| c[p]);
        }
    }
}
