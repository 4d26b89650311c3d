//! Buckets around centroids, in memory, always open to writers: codes of one bit per component are scanned 32 at a time,
//! and exact distances decide among the best of them.
//!
//! ```text
//! query ─ rotate, table ─▶ rank the buckets ─▶ scan the most promising ─▶ pool of the nearest by estimate ─▶ exact distances
//!         space.rs         directory.rs        bucket.rs                  pool.rs                           search.rs
//! ```
//!
//! The vectors themselves lie in slots of their own, in the precision given; codes refer to them by slot. Changing:
//! build.rs (many points at once), mod.rs (single ones), maintain.rs (split, clean, give up buckets). On disk:
//! checkpoint.rs, open.rs, format.rs.
//!
//! Locks are taken in this order: `writer`, a reader of the nodes, `directory`, one bucket, the points. A search holds its
//! reader and the directory to its end: what it found is not freed, and no bucket is split under it. Points are added and
//! taken out of a bucket under that bucket's own lock. Only a thread that holds `writer` changes anything but states.

mod bucket;
mod build;
mod check;
mod checkpoint;
mod dead;
mod directory;
mod format;
mod maintain;
pub(crate) mod nibbles;
mod open;
mod params;
mod pool;
pub(crate) mod rank;
mod search;
mod selected;
mod space;

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use aether_distance::{DIM_MAX, ElementType, Metric, VectorRef};
use half::f16;
use parking_lot::{Mutex, RwLock};

pub use params::IvfParams;
pub use search::IvfScratch;

use crate::hnsw::CheckSummary;
use crate::memory::{Constants, NO_SLOT, Node, NodeLayout, Nodes, Reader};
use crate::points::PointMap;
use crate::selection::Version;
use crate::{Error, PointId, Result};
pub(crate) use bucket::{Block, Bucket};
use dead::DeadSet;
use directory::Directory;
use maintain::Pass;
use nibbles::Nibbles;
pub(crate) use pool::{Near, Pool};
pub(crate) use space::{Code, ERROR, Outlook, Query, Space};

/// Vectors are shorter than the root of this, so that squared distances of them and their centroids are finite.
pub(crate) const SQUARE_MAX: f32 = f32::MAX / 64.0;

/// Buckets of points, of which searches find the nearest.
///
/// ```
/// use aether_distance::{ElementType, Metric, VectorRef};
/// use aether_index::{Ivf, IvfParams, IvfScratch, PointId, SearchParams};
///
/// let ivf = Ivf::new(2, Metric::L2Squared, ElementType::F32, IvfParams::DEFAULT, 42)?;
/// for i in 0..1000 {
///     ivf.insert(PointId(i), VectorRef::F32(&[i as f32, 1.0]))?;
/// }
/// ivf.remove(PointId(7));
///
/// let mut scratch = IvfScratch::default(); // one per thread
/// let params = SearchParams { k: 2, ef: 50, include_dead: false };
/// let even = |point: PointId| point.0 % 2 == 0;
/// let found = ivf.search(&[7.2, 1.0], params, Some(&even), &mut scratch)?;
/// assert_eq!(found.iter().map(|near| near.point.0).collect::<Vec<_>>(), [8, 6]);
/// # Ok::<(), aether_index::Error>(())
/// ```
pub struct Ivf {
    params: IvfParams,
    seed: u64,
    space: Space,
    nodes: Nodes,
    /// Of what was opened from a checkpoint.
    nibbles: Option<Nibbles>,
    points: PointMap,
    /// For who remembers where points are.
    version: Version,
    directory: RwLock<Directory>,
    dead: DeadSet,
    live: AtomicUsize,
    /// Held by who adds points or changes buckets.
    writer: Mutex<Pass>,
    drafts: Mutex<Vec<Draft>>,
}

/// A point that is about to be added, and working memory for it.
#[derive(Debug, Default)]
struct Draft {
    floats: Vec<f32>,
    rotated: Vec<f32>,
    code: Code,
}

impl Ivf {
    /// An empty index. Its buckets come from splitting as points come; for many points at once see [`Ivf::build`]. With the
    /// same seed and the same calls by one thread it becomes the same index.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) when `dim` is 0 or above [`DIM_MAX`], or a parameter is
    /// outside its limits.
    pub fn new(
        dim: usize,
        metric: Metric,
        element: ElementType,
        params: IvfParams,
        seed: u64,
    ) -> Result<Ivf> {
        check_limits(dim)?;
        let space = Space::new(dim, metric, element, vec![0.0; dim], seed);
        Ok(Ivf {
            params: params.validate()?,
            seed,
            nodes: Nodes::new(layout(dim, element)),
            nibbles: None,
            points: PointMap::new(None),
            version: Version::default(),
            directory: RwLock::new(Directory::new(&space)),
            space,
            dead: DeadSet::new(),
            live: AtomicUsize::new(0),
            writer: Mutex::default(),
            drafts: Mutex::default(),
        })
    }

