//! Exact search: reads all rows of `points` once, from the first to the last, for any number of queries.

use super::allowed::Allowed;
use super::candidates::staged;
use super::found::{Found, Read, read_points};
use crate::error::Result;
use crate::index::query::FieldQuery;
use crate::keyspace::{self, DocRow, PointRow};
use crate::overlay::is_staged;
use crate::vector::VectorValue;
use crate::view::CollectionView;
use aether_distance::Distance;
use aether_index::{Candidate, PointId};
use roaring::RoaringTreemap;
use std::collections::BinaryHeap;

/// Points read at a time.
const READ_POINTS: usize = 1_024;

/// If so many times the allowed points are all there are, reading all rows in their order is faster.
const READ_SHARE: u64 = 8;

/// The `k` nearest visible points that are `allowed`, of which everything is found out.
pub(super) fn nearest(
    view: &CollectionView,
    query: &FieldQuery<'_>,
    k: usize,
    allowed: &Allowed<'_>,
) -> Result<Vec<Found>> {
    let few = allowed
        .points()
        .filter(|points| points.len() * READ_SHARE < view.core.payload.visible.len());
    match few {
        Some(points) => of_points(view, query, k, points, allowed),
        None => Ok(scan_rows(view, std::iter::once((query, k)), allowed)?
            .pop()
            .unwrap_or_default()),
    }
}

/// The `k` nearest of `points`, as far as they are visible.
fn of_points(
    view: &CollectionView,
    query: &FieldQuery<'_>,
    k: usize,
    points: &RoaringTreemap,
    allowed: &Allowed<'_>,
) -> Result<Vec<Found>> {
    let mut answers = Answers::new(std::iter::once((query, k)));
    let answer = &mut answers.list[0];
    let not_read = |point| Candidate {
        point: PointId(point),
        distance: Distance::INFINITE,
    };
    // What the reader's own transaction has staged may be among them, but is in no row.
    let stored = points.iter().map(not_read);
    let stored = stored.filter(|candidate| !is_staged(candidate.point));
    let mut points = stored.chain(staged(view, query)?);
    loop {
        let part: Vec<Candidate> = points.by_ref().take(READ_POINTS).collect();
        if part.is_empty() {
            break;
        }
        for read in read_points(view, query, &part)? {
            if answer.wants(&read.candidate)
                && let Some(found) = visible(view, read)?
                && allowed.accepts(view, &found)?
            {
                answer.add(found);
            }
        }
    }
    Ok(answers.finish().pop().unwrap_or_default())
}

/// For each query the `k` nearest visible points.
pub(super) fn for_all<'a>(
    view: &CollectionView,
    queries: impl Iterator<Item = (&'a FieldQuery<'a>, usize)>,
) -> Result<Vec<Vec<Found>>> {
    scan_rows(view, queries, &Allowed::all())
}

fn scan_rows<'a>(
    view: &CollectionView,
    queries: impl Iterator<Item = (&'a FieldQuery<'a>, usize)>,
    allowed: &Allowed<'_>,
) -> Result<Vec<Vec<Found>>> {
    let core = &view.core;
    let mut answers = Answers::new(queries);
    if answers.list.is_empty() {
        return Ok(Vec::new());
    }
    let mut points = view.all_points();
    while let Some((point, point_row)) = points.try_next()? {
        if !core.may_see(view, point) || !allowed.may_be(point) {
            continue;
        }
        let key = keyspace::point_key(core.id, point);
        let row = PointRow::parse(&key, &point_row)?;
        answers.read(&key, &row)?;
        let mut seen: Option<Found> = None;
        for answer in &mut answers.list {
            let Some(distance) = answers.vectors[answer.vector].distance(answer.query) else {
                continue;
            };
            let candidate = Candidate { point, distance };
            if !answer.wants(&candidate) {
                continue;
            }
            // Looked up only for what is near enough for one of them.
            if seen.is_none() {
                let read = Read {
                    candidate,
                    doc_key: row.doc_key(core.id),
                    row: point_row.clone(),
                };
                seen = visible(view, read)?;
            }
            let Some(found) = &seen else { break };
            if !allowed.accepts(view, found)? {
                break;
            }
            answer.add(Found {
                candidate,
                ..found.clone()
            });
        }
    }
    Ok(answers.finish())
}

/// The point with its document's row, if that names it.
fn visible(view: &CollectionView, read: Read) -> Result<Option<Found>> {
    let Some(doc_row) = view.doc_row(&read.doc_key)? else {
        return Ok(None);
    };
    let named = DocRow::parse(&read.doc_key, &doc_row)?.point;
    let is_visible = named == read.candidate.point;
    is_visible.then(|| read.found(Some(doc_row))).transpose()
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
