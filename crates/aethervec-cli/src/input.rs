//! Files that the user names: opened, decompressed, counted, and read in bounded pieces.
//!
//! The only place of this crate that opens or creates files which do not belong to a database.

use crate::failure::{Failure, Outcome};
use flate2::bufread::MultiGzDecoder;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The first bytes of a gzip file: the magic number and the only compression method there is.
const GZIP_MAGIC: [u8; 3] = [0x1f, 0x8b, 0x08];
const BUFFER_BYTES: usize = 256 * 1024;

/// A file (or `-`, standard input), read from front to back; gzip is recognised by its first bytes.
pub(crate) struct Input {
    name: String,
    reader: Box<dyn BufRead + Send>,
    offset: u64,
    consumed: Arc<AtomicU64>,
    file_bytes: Option<u64>,
    compressed: bool,
}

/// What [`Input::fill`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fill {
    /// The buffer is full.
    Full,
    /// The file ended exactly here.
    End,
}

impl Input {
    /// Opens `path`; `-` is standard input.
    pub(crate) fn open(path: &Path) -> Outcome<Input> {
        if path.as_os_str() == "-" {
            return Input::from_reader("standard input".to_owned(), Box::new(io::stdin()), None);
        }
        let name = path.display().to_string();
        let file = open_file(path)?;
        let bytes = file
            .metadata()
            .map_err(|error| Failure::file(&name, &error))?
            .len();
        Input::from_reader(name, Box::new(file), Some(bytes))
    }

    fn from_reader(
        name: String,
        raw: Box<dyn Read + Send>,
        file_bytes: Option<u64>,
    ) -> Outcome<Input> {
        let consumed = Arc::new(AtomicU64::new(0));
        let counted = Counted {
            inner: raw,
            consumed: Arc::clone(&consumed),
        };
        let mut reader = BufReader::with_capacity(BUFFER_BYTES, counted);
        let start = reader
            .fill_buf()
            .map_err(|error| Failure::file(&name, &error))?;
        let compressed = start.starts_with(&GZIP_MAGIC);
        let reader: Box<dyn BufRead + Send> = if compressed {
            Box::new(BufReader::with_capacity(
                BUFFER_BYTES,
                MultiGzDecoder::new(reader),
            ))
        } else {
            Box::new(reader)
        };
        Ok(Input {
            name,
            reader,
            offset: 0,
            consumed,
            file_bytes,
            compressed,
        })
    }

    /// Bytes in memory, as if they were a file.
    #[cfg(test)]
    pub(crate) fn from_bytes(name: &str, bytes: &[u8]) -> Input {
        let raw = Box::new(io::Cursor::new(bytes.to_vec()));
        Input::from_reader(name.to_owned(), raw, Some(bytes.len() as u64))
            .expect("reading memory cannot fail")
    }

    /// Whether the rest of the file begins with `bytes`, which stay to be read.
    pub(crate) fn begins_with(&mut self, bytes: &[u8]) -> Outcome<bool> {
        let mut reader = std::mem::replace(&mut self.reader, Box::new(io::empty()));
        let mut head = Vec::new();
        let read = (&mut reader)
            .take(bytes.len() as u64)
            .read_to_end(&mut head);
        read.map_err(|error| Failure::file(&self.name, &error))?;
        let begins = head == bytes;
        self.reader = Box::new(io::Cursor::new(head).chain(reader));
        Ok(begins)
    }

    /// The file's name, for messages.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Offset of the next byte, after decompression.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// Length of the contents, where it is known without reading them.
    pub(crate) fn content_bytes(&self) -> Option<u64> {
        self.file_bytes.filter(|_| !self.compressed)
    }

    /// Length of the file as it is stored.
    pub(crate) fn file_bytes(&self) -> Option<u64> {
        self.file_bytes
    }

