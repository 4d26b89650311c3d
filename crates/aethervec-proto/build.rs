//! Compiles the .proto files, without an installed compiler for them.

use std::error::Error;
use std::path::PathBuf;

/// Each has a service; they share their messages.
const PROTOS: [&str; 2] = [
    "proto/aethervec/v1/vector_database.proto",
    "proto/aethervec/v1/administration.proto",
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=proto");
    let descriptors = protox::compile(PROTOS, ["proto"])?;
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    // For reflection: what the server says of itself.
    std::fs::write(
        out.join("descriptors.bin"),
        prost::Message::encode_to_vec(&descriptors),
    )?;
    tonic_prost_build::configure()
        .btree_map(".")
        .bytes(".")
        .compile_fds(descriptors)?;
    Ok(())
}
