//! Encryption at rest: a [`Storage`](aether_env::Storage) that keeps every file of another one encrypted and
//! authenticated: tables, logs, manifests, attachments, temporaries.
//!
//! ```
//! use std::sync::Arc;
//! use aether_crypt::{Cipher, EncryptedStorage, Key, KeyId, StaticKeys};
//! use aether_env::Env;
//! use aidb::{DB, Options};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let directory = tempfile::tempdir()?;
//! # let path = directory.path().join("data");
//! let env = Env::local(path)?;
//! // `StaticKeys::from_file(KeyId(1), "/run/secrets/aidb.key")?` reads a key from a file.
//! let keys = Arc::new(StaticKeys::new(KeyId(1), Key::random()?));
//! let storage = EncryptedStorage::new(Arc::clone(&env.storage), keys, Cipher::Aes256Gcm);
//! let db = DB::open_with(Env { storage: Arc::new(storage), ..env }, Options::default())?;
//! db.put("greeting", "hello")?;
//! # Ok(())
//! # }
//! ```
//!
//! # What it keeps
//! - Nobody without the key learns contents. Names, sizes and times of files stay visible, as does the lock file.
//! - Nobody without the key changes contents unnoticed: a flipped bit, a moved, swapped or cut piece, and a file under
//!   another's name are errors that name the file and the place. That somebody puts *all* files back to an earlier
//!   state is not noticed: for that, something must be kept elsewhere.
//! - Each file has a random data key of its own, which stands in its header, wrapped by a key of the [`KeyProvider`].
//!   A wrong or missing key is an error that names the key and the file.
//!
//! # Rotation
//! When [`KeyProvider::current`] answers with another key, new files use it; the files that are there go on needing
//! theirs. Flushes and compactions rewrite them in time, and
//! [`EncryptedStorage::keys_in_use`] tells which keys are still needed. Restoring a backup into an empty
//! `EncryptedStorage` rewrites everything at once.
//!
//! The bytes: docs/formats/encryption.md.

mod cipher;
mod empty;
mod frame;
#[cfg(any(fuzzing, test))]
#[doc(hidden)]
pub mod fuzzing;
mod genuine;
mod header;
mod index;
mod keys;
mod reader;
mod storage;
mod writer;

pub use cipher::Cipher;
pub use keys::{KEY_BYTES, Key, KeyId, KeyProvider, StaticKeys};
pub use storage::EncryptedStorage;
