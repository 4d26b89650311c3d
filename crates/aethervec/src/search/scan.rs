//! Exact search: reads all rows of `points` once, from the first to the last, for any number of queries.

use super::Found;
use crate::error::Result;
use crate::index::query::FieldQuery;
use crate::keyspace::{self, DocRow, PointRow};
use crate::vector::VectorValue;
use crate::view::CollectionView;
use aether_distance::Distance;
use aether_index::Candidate;
use bytes::Bytes;
use std::collections::BinaryHeap;

/// The `k` nearest visible points.
pub(super) fn nearest(
    view: &CollectionView,
    query: &FieldQuery<'_>,
    k: usize,
) -> Result<Vec<Found>> {
    Ok(for_all(view, std::iter::once((query, k)))?
        .pop()
        .unwrap_or_default())
}

/// For each query the `k` nearest visible points.
pub(super) fn for_all<'a>(
    view: &CollectionView,
    queries: impl Iterator<Item = (&'a FieldQuery<'a>, usize)>,
) -> Result<Vec<Vec<Found>>> {
    let core = &view.core;
    let mut answers = Answers::new(queries);
    if answers.list.is_empty() {
        return Ok(Vec::new());
    }
    let mut rows = view.all_points();
    while let Some((point, point_row)) = rows.try_next()? {
        if !core.may_see(view, point) {
            continue;
        }
        let key = keyspace::point_key(core.id, point);
        let row = PointRow::parse(&key, &point_row)?;
        answers.read(&key, &row)?;
        let mut visible: Option<Found> = None;
        for answer in &mut answers.list {
            let Some(distance) = answers.vectors[answer.vector].distance(answer.query) else {
                continue;
            };
            let candidate = Candidate { point, distance };
            if !answer.wants(&candidate) {
                continue;
            }
            // Looked up only for what is near enough for one of them.
            if visible.is_none() {
                visible = visible_point(view, candidate, row.doc_key(core.id), &point_row)?;
            }
            let Some(found) = &visible else { break };
            answer.add(Found {
                candidate,
                ..found.clone()
            });
        }
    }
    Ok(answers.finish())
}

/// The point with its document, if the document's row names it.
fn visible_point(
    view: &CollectionView,
    candidate: Candidate,
    doc_key: Vec<u8>,
    point_row: &Bytes,
) -> Result<Option<Found>> {
    let Some(doc_row) = view.doc_row(&doc_key)? else {
        return Ok(None);
    };
    let visible = DocRow::parse(&doc_key, &doc_row)?.point == candidate.point;
    Ok(visible.then(|| Found {
        candidate,
        doc_key,
        doc_row,
        point_row: point_row.clone(),
    }))
}

/// What a scan has found for all queries.
struct Answers<'a> {
    list: Vec<Answer<'a>>,
    /// The present row's vector in each field that is searched.
    vectors: Vec<RowVector<'a>>,
}

/// What a scan has found for one query.
struct Answer<'a> {
    query: &'a FieldQuery<'a>,
    /// Which of the row's vectors it compares with.
    vector: usize,
    k: usize,
    nearest: BinaryHeap<Found>,
}

/// A row's vector in one field.
struct RowVector<'a> {
    /// One of the queries in this field.
    query: &'a FieldQuery<'a>,
    vector: VectorValue,
    present: bool,
}

impl<'a> Answers<'a> {
    fn new(queries: impl Iterator<Item = (&'a FieldQuery<'a>, usize)>) -> Answers<'a> {
        let mut answers = Answers {
            list: Vec::new(),
            vectors: Vec::new(),
        };
        for (query, k) in queries {
            let vector = answers.vector_for(query);
            answers.list.push(Answer {
                query,
                vector,
                k,
                nearest: BinaryHeap::new(),
            });
        }
        answers
    }

    fn vector_for(&mut self, query: &'a FieldQuery<'a>) -> usize {
        let same = |vector: &RowVector<'_>| vector.query.field.number == query.field.number;
        self.vectors.iter().position(same).unwrap_or_else(|| {
            self.vectors.push(RowVector {
                query,
                vector: query.buffer(),
                present: false,
            });
            self.vectors.len() - 1
        })
    }

    /// Reads what the queries need of a row.
    fn read(&mut self, key: &[u8], row: &PointRow<'_>) -> Result<()> {
        for RowVector {
            query,
            vector,
            present,
        } in &mut self.vectors
        {
            *present = row.read(key, query.field.number, &query.field.spec, vector)?;
        }
        Ok(())
    }

    fn finish(self) -> Vec<Vec<Found>> {
        self.list
            .into_iter()
            .map(|answer| answer.nearest.into_sorted_vec())
            .collect()
    }
}

impl RowVector<'_> {
    fn distance(&self, query: &FieldQuery<'_>) -> Option<Distance> {
        if self.present {
            query.distance(&self.vector)
        } else {
            None
        }
    }
}

impl Answer<'_> {
    fn wants(&self, candidate: &Candidate) -> bool {
        self.nearest.len() < self.k
            || self
                .nearest
                .peek()
                .is_some_and(|worst| *candidate < worst.candidate)
    }

    fn add(&mut self, found: Found) {
        self.nearest.push(found);
        if self.nearest.len() > self.k {
            self.nearest.pop();
        }
    }
}
