//! A file of which a crash has left the name alone: it has no bytes, and so no key.

use std::io;

use aether_env::{FileMap, RandomFile};

#[derive(Debug)]
pub(crate) struct EmptyFile {
    name: String,
    location: String,
}

impl EmptyFile {
    pub(crate) fn new(name: &str, location: String) -> EmptyFile {
        EmptyFile {
            name: name.to_owned(),
            location,
        }
    }
}

impl RandomFile for EmptyFile {
    fn len(&self) -> u64 {
        0
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        if offset == 0 && buffer.is_empty() {
            return Ok(());
        }
        Err(io::Error::new(
            io::ErrorKind::UnexpectedEof,
            format!(
                "cannot read {} bytes of {} in {} at byte {offset}: the file has 0 bytes",
                buffer.len(),
                self.name,
                self.location
            ),
        ))
    }

    fn map_private(&self) -> io::Result<FileMap> {
        Ok(FileMap::Copied(Vec::new()))
    }
}
