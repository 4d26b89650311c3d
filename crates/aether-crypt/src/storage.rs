//! The storage itself: names, headers and keys; the bytes are writer.rs's and reader.rs's.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Weak};

use aether_env::{
    Draft, FileEntry, FileLock, FileRange, LogFile, RandomFile, Storage, WritableFile,
};
use parking_lot::{Mutex, RwLock};
use std::any::Any;

use crate::cipher::Cipher;
use crate::empty::EmptyFile;
use crate::frame::FileKey;
use crate::header::{self, FileHeader, HEADER_BYTES, Kind};
use crate::index::{Index, regular_len_max};
use crate::keys::{KeyId, KeyProvider};
use crate::reader::EncryptedReader;
use crate::writer::{Appended, EncryptedLog, EncryptedWriter, seal_whole, sealed_capacity};

/// Keeps every file of another storage encrypted. A clone is another handle on the same files.
#[derive(Clone, Debug)]
pub struct EncryptedStorage {
    inner: Arc<dyn Storage>,
    keys: Arc<dyn KeyProvider>,
    cipher: Cipher,
    /// Files that are being written, so that readers see all of them.
    live: Arc<Mutex<BTreeMap<String, Live>>>,
}

/// What is known of a file that may still be written.
#[derive(Debug)]
enum Live {
    Appended(Weak<Mutex<Appended>>),
    Log(Weak<RwLock<Index>>, Arc<FileKey>),
}

/// The index that a log's writer keeps, and the log's key.
type LiveLog = (Arc<RwLock<Index>>, Arc<FileKey>);

/// An open inner file with its header.
struct Opened {
    file: Arc<dyn RandomFile>,
    header: FileHeader,
}

impl EncryptedStorage {
    /// The files of `inner`, under `keys`. New files are encrypted by `cipher`; those that are there say how they are.
    pub fn new(
        inner: Arc<dyn Storage>,
        keys: Arc<dyn KeyProvider>,
        cipher: Cipher,
    ) -> EncryptedStorage {
        EncryptedStorage {
            inner,
            keys,
            cipher,
            live: Arc::default(),
        }
    }

    /// The keys that files are wrapped with, and how many files each. One that is not current and not here any more
    /// may be destroyed.
    ///
    /// # Errors
    /// When the files cannot be listed or opened.
    pub fn keys_in_use(&self) -> io::Result<BTreeMap<KeyId, u64>> {
        let mut keys = BTreeMap::new();
        for entry in self.inner.list()? {
            let header = match self.inner.open(&entry.name) {
                Ok(file) => read_header(&*file)?,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue, // deleted meanwhile
                Err(error) => return Err(error),
            };
            if let Ok(header) = header {
                *keys.entry(header.key).or_insert(0) += 1;
            }
        }
        Ok(keys)
    }

    fn new_file(&self, name: &str, kind: Kind) -> io::Result<([u8; HEADER_BYTES], Arc<FileKey>)> {
        let id = self.keys.current();
        let key = self
            .keys
            .key(id)
            .map_err(|error| self.no_key(name, id, &error))?;
        let (header, file_key) = header::new_file(name, self.cipher, kind, id, &key)?;
        Ok((header, Arc::new(file_key)))
    }

