//! A directory of the local file system.
//!
//! - Reads and appends carry no lock: one `pread` or `write` each. A batch of reads has them all under way at once.
//! - Names become durable by an fsync of the directory.
//! - `put_if_absent` writes a hidden temporary file, syncs it, and gives it its name by an operation that fails when
//!   the name is taken (`renameat2` with `RENAME_NOREPLACE`, or a hard link where that is missing).
//! - A lock file holds the process id of its holder; the lock itself is the operating system's and dies with it.
//!
//! Hidden files (their names start with `.`) are this module's own: listing does not show them, and taking a lock
//! removes those that a crash left.

mod batch;
mod draft;
mod log;

use crate::log_file::LogFile;
use crate::name;
use crate::storage::{
    Draft, FileEntry, FileLock, FileMap, FileRange, FileSync, RandomFile, Storage, WritableFile,
};
use std::any::Any;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

const TEMPORARY_PREFIX: &str = ".put-";

/// A directory on this machine. Cheap to clone.
#[derive(Clone, Debug)]
pub struct LocalStorage {
    directory: Arc<PathBuf>,
}

impl LocalStorage {
    /// Files in `directory`, which is made (durably, with its parents) when it is missing.
    ///
    /// # Errors
    /// When the path is empty, is not a directory, or cannot be created; the error names it.
    pub fn open(directory: impl AsRef<Path>) -> io::Result<LocalStorage> {
        let directory = directory.as_ref();
        if directory.as_os_str().is_empty() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "the path of the directory is empty",
            ));
        }
        let explain = |error: io::Error| {
            let text = format!("cannot open the directory {}: {error}", directory.display());
            io::Error::new(error.kind(), text)
        };
        create_directory(directory).map_err(explain)?;
        // Absolute, so that a later change of the working directory moves nothing.
        let directory = fs::canonicalize(directory).map_err(explain)?;
        Ok(LocalStorage {
            directory: Arc::new(directory),
        })
    }

    /// Files in `directory`, which must be there.
    ///
    /// # Errors
    /// `NotFound` when it is missing; else as [`LocalStorage::open`].
    pub fn open_existing(directory: impl AsRef<Path>) -> io::Result<LocalStorage> {
        let directory = directory.as_ref();
        match fs::metadata(directory) {
            Err(error) if !directory.as_os_str().is_empty() => {
                let text = format!("cannot open the directory {}: {error}", directory.display());
                Err(io::Error::new(error.kind(), text))
            }
            _ => LocalStorage::open(directory),
        }
    }

    fn path(&self, name: &str) -> io::Result<PathBuf> {
        name::check(name)?;
        Ok(self.directory.join(name))
    }

    fn explain(&self, error: &io::Error, attempt: &str, name: &str) -> io::Error {
        name::explain(error, attempt, name, self.directory.display())
    }

    /// Writes and syncs `bytes` under a hidden name of their own.
    fn write_temporary(&self, bytes: &[u8]) -> io::Result<PathBuf> {
        static COUNTER: AtomicU64 = AtomicU64::new(0);
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        let path = self
            .directory
            .join(format!("{TEMPORARY_PREFIX}{}-{number}", std::process::id()));
        // A process that had our id before us may have left this very file.
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .open(&path)?;
        match file.write_all(bytes).and_then(|()| file.sync_all()) {
            Ok(()) => Ok(path),
            Err(error) => {
                let _ = fs::remove_file(&path);
                Err(error)
            }
        }
    }

    fn remove_temporaries(&self) -> io::Result<()> {
        for entry in fs::read_dir(&*self.directory)? {
            let entry = entry?;
            if entry
                .file_name()
                .to_str()
                .is_some_and(|name| name.starts_with(TEMPORARY_PREFIX))
            {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }
}

impl Storage for LocalStorage {
    fn create(&self, name: &str) -> io::Result<Box<dyn WritableFile>> {
        let path = self.path(name)?;
        let file = OpenOptions::new()
            .append(true)
            .create_new(true)
            .open(path)
            .map_err(|error| self.explain(&error, "create", name))?;
        Ok(Box::new(LocalWritable(Arc::new(LocalFile::new(
            self, name, file,
        )))))
    }

    fn create_log(&self, name: &str, capacity: u64) -> io::Result<Box<dyn LogFile>> {
        Ok(Box::new(log::LocalLog::create(self, name, capacity)?))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn RandomFile>> {
        let path = self.path(name)?;
        let explain = |error: io::Error| self.explain(&error, "open", name);
        let file = OpenOptions::new().read(true).open(path).map_err(explain)?;
        let metadata = file.metadata().map_err(explain)?;
        if !metadata.is_file() {
            return Err(explain(io::Error::new(
                io::ErrorKind::InvalidInput,
                "it is not a regular file",
            )));
        }
        Ok(Arc::new(LocalReadable {
            len: metadata.len(),
            file: LocalFile::new(self, name, file),
        }))
    }

    fn read_batch(&self, reads: &mut [FileRange<'_>]) -> io::Result<()> {
        batch::read(reads)
    }

    fn put_if_absent(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let path = self.path(name)?;
        let explain = |error: io::Error| self.explain(&error, "put", name);
        let temporary = self.write_temporary(bytes).map_err(explain)?;
        if let Err(error) = rename_new(&temporary, &path) {
            let _ = fs::remove_file(&temporary);
            return Err(explain(error));
        }
        sync_directory(&self.directory).map_err(explain)
    }

    fn list(&self) -> io::Result<Vec<FileEntry>> {
        let explain = |error: io::Error| {
            io::Error::new(
                error.kind(),
                format!(
                    "cannot list the directory {}: {error}",
                    self.directory.display()
                ),
            )
        };
        let mut files = Vec::new();
        for entry in fs::read_dir(&*self.directory).map_err(explain)? {
            let entry = entry.map_err(explain)?;
            // What has another kind of name, or is no file, is not ours.
            let Ok(name) = entry.file_name().into_string() else {
                continue;
            };
            if name::check(&name).is_err() {
                continue;
            }
            match entry.metadata() {
                Ok(metadata) if metadata.is_file() => files.push(FileEntry {
                    name,
                    bytes: metadata.len(),
                }),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {} // deleted meanwhile
                Err(error) => return Err(explain(error)),
            }
        }
        Ok(files)
    }

    fn delete(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.path(name)?).map_err(|error| self.explain(&error, "delete", name))
    }

    fn sync_names(&self) -> io::Result<()> {
        sync_directory(&self.directory).map_err(|error| {
            io::Error::new(
                error.kind(),
                format!(
                    "cannot sync the directory {}: {error}",
                    self.directory.display()
                ),
            )
        })
    }

    fn lock(&self, name: &str) -> io::Result<Box<dyn FileLock>> {
        let path = self.path(name)?;
        let explain = |error: io::Error| self.explain(&error, "lock", name);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(explain)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(name::locked(
                    name,
                    self.directory.display(),
                    read_pid(&mut file),
                ));
            }
            Err(TryLockError::Error(error)) => return Err(explain(error)),
        }
        write_pid(&mut file).map_err(explain)?;
        self.remove_temporaries().map_err(explain)?;
        Ok(Box::new(LocalLock { file }))
    }

    fn link_from(&self, source: &dyn Storage, name: &str) -> io::Result<bool> {
        let source: &dyn Any = source;
        let Some(source) = source.downcast_ref::<LocalStorage>() else {
            return Ok(false);
        };
        let (from, to) = (source.path(name)?, self.path(name)?);
        match fs::hard_link(from, to) {
            Ok(()) => Ok(true),
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::CrossesDevices
                        | io::ErrorKind::Unsupported
                        | io::ErrorKind::PermissionDenied
                        | io::ErrorKind::TooManyLinks
                ) =>
            {
                Ok(false)
            }
            Err(error) => Err(self.explain(&error, "link", name)),
        }
    }

    fn draft(&self, path: &Path) -> io::Result<Box<dyn Draft>> {
        Ok(Box::new(draft::LocalDraft::new(path)?))
    }

    fn location(&self) -> String {
        self.directory.display().to_string()
    }
}

