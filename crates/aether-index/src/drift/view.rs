//! The directory: all buckets at one moment. It never changes, but for the counts of records, which grow: who changes buckets
//! makes a new one, of which all but a few groups are those of the old one.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{
    AtomicU32,
    Ordering::{Acquire, Release},
};

use aether_distance::{BLOCK_CODES, prefetch, prefetch_at};

use super::cache::{ImageCache, Slot};
use super::record::Image;
use crate::ivf::rank::{BUCKET_USUAL, Ranked, Ranking};
use crate::ivf::{Bucket, Code, Query, Space};
use crate::{PointId, Result};

/// With at least one in so many of the usual number of points a bucket counts as usual.
const FEW_SHARE: u32 = 2;

/// A bucket.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) number: u32,
    /// Rotated.
    pub(super) centroid: Box<[f32]>,
    /// The mean squared distance of the points from the centroid when that was their mean.
    pub(super) base: f32,
    /// Of the centroid, in the bucket around the origin.
    code: Code,
    slot: Arc<Slot>,
}

/// A bucket, how many records it has, and the mean squared distance of its points from the centroid.
pub(super) type Cell = (Arc<Entry>, u32, f32);

/// Up to [`BLOCK_CODES`] buckets.
#[derive(Debug)]
struct Group {
    /// One block of the codes of the centroids.
    codes: Bucket,
    /// The bits of floats.
    spreads: [AtomicU32; BLOCK_CODES],
    records: [AtomicU32; BLOCK_CODES],
    entries: Vec<Arc<Entry>>,
}

/// All buckets.
#[derive(Debug)]
pub(super) struct View {
    groups: Vec<Arc<Group>>,
    /// See [`Ranking`].
    pub(super) alignment: f32,
}

/// One of the buckets of a view.
#[derive(Clone, Copy)]
pub(super) struct InView<'a> {
    group: &'a Group,
    lane: usize,
}

impl Entry {
    pub(super) fn new(
        number: u32,
        centroid: Box<[f32]>,
        base: f32,
        space: &Space,
        cache: &Arc<ImageCache>,
    ) -> Entry {
        let mut code = Code::default();
        space.encode(&centroid, &vec![0.0; centroid.len()], &mut code);
        Entry {
            number,
            centroid,
            base,
            code,
            slot: Slot::new(cache),
        }
    }

    pub(super) fn slot(&self) -> &Arc<Slot> {
        &self.slot
    }
}

impl Group {
    fn new(space: &Space, cells: &[Cell]) -> Result<Group> {
        let mut codes = Bucket::new(space.code_bytes());
        for (entry, _, _) in cells {
            codes.push(&entry.code, entry.number, PointId(u64::from(entry.number)))?;
        }
        let number = |of: &dyn Fn(&Cell) -> u32| {
            std::array::from_fn(|lane| AtomicU32::new(cells.get(lane).map_or(0, of)))
        };
        Ok(Group {
            codes,
            spreads: number(&|cell| cell.2.to_bits()),
            records: number(&|cell| cell.1),
            entries: cells
                .iter()
                .map(|(entry, _, _)| Arc::clone(entry))
                .collect(),
        })
    }

    fn cells(&self) -> Vec<Cell> {
        let lanes = (0..self.entries.len()).map(|lane| InView { group: self, lane });
        lanes
            .map(|bucket| (Arc::clone(bucket.entry()), bucket.points(), bucket.spread()))
            .collect()
    }
}

