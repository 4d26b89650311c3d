//! Files in memory, with what a power cut would leave of them.
//!
//! Two things are kept twice, as a disk and its cache do:
//!
//! - the *bytes* of a file: all of them, and how many a sync has made durable;
//! - the *names*: as the program sees them, and as the last [`Storage::sync_names`] left them.
//!
//! [`MemoryStorage::image`] builds from both a storage as a machine could find it after losing power now. It is
//! stricter than most file systems: syncing a file does not make its name durable, and names are lost one by one. Of
//! logs, which are written in place, the old contents of unsynced sectors are kept too.

mod log;

use crate::log_file::LogFile;
use crate::name;
use crate::storage::{FileEntry, FileLock, FileMap, FileSync, RandomFile, Storage, WritableFile};
use parking_lot::{Mutex, RwLock};
use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

const LOCATION: &str = "memory";

/// Bytes that a disk writes at once.
const SECTOR_BYTES: usize = 512;

/// What a power cut does to what was not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CrashImage {
    /// All names as last seen; of each file only the synced bytes.
    LoseUnsynced,
    /// Everything arrived.
    KeepAll,
    /// All names; of each unsynced tail a random prefix, whose last sector may be garbled or zero.
    Torn,
    /// All names; of each unsynced tail any of its sectors, the others zero: a disk writes them in any order.
    LostSectors,
    /// Only synced bytes, and creations and deletions since the last sync of names are undone.
    LoseNames,
    /// Each file and each name suffers something else of the above.
    Random,
}

impl CrashImage {
    /// All kinds.
    pub const ALL: [CrashImage; 6] = [
        CrashImage::LoseUnsynced,
        CrashImage::KeepAll,
        CrashImage::Torn,
        CrashImage::LostSectors,
        CrashImage::LoseNames,
        CrashImage::Random,
    ];
}

/// Files in memory. A clone is another handle on the same files.
#[derive(Clone, Default)]
pub struct MemoryStorage {
    state: Arc<Mutex<State>>,
}

type Names = BTreeMap<String, Arc<MemoryFile>>;

#[derive(Default)]
struct State {
    names: Names,
    durable_names: Names,
    locks: BTreeSet<String>,
}

struct MemoryFile {
    name: String,
    contents: RwLock<Contents>,
    /// Another storage has it too: its bytes must not change any more.
    is_linked: AtomicBool,
}

struct Contents {
    bytes: Vec<u8>,
    durable: usize,
    /// Set for logs.
    is_in_place: bool,
    unsynced: log::Unsynced,
    /// A sync has failed: later ones succeed and do nothing.
    stuck: bool,
}

impl MemoryStorage {
    /// No files yet.
    pub fn new() -> MemoryStorage {
        MemoryStorage::default()
    }

    /// The storage that a machine could find after a power cut now. Everything in it is durable, and nothing locked.
    /// The same `seed` gives the same image.
    pub fn image(&self, image: CrashImage, seed: u64) -> MemoryStorage {
        let state = self.state.lock();
        let mut random = fastrand::Rng::with_seed(seed);
        let names = match image {
            CrashImage::LoseUnsynced
            | CrashImage::KeepAll
            | CrashImage::Torn
            | CrashImage::LostSectors => state.names.clone(),
            CrashImage::LoseNames => state.durable_names.clone(),
            CrashImage::Random => mixed_names(&state, &mut random),
        };
        let survivors: Names = names
            .into_iter()
            .map(|(name, file)| {
                let bytes = file.contents.read().after_crash(image, &mut random);
                (name.clone(), MemoryFile::durable(&name, bytes))
            })
            .collect();
        let state = State {
            names: survivors.clone(),
            durable_names: survivors,
            locks: BTreeSet::new(),
        };
        MemoryStorage {
            state: Arc::new(Mutex::new(state)),
        }
    }

    /// All bytes of a file. `NotFound` when it is missing.
    pub fn contents(&self, name: &str) -> io::Result<Vec<u8>> {
        Ok(self.find(name, "read")?.contents.read().bytes.clone())
    }

