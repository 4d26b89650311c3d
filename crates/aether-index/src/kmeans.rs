//! Centroids: training them on a sample, and finding the nearest ones of many points.
//!
//! Points are compared with centroids by squared Euclidean distance, `|p|² - 2 <p, c> + |c|²`: the products of a block of
//! points with all centroids are one matrix product, and `|p|²` is left out, since it is the same for all of them.
//!
//! Training many centroids takes two steps: about `sqrt(k)` coarse ones first, then those of each part by themselves, and
//! a few rounds with all of them together. In each round a centroid with hardly any points moves into the one with the
//! most of them, so that parts stay balanced (Lloyd 1982; the repair as faiss does it). From [`CELLS_FROM`] centroids on
//! a point is compared with those around the nearest coarse centroids only: then the work grows with `k` to the power of a
//! half, and one point in some hundred goes to its second nearest centroid. The result depends on the seed
//! only, not on the number of threads.

mod smallest;

use aether_distance::dot_products;

use smallest::Smallest;

use crate::Result;
use crate::work::Work;

/// Points whose products are computed at a time, so that these stay in the cache.
const BLOCK_POINTS: usize = 128;

/// Centroids from which on training goes in two steps.
const TWO_STEPS_FROM: usize = 64;

/// Rounds of Lloyd's iteration, for coarse and for fine centroids, and for all fine ones together.
const ROUNDS: usize = 8;
const ROUNDS_TOGETHER: usize = 2;

/// A centroid with fewer points than this share of the mean is moved: one in so many.
const STARVING: usize = 8;

/// Centroids from which on the coarse ones lead to them, and how many of the coarse ones do.
const CELLS_FROM: usize = 1_024;
const CELLS_NEAR: usize = 8;

/// Points that are sorted by their cells at a time, or of which a thread finds the nearest centroids at a time.
const SHARE_POINTS: usize = 64 * BLOCK_POINTS;

/// The middles of parts of a set of points.
#[derive(Debug, Clone)]
pub(crate) struct Centroids {
    dim: usize,
    /// Row by row.
    rows: Vec<f32>,
    /// Half the squared length of each.
    half_squares: Vec<f32>,
    cells: Option<Box<Cells>>,
}

/// The way to the nearest of many centroids.
#[derive(Debug, Clone)]
struct Cells {
    coarse: Centroids,
    /// For each coarse centroid the numbers of those that are nearest to it or to those near to it, ascending. Not their rows: these would
    /// be [`CELLS_NEAR`] times all centroids, and to copy them takes less than to compare them with a few points.
    around: Vec<Box<[u32]>>,
}

impl Centroids {
    /// Centroids from their rows of `dim` components.
    pub(crate) fn new(dim: usize, rows: Vec<f32>) -> Centroids {
        let half_squares = rows
            .chunks_exact(dim)
            .map(|row| row.iter().map(|x| x * x).sum::<f32>() / 2.0)
            .collect();
        Centroids {
            dim,
            rows,
            half_squares,
            cells: None,
        }
    }

    /// The same, with a way to them by `coarse` ones.
    fn with_cells(mut self, coarse: Centroids) -> Centroids {
        let parts = coarse.nearest(&self.rows);
        let near = coarse.nearest_many(&coarse.rows, CELLS_NEAR);
        let around = near
            .chunks(CELLS_NEAR.min(coarse.len()).max(1))
            .map(|cells| {
                let members = (0..).zip(&parts).filter(|(_, part)| cells.contains(part));
                members.map(|(number, _)| number).collect()
            });
        let around = around.collect();
        self.cells = Some(Box::new(Cells { coarse, around }));
        self
    }

    /// Centroids from their rows, with a way to the nearest ones if they are many: finding these costs `k` to the power of a half then, and
    /// one in some hundred is missed.
    pub(crate) fn with_way(dim: usize, rows: Vec<f32>, seed: u64) -> Result<Centroids> {
        let all = Centroids::new(dim, rows);
        if all.len() < CELLS_FROM {
            return Ok(all);
        }
        let coarse = Centroids::fit(&all.rows, dim, all.len().isqrt(), seed, &Work::alone())?;
        Ok(all.with_cells(coarse))
    }

