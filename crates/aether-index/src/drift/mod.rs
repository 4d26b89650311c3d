//! Buckets that maintain themselves, whose contents are rows of a store: an index that takes inserts and deletes for ever, follows
//! data that move, and needs memory for its centroids only.
//!
//! ```text
//! rows   state       next number, counts, centre, alignment
//!        header  b   how many records the bucket was made with · spread · centroid │ counts of the records appended since
//!        body    b   records: id · code of one bit · code of four bits              │ records appended since
//! ```
//!
//! Exact vectors are not here: whoever owns the store has them by their points, and gives them for the last comparisons of a
//! search and when buckets are split. Codes of four bits (see `ivf/nibbles.rs`) leave about as many of these as are found.
//!
//! **What a bucket's number stands for only ever grows.** Records are appended; every other change (a bucket is split, the dead are taken
//! out, points move into a better one) gives new buckets new numbers, and the old rows go, all in one commit. So a search may
//! hold a directory that is out of date: what it finds in the buckets there is what was there and more, and nothing is missed.
//! A copy of a bucket in memory is of use if it has at least as many records as the directory says; else it is read again.
//!
//! ```text
//! append ─▶ router.rs (nearest centroids) ─▶ Edit ─▶ Store::commit ─▶ images in memory ─▶ counts in the directory ─▶ splits
//! search ─▶ rank (view.rs) ─▶ images (cache.rs, record.rs) ─▶ codes of one bit, then four ─▶ exact vectors of the store
//! ```
//!
//! One thread at a time changes an index (`maintainer` is locked meanwhile); searches never wait for it. Changing:
//! edit.rs (what one commit does), renew.rs (split, new centroids), tidy.rs (the dead). After LIRE (Xu et al. 2023, SPFresh, SOSP), with the routing and the codes of [`Ivf`](crate::Ivf).

mod cache;
mod check;
mod edit;
mod format;
#[cfg(any(fuzzing, test))]
pub(crate) mod fuzzing;
mod record;
mod renew;
mod router;
mod search;
mod tidy;
mod view;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use aether_distance::{ElementType, Metric, VectorRef};
use parking_lot::{Mutex, RwLock};

pub use cache::ImageCache;
pub use check::DriftSummary;
pub use format::Row;
pub use search::DriftScratch;

use crate::ivf::Space;
use crate::{Error, IvfParams, PointId, Result};
use format::State;
use router::Router;
use tidy::Pass;
use view::{Entry, View};

/// Where the rows and the exact vectors of an index are.
pub trait Store {
    /// What goes wrong there, or here.
    type Error: From<Error>;
    /// The bytes of a body.
    type Body: AsRef<[u8]>;

    /// The bodies of buckets as of the last commit, in their order. They are asked for together so that a disk can read them at once.
    ///
    /// # Errors
    /// When one cannot be read.
    fn bodies(&self, buckets: &[u32]) -> std::result::Result<Vec<Option<Self::Body>>, Self::Error>;

    /// Shows the exact vectors of points, with their places in `points`, in any order; those of purged points are not there.
    ///
    /// # Errors
    /// When they cannot be read.
    fn vectors(
        &self,
        points: &[PointId],
        show: &mut dyn FnMut(usize, VectorRef<'_>),
    ) -> std::result::Result<(), Self::Error>;

    /// Whether a point was removed for good.
    fn is_dead(&self, point: PointId) -> bool;

    /// Changes rows, all or none; they are read by all that begin afterwards.
    ///
    /// # Errors
    /// When they cannot be written; then nothing has changed.
    fn commit(&self, rows: &[Row]) -> std::result::Result<(), Self::Error>;
}

/// Buckets in a store, of which searches find the nearest points.
pub struct Drift {
    params: IvfParams,
    space: Space,
    seed: u64,
    cache: Arc<ImageCache>,
    view: RwLock<Arc<View>>,
    maintainer: Mutex<Maintainer>,
    counters: Counters,
}

/// What only the thread needs that changes the index.
#[derive(Debug)]
struct Maintainer {
    state: State,
    /// Where buckets are in the directory, by their numbers.
    places: HashMap<u32, usize>,
    router: Option<Router>,
    /// Buckets that may be too long, or whose points have moved.
    due: Vec<u32>,
    pass: Option<Pass>,
}

/// What has happened since the index was made, for people.
#[derive(Debug, Default)]
struct Counters {
    stored: AtomicU64,
    splits: AtomicU64,
    merges: AtomicU64,
    moves: AtomicU64,
    cleaned: AtomicU64,
    bytes_appended: AtomicU64,
    bytes_maintained: AtomicU64,
    bytes_ingested: AtomicU64,
    scanned: AtomicU64,
    searches: AtomicU64,
    loads: AtomicU64,
    due: AtomicU64,
}

impl Counters {
    /// Shows what the state counts.
    fn show(&self, state: &State) {
        self.splits.store(state.splits, Relaxed);
        self.merges.store(state.merges, Relaxed);
        self.moves.store(state.moves, Relaxed);
        self.cleaned.store(state.cleaned, Relaxed);
    }

