//! Writing a checkpoint, and reading all of one to see that it is whole.
//!
//! Slots are numbered anew in the order of the buckets, and in each so that vectors that are near each other lie on one page: those that a
//! search reads are near each other. Slots that are in no bucket are left out.

use std::io::{self, Write};

use super::Ivf;
use super::directory::Directory;
use super::format::{self, Header, SECTIONS};
use super::nibbles;
use crate::hnsw::CheckpointInfo;
use crate::memory::{NO_SLOT, Node, Reader, State, tail};
use crate::pages::{Section, Trailer, in_page, section};
use crate::points::{places_for, probe_places};
use crate::{PointId, Result};

impl Ivf {
    /// Reads all of a checkpoint, and compares every checksum. [`Ivf::open`] does not.
    ///
    /// # Errors
    /// [`ErrorKind::Corruption`](crate::ErrorKind::Corruption), naming the part that is damaged.
    pub fn verify_checkpoint(bytes: &[u8]) -> Result<CheckpointInfo> {
        let (header, trailer, lengths) = format::decode(bytes)?;
        trailer.verify(bytes, lengths, SECTIONS)?;
        Ok(CheckpointInfo {
            points: header.slots as usize,
            dead: trailer.dead as usize,
            rare: section(lengths, format::VECTORS),
        })
    }

    /// Writes a checkpoint, with the vectors in the order of their buckets. Searches go on meanwhile; inserts and
    /// maintenance wait.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write_checkpoint(&self, out: &mut dyn Write) -> io::Result<()> {
        let _writer = self.writer.lock();
        let reader = self.nodes.read();
        let directory = self.directory.read();
        let numbers = Numbers::new(self, &directory, &reader);
        let header = Header {
            dim: u32::try_from(self.dim()).map_err(io::Error::other)?,
            metric: self.metric(),
            element: self.element(),
            params: self.params,
            seed: self.seed,
            slots: u32::try_from(numbers.old.len()).map_err(io::Error::other)?,
            buckets: u32::try_from(directory.len()).map_err(io::Error::other)?,
            blocks: u32::try_from(numbers.blocks).map_err(io::Error::other)?,
            places: u32::try_from(places_for(numbers.old.len())).map_err(io::Error::other)?,
            alignment: directory.alignment(),
        };
        out.write_all(&header.encode())?;
        let dead: Vec<u32> = (0..)
            .zip(&numbers.old)
            .filter(|&(_, &slot)| self.dead.contains(slot))
            .map(|(number, _)| number)
            .collect();
        let (centroids, codes) = directory.centroids();
        let mut writer = Writer {
            ivf: self,
            reader: &reader,
            directory: &directory,
            numbers: &numbers,
            out,
        };
        let checksums = [
            writer.floats(&self.space.centre)?,
            writer.floats(centroids)?,
            writer.bytes(&codes.to_bytes(|_| NO_SLOT))?,
            writer.buckets()?,
            writer.blocks()?,
            writer.nibbles()?,
            writer.vectors()?,
            writer.point_table(header.places as usize)?,
            writer.slots(&dead)?,
        ];
        let dead = u32::try_from(dead.len()).map_err(io::Error::other)?;
        out.write_all(&Trailer { dead, checksums }.encode())
    }
}

/// Which slot gets which number in the checkpoint.
struct Numbers {
    /// By new number.
    old: Vec<u32>,
    /// By old slot; [`NO_SLOT`] for those that are left out.
    new: Vec<u32>,
    /// Blocks of all buckets.
    blocks: usize,
}

impl Numbers {
    fn new(ivf: &Ivf, directory: &Directory, reader: &Reader<'_>) -> Numbers {
        let mut numbers = Numbers {
            old: Vec::new(),
            new: vec![NO_SLOT; ivf.nodes.bound() as usize],
            blocks: 0,
        };
        for bucket in directory.buckets() {
            let bucket = bucket.read();
            numbers.blocks += bucket.blocks().count();
            numbers.add(ivf, reader, bucket.slots().collect());
        }
        numbers
    }

