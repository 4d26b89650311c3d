//! A database as users hold it: opening, collections, snapshots, closing.

use crate::catalog::{self, Catalog, CollectionRecord};
use crate::collection::Collection;
use crate::error::{Error, ErrorKind, Result};
use crate::index::core::Core;
use crate::index::open;
use crate::index::pool::Pool;
use crate::index::purge::Purge;
use crate::inner::{Collections, Inner, Slot, SlotState};
use crate::keyspace::{self, CatalogKey, CollectionId, Keyspaces};
use crate::options::DbOptions;
use crate::schema::{self, CollectionInfo, CollectionSchema, IndexConfig};
use crate::snapshot::DbSnapshot;
use crate::validate;
use aether_env::Env;
use aidb::{AsOf, DB, SeqNo, WriteBatch};
use parking_lot::{Mutex, RwLock};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A database: a directory of collections, open in one process at a time. Cheap to clone.
///
/// It is closed by [`close`](AetherDB::close), or when the last handle of it and of its collections is gone.
///
/// ```
/// use aethervec::{AetherDB, Document, IndexConfig};
/// # let dir = tempfile::tempdir().unwrap();
/// # let path = dir.path();
/// let db = AetherDB::open(path)?;
/// let notes = db.create_collection("notes", 2, "l2", IndexConfig::new_with_default_config("hnsw")?)?;
/// notes.upsert(Document::new(vec![0.5, 0.5], "first"))?;
/// db.close()?;
///
/// let db = AetherDB::open(path)?;
/// assert_eq!(db.collection("notes")?.count()?, 1);
/// # Ok::<(), aethervec::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct AetherDB {
    pub(crate) inner: Arc<Inner>,
}

/// Figures of a database.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DbStats {
    /// Where it is.
    pub location: String,
    /// How many collections there are.
    pub collections: usize,
    /// The storage engine's figures.
    pub storage: aidb::Stats,
}

impl AetherDB {
    /// As [`open`](AetherDB::open).
    ///
    /// # Errors
    /// As [`open`](AetherDB::open).
    pub fn new(path: impl AsRef<Path>) -> Result<AetherDB> {
        AetherDB::open(path)
    }

    /// Opens the database in the directory `path`, creating it if it is missing.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`] when it is open elsewhere (the message names the process), [`ErrorKind::Io`] when the
    /// directory cannot be used, [`ErrorKind::Invalid`] when a newer version wrote it, [`ErrorKind::Corruption`] when a
    /// file is damaged.
    pub fn open(path: impl AsRef<Path>) -> Result<AetherDB> {
        let env = Env::local(path)
            .map_err(|error| Error::with_source(ErrorKind::Io, error.to_string(), error))?;
        AetherDB::open_with(env, DbOptions::DEFAULT)
    }

    /// Opens the database in the storage of `env`.
    ///
    /// # Errors
    /// As [`open`](AetherDB::open).
    pub fn open_with(env: Env, options: DbOptions) -> Result<AetherDB> {
        let location = env.storage.location();
        let spawner = Arc::clone(&env.spawner);
        let storage = aidb::Options {
            retention: options.storage.retention.max(options.retention),
            ..options.storage
        };
        let keeps_past = !storage.retention.is_zero();
        let storage = DB::open_with(env, storage)?;
        let keyspaces = Keyspaces::open(
            &storage,
            (options.row_cache_bytes, options.bucket_cache_bytes),
            keeps_past,
        )?;
        let catalog = Catalog::read(&storage.snapshot(), &keyspaces)?;
        let threads = options.lane_threads.unwrap_or_else(|| {
            std::thread::available_parallelism().map_or(1, |cores| (cores.get() / 2).max(1))
        });
        let pool = Pool::new(spawner, threads);
        for &id in &catalog.dropped {
            pool.purge(Purge::new(id, &storage, &keyspaces, None));
        }
        let slot = |record| {
            Arc::new(Slot {
                record: RwLock::new(record),
                state: Mutex::new(SlotState::Closed),
            })
        };
        let by_name = catalog
            .collections
            .into_iter()
            .map(|(name, record)| (name, slot(record)))
            .collect();
        Ok(AetherDB {
            inner: Arc::new(Inner {
                storage,
                keyspaces,
                collections: Mutex::new(Collections {
                    next: catalog.next,
                    by_name,
                    aliases: catalog.aliases,
                }),
                pool: Arc::new(pool),
                durability: options.durability,
                closed: AtomicBool::new(false),
                location,
            }),
        })
    }

