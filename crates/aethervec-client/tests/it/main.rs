//! The client against a server in the same process.

mod calls;
mod failures;
mod program;
mod server;
