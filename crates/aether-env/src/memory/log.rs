//! Logs in memory: files that are written in place, with the old contents of what was not synced.

use super::{LOCATION, MemoryFile, SECTOR_BYTES, State};
use crate::log_file::{LogFile, is_reserved, not_reserved};
use crate::memory::CrashImage;
use crate::name;
use crate::storage::FileSync;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// The sectors that were written since the last sync: number → what the disk may still have in its place.
pub(super) type Unsynced = BTreeMap<usize, Vec<u8>>;

pub(super) struct MemoryLog {
    state: Arc<Mutex<State>>,
    file: Arc<MemoryFile>,
    name: String,
}

impl MemoryLog {
    pub(super) fn new(state: Arc<Mutex<State>>, file: Arc<MemoryFile>, name: &str) -> MemoryLog {
        MemoryLog {
            state,
            file,
            name: name.to_owned(),
        }
    }
}

impl fmt::Debug for MemoryLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.file.fmt(f)
    }
}

impl LogFile for MemoryLog {
    fn reserved(&self) -> u64 {
        self.file.contents.read().bytes.len() as u64
    }

    fn reserve(&mut self, bytes: u64) -> io::Result<()> {
        let length =
            usize::try_from(bytes).map_err(|_| io::Error::from(io::ErrorKind::StorageFull))?;
        let mut contents = self.file.contents.write();
        if length > contents.bytes.len() {
            contents.bytes.resize(length, 0);
        }
        Ok(())
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut contents = self.file.contents.write();
        let reserved = contents.bytes.len() as u64;
        let from = usize::try_from(offset).ok();
        let Some(from) = from.filter(|_| is_reserved(offset, bytes.len(), reserved)) else {
            return Err(not_reserved(&self.name, offset, bytes.len(), reserved));
        };
        contents.overwrite(from, bytes);
        Ok(())
    }

    fn rename(&mut self, new: &str) -> io::Result<()> {
        name::check(new)?;
        let mut state = self.state.lock();
        if state.names.contains_key(new) {
            let taken = io::ErrorKind::AlreadyExists.into();
            return Err(name::explain(&taken, "give away the name", new, LOCATION));
        }
        if self.file.is_linked.load(Ordering::Acquire) {
            let unsupported = io::ErrorKind::Unsupported.into();
            return Err(name::explain(
                &unsupported,
                "use again",
                &self.name,
                LOCATION,
            ));
        }
        // Somebody may have put other bytes in its place.
        match state.names.remove(&self.name) {
            Some(file) if Arc::ptr_eq(&file, &self.file) => {}
            other => {
                state
                    .names
                    .extend(other.map(|file| (self.name.clone(), file)));
                return Err(super::missing(&self.name, "rename"));
            }
        }
        state.names.insert(new.to_owned(), Arc::clone(&self.file));
        new.clone_into(&mut self.name);
        Ok(())
    }

    fn finish(&mut self, bytes: u64) -> io::Result<()> {
        let mut contents = self.file.contents.write();
        let length = usize::try_from(bytes).unwrap_or(usize::MAX);
        contents.bytes.truncate(length);
        contents.durable = contents.durable.min(length);
        let sectors = length.div_ceil(SECTOR_BYTES);
        contents.unsynced.retain(|&sector, old| {
            old.truncate(length.saturating_sub(sector * SECTOR_BYTES));
            sector < sectors
        });
        Ok(())
    }

    fn syncer(&self) -> io::Result<Arc<dyn FileSync>> {
        Ok(Arc::clone(&self.file) as Arc<dyn FileSync>)
    }
}

impl super::Contents {
    fn overwrite(&mut self, from: usize, bytes: &[u8]) {
        let to = from + bytes.len();
        if bytes.is_empty() {
            return;
        }
        for sector in from / SECTOR_BYTES..=(to - 1) / SECTOR_BYTES {
            let start = sector * SECTOR_BYTES;
            let end = (start + SECTOR_BYTES).min(self.bytes.len());
            let old = &self.bytes[start..end];
            self.unsynced.entry(sector).or_insert_with(|| old.to_vec());
        }
        self.bytes[from..to].copy_from_slice(bytes);
    }

