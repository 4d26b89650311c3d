//! Carries out the merging of a flush or a compaction: sorted entries in, tables out.
//!
//! A version of a key is dropped when no reader can see it: a reader at S sees the newest version up to S. A tombstone
//! is dropped when every reader sees it and nothing older lies below the target.

use std::sync::Arc;

use aether_env::WritableFile;
use bytes::Bytes;

use crate::error::{Error, ErrorKind, Result};
use crate::iter::InternalIterator;
use crate::key::{self, KEY_BYTES_MAX, SeqNo, ValueKind};
use crate::options::TableOptions;
use crate::sstable::Writer;
use crate::version::{Table, TableMeta};

/// Entries between two looks at whether to stop.
const STOP_CHECK_ENTRIES: u64 = 1024;

/// Who may still read.
#[derive(Clone, Debug)]
pub(crate) struct Retention {
    /// The live snapshots, ascending.
    pub(crate) snapshots: Vec<SeqNo>,
    /// The newest write when the list was made: any later snapshot is at least here.
    pub(crate) visible: SeqNo,
}

impl Retention {
    /// No reader looks further back.
    pub(crate) fn watermark(&self) -> SeqNo {
        self.snapshots
            .first()
            .map_or(self.visible, |first| (*first).min(self.visible))
    }

    /// True when some reader sees the version `seq` of a key whose next newer version is `newer`.
    pub(crate) fn is_seen(&self, seq: SeqNo, newer: Option<SeqNo>) -> bool {
        let Some(newer) = newer else {
            return true;
        };
        if newer > self.visible {
            return true;
        }
        let first = self.snapshots.partition_point(|snapshot| *snapshot < seq);
        self.snapshots
            .get(first)
            .is_some_and(|snapshot| *snapshot < newer)
    }
}

/// Makes files for tables.
pub(crate) trait TableSink {
    /// A new empty file: number, name, file.
    fn create(&mut self) -> Result<(u64, String, Box<dyn WritableFile>)>;
}

/// A merge and its parameters.
pub(crate) struct Merge<'a> {
    pub(crate) retention: &'a Retention,
    pub(crate) options: &'a TableOptions,
    /// A table is closed once it has this many bytes.
    pub(crate) table_bytes: u64,
    /// A table is also closed before the first key at or after one of these, ascending, once it has `piece_bytes`.
    pub(crate) cuts: &'a [Bytes],
    pub(crate) piece_bytes: u64,
    /// Tables below the target that a tombstone may still have to hide; none when tombstones stay in any case.
    pub(crate) below: Option<&'a [Arc<Table>]>,
    /// Asked now and then.
    pub(crate) stop: &'a dyn Fn() -> bool,
}

impl Merge<'_> {
    /// Writes the entries of `cursor` that somebody can see. After an error the files made so far are of no use.
    pub(crate) fn run(
        &self,
        cursor: &mut dyn InternalIterator,
        sink: &mut dyn TableSink,
    ) -> Result<Vec<TableMeta>> {
        let mut output = Vec::new();
        let mut writer: Option<(u64, Writer)> = None;
        let mut user_key: Vec<u8> = Vec::new();
        // The next newer version of the same user key; none at the first version.
        let mut newer: Option<SeqNo> = None;
        let mut entries = 0_u64;
        let mut cuts = self.cuts;
        cursor.seek_to_first();
        while cursor.valid() {
            let (current, trailer) = key::split(cursor.key());
            let seq = key::trailer_seq(trailer);
            let same = entries > 0 && current == user_key;
            let ascends = if same {
                newer.is_none_or(|newer| seq < newer)
            } else {
                entries == 0 || current > &user_key[..]
            };
            if !ascends || current.len() > KEY_BYTES_MAX {
                return Err(Error::disordered(current));
            }
            if !same {
                user_key.clear();
                user_key.extend_from_slice(current);
                newer = None;
                let passed = cuts.iter().take_while(|cut| **cut <= *current).count();
                cuts = &cuts[passed..];
                let enough = match passed {
                    0 => self.table_bytes,
                    _ => self.piece_bytes,
                };
                if writer
                    .as_ref()
                    .is_some_and(|(_, writer)| writer.bytes_written() >= enough)
                {
                    finish(&mut writer, &mut output)?;
                }
            }
            if self.retention.is_seen(seq, newer) && !self.is_spent(current, trailer) {
                let (_, writer) = match &mut writer {
                    Some(writer) => writer,
                    none => {
                        let (number, name, file) = sink.create()?;
                        none.insert((number, Writer::new(file, &name, number, self.options)))
                    }
                };
                writer.add(cursor.key(), &cursor.value())?;
            }
            newer = Some(seq);
            entries += 1;
            if entries.is_multiple_of(STOP_CHECK_ENTRIES) && (self.stop)() {
                return Err(Error::new(
                    ErrorKind::Closed,
                    "the database is being closed",
                ));
            }
            cursor.next();
        }
        cursor.status()?;
        finish(&mut writer, &mut output)?;
        Ok(output)
    }

    /// True for a tombstone that has nothing left to hide. Older versions in the inputs go with it: every reader is at
    /// or after the tombstone, so none sees them.
    fn is_spent(&self, user_key: &[u8], trailer: u64) -> bool {
        key::trailer_kind(trailer) == Some(ValueKind::Delete)
            && key::trailer_seq(trailer) <= self.retention.watermark()
            && self
                .below
                .is_some_and(|tables| !tables.iter().any(|table| table.meta.spans(user_key)))
    }
}

fn finish(writer: &mut Option<(u64, Writer)>, output: &mut Vec<TableMeta>) -> Result<()> {
    if let Some((number, writer)) = writer.take() {
        let info = writer.finish()?;
        output.push(TableMeta { number, info });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_seen_by_snapshots_between_it_and_the_next() {
        let retention = Retention {
            snapshots: vec![SeqNo(5), SeqNo(10)],
            visible: SeqNo(20),
        };
        let seen = |seq, newer: u64| retention.is_seen(SeqNo(seq), Some(SeqNo(newer)));
        assert!(retention.is_seen(SeqNo(3), None));
        assert!(seen(3, 6) && seen(5, 6) && seen(10, 11) && seen(4, 21) && seen(6, 12));
        assert!(!seen(3, 5) && !seen(6, 10) && !seen(11, 20) && !seen(1, 2));
        assert_eq!(retention.watermark(), SeqNo(5));
    }
}
