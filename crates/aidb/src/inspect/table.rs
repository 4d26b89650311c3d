//! Tables: what they tell about themselves, their deleted ranges, and each entry.

use std::sync::Arc;

use aether_env::RandomFile;
use bytes::Bytes;

use super::{Field, Item, kind_field, seq_field};
use crate::cache::Cache;
use crate::error::Result;
use crate::iter::InternalIterator;
use crate::key::{split, trailer_kind, trailer_seq};
use crate::sstable::{Properties, Reader};

/// One pass leaves the cache alone.
const CACHE_BYTES: u64 = 0;

pub(super) fn tell(
    file: Arc<dyn RandomFile>,
    name: &str,
    number: u64,
    tell: &mut dyn FnMut(Item),
) -> Result<()> {
    let bytes = file.len();
    let cache = Arc::new(Cache::new(CACHE_BYTES));
    let reader = Arc::new(Reader::open(file, name, number, cache)?);
    tell(properties(bytes, reader.properties()));
    for range in reader.range_deletes().iter() {
        tell(Item {
            at: None,
            what: "range-delete",
            fields: vec![
                ("seq", seq_field(range.seq)),
                ("start", Field::Bytes(range.start)),
                ("end", Field::Bytes(range.end)),
            ],
        });
    }
    let mut entries = reader.iter_once();
    entries.seek_to_first();
    while entries.valid() {
        let (key, trailer) = split(entries.key());
        tell(Item {
            at: None,
            what: "entry",
            fields: vec![
                ("seq", seq_field(trailer_seq(trailer))),
                ("kind", kind_field(trailer_kind(trailer))),
                ("key", Field::Bytes(Bytes::copy_from_slice(key))),
                ("value", Field::Bytes(entries.value())),
            ],
        });
        entries.next();
    }
    entries.status()?;
    reader.verify().map(|_| ())
}

fn properties(bytes: u64, properties: &Properties) -> Item {
    let mut fields = vec![
        ("bytes", Field::Number(bytes)),
        ("entries", Field::Number(properties.entries)),
        ("tombstones", Field::Number(properties.tombstones)),
        ("merges", Field::Number(properties.merges)),
        ("range-deletes", Field::Number(properties.range_deletes)),
        ("least-seq", seq_field(properties.min_seq)),
        ("greatest-seq", seq_field(properties.max_seq)),
        ("key-bytes", Field::Number(properties.key_bytes)),
        ("value-bytes", Field::Number(properties.value_bytes)),
        ("data-blocks", Field::Number(properties.data_blocks)),
    ];
    for (file, bytes) in &properties.values {
        fields.push((
            "value-file",
            Field::Text(format!("{file:06}: {bytes} bytes")),
        ));
    }
    Item {
        at: None,
        what: "table",
        fields,
    }
}
