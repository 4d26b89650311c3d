//! Opening a checkpoint in place.

use std::sync::atomic::AtomicUsize;

use parking_lot::{Mutex, RwLock};

use super::bucket::{Bucket, block_stride};
use super::dead::DeadSet;
use super::directory::Directory;
use super::format::{self, Header};
use super::nibbles::Nibbles;
use super::space::Space;
use super::{Ivf, layout};
use crate::memory::{Column, Nodes, Part};
use crate::pages::{PAGE, bad};
use crate::points::PointMap;
use crate::selection::Version;
use crate::{Error, Image, Result};

impl Ivf {
    /// Opens a checkpoint in place: only the centroids are copied, so time and memory hardly depend on the number of points.
    /// Header, sizes and the table of buckets are checked; for the rest see [`Ivf::verify_checkpoint`].
    ///
    /// # Errors
    /// [`ErrorKind::Corruption`](crate::ErrorKind::Corruption) when this is not a whole checkpoint.
    pub fn open(image: Image) -> Result<Ivf> {
        let (header, trailer, lengths) = format::decode(image.as_bytes())?;
        let parts = image.split(PAGE, lengths).ok_or_else(too_short)?;
        let [
            centre,
            centroids,
            codes,
            buckets,
            blocks,
            nibbles,
            mut vectors,
            table,
            dead,
        ] = parts;
        let dim = header.dim as usize;
        let centre = numbers(&centre).take(dim).map(f32::from_bits).collect();
        let space = Space::new(dim, header.metric, header.element, centre, header.seed);
        let directory = directory(&header, &space, [&centroids, &buckets], [codes, blocks])?;
        let layout = layout(dim, header.element);
        let nibbles = Nibbles::over(nibbles, header.slots, space.width());
        let fine = vectors.cut(0).ok_or_else(too_short)?;
        let nodes = Nodes::over(
            layout,
            Column::over_pages(vectors, header.slots, layout.hot_stride()).ok_or_else(too_short)?,
            Column::over(fine, header.slots, layout.cold_stride()).ok_or_else(too_short)?,
            header.slots,
        );
        let dead_slots = DeadSet::new();
        for slot in numbers(&dead).take(trailer.dead as usize) {
            if slot >= header.slots {
                return Err(bad("dead slot", slot));
            }
            dead_slots.insert(slot);
        }
        Ok(Ivf {
            params: header.params,
            seed: header.seed,
            space,
            nodes,
            nibbles: Some(nibbles.ok_or_else(too_short)?),
            points: PointMap::new(Some((table, header.places as usize))),
            version: Version::default(),
            directory: RwLock::new(directory),
            live: AtomicUsize::new(header.slots as usize - dead_slots.len()),
            dead: dead_slots,
            writer: Mutex::default(),
            drafts: Mutex::default(),
        })
    }
}

fn directory(
    header: &Header,
    space: &Space,
    [centroids, table]: [&Part; 2],
    [mut codes, mut blocks]: [Part; 2],
) -> Result<Directory> {
    let (count, code_bytes) = (header.buckets as usize, space.code_bytes());
    let bucket = |part: &mut Part, points: usize| {
        let bytes = points.div_ceil(aether_distance::BLOCK_CODES) * block_stride(code_bytes);
        let part = part.cut(bytes).ok_or_else(too_short)?;
        Bucket::over(part, points, code_bytes).ok_or_else(too_short)
    };
    let codes = bucket(&mut codes, count)?;
    let mut buckets = Vec::with_capacity(count);
    let mut entries = numbers(table);
    while let Some((points, spread)) = entries
        .next()
        .zip(entries.next())
        .filter(|_| buckets.len() < count)
    {
        let spread = f32::from_bits(spread);
        if !(0.0..f32::INFINITY).contains(&spread) {
            return Err(bad("spread of a bucket", spread));
        }
        buckets.push((bucket(&mut blocks, points as usize)?, spread));
    }
    let rows = numbers(centroids).take(count * space.width());
    let rows = rows.map(f32::from_bits).collect();
    Ok(Directory::over(codes, rows, buckets, header.alignment))
}

fn too_short() -> Error {
    Error::corruption("checkpoint: a section is shorter than its records")
}

fn numbers(part: &Part) -> impl Iterator<Item = u32> {
    let words = part.as_bytes().as_chunks::<4>().0;
    words.iter().map(|&bytes| u32::from_le_bytes(bytes))
}