    /// Numbers the slots of a bucket so that those near each other lie on one page: the first one that is left, and those nearest to it.
    fn add(&mut self, ivf: &Ivf, reader: &Reader<'_>, mut slots: Vec<u32>) {
        let width = ivf.space.width();
        let in_page = match in_page(ivf.nodes.layout().hot_stride()) {
            0 | 1 => usize::MAX,
            several => several as usize,
        };
        let (mut floats, mut rows) = (Vec::new(), Vec::new());
        slots.retain(|&slot| ivf.place(slot, reader, &mut floats, &mut rows));
        let row = |i: usize| &rows[i * width..][..width];
        let mut rest: Vec<usize> = (0..slots.len()).collect();
        while let Some(&first) = rest.first() {
            let left = (in_page - self.old.len() % in_page).min(rest.len());
            let mut near: Vec<(f32, usize)> = rest
                .iter()
                .map(|&i| (ivf.space.kernels.l2_f32(row(first), row(i)), i))
                .collect();
            near.select_nth_unstable_by(left - 1, |a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            near.truncate(left);
            rest.retain(|i| near.iter().all(|(_, other)| other != i));
            for (_, i) in near {
                let slot = slots[i];
                if self.of(slot) == NO_SLOT {
                    self.new[slot as usize] = u32::try_from(self.old.len()).unwrap_or(NO_SLOT);
                    self.old.push(slot);
                }
            }
        }
    }

    fn of(&self, slot: u32) -> u32 {
        self.new.get(slot as usize).copied().unwrap_or(NO_SLOT)
    }
}

/// Writes the sections one by one; each returns its checksum.
struct Writer<'a> {
    ivf: &'a Ivf,
    reader: &'a Reader<'a>,
    directory: &'a Directory,
    numbers: &'a Numbers,
    out: &'a mut dyn Write,
}

impl<'a> Writer<'a> {
    fn nodes_in_order(&self) -> impl Iterator<Item = Node<'a>> + use<'a> {
        let (reader, numbers) = (self.reader, self.numbers);
        numbers
            .old
            .iter()
            .filter_map(move |&slot| reader.node(slot))
    }

    fn bytes(&mut self, bytes: &[u8]) -> io::Result<u64> {
        let mut section = Section::new(self.out);
        section.put(bytes)?;
        section.finish()
    }

    fn floats(&mut self, floats: &[f32]) -> io::Result<u64> {
        let mut section = Section::new(self.out);
        for float in floats {
            section.put(&float.to_le_bytes())?;
        }
        section.finish()
    }

    fn slots(&mut self, slots: &[u32]) -> io::Result<u64> {
        let mut section = Section::new(self.out);
        for slot in slots {
            section.put(&slot.to_le_bytes())?;
        }
        section.finish()
    }

    /// How many points each has, and their spread.
    fn buckets(&mut self) -> io::Result<u64> {
        let mut section = Section::new(self.out);
        for (i, bucket) in (0..).zip(self.directory.buckets()) {
            let points = u32::try_from(bucket.read().len()).map_err(io::Error::other)?;
            section.put(&points.to_le_bytes())?;
            section.put(&self.directory.spread(i).to_le_bytes())?;
        }
        section.finish()
    }

    fn blocks(&mut self) -> io::Result<u64> {
        let mut section = Section::new(self.out);
        for bucket in self.directory.buckets() {
            section.put(&bucket.read().to_bytes(|slot| self.numbers.of(slot)))?;
        }
        section.finish()
    }

    fn nibbles(&mut self) -> io::Result<u64> {
        let space = &self.ivf.space;
        let nodes = self.nodes_in_order();
        let mut section = Section::new(self.out);
        let mut code = vec![0; nibbles::code_bytes(space.width())];
        let (mut floats, mut rotated) = (Vec::new(), Vec::new());
        for node in nodes {
            rotated.clear();
            if let Some(vector) = self.ivf.vector(&node) {
                space.place(vector, &mut floats, &mut rotated);
                nibbles::encode(space, &rotated, None, &mut code);
            }
            section.put(&code)?;
        }
        section.finish()
    }

    fn vectors(&mut self) -> io::Result<u64> {
        let layout = self.ivf.nodes.layout();
        let nodes = self.nodes_in_order();
        let mut section = Section::new(self.out);
        let mut record = vec![0; layout.hot_stride()];
        for node in nodes {
            record[..layout.codes].copy_from_slice(node.codes());
            let end = &mut record[layout.tail_at()..];
            tail::write(end, node.id(), node.constants(), NO_SLOT, State::LIVE);
            section.put_whole(&record)?;
        }
        section.finish()
    }

    fn point_table(&mut self, places: usize) -> io::Result<u64> {
        let mut table = vec![NO_SLOT; places];
        for (number, node) in (0..).zip(self.nodes_in_order()) {
            let free =
                probe_places(PointId(node.id()), places).find(|&place| table[place] == NO_SLOT);
            if let Some(place) = free {
                table[place] = number;
            }
        }
        self.slots(&table)
    }
}
