//! Checkpoints: a second database in another place, which shares the files that never change.
//!
//! The manifest is written last, and is what makes a database of the files: a crash before it leaves files that do not
//! open, and in a directory none at all, since that gets its name only when all is there.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;

use aether_env::Storage;

use crate::error::{Error, ErrorKind, Result};
use crate::file_name::{self, FileKind};
use crate::files::copy_file;
use crate::key::SeqNo;

use super::frozen::Frozen;
use super::handle::DB;

impl DB {
    /// Makes a database in the new directory `path` that holds what this one does now, or a moment later; the result is
    /// the last write in it. On the same file system both share the files, which never change; elsewhere they are
    /// copied. Writers go on. The directory appears when all is there and durable.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] when `path` is taken; else when something cannot be written or linked, or when the
    /// database does not lie in a directory: then use [`DB::checkpoint_to`].
    pub fn checkpoint(&self, path: impl AsRef<Path>) -> Result<SeqNo> {
        let (engine, path) = (self.engine(), path.as_ref());
        engine.check_open()?;
        let explain = |error: io::Error| {
            let context = format!("make the checkpoint {}", path.display());
            match error.kind() {
                io::ErrorKind::AlreadyExists => Error::invalid(format!("{context}: {error}")),
                _ => Error::io(context, error),
            }
        };
        let draft = engine.files.storage.draft(path).map_err(explain)?;
        let seq = self.checkpoint_to(&*draft.storage())?;
        draft.publish().map_err(explain)?;
        Ok(seq)
    }

    /// As [`DB::checkpoint`], in a storage that holds no database. After an error or a crash there may be files in it,
    /// which do not open as a database.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] when `target` holds a database; else as [`DB::checkpoint`].
    pub fn checkpoint_to(&self, target: &dyn Storage) -> Result<SeqNo> {
        check_empty(target)?;
        let frozen = Frozen::take(self.engine())?;
        let source = &*self.engine().files.storage;
        let mut unlinked = BTreeSet::new();
        for name in frozen.names() {
            let linked = target
                .link_from(source, &name)
                .map_err(|error| Error::io(format_args!("link {name}"), error))?;
            if !linked {
                unlinked.insert(name);
            }
        }
        if !unlinked.is_empty() {
            let files = frozen.files()?.into_iter();
            for file in files.filter(|file| unlinked.contains(&file.name)) {
                copy_file(source, &file, target, &file.name)?;
            }
        }
        publish(target, frozen.manifest())?;
        Ok(frozen.seq())
    }
}

/// Refuses a storage that has files of a database.
pub(crate) fn check_empty(target: &dyn Storage) -> Result<()> {
    let location = target.location();
    let listed = target
        .list()
        .map_err(|error| Error::io(format_args!("list {location}"), error))?;
    let is_ours =
        |name: &str| !matches!(file_name::parse(name), FileKind::Lock | FileKind::Foreign);
    match listed.iter().find(|file| is_ours(&file.name)) {
        None => Ok(()),
        Some(file) => Err(Error::new(
            ErrorKind::Invalid,
            format!(
                "{location} holds files of a database ({}): choose an empty place",
                file.name
            ),
        )),
    }
}

/// Makes a database of the files in `target`.
pub(crate) fn publish(target: &dyn Storage, manifest: (String, Vec<u8>)) -> Result<()> {
    let (name, bytes) = manifest;
    target
        .sync_names()
        .and_then(|()| target.put_if_absent(&name, &bytes))
        .map_err(|error| Error::io(format_args!("put {name}"), error))
}
