//! Long buckets become two, those whose points have moved get a new centroid, and points around them go where they are nearer: the index
//! follows data that move.

use std::sync::Arc;

use super::edit::{Appended, Edit};
use super::record::{self, Image, Writer};
use super::view::InView;
use super::{Drift, Maintainer, Store};
use crate::ivf::{Query, nibbles, rank};
use crate::kmeans::Centroids;
use crate::work::Work;
use crate::{PointId, Result};

/// A point moves to another bucket when it is nearer to its centroid by more than one in so many parts of the bucket's spread: what it
/// would gain by less is not worth the writing.
const GAIN_SHARE: f32 = 5.0;

/// Buckets around a new one whose points may move into it.
const NEIGHBOURS: usize = 8;

/// They are written again if one in so many of their points would …
const MOVERS_SHARE: usize = 16;

/// … and at least so many.
const MOVERS_MIN: usize = 4;

/// The parts that a bucket becomes: their centroids, and the points and rotated rows that go to each.
struct Parts {
    centroids: Centroids,
    members: Vec<Members>,
}

/// Points, and their rotated rows.
type Members = (Vec<PointId>, Vec<f32>);

impl Drift {
    /// Makes a bucket anew that is too long, or whose points have moved away from its centroid: two, around centroids of its points, or one around
    /// their mean, if the dead were what made it long. Points that are nearer to another bucket go there, and points of the buckets around
    /// come if they are nearer to one of the new ones (LIRE's conditions).
    pub(super) fn renew<S: Store>(
        &self,
        maintainer: &mut Maintainer,
        number: u32,
        store: &S,
    ) -> std::result::Result<(), S::Error> {
        let view = self.view();
        let Some(&place) = maintainer.places.get(&number) else {
            return Ok(());
        };
        let bucket = view.bucket(place);
        let image = self.image(bucket, store)?;
        let alive: Vec<PointId> = image
            .points()
            .filter(|&point| !store.is_dead(point))
            .collect();
        let (points, rows) = self.rows_of(&alive, store)?;
        let dead = u64::from(image.records).saturating_sub(points.len() as u64);
        let mut edit = Edit::default();
        edit.removed.push((number, image));
        let mut parts = self.part(number, points, rows)?;
        let is_split = parts.members.len() > 1;
        let mut moves = self.leave(maintainer, number, &mut parts, &mut edit)?;
        for (neighbour, movers) in self.gather(maintainer, number, &parts) {
            moves += self.take(maintainer, neighbour, &movers, &mut parts, &mut edit, store)?;
        }
        if let [first, second] = &parts.members[..] {
            let known = maintainer.state.alignment;
            let centroid = parts.centroids.row(0);
            maintainer.state.alignment = rank::alignment(known, centroid, &first.1, &second.1);
        }
        let mut writer = Writer::default();
        for (part, (points, rows)) in parts.members.iter().enumerate() {
            let members = points
                .iter()
                .copied()
                .zip(rows.chunks_exact(self.space.width()));
            let centroid = parts.centroids.row(part);
            let created = self.bucket_of(maintainer, centroid, members, &mut writer);
            edit.created
                .extend(Some(created).filter(|it| it.contents.records > 0));
        }
        maintainer.state.splits += u64::from(is_split);
        maintainer.state.moves += moves;
        maintainer.state.cleaned += dead;
        self.commit(maintainer, edit, store)?;
        self.counters.show(&maintainer.state);
        Ok(())
    }