    /// How much of the file, as stored, has been read; another thread may look at it.
    pub(crate) fn consumed(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.consumed)
    }

    /// Fills `buffer`, or finds the end of the file before its first byte. An end in the middle is an error that names
    /// `what` was cut off, and where.
    pub(crate) fn fill(&mut self, buffer: &mut [u8], what: &str) -> Outcome<Fill> {
        let start = self.offset;
        let mut filled = 0;
        while filled < buffer.len() {
            let n = match self.reader.read(&mut buffer[filled..]) {
                Ok(n) => n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(Failure::file(&self.name, &error)),
            };
            if n == 0 && filled == 0 {
                return Ok(Fill::End);
            }
            if n == 0 {
                let missing = buffer.len() - filled;
                return Err(self.invalid(format!(
                    "truncated: {what} at byte {start} lacks its last {missing} bytes"
                )));
            }
            filled += n;
            self.offset += n as u64;
        }
        Ok(Fill::Full)
    }

    /// As [`Input::fill`], where the end of the file is an error as well.
    pub(crate) fn fill_exactly(&mut self, buffer: &mut [u8], what: &str) -> Outcome {
        match self.fill(buffer, what)? {
            Fill::Full => Ok(()),
            Fill::End => Err(self.invalid(format!(
                "truncated: the file ends at byte {} where {what} should be",
                self.offset
            ))),
        }
    }

    /// The next line without its end, into `line`; false at the end of the file. A line of more than `bytes_max` is an error.
    pub(crate) fn read_line(&mut self, line: &mut Vec<u8>, bytes_max: usize) -> Outcome<bool> {
        line.clear();
        let start = self.offset;
        let mut bounded = (&mut self.reader).take(bytes_max as u64 + 1);
        let n = bounded
            .read_until(b'\n', line)
            .map_err(|error| Failure::file(&self.name, &error))?;
        self.offset += n as u64;
        if line.last() == Some(&b'\n') {
            line.pop();
        } else if n > bytes_max {
            return Err(self.invalid(format!(
                "the line at byte {start} is longer than {bytes_max} bytes"
            )));
        }
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        Ok(n > 0)
    }

    /// An error in this file's contents.
    pub(crate) fn invalid(&self, message: impl std::fmt::Display) -> Failure {
        Failure::invalid(format!("{}: {message}", self.name))
    }
}

impl std::fmt::Debug for Input {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Input")
            .field("name", &self.name)
            .field("offset", &self.offset)
            .finish_non_exhaustive()
    }
}

impl Read for Input {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.reader.read(buffer)?;
        self.offset += n as u64;
        Ok(n)
    }
}

/// Opens a file that the user named.
#[expect(
    clippy::disallowed_methods,
    reason = "a file of the user, not one of a database: no Storage holds it"
)]
pub(crate) fn open_file(path: &Path) -> Outcome<File> {
    let name = path.display().to_string();
    if path.is_dir() {
        return Err(Failure::invalid(format!(
            "{name}: is a directory, not a file"
        )));
    }
    File::open(path).map_err(|error| Failure::file(&name, &error))
}

/// Creates a file that the user named, or empties the one that is there.
#[expect(
    clippy::disallowed_methods,
    reason = "a file of the user, not one of a database: no Storage holds it"
)]
pub(crate) fn create_file(path: &Path) -> Outcome<File> {
    File::create(path).map_err(|error| Failure::file(&path.display().to_string(), &error))
}

/// Counts what is read from the file itself.
struct Counted {
    inner: Box<dyn Read + Send>,
    consumed: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.consumed.fetch_add(n as u64, Ordering::Relaxed);
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn gzip_is_recognised_and_counted() {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(&[7; 100_000]).unwrap();
        let mut input = Input::from_bytes("x.gz", &encoder.finish().unwrap());
        let mut buffer = vec![0; 100_000];
        assert_eq!(input.fill(&mut buffer, "data").unwrap(), Fill::Full);
        assert_eq!((buffer[99_999], input.offset()), (7, 100_000));
        assert_eq!(input.fill(&mut buffer, "data").unwrap(), Fill::End);
        assert!(input.content_bytes().is_none());
    }

    #[test]
    fn a_truncated_gzip_is_an_error_of_the_file() {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder
            .write_all(
                &(0..100_000_u32)
                    .flat_map(u32::to_le_bytes)
                    .collect::<Vec<_>>(),
            )
            .unwrap();
        let bytes = encoder.finish().unwrap();
        let mut input = Input::from_bytes("x.gz", &bytes[..bytes.len() / 2]);
        let failure = input.fill(&mut vec![0; 400_000], "data").unwrap_err();
        assert!(
            failure
                .to_string()
                .starts_with("x.gz: damaged or truncated"),
            "{failure}"
        );
    }

    #[test]
    fn lines_are_bounded() {
        let mut input = Input::from_bytes("x", b"one\r\ntwo\n\nabcdef");
        let mut line = Vec::new();
        assert!(input.read_line(&mut line, 5).unwrap());
        assert_eq!(line, b"one");
        assert!(input.read_line(&mut line, 5).unwrap() && input.read_line(&mut line, 5).unwrap());
        assert_eq!(line, b"");
        let failure = input.read_line(&mut line, 5).unwrap_err();
        assert_eq!(
            failure.to_string(),
            "x: the line at byte 10 is longer than 5 bytes"
        );
    }
}