/// An open file that knows its name, for messages.
#[derive(Debug)]
struct LocalFile {
    file: File,
    name: String,
    directory: Arc<PathBuf>,
}

impl LocalFile {
    fn new(storage: &LocalStorage, name: &str, file: File) -> LocalFile {
        LocalFile {
            file,
            name: name.to_owned(),
            directory: Arc::clone(&storage.directory),
        }
    }

    fn explain(&self, error: &io::Error, attempt: &str) -> io::Error {
        name::explain(error, attempt, &self.name, self.directory.display())
    }
}

impl FileSync for LocalFile {
    fn sync(&self) -> io::Result<()> {
        self.file
            .sync_data()
            .map_err(|error| self.explain(&error, "sync"))
    }
}

#[derive(Debug)]
struct LocalWritable(Arc<LocalFile>);

impl WritableFile for LocalWritable {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        (&self.0.file)
            .write_all(bytes)
            .map_err(|error| self.0.explain(&error, "append to"))
    }

    fn sync(&mut self) -> io::Result<()> {
        FileSync::sync(&*self.0)
    }

    fn syncer(&self) -> io::Result<Arc<dyn FileSync>> {
        Ok(Arc::clone(&self.0) as Arc<dyn FileSync>)
    }
}

#[derive(Debug)]
struct LocalReadable {
    len: u64,
    file: LocalFile,
}

