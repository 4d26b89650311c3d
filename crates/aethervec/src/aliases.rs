//! Other names of collections. An alias is a row of the catalog, so that changes of several are one commit.
//!
//! Collections and aliases share one space of names. An alias stands for its collection wherever one is looked up
//! ([`AetherDB::collection`], lookups of queries); [`AetherDB::drop_collection`] wants the name itself, and takes the aliases with it.

use crate::catalog::{self, AliasRecord};
use crate::database::{AetherDB, not_found};
use crate::error::{Error, ErrorKind, Result};
use crate::inner::Collections;
use crate::keyspace::CatalogKey;
use crate::limits;
use crate::validate;
use aidb::WriteBatch;
use std::collections::BTreeMap;

/// A change to the aliases of a database; see [`AetherDB::change_aliases`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AliasChange {
    /// `alias` stands for `collection`, whatever it stood for before.
    Set {
        /// The other name.
        alias: String,
        /// The collection, by its own name.
        collection: String,
    },
    /// What was called `from` is called `to`.
    Rename {
        /// An alias that there is.
        from: String,
        /// Its new name; an alias that is called so already is replaced.
        to: String,
    },
    /// `alias` stands for nothing any more.
    Remove {
        /// An alias that there is.
        alias: String,
    },
}

impl AetherDB {
    /// Makes changes to aliases, one after the other, all in one commit: whoever looks a name up sees none of them, or all.
    ///
    /// ```
    /// use aethervec::{AetherDB, AliasChange, IndexConfig};
    /// # let dir = tempfile::tempdir().unwrap();
    /// let db = AetherDB::open(dir.path())?;
    /// db.create_collection("notes-1", 2, "l2", IndexConfig::default())?;
    /// db.create_collection("notes-2", 2, "l2", IndexConfig::default())?;
    /// let notes = |number: u32| AliasChange::Set {
    ///     alias: "notes".to_owned(),
    ///     collection: format!("notes-{number}"),
    /// };
    /// db.change_aliases(&[notes(1)])?;
    /// assert_eq!(db.collection("notes")?.name(), "notes-1");
    /// db.change_aliases(&[notes(2)])?;
    /// assert_eq!(db.collection("notes")?.name(), "notes-2");
    /// # Ok::<(), aethervec::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when a collection or an alias is not there, [`ErrorKind::Exists`] when a collection is called like
    /// an alias is to be, [`ErrorKind::Invalid`] when a name is not acceptable or there would be more aliases than
    /// [`ALIASES_MAX`](crate::limits::ALIASES_MAX). Nothing has changed then.
    pub fn change_aliases(&self, changes: &[AliasChange]) -> Result<()> {
        let inner = &self.inner;
        inner.open()?;
        let mut collections = inner.collections.lock();
        let mut aliases = collections.aliases.clone();
        for change in changes {
            apply(change, &mut aliases, &collections)?;
        }
        if aliases.len() > limits::ALIASES_MAX {
            return Err(Error::invalid(format!(
                "aliases: there would be {}: at most {} are allowed",
                aliases.len(),
                limits::ALIASES_MAX
            )));
        }
        let keyspace = &inner.keyspaces.catalog;
        let mut batch = WriteBatch::new();
        for alias in collections.aliases.keys() {
            if !aliases.contains_key(alias) {
                batch.delete(keyspace, CatalogKey::Alias(alias.clone()).encode());
            }
        }
        for (alias, collection) in &aliases {
            if collections.aliases.get(alias) != Some(collection) {
                let key = CatalogKey::Alias(alias.clone()).encode();
                batch.put(keyspace, key, catalog::json(&AliasRecord::new(collection)));
            }
        }
        let commit = inner.storage.submit(batch)?;
        collections.aliases = aliases;
        drop(collections);
        Ok(commit.wait_durable()?)
    }

    /// All aliases, each with the name of its collection.
    pub fn aliases(&self) -> BTreeMap<String, String> {
        self.inner.collections.lock().aliases.clone()
    }
}

fn apply(
    change: &AliasChange,
    aliases: &mut BTreeMap<String, String>,
    collections: &Collections,
) -> Result<()> {
    match change {
        AliasChange::Set { alias, collection } => {
            if !collections.by_name.contains_key(collection) {
                return Err(not_found(collection));
            }
            check(alias, collections)?;
            aliases.insert(alias.clone(), collection.clone());
        }
        AliasChange::Rename { from, to } => {
            check(to, collections)?;
            let collection = aliases.remove(from).ok_or_else(|| no_alias(from))?;
            aliases.insert(to.clone(), collection);
        }
        AliasChange::Remove { alias } => {
            aliases.remove(alias).ok_or_else(|| no_alias(alias))?;
        }
    }
    Ok(())
}

/// Fails when nothing can be called `alias`, or a collection is.
fn check(alias: &str, collections: &Collections) -> Result<()> {
    validate::alias(alias)?;
    if collections.by_name.contains_key(alias) {
        return Err(Error::new(
            ErrorKind::Exists,
            format!("alias {alias:?}: a collection is called so already"),
        ));
    }
    Ok(())
}

fn no_alias(alias: &str) -> Error {
    Error::not_found(format!("alias {alias:?} does not exist"))
}
