//! One file per engine. A new one: an `impl Engine`, an arm here, a feature.

mod aidb_engine;
#[cfg(feature = "fjall")]
mod fjall_engine;
#[cfg(feature = "leveldb")]
mod leveldb_engine;
#[cfg(feature = "lmdb")]
mod lmdb_engine;
#[cfg(feature = "redb")]
mod redb_engine;
#[cfg(feature = "rocksdb")]
mod rocksdb_engine;

use crate::engine::{Engine, Settings};

/// The names of the engines that are built in.
pub const NAMES: &[&str] = &[
    "aidb",
    #[cfg(feature = "rocksdb")]
    "rocksdb",
    #[cfg(feature = "fjall")]
    "fjall",
    #[cfg(feature = "leveldb")]
    "leveldb",
    #[cfg(feature = "lmdb")]
    "lmdb",
    #[cfg(feature = "redb")]
    "redb",
];

/// Opens or makes the database of `settings` with the engine `name`.
pub fn open(name: &str, settings: &Settings) -> Box<dyn Engine> {
    std::fs::create_dir_all(&settings.directory).expect("make the directory");
    match name {
        "aidb" => Box::new(aidb_engine::open(settings)),
        #[cfg(feature = "rocksdb")]
        "rocksdb" => Box::new(rocksdb_engine::open(settings)),
        #[cfg(feature = "fjall")]
        "fjall" => Box::new(fjall_engine::open(settings)),
        #[cfg(feature = "leveldb")]
        "leveldb" => Box::new(leveldb_engine::open(settings)),
        #[cfg(feature = "lmdb")]
        "lmdb" => Box::new(lmdb_engine::open(settings)),
        #[cfg(feature = "redb")]
        "redb" => Box::new(redb_engine::open(settings)),
        _ => panic!("the engine {name} is not built in; there are {NAMES:?}"),
    }
}
