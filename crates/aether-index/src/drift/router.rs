//! The way of points to their buckets.

use std::collections::HashMap;

use super::view::View;
use crate::Result;
use crate::ivf::Space;
use crate::kmeans::Centroids;

/// Centroids that are looked at for a point, as long as some of them may have gone.
const NEAR: usize = 4;

/// A router is made anew once one in so many buckets came or went …
const STALE_SHARE: usize = 8;

/// … but not for fewer than these.
const STALE_MIN: usize = 64;

/// All centroids of a moment, and those that came since.
#[derive(Debug)]
pub(super) struct Router {
    width: usize,
    numbers: Vec<u32>,
    centroids: Centroids,
    fresh: Vec<u32>,
    fresh_rows: Vec<f32>,
    gone: usize,
}

/// The bucket of a point: its place, and the squared distance of its centroid.
pub(super) type Route = (usize, f32);

impl Router {
    pub(super) fn new(space: &Space, view: &View, seed: u64) -> Result<Router> {
        let width = space.width();
        let mut numbers = Vec::with_capacity(view.len());
        let mut rows = Vec::with_capacity(view.len() * width);
        for bucket in view.buckets() {
            numbers.push(bucket.entry().number);
            rows.extend_from_slice(&bucket.entry().centroid);
        }
        Ok(Router {
            width,
            numbers,
            centroids: Centroids::with_way(width, rows, seed)?,
            fresh: Vec::new(),
            fresh_rows: Vec::new(),
            gone: 0,
        })
    }

    pub(super) fn add(&mut self, number: u32, centroid: &[f32]) {
        self.fresh.push(number);
        self.fresh_rows.extend_from_slice(centroid);
    }

    pub(super) fn forget(&mut self) {
        self.gone += 1;
    }

    /// Whether a new one should take its place.
    pub(super) fn is_stale(&self) -> bool {
        self.fresh.len() + self.gone > STALE_MIN.max(self.numbers.len() / STALE_SHARE)
    }

    /// For each of the rotated `rows` up to `m` buckets whose centroids are nearest, nearest first; none of them `except`. Some that
    /// are nearer may be missed.
    pub(super) fn nearest(
        &self,
        space: &Space,
        (view, places): (&View, &HashMap<u32, usize>),
        rows: &[f32],
        m: usize,
        except: Option<u32>,
    ) -> Vec<Vec<Route>> {
        let asked = m.max(NEAR) + usize::from(except.is_some());
        let old = asked.min(self.centroids.len());
        let found = self.centroids.nearest_many(rows, old);
        let fresh = Centroids::new(self.width, self.fresh_rows.clone());
        let new = asked.min(fresh.len());
        let found_fresh = fresh.nearest_many(rows, new);
        let route = |number: u32, row: &[f32]| {
            let place = *places.get(&number).filter(|_| Some(number) != except)?;
            let centroid = &view.bucket(place).entry().centroid;
            Some((place, space.kernels.l2_f32(row, centroid)))
        };
        let of_row = |(i, row): (usize, &[f32])| {
            let old = found[i * old..][..old].iter();
            let old = old.filter_map(|&at| route(self.numbers[at as usize], row));
            let new = found_fresh[i * new..][..new].iter();
            let new = new.filter_map(|&at| route(self.fresh[at as usize], row));
            let mut routes: Vec<Route> = old.chain(new).collect();
            if routes.is_empty() {
                // All that were near have gone.
                let all = view.buckets().map(|bucket| bucket.entry().number);
                routes.extend(all.filter_map(|number| route(number, row)));
            }
            routes.sort_unstable_by(|a, b| a.1.total_cmp(&b.1));
            routes.truncate(m);
            routes
        };
        rows.chunks_exact(self.width)
            .enumerate()
            .map(of_row)
            .collect()
    }
}