    /// Creates a collection of `f32` vectors with `dim` components. `metric`: `"cosine"`, `"l2"` or `"dot"`.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] for an unacceptable argument, [`ErrorKind::Exists`] when the name is taken.
    pub fn create_collection(
        &self,
        name: &str,
        dim: usize,
        metric: &str,
        config: IndexConfig,
    ) -> Result<Collection> {
        let metric = schema::parse_metric(metric)?;
        self.create_collection_with(name, CollectionSchema::new(dim, metric, config))
    }

    /// Creates a collection.
    ///
    /// # Errors
    /// As [`create_collection`](AetherDB::create_collection).
    pub fn create_collection_with(
        &self,
        name: &str,
        schema: CollectionSchema,
    ) -> Result<Collection> {
        let inner = &self.inner;
        inner.open()?;
        validate::collection_name(name)?;
        validate::schema(&schema)?;
        let mut collections = inner.collections.lock();
        if collections.by_name.contains_key(name) {
            return Err(Error::new(
                ErrorKind::Exists,
                format!("collection {name:?} exists already"),
            ));
        }
        if let Some(collection) = collections.aliases.get(name) {
            return Err(Error::new(
                ErrorKind::Exists,
                format!("collection {name:?}: an alias of {collection:?} is called so already"),
            ));
        }
        let id = collections.next;
        let next = id
            .checked_add(1)
            .ok_or_else(|| Error::invalid("the numbers for collections are used up"))?;
        let record = CollectionRecord::new(CollectionId(id), schema);
        let core = Arc::new(Core::new(&record, name, &inner.storage, &inner.keyspaces)?);
        let mut batch = WriteBatch::new();
        batch.put(
            &inner.keyspaces.catalog,
            CatalogKey::Meta.encode(),
            catalog::encode_meta(next),
        );
        batch.put(
            &inner.keyspaces.catalog,
            CatalogKey::Collection(name.to_owned()).encode(),
            record.encode(),
        );
        let commit = inner.storage.submit(batch)?;
        // Visible: memory says so from now on, whatever becomes of its durability.
        collections.next = next;
        let state = Mutex::new(SlotState::Open(Arc::clone(&core)));
        collections.by_name.insert(
            name.to_owned(),
            Arc::new(Slot {
                record: RwLock::new(record),
                state,
            }),
        );
        drop(collections);
        commit.wait_durable()?;
        Ok(self.handle(core))
    }

    /// The collection called `name`, or that has it as an alias. Its first use since the database was opened opens its index.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when there is none, [`ErrorKind::Corruption`] when its index is damaged.
    pub fn collection(&self, name: &str) -> Result<Collection> {
        self.inner.open()?;
        let (name, slot) = self.slot(name)?;
        let mut state = slot.state.lock();
        match &*state {
            SlotState::Open(core) => return Ok(self.handle(Arc::clone(core))),
            SlotState::Dropped => return Err(not_found(&name)),
            SlotState::Closed => {}
        }
        let core = Arc::new(open::open(
            &slot.record.read(),
            &name,
            &self.inner.storage,
            &self.inner.keyspaces,
        )?);
        *state = SlotState::Open(Arc::clone(&core));
        self.inner.pool.notify(&core);
        Ok(self.handle(core))
    }

