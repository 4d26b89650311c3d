//! The messages and services of the native gRPC API, for the server and for clients in Rust.
//!
//! [`v1`] is generated from the files in `proto/aethervec/v1`, which document it. Ids, vectors and documents
//! become those of the engine by `try_into`, and messages by `into`: both ends of a connection read them alike.

mod convert;
pub mod v1;

pub use convert::Malformed;

/// The descriptors of all files, as reflection serves them.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