    /// The parts of these points: two if they are too many for one bucket.
    fn part(&self, number: u32, points: Vec<PointId>, rows: Vec<f32>) -> Result<Parts> {
        let width = self.space.width();
        if points.len() <= self.params.bucket_points_max() {
            return Ok(Parts {
                centroids: Centroids::new(width, mean(&rows, width)),
                members: vec![(points, rows)],
            });
        }
        let seed = self.seed ^ u64::from(number);
        let mut centroids = Centroids::fit(&rows, width, 2, seed, &Work::alone())?;
        let mut of = centroids.nearest(&rows);
        let second = of.iter().filter(|&&half| half == 1).count();
        if second.min(points.len() - second) < self.params.bucket_points_min().max(1) {
            // Points that are all alike cannot be told apart: any two halves are as good as others.
            let middle = points.len() / 2;
            of.iter_mut()
                .enumerate()
                .for_each(|(i, half)| *half = u32::from(i >= middle));
            centroids = Centroids::new(width, mean(&rows, width).repeat(2));
        }
        let mut members = vec![Members::default(); 2];
        for ((point, row), half) in points.into_iter().zip(rows.chunks_exact(width)).zip(of) {
            let (points, rows) = &mut members[half as usize & 1];
            points.push(point);
            rows.extend_from_slice(row);
        }
        Ok(Parts { centroids, members })
    }

    /// Sends those to other buckets that are much nearer to one than to their part's centroid. How many.
    fn leave(
        &self,
        maintainer: &mut Maintainer,
        number: u32,
        parts: &mut Parts,
        edit: &mut Edit,
    ) -> Result<u64> {
        let (view, width, kernels) = (self.view(), self.space.width(), self.space.kernels);
        let Maintainer { places, router, .. } = maintainer;
        let router = match router {
            Some(router) if !router.is_stale() => router,
            stale => stale.insert(super::Router::new(&self.space, &view, self.seed)?),
        };
        let (mut moves, mut writer) = (0, Writer::default());
        for (part, (points, rows)) in parts.members.iter_mut().enumerate() {
            let own = parts.centroids.row(part);
            let squares = rows.chunks_exact(width).map(|row| kernels.l2_f32(row, own));
            let gain = squares.sum::<f32>() / points.len().max(1) as f32 / GAIN_SHARE;
            let directory = (&*view, &*places);
            let routes = router.nearest(&self.space, directory, rows, 1, Some(number));
            let (mut staying, mut staying_rows) = (Vec::new(), Vec::new());
            for ((&point, row), route) in points.iter().zip(rows.chunks_exact(width)).zip(routes) {
                let other = route
                    .first()
                    .filter(|&&(_, square)| square + gain < kernels.l2_f32(row, own));
                if let Some(&(place, _)) = other {
                    let entry = view.bucket(place).entry();
                    let appended: &mut Appended = edit.appended.entry(entry.number).or_default();
                    appended.push(self, &mut writer, point, (row, &entry.centroid));
                    moves += 1;
                } else {
                    staying.push(point);
                    staying_rows.extend_from_slice(row);
                }
            }
            (*points, *rows) = (staying, staying_rows);
        }
        Ok(moves)
    }

    /// Points of buckets around that are much nearer to one of the parts than to their own centroid, by estimates: by the numbers of
    /// their buckets, if these are in memory and have enough of them.
    fn gather(
        &self,
        maintainer: &mut Maintainer,
        number: u32,
        parts: &Parts,
    ) -> Vec<(u32, Vec<PointId>)> {
        let view = self.view();
        let Maintainer { places, router, .. } = maintainer;
        let Some(router) = router else {
            return Vec::new();
        };
        let centroids: Vec<&[f32]> = (0..parts.members.len())
            .map(|part| parts.centroids.row(part))
            .collect();
        let directory = (&*view, &*places);
        let routes = router.nearest(
            &self.space,
            directory,
            &centroids.concat(),
            NEIGHBOURS,
            Some(number),
        );
        let mut around: Vec<usize> = routes
            .into_iter()
            .flatten()
            .map(|(place, _)| place)
            .collect();
        around.sort_unstable();
        around.dedup();
        let mut gathered = Vec::new();
        for place in around {
            let bucket = view.bucket(place);
            let Some(image) = bucket.image() else {
                continue;
            };
            let movers = self.movers(bucket, &image, &centroids);
            if movers.len() >= MOVERS_MIN.max(image.codes.len() / MOVERS_SHARE) {
                gathered.push((bucket.entry().number, movers));
            }
        }
        gathered
    }

