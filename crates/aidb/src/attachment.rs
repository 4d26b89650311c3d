//! Attachments: immutable files that belong to keys.
//!
//! 1. A writer makes the file; [`AttachmentWriter::finish`] syncs it.
//! 2. A batch registers it: keyspace 0 maps (keyspace, key) to (file number, bytes, checksum). From then on the file
//!    lives and dies with its key, snapshots included.
//! 3. A file that was never registered goes with its [`Attachment`]; one that nobody can reach any more is found and
//!    discarded in the background (background/collect.rs).
//!
//! Never here: what is in them.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use aether_env::{FileMap, RandomFile, WritableFile};
use parking_lot::{Mutex, MutexGuard};
use xxhash_rust::xxh3::Xxh3;

use crate::bell::Bell;
use crate::error::{Error, Result};
use crate::file_name;
use crate::files::{FILE_BYTES_MAX, Files};
use crate::key::SeqNo;
use crate::keyspace::KeyspaceId;

/// Bytes gathered before they go to the file, and read at once for a check.
const BUFFER_BYTES: usize = 256 << 10;

/// The key of an attachment in the registry keyspace.
pub(crate) fn registry_key(keyspace: KeyspaceId, key: &[u8]) -> Vec<u8> {
    let mut registry_key = keyspace.0.to_be_bytes().to_vec();
    registry_key.extend_from_slice(key);
    registry_key
}

/// What the registry keeps: number u64, bytes u64, xxh3-64 of the contents u64; little endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AttachmentRecord {
    pub(crate) number: u64,
    pub(crate) bytes: u64,
    pub(crate) checksum: u64,
}

impl AttachmentRecord {
    pub(crate) fn encode(&self) -> [u8; 24] {
        let mut encoded = [0; 24];
        encoded[..8].copy_from_slice(&self.number.to_le_bytes());
        encoded[8..16].copy_from_slice(&self.bytes.to_le_bytes());
        encoded[16..].copy_from_slice(&self.checksum.to_le_bytes());
        encoded
    }

    pub(crate) fn decode(encoded: &[u8]) -> Option<AttachmentRecord> {
        let encoded: &[u8; 24] = encoded.try_into().ok()?;
        let mut fields = encoded
            .chunks_exact(8)
            .map(|field| field.try_into().map_or(0, u64::from_le_bytes));
        Some(AttachmentRecord {
            number: fields.next()?,
            bytes: fields.next().filter(|bytes| *bytes <= FILE_BYTES_MAX)?,
            checksum: fields.next()?,
        })
    }

    pub(crate) fn file_name(&self) -> String {
        file_name::attachment(self.number)
    }
}

/// The attachment files of a database.
pub(crate) struct Registry {
    database: u64,
    files: Arc<Files>,
    known: Mutex<BTreeMap<u64, Known>>,
    /// A registered file may have become unreachable.
    suspicion: AtomicBool,
    /// A registered file becomes unreachable at this sequence number.
    wake_at: AtomicU64,
    bell: Arc<Bell>,
    /// Held while somebody looks for unreachable files.
    collecting: Mutex<()>,
}

#[derive(Clone, Copy, Debug)]
struct Known {
    bytes: u64,
    /// A commit has referred to it.
    registered: bool,
    /// Nobody can reach it but the open [`AttachmentFile`]s.
    doomed: bool,
    /// Open [`AttachmentFile`]s.
    pins: usize,
}

impl Registry {
    pub(crate) fn new(database: u64, files: Arc<Files>, bell: Arc<Bell>) -> Registry {
        Registry {
            database,
            files,
            known: Mutex::default(),
            suspicion: AtomicBool::new(false),
            wake_at: AtomicU64::new(SeqNo::MAX.0),
            bell,
            collecting: Mutex::default(),
        }
    }

