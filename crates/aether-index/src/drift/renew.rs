//! Long buckets become two, those whose points have moved get a new centroid, and points around them go where they are nearer: the index
//! follows data that move.

use std::sync::Arc;

use aether_distance::{BLOCK_CODES, Metric};

use super::edit::{Appended, Edit};
use super::record::{self, Image, Writer};
use super::router::Route;
use super::view::{Entry, InView, View};
use super::{Drift, Maintainer, Store};
use crate::ivf::{Block, ERROR, Outlook, Query, Space, nibbles, rank};
use crate::kmeans::Centroids;
use crate::work::Work;
use crate::{PointId, Result};

/// A point moves to another bucket when it is nearer to its centroid by more than one in so many parts of the bucket's spread: what it
/// would gain by less is not worth the writing.
const GAIN_SHARE: f32 = 5.0;

/// Buckets around a new one to which points of it may move: what SPFresh looks at, too.
const AROUND: usize = 64;

/// The nearest of them, whose points may move into the new one.
const NEIGHBOURS: usize = 8;

/// Buckets from which points move are written again if one in so many of their points would …
const MOVERS_SHARE: usize = 16;

/// … and at least so many.
const MOVERS_MIN: usize = 4;

/// Estimates by codes of one bit are that many of their standard deviations off, at most.
const DEVIATIONS: f32 = 2.0;

/// The parts that a bucket becomes: their centroids, and the points and rotated rows that go to each.
struct Parts {
    centroids: Centroids,
    members: Vec<Members>,
}

/// Points, and their rotated rows.
type Members = (Vec<PointId>, Vec<f32>);

/// A centroid as a query to the codes of one bucket: squared distances, less what is the same for every centroid.
struct Sight<'a> {
    space: &'a Space,
    query: &'a Query,
    outlook: Outlook,
}