    /// Points of a bucket that are much nearer to one of these centroids.
    fn movers(&self, bucket: InView<'_>, image: &Image, centroids: &[&[f32]]) -> Vec<PointId> {
        let own = self.squares(bucket, &bucket.entry().centroid, image);
        let mut nearest = vec![f32::INFINITY; own.len()];
        for centroid in centroids {
            let squares = self.squares(bucket, centroid, image);
            let both = nearest.iter_mut().zip(squares);
            both.for_each(|(nearest, square)| *nearest = nearest.min(square));
        }
        let gain = bucket.spread() / GAIN_SHARE;
        let of_points = image.points().zip(own.iter().zip(nearest));
        of_points
            .filter(|(_, (own, nearest))| nearest + gain < **own)
            .map(|(point, _)| point)
            .collect()
    }

    /// The squared distances of a bucket's points from a centroid, by estimates, less what is the same for every centroid.
    fn squares(&self, bucket: InView<'_>, centroid: &[f32], image: &Image) -> Vec<f32> {
        let (space, mut query) = (&self.space, Query::default());
        space.query_of(centroid, &mut query);
        let base = space.outlook(&query, &bucket.entry().centroid).base;
        let code_bytes = nibbles::code_bytes(space.width());
        let square = |place: usize| {
            let code = image.nibbles(place, code_bytes);
            let estimate = nibbles::estimate(space, &query, base, code);
            let estimate = estimate.map_or(f32::INFINITY, |(estimate, _)| estimate);
            match space.metric {
                // An inner product, negated.
                aether_distance::Metric::InnerProduct => {
                    2.0 * estimate + query.table.norm().powi(2)
                }
                _ => estimate,
            }
        };
        (0..image.codes.len()).map(square).collect()
    }

    /// Takes points out of a bucket, which gets a new number, and gives them to the parts they are nearest to. How many.
    fn take<S: Store>(
        &self,
        maintainer: &mut Maintainer,
        neighbour: u32,
        movers: &[PointId],
        parts: &mut Parts,
        edit: &mut Edit,
        store: &S,
    ) -> std::result::Result<u64, S::Error> {
        if edit.appended.contains_key(&neighbour) {
            // It gets points in this very commit.
            return Ok(0);
        }
        let Some(&place) = maintainer.places.get(&neighbour) else {
            return Ok(0);
        };
        let view = self.view();
        let bucket = view.bucket(place);
        let (points, rows) = self.rows_of(movers, store)?;
        let mut leaving: Vec<PointId> = points.clone();
        leaving.sort_unstable();
        let image = self.image(bucket, store)?;
        let body = self.body(neighbour, store)?;
        let body = record::filtered(&self.space, body.as_ref(), |point| {
            leaving.binary_search(&point).is_err() && !store.is_dead(point)
        });
        let nearest = parts.centroids.nearest(&rows);
        let moved = points
            .into_iter()
            .zip(rows.chunks_exact(self.space.width()));
        for ((point, row), part) in moved.zip(nearest) {
            let (points, rows) = &mut parts.members[part as usize];
            points.push(point);
            rows.extend_from_slice(row);
        }
        edit.removed.push((neighbour, Arc::clone(&image)));
        edit.created
            .extend(self.rewritten(maintainer, bucket, body));
        Ok(leaving.len() as u64)
    }
}

/// The mean of rows of `width` components; zeros for none.
fn mean(rows: &[f32], width: usize) -> Vec<f32> {
    let count = (rows.len() / width).max(1) as f32;
    let sum = |i: usize| rows.iter().skip(i).step_by(width).sum::<f32>();
    (0..width).map(|i| sum(i) / count).collect()
}
