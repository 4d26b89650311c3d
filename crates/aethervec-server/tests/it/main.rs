//! The server as clients see it: each test has a server of its own, on ports that are free.

mod common;
mod health;