    /// Puts other bytes in a file's place, or adds one, durably: for tests that damage files. Open handles keep the
    /// old bytes.
    pub fn replace(&self, name: &str, bytes: Vec<u8>) {
        let mut state = self.state.lock();
        let file = MemoryFile::durable(name, bytes);
        state.names.insert(name.to_owned(), Arc::clone(&file));
        state.durable_names.insert(name.to_owned(), file);
    }

    /// From now on syncs of this file do nothing and succeed: what a kernel does after an fsync has failed, because
    /// the pages that could not be written count as clean.
    pub fn stop_syncing(&self, name: &str) -> io::Result<()> {
        self.find(name, "sync")?.contents.write().stuck = true;
        Ok(())
    }

    /// A new empty file.
    fn add(&self, name: &str) -> io::Result<Arc<MemoryFile>> {
        name::check(name)?;
        let mut state = self.state.lock();
        if state.names.contains_key(name) {
            return Err(name::explain(
                &io::ErrorKind::AlreadyExists.into(),
                "create",
                name,
                LOCATION,
            ));
        }
        let file = MemoryFile::durable(name, Vec::new());
        state.names.insert(name.to_owned(), Arc::clone(&file));
        Ok(file)
    }

    fn find(&self, name: &str, attempt: &str) -> io::Result<Arc<MemoryFile>> {
        name::check(name)?;
        let found = self.state.lock().names.get(name).cloned();
        found.ok_or_else(|| missing(name, attempt))
    }
}

impl fmt::Debug for MemoryStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.state.lock().names.values())
            .finish()
    }
}

impl Storage for MemoryStorage {
    fn create(&self, name: &str) -> io::Result<Box<dyn WritableFile>> {
        Ok(Box::new(MemoryWritable(self.add(name)?)))
    }

    fn create_log(&self, name: &str, _capacity: u64) -> io::Result<Box<dyn LogFile>> {
        let file = self.add(name)?;
        file.contents.write().is_in_place = true;
        let state = Arc::clone(&self.state);
        Ok(Box::new(log::MemoryLog::new(state, file, name)))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn RandomFile>> {
        let file = self.find(name, "open")?;
        let len = file.contents.read().bytes.len();
        Ok(Arc::new(MemoryReadable { file, len }))
    }

    fn put_if_absent(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        name::check(name)?;
        let mut state = self.state.lock();
        if state.names.contains_key(name) {
            return Err(name::explain(
                &io::ErrorKind::AlreadyExists.into(),
                "put",
                name,
                LOCATION,
            ));
        }
        let file = MemoryFile::durable(name, bytes.to_vec());
        state.names.insert(name.to_owned(), Arc::clone(&file));
        state.durable_names.insert(name.to_owned(), file);
        Ok(())
    }

    fn list(&self) -> io::Result<Vec<FileEntry>> {
        let entry = |(name, file): (&String, &Arc<MemoryFile>)| FileEntry {
            name: name.clone(),
            bytes: file.contents.read().bytes.len() as u64,
        };
        Ok(self.state.lock().names.iter().map(entry).collect())
    }

    fn delete(&self, name: &str) -> io::Result<()> {
        name::check(name)?;
        let removed = self.state.lock().names.remove(name);
        removed.map(|_| ()).ok_or_else(|| missing(name, "delete"))
    }

    fn sync_names(&self) -> io::Result<()> {
        let mut state = self.state.lock();
        state.durable_names = state.names.clone();
        Ok(())
    }

    fn lock(&self, name: &str) -> io::Result<Box<dyn FileLock>> {
        name::check(name)?;
        if !self.state.lock().locks.insert(name.to_owned()) {
            return Err(name::locked(name, LOCATION, Some(std::process::id())));
        }
        Ok(Box::new(MemoryLock {
            state: Arc::clone(&self.state),
            name: name.to_owned(),
        }))
    }

    fn link_from(&self, source: &dyn Storage, name: &str) -> io::Result<bool> {
        let source: &dyn Any = source;
        let Some(source) = source.downcast_ref::<MemoryStorage>() else {
            return Ok(false);
        };
        let file = source.find(name, "link")?;
        file.is_linked.store(true, Ordering::Release);
        let mut state = self.state.lock();
        if state.names.contains_key(name) {
            return Err(name::explain(
                &io::ErrorKind::AlreadyExists.into(),
                "link",
                name,
                LOCATION,
            ));
        }
        state.names.insert(name.to_owned(), file);
        Ok(true)
    }

    fn location(&self) -> String {
        LOCATION.to_owned()
    }
}

impl MemoryFile {
    fn durable(name: &str, bytes: Vec<u8>) -> Arc<MemoryFile> {
        let contents = Contents {
            durable: bytes.len(),
            bytes,
            is_in_place: false,
            unsynced: log::Unsynced::new(),
            stuck: false,
        };
        Arc::new(MemoryFile {
            name: name.to_owned(),
            contents: RwLock::new(contents),
            is_linked: AtomicBool::new(false),
        })
    }
}

impl fmt::Debug for MemoryFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let contents = self.contents.read();
        write!(
            f,
            "{} ({} bytes, {} durable)",
            self.name,
            contents.bytes.len(),
            contents.durable
        )
    }
}

