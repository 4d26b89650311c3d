//! Few components out of many dimensions, compared by the inner product: an inverted list for each dimension.

use std::collections::HashMap;

use aether_distance::Distance;

use super::{Exact, Rows};
use crate::PointId;

/// Components by dimension. The distance is the negated inner product, with rows that share a dimension with the query;
/// the others are not near at all.
#[derive(Debug, Default)]
pub struct SparseRows {
    rows: usize,
    lists: HashMap<u32, Vec<Entry>>,
}

/// A sparse vector.
#[derive(Clone, Copy, Debug)]
pub struct SparseRef<'a> {
    /// The dimensions, ascending.
    pub indices: &'a [u32],
    /// The component of each.
    pub values: &'a [f32],
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    row: u32,
    value: f32,
}

/// How many rows there are, and how many of them have a component in each of some dimensions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frequencies {
    /// All rows.
    pub rows: u64,
    /// Those with a component, for each of the dimensions.
    pub with: Vec<u64>,
}

/// The inner product of each row so far.
#[derive(Debug, Default)]
pub struct Sums {
    sums: Vec<f32>,
    /// Whether the row shares a dimension with the query.
    touched: Vec<bool>,
}

impl SparseRows {
    /// The negated inner product; `None` when they share no dimension.
    pub fn distance(a: SparseRef<'_>, b: SparseRef<'_>) -> Option<Distance> {
        let mut sum = None;
        let mut others = b.iter().peekable();
        for (index, value) in a.iter() {
            while others.next_if(|&(other, _)| other < index).is_some() {}
            if let Some((_, other)) = others.next_if(|&(other, _)| other == index) {
                *sum.get_or_insert(0.0) += value * other;
            }
        }
        sum.map(|sum: f32| Distance(-sum))
    }
}

impl Exact<SparseRows> {
    /// How many of the points that are `counted` are here, and how many of those have a component in each of the
    /// dimensions `indices`. Looks at each point here and at each entry of these dimensions.
    pub fn frequencies(&self, indices: &[u32], counted: impl Fn(PointId) -> bool) -> Frequencies {
        let mut frequencies = Frequencies {
            rows: 0,
            with: vec![0; indices.len()],
        };
        let chunks = self.contents.read().chunks.clone();
        for chunk in &chunks {
            let filled = chunk.0.read();
            let is_counted = |row: usize| filled.points[row].is_some_and(&counted);
            let rows = (0..filled.points.len()).filter(|&row| is_counted(row));
            frequencies.rows += rows.count() as u64;
            for (index, with) in indices.iter().zip(&mut frequencies.with) {
                let entries = filled.rows.lists.get(index).into_iter().flatten();
                let entries = entries.filter(|entry| is_counted(entry.row as usize));
                *with += entries.count() as u64;
            }
        }
        frequencies
    }
}

impl<'a> SparseRef<'a> {
    fn iter(self) -> impl Iterator<Item = (u32, f32)> + 'a {
        self.indices
            .iter()
            .copied()
            .zip(self.values.iter().copied())
    }
}

impl Rows for SparseRows {
    type Vector<'a> = SparseRef<'a>;
    type Query<'a> = SparseRef<'a>;
    type Scratch = Sums;

    const CHUNK_ROWS: usize = 1 << 14;
    const COMPARING_IS_SLOW: bool = false;

    fn empty(&self) -> SparseRows {
        SparseRows::default()
    }

    fn push(&mut self, vector: SparseRef<'_>) {
        let row = u32::try_from(self.rows).expect("a chunk has few rows");
        for (index, value) in vector.iter() {
            self.lists
                .entry(index)
                .or_default()
                .push(Entry { row, value });
        }
        self.rows += 1;
    }

    fn pick(&self, rows: &[usize]) -> SparseRows {
        let mut numbers = vec![None; self.rows];
        for (number, &row) in (0..).zip(rows) {
            numbers[row] = Some(number);
        }
        let kept = |list: &Vec<Entry>| -> Vec<Entry> {
            let kept = list.iter().filter_map(|entry| {
                let row = numbers[entry.row as usize]?;
                Some(Entry { row, ..*entry })
            });
            kept.collect()
        };
        let lists = self.lists.iter().map(|(&index, list)| (index, kept(list)));
        SparseRows {
            rows: rows.len(),
            lists: lists.filter(|(_, list)| !list.is_empty()).collect(),
        }
    }

    fn compare(
        &self,
        query: &SparseRef<'_>,
        scratch: &mut Sums,
        _wanted: &dyn Fn(usize) -> bool,
        found: &mut dyn FnMut(usize, Distance),
    ) {
        let Sums { sums, touched } = scratch;
        sums.clear();
        sums.resize(self.rows, 0.0);
        touched.clear();
        touched.resize(self.rows, false);
        for (index, value) in query.iter() {
            for entry in self.lists.get(&index).into_iter().flatten() {
                sums[entry.row as usize] += value * entry.value;
                touched[entry.row as usize] = true;
            }
        }
        for (row, &sum) in sums.iter().enumerate().filter(|&(row, _)| touched[row]) {
            found(row, Distance(-sum));
        }
    }

    fn memory_bytes(&self) -> usize {
        let entries: usize = self
            .lists
            .values()
            .map(|list| list.capacity() * size_of::<Entry>())
            .sum();
        entries + self.lists.capacity() * size_of::<(u32, Vec<Entry>)>()
    }
}