    /// Counts a commit of `bytes` of rows: of added points, whose vectors have `ingested` bytes, or of maintenance.
    fn wrote(&self, bytes: u64, ingested: Option<u64>) {
        let counter = match ingested {
            Some(_) => &self.bytes_appended,
            None => &self.bytes_maintained,
        };
        counter.fetch_add(bytes, Relaxed);
        self.bytes_ingested
            .fetch_add(ingested.unwrap_or(0), Relaxed);
    }
}

/// How an index is doing.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
#[non_exhaustive]
pub struct DriftStats {
    /// Buckets that there are.
    pub buckets: u64,
    /// Records in them, those of dead points included.
    pub records: u64,
    /// Buckets that were split.
    pub splits: u64,
    /// Buckets that were given up, since hardly a point was left in them.
    pub merges: u64,
    /// Points that moved to another bucket because that is nearer.
    pub moves: u64,
    /// Records of dead points that were taken out.
    pub cleaned: u64,
    /// Bytes of rows that were written since the index was opened.
    pub bytes_written: u64,
    /// Those of them that maintenance wrote: all but the records of points that were added.
    pub bytes_maintained: u64,
    /// Bytes of the vectors of points that were added since then.
    pub bytes_ingested: u64,
    /// Searches since the index was opened, without [trials](DriftScratch::set_trial).
    pub searches: u64,
    /// Buckets that these searches have looked into.
    pub buckets_searched: u64,
    /// Buckets that were read from the store for that.
    pub buckets_loaded: u64,
    /// Buckets by the records in them: up to an eighth of `bucket_points`, a half, one, two, and more.
    pub sizes: [u64; 5],
    /// Buckets of which memory has a copy.
    pub cached: u64,
    /// Buckets by how warm they are: without a copy in memory; with one that no search has looked into since it was made, or since
    /// memory was last short; once or twice; more often.
    pub temperatures: [u64; 4],
    /// How urgent maintenance is: buckets that wait to be made anew, or for the pass that takes the dead out.
    pub due: u64,
    /// How far points are from the centroids of their buckets, ÷ how far they were when these were their means; squared distances, mean
    /// over all records. 1: the data are where they were; a bucket that reaches 1.3 is made anew.
    pub drift: f64,
}

impl Drift {
    /// An index without points. Codes are of differences to `centre`, which should be near the middle of the vectors: zeros for
    /// the inner product. `cache` may be shared with other indexes.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) when the dimension is 0 or too large, `centre` does not suit it, or a
    /// parameter is outside its limits.
    pub fn new(
        (dim, metric, element): (usize, Metric, ElementType),
        params: IvfParams,
        seed: u64,
        centre: Vec<f32>,
        cache: Arc<ImageCache>,
    ) -> Result<Drift> {
        if centre.len() != dim || centre.iter().any(|x| !x.is_finite()) {
            return Err(Error::invalid(format!(
                "a centre of {} finite components is needed",
                dim
            )));
        }
        let state = State {
            seed,
            ..State::default()
        };
        Drift::with(
            (dim, metric, element),
            params,
            (state, centre),
            cache,
            Vec::new(),
        )
    }

    /// The index that these rows describe: that of the state, and those of the headers.
    ///
    /// # Errors
    /// [`ErrorKind::Corruption`](crate::ErrorKind::Corruption) when they are not those of one index of such vectors.
    pub fn open<B: AsRef<[u8]>>(
        (dim, metric, element): (usize, Metric, ElementType),
        params: IvfParams,
        state: &[u8],
        headers: impl IntoIterator<Item = (u32, B)>,
        cache: Arc<ImageCache>,
    ) -> Result<Drift> {
        crate::ivf::check_limits(dim)?;
        let (state, centre) = format::decode_state(state, dim)?;
        let width = Space::new(dim, metric, element, Vec::new(), state.seed).width();
        let mut headers: Vec<(u32, format::Header)> = headers
            .into_iter()
            .map(|(number, bytes)| {
                format::decode_header(number, bytes.as_ref(), width).map(|header| (number, header))
            })
            .collect::<Result<_>>()?;
        headers.sort_unstable_by_key(|&(number, _)| number);
        if let Some(&(number, _)) = headers.last().filter(|&&(number, _)| number >= state.next) {
            let next = state.next;
            return Err(Error::corruption(format!(
                "bucket {number} is there, but the next one is to be {next}"
            )));
        }
        Drift::with(
            (dim, metric, element),
            params,
            (state, centre),
            cache,
            headers,
        )
    }

