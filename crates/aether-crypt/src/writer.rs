//! Writing an encrypted file: one writer, from the front, each frame once.
//!
//! - A file that is appended to gathers its bytes into full frames. What does not fill one is sealed when somebody syncs
//!   or opens the file, or when the writer goes: then the next frame starts there, and nothing is ever rewritten.
//! - A log seals each write at once, since a write must survive the end of the process.
//!
//! After an error the file takes no more: what reached the disk is unknown, and the numbers of the frames are used.

use std::fmt;
use std::io;
use std::sync::Arc;

use aether_env::{FileSync, LogFile, WritableFile};
use parking_lot::{Mutex, RwLock};

use crate::frame::{CHUNK_BYTES, FRAME_PAYLOAD_MAX, FileKey, FrameHeader, frame_bytes};
use crate::index::Index;

/// Sealed bytes that go to the file at once.
const WRITE_BYTES: usize = 256 << 10;

/// Seals frame after frame.
struct Frames {
    key: Arc<FileKey>,
    number: u64,
    offset: u64,
}

impl Frames {
    fn new(key: Arc<FileKey>) -> Frames {
        Frames {
            key,
            number: 0,
            offset: 0,
        }
    }

    fn seal(&mut self, payload: &[u8], is_last: bool, out: &mut Vec<u8>) -> FrameHeader {
        let header = FrameHeader {
            number: self.number,
            offset: self.offset,
            length: payload.len(),
            is_last,
        };
        // Before sealing: whatever happens now, this number is used.
        self.number += 1;
        self.offset = header.end();
        self.key.seal(&header, payload, out);
        header
    }
}

/// All frames of a file that is written at once, behind `header`.
pub(crate) fn seal_whole(header: &[u8], key: Arc<FileKey>, bytes: &[u8]) -> Vec<u8> {
    let mut frames = Frames::new(key);
    let mut out = header.to_vec();
    let mut rest = bytes;
    loop {
        let (chunk, after) = rest.split_at(rest.len().min(CHUNK_BYTES));
        frames.seal(chunk, after.is_empty(), &mut out);
        rest = after;
        if rest.is_empty() {
            return out;
        }
    }
}

/// A file that is appended to, as its writer, its syncers and the storage share it.
pub(crate) struct Appended {
    file: Box<dyn WritableFile>,
    frames: Frames,
    /// Bytes that do not fill a frame yet.
    pending: Vec<u8>,
    is_broken: bool,
}

impl Appended {
    pub(crate) fn new(file: Box<dyn WritableFile>, key: Arc<FileKey>) -> Appended {
        Appended {
            file,
            frames: Frames::new(key),
            pending: Vec::new(),
            is_broken: false,
        }
    }

    /// Plain bytes so far.
    pub(crate) fn len(&self) -> u64 {
        self.frames.offset + self.pending.len() as u64
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.check()?;
        let mut rest = bytes;
        let mut out = Vec::new();
        while self.pending.len() + rest.len() >= CHUNK_BYTES {
            let (chunk, after) = rest.split_at(CHUNK_BYTES - self.pending.len());
            rest = after;
            if self.pending.is_empty() {
                self.frames.seal(chunk, false, &mut out);
            } else {
                self.pending.extend_from_slice(chunk);
                self.frames.seal(&self.pending, false, &mut out);
                self.pending.clear();
            }
            if out.len() >= WRITE_BYTES {
                self.write(&out)?;
                out.clear();
            }
        }
        self.pending.extend_from_slice(rest);
        self.write(&out)
    }

    /// Has all bytes so far in the file.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.check()?;
        if self.pending.is_empty() {
            return Ok(());
        }
        let mut out = Vec::new();
        self.frames.seal(&self.pending, false, &mut out);
        self.pending.clear();
        self.write(&out)
    }

    fn write(&mut self, sealed: &[u8]) -> io::Result<()> {
        if sealed.is_empty() {
            return Ok(());
        }
        let written = self.file.append(sealed);
        self.is_broken |= written.is_err();
        written
    }

    fn check(&self) -> io::Result<()> {
        if self.is_broken {
            return Err(io::Error::other(
                "an earlier write to this file failed, and its end is unknown",
            ));
        }
        Ok(())
    }
}

impl fmt::Debug for Appended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.file.fmt(f)
    }
}

/// The writer of a file that is appended to.
#[derive(Debug)]
pub(crate) struct EncryptedWriter(Arc<Mutex<Appended>>);

impl EncryptedWriter {
    pub(crate) fn new(file: Arc<Mutex<Appended>>) -> EncryptedWriter {
        EncryptedWriter(file)
    }
}

impl WritableFile for EncryptedWriter {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.lock().append(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut file = self.0.lock();
        file.flush()?;
        file.file.sync()
    }

    fn syncer(&self) -> io::Result<Arc<dyn FileSync>> {
        Ok(Arc::new(AppendedSync {
            inner: self.0.lock().file.syncer()?,
            file: Arc::clone(&self.0),
        }))
    }
}

impl Drop for EncryptedWriter {
    fn drop(&mut self) {
        // Nobody has been promised these bytes; they are written as far as that is possible.
        let _ = self.0.lock().flush();
    }
}

#[derive(Debug)]
struct AppendedSync {
    file: Arc<Mutex<Appended>>,
    inner: Arc<dyn FileSync>,
}

impl FileSync for AppendedSync {
    fn sync(&self) -> io::Result<()> {
        self.file.lock().flush()?;
        self.inner.sync()
    }
}

