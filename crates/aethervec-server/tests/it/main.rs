//! The server as clients see it: each test has a server of its own, on ports that are free.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod bad_input;
mod common;
mod deploy;
mod grpc;
mod health;
mod qdrant;
mod qdrant_grpc;
mod queries;
mod rest;
mod state;
mod streams;