impl<'a> InView<'a> {
    pub(super) fn entry(self) -> &'a Arc<Entry> {
        &self.group.entries[self.lane]
    }

    /// Records in the bucket.
    pub(super) fn points(self) -> u32 {
        self.group.records[self.lane].load(Acquire)
    }

    pub(super) fn spread(self) -> f32 {
        f32::from_bits(self.group.spreads[self.lane].load(Acquire))
    }

    /// The spread, ÷ what it was when the centroid was the mean.
    pub(super) fn drift(self) -> f32 {
        match self.entry().base {
            base if base > 0.0 => self.spread() / base,
            _ => 1.0,
        }
    }

    /// So many records more are committed, whose squared distances from the centroid have this sum.
    pub(super) fn grow(self, records: u32, squares: f32) {
        let all = self.points().saturating_add(records);
        let spread = self.spread();
        let spread = spread + (squares - spread * records as f32) / all.max(1) as f32;
        self.group.spreads[self.lane].store(spread.max(0.0).to_bits(), Release);
        self.group.records[self.lane].store(all, Release);
    }

    /// The copy in memory, if it has all records.
    pub(super) fn image(self) -> Option<Arc<Image>> {
        self.entry().slot.get(self.points())
    }

    /// The same, unless it is `loaded` already; what a search reads first is asked from memory.
    pub(super) fn open(self, loaded: Option<Arc<Image>>) -> Option<Arc<Image>> {
        prefetch(bytemuck::cast_slice(&self.entry().centroid));
        let image = loaded.or_else(|| self.image())?;
        image.codes.prefetch();
        Some(image)
    }

    /// Asks memory for the entry: the first step to the codes.
    pub(super) fn fetch_entry(self) {
        prefetch_at(Arc::as_ptr(self.entry()).cast(), size_of::<Entry>());
    }

    /// The second one.
    pub(super) fn fetch_slot(self) {
        prefetch_at(Arc::as_ptr(&self.entry().slot).cast(), size_of::<Slot>());
    }

    /// The third one.
    pub(super) fn fetch_image(self) {
        self.entry().slot.fetch();
    }
}

impl View {
    pub(super) fn new(space: &Space, cells: Vec<Cell>, alignment: f32) -> Result<View> {
        let groups = cells
            .chunks(BLOCK_CODES)
            .map(|cells| Group::new(space, cells).map(Arc::new));
        Ok(View {
            groups: groups.collect::<Result<_>>()?,
            alignment,
        })
    }

    /// How many buckets there are.
    pub(super) fn len(&self) -> usize {
        let full = self.groups.len().saturating_sub(1) * BLOCK_CODES;
        full + self.groups.last().map_or(0, |last| last.entries.len())
    }

    /// The bucket at a place, which must be there.
    pub(super) fn bucket(&self, place: usize) -> InView<'_> {
        InView {
            group: &self.groups[place / BLOCK_CODES],
            lane: place % BLOCK_CODES,
        }
    }

    /// All of them, by place.
    pub(super) fn buckets(&self) -> impl Iterator<Item = InView<'_>> {
        (0..self.len()).map(|place| self.bucket(place))
    }

    /// The view without the buckets at the places `removed` and with those that were `created`, and what is at another place
    /// than before, or new. O(buckets / 32 + changes).
    pub(super) fn changed(
        &self,
        space: &Space,
        mut removed: Vec<usize>,
        created: Vec<Cell>,
        alignment: f32,
    ) -> Result<(View, Vec<(u32, usize)>)> {
        let mut sketch = Sketch {
            view: self,
            touched: BTreeMap::new(),
            len: self.len(),
            moved: Vec::new(),
        };
        removed.sort_unstable();
        for cell in created {
            let place = removed.pop();
            sketch.put(place.unwrap_or(sketch.len), cell);
        }
        // The last places first, so that what moves is none of those that go.
        for place in removed.into_iter().rev() {
            let last = sketch.pop();
            if place < sketch.len {
                sketch.put(place, last);
            }
        }
        let (len, touched, moved) = (sketch.len, sketch.touched, sketch.moved);
        let mut groups = self.groups.clone();
        for (group, cells) in touched {
            let changed = Arc::new(Group::new(space, &cells)?);
            match groups.get_mut(group) {
                Some(old) => *old = changed,
                None => groups.push(changed),
            }
        }
        groups.truncate(len.div_ceil(BLOCK_CODES));
        Ok((View { groups, alignment }, moved))
    }

    /// The buckets that have records, each with the distance of the nearest point that can be hoped for, by estimates.
    pub(super) fn rank(&self, space: &Space, query: &mut Query, ranked: &mut Vec<Ranked>) {
        let ranking = Ranking::new(space, query, self.alignment);
        ranked.clear();
        for (first, group) in (0u32..).step_by(BLOCK_CODES).zip(&self.groups) {
            let Some(block) = group.codes.blocks().next() else {
                continue;
            };
            let bases = Ranking::bases(query, &block);
            for (lane, (place, base)) in (first..).zip(bases).enumerate().take(group.entries.len())
            {
                let bucket = InView { group, lane };
                let points = match bucket.points() {
                    0 => continue,
                    few if few < BUCKET_USUAL / FEW_SHARE => few,
                    _ => BUCKET_USUAL,
                };
                ranked.push(ranking.rank(place, base, bucket.spread(), points));
            }
        }
    }

    /// Bytes of all centroids, of `width` components, and of the copies of buckets.
    pub(super) fn memory_bytes(&self, width: usize) -> usize {
        let own = self.len() * (width * size_of::<f32>() + size_of::<Entry>() + width / 4);
        let images = self
            .buckets()
            .map(|bucket| bucket.entry().slot.memory_bytes());
        own + images.sum::<usize>()
    }
}

