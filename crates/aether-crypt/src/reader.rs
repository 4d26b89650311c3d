//! Reading an encrypted file at any offset.
//!
//! A read finds the frames that hold its bytes, reads them all at once, and hands out only what authenticates. In a
//! log, bytes that do not are handed out as zeros where a sector was lost, and as [`DAMAGED`] elsewhere: its owner
//! knows what was ever synced, has checksums of its own, and so tells a torn tail from damage. Nothing of what stands
//! in the file without authentication is ever handed out.

use std::fmt;
use std::io;
use std::sync::Arc;

use aether_env::{FileMap, RandomFile};
use parking_lot::RwLock;

use crate::frame::{CHUNK_BYTES, FRAME_HEADER_BYTES, FileKey, FrameHeader, frame_bytes};
use crate::header::{HEADER_BYTES, Kind};
use crate::index::{Gap, Index, Mark, STRIDE, gap_in, regular_last};

/// Stands for bytes of a log that are damaged.
const DAMAGED: u8 = 0xff;

/// A file to read.
pub(crate) struct EncryptedReader {
    inner: Arc<dyn RandomFile>,
    key: Arc<FileKey>,
    kind: Kind,
    places: Places,
    len: u64,
    name: String,
    location: String,
}

/// How places are found.
enum Places {
    /// Computed, in a file of so many bytes.
    Regular { physical: u64 },
    /// By the headers of the frames, once read, or as the writer keeps them.
    Listed(Arc<RwLock<Index>>),
}

/// The physical bytes that hold a range of plain ones.
#[derive(Clone, Copy)]
pub(crate) struct Span {
    first: Mark,
    physical_end: u64,
    from: u64,
    to: u64,
}

impl Span {
    pub(crate) fn physical(&self) -> u64 {
        self.first.physical
    }

    pub(crate) fn bytes(&self) -> io::Result<usize> {
        usize::try_from(self.physical_end - self.first.physical).map_err(io::Error::other)
    }
}

impl EncryptedReader {
    /// A file whose header is read already. `live`: the index that its writer keeps.
    pub(crate) fn new(
        inner: Arc<dyn RandomFile>,
        key: Arc<FileKey>,
        kind: Kind,
        live: Option<Arc<RwLock<Index>>>,
        name: &str,
        location: String,
    ) -> io::Result<EncryptedReader> {
        let mut reader = EncryptedReader {
            inner,
            key,
            kind,
            places: Places::Regular { physical: 0 },
            len: 0,
            name: name.to_owned(),
            location,
        };
        let is_complete = match live {
            Some(index) => {
                reader.len = index.read().len;
                reader.places = Places::Listed(index);
                true
            }
            None => reader.find_places()?,
        };
        if kind == Kind::Whole && !is_complete {
            return Err(reader.damaged(reader.len, "its last frame is missing: it was cut off"));
        }
        Ok(reader)
    }

    pub(crate) fn inner(&self) -> &dyn RandomFile {
        &*self.inner
    }

    /// Sets `places` and `len`; true when the last frame says that it is the last.
    fn find_places(&mut self) -> io::Result<bool> {
        let physical = self.inner.len();
        if self.kind != Kind::Log
            && let Some(last) = self.regular_last(physical)?
        {
            self.len = last.end();
            self.places = Places::Regular { physical };
            return Ok(last.is_last);
        }
        let bytes = usize::try_from(physical).map_err(io::Error::other)?;
        let mut contents = vec![0; bytes];
        self.inner.read_at(0, &mut contents)?;
        let index = Index::scan(&self.key, &contents);
        self.len = index.len;
        let is_complete = index.is_complete;
        self.places = Places::Listed(Arc::new(RwLock::new(index)));
        Ok(is_complete)
    }

    /// The header of the last frame, if it proves that the file is regular.
    fn regular_last(&self, physical: u64) -> io::Result<Option<FrameHeader>> {
        let Some((at, number)) = regular_last(physical) else {
            return Ok(None);
        };
        if physical - at < FRAME_HEADER_BYTES as u64 {
            return Ok(None);
        }
        let mut header = [0; FRAME_HEADER_BYTES];
        self.inner.read_at(at, &mut header)?;
        Ok(self.key.header(&header).filter(|header| {
            header.number == number
                && header.offset == number * CHUNK_BYTES as u64
                && at + frame_bytes(header.length) as u64 == physical
        }))
    }

