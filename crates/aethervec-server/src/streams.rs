//! Streams between async connections and the synchronous engine: chunks of bytes through a bounded channel, so that whoever is
//! slower slows the other one down.

use bytes::{Buf, Bytes};
use std::io::{self, BufRead, Read, Write};
use tokio::sync::mpsc;

/// Chunks that are under way at a time.
const CHUNKS_MAX: usize = 8;

/// What flows into the engine.
#[derive(Debug)]
enum Piece {
    Chunk(Bytes),
    /// Nothing more comes, and nothing is missing.
    End,
}

/// The end at which a connection puts chunks in. Dropped without [`finish`](ChunkSource::finish), the reader fails.
#[derive(Debug)]
pub(crate) struct ChunkSource(mpsc::Sender<Piece>);

/// The end at which the engine reads them.
#[derive(Debug)]
pub(crate) struct ChunkReader {
    pieces: mpsc::Receiver<Piece>,
    chunk: Bytes,
    ended: bool,
}

/// What flows out of the engine: after an error nothing comes any more.
pub(crate) type Chunk = io::Result<Bytes>;

/// The end at which the engine writes. Fails when nobody receives any more.
#[derive(Debug)]
pub(crate) struct ChunkWriter(mpsc::Sender<Chunk>);

/// Where a failure is told to whoever receives.
#[derive(Debug)]
pub(crate) struct ChunkEnd(mpsc::Sender<Chunk>);

/// A channel into the engine.
pub(crate) fn incoming() -> (ChunkSource, ChunkReader) {
    let (source, pieces) = mpsc::channel(CHUNKS_MAX);
    let reader = ChunkReader {
        pieces,
        chunk: Bytes::new(),
        ended: false,
    };
    (ChunkSource(source), reader)
}

/// A channel out of the engine.
pub(crate) fn outgoing() -> (ChunkWriter, mpsc::Receiver<Chunk>) {
    let (writer, chunks) = mpsc::channel(CHUNKS_MAX);
    (ChunkWriter(writer), chunks)
}

impl ChunkSource {
    /// Puts a chunk in. False when nobody reads any more.
    pub(crate) async fn put(&self, chunk: Bytes) -> bool {
        self.0.send(Piece::Chunk(chunk)).await.is_ok()
    }

    /// Says that this was all.
    pub(crate) async fn finish(self) {
        // Nobody reads any more: then nobody needs to know.
        let _ = self.0.send(Piece::End).await;
    }
}

impl ChunkWriter {
    /// For the case that writing fails.
    pub(crate) fn end(&self) -> ChunkEnd {
        ChunkEnd(self.0.clone())
    }
}

impl ChunkEnd {
    /// Says that what was sent is not all.
    pub(crate) fn fail(self, why: String) {
        // Nobody receives any more: then nobody needs to know.
        let _ = self.0.blocking_send(Err(io::Error::other(why)));
    }
}

impl BufRead for ChunkReader {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.chunk.is_empty() && !self.ended {
            match self.pieces.blocking_recv() {
                Some(Piece::Chunk(chunk)) => self.chunk = chunk,
                Some(Piece::End) => self.ended = true,
                None => {
                    return Err(io::Error::new(
                        io::ErrorKind::UnexpectedEof,
                        "the connection ended before the stream did",
                    ));
                }
            }
        }
        Ok(&self.chunk)
    }

    fn consume(&mut self, amount: usize) {
        self.chunk.advance(amount);
    }
}

impl Read for ChunkReader {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let mut chunk = self.fill_buf()?;
        let read = chunk.read(into)?;
        self.consume(read);
        Ok(read)
    }
}

/// JSON lines of which only so many may come, and one more with what they are about.
#[derive(Debug)]
pub(crate) struct Bounded<R> {
    lines: R,
    left: u64,
    is_over: bool,
}

impl<R> Bounded<R> {
    pub(crate) fn new(lines: R, documents_max: u64) -> Bounded<R> {
        Bounded {
            lines,
            left: documents_max.saturating_add(1),
            is_over: false,
        }
    }

    /// Whether more came than may.
    pub(crate) fn is_over(&self) -> bool {
        self.is_over
    }
}

impl<R: BufRead> BufRead for Bounded<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let buffer = self.lines.fill_buf()?;
        if self.left == 0 && !buffer.is_empty() {
            self.is_over = true;
            return Err(io::Error::new(
                io::ErrorKind::QuotaExceeded,
                "there is no room for more documents",
            ));
        }
        // No further than to the last line that may come.
        let end = match end_of_line(buffer, self.left) {
            Some(end) => end,
            None => buffer.len(),
        };
        Ok(&buffer[..end])
    }

    fn consume(&mut self, amount: usize) {
        if let Ok(buffer) = self.lines.fill_buf() {
            let ended = buffer[..amount].iter().filter(|byte| **byte == b'\n');
            self.left -= ended.count() as u64;
        }
        self.lines.consume(amount);
    }
}

impl<R: BufRead> Read for Bounded<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.fill_buf()?.read(into)?;
        self.consume(read);
        Ok(read)
    }
}

/// Where the line ends that is the `count`th from here.
fn end_of_line(buffer: &[u8], count: u64) -> Option<usize> {
    let ends = buffer
        .iter()
        .enumerate()
        .filter(|(_, byte)| **byte == b'\n');
    let last = usize::try_from(count).ok()?.checked_sub(1)?;
    ends.map(|(place, _)| place + 1).nth(last)
}

impl Write for ChunkWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let sent = self.0.blocking_send(Ok(Bytes::copy_from_slice(bytes)));
        sent.map_err(|_| io::Error::new(io::ErrorKind::BrokenPipe, "the connection is gone"))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