    fn open_header(&self, name: &str, file: Arc<dyn RandomFile>) -> io::Result<Opened> {
        match read_header(&*file)? {
            Ok(header) => Ok(Opened { file, header }),
            Err(detail) => Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!(
                    "{name} in {} is not an encrypted file, or is damaged at byte 0: {detail}; open a database as it was \
                     made, or restore this file from a backup",
                    self.location()
                ),
            )),
        }
    }

    fn unwrap(&self, name: &str, header: &FileHeader) -> io::Result<Arc<FileKey>> {
        let key = self
            .keys
            .key(header.key)
            .map_err(|error| self.no_key(name, header.key, &error))?;
        let unwrapped = header.unwrap(name, &key);
        unwrapped.map(Arc::new).ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::PermissionDenied,
                format!(
                    "{name} in {} does not open with key {}: it is another key of that number, or the file was made \
                     under another name",
                    self.location(),
                    header.key
                ),
            )
        })
    }

    fn no_key(&self, name: &str, id: KeyId, error: &io::Error) -> io::Error {
        // Not `NotFound`: that would mean the file.
        io::Error::new(
            io::ErrorKind::PermissionDenied,
            format!(
                "{name} in {} is encrypted with key {id}, which cannot be had: {error}",
                self.location()
            ),
        )
    }

    fn reader(&self, name: &str) -> io::Result<Option<EncryptedReader>> {
        let live = self.live_log(name);
        let file = self.inner.open(name)?;
        if file.is_empty() {
            return Ok(None);
        }
        let Opened { file, header } = self.open_header(name, file)?;
        let (key, index) = match live {
            Some((index, key)) => (key, Some(index)),
            None => (self.unwrap(name, &header)?, None),
        };
        let location = self.location();
        EncryptedReader::new(file, key, header.kind, index, name, location).map(Some)
    }

    /// Has all that was appended to `name` in its file, if it is being appended to; the index of a log.
    fn live_log(&self, name: &str) -> Option<LiveLog> {
        let mut live = self.live.lock();
        let appended = match live.get(name) {
            None => return None,
            Some(Live::Log(index, key)) => match index.upgrade() {
                Some(index) => return Some((index, Arc::clone(key))),
                None => None,
            },
            Some(Live::Appended(file)) => file.upgrade(),
        };
        let Some(appended) = appended else {
            live.remove(name);
            return None;
        };
        drop(live);
        // A file whose writing failed is read as far as it goes.
        let _ = appended.lock().flush();
        None
    }

    fn live_len(&self, name: &str) -> Option<u64> {
        match self.live.lock().get(name)? {
            Live::Appended(file) => Some(file.upgrade()?.lock().len()),
            Live::Log(index, _) => Some(index.upgrade()?.read().len),
        }
    }

    /// Plain bytes of a file that is there. One whose header is damaged has about what it should have, so that the
    /// damage is found by whoever reads it.
    fn plain_len(&self, name: &str, physical: u64) -> io::Result<Option<u64>> {
        if let Some(len) = self.live_len(name) {
            return Ok(Some(len));
        }
        let file = match self.inner.open(name) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        match read_header(&*file)? {
            Ok(header) => {
                let key = self.unwrap(name, &header)?;
                let kind = header.kind;
                if kind == Kind::Log
                    && let Some(len) = EncryptedReader::ended_len(&*file, &key)?
                {
                    return Ok(Some(len));
                }
                let reader = EncryptedReader::new(file, key, kind, None, name, self.location());
                Ok(Some(match reader {
                    Ok(reader) => reader.len(),
                    Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                        regular_len_max(physical)
                    }
                    Err(error) => return Err(error),
                }))
            }
            Err(_) if is_unwritten(&*file)? => Ok(Some(0)),
            Err(_) => Ok(Some(regular_len_max(physical))),
        }
    }

    fn watch(&self, name: &str, file: Live) {
        let mut live = self.live.lock();
        live.retain(|_, file| match file {
            Live::Appended(file) => file.strong_count() > 0,
            Live::Log(index, _) => index.strong_count() > 0,
        });
        live.insert(name.to_owned(), file);
    }
}

/// The header of `file`; the inner error is what is wrong with it.
fn read_header(file: &dyn RandomFile) -> io::Result<Result<FileHeader, String>> {
    let mut bytes = [0; HEADER_BYTES];
    if file.len() < HEADER_BYTES as u64 {
        let detail = format!(
            "it has {} bytes, and its header alone has {HEADER_BYTES}",
            file.len()
        );
        return Ok(Err(detail));
    }
    file.read_at(0, &mut bytes)?;
    Ok(FileHeader::read(&bytes))
}

/// True when nothing of the header has ever reached the disk.
fn is_unwritten(file: &dyn RandomFile) -> io::Result<bool> {
    let bytes = usize::try_from(file.len().min(HEADER_BYTES as u64)).map_err(io::Error::other)?;
    let mut header = [0; HEADER_BYTES];
    file.read_at(0, &mut header[..bytes])?;
    Ok(header.iter().all(|byte| *byte == 0))
}

impl Storage for EncryptedStorage {
    fn create(&self, name: &str) -> io::Result<Box<dyn WritableFile>> {
        let (header, key) = self.new_file(name, Kind::Appended)?;
        let mut file = self.inner.create(name)?;
        file.append(&header)?;
        let file = Arc::new(Mutex::new(Appended::new(file, key)));
        self.watch(name, Live::Appended(Arc::downgrade(&file)));
        Ok(Box::new(EncryptedWriter::new(file)))
    }

