//! AetherVec over the network.
//!
//! ```text
//! rest/ (native)   grpc/ (native)   qdrant/ (its dialect; its types stop there)     async; a protocol each
//!        ╲               │               ╱
//!   auth (who calls, and what may they)   error (one error, each protocol's shape)
//!                        │
//!   tenants (name → open database)        engine (the gate: async above, threads below)
//!                        │
//!                    aethervec                                                       synchronous
//! ```
//!
//! Every call of the engine goes through [`engine::Gate`], which bounds how many run and how many wait. [`Server`] binds all
//! ports, serves until it is told to stop, and closes every database.

mod action;
pub mod app;
pub mod audit;
pub mod auth;
pub mod call;
mod certificates;
pub mod config;
mod console;
pub mod engine;
pub mod error;
mod grpc;
mod health;
mod log;
mod net;
mod notify;
pub mod observe;
mod open_files;
pub mod operations;
pub mod pace;
pub mod peer;
mod probe;
mod qdrant;
mod questions;
pub mod quotas;
mod reload;
mod rest;
mod serve;
pub mod sessions;
mod short;
mod streams;
mod tenant_name;
pub mod tenants;
mod whole;
mod wire;

pub use aethervec_proto::v1 as proto;
pub use app::App;
pub use config::Config;
pub use error::{ApiError, ApiErrorKind};
pub use probe::probe;
pub use serve::{Addresses, Server, run};
