//! How near documents are to each other.

use super::at::{At, Locate};
use super::input::searching;
use super::kinds::Sample;
use super::request::QueryRequest;
use super::stage::{Domain, Evaluation, NoOthers, Stage};
use crate::collection::Collection;
use crate::error::Result;
use crate::filter::Filter;
use crate::id::DocId;
use crate::limits;
use crate::view::CollectionView;
use serde::{Deserialize, Serialize};

/// Which documents are compared with each other.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct MatrixRequest {
    /// The vector field.
    pub using: String,
    /// Which documents count.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filter: Option<Filter>,
    /// How many of them are chosen by chance: 2 to [`MATRIX_SAMPLE_MAX`](crate::limits::MATRIX_SAMPLE_MAX).
    pub sample: usize,
    /// How many neighbours of each: 1 to [`MATRIX_SAMPLE_MAX`](crate::limits::MATRIX_SAMPLE_MAX).
    pub limit: usize,
    /// Another seed, other documents.
    pub seed: u64,
}

/// Documents, and their nearest neighbours among themselves.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Matrix {
    /// The documents, ordered by id.
    pub ids: Vec<DocId>,
    /// The neighbours: those of the first document come first, the nearest one before the others.
    pub pairs: Vec<MatrixPair>,
}

/// A document and one of its neighbours.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct MatrixPair {
    /// The document's position in [`Matrix::ids`].
    pub from: usize,
    /// The neighbour's.
    pub to: usize,
    /// How near it is, in the field's metric.
    pub score: f64,
}

impl Default for MatrixRequest {
    fn default() -> Self {
        MatrixRequest {
            using: String::new(),
            filter: None,
            sample: 100,
            limit: 3,
            seed: 0,
        }
    }
}

impl CollectionView {
    /// How near some documents are to each other.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) when the request is not acceptable,
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) when there is no such field.
    pub fn matrix(&self, request: &MatrixRequest) -> Result<Matrix> {
        let at = At::REQUEST;
        crate::validate::range("sample", request.sample, 2..=limits::MATRIX_SAMPLE_MAX)?;
        crate::validate::range("limit", request.limit, 1..=limits::MATRIX_SAMPLE_MAX)?;
        if let Some(filter) = &request.filter {
            filter.validate()?;
        }
        let has_vector = Filter::has_vector(&request.using);
        let mut common = QueryRequest::default().using(&request.using);
        common.filter = Some(match &request.filter {
            Some(filter) => filter.clone().and(has_vector),
            None => has_vector,
        });
        let stage = Stage::of(&common, request.sample);
        let evaluation = Evaluation::new(self, &NoOthers);
        let fields = &evaluation.documents.fields;
        fields.get(&request.using).at(&at.field("using"))?;
        let sample = Sample { seed: request.seed };
        let chosen = evaluation.sample(sample, &stage, &Domain::All)?;
        let vectors = evaluation.stored(&chosen, &stage)?;
        let mut vectors: Vec<(DocId, _)> = vectors.into_iter().collect();
        vectors.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        let mut pairs = Vec::new();
        for (from, (_, vector)) in vectors.iter().enumerate() {
            let vector = searching(vector.clone());
            let comparison = evaluation.likeness(&vector, &stage, &at)?;
            let mut nearest = Vec::new();
            for (to, (_, other)) in vectors.iter().enumerate() {
                if to != from
                    && let Some(distance) = comparison.query.distance(other)
                {
                    nearest.push((distance, to));
                }
            }
            nearest.sort_unstable();
            nearest.truncate(request.limit);
            pairs.extend(nearest.into_iter().map(|(distance, to)| MatrixPair {
                from,
                to,
                score: f64::from(comparison.query.score(distance)),
            }));
        }
        Ok(Matrix {
            ids: vectors.into_iter().map(|(id, _)| id).collect(),
            pairs,
        })
    }
}

impl Collection {
    /// As [`CollectionView::matrix`], now.
    ///
    /// ```
    /// # use aethervec::{AetherDB, Document, IndexConfig, MatrixRequest};
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let db = AetherDB::open(dir.path())?;
    /// # let notes = db.create_collection("notes", 1, "l2", IndexConfig::default())?;
    /// notes.upsert_batch((0..5).map(|i| Document::new(vec![(i * i) as f32], i)).collect())?;
    /// let matrix = notes.matrix(&MatrixRequest::default())?;
    /// assert_eq!(matrix.ids.len(), 5);
    /// assert_eq!((matrix.pairs[0].from, matrix.pairs[0].to, matrix.pairs[0].score), (0, 1, 1.0));
    /// # Ok::<(), aethervec::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`CollectionView::matrix`].
    pub fn matrix(&self, request: &MatrixRequest) -> Result<Matrix> {
        self.view()?.matrix(request)
    }
}
