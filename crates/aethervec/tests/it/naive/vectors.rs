//! Vectors compared: with those of all documents of a domain.

use super::{Model, Naive, Ranked, sorted};
use crate::vectors::naive_distance;
use aethervec::{DocId, Input, Metric, Vector, VectorField, VectorValue};
use std::collections::BTreeSet;

impl Model {
    pub(super) fn vector(&self, input: &Input, using: &str) -> VectorValue {
        match input {
            Input::Vector(vector) => vector.clone(),
            Input::Document(document) => self.docs[&document.id].vectors[using].clone(),
            _ => unreachable!("not generated"),
        }
    }

    /// What the vectors that are liked have in common, moved away from those that are not.
    pub(super) fn average(
        &self,
        positive: &[VectorValue],
        negative: &[VectorValue],
        using: &str,
    ) -> VectorValue {
        let (liked, disliked) = (self.mean(positive, using), self.mean(negative, using));
        let component = |(liked, disliked): (&f64, &f64)| {
            let away = if negative.is_empty() {
                0.0
            } else {
                liked - disliked
            };
            rounded(liked + away)
        };
        let components: Vec<f32> = liked.iter().zip(&disliked).map(component).collect();
        components.into()
    }

    fn mean(&self, vectors: &[VectorValue], using: &str) -> Vec<f64> {
        let VectorField::Dense(field) = &self.fields[using] else {
            unreachable!("not generated");
        };
        let mut mean = vec![0.0; field.dim];
        for vector in vectors {
            let vector = vector.as_dense().map(Vector::to_f32).unwrap();
            let length = if field.metric == Metric::Cosine {
                norm(&vector)
            } else {
                1.0
            };
            for (mean, component) in mean.iter_mut().zip(vector) {
                *mean += f64::from(component) / length / vectors.len() as f64;
            }
        }
        mean
    }

    /// `None` where a search is not to find `vector`.
    fn score(&self, query: &VectorValue, vector: &VectorValue, using: &str) -> Option<f64> {
        let field = &self.fields[using];
        let distance = naive_distance(field, query, vector)?;
        Some(match field {
            VectorField::Binary(_) => distance,
            VectorField::Dense(field) => match field.metric {
                Metric::Cosine => 1.0 - distance,
                Metric::InnerProduct => -distance,
                Metric::L2Squared => distance.sqrt(),
            },
            _ => -distance,
        })
    }

    /// Greater is more similar; what shares nothing is not similar at all.
    pub(super) fn similarity(&self, query: &VectorValue, vector: &VectorValue, using: &str) -> f64 {
        let score = self.score(query, vector, using).unwrap_or(0.0);
        if self.is_down(using) { -score } else { score }
    }

    /// Whether smaller scores are better.
    pub(super) fn is_down(&self, using: &str) -> bool {
        match &self.fields[using] {
            VectorField::Dense(field) => field.metric == Metric::L2Squared,
            field => matches!(field, VectorField::Binary(_)),
        }
    }

    /// Of those that are equally near, the one that was written first comes first where `is_search`; else that with the
    /// smaller id.
    pub(super) fn nearest(
        &self,
        query: &VectorValue,
        using: &str,
        domain: &[(&DocId, &Naive)],
        own: &BTreeSet<DocId>,
        is_search: bool,
    ) -> Ranked {
        let found = others(domain, own).filter_map(|(id, doc)| {
            let score = self.score(query, doc.vectors.get(using)?, using)?;
            Some((id.clone(), score))
        });
        let mut ranked = sorted(found.collect(), self.is_down(using));
        if is_search {
            for equal in ranked.chunk_by_mut(|a, b| a.1 == b.1) {
                equal.sort_by_key(|(id, _)| self.docs[id].written);
            }
        }
        ranked
    }

    /// The documents that have a vector, by what `score` makes of it.
    pub(super) fn by(
        &self,
        domain: &[(&DocId, &Naive)],
        using: &str,
        own: &BTreeSet<DocId>,
        score: impl Fn(&VectorValue) -> f64,
    ) -> Ranked {
        let scored = others(domain, own)
            .filter_map(|(id, doc)| Some((id.clone(), score(doc.vectors.get(using)?))));
        sorted(scored.collect(), false)
    }
}

fn others<'a>(
    domain: &'a [(&DocId, &Naive)],
    own: &'a BTreeSet<DocId>,
) -> impl Iterator<Item = (&'a DocId, &'a Naive)> {
    let domain = domain.iter().copied();
    domain.filter(|(id, _)| !own.contains(id))
}

fn norm(vector: &[f32]) -> f64 {
    vector
        .iter()
        .map(|c| f64::from(*c).powi(2))
        .sum::<f64>()
        .sqrt()
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "vectors have no more digits"
)]
fn rounded(component: f64) -> f32 {
    component as f32
}