impl<'a> Sight<'a> {
    /// `own`: the centroid of the bucket.
    fn new(space: &'a Space, query: &'a mut Query, own: &[f32]) -> Sight<'a> {
        let outlook = space.outlook(query, own);
        query.table.set_base(outlook.base);
        Sight {
            space,
            query,
            outlook,
        }
    }

    /// Between what the points of a block are, very likely.
    fn bounds(&self, block: &Block<'_>) -> ([f32; BLOCK_CODES], [f32; BLOCK_CODES]) {
        let (table, mut estimates) = (&self.query.table, [0.0; BLOCK_CODES]);
        table.estimate32(block.codes, block.factors, f32::INFINITY, &mut estimates);
        let error =
            |lane: usize| DEVIATIONS * ERROR * block.factors.scale[lane].abs() * self.outlook.reach;
        let bound = |sign: f32| {
            std::array::from_fn(|lane| self.square_of(estimates[lane] + sign * error(lane)))
        };
        (bound(-1.0), bound(1.0))
    }

    /// That of one point, by its code of four bits.
    fn square(&self, code: &[u8]) -> f32 {
        let estimate = nibbles::estimate(self.space, self.query, self.outlook.base, code);
        estimate.map_or(f32::INFINITY, |(estimate, _)| self.square_of(estimate))
    }

    fn square_of(&self, estimate: f32) -> f32 {
        match self.space.metric {
            // An inner product, negated.
            Metric::InnerProduct => 2.0 * estimate + self.query.table.norm().powi(2),
            Metric::L2Squared | Metric::Cosine => estimate,
        }
    }
}

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
        let around = self.around(maintainer, (&view, number), &parts)?;
        let mut moves = self.leave(&view, &around, &mut parts, &mut edit);
        for (neighbour, movers) in self.gather(&view, &around, &parts) {
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

    /// The places of the [`AROUND`] buckets around each part, nearest first.
    fn around(
        &self,
        maintainer: &mut Maintainer,
        (view, number): (&View, u32),
        parts: &Parts,
    ) -> Result<Vec<Vec<usize>>> {
        let Maintainer { places, router, .. } = maintainer;
        let router = match router {
            Some(router) if !router.is_stale() => router,
            stale => stale.insert(super::Router::new(&self.space, view, self.seed)?),
        };
        let directory = (view, &*places);
        let centroids = parts.centroids.rows();
        let routes = router.nearest(&self.space, directory, centroids, AROUND, Some(number));
        let places = |routes: Vec<Route>| routes.into_iter().map(|(place, _)| place).collect();
        Ok(routes.into_iter().map(places).collect())
    }

    /// Sends those to the buckets around that are much nearer to one of them than to their part's centroid. How many.
    fn leave(&self, view: &View, around: &[Vec<usize>], parts: &mut Parts, edit: &mut Edit) -> u64 {
        let (width, kernels) = (self.space.width(), self.space.kernels);
        let (mut moves, mut writer) = (0, Writer::default());
        for (part, (points, rows)) in parts.members.iter_mut().enumerate() {
            let own = parts.centroids.row(part);
            let squares = rows.chunks_exact(width).map(|row| kernels.l2_f32(row, own));
            let gain = squares.sum::<f32>() / points.len().max(1) as f32 / GAIN_SHARE;
            let entries: Vec<&Entry> = around[part]
                .iter()
                .map(|&place| &**view.bucket(place).entry())
                .collect();
            let centroids: Vec<&[f32]> = entries.iter().map(|entry| &*entry.centroid).collect();
            let nearest = Centroids::new(width, centroids.concat()).nearest(rows);
            let (mut staying, mut staying_rows) = (Vec::new(), Vec::new());
            for (i, (&point, row)) in points.iter().zip(rows.chunks_exact(width)).enumerate() {
                let other = nearest.get(i).map(|&at| entries[at as usize]);
                let other = other.filter(|other| {
                    kernels.l2_f32(row, &other.centroid) + gain < kernels.l2_f32(row, own)
                });
                if let Some(entry) = other {
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
        moves
    }

    /// Points of the nearest buckets around that are much nearer to one of the parts than to their own centroid, by estimates: by the
    /// numbers of their buckets, if these are in memory and have enough of them.
    fn gather(
        &self,
        view: &View,
        around: &[Vec<usize>],
        parts: &Parts,
    ) -> Vec<(u32, Vec<PointId>)> {
        let centroids = (0..parts.members.len()).map(|part| parts.centroids.row(part));
        let mut centroids: Vec<Query> = centroids.map(|row| self.query_of(row)).collect();
        let nearest = around
            .iter()
            .flat_map(|around| around.iter().take(NEIGHBOURS));
        let mut nearest: Vec<usize> = nearest.copied().collect();
        nearest.sort_unstable();
        nearest.dedup();
        let mut gathered = Vec::new();
        for place in nearest {
            let bucket = view.bucket(place);
            let Some(image) = bucket.image() else {
                continue;
            };
            let movers = self.movers(bucket, &image, &mut centroids);
            if movers.len() >= MOVERS_MIN.max(image.codes.len() / MOVERS_SHARE) {
                gathered.push((bucket.entry().number, movers));
            }
        }
        gathered
    }

    fn query_of(&self, centroid: &[f32]) -> Query {
        let mut query = Query::default();
        self.space.query_of(centroid, &mut query);
        query
    }

    /// Points of a bucket that are much nearer to one of these centroids. Codes of one bit leave few of which those of four bits have to
    /// tell: around its own centroid they are exact.
    fn movers(&self, bucket: InView<'_>, image: &Image, centroids: &mut [Query]) -> Vec<PointId> {
        let own_centroid = &bucket.entry().centroid;
        let mut own = self.query_of(own_centroid);
        let own = Sight::new(&self.space, &mut own, own_centroid);
        let others = centroids.iter_mut();
        let others: Vec<Sight<'_>> = others
            .map(|other| Sight::new(&self.space, other, own_centroid))
            .collect();
        let gain = bucket.spread() / GAIN_SHARE;
        let code_bytes = nibbles::code_bytes(self.space.width());
        let mut movers = Vec::new();
        for (first, block) in (0..).step_by(BLOCK_CODES).zip(image.codes.blocks()) {
            let (_, most) = own.bounds(&block);
            let mut least = [f32::INFINITY; BLOCK_CODES];
            for other in &others {
                let both = least.iter_mut().zip(other.bounds(&block).0);
                both.for_each(|(least, bound)| *least = least.min(bound));
            }
            let points = BLOCK_CODES.min(image.codes.len() - first);
            for lane in (0..points).filter(|&lane| least[lane] + gain < most[lane]) {
                let code = image.nibbles(first + lane, code_bytes);
                let squares = others.iter().map(|other| other.square(code));
                if squares.fold(f32::INFINITY, f32::min) + gain < own.square(code) {
                    movers.push(PointId(block.ids[lane]));
                }
            }
        }
        movers
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
