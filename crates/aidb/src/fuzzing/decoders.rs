//! Decoders that stand by themselves: each is shown any bytes, and what comes of them is used in every way there is.

use std::sync::Arc;

use crate::attachment::AttachmentRecord;
use crate::batch;
use crate::file_name;
use crate::iter::InternalIterator;
use crate::key::{self, SeqNo};
use crate::lookup::Lookup;
use crate::memtable::MemTable;
use crate::range_deletes::RangeDeletes;
use crate::snapshots::Mark;
use crate::values::Pointer;
use crate::wal::LogPosition;

/// A batch inside a record of the log, the deleted ranges of a table, and a prepared transaction.
pub(super) fn writes(bytes: &[u8]) {
    batch(bytes);
    range_deletes(bytes);
    crate::db::examine_promise(bytes);
}

/// What is kept under keys or names: the record of a backup, what the registry says of an attachment, a mark of time, a
/// pointer, a file name.
pub(super) fn records(bytes: &[u8]) {
    crate::backup::examine(bytes);
    if let Some(record) = AttachmentRecord::decode(bytes) {
        assert_eq!(AttachmentRecord::decode(&record.encode()), Some(record));
    }
    let (key, value) = bytes.split_at(bytes.len().min(9));
    if let Some(mark) = Mark::decode(key, value, SeqNo(7)) {
        let (key, value) = (mark.key(), mark.value());
        assert_eq!(Mark::decode(&key, &value, SeqNo(7)), Some(mark));
    }
    if let Some(pointer) = Pointer::decode(bytes) {
        assert!(pointer.end() > pointer.offset);
    }
    if let Ok(name) = std::str::from_utf8(bytes) {
        file_name::parse(name);
    }
}

/// Any bytes as the contents of a data block, of an index, of a filter and of a compressed block.
pub(super) fn block(bytes: &[u8]) {
    crate::sstable::examine(bytes);
}

/// Reads `bytes` as a batch, applies what makes sense of it to a memtable, and reads all of that in every way.
fn batch(bytes: &[u8]) {
    let table = Arc::new(MemTable::new());
    let entries = batch::decode(bytes, LogPosition::default());
    for (seq, entry) in (1..).zip(entries.map_while(Result::ok)) {
        table.insert(SeqNo(seq), &entry, None);
    }
    for keyspace in table.keyspaces() {
        let mut cursor = table.iter(keyspace);
        cursor.seek_to_first();
        while cursor.valid() {
            let mut lookup = Lookup::new(key::user_key(cursor.key()), SeqNo::MAX);
            table.look(keyspace, &mut lookup, || None);
            cursor.next();
        }
        for set in table.range_deletes(keyspace) {
            let decoded = RangeDeletes::decode(&set.encode());
            assert_eq!(decoded.as_ref(), Ok(&*set));
        }
    }
}

/// Reads `bytes` as the deleted ranges of a table, and asks them at every bound.
fn range_deletes(bytes: &[u8]) {
    let Ok(set) = RangeDeletes::decode(bytes) else {
        return;
    };
    for piece in set.pieces() {
        assert_eq!(
            set.covering_seq(&piece.start, SeqNo::MAX),
            Some(piece.seqs[0])
        );
    }
    assert_eq!(
        RangeDeletes::new(set.iter()).covering_seq(b"", SeqNo::MAX),
        set.covering_seq(b"", SeqNo::MAX)
    );
}
