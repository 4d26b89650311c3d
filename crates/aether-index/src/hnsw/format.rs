//! The bytes of a checkpoint: docs/formats/hnsw.md has the picture.

use aether_distance::{ElementType, Metric};
use xxhash_rust::xxh3::xxh3_64;

use super::code::Codec;
use super::graph::{Entry, LEVEL_MAX, node_layout, upper_stride};
use super::{HnswParams, new_codec};
use crate::memory::{NO_SLOT, NodeLayout, SLOTS_MAX};
use crate::{Error, Result};

/// Header, trailer and every section fill whole pages.
pub(super) const PAGE: usize = 4096;

const HEADER_MAGIC: [u8; 8] = *b"AETHHNSW";
const TRAILER_MAGIC: [u8; 8] = *b"AETHTAIL";
const VERSION: u32 = 1;

/// Bytes of a page that its own checksum, the last 8, covers.
const CHECKED: usize = PAGE - 8;

/// The sections, in their order in the file.
pub(super) const SECTIONS: [&str; 6] = [
    "centre",
    "nodes",
    "fine codes",
    "upper links",
    "point table",
    "dead slots",
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
}

/// What is known after they are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Trailer {
    pub(super) dead: u32,
    /// Of the padded sections.
    pub(super) checksums: [u64; SECTIONS.len()],
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
        page.seal()
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Header> {
        let fields = open_page(bytes, HEADER_MAGIC, "header")?;
        let version = fields.u32(8);
        if version != VERSION {
            let text = format!(
                "the checkpoint has format {version}, this program reads {VERSION}: build the index again"
            );
            return Err(Error::invalid(text));
        }
        let entry = Entry {
            slot: fields.u32(36),
            level: fields.u32(40),
        };
        let header = Header {
            dim: fields.u32(12),
            metric: metric_of(fields.byte(20)).ok_or_else(|| bad("metric", fields.byte(20)))?,
            element: element_of(fields.byte(21))
                .ok_or_else(|| bad("element type", fields.byte(21)))?,
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
        Ok(self)
    }

    /// A codec without its centre.
    pub(super) fn codec(&self) -> Result<Codec> {
        new_codec(self.dim as usize, self.metric, self.element)
    }

    pub(super) fn layout(&self) -> Result<NodeLayout> {
        Ok(node_layout(&self.codec()?, self.params))
    }

    /// Bytes of each section with its padding; `None` beyond what this machine can address.
    pub(super) fn section_bytes(&self, dead: u32) -> Option<[usize; SECTIONS.len()]> {
        let layout = self.layout().ok()?;
        let slots = self.slots as usize;
        let lengths = [
            (self.dim as usize).checked_mul(if self.has_centre { 4 } else { 0 }),
            slots.checked_mul(layout.hot_stride()),
            slots.checked_mul(layout.cold_stride()),
            (self.lists as usize).checked_mul(upper_stride(self.params)),
            (self.places as usize).checked_mul(4),
            (dead as usize).checked_mul(4),
        ];
        let mut padded = [0; SECTIONS.len()];
        for (padded, length) in padded.iter_mut().zip(lengths) {
            *padded = length?.checked_next_multiple_of(PAGE)?;
        }
        Some(padded)
    }
}

