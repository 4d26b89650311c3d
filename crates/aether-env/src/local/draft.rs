//! A directory that gets its name when it is complete.
//!
//! Until then it is a hidden directory beside it. One that a crash left is removed by the next attempt.

use super::{LocalStorage, create_directory, sync_directory};
use crate::storage::{Draft, Storage};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// See the head of this module.
#[derive(Debug)]
pub(super) struct LocalDraft {
    storage: LocalStorage,
    hidden: PathBuf,
    path: PathBuf,
    is_published: bool,
}

impl LocalDraft {
    pub(super) fn new(path: &Path) -> io::Result<LocalDraft> {
        let explain = |error: io::Error| explain(&error, path);
        let name = path
            .file_name()
            .ok_or_else(|| explain(io::ErrorKind::InvalidInput.into()))?;
        if fs::symlink_metadata(path).is_ok() {
            return Err(explain(io::ErrorKind::AlreadyExists.into()));
        }
        let parent = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        create_directory(parent).map_err(explain)?;
        let parent = fs::canonicalize(parent).map_err(explain)?;
        let mut hidden = std::ffi::OsString::from(".");
        hidden.push(name);
        hidden.push(".draft");
        let hidden = parent.join(hidden);
        remove(&hidden).map_err(explain)?;
        fs::create_dir(&hidden).map_err(explain)?;
        Ok(LocalDraft {
            storage: LocalStorage::open(&hidden)?,
            path: parent.join(name),
            hidden,
            is_published: false,
        })
    }
}

impl Draft for LocalDraft {
    fn storage(&self) -> Arc<dyn Storage> {
        Arc::new(self.storage.clone())
    }

    fn publish(mut self: Box<Self>) -> io::Result<()> {
        let explain = |error: io::Error| explain(&error, &self.path);
        // Over nothing, or an empty directory: others are refused.
        fs::rename(&self.hidden, &self.path).map_err(explain)?;
        let parent = self.path.parent().unwrap_or(Path::new("."));
        sync_directory(parent).map_err(explain)?;
        self.is_published = true;
        Ok(())
    }
}

impl Drop for LocalDraft {
    fn drop(&mut self) {
        if !self.is_published {
            // What stays is removed by the next attempt.
            let _ = remove(&self.hidden);
        }
    }
}

fn explain(error: &io::Error, path: &Path) -> io::Error {
    let text = format!("cannot make the directory {}: {error}", path.display());
    io::Error::new(error.kind(), text)
}

/// Removes a directory of plain files, if it is there; a directory with others inside stays, and is an error.
fn remove(directory: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        fs::remove_file(entry?.path())?;
    }
    fs::remove_dir(directory)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draft_is_there_when_it_is_published() {
        let root = tempfile::tempdir().unwrap();
        let storage = LocalStorage::open(root.path().join("data")).unwrap();
        let path = root.path().join("deep/copy");
        let draft = storage.draft(&path).unwrap();
        draft.storage().put_if_absent("x", b"1").unwrap();
        assert!(!path.exists());
        drop(draft);
        let deep = || fs::read_dir(root.path().join("deep")).unwrap().count();
        assert_eq!(deep(), 0);
        // What a crash left.
        fs::create_dir(root.path().join("deep/.copy.draft")).unwrap();
        fs::write(root.path().join("deep/.copy.draft/y"), b"").unwrap();
        let draft = storage.draft(&path).unwrap();
        draft.storage().put_if_absent("x", b"1").unwrap();
        draft.publish().unwrap();
        assert_eq!(deep(), 1);
        let copy = LocalStorage::open_existing(&path).unwrap();
        assert_eq!(copy.list().unwrap().len(), 1);
        let error = storage.draft(&path).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert!(error.to_string().contains("copy"), "{error}");
    }
}