    fn create_log(&self, name: &str, capacity: u64) -> io::Result<Box<dyn LogFile>> {
        let (header, key) = self.new_file(name, Kind::Log)?;
        let mut file = self.inner.create_log(name, sealed_capacity(capacity))?;
        file.reserve(HEADER_BYTES as u64)?;
        file.write_at(0, &header)?;
        let log = EncryptedLog::new(file, Arc::clone(&key));
        self.watch(name, Live::Log(Arc::downgrade(&log.index()), key));
        Ok(Box::new(log))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn RandomFile>> {
        Ok(match self.reader(name)? {
            Some(reader) => Arc::new(reader),
            None => Arc::new(EmptyFile::new(name, self.location())),
        })
    }

    fn read_batch(&self, reads: &mut [FileRange<'_>]) -> io::Result<()> {
        let mut spans = Vec::with_capacity(reads.len());
        for read in reads.iter_mut() {
            let file: &dyn Any = read.file;
            let reader = file.downcast_ref::<EncryptedReader>();
            match reader {
                Some(reader) => {
                    if let Some(span) = reader.span(read.offset, read.buffer.len())? {
                        let physical = vec![0; span.bytes()?];
                        spans.push((reader, span, physical, &mut *read.buffer));
                    }
                }
                None => read.file.read_at(read.offset, read.buffer)?,
            }
        }
        let mut inner: Vec<FileRange<'_>> = spans
            .iter_mut()
            .map(|(reader, span, physical, _)| FileRange {
                file: reader.inner(),
                offset: span.physical(),
                buffer: physical,
            })
            .collect();
        self.inner.read_batch(&mut inner)?;
        for (reader, span, mut physical, buffer) in spans {
            reader.decrypt(&span, &mut physical, buffer)?;
        }
        Ok(())
    }

    fn put_if_absent(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let (header, key) = self.new_file(name, Kind::Whole)?;
        self.inner
            .put_if_absent(name, &seal_whole(&header, key, bytes))
    }

    fn list(&self) -> io::Result<Vec<FileEntry>> {
        let mut files = Vec::new();
        for entry in self.inner.list()? {
            if let Some(bytes) = self.plain_len(&entry.name, entry.bytes)? {
                files.push(FileEntry { bytes, ..entry });
            }
        }
        Ok(files)
    }

    fn delete(&self, name: &str) -> io::Result<()> {
        self.inner.delete(name)?;
        self.live.lock().remove(name);
        Ok(())
    }

    fn sync_names(&self) -> io::Result<()> {
        self.inner.sync_names()
    }

    fn lock(&self, name: &str) -> io::Result<Box<dyn FileLock>> {
        self.inner.lock(name)
    }

    /// Files are shared only among storages with the same keys: others get copies under keys of their own.
    fn link_from(&self, source: &dyn Storage, name: &str) -> io::Result<bool> {
        let source: &dyn Any = source;
        match source.downcast_ref::<EncryptedStorage>() {
            Some(source) if Arc::ptr_eq(&self.keys, &source.keys) => {
                self.inner.link_from(&*source.inner, name)
            }
            _ => Ok(false),
        }
    }

    fn draft(&self, path: &Path) -> io::Result<Box<dyn Draft>> {
        Ok(Box::new(EncryptedDraft {
            inner: self.inner.draft(path)?,
            keys: Arc::clone(&self.keys),
            cipher: self.cipher,
        }))
    }

    fn location(&self) -> String {
        self.inner.location()
    }
}

#[derive(Debug)]
struct EncryptedDraft {
    inner: Box<dyn Draft>,
    keys: Arc<dyn KeyProvider>,
    cipher: Cipher,
}

impl Draft for EncryptedDraft {
    fn storage(&self) -> Arc<dyn Storage> {
        let keys = Arc::clone(&self.keys);
        Arc::new(EncryptedStorage::new(
            self.inner.storage(),
            keys,
            self.cipher,
        ))
    }

    fn publish(self: Box<Self>) -> io::Result<()> {
        self.inner.publish()
    }
}
