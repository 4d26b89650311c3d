//! How sure a search is that what it leaves out by its estimate is not among the nearest.

/// Standard deviations by which an estimate is off at most, but for one in a thousand.
pub(crate) const DEVIATIONS_MAX: f32 = 3.0;

/// By how many standard deviations sharp estimates are doubted by a search that holds `ef` candidates for the `k` nearest, where `usual`
/// times `k` find nineteen of twenty: by one there, by more as the candidates grow, so that what a search misses because of its
/// estimates is always little against what is not among its candidates. Each deviation costs about two exact distances.
pub(crate) fn deviations(ef: usize, k: usize, usual: usize) -> f32 {
    let share = ef as f32 / (usual * k.max(1)) as f32;
    share.sqrt().clamp(1.0, DEVIATIONS_MAX)
}