    /// Removes a collection, everything in it, and its aliases. Its space is given back in the background.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when there is none.
    pub fn drop_collection(&self, name: &str) -> Result<()> {
        let inner = &self.inner;
        inner.open()?;
        validate::collection_name(name)?;
        let mut collections = inner.collections.lock();
        let slot = collections
            .by_name
            .get(name)
            .cloned()
            .ok_or_else(|| not_found(name))?;
        let mut state = slot.state.lock();
        let core = if let SlotState::Open(core) = &*state {
            Some(Arc::clone(core))
        } else {
            None
        };
        // No write of the collection may come behind the drop.
        let writer = core.as_ref().map(|core| core.writer.lock());
        let id = slot.record.read().id;
        let mut batch = WriteBatch::new();
        batch.delete(
            &inner.keyspaces.catalog,
            CatalogKey::Collection(name.to_owned()).encode(),
        );
        batch.put(
            &inner.keyspaces.catalog,
            CatalogKey::Dropped(id).encode(),
            [],
        );
        for (alias, collection) in &collections.aliases {
            if collection == name {
                let key = CatalogKey::Alias(alias.clone()).encode();
                batch.delete(&inner.keyspaces.catalog, key);
            }
        }
        let commit = inner.storage.submit(batch)?;
        if let Some(core) = &core {
            core.dropped.store(true, Ordering::Release);
            core.progress.stepped.notify_all();
        }
        *state = SlotState::Dropped;
        collections.by_name.remove(name);
        collections
            .aliases
            .retain(|_, collection| collection != name);
        inner.pool.purge(Purge::new(
            id,
            &inner.storage,
            &inner.keyspaces,
            core.clone(),
        ));
        drop((writer, state, collections));
        Ok(commit.wait_durable()?)
    }

    /// All collections, ordered by name.
    pub fn collections(&self) -> Vec<CollectionInfo> {
        let collections = self.inner.collections.lock();
        let info = |(name, slot): (&String, &Arc<Slot>)| CollectionInfo {
            name: name.clone(),
            schema: slot.schema(),
        };
        collections.by_name.iter().map(info).collect()
    }

    /// Those of the collections that are open, ordered by name: what was not used since the database was opened is not.
    pub fn open_collections(&self) -> Vec<Collection> {
        let slots: Vec<Arc<Slot>> = {
            let collections = self.inner.collections.lock();
            collections.by_name.values().cloned().collect()
        };
        // One that is being opened is not open.
        let open = slots
            .iter()
            .filter_map(|slot| match &*slot.state.try_lock()? {
                SlotState::Open(core) => Some(self.handle(Arc::clone(core))),
                SlotState::Closed | SlotState::Dropped => None,
            });
        open.collect()
    }

    /// What the collection called `name` (or that has it as an alias) is made of; does not open it.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when there is none.
    pub fn describe(&self, name: &str) -> Result<CollectionInfo> {
        let (name, slot) = self.slot(name)?;
        Ok(CollectionInfo {
            name,
            schema: slot.schema(),
        })
    }

    /// The present state of all collections, to be read with [`Collection::at`].
    pub fn snapshot(&self) -> DbSnapshot {
        let storage = &self.inner.storage;
        let now = keyspace::millis(storage.now());
        DbSnapshot::new(storage.snapshot(), now, &self.inner.pool)
    }

