//! Writing a checkpoint, and reading all of one to see that it is whole.
//!
//! Nodes are numbered anew in the order in which a walk from the entry point meets them, each followed by as many of its neighbours
//! as their fine codes fit on one page with its own: what a search compares exactly is near each other. Free slots are left out.

use std::io::{self, Write};
use std::ops::Range;

use super::Hnsw;
use super::format::{self, Header, SECTIONS};
use super::graph::{Entry, Graph, linked};
use crate::memory::{NO_SLOT, Node, Reader, State, tail};
use crate::pages::{Section, Trailer, in_page, section};
use crate::points::{places_for, probe_places};
use crate::{PointId, Result};

/// What [`verify_checkpoint`] counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckpointInfo {
    /// Points in the checkpoint, dead ones included.
    pub points: usize,
    /// Dead ones among them.
    pub dead: usize,
    /// The bytes that a search reads for its best candidates only: vectors, or fine codes. All searches need the others, which
    /// should stay in memory.
    pub rare: Range<usize>,
}

/// Reads all of a checkpoint, and compares every checksum. [`Hnsw::open`] does not.
///
/// # Errors
/// [`ErrorKind::Corruption`](crate::ErrorKind::Corruption), naming the part that is damaged.
pub fn verify_checkpoint(bytes: &[u8]) -> Result<CheckpointInfo> {
    let (header, trailer, lengths) = format::decode(bytes)?;
    trailer.verify(bytes, lengths, SECTIONS)?;
    Ok(CheckpointInfo {
        points: header.slots as usize,
        dead: trailer.dead as usize,
        rare: section(lengths, 2),
    })
}

pub(super) fn write(hnsw: &Hnsw, out: &mut dyn Write) -> io::Result<()> {
    let reader = hnsw.graph.nodes.read();
    let numbers = Numbers::new(&hnsw.graph, &reader);
    let table = hnsw.graph.starts.table();
    let starts = table.write(|slot| numbers.of(slot));
    let header = Header {
        starts: u32::try_from(starts.len()).map_err(io::Error::other)?,
        rank_limit: table.limit,
        sketch_step: table.step,
        ..header(hnsw, &reader, &numbers)?
    };
    out.write_all(&header.encode())?;
    let mut writer = Writer {
        graph: &hnsw.graph,
        reader: &reader,
        numbers: &numbers,
        out,
    };
    let centre = writer.centre()?;
    let (nodes, dead) = writer.nodes()?;
    let fine = writer.fine_codes()?;
    let upper = writer.upper_links()?;
    let table = writer.point_table(header.places as usize)?;
    let rest = dead.iter().copied().flat_map(u32::to_le_bytes);
    let rest = writer.whole(rest.chain(starts.into_iter().flatten()))?;
    let checksums = [centre, nodes, fine, upper, table, rest];
    let dead = u32::try_from(dead.len()).map_err(io::Error::other)?;
    out.write_all(&Trailer { dead, checksums }.encode())
}

fn header(hnsw: &Hnsw, reader: &Reader<'_>, numbers: &Numbers) -> io::Result<Header> {
    let graph = &hnsw.graph;
    let levels = numbers
        .old
        .iter()
        .filter_map(|&slot| reader.node(slot))
        .map(|node| graph.level(&node));
    let entry = graph.entry().and_then(|entry| {
        Some(Entry {
            slot: numbers.of(entry.slot)?,
            ..entry
        })
    });
    Ok(Header {
        dim: u32::try_from(hnsw.dim()).map_err(io::Error::other)?,
        metric: hnsw.metric(),
        element: hnsw.element(),
        params: hnsw.params(),
        has_centre: !graph.codec.centre.is_empty(),
        seed: hnsw.seed,
        slots: numbers.next,
        entry,
        lists: levels.sum(),
        places: u32::try_from(places_for(numbers.old.len())).map_err(io::Error::other)?,
        spread: graph.spread.bits(),
        starts: 0,
        rank_limit: 0,
        sketch_step: 0.0,
    })
}

/// Which slot gets which number in the checkpoint.
struct Numbers {
    /// By new number.
    old: Vec<u32>,
    /// By old slot; [`NO_SLOT`] for free ones.
    new: Vec<u32>,
    /// How many there are.
    next: u32,
}

impl Numbers {
    /// Breadth first from the entry point along layer 0, what is not reached so last; then page by page.
    fn new(graph: &Graph, reader: &Reader<'_>) -> Numbers {
        let bound = graph.nodes.bound();
        let mut numbers = Numbers {
            old: Vec::new(),
            new: vec![NO_SLOT; bound as usize],
            next: 0,
        };
        let starts = graph
            .entry()
            .map(|entry| entry.slot)
            .into_iter()
            .chain(0..bound);
        for start in starts {
            let mut next = numbers.old.len();
            numbers.add(reader, start);
            while let Some(node) = numbers.old.get(next).and_then(|&slot| reader.node(slot)) {
                next += 1;
                for slot in linked(node.links()) {
                    numbers.add(reader, slot);
                }
            }
        }
        numbers.gather(reader, in_page(graph.nodes.layout().cold_stride()) as usize)
    }

