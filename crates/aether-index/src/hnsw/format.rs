//! The bytes of a checkpoint: docs/formats/hnsw.md has the picture.

use aether_distance::{ElementType, Metric};

use super::code::Codec;
use super::graph::{Entry, LEVEL_MAX, node_layout, upper_stride};
use super::starts::{START_BYTES, STARTS_MAX};
use super::{HnswParams, new_codec};
use crate::memory::{NO_SLOT, NodeLayout, SLOTS_MAX};
use crate::pages::{
    PAGE, Page, Trailer, bad, check_version, element_code, element_of, ends, metric_code,
    metric_of, open_page, padded, paged,
};
use crate::{Error, Result};

const HEADER_MAGIC: [u8; 8] = *b"AETHHNSW";
const VERSION: u32 = 1;

/// The sections, in their order in the file.
pub(super) const SECTIONS: [&str; 6] = [
    "centre",
    "nodes",
    "fine codes",
    "upper links",
    "point table",
    "dead slots and starts",
];

/// What is known before the sections are written.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Header {
    pub(super) dim: u32,
    pub(super) metric: Metric,
    pub(super) element: ElementType,
    pub(super) params: HnswParams,
    pub(super) has_centre: bool,
    pub(super) seed: u64,
    /// Nodes, numbered from 0 without gap.
    pub(super) slots: u32,
    pub(super) entry: Option<Entry>,
    /// Lists of links of upper layers.
    pub(super) lists: u32,
    /// Places of the table from points to slots.
    pub(super) places: u32,
    /// See `spread`.
    pub(super) spread: u64,
    /// See `starts`: how many, up to which rank, and the step of their sketches.
    pub(super) starts: u32,
    pub(super) rank_limit: u32,
    pub(super) sketch_step: f32,
}

impl Header {
    pub(super) fn encode(&self) -> Box<[u8]> {
        let mut page = Page::new(HEADER_MAGIC);
        page.put(8, &VERSION.to_le_bytes());
        page.put(12, &self.dim.to_le_bytes());
        page.put(16, &self.params.m.to_le_bytes());
        page.put(18, &self.params.ef_construction.to_le_bytes());
        page.put(
            20,
            &[
                metric_code(self.metric),
                element_code(self.element),
                u8::from(self.has_centre),
                0,
            ],
        );
        page.put(24, &self.seed.to_le_bytes());
        page.put(32, &self.slots.to_le_bytes());
        page.put(
            36,
            &self.entry.map_or(NO_SLOT, |entry| entry.slot).to_le_bytes(),
        );
        page.put(40, &self.entry.map_or(0, |entry| entry.level).to_le_bytes());
        page.put(44, &self.lists.to_le_bytes());
        page.put(48, &self.places.to_le_bytes());
        page.put(52, &self.spread.to_le_bytes());
        page.put(60, &self.starts.to_le_bytes());
        page.put(64, &self.rank_limit.to_le_bytes());
        page.put(68, &self.sketch_step.to_le_bytes());
        page.seal()
    }

    pub(super) fn decode(page: &[u8; PAGE]) -> Result<Header> {
        let fields = open_page(page, HEADER_MAGIC, "header")?;
        check_version(fields.u32(8), VERSION)?;
        let entry = Entry {
            slot: fields.u32(36),
            level: fields.u32(40),
        };
        let header = Header {
            dim: fields.u32(12),
            metric: metric_of(fields.byte(20))?,
            element: element_of(fields.byte(21))?,
            params: HnswParams {
                m: fields.u16(16),
                ef_construction: fields.u16(18),
            },
            has_centre: fields.byte(22) == 1,
            seed: fields.u64(24),
            slots: fields.u32(32),
            entry: (entry.slot != NO_SLOT).then_some(entry),
            lists: fields.u32(44),
            places: fields.u32(48),
            spread: fields.u64(52),
            starts: fields.u32(60),
            rank_limit: fields.u32(64),
            sketch_step: f32::from_bits(fields.u32(68)),
        };
        header.validate()
    }

    fn validate(self) -> Result<Header> {
        let damaged = |error: Error| Error::corruption(format!("checkpoint header: {error}"));
        self.params.validate().map_err(damaged)?;
        self.codec().map_err(damaged)?;
        if self.slots > SLOTS_MAX {
            return Err(bad("number of nodes", self.slots));
        }
        if let Some(entry) = self
            .entry
            .filter(|entry| entry.slot >= self.slots || entry.level > LEVEL_MAX)
        {
            return Err(bad(
                "entry point",
                format!("{} at level {}", entry.slot, entry.level),
            ));
        }
        if self.lists > SLOTS_MAX {
            return Err(bad("number of upper lists", self.lists));
        }
        if !self.places.is_power_of_two() {
            return Err(bad("number of table places", self.places));
        }
        if self.starts as usize > STARTS_MAX {
            return Err(bad("number of starts", self.starts));
        }
        if !self.sketch_step.is_finite() || self.sketch_step < 0.0 {
            return Err(bad("step of sketches", self.sketch_step));
        }
        Ok(self)
    }

    /// A codec without its centre.
    pub(super) fn codec(&self) -> Result<Codec> {
        new_codec(self.dim as usize, self.metric, self.element)
    }

    pub(super) fn layout(&self) -> Result<NodeLayout> {
        Ok(node_layout(&self.codec()?, self.params))
    }

    /// Bytes of each section; `None` beyond what this machine can address.
    fn section_bytes(&self, dead: u32) -> Result<[Option<usize>; SECTIONS.len()]> {
        let layout = self.layout()?;
        let slots = self.slots as usize;
        Ok([
            (self.dim as usize).checked_mul(if self.has_centre { 4 } else { 0 }),
            slots.checked_mul(layout.hot_stride()),
            paged(slots, layout.cold_stride()),
            (self.lists as usize).checked_mul(upper_stride(self.params)),
            (self.places as usize).checked_mul(4),
            (dead as usize)
                .checked_mul(4)
                .and_then(|bytes| bytes.checked_add(self.starts as usize * START_BYTES)),
        ])
    }
}

/// Header and trailer of a whole checkpoint, and the lengths of the sections between them.
pub(super) fn decode(
    bytes: &[u8],
) -> Result<(Header, Trailer<{ SECTIONS.len() }>, [usize; SECTIONS.len()])> {
    let (first, last) = ends(bytes)?;
    let (header, trailer) = (Header::decode(first)?, Trailer::decode(last)?);
    if trailer.dead > header.slots {
        return Err(bad("number of dead slots", trailer.dead));
    }
    let lengths = padded(header.section_bytes(trailer.dead)?, bytes.len())?;
    Ok((header, trailer, lengths))
}