    /// The right to look for files that nobody can reach.
    pub(crate) fn collecting(&self) -> MutexGuard<'_, ()> {
        self.collecting.lock()
    }

    /// Takes over a file that a recovered commit refers to.
    pub(crate) fn recover(&self, record: &AttachmentRecord) {
        self.known.lock().insert(
            record.number,
            Known {
                bytes: record.bytes,
                registered: true,
                doomed: false,
                pins: 0,
            },
        );
    }

    /// The files that are in use or in the making, with their sizes as far as they are known.
    pub(crate) fn known(&self) -> BTreeMap<u64, u64> {
        self.known
            .lock()
            .iter()
            .map(|(number, known)| (*number, known.bytes))
            .collect()
    }

    /// The files that some commit has referred to.
    pub(crate) fn registered(&self) -> Vec<u64> {
        self.known
            .lock()
            .iter()
            .filter(|(_, known)| known.registered)
            .map(|(number, _)| *number)
            .collect()
    }

    /// Discards files that no key refers to; those that are being read go with their last reader.
    pub(crate) fn discard(&self, unreachable: &[u64]) {
        let mut known = self.known.lock();
        for number in unreachable {
            match known.get_mut(number) {
                Some(entry) if entry.pins > 0 => entry.doomed = true,
                Some(_) => {
                    known.remove(number);
                    self.files.discard(file_name::attachment(*number));
                }
                None => {}
            }
        }
    }

    /// Says that a registered file may have become unreachable.
    pub(crate) fn suspect(&self) {
        self.suspicion.store(true, Ordering::Release);
        self.bell.ring();
    }

    /// Look again once no reader and no crash can go back before `seq`; [`SeqNo::MAX`]: no need.
    pub(crate) fn set_wake_at(&self, seq: SeqNo) {
        self.wake_at.store(seq.0, Ordering::Release);
    }

    /// See [`Registry::set_wake_at`].
    pub(crate) fn wake_at(&self) -> SeqNo {
        SeqNo(self.wake_at.load(Ordering::Acquire))
    }

    /// Takes the suspicion, if there is one.
    pub(crate) fn take_suspicion(&self) -> bool {
        self.suspicion.swap(false, Ordering::AcqRel)
    }

    fn forget(&self, number: u64) {
        let mut known = self.known.lock();
        if known.remove(&number).is_some() {
            // Under the lock: a file is known, or else it is leaving.
            self.files.discard(file_name::attachment(number));
            drop(known);
            self.bell.ring();
        }
    }

    /// A writer of the new file `number`.
    pub(crate) fn writer(self: &Arc<Self>, number: u64) -> Result<AttachmentWriter> {
        let name = file_name::attachment(number);
        let explain = |error| Error::io(format_args!("create {name}"), error);
        self.known.lock().insert(
            number,
            Known {
                bytes: 0,
                registered: false,
                doomed: false,
                pins: 0,
            },
        );
        let draft = Draft {
            registry: Arc::clone(self),
            number,
            kept: false,
        };
        // Known before it is there, so that nobody takes it for a leftover.
        let file = self.files.storage.create(&name).map_err(explain)?;
        Ok(AttachmentWriter {
            file,
            hasher: Box::default(),
            buffer: Vec::new(),
            bytes: 0,
            draft,
        })
    }

    /// Opens the file of a registered attachment.
    pub(crate) fn open(self: &Arc<Self>, record: AttachmentRecord) -> Result<AttachmentFile> {
        let name = record.file_name();
        match self.known.lock().get_mut(&record.number) {
            Some(known) => known.pins += 1,
            None => return Err(Error::corruption(&name, 0, "the attachment is missing")),
        }
        let pin = Pin {
            registry: Arc::clone(self),
            number: record.number,
        };
        let file = self
            .files
            .storage
            .open(&name)
            .map_err(|error| match error.kind() {
                io::ErrorKind::NotFound => {
                    Error::corruption(&name, 0, "the attachment is missing, and a key needs it")
                }
                _ => Error::io(format_args!("open {name}"), error),
            })?;
        check_length(&name, &record, file.as_ref())?;
        Ok(AttachmentFile(Arc::new(OpenFile {
            record,
            name,
            file,
            _pin: pin,
        })))
    }
}

fn check_length(name: &str, record: &AttachmentRecord, file: &dyn RandomFile) -> Result<()> {
    if file.len() == record.bytes {
        return Ok(());
    }
    let detail = format_args!(
        "the file has {} bytes, and {} are expected",
        file.len(),
        record.bytes
    );
    Err(Error::corruption(
        name,
        file.len().min(record.bytes),
        detail,
    ))
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry")
            .field("known", &self.known.lock().len())
            .finish_non_exhaustive()
    }
}

/// A file that goes unless a commit keeps it.
struct Draft {
    registry: Arc<Registry>,
    number: u64,
    kept: bool,
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.kept {
            self.registry.forget(self.number);
        }
    }
}

/// Writes an attachment. Dropped before [`AttachmentWriter::finish`], it leaves nothing.
pub struct AttachmentWriter {
    file: Box<dyn WritableFile>,
    hasher: Box<Xxh3>,
    buffer: Vec<u8>,
    bytes: u64,
    draft: Draft,
}

impl AttachmentWriter {
    /// Syncs the file. The attachment can then be given to [`WriteBatch::attach`](crate::WriteBatch::attach).
    ///
    /// # Errors
    /// When the file cannot be written or synced; nothing is left then.
    pub fn finish(mut self) -> Result<Attachment> {
        let name = file_name::attachment(self.draft.number);
        self.drain()
            .and_then(|()| self.file.sync())
            .and_then(|()| self.draft.registry.files.storage.sync_names())
            .map_err(|error| Error::io(format_args!("write {name}"), error))?;
        let record = AttachmentRecord {
            number: self.draft.number,
            bytes: self.bytes,
            checksum: self.hasher.digest(),
        };
        if let Some(known) = self.draft.registry.known.lock().get_mut(&record.number) {
            known.bytes = record.bytes;
        }
        Ok(Attachment {
            record,
            draft: self.draft,
        })
    }

