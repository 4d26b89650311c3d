//! What is nearest to a vector.
//!
//! Among all documents that is a search in the field's index; among documents that were found already, it is a comparison
//! with each of them.

use super::at::{At, Locate};
use super::documents::{Doc, Documents, Read};
use super::input::borrow;
use super::ranking::{Better, Ranking, Scored, Top};
use super::request::Effort;
use super::stage::{Domain, Evaluation, Stage};
use crate::document::SearchRequest;
use crate::error::Result;
use crate::id::DocId;
use crate::index::query::FieldQuery;
use crate::keyspace::PointRow;
use crate::limits;
use crate::schema::VectorField;
use crate::vector::VectorValue;
use aether_distance::Metric;

impl Evaluation<'_> {
    /// The `k` documents of `domain` nearest to `vector`, without some of them.
    pub(super) fn nearest(
        &self,
        vector: &VectorValue,
        without: &[DocId],
        stage: &Stage<'_>,
        k: usize,
        domain: &Domain,
        at: &At<'_>,
    ) -> Result<Ranking> {
        let comparison = self.comparison(vector, stage, at)?;
        if let Domain::All = domain {
            let request = SearchRequest {
                vector: borrow(vector),
                using: stage.using,
                k: (k + without.len()).min(limits::K_MAX),
                filter: stage.filter.as_ref(),
                recall: match stage.effort {
                    Effort::Recall(recall) => Some(recall),
                    _ => None,
                },
                ef: match stage.effort {
                    Effort::Ef(ef) => Some(ef),
                    _ => None,
                },
                exact: stage.effort == Effort::Exact,
                with_payload: false,
                with_vectors: false,
            };
            let hits = self.documents.view.search_with(request).at(at)?;
            let others = hits.into_iter().filter(|hit| !without.contains(&hit.id));
            // As the search has them: of those that are equally near it cuts off the same ones for every `k`, so that the pages
            // of an answer fit together.
            let scored = others
                .take(k)
                .map(|hit| Scored::new(hit.id, f64::from(hit.score)));
            return Ok(Ranking {
                hits: scored.collect(),
                better: comparison.better,
            });
        }
        let mut top = Top::new(k, comparison.better);
        let mut buffer = comparison.query.buffer();
        self.each(domain, stage, Read::PayloadAndVectors, |doc| {
            if !without.contains(&doc.id)
                && let Some(score) = comparison.score(&self.documents, doc, &mut buffer)?
            {
                top.offer(doc.id.clone(), score);
            }
            Ok(())
        })?;
        Ok(top.into_ranking())
    }

    /// A comparison with `vector`, which is searched for, in the field of `stage`.
    pub(super) fn comparison<'v>(
        &self,
        vector: &'v VectorValue,
        stage: &Stage<'_>,
        at: &At<'_>,
    ) -> Result<Comparison<'v>> {
        let field = self.documents.fields.get(stage.using).at(at)?;
        Ok(Comparison {
            query: FieldQuery::new(self.documents.view, field, borrow(vector)).at(at)?,
            better: better(&field.spec),
        })
    }

    /// A comparison of documents' vectors with `vector`, which is one of them.
    pub(super) fn likeness<'v>(
        &self,
        vector: &'v VectorValue,
        stage: &Stage<'_>,
        at: &At<'_>,
    ) -> Result<Comparison<'v>> {
        let field = self.documents.fields.get(stage.using).at(at)?;
        Ok(Comparison {
            query: FieldQuery::stored(self.documents.view, field, borrow(vector)).at(at)?,
            better: better(&field.spec),
        })
    }
}

/// Which scores of a field are better.
fn better(field: &VectorField) -> Better {
    match field {
        VectorField::Dense(field) if field.metric == Metric::L2Squared => Better::Smaller,
        VectorField::Binary(_) => Better::Smaller,
        VectorField::Dense(_) | VectorField::Sparse(_) | VectorField::Multi(_) => Better::Greater,
    }
}

/// A vector that documents are compared with.
pub(super) struct Comparison<'v> {
    pub(super) query: FieldQuery<'v>,
    pub(super) better: Better,
}

impl Comparison<'_> {
    /// The score of a document whose vectors were read; `None` where no search is to find it.
    pub(super) fn score(
        &self,
        documents: &Documents<'_>,
        doc: &Doc,
        buffer: &mut VectorValue,
    ) -> Result<Option<f64>> {
        let Some((key, row)) = documents.point_row(doc) else {
            return Ok(None);
        };
        let row = PointRow::parse(&key, row)?;
        let distance = self.query.distance_of(&key, &row, buffer)?;
        Ok(distance.map(|distance| f64::from(self.query.score(distance))))
    }

    /// How similar a document is whose vectors were read, greater being more; `None` if it has no vector in the field.
    pub(super) fn similarity(
        &self,
        documents: &Documents<'_>,
        doc: &Doc,
        buffer: &mut VectorValue,
    ) -> Result<Option<f64>> {
        if let Some(score) = self.score(documents, doc, buffer)? {
            return Ok(Some(self.better.similarity(score)));
        }
        // Sparse vectors that share no dimension are not found, but their product is 0 all the same.
        let present = match documents.point_row(doc) {
            None => false,
            Some((key, row)) => {
                let row = PointRow::parse(&key, row)?;
                row.field(&key, self.query.field.number)?.is_some()
            }
        };
        Ok(present.then_some(0.0))
    }
}
