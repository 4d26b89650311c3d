//! The few smallest of many scores.

/// Scores that are compared side by side.
const LANES: usize = 16;

/// Finds the smallest of many scores; keeps its memory for the next time.
#[derive(Debug, Default)]
pub(super) struct Smallest {
    /// The least score of each run of [`LANES`].
    leasts: Vec<f32>,
    sorted: Vec<f32>,
    near: Vec<(f32, u32)>,
}

impl Smallest {
    /// The places of as many of the smallest scores as `places` has room for, smallest first, ties by place. Scores are numbers,
    /// and no fewer than places.
    ///
    /// Without places at first, which the compiler vectorizes: with `m` places the `m`th smallest of the least scores of runs bounds what
    /// is looked at again, since there are `m` scores that are no greater.
    pub(super) fn find(&mut self, scores: &[f32], places: &mut [u32]) {
        if places.is_empty() {
            return;
        }
        self.leasts.clear();
        let (runs, rest) = scores.as_chunks::<LANES>();
        self.leasts.extend(runs.iter().map(least));
        let bound = self.bound(places.len());
        self.near.clear();
        let runs = (0..).step_by(LANES).zip(runs).zip(&self.leasts);
        for ((first, run), _) in runs.filter(|&(_, &least)| least <= bound) {
            let near = run.iter().copied().zip(first..);
            self.near.extend(near.filter(|&(score, _)| score <= bound));
        }
        let behind = (scores.len() - rest.len()).try_into().unwrap_or(u32::MAX);
        self.near.extend(rest.iter().copied().zip(behind..));
        let by_score = |a: &(f32, u32), b: &(f32, u32)| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1));
        self.near.sort_unstable_by(by_score);
        for (place, &(_, number)) in places.iter_mut().zip(&self.near) {
            *place = number;
        }
    }

    /// The `m`th smallest of `leasts`; infinite if they are no more than that.
    fn bound(&mut self, m: usize) -> f32 {
        if m >= self.leasts.len() {
            return f32::INFINITY;
        }
        if m == 1 {
            return self.leasts.iter().copied().fold(f32::INFINITY, f32::min);
        }
        self.sorted.clone_from(&self.leasts);
        *self.sorted.select_nth_unstable_by(m - 1, f32::total_cmp).1
    }
}

/// The least of a run: halves are compared with each other.
fn least(run: &[f32; LANES]) -> f32 {
    let mut lanes = *run;
    let mut half = LANES / 2;
    while half > 0 {
        let (low, high) = lanes.split_at_mut(half);
        for (low, &mut high) in low.iter_mut().zip(high) {
            *low = if high < *low { high } else { *low };
        }
        half /= 2;
    }
    lanes[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_are_those_of_a_sort() {
        let mut random = fastrand::Rng::with_seed(17);
        let mut smallest = Smallest::default();
        for round in 0..2_000 {
            let count = random.usize(1..200);
            // Few different ones: ties go by place.
            let kinds = if round % 2 == 0 { 10 } else { 1_000_000 };
            let scores: Vec<f32> = (0..count)
                .map(|_| random.i32(-kinds..kinds) as f32)
                .collect();
            let mut sorted: Vec<u32> = (0..).take(count).collect();
            sorted.sort_by(|&a, &b| scores[a as usize].total_cmp(&scores[b as usize]));
            let m = random.usize(0..=count.min(20));
            let mut places = vec![u32::MAX; m];
            smallest.find(&scores, &mut places);
            assert_eq!(places, sorted[..m], "{m} of {scores:?}");
        }
    }
}