impl FileSync for MemoryFile {
    fn sync(&self) -> io::Result<()> {
        let mut contents = self.contents.write();
        if !contents.stuck {
            contents.durable = contents.bytes.len();
            contents.unsynced.clear();
        }
        Ok(())
    }
}

impl Contents {
    fn after_crash(&self, image: CrashImage, random: &mut fastrand::Rng) -> Vec<u8> {
        if self.is_in_place {
            return self.overwritten(image, random);
        }
        match image {
            CrashImage::LoseUnsynced | CrashImage::LoseNames => self.bytes[..self.durable].to_vec(),
            CrashImage::KeepAll => self.bytes.clone(),
            CrashImage::Torn => self.torn(random),
            CrashImage::LostSectors => self.with_lost_sectors(random),
            CrashImage::Random => match random.u8(..4) {
                0 => self.bytes[..self.durable].to_vec(),
                1 => self.bytes.clone(),
                2 => self.with_lost_sectors(random),
                _ => self.torn(random),
            },
        }
    }

    /// A random prefix that has at least the synced bytes; its last sector may not be what was written.
    fn torn(&self, random: &mut fastrand::Rng) -> Vec<u8> {
        let mut bytes = self.bytes[..random.usize(self.durable..=self.bytes.len())].to_vec();
        let last_sector = bytes.len().saturating_sub(1) / SECTOR_BYTES * SECTOR_BYTES;
        let tail = &mut bytes[self.durable.max(last_sector)..];
        match random.u8(..3) {
            0 => {}
            1 => random.fill(tail),
            _ => tail.fill(0), // the file system grew the file and never wrote the data
        }
        bytes
    }

    /// Unsynced sectors are zero with a chance that is drawn first.
    fn with_lost_sectors(&self, random: &mut fastrand::Rng) -> Vec<u8> {
        let mut bytes = self.bytes.clone();
        let chance = random.f64();
        let mut from = self.durable;
        while from < bytes.len() {
            let to = ((from / SECTOR_BYTES + 1) * SECTOR_BYTES).min(bytes.len());
            if random.f64() < chance {
                bytes[from..to].fill(0);
            }
            from = to;
        }
        bytes
    }
}

/// Of each name that differs between the cache and the disk, one of the two at random.
fn mixed_names(state: &State, random: &mut fastrand::Rng) -> Names {
    let all: BTreeSet<&String> = state
        .names
        .keys()
        .chain(state.durable_names.keys())
        .collect();
    let pick = |name: &String| {
        let (seen, durable) = (state.names.get(name), state.durable_names.get(name));
        let file = if random.bool() { seen } else { durable };
        Some((name.clone(), Arc::clone(file?)))
    };
    all.into_iter().filter_map(pick).collect()
}

