//! Runs the real binary, as a script would.

mod bad_input;
mod commands;
mod demo;
mod import;
mod interrupt;
mod tool;
