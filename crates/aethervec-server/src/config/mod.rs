//! The configuration: defaults, then a file, then the environment, then flags; later ones win.
//!
//! Settings are flat. A setting `http_port` is `http_port: 8080` in the file, `VECTOR_DB_HTTP_PORT=8080` in the environment and
//! `--set http_port=8080` on the command line. What is not known is an error that names it and where it stands.

mod layers;
mod security;
mod settings;

pub use layers::{Explained, Sources};
pub use security::JwtAlgorithm;
pub use settings::{ByteSize, CipherName, Config, LogFormat};