struct MemoryWritable(Arc<MemoryFile>);

impl fmt::Debug for MemoryWritable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl WritableFile for MemoryWritable {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.contents.write().bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        FileSync::sync(&*self.0)
    }

    fn syncer(&self) -> io::Result<Arc<dyn FileSync>> {
        Ok(Arc::clone(&self.0) as Arc<dyn FileSync>)
    }
}

#[derive(Debug)]
struct MemoryReadable {
    file: Arc<MemoryFile>,
    len: usize,
}

impl RandomFile for MemoryReadable {
    fn len(&self) -> u64 {
        self.len as u64
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let contents = self.file.contents.read();
        let from = usize::try_from(offset).ok();
        let slice = from.and_then(|from| contents.bytes.get(from..from.checked_add(buffer.len())?));
        let Some(slice) = slice else {
            let length = contents.bytes.len() as u64;
            return Err(name::beyond_end(
                &self.file.name,
                LOCATION,
                offset,
                buffer.len(),
                length,
            ));
        };
        buffer.copy_from_slice(slice);
        Ok(())
    }

    fn map_private(&self) -> io::Result<FileMap> {
        Ok(FileMap::Copied(
            self.file.contents.read().bytes[..self.len].to_vec(),
        ))
    }
}

struct MemoryLock {
    state: Arc<Mutex<State>>,
    name: String,
}

impl fmt::Debug for MemoryLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("MemoryLock").field(&self.name).finish()
    }
}

impl FileLock for MemoryLock {}

impl Drop for MemoryLock {
    fn drop(&mut self) {
        self.state.lock().locks.remove(&self.name);
    }
}