impl RandomFile for LocalReadable {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let wanted = buffer.len();
        let end = offset
            .checked_add(wanted as u64)
            .and_then(|end| i64::try_from(end).ok());
        // The system calls an end beyond its own limit invalid; to us it is behind the end like any other.
        let result = match end {
            Some(_) => read_exact_at(&self.file.file, offset, buffer),
            None => Err(io::ErrorKind::UnexpectedEof.into()),
        };
        result.map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => name::beyond_end(
                &self.file.name,
                self.file.directory.display(),
                offset,
                wanted,
                self.len,
            ),
            _ => self
                .file
                .explain(&error, &format!("read {wanted} bytes at byte {offset} of")),
        })
    }

    fn map_private(&self) -> io::Result<FileMap> {
        let explain = |error: io::Error| self.file.explain(&error, "map");
        let len = usize::try_from(self.len).map_err(|error| explain(io::Error::other(error)))?;
        if len == 0 {
            return Ok(FileMap::Copied(Vec::new()));
        }
        let now = self.file.file.metadata().map_err(explain)?.len();
        if now < self.len {
            return Err(name::beyond_end(
                &self.file.name,
                self.file.directory.display(),
                0,
                len,
                now,
            ));
        }
        // SAFETY: the mapping is private, so nobody sees our changes; files that are open for reading are complete and
        // never change (rule 1 of `storage`), and whoever truncates a database's files under it by hand takes the
        // process down with SIGBUS, as with every program that maps files.
        let map = unsafe {
            memmap2::MmapOptions::new()
                .len(len)
                .map_copy(&self.file.file)
        };
        Ok(FileMap::Mapped(map.map_err(explain)?))
    }
}

/// The operating system gives the lock back when the process ends.
#[derive(Debug)]
struct LocalLock {
    file: File,
}

impl FileLock for LocalLock {}

impl Drop for LocalLock {
    fn drop(&mut self) {
        // Closing alone is not enough: a child process that is just being started has the file open, too, until it
        // begins its program.
        let _ = self.file.unlock();
    }
}

/// Makes `directory` and its missing parents, and their names durable.
fn create_directory(directory: &Path) -> io::Result<()> {
    match fs::metadata(directory) {
        Ok(metadata) if metadata.is_dir() => return Ok(()),
        Ok(_) => {
            return Err(io::Error::new(
                io::ErrorKind::NotADirectory,
                "it is not a directory",
            ));
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let parent = match directory.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    create_directory(parent)?;
    match fs::create_dir(directory) {
        Ok(()) => sync_directory(parent),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && directory.is_dir() => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(unix)]
fn sync_directory(directory: &Path) -> io::Result<()> {
    OpenOptions::new().read(true).open(directory)?.sync_all()
}

/// Windows makes names durable by itself, and cannot open a directory as a file.
#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "the same signature as on unix")]
fn sync_directory(_directory: &Path) -> io::Result<()> {
    Ok(())
}

/// Gives `from` the name `to`, unless that is taken.
fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{CWD, RenameFlags, renameat_with};
        use rustix::io::Errno;
        match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
            // Some network file systems and old kernels do not know the flag.
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {}
            result => return result.map_err(io::Error::from),
        }
    }
    fs::hard_link(from, to)?;
    fs::remove_file(from)
}

#[cfg(unix)]
fn read_exact_at(file: &File, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, buffer, offset)
}

#[cfg(unix)]
fn write_all_at(file: &File, offset: u64, bytes: &[u8]) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, offset)
}