impl Trailer {
    pub(super) fn encode(&self) -> Box<[u8]> {
        let mut page = Page::new(TRAILER_MAGIC);
        page.put(8, &self.dead.to_le_bytes());
        for (i, checksum) in self.checksums.iter().enumerate() {
            page.put(16 + 8 * i, &checksum.to_le_bytes());
        }
        page.seal()
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Trailer> {
        let fields = open_page(bytes, TRAILER_MAGIC, "trailer")?;
        Ok(Trailer {
            dead: fields.u32(8),
            checksums: std::array::from_fn(|i| fields.u64(16 + 8 * i)),
        })
    }
}

/// Header and trailer of a whole checkpoint, and the lengths of the sections between them.
pub(super) fn decode(bytes: &[u8]) -> Result<(Header, Trailer, [usize; SECTIONS.len()])> {
    if bytes.len() < 2 * PAGE {
        let found = bytes.len();
        return Err(Error::corruption(format!(
            "checkpoint of {found} bytes: shorter than its header and trailer"
        )));
    }
    let header = Header::decode(&bytes[..PAGE])?;
    let trailer = Trailer::decode(&bytes[bytes.len() - PAGE..])?;
    if trailer.dead > header.slots {
        return Err(bad("number of dead slots", trailer.dead));
    }
    let lengths = header.section_bytes(trailer.dead);
    let total = lengths.and_then(|lengths| {
        lengths
            .iter()
            .try_fold(2 * PAGE, |total, &length| total.checked_add(length))
    });
    match (lengths, total) {
        (Some(lengths), Some(total)) if total == bytes.len() => Ok((header, trailer, lengths)),
        (_, total) => {
            let found = bytes.len();
            let expected = total.map_or("more".to_owned(), |total| total.to_string());
            Err(Error::corruption(format!(
                "checkpoint of {found} bytes: its header asks for {expected}"
            )))
        }
    }
}

fn bad(field: &str, value: impl std::fmt::Display) -> Error {
    Error::corruption(format!("checkpoint header: {field} is {value}"))
}

/// A page that is being written.
struct Page(Box<[u8]>);

impl Page {
    fn new(magic: [u8; 8]) -> Page {
        let mut page = Page(vec![0; PAGE].into());
        page.put(0, &magic);
        page
    }

    fn put(&mut self, at: usize, bytes: &[u8]) {
        self.0[at..at + bytes.len()].copy_from_slice(bytes);
    }

    fn seal(mut self) -> Box<[u8]> {
        let checksum = xxh3_64(&self.0[..CHECKED]);
        self.put(CHECKED, &checksum.to_le_bytes());
        self.0
    }
}

/// Fields of a page that is `PAGE` bytes long.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn array<const N: usize>(&self, at: usize) -> [u8; N] {
        std::array::from_fn(|i| self.0[at + i])
    }

    fn byte(&self, at: usize) -> u8 {
        self.0[at]
    }

    fn u16(&self, at: usize) -> u16 {
        u16::from_le_bytes(self.array(at))
    }

    fn u32(&self, at: usize) -> u32 {
        u32::from_le_bytes(self.array(at))
    }

    fn u64(&self, at: usize) -> u64 {
        u64::from_le_bytes(self.array(at))
    }
}

fn open_page<'a>(bytes: &'a [u8], magic: [u8; 8], name: &str) -> Result<Fields<'a>> {
    let fields = Fields(bytes);
    if fields.array(0) != magic {
        return Err(Error::corruption(format!(
            "checkpoint {name}: this is not a graph's"
        )));
    }
    let (stored, computed) = (fields.u64(CHECKED), xxh3_64(&bytes[..CHECKED]));
    if stored != computed {
        let text = format!(
            "checkpoint {name}: checksum mismatch: stored {stored:016x}, computed {computed:016x}"
        );
        return Err(Error::corruption(text));
    }
    Ok(fields)
}

fn metric_code(metric: Metric) -> u8 {
    match metric {
        Metric::L2Squared => 0,
        Metric::InnerProduct => 1,
        Metric::Cosine => 2,
    }
}

fn metric_of(code: u8) -> Option<Metric> {
    [Metric::L2Squared, Metric::InnerProduct, Metric::Cosine]
        .into_iter()
        .find(|&metric| metric_code(metric) == code)
}

fn element_code(element: ElementType) -> u8 {
    match element {
        ElementType::F32 => 0,
        ElementType::F16 => 1,
        ElementType::U8 => 2,
    }
}

fn element_of(code: u8) -> Option<ElementType> {
    [ElementType::F32, ElementType::F16, ElementType::U8]
        .into_iter()
        .find(|&element| element_code(element) == code)
}
