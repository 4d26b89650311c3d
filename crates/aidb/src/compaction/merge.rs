//! Carries out the merging of a flush or a compaction: sorted entries in, tables out.
//!
//! ```text
//! cursor ──► Reducer (reduce.rs: what is left of a key) ──► Output (output.rs: tables, and where they end)
//! ```

use std::sync::Arc;

use aether_env::WritableFile;
use bytes::Bytes;

use crate::compaction_filter::CompactionFilter;
use crate::error::{Error, ErrorKind, Result};
use crate::iter::{InternalIterator, unknown_kind};
use crate::key::{self, KEY_BYTES_MAX, SeqNo};
use crate::lookup::Rules;
use crate::options::TableOptions;
use crate::range_deletes::RangeDeletes;
use crate::values::ValueFileRecord;
use crate::version::{Table, TableMeta};

use super::output::{self, Output, Shape};
use super::placement::Placement;
use super::reduce::{Reducer, Reduction, Version};
use super::retention::Retention;

/// Entries between two looks at whether to stop.
const STOP_CHECK_ENTRIES: u64 = 1024;

/// Makes files for tables and for values.
pub(crate) trait TableSink {
    /// A new empty file for a table: number, name, file.
    fn create(&mut self) -> Result<(u64, String, Box<dyn WritableFile>)>;
    /// A new empty file for values, likewise.
    fn create_values(&mut self) -> Result<(u64, String, Box<dyn WritableFile>)>;
}

/// What a merge has written; durable, but for the names.
#[derive(Debug, Default)]
pub(crate) struct Merged {
    pub(crate) tables: Vec<TableMeta>,
    pub(crate) value_files: Vec<ValueFileRecord>,
}

/// A merge and its parameters.
pub(crate) struct Merge<'a> {
    pub(crate) retention: &'a Retention,
    pub(crate) options: &'a TableOptions,
    /// A table is closed once it has this many bytes.
    pub(crate) table_bytes: u64,
    /// A table is also closed before the first key at or after one of these, ascending.
    pub(crate) cuts: &'a [Bytes],
    /// What the versions mean.
    pub(crate) rules: &'a Rules,
    /// Has a say in values.
    pub(crate) filter: Option<&'a dyn CompactionFilter>,
    /// The ranges that the inputs delete.
    pub(crate) deletes: &'a RangeDeletes,
    /// Tables below the target that a tombstone may still have to hide; none when tombstones stay in any case.
    pub(crate) below: Option<&'a [Arc<Table>]>,
    /// Where values may go.
    pub(crate) placement: &'a Placement,
    /// Asked now and then.
    pub(crate) stop: &'a dyn Fn() -> bool,
}

impl Merge<'_> {
    /// Writes the entries of `cursor` that somebody can see. After an error the files made so far are of no use.
    pub(crate) fn run(
        &self,
        cursor: &mut impl InternalIterator,
        sink: &mut dyn TableSink,
    ) -> Result<Merged> {
        let mut reducer = Reducer::new(Reduction {
            retention: self.retention,
            rules: self.rules,
            filter: self.filter,
            deletes: self.deletes,
            below: self.below,
        });
        let mut output = self.output(sink);
        let mut user_key: Vec<u8> = Vec::new();
        // The number of the last version of this key; none before the first.
        let mut last: Option<SeqNo> = None;
        let mut entries = 0_u64;
        cursor.seek_to_first();
        while cursor.valid() {
            let (current, trailer) = key::split(cursor.key());
            let seq = key::trailer_seq(trailer);
            let same = entries > 0 && current == user_key;
            let ascends = if same {
                last.is_none_or(|last| seq < last)
            } else {
                entries == 0 || current > &user_key[..]
            };
            if !ascends || current.len() > KEY_BYTES_MAX {
                return Err(Error::disordered(current));
            }
            if !same {
                end(&mut reducer, &mut output, &user_key)?;
                user_key.clear();
                user_key.extend_from_slice(current);
                output.begin(current)?;
                reducer.begin();
            }
            let kind = key::trailer_kind(trailer).ok_or_else(|| unknown_kind(current, trailer))?;
            if reducer.is_plain(kind) {
                if reducer.keeps(current, trailer) {
                    output.add(cursor.key(), cursor.value_slice(), cursor.position())?;
                }
            } else {
                let version = Version {
                    trailer,
                    stored: cursor.value(),
                    position: cursor.position(),
                };
                reducer.take(current, kind, version)?;
                write(&mut reducer, &mut output, &user_key)?;
            }
            last = Some(seq);
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
        end(&mut reducer, &mut output, &user_key)?;
        output.finish()
    }

    fn output<'b>(&'b self, sink: &'b mut dyn TableSink) -> Output<'b> {
        let shape = Shape {
            table_bytes: self.table_bytes,
            cuts: self.cuts,
        };
        let deletes = output::needed(self.deletes, self.retention, self.below);
        Output::new(sink, self.options, shape, deletes, self.placement)
    }
}

/// The key has no older versions.
fn end(reducer: &mut Reducer<'_>, output: &mut Output<'_>, user_key: &[u8]) -> Result<()> {
    reducer.end(user_key)?;
    write(reducer, output, user_key)
}

fn write(reducer: &mut Reducer<'_>, output: &mut Output<'_>, user_key: &[u8]) -> Result<()> {
    for version in reducer.left() {
        output.add_version(user_key, &version)?;
    }
    Ok(())
}