    /// A file after a power cut that was written in place: as long as it was synced or as it is now, and each unsynced
    /// sector as it was or as it is now; the last one that was written may be both.
    pub(super) fn overwritten(&self, image: CrashImage, random: &mut fastrand::Rng) -> Vec<u8> {
        let lost = match image {
            CrashImage::LoseUnsynced | CrashImage::LoseNames => 1.0,
            CrashImage::KeepAll => 0.0,
            CrashImage::Torn | CrashImage::LostSectors => random.f64(),
            CrashImage::Random => *random.choice(&[0.0, 1.0, 0.5, 0.1]).unwrap_or(&1.0),
        };
        let is_torn = image == CrashImage::Torn;
        // Of a torn file the first sectors are kept, and the rest is lost.
        let kept = random.usize(..=self.unsynced.len());
        let mut bytes = self.bytes.clone();
        for (place, (sector, old)) in self.unsynced.iter().enumerate() {
            let start = sector * SECTOR_BYTES;
            let is_lost = if is_torn {
                place >= kept
            } else {
                random.f64() < lost
            };
            if is_lost {
                let middle = if is_torn && place == kept {
                    random.usize(..=old.len())
                } else {
                    0
                };
                bytes[start + middle..start + old.len()].copy_from_slice(&old[middle..]);
            }
        }
        let is_short = lost >= 1.0 || (image != CrashImage::KeepAll && random.u8(..4) == 0);
        if is_short {
            bytes.truncate(self.durable);
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use crate::{CrashImage, LogFile, MemoryStorage, Storage};

    /// 2,000 synced bytes of 1, then 1,000 bytes of 2 from the front under another name.
    fn used_again() -> (MemoryStorage, Box<dyn LogFile>) {
        let storage = MemoryStorage::new();
        let mut log = storage.create_log("old", 4_096).unwrap();
        log.reserve(2_000).unwrap();
        log.write_at(0, &[1; 2_000]).unwrap();
        log.syncer().unwrap().sync().unwrap();
        storage.sync_names().unwrap();
        log.rename("new").unwrap();
        log.write_at(0, &[2; 500]).unwrap();
        log.write_at(500, &[2; 500]).unwrap();
        (storage, log)
    }

    #[test]
    fn what_was_there_before_shines_through() {
        let (storage, log) = used_again();
        let of = |image, seed| storage.image(image, seed).contents("new").unwrap();
        assert_eq!(of(CrashImage::LoseUnsynced, 0), [1; 2_000]);
        let all = [&[2; 1_000][..], &[1; 1_000]].concat();
        assert_eq!(of(CrashImage::KeepAll, 0), all);
        let mut seen = [false; 4];
        for seed in 0..200 {
            let bytes = of(CrashImage::LostSectors, seed);
            assert_eq!(bytes.len(), 2_000);
            assert!(bytes[..512].iter().all(|&byte| byte == bytes[0]));
            assert!(bytes[512..1_000].iter().all(|&byte| byte == bytes[512]));
            assert_eq!(bytes[1_000..], [1; 1_000]);
            seen[usize::from(bytes[0] - 1) * 2 + usize::from(bytes[512] - 1)] = true;
            let torn = of(CrashImage::Torn, seed);
            let cut = torn.iter().position(|&byte| byte == 1).unwrap();
            assert!(torn[cut..].iter().all(|&byte| byte == 1));
        }
        assert_eq!(seen, [true; 4]);
        log.syncer().unwrap().sync().unwrap();
        assert_eq!(of(CrashImage::LoseUnsynced, 0), all);
    }

    #[test]
    fn names_are_lost_one_by_one() {
        let (storage, _log) = used_again();
        let image = storage.image(CrashImage::LoseNames, 0);
        assert!(image.contents("new").is_err());
        assert_eq!(image.contents("old").unwrap(), [1; 2_000]);
    }

    #[test]
    fn space_that_was_never_synced_may_be_gone() {
        let storage = MemoryStorage::new();
        let mut log = storage.create_log("log", 4_096).unwrap();
        log.write_at(0, &[1]).unwrap_err();
        log.reserve(1_000).unwrap();
        log.write_at(0, &[1; 10]).unwrap();
        log.write_at(995, &[1; 10]).unwrap_err();
        let of = |image| storage.image(image, 0).contents("log").unwrap();
        assert_eq!(of(CrashImage::LoseUnsynced), b"");
        assert_eq!(of(CrashImage::KeepAll).len(), 1_000);
        log.finish(10).unwrap();
        assert_eq!(of(CrashImage::KeepAll), [1; 10]);
    }
}
