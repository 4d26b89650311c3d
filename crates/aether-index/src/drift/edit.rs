//! What one commit does to an index, and how memory follows it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use aether_distance::VectorRef;

use super::format::{self, Row};
use super::record::{self, Image, Writer};
use super::view::{Cell, Entry, InView};
use super::{Drift, Maintainer, Store};
use crate::ivf::rank;
use crate::kmeans::Centroids;
use crate::work::Work;
use crate::{IvfParams, PointId, Result};

/// The points of a bucket have moved when they spread so many times as much around its centroid as they did when it was their mean.
const MOVED: f32 = 1.3;

/// Of the first buckets, so many tell how points lie.
const ALIGNED_BUCKETS: usize = 64;

/// Changes that are committed together.
#[derive(Debug, Default)]
pub(super) struct Edit {
    /// Buckets that go, with all that they have.
    pub(super) removed: Vec<(u32, Arc<Image>)>,
    pub(super) created: Vec<Created>,
    /// By bucket.
    pub(super) appended: BTreeMap<u32, Appended>,
    /// Bytes of the vectors of added points; none: it is maintenance.
    pub(super) ingested: Option<u64>,
}

/// A new bucket.
#[derive(Debug)]
pub(super) struct Created {
    pub(super) number: u32,
    pub(super) centroid: Box<[f32]>,
    /// The spread around it when it was the mean; `None`: it is.
    pub(super) base: Option<f32>,
    pub(super) contents: Appended,
}

/// Records behind others.
#[derive(Debug, Default)]
pub(super) struct Appended {
    pub(super) records: u32,
    /// The sum of the squared distances of the points from the centroid.
    pub(super) squares: f32,
    pub(super) body: Vec<u8>,
}

impl Created {
    fn base(&self) -> f32 {
        self.base.unwrap_or_else(|| self.contents.spread())
    }
}

impl Appended {
    pub(super) fn push(
        &mut self,
        drift: &Drift,
        writer: &mut Writer,
        point: PointId,
        (rotated, centroid): (&[f32], &[f32]),
    ) {
        self.squares += writer.put(&drift.space, point, (rotated, centroid), &mut self.body);
        self.records += 1;
    }

    fn spread(&self) -> f32 {
        self.squares / self.records.max(1) as f32
    }
}