    fn with(
        (dim, metric, element): (usize, Metric, ElementType),
        params: IvfParams,
        (state, centre): (State, Vec<f32>),
        cache: Arc<ImageCache>,
        headers: Vec<(u32, format::Header)>,
    ) -> Result<Drift> {
        crate::ivf::check_limits(dim)?;
        let params = params.validate()?;
        let space = Space::new(dim, metric, element, centre, state.seed);
        let places = headers
            .iter()
            .zip(0..)
            .map(|((number, _), place)| (*number, place));
        let places = places.collect();
        let is_due = |header: &format::Header| {
            edit::is_due(&params, (header.points, header.spread), header.base)
        };
        let due = headers.iter().filter(|(_, header)| is_due(header));
        let due: Vec<u32> = due.map(|&(number, _)| number).collect();
        let mut stored = 0;
        let entries = headers.into_iter().map(|(number, header)| {
            stored += u64::from(header.points);
            let entry = Entry::new(number, header.centroid, header.base, &space, &cache);
            (Arc::new(entry), header.points, header.spread)
        });
        let view = View::new(&space, entries.collect(), state.alignment)?;
        let counters = Counters::default();
        counters.stored.store(stored, Relaxed);
        counters.show(&state);
        counters.due.store(due.len() as u64, Relaxed);
        Ok(Drift {
            params,
            seed: state.seed,
            space,
            cache,
            view: RwLock::new(Arc::new(view)),
            maintainer: Mutex::new(Maintainer {
                state,
                places,
                router: None,
                due,
                pass: None,
            }),
            counters,
        })
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

    /// Records in all buckets, those of dead points included.
    pub fn records(&self) -> u64 {
        self.counters.stored.load(Relaxed)
    }

    /// Bytes of memory that the centroids take, and the copies of buckets.
    pub fn memory_bytes(&self) -> usize {
        self.view().memory_bytes(self.space.width())
    }

    /// How the index is doing. O(buckets).
    pub fn stats(&self) -> DriftStats {
        let view = self.view();
        let counters = &self.counters;
        let bytes_maintained = counters.bytes_maintained.load(Relaxed);
        let mut stats = DriftStats {
            buckets: view.len() as u64,
            records: self.records(),
            splits: counters.splits.load(Relaxed),
            merges: counters.merges.load(Relaxed),
            moves: counters.moves.load(Relaxed),
            cleaned: counters.cleaned.load(Relaxed),
            bytes_written: counters.bytes_appended.load(Relaxed) + bytes_maintained,
            bytes_maintained,
            bytes_ingested: counters.bytes_ingested.load(Relaxed),
            searches: counters.searches.load(Relaxed),
            buckets_searched: counters.scanned.load(Relaxed),
            buckets_loaded: counters.loads.load(Relaxed),
            due: counters.due.load(Relaxed),
            ..DriftStats::default()
        };
        let usual = u32::from(self.params.bucket_points);
        let (mut drift, mut records) = (0.0, 0.0);
        for bucket in view.buckets() {
            let bounds = [usual / 8, usual / 2, usual, 2 * usual];
            let class = bounds
                .iter()
                .filter(|&&bound| bucket.points() > bound)
                .count();
            stats.sizes[class] += 1;
            let warmth = bucket.entry().slot().warmth();
            stats.temperatures[warmth] += 1;
            stats.cached += u64::from(warmth > 0);
            let points = f64::from(bucket.points());
            drift += points * f64::from(bucket.drift());
            records += points;
        }
        stats.drift = if records > 0.0 { drift / records } else { 1.0 };
        stats
    }

    fn view(&self) -> Arc<View> {
        Arc::clone(&self.view.read())
    }
}

impl fmt::Debug for Drift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Drift")
            .field("dim", &self.dim())
            .field("metric", &self.metric())
            .field("records", &self.records())
            .field("buckets", &self.view().len())
            .finish_non_exhaustive()
    }
}
