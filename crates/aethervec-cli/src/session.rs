//! Opening what the user names: databases, collections; and closing them whatever happens between.

use crate::args::Global;
use crate::failure::{Exit, Failure, Outcome};
use crate::output::Output;
use aether_env::Env;
use aethervec::{AetherDB, Collection, DbOptions, Error, ErrorKind};
use std::io::ErrorKind::{NotADirectory, NotFound};
use std::path::{Path, PathBuf};

/// What a command works with.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    /// Where results go.
    pub(crate) out: Output,
    path: PathBuf,
    /// Whether the user named the path on the command line.
    named: bool,
}

impl Session {
    /// From the options of all commands.
    pub(crate) fn new(global: &Global) -> Session {
        Session {
            out: Output::new(global.json),
            path: global.db.clone(),
            named: global.db_named,
        }
    }

    /// The directory of the database.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The same session on the database at `path`, unless the user named one on the command line.
    pub(crate) fn or_at(mut self, path: &str) -> Session {
        if !self.named {
            self.path = PathBuf::from(path);
        }
        self
    }

    /// Whether there is a database. A directory that cannot be listed is a failure: it may hold one.
    pub(crate) fn exists(&self) -> Outcome<bool> {
        match std::fs::read_dir(&self.path) {
            Ok(entries) => Ok(entries
                .flatten()
                .any(|entry| entry.file_name().to_string_lossy().starts_with("MANIFEST"))),
            Err(error) if matches!(error.kind(), NotFound | NotADirectory) => Ok(false),
            Err(error) => Err(Failure::failed(format!(
                "cannot read the directory {}: {error}",
                self.path.display()
            ))),
        }
    }

    /// Opens a database that is there, does `work`, and closes it.
    pub(crate) fn with_existing<T>(
        &self,
        work: impl FnOnce(&AetherDB) -> Outcome<T>,
    ) -> Outcome<T> {
        if !self.exists()? && !self.path.is_file() {
            return Err(Failure::not_found(format!(
                "no database at {}: `aethervec create` or `aethervec import` makes one; --db DIR names another",
                self.path.display()
            )));
        }
        self.with(work)
    }

    /// Opens the database, creating it if it is missing, does `work`, and closes it.
    pub(crate) fn with<T>(&self, work: impl FnOnce(&AetherDB) -> Outcome<T>) -> Outcome<T> {
        let db = self.open()?;
        let result = work(&db);
        let closed = db.close();
        let value = result?;
        // What was acknowledged is on disk: closing only saves work for the next opening.
        if let Err(error) = closed {
            self.out.note(&format!("closing the database: {error}"));
        }
        Ok(value)
    }

    fn open(&self) -> Outcome<AetherDB> {
        let env = Env::local(&self.path).map_err(|error| Failure::failed(error.to_string()))?;
        Ok(AetherDB::open_with(env, DbOptions::DEFAULT)?)
    }
}

/// The collection called `name`; when there is none, the error says which there are.
pub(crate) fn collection(db: &AetherDB, name: &str) -> Outcome<Collection> {
    match db.collection(name) {
        Ok(collection) => Ok(collection),
        Err(error) if error.kind() == ErrorKind::NotFound => Err(unknown_collection(db, name)),
        Err(error) => Err(error.into()),
    }
}

/// What to say about a collection that does not exist.
pub(crate) fn unknown_collection(db: &AetherDB, name: &str) -> Failure {
    let names: Vec<String> = db.collections().into_iter().map(|info| info.name).collect();
    let close = names
        .iter()
        .map(|known| (edit_distance(known, name), known))
        .min();
    let hint = match close {
        Some((distance, known)) if distance <= 1 + name.chars().count() / 4 => {
            format!("did you mean {known:?}?")
        }
        Some(_) if names.len() <= 8 => format!("there are {}", names.join(", ")),
        Some(_) => "`aethervec list` shows them all".to_owned(),
        None => "the database has no collections yet".to_owned(),
    };
    Failure::not_found(format!("collection {name:?} does not exist: {hint}"))
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        let (exit, kind) = match error.kind() {
            ErrorKind::Invalid => (Exit::Invalid, "invalid"),
            ErrorKind::NotFound => (Exit::NotFound, "not_found"),
            ErrorKind::Exists => (Exit::Invalid, "exists"),
            ErrorKind::Conflict => (Exit::Failed, "conflict"),
            ErrorKind::Unavailable => (Exit::Failed, "unavailable"),
            ErrorKind::Fenced => (Exit::Failed, "fenced"),
            ErrorKind::Closed => (Exit::Failed, "closed"),
            ErrorKind::Corruption => (Exit::Failed, "corruption"),
            _ => (Exit::Failed, "io"),
        };
        Failure::new(exit, kind, error.to_string())
    }
}

/// Levenshtein's distance.
fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, &y) in b.iter().enumerate() {
            let cost = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = cost.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typing_errors_are_near() {
        assert_eq!(edit_distance("passages", "passages"), 0);
        assert_eq!(edit_distance("passages", "pasages"), 1);
        assert_eq!(edit_distance("", "abc"), 3);
        assert_eq!(edit_distance("kitten", "sitting"), 3);
    }
}
