//! What the checkpoints of all indexes have in common: pages with checksums around sections of whole pages.
//!
//! ```text
//! page 0 header │ section │ section │ … │ last page trailer: how many dead slots, and the checksum of each section
//! ```
//!
//! Nothing in a file says where a section is: lengths follow from the counts in the header, so sections cannot overlap,
//! and the length of the file must be exactly the sum.

use std::io::{self, Write};
use std::ops::Range;

use aether_distance::{ElementType, Metric};
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use crate::{Error, Result};

/// Header, trailer and every section fill whole pages.
pub(crate) const PAGE: usize = 4096;

const TRAILER_MAGIC: [u8; 8] = *b"AETHTAIL";

/// Bytes of a page that its own checksum, the last 8, covers.
pub(crate) const CHECKED: usize = PAGE - 8;

/// What is known after `N` sections are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Trailer<const N: usize> {
    pub(crate) dead: u32,
    /// Of the padded sections.
    pub(crate) checksums: [u64; N],
}

impl<const N: usize> Trailer<N> {
    pub(crate) fn encode(&self) -> Box<[u8]> {
        let mut page = Page::new(TRAILER_MAGIC);
        page.put(8, &self.dead.to_le_bytes());
        for (i, checksum) in self.checksums.iter().enumerate() {
            page.put(16 + 8 * i, &checksum.to_le_bytes());
        }
        page.seal()
    }

    pub(crate) fn decode(page: &[u8; PAGE]) -> Result<Trailer<N>> {
        let fields = open_page(page, TRAILER_MAGIC, "trailer")?;
        Ok(Trailer {
            dead: fields.u32(8),
            checksums: std::array::from_fn(|i| fields.u64(16 + 8 * i)),
        })
    }

    /// Compares every checksum; `lengths` are those of the sections, whose names are for errors.
    pub(crate) fn verify(&self, bytes: &[u8], lengths: [usize; N], names: [&str; N]) -> Result<()> {
        let mut at = PAGE;
        for ((name, length), stored) in names.into_iter().zip(lengths).zip(self.checksums) {
            let section = bytes.get(at..).and_then(|rest| rest.get(..length));
            let computed = xxh3_64(section.unwrap_or_default());
            if stored != computed {
                let place = format!("checkpoint section \"{name}\" at byte {at}");
                let text = format!(
                    "{place}: checksum mismatch: stored {stored:016x}, computed {computed:016x}"
                );
                return Err(Error::corruption(text));
            }
            at += length;
        }
        Ok(())
    }
}

/// The first and the last page.
pub(crate) fn ends(bytes: &[u8]) -> Result<(&[u8; PAGE], &[u8; PAGE])> {
    let ends = bytes.first_chunk().zip(bytes.last_chunk());
    ends.filter(|_| bytes.len() >= 2 * PAGE).ok_or_else(|| {
        let found = bytes.len();
        Error::corruption(format!(
            "checkpoint of {found} bytes: shorter than its header and trailer"
        ))
    })
}

/// The lengths of the sections, padded; an error when they and the ends are not all of `found` bytes. `None`: a length is
/// beyond what this machine can address.
pub(crate) fn padded<const N: usize>(
    lengths: [Option<usize>; N],
    found: usize,
) -> Result<[usize; N]> {
    let mut padded = [0; N];
    let mut total = Some(2 * PAGE);
    for (padded, length) in padded.iter_mut().zip(lengths) {
        let length = length.and_then(|length| length.checked_next_multiple_of(PAGE));
        *padded = length.unwrap_or(0);
        total = total
            .zip(length)
            .and_then(|(total, length)| total.checked_add(length));
    }
    if total == Some(found) {
        return Ok(padded);
    }
    let expected = total.map_or("more".to_owned(), |total| total.to_string());
    Err(Error::corruption(format!(
        "checkpoint of {found} bytes: its header asks for {expected}"
    )))
}

/// Records of `stride` bytes that fit into a page; 0 when one is longer.
pub(crate) fn in_page(stride: usize) -> u32 {
    u32::try_from(PAGE / stride.max(1)).unwrap_or(0)
}

/// Bytes of `records` of `stride` bytes, none of which crosses from one page to the next if it need not; `None` beyond what this
/// machine can address.
pub(crate) fn paged(records: usize, stride: usize) -> Option<usize> {
    match in_page(stride) as usize {
        0 => records.checked_mul(stride),
        in_page => records.div_ceil(in_page).checked_mul(PAGE),
    }
}

/// The bytes of a section, given the lengths of all.
pub(crate) fn section<const N: usize>(lengths: [usize; N], number: usize) -> Range<usize> {
    let start = PAGE + lengths[..number].iter().sum::<usize>();
    start..start + lengths[number]
}