/// A log. It is not used again under another name: that would take a new key at its front, and a crash could leave the
/// old frames behind the new header or the new ones behind the old.
pub(crate) struct EncryptedLog {
    file: Box<dyn LogFile>,
    frames: Frames,
    /// Shared with the readers of the file.
    index: Arc<RwLock<Index>>,
    /// Plain bytes that were asked for.
    promised: u64,
    is_broken: bool,
}

impl EncryptedLog {
    /// `file` holds its header.
    pub(crate) fn new(file: Box<dyn LogFile>, key: Arc<FileKey>) -> EncryptedLog {
        EncryptedLog {
            file,
            frames: Frames::new(key),
            index: Arc::new(RwLock::new(Index::new())),
            promised: 0,
            is_broken: false,
        }
    }

    pub(crate) fn index(&self) -> Arc<RwLock<Index>> {
        Arc::clone(&self.index)
    }

    fn physical_end(&self) -> u64 {
        self.index.read().physical_end
    }

    /// Ends the file with an empty last frame, which tells its length without a look at the others. Where there is no
    /// room for it, the file ends without.
    fn end(&mut self) -> io::Result<()> {
        self.is_broken = true;
        let at = self.physical_end();
        let mut out = Vec::new();
        self.frames.seal(&[], true, &mut out);
        let end = at + out.len() as u64;
        let written = self
            .file
            .reserve(end)
            .and_then(|()| self.file.write_at(at, &out));
        self.file.finish(if written.is_ok() { end } else { at })
    }
}

/// Physical bytes that one write of `bytes` takes.
fn sealed_bytes(bytes: u64) -> u64 {
    let max = FRAME_PAYLOAD_MAX as u64;
    let overhead = (frame_bytes(0) + 8) as u64;
    bytes.saturating_add(bytes.div_ceil(max).saturating_mul(overhead))
}

/// Bytes that one write may have if it is to fit into `physical` ones.
fn payload_within(physical: u64) -> u64 {
    let overhead = (frame_bytes(0) + 8) as u64;
    let frame = FRAME_PAYLOAD_MAX as u64 + overhead;
    let whole = physical / frame * FRAME_PAYLOAD_MAX as u64;
    whole + (physical % frame).saturating_sub(overhead)
}

/// The capacity to ask for, for a log that is expected to have `capacity` plain bytes.
pub(crate) fn sealed_capacity(capacity: u64) -> u64 {
    capacity.saturating_add(capacity / 8)
}

impl LogFile for EncryptedLog {
    /// For one write from here: each frame takes a little more than its bytes.
    fn reserved(&self) -> u64 {
        match self.file.reserved() {
            u64::MAX => u64::MAX,
            reserved => {
                self.frames.offset + payload_within(reserved.saturating_sub(self.physical_end()))
            }
        }
    }

    fn reserve(&mut self, bytes: u64) -> io::Result<()> {
        let more = sealed_bytes(bytes.saturating_sub(self.frames.offset));
        self.file
            .reserve(self.physical_end().saturating_add(more))?;
        self.promised = self.promised.max(bytes);
        Ok(())
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        if self.is_broken {
            return Err(io::Error::other(
                "an earlier write to this log failed, and its end is unknown",
            ));
        }
        if offset != self.frames.offset {
            let text = format!(
                "the log ends at byte {}, and a write at {offset} was asked for",
                self.frames.offset
            );
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        let (length, reserved) = (bytes.len() as u64, self.reserved());
        if offset.saturating_add(length) > reserved.max(self.promised) {
            let text = format!(
                "cannot write {length} bytes at byte {offset} of a log: {reserved} are reserved"
            );
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        // What was promised for one write is a little short for several. Nothing is written when there is no more.
        let at = self.physical_end();
        self.file.reserve(at.saturating_add(sealed_bytes(length)))?;
        let mut out = Vec::with_capacity(frame_bytes(bytes.len()));
        let headers: Vec<FrameHeader> = bytes
            .chunks(FRAME_PAYLOAD_MAX)
            .map(|payload| self.frames.seal(payload, false, &mut out))
            .collect();
        if let Err(error) = self.file.write_at(at, &out) {
            self.is_broken = true;
            return Err(error);
        }
        let mut index = self.index.write();
        headers.iter().for_each(|header| index.push(header));
        Ok(())
    }

    fn rename(&mut self, _name: &str) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn finish(&mut self, bytes: u64) -> io::Result<()> {
        let end = {
            let index = self.index.read();
            // Frames are not cut: a little more than asked for may stay.
            let after = index.marks.partition_point(|mark| mark.offset < bytes);
            let mark = index.marks.get(after).map(|mark| mark.physical);
            mark.unwrap_or(index.physical_end)
        };
        if bytes == self.frames.offset && !self.is_broken {
            return self.end();
        }
        self.is_broken = true;
        self.file.finish(end)
    }

    fn syncer(&self) -> io::Result<Arc<dyn FileSync>> {
        self.file.syncer()
    }
}

impl fmt::Debug for EncryptedLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.file.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_reserved_is_enough() {
        for bytes in [0, 1, 100, 65_535, 65_536, 65_537, 1 << 20, 10_000_000] {
            let physical = sealed_bytes(bytes);
            assert!(payload_within(physical) >= bytes, "{bytes}");
            let length = usize::try_from(bytes).unwrap();
            let frames = vec![0; length];
            let used: usize = frames
                .chunks(FRAME_PAYLOAD_MAX)
                .map(|payload| frame_bytes(payload.len()))
                .sum();
            assert!(used as u64 <= physical, "{bytes}");
        }
    }
}
