//! From a point id to its slot: open addressing over slots; the ids themselves are in the nodes.
//!
//! A table is a power of two of slots, [`NO_SLOT`] where there is none; a point stands at the first free place from
//! the hash of its id on. A slot found there counts only if its node has that id, so an entry that is out of date
//! (its slot was freed, or given to another point) does no harm. The points of a checkpoint have their table in it,
//! which is never changed; later ones are in memory.

use parking_lot::RwLock;

use crate::PointId;
use crate::memory::{NO_SLOT, Part, Reader};

/// A place whose slot was freed.
const GONE: u32 = NO_SLOT - 1;

/// The slots of all points.
#[derive(Debug)]
pub(crate) struct PointMap {
    /// The table of a checkpoint, padded to whole pages, and how many places it has.
    image: Option<(Part, usize)>,
    recent: RwLock<Table>,
}

#[derive(Debug, Default)]
struct Table {
    places: Vec<u32>,
    /// Places that are not empty, those that are gone included.
    used: usize,
    gone: usize,
}

/// Places of a table for that many points: it is at most two thirds full.
pub(crate) fn places_for(points: usize) -> usize {
    (points + points / 2 + 1).next_power_of_two()
}

#[expect(clippy::cast_possible_truncation, reason = "only the lower bits count")]
/// The places of a table of `places` (a power of two) where a point may stand, best first, each once.
pub(crate) fn probe_places(point: PointId, places: usize) -> impl Iterator<Item = usize> {
    let start = mix(point.0) as usize;
    (0..places).map(move |step| start.wrapping_add(step) & (places - 1))
}

/// A permutation of 64 bits in which every input bit moves every output bit (SplitMix64's).
pub(crate) fn mix(x: u64) -> u64 {
    let x = (x ^ x >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ x >> 31
}

impl PointMap {
    /// A map over the table of a checkpoint (little-endian slots) and the number of its places, if there is one.
    pub(crate) fn new(image: Option<(Part, usize)>) -> PointMap {
        PointMap {
            image,
            recent: RwLock::default(),
        }
    }

    pub(crate) fn find(&self, point: PointId, reader: &Reader<'_>) -> Option<u32> {
        let recent = self.recent.read().find(point, reader);
        recent.or_else(|| self.find_in_image(point, reader))
    }

    /// Adds the slots of those `points` that are here to `slots`. The memory is asked for all of them before the first
    /// is looked at, their codes included.
    pub(crate) fn find_all(&self, points: &[PointId], reader: &Reader<'_>, slots: &mut Vec<u32>) {
        let recent = self.recent.read();
        let image = self.image_places();
        for &point in points {
            // Mostly the first place is the right one.
            let first = probe_places(point, recent.places.len()).next();
            if let Some(place) = first {
                reader.prefetch_codes(recent.places[place]);
            }
            let first = probe_places(point, image.len()).next();
            if let Some(place) = first {
                reader.prefetch_codes(u32::from_le_bytes(image[place]));
            }
        }
        slots.extend(points.iter().filter_map(|&point| {
            let recent = recent.find(point, reader);
            recent.or_else(|| self.find_in_image(point, reader))
        }));
    }

    fn find_in_image(&self, point: PointId, reader: &Reader<'_>) -> Option<u32> {
        let places = self.image_places();
        probe_places(point, places.len())
            .map(|place| u32::from_le_bytes(places[place]))
            .take_while(|&slot| slot != NO_SLOT)
            .find(|&slot| holds(reader, slot, point))
    }

    fn image_places(&self) -> &[[u8; 4]] {
        let places = self.image.as_ref().and_then(|(part, count)| {
            let places = part.as_bytes().as_chunks::<4>().0;
            places.get(..*count)
        });
        places.unwrap_or_default()
    }

    /// Adds a point, whose node is published; false when it is there already.
    pub(crate) fn insert(&self, point: PointId, slot: u32, reader: &Reader<'_>) -> bool {
        let mut recent = self.recent.write();
        let found = recent
            .find(point, reader)
            .or_else(|| self.find_in_image(point, reader));
        // An entry of the image for a point that used to be in our slot leads to us, if we pass it.
        if found.is_some_and(|found| found != slot) {
            return false;
        }
        recent.grow(reader);
        recent.put(point, slot);
        true
    }

    /// Forgets a slot that is about to be freed.
    pub(crate) fn forget(&self, point: PointId, slot: u32) {
        self.recent.write().forget(point, slot);
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        let image = self
            .image
            .as_ref()
            .map_or(0, |(part, _)| part.as_bytes().len());
        image + self.recent.read().places.len() * size_of::<u32>()
    }
}

impl Table {
    fn find(&self, point: PointId, reader: &Reader<'_>) -> Option<u32> {
        probe_places(point, self.places.len())
            .map(|place| self.places[place])
            .take_while(|&slot| slot != NO_SLOT)
            .find(|&slot| slot != GONE && holds(reader, slot, point))
    }

    fn put(&mut self, point: PointId, slot: u32) {
        if let Some(place) =
            probe_places(point, self.places.len()).find(|&place| self.places[place] == NO_SLOT)
        {
            self.places[place] = slot;
            self.used += 1;
        }
    }

    fn forget(&mut self, point: PointId, slot: u32) {
        let place = probe_places(point, self.places.len())
            .take_while(|&place| self.places[place] != NO_SLOT)
            .find(|&place| self.places[place] == slot);
        if let Some(place) = place {
            self.places[place] = GONE;
            self.gone += 1;
        }
    }

    /// Makes room for one more.
    fn grow(&mut self, reader: &Reader<'_>) {
        if (self.used + 1) * 3 <= self.places.len() * 2 {
            return;
        }
        let live = self.used - self.gone;
        let old = std::mem::replace(
            &mut self.places,
            vec![NO_SLOT; places_for(live + live / 2 + 8)],
        );
        (self.used, self.gone) = (0, 0);
        for slot in old.into_iter().filter(|&slot| slot < GONE) {
            if let Some(node) = reader.node(slot) {
                self.put(PointId(node.id()), slot);
            }
        }
    }
}

fn holds(reader: &Reader<'_>, slot: u32, point: PointId) -> bool {
    reader.node(slot).is_some_and(|node| node.id() == point.0)
}