fn missing(name: &str, attempt: &str) -> io::Error {
    name::explain(&io::ErrorKind::NotFound.into(), attempt, name, LOCATION)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(storage: &MemoryStorage) -> Vec<String> {
        storage
            .list()
            .unwrap()
            .into_iter()
            .map(|file| file.name)
            .collect()
    }

    /// `kept` has 1,000 synced bytes and 2,000 more; `new` is not a durable name, `old` is deleted but not durably so.
    fn unsettled() -> MemoryStorage {
        let storage = MemoryStorage::new();
        let mut kept = storage.create("kept").unwrap();
        storage.create("old").unwrap().append(b"old").unwrap();
        storage.sync_names().unwrap();
        kept.append(&[1; 1_000]).unwrap();
        kept.sync().unwrap();
        kept.append(&[2; 2_000]).unwrap();
        let mut new = storage.create("new").unwrap();
        new.append(b"new").unwrap();
        new.sync().unwrap();
        storage.delete("old").unwrap();
        storage
    }

    #[test]
    fn unsynced_bytes_are_lost() {
        let image = unsettled().image(CrashImage::LoseUnsynced, 0);
        assert_eq!(names(&image), ["kept", "new"]);
        assert_eq!(image.contents("kept").unwrap(), [1; 1_000]);
        assert_eq!(image.contents("new").unwrap(), b"new");
    }

    #[test]
    fn everything_may_have_arrived() {
        let image = unsettled().image(CrashImage::KeepAll, 0);
        assert_eq!(names(&image), ["kept", "new"]);
        assert_eq!(image.contents("kept").unwrap().len(), 3_000);
    }

    #[test]
    fn unsynced_names_are_lost() {
        let image = unsettled().image(CrashImage::LoseNames, 0);
        assert_eq!(names(&image), ["kept", "old"]);
        assert_eq!(
            image.contents("old").unwrap(),
            b"",
            "its name was synced, its bytes were not"
        );
    }

    #[test]
    fn torn_tails_keep_what_was_synced_and_garble_one_sector_at_most() {
        let storage = unsettled();
        let (mut lengths, mut garbled) = (BTreeSet::new(), 0);
        for seed in 0..200 {
            let bytes = storage
                .image(CrashImage::Torn, seed)
                .contents("kept")
                .unwrap();
            assert_eq!(bytes[..1_000], [1; 1_000]);
            let wrong = bytes.iter().skip(1_000).position(|&byte| byte != 2);
            if let Some(first) = wrong {
                garbled += 1;
                assert!(bytes.len() - (1_000 + first) <= SECTOR_BYTES);
            }
            lengths.insert(bytes.len());
        }
        assert!(lengths.len() > 100 && garbled > 50);
    }

    #[test]
    fn lost_sectors_are_zero_and_whole() {
        let storage = unsettled();
        let mut middle = 0;
        for seed in 0..200 {
            let bytes = storage
                .image(CrashImage::LostSectors, seed)
                .contents("kept")
                .unwrap();
            assert_eq!((bytes.len(), &bytes[..1_000]), (3_000, &[1; 1_000][..]));
            assert_eq!(bytes[1_000], bytes[1_023]);
            let sector = &bytes[2_048..2_560];
            assert!(sector.iter().all(|&byte| byte == sector[0]));
            middle += u32::from(sector[0] == 0 && bytes[2_999] == 2);
        }
        assert!(
            middle > 20,
            "a lost sector may stand before one that arrived"
        );
    }

    #[test]
    fn random_images_mix_names_and_repeat_by_seed() {
        let storage = unsettled();
        let all: BTreeSet<Vec<String>> = (0..100)
            .map(|seed| names(&storage.image(CrashImage::Random, seed)))
            .collect();
        assert_eq!(all.len(), 4, "with and without each of `new` and `old`");
        for image in CrashImage::ALL {
            let of = |seed| {
                let image = storage.image(image, seed);
                names(&image)
                    .into_iter()
                    .map(|name| image.contents(&name).unwrap())
                    .collect::<Vec<_>>()
            };
            assert_eq!(of(7), of(7));
        }
    }

    #[test]
    fn an_image_is_durable_unlocked_and_apart() {
        let storage = unsettled();
        let _lock = storage.lock("LOCK").unwrap();
        let image = storage.image(CrashImage::KeepAll, 0);
        let _again = image.lock("LOCK").unwrap();
        storage.delete("kept").unwrap();
        let second = image.image(CrashImage::LoseNames, 0);
        assert_eq!(second.contents("kept").unwrap().len(), 3_000);
    }

    #[test]
    fn what_put_if_absent_wrote_survives_everything() {
        let storage = MemoryStorage::new();
        storage.put_if_absent("MANIFEST-1", b"whole").unwrap();
        for image in CrashImage::ALL {
            assert_eq!(
                storage.image(image, 1).contents("MANIFEST-1").unwrap(),
                b"whole"
            );
        }
    }

    #[test]
    fn after_a_failed_sync_nothing_more_becomes_durable() {
        let storage = unsettled();
        storage.stop_syncing("kept").unwrap();
        let mut file = storage.create("other").unwrap();
        file.append(b"other").unwrap();
        file.sync().unwrap();
        assert_eq!(
            storage
                .image(CrashImage::LoseUnsynced, 0)
                .contents("kept")
                .unwrap()
                .len(),
            1_000
        );
        assert_eq!(
            storage
                .image(CrashImage::LoseUnsynced, 0)
                .contents("other")
                .unwrap(),
            b"other"
        );
    }

    #[test]
    fn damaged_files_replace_the_old_ones_for_new_readers_only() {
        let storage = unsettled();
        let before = storage.open("new").unwrap();
        storage.replace("new", b"NEW".to_vec());
        let mut bytes = [0; 3];
        before.read_at(0, &mut bytes).unwrap();
        assert_eq!(&bytes, b"new");
        storage.open("new").unwrap().read_at(0, &mut bytes).unwrap();
        assert_eq!(&bytes, b"NEW");
    }
}