    /// Trains `k` centroids on `points` (rows of `dim` components, finite), or as many as there are points, if these are
    /// fewer. About `points * sqrt(k) * 16 + points * k * 2` distances, [`fit_steps`](Centroids::fit_steps) of work.
    pub(crate) fn fit(
        points: &[f32],
        dim: usize,
        k: usize,
        seed: u64,
        work: &Work<'_>,
    ) -> Result<Centroids> {
        let n = points.len() / dim;
        let k = k.min(n);
        let mut random = Random(seed);
        if k < TWO_STEPS_FROM {
            let start = Centroids::pick(points, dim, k, &mut random);
            return Ok(lloyd(start, points, ROUNDS, work, &mut random)?.0);
        }
        let coarse = Centroids::pick(points, dim, k.isqrt(), &mut random);
        let (coarse, parts) = lloyd(coarse, points, ROUNDS, work, &mut random)?;
        let mut fine = Vec::with_capacity(k * dim);
        let mut left = (n, k);
        let mut members = Vec::new();
        for part in (0..).take(coarse.len()) {
            members.clear();
            let rows = points.chunks_exact(dim).zip(&parts);
            for (row, _) in rows.filter(|&(_, &of)| of == part) {
                members.extend_from_slice(row);
            }
            let size = members.len() / dim;
            // In proportion to the points that are left, so that the shares add up to `k`.
            let share = (left.1 * size + left.0 / 2) / left.0.max(1);
            left = (left.0 - size, left.1 - share);
            let start = Centroids::pick(&members, dim, share.min(size), &mut random);
            let (of_part, _) = lloyd(start, &members, ROUNDS, work, &mut random)?;
            fine.extend(of_part.rows);
        }
        let mut fine = Centroids::new(dim, fine);
        if k >= CELLS_FROM {
            fine = fine.with_cells(coarse);
        }
        Ok(lloyd(fine, points, ROUNDS_TOGETHER, work, &mut random)?.0)
    }

    /// Steps of work that training `k` centroids on `n` points takes: one for each point and round.
    pub(crate) fn fit_steps(n: usize, k: usize) -> usize {
        let rounds = match k.min(n) < TWO_STEPS_FROM {
            true => ROUNDS + 1,
            false => 2 * (ROUNDS + 1) + ROUNDS_TOGETHER + 1,
        };
        n * rounds
    }

    /// `k` different points, in a random order.
    fn pick(points: &[f32], dim: usize, k: usize, random: &mut Random) -> Centroids {
        let mut numbers: Vec<usize> = (0..points.len() / dim).collect();
        let mut rows = Vec::with_capacity(k * dim);
        for i in 0..k {
            let other = i + random.below(numbers.len() - i);
            numbers.swap(i, other);
            rows.extend_from_slice(&points[numbers[i] * dim..][..dim]);
        }
        Centroids::new(dim, rows)
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.half_squares.len()
    }

    /// All of them, row by row.
    pub(crate) fn rows(&self) -> &[f32] {
        &self.rows
    }

    /// One of them.
    pub(crate) fn row(&self, i: usize) -> &[f32] {
        &self.rows[i * self.dim..][..self.dim]
    }

    /// Half the squared length of one of them.
    pub(crate) fn half_square(&self, i: usize) -> f32 {
        self.half_squares[i]
    }

    /// The nearest centroid of each point (rows of `dim` components); of equally near ones the first. Empty without
    /// centroids.
    pub(crate) fn nearest(&self, points: &[f32]) -> Vec<u32> {
        self.nearest_many(points, 1)
    }

    /// The numbers of the `m` nearest centroids of each point, nearest first, `m` per point (or as many as there are).
    /// `points * centroids * dim` multiply-adds.
    pub(crate) fn nearest_many(&self, points: &[f32], m: usize) -> Vec<u32> {
        let m = m.min(self.len());
        let mut nearest = vec![0; points.len() / self.dim * m];
        if nearest.is_empty() {
            return nearest;
        }
        let shares = points
            .chunks(SHARE_POINTS * self.dim)
            .zip(nearest.chunks_mut(SHARE_POINTS * m));
        for (points, nearest) in shares {
            match &self.cells {
                None => self.nearest_of_all(points, m, nearest),
                Some(cells) => self.nearest_by_cells(cells, points, m, nearest),
            }
        }
        nearest
    }

    /// The same, by all threads. `steps` of work are done with each point.
    fn nearest_by_all(
        &self,
        points: &[f32],
        m: usize,
        steps: usize,
        work: &Work<'_>,
    ) -> Result<Vec<u32>> {
        let shares = points.chunks(SHARE_POINTS * self.dim);
        let nearest = work.map(
            shares,
            || (),
            |(), points| {
                work.advance(points.len() / self.dim * steps)?;
                Ok(self.nearest_many(points, m))
            },
        )?;
        Ok(nearest.concat())
    }

    /// The `m` centroids that are nearest to each centroid, mostly beginning with itself.
    pub(crate) fn around(&self, m: usize, work: &Work<'_>) -> Result<Vec<u32>> {
        self.nearest_by_all(&self.rows, m, 0, work)
    }

