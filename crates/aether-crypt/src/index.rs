//! Where in an encrypted file the plain bytes are.
//!
//! Most files are *regular*: every frame but the last has [`CHUNK_BYTES`], so places are computed. That is proven by
//! the last frame alone: its number counts the frames before it, and they fit only if each is full.
//!
//! Logs, and files that were synced before their end, have frames of any length. Their headers are read once, from the
//! front, and a sparse list of places is kept. A place without a good frame, with good frames after it, is a *gap*.

use crate::frame::{CHUNK_BYTES, FileKey, FrameHeader, frame_bytes};
use crate::header::HEADER_BYTES;

/// Physical bytes of a full frame.
pub(crate) const STRIDE: u64 = frame_bytes(CHUNK_BYTES) as u64;

/// Plain bytes between two marks, about.
const MARK_EVERY: u64 = 16 << 10;

/// The unit that a disk writes whole.
const SECTOR_BYTES: u64 = 512;

/// A frame, or a gap, and what must be known to read on from there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    /// Of its first plain byte.
    pub(crate) offset: u64,
    /// Of its first byte in the file.
    pub(crate) physical: u64,
    /// The frame's number; that of the next frame for a gap.
    pub(crate) number: u64,
    /// Why nothing can be read up to the next mark.
    pub(crate) gap: Option<Gap>,
}

/// Why plain bytes are missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gap {
    /// A whole sector is zero, as one that never reached the disk.
    Lost,
    /// Anything else.
    Damaged,
}

/// The places of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Index {
    /// By offset; the first one is of offset 0, unless there are no frames.
    pub(crate) marks: Vec<Mark>,
    /// Plain bytes.
    pub(crate) len: u64,
    /// Where the last frame ends.
    pub(crate) physical_end: u64,
    /// The last frame says that it is the last.
    pub(crate) is_complete: bool,
    /// The number of the next frame.
    pub(crate) next_number: u64,
}

impl Index {
    /// Of a file without frames.
    pub(crate) fn new() -> Index {
        Index {
            physical_end: HEADER_BYTES as u64,
            ..Index::default()
        }
    }

    /// Takes in the frame with `header`, which stands where the last one ends.
    pub(crate) fn push(&mut self, header: &FrameHeader) {
        let is_far = self.marks.last().is_none_or(|mark| {
            mark.gap.is_some() || header.offset.saturating_sub(mark.offset) >= MARK_EVERY
        });
        if is_far {
            self.marks.push(Mark {
                offset: header.offset,
                physical: self.physical_end,
                number: header.number,
                gap: None,
            });
        }
        self.len = header.end();
        self.physical_end += frame_bytes(header.length) as u64;
        self.next_number = header.number + 1;
        self.is_complete = header.is_last;
    }

    /// The places of the file whose bytes are all of `bytes`.
    pub(crate) fn scan(key: &FileKey, bytes: &[u8]) -> Index {
        let mut index = Index::new();
        loop {
            let at = usize::try_from(index.physical_end).unwrap_or(usize::MAX);
            let rest = bytes.get(at..).unwrap_or_default();
            match key.header(rest) {
                Some(header) if index.is_next(&header, rest) => index.push(&header),
                _ => match index.find_later(key, bytes) {
                    Some((at, header)) => index.push_gap(bytes, at, &header),
                    None => return index,
                },
            }
        }
    }

    fn is_next(&self, header: &FrameHeader, rest: &[u8]) -> bool {
        header.number == self.next_number
            && header.offset == self.len
            && rest.len() >= frame_bytes(header.length)
    }

    /// The next frame of this file that authenticates, behind the end so far, and later in the order of writing.
    fn find_later(&self, key: &FileKey, bytes: &[u8]) -> Option<(u64, FrameHeader)> {
        let from = usize::try_from(self.physical_end).ok()?;
        (from..bytes.len()).step_by(8).find_map(|at| {
            let header = key.header(&bytes[at..])?;
            let is_later = header.number >= self.next_number && header.offset >= self.len;
            let end = at + frame_bytes(header.length);
            let mut frame = bytes.get(at..end)?.to_vec();
            (is_later && key.open(&header, &mut frame).is_some()).then_some((at as u64, header))
        })
    }

