//! The tables that a merge writes: entries in order, cut into tables, and the deleted ranges cut with them.
//!
//! ```text
//! entries      a   c      e  g        k
//! tables     [ a   c    ) e  g      ) k   ...      a table ends before the first key of the next one
//! ranges     [---------)[--)   [----)[-------)     no range reaches over that
//! ```
//!
//! So tables of one level share no key, deleted ranges included, wherever they are cut.

use bytes::Bytes;

use crate::error::Result;
use crate::key::{self, SeqNo};
use crate::options::TableOptions;
use crate::range_deletes::RangeDeletes;
use crate::sstable::Writer;
use crate::version::{Table, TableMeta};
use crate::wal::LogPosition;

use super::merge::{Merged, TableSink};
use super::placement::{Placement, Placer};
use super::reduce::Version;
use super::retention::Retention;

use std::sync::Arc;

/// Where tables end.
pub(super) struct Shape<'a> {
    /// A table is closed once it has this many bytes.
    pub(super) table_bytes: u64,
    /// A table is also closed before the first key at or after one of these, ascending.
    pub(super) cuts: &'a [Bytes],
}

/// See the head of this module.
pub(super) struct Output<'a> {
    sink: &'a mut dyn TableSink,
    options: &'a TableOptions,
    shape: Shape<'a>,
    /// The deletes that somebody still needs.
    deletes: RangeDeletes,
    writer: Option<(u64, Writer)>,
    placer: Placer<'a>,
    /// Where the ranges of the next table begin; none: with the first key of all.
    lower: Option<Vec<u8>>,
    internal_key: Vec<u8>,
    moved_key: Vec<u8>,
    tables: Vec<TableMeta>,
}

impl<'a> Output<'a> {
    pub(super) fn new(
        sink: &'a mut dyn TableSink,
        options: &'a TableOptions,
        shape: Shape<'a>,
        deletes: RangeDeletes,
        placement: &'a Placement,
    ) -> Output<'a> {
        Output {
            sink,
            options,
            shape,
            deletes,
            writer: None,
            placer: Placer::new(placement, options.separated_bytes_min),
            lower: None,
            internal_key: Vec::new(),
            moved_key: Vec::new(),
            tables: Vec::new(),
        }
    }

    /// The entries of `user_key` follow. Here a table may end.
    pub(super) fn begin(&mut self, user_key: &[u8]) -> Result<()> {
        let cuts = self.shape.cuts;
        let passed = cuts.iter().take_while(|cut| **cut <= *user_key).count();
        self.shape.cuts = &cuts[passed..];
        let enough = match passed {
            0 => self.shape.table_bytes,
            _ => 0,
        };
        match &self.writer {
            Some((_, writer)) if writer.bytes_written() >= enough => self.close(Some(user_key)),
            _ => Ok(()),
        }
    }

    /// Adds an entry. `position`: where its value stands in the logs.
    #[inline]
    pub(super) fn add(
        &mut self,
        internal_key: &[u8],
        stored: &[u8],
        position: Option<LogPosition>,
    ) -> Result<()> {
        let (user_key, trailer) = key::split(internal_key);
        if !self.placer.may_move(trailer, stored) {
            return self.writer()?.add(internal_key, stored);
        }
        let placed = (self.placer).place(user_key, trailer, stored, position, self.sink)?;
        let writer = open(&mut self.writer, self.sink, self.options)?;
        if let Some((file, bytes)) = placed.used {
            writer.add_value_bytes(file, bytes);
        }
        if placed.trailer == trailer {
            return writer.add(internal_key, placed.stored);
        }
        key::write_internal(&mut self.moved_key, user_key, placed.trailer);
        writer.add(&self.moved_key, placed.stored)
    }

    /// Adds a version of `user_key`.
    pub(super) fn add_version(&mut self, user_key: &[u8], version: &Version) -> Result<()> {
        let mut internal_key = std::mem::take(&mut self.internal_key);
        key::write_internal(&mut internal_key, user_key, version.trailer);
        let added = self.add(&internal_key, &version.stored, version.position);
        self.internal_key = internal_key;
        added
    }

    /// The tables and value files, all written and durable but for their names.
    pub(super) fn finish(mut self) -> Result<Merged> {
        self.close(None)?;
        Ok(Merged {
            tables: self.tables,
            value_files: self.placer.finish()?,
        })
    }

    fn writer(&mut self) -> Result<&mut Writer> {
        open(&mut self.writer, self.sink, self.options)
    }

    /// Ends a table before `upper`. One with nothing but deleted ranges is a table, too.
    fn close(&mut self, upper: Option<&[u8]>) -> Result<()> {
        let deletes = std::mem::take(&mut self.deletes);
        let lower = self.lower.take();
        for (start, end, seqs) in deletes.within(lower.as_deref(), upper) {
            let writer = self.writer()?;
            seqs.iter()
                .for_each(|seq| writer.add_range_delete(start, end, *seq));
        }
        self.deletes = deletes;
        self.lower = upper.map(<[u8]>::to_vec);
        if let Some((number, writer)) = self.writer.take() {
            let info = writer.finish()?;
            self.tables.push(TableMeta { number, info });
        }
        Ok(())
    }
}

/// The table that is being written, or a new one.
fn open<'a>(
    writer: &'a mut Option<(u64, Writer)>,
    sink: &mut dyn TableSink,
    options: &TableOptions,
) -> Result<&'a mut Writer> {
    let (_, writer) = match writer {
        Some(writer) => writer,
        none => {
            let (number, name, file) = sink.create()?;
            none.insert((number, Writer::new(file, &name, number, options)))
        }
    };
    Ok(writer)
}

/// Of `deletes` those that a reader still needs: one at S needs the newest up to S, unless it hides nothing: nothing
/// of its range lies in a table `below`, and every reader is at or after it. None: tables below may hold anything.
pub(super) fn needed(
    deletes: &RangeDeletes,
    retention: &Retention,
    below: Option<&[Arc<Table>]>,
) -> RangeDeletes {
    let reaches_below = |start: &[u8], end: &[u8]| {
        below.is_none_or(|tables| {
            tables
                .iter()
                .any(|table| !table.meta.ends_before(start) && table.meta.smallest_user_key() < end)
        })
    };
    deletes.retain(|piece, at| {
        let seq: SeqNo = piece.seqs[at];
        let newer = at.checked_sub(1).map(|newer| piece.seqs[newer]);
        let is_spent = seq <= retention.watermark() && !reaches_below(&piece.start, &piece.end);
        retention.is_seen(seq, newer) && !is_spent
    })
}