    /// Compares the points of each cell with the centroids around it.
    fn nearest_by_cells(&self, cells: &Cells, points: &[f32], m: usize, nearest: &mut [u32]) {
        let coarse = cells.coarse.nearest(points);
        let mut of: Vec<(u32, usize)> = coarse.into_iter().zip(0..).collect();
        of.sort_unstable();
        let (mut members, mut found) = (Vec::new(), Vec::new());
        for run in of.chunk_by(|a, b| a.0 == b.0) {
            members.clear();
            for &(_, point) in run {
                members.extend_from_slice(&points[point * self.dim..][..self.dim]);
            }
            found.resize(run.len() * m, 0);
            let numbers = &cells.around[run[0].0 as usize];
            if numbers.len() >= m {
                let rows = self.only(numbers);
                rows.nearest_of_all(&members, m, &mut found);
                found
                    .iter_mut()
                    .for_each(|place| *place = numbers[*place as usize]);
            } else {
                self.nearest_of_all(&members, m, &mut found);
            }
            for (&(_, point), found) in run.iter().zip(found.chunks_exact(m)) {
                nearest[point * m..][..m].copy_from_slice(found);
            }
        }
    }

    /// Some of them.
    fn only(&self, numbers: &[u32]) -> Centroids {
        let mut rows = Vec::with_capacity(numbers.len() * self.dim);
        for &number in numbers {
            rows.extend_from_slice(self.row(number as usize));
        }
        let half_squares = numbers.iter().map(|&i| self.half_squares[i as usize]);
        Centroids {
            dim: self.dim,
            rows,
            half_squares: half_squares.collect(),
            cells: None,
        }
    }

    fn nearest_of_all(&self, points: &[f32], m: usize, nearest: &mut [u32]) {
        let mut scores = vec![0.0; BLOCK_POINTS * self.len()];
        let mut smallest = Smallest::default();
        let blocks = points
            .chunks(BLOCK_POINTS * self.dim)
            .zip(nearest.chunks_mut(BLOCK_POINTS * m));
        for (points, nearest) in blocks {
            let scores = &mut scores[..points.len() / self.dim * self.len()];
            dot_products(points, &self.rows, self.dim, scores);
            let rows = scores
                .chunks_exact_mut(self.len())
                .zip(nearest.chunks_exact_mut(m));
            for (scores, nearest) in rows {
                for (score, half_square) in scores.iter_mut().zip(&self.half_squares) {
                    *score = half_square - *score;
                }
                smallest.find(scores, nearest);
            }
        }
    }
}

/// Moves centroids to the middles of their points, `rounds` times. Also says which centroid each point belongs to.
fn lloyd(
    mut centroids: Centroids,
    points: &[f32],
    rounds: usize,
    work: &Work<'_>,
    random: &mut Random,
) -> Result<(Centroids, Vec<u32>)> {
    let (dim, k) = (centroids.dim, centroids.len());
    for _ in 0..rounds {
        let nearest = centroids.nearest_by_all(points, 1, 1, work)?;
        let mut rows = vec![0.0; k * dim];
        let mut sizes = vec![0_usize; k];
        for (point, &of) in points.chunks_exact(dim).zip(&nearest) {
            let of = of as usize;
            sizes[of] += 1;
            let sum = &mut rows[of * dim..][..dim];
            sum.iter_mut().zip(point).for_each(|(sum, x)| *sum += x);
        }
        for ((row, old), &size) in rows
            .chunks_exact_mut(dim)
            .zip(centroids.rows.chunks_exact(dim))
            .zip(&sizes)
        {
            if size == 0 {
                row.copy_from_slice(old);
            } else {
                row.iter_mut().for_each(|x| *x /= size as f32);
            }
        }
        feed_the_starving(&mut rows, dim, &mut sizes, random);
        let cells = centroids.cells.take();
        centroids = Centroids::new(dim, rows);
        if let Some(cells) = cells {
            centroids = centroids.with_cells(cells.coarse);
        }
    }
    let nearest = centroids.nearest_by_all(points, 1, 1, work)?;
    Ok((centroids, nearest))
}

/// Moves each centroid with few points beside the one with the most: both a little apart, in a random direction.
fn feed_the_starving(rows: &mut [f32], dim: usize, sizes: &mut [usize], random: &mut Random) {
    let mean = sizes.iter().sum::<usize>() / sizes.len().max(1);
    for hungry in 0..sizes.len() {
        if sizes[hungry] * STARVING >= mean {
            continue;
        }
        let Some(fat) = (0..sizes.len()).max_by_key(|&i| sizes[i]) else {
            return;
        };
        for i in 0..dim {
            let x = rows[fat * dim + i];
            let nudge = if random.below(2) == 0 {
                1.0 / 256.0
            } else {
                -1.0 / 256.0
            };
            rows[hungry * dim + i] = x * (1.0 + nudge);
            rows[fat * dim + i] = x * (1.0 - nudge);
        }
        sizes[hungry] = sizes[fat] / 2;
        sizes[fat] -= sizes[hungry];
    }
}