/// A field of a header has an impossible value.
pub(crate) fn bad(field: &str, value: impl std::fmt::Display) -> Error {
    Error::corruption(format!("checkpoint header: {field} is {value}"))
}

/// A header says which version of its format it has.
pub(crate) fn check_version(found: u32, read: u32) -> Result<()> {
    if found == read {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "the checkpoint has format {found}, this program reads {read}: build the index again"
    )))
}

/// A page that is being written.
pub(crate) struct Page(Box<[u8]>);

impl Page {
    pub(crate) fn new(magic: [u8; 8]) -> Page {
        let mut page = Page(vec![0; PAGE].into());
        page.put(0, &magic);
        page
    }

    pub(crate) fn put(&mut self, at: usize, bytes: &[u8]) {
        self.0[at..at + bytes.len()].copy_from_slice(bytes);
    }

    /// With its checksum.
    pub(crate) fn seal(mut self) -> Box<[u8]> {
        let checksum = xxh3_64(&self.0[..CHECKED]);
        self.put(CHECKED, &checksum.to_le_bytes());
        self.0
    }
}

/// Fields of a page.
pub(crate) struct Fields<'a>(&'a [u8; PAGE]);

impl Fields<'_> {
    fn array<const N: usize>(&self, at: usize) -> [u8; N] {
        std::array::from_fn(|i| self.0[at + i])
    }

    pub(crate) fn byte(&self, at: usize) -> u8 {
        self.0[at]
    }

    pub(crate) fn u16(&self, at: usize) -> u16 {
        u16::from_le_bytes(self.array(at))
    }

    pub(crate) fn u32(&self, at: usize) -> u32 {
        u32::from_le_bytes(self.array(at))
    }

    pub(crate) fn u64(&self, at: usize) -> u64 {
        u64::from_le_bytes(self.array(at))
    }
}

/// The fields of a page that has this magic number and the right checksum.
pub(crate) fn open_page<'a>(
    page: &'a [u8; PAGE],
    magic: [u8; 8],
    name: &str,
) -> Result<Fields<'a>> {
    let fields = Fields(page);
    if fields.array(0) != magic {
        return Err(Error::corruption(format!(
            "checkpoint {name}: this is not one of this kind of index"
        )));
    }
    let (stored, computed) = (fields.u64(CHECKED), xxh3_64(&page[..CHECKED]));
    if stored != computed {
        let text = format!(
            "checkpoint {name}: checksum mismatch: stored {stored:016x}, computed {computed:016x}"
        );
        return Err(Error::corruption(text));
    }
    Ok(fields)
}

pub(crate) fn metric_code(metric: Metric) -> u8 {
    match metric {
        Metric::L2Squared => 0,
        Metric::InnerProduct => 1,
        Metric::Cosine => 2,
    }
}

pub(crate) fn metric_of(code: u8) -> Result<Metric> {
    [Metric::L2Squared, Metric::InnerProduct, Metric::Cosine]
        .into_iter()
        .find(|&metric| metric_code(metric) == code)
        .ok_or_else(|| bad("metric", code))
}

pub(crate) fn element_code(element: ElementType) -> u8 {
    match element {
        ElementType::F32 => 0,
        ElementType::F16 => 1,
        ElementType::U8 => 2,
    }
}

pub(crate) fn element_of(code: u8) -> Result<ElementType> {
    [ElementType::F32, ElementType::F16, ElementType::U8]
        .into_iter()
        .find(|&element| element_code(element) == code)
        .ok_or_else(|| bad("element type", code))
}

/// A section that is being written.
pub(crate) struct Section<'a> {
    out: &'a mut dyn Write,
    hash: Xxh3,
    bytes: usize,
}

impl<'a> Section<'a> {
    pub(crate) fn new(out: &'a mut dyn Write) -> Section<'a> {
        Section {
            out,
            hash: Xxh3::new(),
            bytes: 0,
        }
    }

    pub(crate) fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hash.update(bytes);
        self.bytes += bytes.len();
        self.out.write_all(bytes)
    }

    /// Puts a record on a page of its own if it fits into one, but not behind the last.
    pub(crate) fn put_whole(&mut self, record: &[u8]) -> io::Result<()> {
        let left = self.bytes.next_multiple_of(PAGE) - self.bytes;
        if (left + 1..=PAGE).contains(&record.len()) {
            self.put(&[0; PAGE][..left])?;
        }
        self.put(record)
    }

    /// Fills the last page, and returns the checksum.
    pub(crate) fn finish(mut self) -> io::Result<u64> {
        let padding = self.bytes.next_multiple_of(PAGE) - self.bytes;
        self.put(&[0; PAGE][..padding])?;
        Ok(self.hash.digest())
    }
}
