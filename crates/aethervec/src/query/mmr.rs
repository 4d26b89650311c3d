//! Maximal marginal relevance: near to a vector, and different from what was chosen before.

use super::at::At;
use super::documents::{Doc, Read};
use super::input::searching;
use super::kinds::Mmr;
use super::nearest::Comparison;
use super::ranking::{Ranking, Scored};
use super::stage::{Domain, Evaluation, Stage};
use crate::error::Result;
use crate::id::DocId;
use crate::keyspace::PointRow;
use crate::limits;
use crate::vector::VectorValue;
use std::collections::HashMap;

/// A document that may be chosen.
struct Candidate {
    hit: Scored,
    vector: VectorValue,
    /// To the vector that is asked for.
    relevance: f64,
    /// To the most similar one of those that were chosen.
    redundancy: f64,
}

impl Evaluation<'_> {
    /// The documents of `domain` that `mmr` chooses, in the order in which it does.
    pub(super) fn mmr(
        &self,
        mmr: &Mmr,
        stage: &Stage<'_>,
        domain: &Domain,
        at: &At<'_>,
    ) -> Result<Ranking> {
        let (vector, own) = self.vector(&mmr.nearest, stage, &at.field("nearest"))?;
        let without: Vec<DocId> = own.into_iter().collect();
        let pool = mmr.candidates.max(stage.k).min(limits::MMR_CANDIDATES_MAX);
        let nearest = self.nearest(&vector, &without, stage, pool, domain, at)?;
        let better = nearest.better;
        let mut vectors = self.stored(&nearest, stage)?;
        let mut candidates: Vec<Candidate> = nearest
            .hits
            .into_iter()
            .filter_map(|hit| {
                Some(Candidate {
                    vector: vectors.remove(&hit.id)?,
                    relevance: better.similarity(hit.score),
                    redundancy: f64::NEG_INFINITY,
                    hit,
                })
            })
            .collect();
        let mut hits = Vec::new();
        while hits.len() < stage.k
            && let Some(best) = best(&candidates, mmr.diversity)
        {
            let chosen = candidates.remove(best);
            let vector = searching(chosen.vector);
            let comparison = self.likeness(&vector, stage, at)?;
            for candidate in &mut candidates {
                let similarity = similarity(&comparison, &candidate.vector);
                candidate.redundancy = candidate.redundancy.max(similarity);
            }
            hits.push(chosen.hit);
        }
        Ok(Ranking { hits, better })
    }

    /// The vectors of the documents of `ranking` in the field of `stage`.
    pub(super) fn stored(
        &self,
        ranking: &Ranking,
        stage: &Stage<'_>,
    ) -> Result<HashMap<DocId, VectorValue>> {
        let mut vectors = HashMap::with_capacity(ranking.hits.len());
        let field = self.documents.fields.get(stage.using)?;
        let ids = ranking.hits.iter().map(|hit| &hit.id);
        self.documents
            .read(ids, None, Read::PayloadAndVectors, |doc: &Doc| {
                if let Some((key, row)) = self.documents.point_row(doc)
                    && let Some(vector) =
                        PointRow::parse(&key, row)?.vector(&key, field.number, &field.spec)?
                {
                    vectors.insert(doc.id.clone(), vector);
                }
                Ok(())
            })?;
        Ok(vectors)
    }
}

/// How similar two vectors of a field are.
pub(super) fn similarity(comparison: &Comparison<'_>, vector: &VectorValue) -> f64 {
    let distance = comparison.query.distance(vector);
    // Sparse vectors that share no dimension have the product 0.
    distance.map_or(0.0, |distance| {
        let score = f64::from(comparison.query.score(distance));
        comparison.better.similarity(score)
    })
}

/// The candidate to choose next; of equal ones the first.
fn best(candidates: &[Candidate], diversity: f64) -> Option<usize> {
    let value = |candidate: &Candidate| {
        // Nothing was chosen yet: nothing is redundant.
        if candidate.redundancy == f64::NEG_INFINITY {
            return candidate.relevance;
        }
        (1.0 - diversity) * candidate.relevance - diversity * candidate.redundancy
    };
    let mut best: Option<(usize, f64)> = None;
    for (position, candidate) in candidates.iter().enumerate() {
        let value = value(candidate);
        if best.is_none_or(|(_, least)| value > least) {
            best = Some((position, value));
        }
    }
    best.map(|(position, _)| position)
}