    /// A gap up to the frame with `header`, which stands at `physical`.
    fn push_gap(&mut self, bytes: &[u8], physical: u64, header: &FrameHeader) {
        let gap = gap_in(bytes, 0, self.physical_end, physical);
        if header.offset > self.len {
            self.marks.push(Mark {
                offset: self.len,
                physical: self.physical_end,
                number: header.number,
                gap: Some(gap),
            });
        }
        self.physical_end = physical;
        self.push(header);
    }

    /// The marks between which the plain bytes `from..to` stand: where to begin, what of, and where to end.
    pub(crate) fn span(&self, from: u64, to: u64) -> Option<(Mark, u64)> {
        let after = self.marks.partition_point(|mark| mark.offset <= from);
        let first = *self.marks.get(after.checked_sub(1)?)?;
        let behind = self.marks.partition_point(|mark| mark.offset < to);
        let end = self
            .marks
            .get(behind.max(after))
            .map_or(self.physical_end, |mark| mark.physical);
        Some((first, end))
    }

    /// The mark of exactly this offset.
    pub(crate) fn mark_at(&self, offset: u64) -> Option<Mark> {
        let at = self.marks.partition_point(|mark| mark.offset < offset);
        self.marks
            .get(at)
            .copied()
            .filter(|mark| mark.offset == offset)
    }

    /// The first mark behind this offset.
    pub(crate) fn mark_after(&self, offset: u64) -> Option<Mark> {
        let after = self.marks.partition_point(|mark| mark.offset <= offset);
        self.marks.get(after).copied()
    }
}

/// What a gap between `from` and `to` is; `bytes` are those of the file from `base` on. Few zeros prove nothing, but in
/// front of the first sector boundary, since a frame starts with its number and its offset.
pub(crate) fn gap_in(bytes: &[u8], base: u64, from: u64, to: u64) -> Gap {
    let mut at = from;
    while at < to {
        let end = ((at / SECTOR_BYTES + 1) * SECTOR_BYTES).min(to);
        let part = |place: u64| usize::try_from(place - base).ok();
        let sector = part(at)
            .zip(part(end))
            .and_then(|(at, end)| bytes.get(at..end));
        let is_zero = sector.is_some_and(|sector| sector.iter().all(|byte| *byte == 0));
        if is_zero && (end - at >= 8 || at == from) {
            return Gap::Lost;
        }
        at = end;
    }
    Gap::Damaged
}

/// Plain bytes of a regular file of `physical` bytes, were its last frame padded by none.
pub(crate) fn regular_len_max(physical: u64) -> u64 {
    let frames = physical.saturating_sub(HEADER_BYTES as u64);
    let overhead = STRIDE - CHUNK_BYTES as u64;
    let last = (frames % STRIDE).saturating_sub(overhead);
    frames / STRIDE * CHUNK_BYTES as u64 + last
}