/// Numbers that look random, the same ones for the same seed (SplitMix64: Steele, Lea and Flood 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let x = self.0;
        let x = (x ^ x >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ x >> 31
    }

    /// A number from 0 to below `end`, which is not 0.
    #[expect(clippy::cast_possible_truncation, reason = "the result is below `end`")]
    fn below(&mut self, end: usize) -> usize {
        ((u128::from(self.next()) * end as u128) >> 64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::work::BuildOptions;

    fn fit(points: &[f32], dim: usize, k: usize, seed: u64, threads: usize) -> Centroids {
        let options = BuildOptions {
            threads,
            progress: None,
        };
        let work = Work::new(options, 0, 0);
        Centroids::fit(points, dim, k, seed, &work).unwrap()
    }

    /// `n` points in each of `groups` clouds around corners of a grid.
    fn clouds(groups: usize, n: usize, dim: usize) -> Vec<f32> {
        let mut random = Random(3);
        let mut points = Vec::new();
        for _ in 0..n {
            for group in 0..groups {
                points.extend((0..dim).map(|i| {
                    let corner = ((group >> (i % 16)) & 1) as f32;
                    corner + random.below(1000) as f32 / 10_000.0
                }));
            }
        }
        points
    }

    #[test]
    fn clouds_get_a_centroid_each() {
        for (groups, n) in [(8, 50), (100, 30)] {
            let (dim, points) = (16, clouds(groups, n, 16));
            let centroids = fit(&points, dim, groups * 2, 1, 2);
            assert_eq!(centroids.len(), groups * 2);
            let nearest = centroids.nearest(&points);
            let lost = points.chunks(dim).zip(&nearest).filter(|(point, of)| {
                let row = centroids.row(**of as usize);
                let square: f32 = point.iter().zip(row).map(|(a, b)| (a - b) * (a - b)).sum();
                square > 0.1
            });
            // Lloyd's iteration may leave two clouds to one centroid, here and there.
            let lost = lost.count();
            assert!(
                lost * 10 <= groups * n,
                "{lost} points have no centroid in their cloud"
            );
            let mut sizes = vec![0; groups * 2];
            nearest.iter().for_each(|&of| sizes[of as usize] += 1);
            assert!(sizes.iter().all(|&size| size <= 2 * n), "{sizes:?}");
        }
    }

    #[test]
    fn the_nearest_come_first_and_do_not_depend_on_threads() {
        let (dim, points) = (8, clouds(20, 40, 8));
        let centroids = fit(&points, dim, 70, 5, 1);
        let many = centroids.nearest_many(&points, 5);
        assert_eq!(many, centroids.nearest_many(&points, 5));
        let one: Vec<u32> = many.iter().copied().step_by(5).collect();
        assert_eq!(one, centroids.nearest(&points));
        for (point, five) in points.chunks(dim).zip(many.chunks(5)) {
            let square = |i: u32| -> f32 {
                point
                    .iter()
                    .zip(centroids.row(i as usize))
                    .map(|(a, b)| (a - b) * (a - b))
                    .sum()
            };
            assert!(
                five.windows(2)
                    .all(|pair| square(pair[0]) <= square(pair[1]) + 1e-5)
            );
            let farther = (0..70).filter(|i| !five.contains(i)).map(square);
            assert!(farther.fold(f32::INFINITY, f32::min) >= square(five[4]) - 1e-5);
        }
        let again = fit(&points, dim, 70, 5, 3);
        assert_eq!(again.rows, centroids.rows);
    }

    #[test]
    fn cells_lead_to_nearly_always_the_nearest() {
        let (dim, points) = (16, clouds(300, 20, 16));
        let centroids = fit(&points, dim, CELLS_FROM, 5, 2);
        assert!(centroids.cells.is_some());
        assert_eq!(centroids.len(), CELLS_FROM);
        let all = Centroids::new(dim, centroids.rows.clone());
        let (found, exact) = (
            centroids.nearest_many(&points, 3),
            all.nearest_many(&points, 3),
        );
        assert_eq!(found, centroids.nearest_many(&points, 3));
        let same = found
            .iter()
            .zip(&exact)
            .filter(|(found, exact)| found == exact)
            .count();
        assert!(same * 100 >= exact.len() * 95, "{same} of {}", exact.len());
    }

    #[test]
    fn few_or_equal_points_are_no_trouble() {
        assert_eq!(fit(&[], 4, 10, 1, 2).len(), 0);
        assert!(fit(&[], 4, 10, 1, 2).nearest(&[1.0; 8]).is_empty());
        assert_eq!(fit(&[1.0; 12], 4, 10, 1, 2).len(), 3);
        let equal = fit(&[0.5; 1000], 2, 100, 1, 1);
        assert_eq!(equal.nearest(&[0.5; 2]).len(), 1);
        assert!(equal.rows.iter().all(|x| (x - 0.5).abs() < 0.05));
    }
}