    fn drain(&mut self) -> io::Result<()> {
        self.file.append(&self.buffer)?;
        self.buffer.clear();
        Ok(())
    }
}

impl io::Write for AttachmentWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.hasher.update(bytes);
        self.bytes += bytes.len() as u64;
        if bytes.len() >= BUFFER_BYTES {
            self.drain()?;
            self.file.append(bytes)?;
        } else {
            self.buffer.extend_from_slice(bytes);
            if self.buffer.len() >= BUFFER_BYTES {
                self.drain()?;
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.drain()
    }
}

impl fmt::Debug for AttachmentWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AttachmentWriter")
            .field("bytes", &self.bytes)
            .finish_non_exhaustive()
    }
}

/// A finished file that waits for the commit that registers it. Dropped before that, the file goes.
pub struct Attachment {
    record: AttachmentRecord,
    draft: Draft,
}

impl Attachment {
    /// Its length.
    pub fn bytes(&self) -> u64 {
        self.record.bytes
    }

    /// The name of its file.
    pub fn file_name(&self) -> String {
        self.record.file_name()
    }

    pub(crate) fn record(&self) -> AttachmentRecord {
        self.record
    }

    pub(crate) fn database(&self) -> u64 {
        self.draft.registry.database
    }

    /// A visible commit refers to it now.
    pub(crate) fn keep(mut self) {
        if let Some(known) = self
            .draft
            .registry
            .known
            .lock()
            .get_mut(&self.record.number)
        {
            known.registered = true;
        }
        self.draft.kept = true;
    }

    /// A commit that refers to it failed, but a crash may bring it back: only the next open can tell.
    pub(crate) fn leave(mut self) {
        self.draft.kept = true;
    }
}

impl fmt::Debug for Attachment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.record.fmt(f)
    }
}

/// Keeps a file from being discarded.
struct Pin {
    registry: Arc<Registry>,
    number: u64,
}

impl Drop for Pin {
    fn drop(&mut self) {
        let mut known = self.registry.known.lock();
        let Some(entry) = known.get_mut(&self.number) else {
            return;
        };
        entry.pins -= 1;
        let goes = entry.pins == 0 && entry.doomed;
        drop(known);
        if goes {
            self.registry.forget(self.number);
        }
    }
}

/// An attachment that can be read. Its file stays for as long as a clone of this lives.
#[derive(Clone)]
pub struct AttachmentFile(Arc<OpenFile>);

struct OpenFile {
    record: AttachmentRecord,
    name: String,
    file: Arc<dyn RandomFile>,
    _pin: Pin,
}

impl AttachmentFile {
    /// Its length.
    pub fn bytes(&self) -> u64 {
        self.0.record.bytes
    }

    /// The name of its file, for messages.
    pub fn file_name(&self) -> String {
        self.0.name.clone()
    }

    /// Its contents as memory that the caller may change without changing the file; see
    /// [`RandomFile::map_private`]. Nothing is checked: [`AttachmentFile::verify`] is.
    pub fn map(&self) -> Result<FileMap> {
        self.0
            .file
            .map_private()
            .map_err(|error| Error::io(format_args!("map {}", self.0.name), error))
    }

    /// Fills `buffer` from `offset`. Nothing is checked: [`AttachmentFile::verify`] is.
    pub fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<()> {
        self.0.file.read_at(offset, buffer).map_err(|error| {
            Error::io(format_args!("read {} at byte {offset}", self.0.name), error)
        })
    }

    /// Reads everything and compares it with the checksum.
    ///
    /// # Errors
    /// [`ErrorKind::Corruption`](crate::ErrorKind::Corruption) when they differ.
    pub fn verify(&self) -> Result<()> {
        let mut hasher = Xxh3::new();
        let mut buffer = vec![0; BUFFER_BYTES];
        let mut offset = 0;
        while offset < self.bytes() {
            let rest = usize::try_from(self.bytes() - offset).unwrap_or(usize::MAX);
            let part = &mut buffer[..rest.min(BUFFER_BYTES)];
            self.read_at(offset, part)?;
            hasher.update(part);
            offset += part.len() as u64;
        }
        let (stored, computed) = (self.0.record.checksum, hasher.digest());
        if stored == computed {
            return Ok(());
        }
        let detail =
            format_args!("checksum mismatch: stored {stored:016x}, computed {computed:016x}");
        Err(Error::corruption(&self.0.name, 0, detail))
    }
}

impl fmt::Debug for AttachmentFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.record.fmt(f)
    }
}
