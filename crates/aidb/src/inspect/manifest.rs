//! Manifests: each field of the edit.

use bytes::Bytes;

use super::{Field, Item, checksum_field, seq_field};
use crate::error::Result;
use crate::file_name;
use crate::key::user_key;
use crate::keyspace::KeyspaceRecord;
use crate::version::{Edit, TableMeta, TablePlace, inspect};

/// Tells what the manifest `number` changes; of a damaged one, what reads back.
pub(super) fn tell(
    bytes: &Bytes,
    name: &str,
    number: u64,
    tell: &mut dyn FnMut(Item),
) -> Result<()> {
    let (is_whole, edit, verdict) = inspect(name, number, bytes);
    let state = if is_whole {
        "a whole state"
    } else {
        "a difference from the manifest before"
    };
    let header = vec![
        ("number", Field::Number(number)),
        ("holds", Field::Text(state.to_owned())),
    ];
    tell(item("manifest", header));
    tell_edit(&edit, tell);
    verdict
}

fn tell_edit(edit: &Edit, tell: &mut dyn FnMut(Item)) {
    let numbers = [
        ("next-file", edit.next_file),
        ("flushed-to", edit.flushed.map(|seq| seq.0)),
        ("logs-from", edit.log_floor),
    ];
    for (what, number) in numbers {
        if let Some(number) = number {
            tell(item(what, vec![("number", Field::Number(number))]));
        }
    }
    for log in &edit.logs {
        let mut fields = vec![("file", Field::Text(file_name::log(log.number)))];
        fields.extend(log.sealed.map(|bytes| ("sealed-at", Field::Number(bytes))));
        tell(item("log", fields));
    }
    for number in &edit.logs_dropped {
        tell(item(
            "log-dropped",
            vec![("file", Field::Text(file_name::log(*number)))],
        ));
    }
    edit.keyspaces
        .iter()
        .for_each(|keyspace| tell(keyspace_item(keyspace)));
    edit.removed
        .iter()
        .for_each(|place| tell(item("table-removed", place_fields(place))));
    edit.added
        .iter()
        .for_each(|(place, table)| tell(table_item(place, table)));
}

fn keyspace_item(keyspace: &KeyspaceRecord) -> Item {
    let table = &keyspace.options.table;
    let mut fields = vec![
        ("id", Field::Number(keyspace.id.0.into())),
        ("name", Field::Text(keyspace.name.clone())),
        ("block-bytes", Field::Number(table.block_bytes as u64)),
        (
            "filter-bits",
            Field::Number(table.filter_bits_per_key.into()),
        ),
        (
            "compression",
            Field::Text(format!("{:?}", table.compression).to_lowercase()),
        ),
    ];
    let ttl = keyspace.options.ttl;
    fields.extend(ttl.map(|ttl| ("ttl", Field::Text(format!("{ttl:?}")))));
    let operator = keyspace.operator.clone();
    fields.extend(operator.map(|operator| ("merge", Field::Text(operator))));
    item("keyspace", fields)
}

fn table_item(place: &TablePlace, table: &TableMeta) -> Item {
    let info = &table.info;
    let bound = |key: &Bytes| Field::Bytes(Bytes::copy_from_slice(user_key(key)));
    let mut fields = place_fields(place);
    fields.extend([
        ("bytes", Field::Number(info.bytes)),
        ("checksum", checksum_field(info.checksum)),
        ("entries", Field::Number(info.entries)),
        ("tombstones", Field::Number(info.tombstones)),
        ("merges", Field::Number(info.merges)),
        ("range-deletes", Field::Number(info.range_deletes)),
        ("least-seq", seq_field(info.min_seq)),
        ("greatest-seq", seq_field(info.max_seq)),
        ("smallest", bound(&info.smallest)),
        ("largest", bound(&info.largest)),
    ]);
    item("table-added", fields)
}

fn place_fields(place: &TablePlace) -> Vec<(&'static str, Field)> {
    vec![
        ("file", Field::Text(file_name::table(place.number))),
        ("keyspace", Field::Number(place.keyspace.0.into())),
        ("level", Field::Number(place.level as u64)),
    ]
}

fn item(what: &'static str, fields: Vec<(&'static str, Field)>) -> Item {
    Item {
        at: None,
        what,
        fields,
    }
}