    /// The plain bytes of a log that was ended, as its last frame tells.
    pub(crate) fn ended_len(inner: &dyn RandomFile, key: &FileKey) -> io::Result<Option<u64>> {
        const BYTES: usize = frame_bytes(0);
        let Some(at) = inner.len().checked_sub(BYTES as u64) else {
            return Ok(None);
        };
        let mut frame = [0; BYTES];
        inner.read_at(at, &mut frame)?;
        let header = key
            .header(&frame)
            .filter(|header| header.is_last && header.length == 0);
        let is_ended = header.filter(|header| key.open(header, &mut frame).is_some());
        Ok(is_ended.map(|header| header.offset))
    }

    /// Where `bytes` from `offset` stand; none when there are no bytes to read.
    pub(crate) fn span(&self, offset: u64, bytes: usize) -> io::Result<Option<Span>> {
        let to = offset.checked_add(bytes as u64);
        let span = match &self.places {
            Places::Regular { physical } => {
                let Some(to) = to.filter(|to| *to <= self.len) else {
                    return Err(self.beyond_end(offset, bytes));
                };
                regular_span(*physical, offset, to)
            }
            Places::Listed(index) => {
                let index = index.read();
                let Some(to) = to.filter(|to| *to <= index.len) else {
                    return Err(self.beyond_end(offset, bytes));
                };
                let span = index.span(offset, to);
                span.map(|(first, physical_end)| Span {
                    first,
                    physical_end,
                    from: offset,
                    to,
                })
            }
        };
        Ok(span.filter(|_| bytes > 0))
    }

    /// Fills `buffer` from the `physical` bytes of `span`, which are decrypted in place.
    pub(crate) fn decrypt(
        &self,
        span: &Span,
        physical: &mut [u8],
        buffer: &mut [u8],
    ) -> io::Result<()> {
        let mut walk = Walk {
            at: 0,
            number: span.first.number,
            offset: span.first.offset,
        };
        while walk.offset < span.to {
            if let Some(header) = self.next_frame(&walk, physical) {
                let base = span.first.physical + walk.at as u64;
                let frame = &mut physical[walk.at..walk.at + frame_bytes(header.length)];
                let gap = gap_in(frame, base, base, base + frame.len() as u64);
                if header.end() > span.from {
                    match self.key.open(&header, frame) {
                        Some(plain) => copy(span, walk.offset, plain, buffer),
                        None => self.fill(span, walk.offset..header.end(), gap, buffer)?,
                    }
                }
                walk.at += frame_bytes(header.length);
                walk.number += 1;
                walk.offset = header.end();
                continue;
            }
            // Between two marks there are only whole frames; what is no frame now was changed since they were set.
            match self.mark_at(walk.offset) {
                Some(Mark { gap: Some(gap), .. }) => {
                    self.cross_gap(span, &mut walk, gap, buffer)?;
                }
                _ => return self.fill(span, walk.offset..span.to, Gap::Damaged, buffer),
            }
        }
        Ok(())
    }

    /// The header of the frame where the walk is, if it is the one that belongs there.
    fn next_frame(&self, walk: &Walk, physical: &[u8]) -> Option<FrameHeader> {
        let rest = physical.get(walk.at..)?;
        self.key.header(rest).filter(|header| {
            (header.number, header.offset) == (walk.number, walk.offset)
                && frame_bytes(header.length) <= rest.len()
        })
    }

    fn cross_gap(
        &self,
        span: &Span,
        walk: &mut Walk,
        gap: Gap,
        buffer: &mut [u8],
    ) -> io::Result<()> {
        let Places::Listed(index) = &self.places else {
            return Ok(());
        };
        let next = index.read().mark_after(walk.offset);
        let end = next.map_or(span.to, |mark| mark.offset);
        self.fill(span, walk.offset..end, gap, buffer)?;
        walk.offset = end;
        if let Some(next) = next {
            walk.number = next.number;
            walk.at = usize::try_from(next.physical - span.first.physical).unwrap_or(usize::MAX);
        }
        Ok(())
    }

