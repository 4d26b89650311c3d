//! Ranges of keys, and tables that hang together because their ranges do.

use std::sync::Arc;

use bytes::Bytes;

use crate::key;
use crate::version::Table;

/// From one internal key to another, as a table has them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    smallest: Bytes,
    largest: Bytes,
}

impl Span {
    /// The range that `tables` lie in; none without tables.
    pub(crate) fn of<'a>(tables: impl IntoIterator<Item = &'a Arc<Table>>) -> Option<Span> {
        tables
            .into_iter()
            .map(Span::from)
            .reduce(|joined, next| joined.join(&next))
    }

    /// True when some user key may lie in both.
    pub(crate) fn overlaps(&self, other: &Span) -> bool {
        !self.ends_before(other) && !other.ends_before(self)
    }

    /// True when all of it stands before all of `other`.
    pub(crate) fn ends_before(&self, other: &Span) -> bool {
        key::ends_before(&self.largest, key::user_key(&other.smallest))
    }

    fn join(&self, other: &Span) -> Span {
        let pick =
            |is_other: bool, a: &Bytes, b: &Bytes| if is_other { b.clone() } else { a.clone() };
        let sooner = key::compare(&other.smallest, &self.smallest).is_lt();
        let later = key::compare(&other.largest, &self.largest).is_gt();
        Span {
            smallest: pick(sooner, &self.smallest, &other.smallest),
            largest: pick(later, &self.largest, &other.largest),
        }
    }
}

impl From<&Arc<Table>> for Span {
    fn from(table: &Arc<Table>) -> Span {
        Span {
            smallest: table.meta.info.smallest.clone(),
            largest: table.meta.info.largest.clone(),
        }
    }
}

/// Tables of several runs that no others lie between: what is compacted together at the least.
#[derive(Clone, Debug)]
pub(crate) struct Column {
    pub(crate) span: Span,
    /// (run, table), in key order.
    pub(crate) tables: Vec<(usize, Arc<Table>)>,
}

impl Column {
    /// Its tables of `run`, in key order.
    pub(crate) fn of_run(&self, run: usize) -> impl Iterator<Item = &Arc<Table>> {
        self.tables
            .iter()
            .filter(move |(place, _)| *place == run)
            .map(|(_, table)| table)
    }
}

/// The columns of `runs`, in key order: no table of one overlaps a table of another.
pub(crate) fn columns<'a>(runs: impl IntoIterator<Item = &'a [Arc<Table>]>) -> Vec<Column> {
    let mut tables: Vec<(usize, Arc<Table>)> = runs
        .into_iter()
        .enumerate()
        .flat_map(|(run, tables)| tables.iter().map(move |table| (run, Arc::clone(table))))
        .collect();
    tables.sort_by(|(_, a), (_, b)| key::compare(&a.meta.info.smallest, &b.meta.info.smallest));
    let mut columns: Vec<Column> = Vec::new();
    for (run, table) in tables {
        let span = Span::from(&table);
        match columns.last_mut() {
            Some(column) if !column.span.ends_before(&span) => {
                column.span = column.span.join(&span);
                column.tables.push((run, table));
            }
            _ => columns.push(Column {
                span,
                tables: vec![(run, table)],
            }),
        }
    }
    columns
}