/// A view that is being made of another one.
struct Sketch<'a> {
    view: &'a View,
    /// The groups that are different, by number.
    touched: BTreeMap<usize, Vec<Cell>>,
    len: usize,
    moved: Vec<(u32, usize)>,
}

impl Sketch<'_> {
    fn group(&mut self, number: usize) -> &mut Vec<Cell> {
        let view = self.view;
        self.touched.entry(number).or_insert_with(|| {
            view.groups
                .get(number)
                .map_or_else(Vec::new, |group| group.cells())
        })
    }

    /// Puts a bucket to a place: that of another one, or the first one behind all.
    fn put(&mut self, place: usize, cell: Cell) {
        self.moved.push((cell.0.number, place));
        let (group, lane) = (self.group(place / BLOCK_CODES), place % BLOCK_CODES);
        if lane < group.len() {
            group[lane] = cell;
        } else {
            group.push(cell);
        }
        self.len = self.len.max(place + 1);
    }

    /// Takes the last bucket out.
    fn pop(&mut self) -> Cell {
        self.len -= 1;
        let last = self.len / BLOCK_CODES;
        self.group(last)
            .pop()
            .expect("as many buckets as are counted")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aether_distance::{ElementType, Metric};

    #[test]
    fn buckets_come_and_go_and_keep_their_places_in_order() {
        let space = Space::new(8, Metric::L2Squared, ElementType::F32, vec![0.0; 8], 1);
        let cache = ImageCache::new(0);
        let mut random = fastrand::Rng::with_seed(11);
        let mut cell = |number: u32| -> Cell {
            let centroid = (0..space.width()).map(|_| random.f32()).collect();
            (
                Arc::new(Entry::new(number, centroid, 0.5, &space, &cache)),
                number + 1,
                0.5,
            )
        };
        let mut view = View::new(&space, Vec::new(), 0.0).unwrap();
        let mut places = std::collections::HashMap::new();
        let mut next = 0;
        let mut random = fastrand::Rng::with_seed(12);
        for _ in 0..300 {
            let numbers: Vec<u32> = places.keys().copied().collect();
            let goes = random.usize(..=numbers.len().min(3));
            let comes = random.u32(..6);
            let removed: Vec<usize> = numbers[..goes]
                .iter()
                .map(|number| places.remove(number).unwrap())
                .collect();
            let created: Vec<Cell> = (0..comes).map(|i| cell(next + i)).collect();
            next += comes;
            let (changed, moved) = view.changed(&space, removed, created, 0.1).unwrap();
            places.extend(moved);
            view = changed;
            assert_eq!(view.len(), places.len());
            for (&number, &place) in &places {
                let bucket = view.bucket(place);
                assert_eq!(
                    (bucket.entry().number, bucket.points()),
                    (number, number + 1)
                );
            }
        }
        assert!(view.len() > 100);
    }
}