#[cfg(windows)]
fn write_all_at(file: &File, mut offset: u64, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match std::os::windows::fs::FileExt::seek_write(file, bytes, offset) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(n) => {
                bytes = &bytes[n..];
                offset += n as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(windows)]
fn read_exact_at(file: &File, mut offset: u64, mut buffer: &mut [u8]) -> io::Result<()> {
    while !buffer.is_empty() {
        match std::os::windows::fs::FileExt::seek_read(file, buffer, offset) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(n) => {
                buffer = &mut buffer[n..];
                offset += n as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn read_pid(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(32).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

/// Written before the old contents are cut off, so that a reader never finds the file empty.
fn write_pid(file: &mut File) -> io::Result<()> {
    let text = format!("{}\n", std::process::id());
    file.rewind()?;
    file.write_all(text.as_bytes())?;
    file.set_len(text.len() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn storage() -> (tempfile::TempDir, LocalStorage) {
        let directory = tempfile::tempdir().unwrap();
        let storage = LocalStorage::open(directory.path()).unwrap();
        (directory, storage)
    }

    #[test]
    fn missing_parents_are_made() {
        let root = tempfile::tempdir().unwrap();
        let storage = LocalStorage::open(root.path().join("a/b/c")).unwrap();
        storage.put_if_absent("x", b"1").unwrap();
        assert_eq!(fs::read(root.path().join("a/b/c/x")).unwrap(), b"1");
    }

    #[test]
    fn looking_for_a_directory_makes_none() {
        let root = tempfile::tempdir().unwrap();
        let missing = root.path().join("missing");
        let error = LocalStorage::open_existing(&missing).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        assert!(
            error.to_string().contains("missing") && !missing.exists(),
            "{error}"
        );
        LocalStorage::open_existing(root.path()).unwrap();
        assert_eq!(
            LocalStorage::open_existing("").unwrap_err().kind(),
            io::ErrorKind::InvalidInput
        );
    }

    #[test]
    fn a_file_is_not_a_directory() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("plain");
        fs::write(&path, b"").unwrap();
        for wrong in [path.clone(), path.join("below")] {
            let error = LocalStorage::open(&wrong).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::NotADirectory, "{error}");
            assert!(
                error.to_string().contains(&*path.to_string_lossy()),
                "{error}"
            );
        }
        assert_eq!(
            LocalStorage::open("").unwrap_err().kind(),
            io::ErrorKind::InvalidInput
        );
    }

    #[cfg(unix)]
    #[test]
    fn a_directory_without_permission_is_named() {
        use std::os::unix::fs::PermissionsExt;
        let root = tempfile::tempdir().unwrap();
        fs::set_permissions(root.path(), fs::Permissions::from_mode(0o500)).unwrap();
        if fs::write(root.path().join("probe"), b"").is_ok() {
            return; // root may do everything
        }
        let error = LocalStorage::open(root.path().join("data")).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
        assert!(error.to_string().contains("data"), "{error}");
        let error = LocalStorage::open(root.path())
            .unwrap()
            .lock("LOCK")
            .unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
        assert!(error.to_string().contains("LOCK"), "{error}");
    }

    #[test]
    fn errors_name_the_file_and_the_directory() {
        let (directory, storage) = storage();
        let directory = directory
            .path()
            .canonicalize()
            .unwrap()
            .display()
            .to_string();
        fs::create_dir(format!("{directory}/folder")).unwrap();
        let errors = [
            storage.open("missing.sst").unwrap_err(),
            storage.delete("missing.sst").unwrap_err(),
            storage.open("folder").unwrap_err(),
        ];
        for (error, name) in errors.iter().zip(["missing.sst", "missing.sst", "folder"]) {
            let text = error.to_string();
            assert!(text.contains(name) && text.contains(&directory), "{text}");
        }
    }

    #[test]
    fn hidden_and_foreign_files_are_not_listed() {
        let (directory, storage) = storage();
        storage.put_if_absent("mine", b"12").unwrap();
        fs::create_dir(directory.path().join("folder")).unwrap();
        fs::write(directory.path().join("not ours"), b"").unwrap();
        fs::write(directory.path().join(".put-1-1"), b"left by a crash").unwrap();
        assert_eq!(
            storage.list().unwrap(),
            [FileEntry {
                name: "mine".into(),
                bytes: 2
            }]
        );
        let _lock = storage.lock("LOCK").unwrap();
        assert!(!directory.path().join(".put-1-1").exists());
        assert!(directory.path().join("not ours").exists());
    }

    #[test]
    fn the_lock_file_holds_the_pid_of_its_holder() {
        let (directory, storage) = storage();
        // The longer contents of an earlier holder must not shine through.
        fs::write(directory.path().join("LOCK"), b"99999999999999\n").unwrap();
        let lock = storage.lock("LOCK").unwrap();
        let pid = std::process::id();
        assert_eq!(
            fs::read_to_string(directory.path().join("LOCK")).unwrap(),
            format!("{pid}\n")
        );
        let error = storage.lock("LOCK").unwrap_err();
        assert!(error.to_string().contains(&format!("pid {pid}")), "{error}");
        drop(lock);
        storage.lock("LOCK").unwrap();
    }

    #[test]
    fn maps_are_private() {
        let (directory, storage) = storage();
        storage.put_if_absent("graph", &[7; 10_000]).unwrap();
        let file = storage.open("graph").unwrap();
        let mut map = file.map_private().unwrap();
        assert!(matches!(map, FileMap::Mapped(_)));
        map[9_999] = 1;
        assert_eq!(map[9_998..], [7, 1]);
        assert_eq!(
            fs::read(directory.path().join("graph")).unwrap(),
            vec![7; 10_000]
        );
        storage.delete("graph").unwrap();
        assert_eq!(map[..2], [7, 7]);
    }
}