    fn mark_at(&self, offset: u64) -> Option<Mark> {
        let Places::Listed(index) = &self.places else {
            return None;
        };
        index.read().mark_at(offset)
    }

    /// Hands out what stands for bytes that do not authenticate, or an error where there may be none.
    fn fill(
        &self,
        span: &Span,
        plain: std::ops::Range<u64>,
        gap: Gap,
        buffer: &mut [u8],
    ) -> io::Result<()> {
        let from = plain.start.max(span.from);
        let to = plain.end.min(span.to);
        if from >= to {
            return Ok(());
        }
        if self.kind != Kind::Log {
            return Err(self.damaged(plain.start, "its bytes do not authenticate"));
        }
        let value = match gap {
            Gap::Lost => 0,
            Gap::Damaged => DAMAGED,
        };
        let place = |offset: u64| usize::try_from(offset - span.from).map_err(io::Error::other);
        buffer[place(from)?..place(to)?].fill(value);
        Ok(())
    }

    fn damaged(&self, offset: u64, detail: &str) -> io::Error {
        io::Error::new(
            io::ErrorKind::InvalidData,
            format!(
                "{} in {} is damaged at byte {offset} of its contents: {detail}; restore this file from a backup",
                self.name, self.location
            ),
        )
    }

    fn beyond_end(&self, offset: u64, bytes: usize) -> io::Error {
        io::Error::new(
            io::ErrorKind::UnexpectedEof,
            format!(
                "cannot read {bytes} bytes of {} in {} at byte {offset}: the file has {} bytes",
                self.name, self.location, self.len
            ),
        )
    }
}

/// Where a walk over the frames of a span is.
struct Walk {
    /// In the physical bytes.
    at: usize,
    number: u64,
    offset: u64,
}

fn regular_span(physical: u64, from: u64, to: u64) -> Option<Span> {
    let number = from / CHUNK_BYTES as u64;
    let end = HEADER_BYTES as u64 + to.div_ceil(CHUNK_BYTES as u64) * STRIDE;
    let first = Mark {
        offset: number * CHUNK_BYTES as u64,
        physical: HEADER_BYTES as u64 + number * STRIDE,
        number,
        gap: None,
    };
    Some(Span {
        first,
        physical_end: end.min(physical),
        from,
        to,
    })
}

/// Copies what `buffer` wants of a frame's `plain` bytes, which stand at `offset`.
fn copy(span: &Span, offset: u64, plain: &[u8], buffer: &mut [u8]) {
    let end = offset + plain.len() as u64;
    let (from, to) = (offset.max(span.from), end.min(span.to));
    let range = |from: u64, to: u64, base: u64| {
        let place = |offset: u64| usize::try_from(offset - base).unwrap_or(usize::MAX);
        place(from)..place(to)
    };
    if from < to {
        buffer[range(from, to, span.from)].copy_from_slice(&plain[range(from, to, offset)]);
    }
}

impl RandomFile for EncryptedReader {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let Some(span) = self.span(offset, buffer.len())? else {
            return Ok(());
        };
        let mut physical = vec![0; span.bytes()?];
        self.inner.read_at(span.physical(), &mut physical)?;
        self.decrypt(&span, &mut physical, buffer)
    }

    fn map_private(&self) -> io::Result<FileMap> {
        /// Plain bytes that are decrypted at once.
        const PART_BYTES: usize = 256 * CHUNK_BYTES;
        let len = usize::try_from(self.len).map_err(io::Error::other)?;
        let mut bytes = vec![0; len];
        let mut offset = 0;
        for part in bytes.chunks_mut(PART_BYTES) {
            self.read_at(offset, part)?;
            offset += part.len() as u64;
        }
        Ok(FileMap::Copied(bytes))
    }
}

impl fmt::Debug for EncryptedReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} bytes, encrypted)", self.name, self.len)
    }
}