/// Where the last frame of a regular file of `physical` bytes starts, and its number; none when there is none.
pub(crate) fn regular_last(physical: u64) -> Option<(u64, u64)> {
    let frames = physical.checked_sub(HEADER_BYTES as u64)?;
    let number = frames.checked_sub(1)? / STRIDE;
    Some((HEADER_BYTES as u64 + number * STRIDE, number))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cipher::{Cipher, Sealer};

    fn key() -> FileKey {
        FileKey::new(Sealer::new(Cipher::Aes256Gcm, &[1; 32]), 5)
    }

    /// A file with frames of these lengths; the ends of the frames, physically.
    fn file(key: &FileKey, lengths: &[usize]) -> (Vec<u8>, Vec<usize>) {
        let mut bytes = vec![0; HEADER_BYTES];
        let mut offset = 0;
        let mut ends = vec![bytes.len()];
        for (number, &length) in (0..).zip(lengths) {
            let header = FrameHeader {
                number,
                offset,
                length,
                is_last: false,
            };
            key.seal(&header, &vec![7; length], &mut bytes);
            offset = header.end();
            ends.push(bytes.len());
        }
        (bytes, ends)
    }

    #[test]
    fn a_sound_file_has_no_gaps() {
        let key = key();
        let (bytes, _) = file(&key, &[10, 20_000, 0, 30_000, 5]);
        let index = Index::scan(&key, &bytes);
        assert_eq!(
            (index.len, index.physical_end),
            (50_015, bytes.len() as u64)
        );
        assert!(index.marks.iter().all(|mark| mark.gap.is_none()));
        let offsets: Vec<u64> = index.marks.iter().map(|mark| mark.offset).collect();
        assert_eq!(offsets, [0, 20_010, 50_010]);
        let (first, end) = index.span(100, 20_010).unwrap();
        assert_eq!((first.offset, end), (0, index.marks[1].physical));
        assert_eq!(
            index.span(20_009, 20_011).unwrap().1,
            index.marks[2].physical
        );
    }

    #[test]
    fn a_cut_file_ends_with_its_last_whole_frame() {
        let key = key();
        let (bytes, ends) = file(&key, &[100, 100, 100]);
        for cut in HEADER_BYTES..bytes.len() {
            let whole = ends.iter().filter(|end| **end <= cut).count() - 1;
            assert_eq!(
                Index::scan(&key, &bytes[..cut]).len,
                whole as u64 * 100,
                "{cut}"
            );
        }
    }

    #[test]
    fn gaps_are_found_and_named() {
        let key = key();
        let (bytes, ends) = file(&key, &[1000; 6]);
        let gap = |bytes: &[u8]| {
            let index = Index::scan(&key, bytes);
            let gap = index.marks.iter().find(|mark| mark.gap.is_some())?;
            Some((gap.offset, index.mark_after(gap.offset)?.offset, gap.gap?))
        };
        let mut damaged = bytes.clone();
        damaged[ends[2] + 3] ^= 1;
        assert_eq!(gap(&damaged), Some((2000, 3000, Gap::Damaged)));
        let mut lost = bytes.clone();
        lost[ends[2]..ends[4]].fill(0);
        assert_eq!(gap(&lost), Some((2000, 4000, Gap::Lost)));
        // A frame that somebody took out, and one that was put where another belongs.
        let without = [&bytes[..ends[2]], &bytes[ends[3]..]].concat();
        assert_eq!(gap(&without), Some((2000, 3000, Gap::Damaged)));
        let mut swapped = bytes.clone();
        swapped.copy_within(ends[1]..ends[2], ends[2]);
        assert_eq!(gap(&swapped), Some((2000, 3000, Gap::Damaged)));
    }

    #[test]
    fn regular_lengths_are_computed() {
        for len in [
            0,
            1,
            8,
            CHUNK_BYTES - 1,
            CHUNK_BYTES,
            CHUNK_BYTES + 1,
            10 * CHUNK_BYTES,
        ] {
            let mut lengths = vec![CHUNK_BYTES; len / CHUNK_BYTES];
            lengths.extend(Some(len % CHUNK_BYTES).filter(|rest| *rest > 0));
            let (bytes, ends) = file(&key(), &lengths);
            let physical = bytes.len() as u64;
            assert!(regular_len_max(physical) - len as u64 <= 7, "{len}");
            let last = regular_last(physical);
            assert_eq!(
                last.map(|(_, number)| number + 1).unwrap_or(0),
                lengths.len() as u64
            );
            if let Some((at, _)) = last {
                assert_eq!(at, ends[ends.len() - 2] as u64);
            }
        }
    }
}