impl Drift {
    /// Adds points, whose vectors `vector` gives by their place in `points`: one commit. Buckets that have become too long wait for
    /// [`maintain`](Drift::maintain). No point may be here already.
    ///
    /// About `sqrt(buckets)` distances per point.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) when dimension or element type of a vector differ, or its length is
    /// not finite or nearly too large to be; those of the store. Then nothing has changed.
    pub fn append<'v, S: Store>(
        &self,
        points: &[PointId],
        vector: impl Fn(usize) -> VectorRef<'v>,
        store: &S,
    ) -> std::result::Result<(), S::Error> {
        let (mut floats, mut rows) = (Vec::new(), Vec::new());
        for i in 0..points.len() {
            let vector = vector(i);
            self.space.suits(&vector, self.space.element)?;
            self.space.place(vector, &mut floats, &mut rows);
        }
        let mut maintainer = self.maintainer.lock();
        let ingested = points.len() * self.space.dim * self.space.element.bytes();
        let mut edit = Edit {
            ingested: Some(ingested as u64),
            ..Edit::default()
        };
        if maintainer.places.is_empty() && !points.is_empty() {
            self.first_buckets(&mut maintainer, points, &rows, &mut edit)?;
        } else {
            self.scatter(&mut maintainer, points, &rows, None, &mut edit)?;
        }
        let committed = self.commit(&mut maintainer, edit, store);
        self.show_due(&maintainer);
        committed
    }

    /// Makes buckets of the first points.
    fn first_buckets(
        &self,
        maintainer: &mut Maintainer,
        points: &[PointId],
        rows: &[f32],
        edit: &mut Edit,
    ) -> Result<()> {
        let width = self.space.width();
        let buckets = (points.len() / usize::from(self.params.bucket_points)).max(1);
        let centroids = Centroids::fit(rows, width, buckets, self.seed, &Work::alone())?;
        let mut members: Vec<(Vec<PointId>, Vec<f32>)> = vec![Default::default(); centroids.len()];
        let of = centroids.nearest(rows);
        for ((&point, row), of) in points.iter().zip(rows.chunks_exact(width)).zip(of) {
            let (points, rows) = &mut members[of as usize];
            points.push(point);
            rows.extend_from_slice(row);
        }
        let around = centroids.around(2, &Work::alone())?;
        for (bucket, near) in around.chunks(2).enumerate().take(ALIGNED_BUCKETS) {
            if let Some(&beside) = near.iter().find(|&&other| other as usize != bucket) {
                let (own, others) = (&members[bucket].1, &members[beside as usize].1);
                let known = maintainer.state.alignment;
                let centroid = centroids.row(bucket);
                maintainer.state.alignment = rank::alignment(known, centroid, own, others);
            }
        }
        let mut writer = Writer::default();
        for (bucket, (points, rows)) in members.iter().enumerate() {
            let members = points.iter().copied().zip(rows.chunks_exact(width));
            let centroid = centroids.row(bucket);
            let created = self.bucket_of(maintainer, centroid, members, &mut writer);
            edit.created
                .extend(Some(created).filter(|it| it.contents.records > 0));
        }
        Ok(())
    }

    /// A new bucket of these points, rotated.
    pub(super) fn bucket_of<'r>(
        &self,
        maintainer: &mut Maintainer,
        centroid: &[f32],
        members: impl IntoIterator<Item = (PointId, &'r [f32])>,
        writer: &mut Writer,
    ) -> Created {
        let mut contents = Appended::default();
        for (point, row) in members {
            contents.push(self, writer, point, (row, centroid));
        }
        Created {
            number: maintainer.number(),
            centroid: centroid.into(),
            base: None,
            contents,
        }
    }

    /// Appends points, rotated, to the buckets that are nearest, but none to `except`.
    pub(super) fn scatter(
        &self,
        maintainer: &mut Maintainer,
        points: &[PointId],
        rows: &[f32],
        except: Option<u32>,
        edit: &mut Edit,
    ) -> Result<()> {
        let (view, mut writer) = (self.view(), Writer::default());
        let places = &maintainer.places;
        let router = match &mut maintainer.router {
            Some(router) if !router.is_stale() => router,
            stale => stale.insert(super::Router::new(&self.space, &view, self.seed)?),
        };
        let routes = router.nearest(&self.space, (&view, places), rows, 1, except);
        let rows = rows.chunks_exact(self.space.width());
        for ((&point, row), route) in points.iter().zip(rows).zip(routes) {
            if let Some(&(place, _)) = route.first() {
                let entry = view.bucket(place).entry();
                let appended = edit.appended.entry(entry.number).or_default();
                appended.push(self, &mut writer, point, (row, &entry.centroid));
            }
        }
        Ok(())
    }

    /// Commits an edit, and has memory follow.
    ///
    /// 1. Buckets that go leave their contents to those who search with the old directory.
    /// 2. *Commit*: from now on rows are the new ones.
    /// 3. Copies of buckets get what was appended, and then the directory counts it: a copy that was read before the commit has too
    ///    few records.
    /// 4. The new directory takes the place of the old one.
    pub(super) fn commit<S: Store>(
        &self,
        maintainer: &mut Maintainer,
        edit: Edit,
        store: &S,
    ) -> std::result::Result<(), S::Error> {
        let view = self.view();
        let rows = self.rows(maintainer, &edit);
        let bucket = |number: u32| {
            maintainer
                .places
                .get(&number)
                .map(|&place| view.bucket(place))
        };
        let removed: Vec<InView<'_>> = edit
            .removed
            .iter()
            .filter_map(|&(number, _)| bucket(number))
            .collect();
        for (bucket, (_, image)) in removed.iter().zip(&edit.removed) {
            bucket.entry().slot().retire(Arc::clone(image));
        }
        if let Err(error) = store.commit(&rows) {
            removed
                .iter()
                .for_each(|bucket| bucket.entry().slot().reinstate());
            return Err(error);
        }
        let bytes: usize = rows.iter().map(Row::bytes).sum();
        self.counters.wrote(bytes as u64, edit.ingested);
        drop(rows);
        for (&number, appended) in &edit.appended {
            if let Some(bucket) = bucket(number) {
                let slot = bucket.entry().slot();
                slot.append(bucket.points(), |image| {
                    image.append(&self.space, &appended.body, |point| store.is_dead(point))
                })?;
                bucket.grow(appended.records, appended.squares);
                let state = (bucket.points(), bucket.spread());
                self.note(&mut maintainer.due, number, state, bucket.entry().base);
            }
        }
        let gone: u64 = removed
            .iter()
            .map(|bucket| u64::from(bucket.points()))
            .sum();
        let come = edit.created.iter().map(|created| &created.contents);
        let come = come.chain(edit.appended.values());
        let come: u64 = come.map(|contents| u64::from(contents.records)).sum();
        self.counters.stored.fetch_add(come, Relaxed);
        self.counters.stored.fetch_sub(gone, Relaxed);
        if !(edit.removed.is_empty() && edit.created.is_empty()) {
            self.publish(maintainer, &edit, store)?;
        }
        Ok(())
    }

    fn publish<S: Store>(
        &self,
        maintainer: &mut Maintainer,
        edit: &Edit,
        store: &S,
    ) -> std::result::Result<(), S::Error> {
        let mut places = Vec::new();
        for (number, _) in &edit.removed {
            places.extend(maintainer.places.remove(number));
            if let Some(router) = &mut maintainer.router {
                router.forget();
            }
        }
        let mut cells: Vec<Cell> = Vec::new();
        for created in &edit.created {
            let Created {
                number,
                centroid,
                contents,
                ..
            } = created;
            if let Some(router) = &mut maintainer.router {
                router.add(*number, centroid);
            }
            let entry = Entry::new(
                *number,
                centroid.clone(),
                created.base(),
                &self.space,
                &self.cache,
            );
            let is_dead = |point| store.is_dead(point);
            let image = Image::decode(&self.space, *number, &contents.body, is_dead)?;
            entry.slot().put(Arc::new(image));
            let state = (contents.records, contents.spread());
            self.note(&mut maintainer.due, *number, state, created.base());
            cells.push((Arc::new(entry), contents.records, contents.spread()));
        }
        let alignment = maintainer.state.alignment;
        let (view, moved) = self.view().changed(&self.space, places, cells, alignment)?;
        *self.view.write() = Arc::new(view);
        maintainer.places.extend(moved);
        Ok(())
    }

    /// Remembers a bucket that is to be made anew.
    fn note(&self, due: &mut Vec<u32>, number: u32, state: (u32, f32), base: f32) {
        if is_due(&self.params, state, base) && !due.contains(&number) {
            due.push(number);
        }
    }

    /// The rows of an edit.
    fn rows(&self, maintainer: &Maintainer, edit: &Edit) -> Vec<Row> {
        let state = format::encode_state(&maintainer.state, &self.space.centre);
        let mut rows = vec![Row::State(state)];
        rows.extend(edit.removed.iter().map(|&(number, _)| Row::Remove(number)));
        rows.extend(edit.created.iter().map(|created| {
            let contents = &created.contents;
            let spreads = [contents.spread(), created.base()];
            let header = format::encode_header(contents.records, spreads, &created.centroid);
            Row::Create(created.number, header, contents.body.clone())
        }));
        rows.extend(edit.appended.iter().map(|(&number, appended)| {
            let header = appended.records.to_le_bytes().to_vec();
            Row::Append(number, header, appended.body.clone())
        }));
        rows
    }

    /// The exact vectors of points, rotated, and which of the points have one.
    pub(super) fn rows_of<S: Store>(
        &self,
        points: &[PointId],
        store: &S,
    ) -> std::result::Result<(Vec<PointId>, Vec<f32>), S::Error> {
        let (mut found, mut rows, mut floats) = (Vec::new(), Vec::new(), Vec::new());
        store.vectors(points, &mut |place, vector| {
            if self.space.suits(&vector, self.space.element).is_ok() {
                found.push(points[place]);
                self.space.place(vector, &mut floats, &mut rows);
            }
        })?;
        Ok((found, rows))
    }

    /// All that a bucket has, from memory or from the store.
    pub(super) fn image<S: Store>(
        &self,
        bucket: InView<'_>,
        store: &S,
    ) -> std::result::Result<Arc<Image>, S::Error> {
        if let Some(image) = bucket.image() {
            return Ok(image);
        }
        let counted = bucket.points();
        let body = store.bodies(&[bucket.entry().number])?.pop().flatten();
        self.decoded((bucket, counted), body, store)
    }

    /// The copies of buckets, in their order. Those that memory has not are read all at once.
    pub(super) fn images<S: Store>(
        &self,
        buckets: &[InView<'_>],
        store: &S,
    ) -> std::result::Result<Vec<Arc<Image>>, S::Error> {
        let held: Vec<_> = buckets.iter().map(|bucket| bucket.image()).collect();
        let missing = buckets.iter().zip(&held).filter(|(_, held)| held.is_none());
        let missing: Vec<_> = missing
            .map(|(&bucket, _)| (bucket, bucket.points()))
            .collect();
        let numbers: Vec<u32> = missing
            .iter()
            .map(|(bucket, _)| bucket.entry().number)
            .collect();
        let mut read = missing.into_iter().zip(store.bodies(&numbers)?);
        let image = |held: Option<_>| match held {
            Some(image) => Ok(image),
            None => {
                let (missing, body) = read.next().expect("one for each that is missing");
                self.decoded(missing, body, store)
            }
        };
        held.into_iter().map(image).collect()
    }

    /// The copy of a bucket whose `body` was read, after it was found out how many records it has at least.
    fn decoded<S: Store>(
        &self,
        (bucket, counted): (InView<'_>, u32),
        body: Option<S::Body>,
        store: &S,
    ) -> std::result::Result<Arc<Image>, S::Error> {
        let number = bucket.entry().number;
        let Some(body) = body else {
            // It went after this view was made, and has left its contents.
            return bucket.image().ok_or_else(|| missing(number).into());
        };
        self.counters.loads.fetch_add(1, Relaxed);
        let is_dead = |point| store.is_dead(point);
        let image = Image::decode(&self.space, number, body.as_ref(), is_dead)?;
        let image = Arc::new(image);
        if image.records < counted {
            let found = image.records;
            let what = format!(
                "body of bucket {number}: {found} records, but its header counts {counted}"
            );
            return Err(format::bad(&what).into());
        }
        bucket.entry().slot().put(Arc::clone(&image));
        Ok(image)
    }

    /// The body of a bucket as it is stored.
    pub(super) fn body<S: Store>(
        &self,
        number: u32,
        store: &S,
    ) -> std::result::Result<S::Body, S::Error> {
        let body = store.bodies(&[number])?.pop().flatten();
        body.ok_or_else(|| missing(number).into())
    }

    /// Those of a body's points that are alive.
    pub(super) fn alive_in<S: Store>(&self, body: &[u8], store: &S) -> Vec<PointId> {
        record::points(&self.space, body)
            .filter(|&point| !store.is_dead(point))
            .collect()
    }
}

/// Whether a bucket is to be made anew that has so many records and such a spread, which was `base` when its centroid was their mean: it is
/// too long, or its points have moved.
pub(super) fn is_due(params: &IvfParams, (records, spread): (u32, f32), base: f32) -> bool {
    records as usize > params.bucket_points_max() || spread > base * MOVED
}

impl Maintainer {
    /// A number that no bucket had.
    pub(super) fn number(&mut self) -> u32 {
        let number = self.state.next;
        self.state.next += 1;
        number
    }
}

fn missing(number: u32) -> crate::Error {
    format::bad(&format!("bucket {number} has a header, but no body"))
}