    /// Codes differences to `centre` (the mean of some vectors, made unit vectors first under cosine) instead of vectors: data
    /// far from the origin are otherwise told apart badly. Without effect under the inner product. [`Ivf::build`] does it.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) when the dimension differs, a component is not finite, or the
    /// index has points already.
    pub fn with_centre(mut self, centre: &[f32]) -> Result<Ivf> {
        self.suits(&VectorRef::F32(centre), ElementType::F32)?;
        if self.nodes.bound() > 0 {
            return Err(Error::invalid(
                "an index that has points cannot change its centre",
            ));
        }
        if self.metric() != Metric::InnerProduct {
            self.space.centre = centre.to_vec();
        }
        Ok(self)
    }

    /// Adds a point, searchable on return. False when it is here already, dead or alive.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) when dimension or element type differ from the index's, or the
    /// squared length of the vector is not finite or nearly too large to be,
    /// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) when there is no memory.
    pub fn insert(&self, point: PointId, vector: VectorRef<'_>) -> Result<bool> {
        self.suits(&vector, self.element())?;
        let mut draft = self.drafts.lock().pop().unwrap_or_default();
        let inserted = self.insert_with(point, vector, &mut draft);
        self.drafts.lock().push(draft);
        inserted
    }

    fn insert_with(
        &self,
        point: PointId,
        vector: VectorRef<'_>,
        draft: &mut Draft,
    ) -> Result<bool> {
        let space = &self.space;
        draft.rotated.clear();
        space.place(vector, &mut draft.floats, &mut draft.rotated);
        let (changes, nearest) = {
            let directory = self.directory.read();
            (
                directory.changes,
                directory.nearest(space, &draft.rotated, None),
            )
        };
        let _writer = self.writer.lock();
        let reader = self.nodes.read();
        if self.points.find(point, &reader).is_some() {
            return Ok(false);
        }
        let mut directory = self.directory.read();
        let nearest = if directory.changes == changes {
            nearest
        } else {
            directory.nearest(space, &draft.rotated, None)
        };
        let bucket = match nearest {
            Some(bucket) => bucket,
            None => {
                drop(directory);
                let first = Bucket::new(space.code_bytes());
                self.directory
                    .write()
                    .push(space, &draft.rotated, 0.0, first)?;
                directory = self.directory.read();
                0
            }
        };
        let slot = self.store(point, vector)?;
        let full = self.add(&directory, bucket, slot, point, draft)?;
        drop(directory);
        self.points.insert(point, slot, &reader);
        self.live.fetch_add(1, Relaxed);
        self.version.change();
        if full {
            self.split(bucket, &reader)?;
        }
        Ok(true)
    }

    /// Puts a vector into a slot of its own.
    fn store(&self, point: PointId, vector: VectorRef<'_>) -> Result<u32> {
        let mut claim = self.nodes.claim()?;
        claim.codes_mut().0.copy_from_slice(bytes_of(&vector));
        let constants = Constants {
            square: vector.square(self.space.kernels),
            ..Constants::default()
        };
        Ok(claim.publish(point.0, constants, NO_SLOT))
    }

    /// Adds the rotated vector of a draft to a bucket; true when that is too long now.
    fn add(
        &self,
        directory: &Directory,
        bucket: u32,
        slot: u32,
        point: PointId,
        draft: &mut Draft,
    ) -> Result<bool> {
        let centroid = directory.centroid(&self.space, bucket);
        let square = self.space.encode(&draft.rotated, centroid, &mut draft.code);
        let mut contents = directory.bucket(bucket).write();
        contents.push(&draft.code, slot, point)?;
        let spread = directory.spread(bucket);
        directory.set_spread(bucket, spread + (square - spread) / contents.len() as f32);
        Ok(contents.len() > self.params.bucket_points_max())
    }

    /// Marks a point dead: it is no longer found. False when it is not there or dead already.
    pub fn remove(&self, point: PointId) -> bool {
        let reader = self.nodes.read();
        let Some(slot) = self.points.find(point, &reader) else {
            return false;
        };
        let killed = self.dead.insert(slot);
        if killed {
            self.live
                .update(Relaxed, Relaxed, |live| live.saturating_sub(1));
        }
        killed
    }

