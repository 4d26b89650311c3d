//! The bytes of a checkpoint: docs/formats/ivf.md has the picture.

use aether_distance::{BLOCK_CODES, ElementType, Metric};

use super::bucket::block_stride;
use super::nibbles;
use super::{IvfParams, check_limits, layout};
use crate::memory::SLOTS_MAX;
use crate::pages::{
    PAGE, Page, Trailer, bad, check_version, element_code, element_of, ends, metric_code,
    metric_of, open_page, padded, paged,
};
use crate::{Error, Result};

const HEADER_MAGIC: [u8; 8] = *b"AETHIVF\0";
const VERSION: u32 = 1;

/// The section of the vectors: the only one of which a search reads single records.
pub(super) const VECTORS: usize = 6;

/// The sections, in their order in the file.
pub(super) const SECTIONS: [&str; 9] = [
    "centre",
    "centroids",
    "codes of centroids",
    "buckets",
    "blocks",
    "codes",
    "vectors",
    "point table",
    "dead slots",
];

/// The length of each section, with its padding.
pub(super) type Lengths = [usize; SECTIONS.len()];

/// What is known before the sections are written.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Header {
    pub(super) dim: u32,
    pub(super) metric: Metric,
    pub(super) element: ElementType,
    pub(super) params: IvfParams,
    pub(super) seed: u64,
    /// Vectors, numbered from 0 without gap, in the order of the buckets.
    pub(super) slots: u32,
    pub(super) buckets: u32,
    /// Blocks of all buckets.
    pub(super) blocks: u32,
    /// Places of the table from points to slots.
    pub(super) places: u32,
    /// See `Directory::alignment`.
    pub(super) alignment: f32,
}

impl Header {
    pub(super) fn encode(&self) -> Box<[u8]> {
        let mut page = Page::new(HEADER_MAGIC);
        page.put(8, &VERSION.to_le_bytes());
        page.put(12, &self.dim.to_le_bytes());
        page.put(16, &self.params.bucket_points.to_le_bytes());
        page.put(18, &[metric_code(self.metric), element_code(self.element)]);
        page.put(20, &self.slots.to_le_bytes());
        page.put(24, &self.seed.to_le_bytes());
        page.put(32, &self.buckets.to_le_bytes());
        page.put(36, &self.blocks.to_le_bytes());
        page.put(40, &self.places.to_le_bytes());
        page.put(44, &self.alignment.to_le_bytes());
        page.seal()
    }

    fn decode(page: &[u8; PAGE]) -> Result<Header> {
        let fields = open_page(page, HEADER_MAGIC, "header")?;
        check_version(fields.u32(8), VERSION)?;
        let header = Header {
            dim: fields.u32(12),
            metric: metric_of(fields.byte(18))?,
            element: element_of(fields.byte(19))?,
            params: IvfParams {
                bucket_points: fields.u16(16),
            },
            seed: fields.u64(24),
            slots: fields.u32(20),
            buckets: fields.u32(32),
            blocks: fields.u32(36),
            places: fields.u32(40),
            alignment: f32::from_bits(fields.u32(44)),
        };
        header.validate()
    }

    fn validate(self) -> Result<Header> {
        let damaged = |error: Error| Error::corruption(format!("checkpoint header: {error}"));
        self.params.validate().map_err(damaged)?;
        check_limits(self.dim as usize).map_err(damaged)?;
        if self.slots > SLOTS_MAX {
            return Err(bad("number of vectors", self.slots));
        }
        if !self.places.is_power_of_two() {
            return Err(bad("number of table places", self.places));
        }
        if !(0.0..=1.0).contains(&self.alignment) {
            return Err(bad("alignment", self.alignment));
        }
        Ok(self)
    }

    /// Bytes of each section; `None` beyond what this machine can address.
    fn section_bytes(&self, dead: u32) -> [Option<usize>; SECTIONS.len()] {
        let (dim, buckets, slots) = (
            self.dim as usize,
            self.buckets as usize,
            self.slots as usize,
        );
        let stride = block_stride(self.code_bytes());
        [
            dim.checked_mul(4),
            buckets.checked_mul(4 * self.width()),
            buckets.div_ceil(BLOCK_CODES).checked_mul(stride),
            buckets.checked_mul(8),
            (self.blocks as usize).checked_mul(stride),
            slots.checked_mul(nibbles::code_bytes(self.width())),
            paged(slots, layout(dim, self.element).hot_stride()),
            (self.places as usize).checked_mul(4),
            (dead as usize).checked_mul(4),
        ]
    }

    /// Components of rotated vectors.
    fn width(&self) -> usize {
        (self.dim as usize).next_multiple_of(64)
    }

    /// Bytes of the codes of a block.
    fn code_bytes(&self) -> usize {
        self.width() / 8 * BLOCK_CODES
    }
}

/// Header and trailer of a whole checkpoint, and the lengths of the sections between them.
pub(super) fn decode(bytes: &[u8]) -> Result<(Header, Trailer<{ SECTIONS.len() }>, Lengths)> {
    let (first, last) = ends(bytes)?;
    let (header, trailer) = (Header::decode(first)?, Trailer::decode(last)?);
    if trailer.dead > header.slots {
        return Err(bad("number of dead slots", trailer.dead));
    }
    let lengths = padded(header.section_bytes(trailer.dead), bytes.len())?;
    Ok((header, trailer, lengths))
}
