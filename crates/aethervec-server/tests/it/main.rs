//! The server as clients see it: each test has a server of its own, on ports that are free.

mod bad_input;
mod common;
mod health;
mod queries;
mod rest;
mod state;
mod streams;