    /// The same order, but each node that begins a page of so many brings those of its neighbours there that have no place yet.
    fn gather(self, reader: &Reader<'_>, in_page: usize) -> Numbers {
        let mut numbers = Numbers {
            old: Vec::with_capacity(self.old.len()),
            new: vec![NO_SLOT; self.new.len()],
            next: 0,
        };
        for first in self.old {
            numbers.add(reader, first);
            if numbers.old.last() != Some(&first) {
                continue;
            }
            let links = reader.node(first).map(|node| node.links());
            for slot in links.into_iter().flat_map(linked) {
                if in_page == 0 || numbers.old.len().is_multiple_of(in_page) {
                    break;
                }
                numbers.add(reader, slot);
            }
        }
        numbers
    }

    fn add(&mut self, reader: &Reader<'_>, slot: u32) {
        if let Some(new) = self
            .new
            .get_mut(slot as usize)
            .filter(|new| **new == NO_SLOT)
            && reader.node(slot).is_some()
        {
            *new = self.next;
            self.next += 1;
            self.old.push(slot);
        }
    }

    fn of(&self, slot: u32) -> Option<u32> {
        self.new
            .get(slot as usize)
            .copied()
            .filter(|&number| number != NO_SLOT)
    }

    /// The links of a list in new numbers, little endian, to the end of `record`.
    fn put_links(&self, slots: impl Iterator<Item = u32>, record: &mut [u8]) {
        let numbers = slots
            .filter_map(|slot| self.of(slot))
            .chain(std::iter::repeat(NO_SLOT));
        for (place, number) in record.chunks_exact_mut(4).zip(numbers) {
            place.copy_from_slice(&number.to_le_bytes());
        }
    }
}

/// Writes the sections one by one; each returns its checksum.
struct Writer<'a> {
    graph: &'a Graph,
    reader: &'a Reader<'a>,
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

    fn section(&mut self) -> Section<'_> {
        Section::new(self.out)
    }

    fn centre(&mut self) -> io::Result<u64> {
        let centre = &self.graph.codec.centre;
        let mut section = self.section();
        for component in centre {
            section.put(&component.to_le_bytes())?;
        }
        section.finish()
    }

    /// The hot records. Also returns the new numbers of the dead among them.
    fn nodes(&mut self) -> io::Result<(u64, Vec<u32>)> {
        let layout = self.graph.nodes.layout();
        let (graph, numbers, nodes) = (self.graph, self.numbers, self.nodes_in_order());
        let mut section = self.section();
        let mut record = vec![0; layout.hot_stride()];
        let mut dead = Vec::new();
        let mut lists = 0;
        for (number, node) in (0..).zip(nodes) {
            let state = if node.state() == State::LIVE {
                State::LIVE
            } else {
                State::DEAD
            };
            if state == State::DEAD {
                dead.push(number);
            }
            let level = graph.level(&node);
            let upper = if level > 0 { lists } else { NO_SLOT };
            lists += level;
            numbers.put_links(linked(node.links()), &mut record[..4 * layout.links]);
            record[layout.codes_at()..][..layout.codes].copy_from_slice(node.codes());
            tail::write(
                &mut record[layout.tail_at()..],
                node.id(),
                node.constants(),
                upper,
                state,
            );
            section.put(&record)?;
        }
        Ok((section.finish()?, dead))
    }

    fn fine_codes(&mut self) -> io::Result<u64> {
        let stride = self.graph.nodes.layout().cold_stride();
        let nodes = self.nodes_in_order();
        let mut section = self.section();
        let mut record = vec![0; stride];
        for node in nodes {
            record[..node.fine().len()].copy_from_slice(node.fine());
            section.put_whole(&record)?;
        }
        section.finish()
    }

    fn upper_links(&mut self) -> io::Result<u64> {
        let (graph, numbers, nodes) = (self.graph, self.numbers, self.nodes_in_order());
        let mut section = self.section();
        let links = 4 * usize::from(graph.params.m);
        let mut record = vec![0; links + 4];
        let mut list = 0_u32;
        for node in nodes {
            let level = graph.level(&node);
            for layer in 1..=level {
                list += 1;
                let next = if layer < level { list } else { NO_SLOT };
                numbers.put_links(linked(graph.links(&node, layer)), &mut record[..links]);
                record[links..].copy_from_slice(&next.to_le_bytes());
                section.put(&record)?;
            }
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
        self.whole(table.into_iter().flat_map(u32::to_le_bytes))
    }

    fn whole(&mut self, bytes: impl Iterator<Item = u8>) -> io::Result<u64> {
        let mut section = self.section();
        section.put(&bytes.collect::<Vec<_>>())?;
        section.finish()
    }
}
