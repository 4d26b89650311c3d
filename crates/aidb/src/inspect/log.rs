//! Write-ahead logs: each record, and each write in it.

use bytes::Bytes;

use super::{Field, Item, kind_field, seq_field};
use crate::batch;
use crate::error::{Error, Result};
use crate::key::SeqNo;
use crate::wal::{self, LogPosition, RECORD_HEADER_BYTES, Record};

/// Tells what the log `number` holds. Whether its end is right depends on the manifest: without it, only an end that no
/// crash leaves is damage.
pub(super) fn tell(
    bytes: &Bytes,
    name: &str,
    number: u64,
    tell: &mut dyn FnMut(Item),
) -> Result<()> {
    let mut senseless = None;
    let end = wal::each_record(number, bytes, |record| {
        let payload = record.payload(bytes);
        if let Err(error) = tell_record(&record, payload, name, number, tell) {
            senseless.get_or_insert(error);
        }
    });
    tell(Item {
        at: Some(end),
        what: "end",
        fields: vec![("file-bytes", Field::Number(bytes.len() as u64))],
    });
    wal::read(number, bytes, None)?;
    senseless.map_or(Ok(()), Err)
}

fn tell_record(
    record: &Record,
    payload: &[u8],
    name: &str,
    number: u64,
    tell: &mut dyn FnMut(Item),
) -> Result<()> {
    let mut item = Item {
        at: Some(record.offset - RECORD_HEADER_BYTES as u64),
        what: "record",
        fields: vec![
            ("seq", seq_field(record.first)),
            ("entries", Field::Number(record.entries.into())),
            ("bytes", Field::Number(record.length.into())),
        ],
    };
    if record.entries == 0 {
        item.what = "start";
        tell(item);
        return Ok(());
    }
    tell(item);
    let position = LogPosition {
        log: number,
        offset: record.offset,
    };
    for (index, entry) in (0..).zip(batch::decode(payload, position)) {
        let entry = entry.map_err(|offset| {
            let at = record.offset + offset as u64;
            Error::corruption(name, at, "a write of a batch does not read back")
        })?;
        tell(Item {
            at: None,
            what: "write",
            fields: vec![
                ("seq", seq_field(SeqNo(record.first.0 + index))),
                ("kind", kind_field(Some(entry.kind))),
                ("keyspace", Field::Number(entry.keyspace.0.into())),
                ("key", Field::Bytes(Bytes::copy_from_slice(entry.key))),
                ("value", Field::Bytes(Bytes::copy_from_slice(entry.value))),
            ],
        });
    }
    Ok(())
}
