//! The server as clients see it: each test has a server of its own, on ports that are free.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod administration;
mod attacks;
mod attacks_input;
mod audit;
mod auth;
mod bad_input;
mod callers;
mod common;
mod console;
mod deploy;
mod grpc;
mod health;
mod limits;
mod metrics;
mod openmetrics;
mod qdrant;
mod queries;
mod quotas;
mod random_json;
mod random_messages;
mod requests;
mod rest;
mod state;
mod streams;
mod tls;
mod tokens;
mod traces;