    /// Whether the point is here and alive.
    pub fn contains(&self, point: PointId) -> bool {
        let reader = self.nodes.read();
        let slot = self.points.find(point, &reader);
        slot.is_some_and(|slot| !self.dead.contains(slot))
    }

    /// Live points.
    pub fn len(&self) -> usize {
        self.live.load(Relaxed)
    }

    /// True when no point is alive.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Dead points that still take memory, until [`consolidate`](Ivf::consolidate) frees it.
    pub fn dead(&self) -> usize {
        self.dead.len()
    }

    /// Components of each vector.
    pub fn dim(&self) -> usize {
        self.space.dim
    }

    /// What "near" means here.
    pub fn metric(&self) -> Metric {
        self.space.metric
    }

    /// The element type of the vectors.
    pub fn element(&self) -> ElementType {
        self.space.element
    }

    /// The shape of the index.
    pub fn params(&self) -> IvfParams {
        self.params
    }

    /// Buckets that the points are in.
    pub fn buckets(&self) -> usize {
        self.directory.read().len()
    }

    /// Bytes that vectors, codes and ids take, mapped ones included.
    pub fn memory_bytes(&self) -> usize {
        self.nodes.memory_bytes()
            + self.nibbles.as_ref().map_or(0, Nibbles::memory_bytes)
            + self.points.memory_bytes()
            + self.directory.read().memory_bytes()
    }

    /// All live points, in no order.
    pub fn points(&self) -> impl Iterator<Item = PointId> + '_ {
        let reader = self.nodes.read();
        let live = (0..self.nodes.bound()).filter(|&slot| !self.dead.contains(slot));
        live.filter_map(|slot| reader.node(slot))
            .map(|node| PointId(node.id()))
            .collect::<Vec<_>>()
            .into_iter()
    }

    /// Reads all buckets: is every point in one of them, once, and is it found by its number? Inserts and maintenance wait.
    ///
    /// # Errors
    /// [`ErrorKind::Corruption`](crate::ErrorKind::Corruption), naming the first thing that is wrong.
    pub fn check(&self) -> Result<CheckSummary> {
        check::check(self)
    }

    fn suits(&self, vector: &VectorRef<'_>, element: ElementType) -> Result<()> {
        self.space.suits(vector, element)
    }

    /// The vector of a node. Records start on multiples of 8, so components are aligned.
    #[inline]
    fn vector<'a>(&self, node: &Node<'a>) -> Option<VectorRef<'a>> {
        let bytes = node.codes();
        Some(match self.element() {
            ElementType::F32 => VectorRef::F32(bytemuck::try_cast_slice(bytes).ok()?),
            ElementType::F16 => VectorRef::F16(bytemuck::try_cast_slice::<u8, f16>(bytes).ok()?),
            ElementType::U8 => VectorRef::U8(bytes),
        })
    }

    /// Appends the rotated vector of a slot to `rotated`; false when there is none.
    fn place(
        &self,
        slot: u32,
        reader: &Reader<'_>,
        floats: &mut Vec<f32>,
        rotated: &mut Vec<f32>,
    ) -> bool {
        let node = reader.node(slot);
        let Some(vector) = node.and_then(|node| self.vector(&node)) else {
            return false;
        };
        self.space.place(vector, floats, rotated);
        true
    }
}

impl fmt::Debug for Ivf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ivf")
            .field("dim", &self.dim())
            .field("metric", &self.metric())
            .field("element", &self.element())
            .field("params", &self.params)
            .field("buckets", &self.buckets())
            .field("live", &self.len())
            .field("dead", &self.dead())
            .finish_non_exhaustive()
    }
}

pub(crate) fn check_limits(dim: usize) -> Result<()> {
    if !(1..=DIM_MAX).contains(&dim) {
        return Err(Error::invalid(format!(
            "dimension is {dim}, but must be 1 to {DIM_MAX}"
        )));
    }
    Ok(())
}

/// Records of vectors in the precision given.
fn layout(dim: usize, element: ElementType) -> NodeLayout {
    NodeLayout {
        links: 0,
        codes: dim * element.bytes(),
        fine: 0,
    }
}

fn bytes_of<'a>(vector: &VectorRef<'a>) -> &'a [u8] {
    match *vector {
        VectorRef::F32(vector) => bytemuck::cast_slice(vector),
        VectorRef::F16(vector) => bytemuck::cast_slice(vector),
        VectorRef::U8(vector) => vector,
    }
}
