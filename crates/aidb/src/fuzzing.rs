//! Doors for fuzzers: decoders that take any bytes. Only built for them.

use std::sync::Arc;

use crate::batch;
use crate::iter::InternalIterator;
use crate::key::{self, SeqNo};
use crate::lookup::Lookup;
use crate::memtable::MemTable;
use crate::range_deletes::RangeDeletes;
use crate::wal::LogPosition;

/// Reads `bytes` as a batch, applies what makes sense of it to a memtable, and reads all of that in every way.
pub fn batch(bytes: &[u8]) {
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

/// Reads `bytes` as a prepared transaction.
pub fn promise(bytes: &[u8]) {
    crate::db::examine_promise(bytes);
}

/// Reads `bytes` as the deleted ranges of a table, and asks them at every bound.
pub fn range_deletes(bytes: &[u8]) {
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

/// Reads any bytes as the contents of a data block, of an index and of a compressed block, in every way there is.
pub fn block(bytes: &[u8]) {
    crate::sstable::examine(bytes);
}
