//! Pages of Parquet files that are compressed with Zstandard, whose usual library is written in C: the pages are read as they are
//! stored, and decompressed here.

use bytes::Bytes;
use parquet::basic::Compression;
use parquet::column::page::{Page, PageIterator, PageMetadata, PageReader};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::reader::{ChunkReader, SerializedPageReader};
use ruzstd::decoding::StreamingDecoder;
use std::io::Read;
use std::sync::Arc;

/// Most bytes of a decompressed page: what a page says of itself is not trusted.
const PAGE_BYTES_MAX: u64 = 1 << 30;

/// The pages of one column in one row group.
pub(super) fn pages<R: ChunkReader + 'static>(
    file: &Arc<R>,
    chunk: &ColumnChunkMetaData,
    rows: usize,
) -> Result<Box<dyn PageReader>> {
    let file = Arc::clone(file);
    if !matches!(chunk.compression(), Compression::ZSTD(_)) {
        return Ok(Box::new(SerializedPageReader::new(
            file, chunk, rows, None,
        )?));
    }
    let stored = chunk.clone().into_builder();
    let stored = stored.set_compression(Compression::UNCOMPRESSED).build()?;
    let pages = SerializedPageReader::new(file, &stored, rows, None)?;
    Ok(Box::new(ZstdPages(pages)))
}

/// The only column chunk of an iteration over column chunks.
pub(super) struct OneChunk(pub(super) Option<Box<dyn PageReader>>);

impl Iterator for OneChunk {
    type Item = Result<Box<dyn PageReader>>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.take().map(Ok)
    }
}

impl PageIterator for OneChunk {}

/// Pages as they are stored, decompressed.
struct ZstdPages<R: ChunkReader>(SerializedPageReader<R>);

impl<R: ChunkReader> Iterator for ZstdPages<R> {
    type Item = Result<Page>;

    fn next(&mut self) -> Option<Self::Item> {
        self.get_next_page().transpose()
    }
}

impl<R: ChunkReader> PageReader for ZstdPages<R> {
    fn get_next_page(&mut self) -> Result<Option<Page>> {
        self.0.get_next_page()?.map(decompressed).transpose()
    }

    fn peek_next_page(&mut self) -> Result<Option<PageMetadata>> {
        self.0.peek_next_page()
    }

    fn skip_next_page(&mut self) -> Result<()> {
        self.0.skip_next_page()
    }
}

fn decompressed(mut page: Page) -> Result<Page> {
    match &mut page {
        Page::DataPage { buf, .. } | Page::DictionaryPage { buf, .. } => {
            *buf = Bytes::from(unpacked(Vec::new(), buf)?);
        }
        // The levels at its beginning are never compressed.
        Page::DataPageV2 {
            buf,
            def_levels_byte_len,
            rep_levels_byte_len,
            is_compressed,
            ..
        } if *is_compressed => {
            let levels = u64::from(*def_levels_byte_len) + u64::from(*rep_levels_byte_len);
            let split = usize::try_from(levels).ok();
            let split = split.and_then(|levels| buf.split_at_checked(levels));
            let (levels, values) = split.ok_or_else(|| {
                ParquetError::General("a page is shorter than its levels".to_owned())
            })?;
            *buf = Bytes::from(unpacked(levels.to_vec(), values)?);
            *is_compressed = false;
        }
        Page::DataPageV2 { .. } => {}
    }
    Ok(page)
}

/// Appends what `stored` decompresses to.
fn unpacked(mut out: Vec<u8>, stored: &[u8]) -> Result<Vec<u8>> {
    if stored.is_empty() {
        return Ok(out);
    }
    let failed = |error: &dyn std::fmt::Display| {
        ParquetError::General(format!("a page is not compressed with zstd: {error}"))
    };
    let decoder = StreamingDecoder::new(stored).map_err(|error| failed(&error))?;
    let read = decoder
        .take(PAGE_BYTES_MAX + 1)
        .read_to_end(&mut out)
        .map_err(|error| failed(&error))?;
    if read as u64 > PAGE_BYTES_MAX {
        return Err(ParquetError::General(format!(
            "a page has more than {PAGE_BYTES_MAX} bytes"
        )));
    }
    Ok(out)
}