    /// The state of all collections at an earlier moment, by its number or by the time: for gets, scrolls, counts and
    /// searches alike, with [`Collection::at`]. A time stands for the last commit before it, known to a thousandth of
    /// [`DbOptions::retention`].
    ///
    /// ```
    /// use aethervec::{AetherDB, DbOptions, Document, IndexConfig};
    /// use std::time::Duration;
    /// # let dir = tempfile::tempdir().unwrap();
    /// let env = aether_env::Env::local(dir.path())?;
    /// let options = DbOptions { retention: Duration::from_secs(3_600), ..DbOptions::DEFAULT };
    /// let db = AetherDB::open_with(env, options)?;
    /// let notes = db.create_collection("notes", 1, "l2", IndexConfig::default())?;
    /// notes.upsert(Document::new(vec![1.0], "a"))?;
    /// let before = db.snapshot().seq();
    /// notes.delete("a")?;
    ///
    /// let past = notes.at(&db.as_of(before)?)?;
    /// assert_eq!(past.search(&[1.0], 1)?[0].id.to_string(), "a");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when the moment is outside of the retention window, [`ErrorKind::Invalid`] when it is to come.
    pub fn as_of(&self, moment: impl Into<AsOf>) -> Result<DbSnapshot> {
        self.inner.open()?;
        let storage = &self.inner.storage;
        let moment = moment.into();
        let snapshot = storage.snapshot_at(moment)?;
        let time = match moment {
            AsOf::Time(time) => time,
            AsOf::Seq(seq) => storage.time_of(seq).unwrap_or_else(|| storage.now()),
        };
        let now = keyspace::millis(time);
        Ok(DbSnapshot::new(snapshot, now, &self.inner.pool))
    }

    /// The state at an earlier moment, for a reader whose time is `now`, in milliseconds since 1970.
    pub(crate) fn snapshot_at(&self, seq: SeqNo, now: u64) -> Result<DbSnapshot> {
        self.inner.open()?;
        let snapshot = self.inner.storage.snapshot_at(seq)?;
        Ok(DbSnapshot::new(snapshot, now, &self.inner.pool))
    }

    /// Figures of the database.
    pub fn stats(&self) -> DbStats {
        DbStats {
            location: self.inner.location.clone(),
            collections: self.inner.collections.lock().by_name.len(),
            storage: self.inner.storage.stats(),
        }
    }

    /// Does one step of background work: for a database that was opened without threads. True when there is more.
    ///
    /// # Errors
    /// Those of the storage engine. What goes wrong with an index is in its
    /// [`index_status`](Collection::index_status).
    pub fn tick(&self) -> Result<bool> {
        self.inner.open()?;
        let storage = self.inner.storage.tick()?;
        Ok(self.inner.pool.tick() || storage)
    }

    /// Gives the space of deleted documents and dropped collections back now, instead of bit by bit in the background.
    /// Waits until dropped collections are removed, then rewrites all tables: it takes as long as reading and writing
    /// the database once, and as much free space.
    ///
    /// # Errors
    /// Those of the storage engine, a full disk for example. Nothing is lost then.
    pub fn reclaim(&self) -> Result<()> {
        self.reclaim_while(&|| true).map(drop)
    }

    /// As [`reclaim`](AetherDB::reclaim), as long as `go_on`, which is asked now and then. False when it was called off: what was
    /// given back by then stays so.
    ///
    /// # Errors
    /// As [`reclaim`](AetherDB::reclaim).
    pub fn reclaim_while(&self, go_on: &dyn Fn() -> bool) -> Result<bool> {
        self.inner.open()?;
        Ok(self.inner.pool.wait_for_purges(go_on) && self.inner.storage.compact_while(go_on)?)
    }

    /// Ends background work, saves what is worth saving and closes the files. All handles are of no use afterwards.
    ///
    /// # Errors
    /// When something could not be saved. What was acknowledged is safe all the same.
    pub fn close(&self) -> Result<()> {
        self.inner.close()
    }

    fn handle(&self, core: Arc<Core>) -> Collection {
        Collection {
            core,
            db: Arc::clone(&self.inner),
        }
    }

    /// The collection that `name` stands for, by its own name.
    fn slot(&self, name: &str) -> Result<(String, Arc<Slot>)> {
        validate::collection_name(name)?;
        let collections = self.inner.collections.lock();
        let own = collections.aliases.get(name).map_or(name, String::as_str);
        let slot = collections.by_name.get(own).cloned();
        Ok((own.to_owned(), slot.ok_or_else(|| not_found(name))?))
    }
}

pub(crate) fn not_found(name: &str) -> Error {
    Error::not_found(format!("collection {name:?} does not exist"))
}
