//! A naive evaluator of queries: everything is computed for every document, plainly, and sorted.

mod formula;
mod text;
mod vectors;

use aethervec::{
    ContextPair, Direction, DocId, Filter, Input, Prefetch, Query, RecommendStrategy, VectorField,
    VectorValue,
};
use formula::value;
use serde_json::Value;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

/// What the collection holds.
pub(crate) type Docs = BTreeMap<DocId, Naive>;

pub(crate) struct Naive {
    /// Which write it was.
    pub(crate) written: usize,
    /// By field.
    pub(crate) vectors: BTreeMap<String, VectorValue>,
    pub(crate) payload: Value,
}

/// The evaluator: everything is computed for every document, and sorted.
pub(crate) struct Model {
    pub(crate) docs: Docs,
    pub(crate) fields: BTreeMap<String, VectorField>,
}

pub(crate) type Ranked = Vec<(DocId, f64)>;

impl Naive {
    pub(crate) fn satisfies(&self, id: &DocId, filter: Option<&Filter>) -> bool {
        filter.is_none_or(|filter| {
            filter.matches(id, Some(&self.payload), |name| {
                self.vectors.contains_key(name)
            })
        })
    }
}

impl Model {
    pub(crate) fn stage(
        &self,
        prefetch: &[Prefetch],
        query: Option<&Query>,
        using: &str,
        filter: Option<&Filter>,
        threshold: Option<f64>,
        k: usize,
    ) -> Ranked {
        let found: Vec<(Ranked, bool)> = prefetch
            .iter()
            .map(|stage| {
                let both = match (filter, &stage.filter) {
                    (Some(above), Some(own)) => Some(above.clone().and(own.clone())),
                    (above, own) => above.or(own.as_ref()).cloned(),
                };
                let ranked = self.stage(
                    &stage.prefetch,
                    stage.query.as_ref(),
                    &stage.using,
                    both.as_ref(),
                    stage.score_threshold,
                    stage.limit,
                );
                (
                    ranked,
                    self.smaller_is_better(stage.query.as_ref(), &stage.using),
                )
            })
            .collect();
        let in_domain = |id: &DocId| {
            prefetch.is_empty()
                || found
                    .iter()
                    .any(|(hits, _)| hits.iter().any(|hit| hit.0 == *id))
        };
        let domain: Vec<(&DocId, &Naive)> = self
            .docs
            .iter()
            .filter(|(id, doc)| in_domain(id) && doc.satisfies(id, filter))
            .collect();
        let mut ranked = match query {
            None => domain.iter().map(|(id, _)| ((*id).clone(), 0.0)).collect(),
            Some(query) => self.query(query, using, &domain, &found, k),
        };
        ranked.truncate(k);
        let down = self.smaller_is_better(query, using);
        ranked.retain(|(_, score)| {
            threshold.is_none_or(|least| {
                if down {
                    *score <= least
                } else {
                    *score >= least
                }
            })
        });
        ranked
    }

    fn smaller_is_better(&self, query: Option<&Query>, using: &str) -> bool {
        match query {
            Some(Query::Nearest(_) | Query::Mmr(_)) => self.is_down(using),
            Some(Query::Recommend(recommend)) => {
                recommend.strategy == RecommendStrategy::AverageVector && self.is_down(using)
            }
            Some(Query::OrderBy(order)) => order.direction == Direction::Asc,
            _ => false,
        }
    }

    fn query(
        &self,
        query: &Query,
        using: &str,
        domain: &[(&DocId, &Naive)],
        found: &[(Ranked, bool)],
        k: usize,
    ) -> Ranked {
        match query {
            Query::Nearest(input) => {
                let own = own([input]);
                self.nearest(
                    &self.vector(input, using),
                    using,
                    domain,
                    &own,
                    found.is_empty(),
                )
            }
            Query::Mmr(mmr) => {
                let own = own([&mmr.nearest]);
                let vector = self.vector(&mmr.nearest, using);
                let mut rest = self.nearest(&vector, using, domain, &own, found.is_empty());
                let sign = if self.is_down(using) { -1.0 } else { 1.0 };
                let mut chosen: Ranked = Vec::new();
                while chosen.len() < k && !rest.is_empty() {
                    let worth = |(id, score): &(DocId, f64)| {
                        let vector = &self.docs[id].vectors[using];
                        let redundancy = chosen
                            .iter()
                            .map(|(id, _)| {
                                self.similarity(&self.docs[id].vectors[using], vector, using)
                            })
                            .fold(f64::NEG_INFINITY, f64::max);
                        if chosen.is_empty() {
                            sign * score
                        } else {
                            (1.0 - mmr.diversity) * sign * score - mmr.diversity * redundancy
                        }
                    };
                    let worths: Vec<f64> = rest.iter().map(worth).collect();
                    let best = (0..rest.len())
                        .reduce(|a, b| if worths[b] > worths[a] { b } else { a })
                        .unwrap();
                    chosen.push(rest.remove(best));
                }
                chosen
            }
            Query::Recommend(recommend) => {
                let own = own(recommend.positive.iter().chain(&recommend.negative));
                let vectors = |inputs: &[Input]| -> Vec<VectorValue> {
                    inputs
                        .iter()
                        .map(|input| self.vector(input, using))
                        .collect()
                };
                let (positive, negative) =
                    (vectors(&recommend.positive), vectors(&recommend.negative));
                if recommend.strategy == RecommendStrategy::AverageVector {
                    let vector = self.average(&positive, &negative, using);
                    return self.nearest(&vector, using, domain, &own, found.is_empty());
                }
                self.by(domain, using, &own, |vector| {
                    let similar = |examples: &[VectorValue]| -> Vec<f64> {
                        examples
                            .iter()
                            .map(|example| self.similarity(example, vector, using))
                            .collect()
                    };
                    let (liked, disliked) = (similar(&positive), similar(&negative));
                    if recommend.strategy == RecommendStrategy::SumScores {
                        return liked.iter().sum::<f64>() - disliked.iter().sum::<f64>();
                    }
                    let most = |all: &[f64]| all.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                    if most(&liked) > most(&disliked) {
                        squash(most(&liked))
                    } else {
                        -squash(most(&disliked))
                    }
                })
            }
            Query::Discover(discover) => {
                let context = discover
                    .context
                    .iter()
                    .flat_map(|pair| [&pair.positive, &pair.negative]);
                let own = own(context.chain([&discover.target]));
                self.by(domain, using, &own, |vector| {
                    let sim =
                        |input: &Input| self.similarity(&self.vector(input, using), vector, using);
                    let sides = discover.context.iter().map(|pair| {
                        if sim(&pair.positive) > sim(&pair.negative) {
                            1.0
                        } else {
                            -1.0
                        }
                    });
                    sides.sum::<f64>() + squash(sim(&discover.target))
                })
            }
            Query::Context(pairs) => {
                let own = own(pairs
                    .iter()
                    .flat_map(|pair| [&pair.positive, &pair.negative]));
                self.by(domain, using, &own, |vector| {
                    let sim =
                        |input: &Input| self.similarity(&self.vector(input, using), vector, using);
                    let loss = |pair: &ContextPair| {
                        (sim(&pair.positive) - sim(&pair.negative) - f64::from(f32::EPSILON))
                            .min(0.0)
                    };
                    pairs.iter().map(loss).sum()
                })
            }
            Query::Text(text) => self.text(&text.words, domain),
            Query::Rrf(rrf) => {
                let mut sums: BTreeMap<DocId, f64> = BTreeMap::new();
                for (position, (hits, _)) in found.iter().enumerate() {
                    for (rank, (id, _)) in hits.iter().enumerate() {
                        let weight = rrf.weights.get(position).copied().unwrap_or(1.0);
                        *sums.entry(id.clone()).or_default() +=
                            weight / (rrf.k + rank as f64 + 1.0);
                    }
                }
                sorted(sums.into_iter().collect(), false)
            }
            Query::Dbsf(dbsf) => {
                let mut sums: BTreeMap<DocId, f64> = BTreeMap::new();
                for (position, (hits, down)) in found.iter().enumerate() {
                    let weight = dbsf.weights.get(position).copied().unwrap_or(1.0);
                    let scores: Vec<f64> = hits
                        .iter()
                        .map(|(_, score)| if *down { -score } else { *score })
                        .collect();
                    let n = scores.len() as f64;
                    let mean = scores.iter().sum::<f64>() / n;
                    let variance =
                        scores.iter().map(|s| (s - mean).powi(2)).sum::<f64>() / (n - 1.0);
                    let three = 3.0 * variance.sqrt();
                    for ((id, _), score) in hits.iter().zip(scores) {
                        let scaled = if hits.len() > 1 && three > 0.0 {
                            (score - (mean - three)) / (2.0 * three)
                        } else {
                            0.5
                        };
                        *sums.entry(id.clone()).or_default() += weight * scaled;
                    }
                }
                sorted(sums.into_iter().collect(), false)
            }
            Query::Formula(formula) => {
                let value = |(id, doc): &(&DocId, &Naive)| {
                    let scores: Vec<Option<f64>> = found
                        .iter()
                        .map(|(hits, _)| hits.iter().find(|hit| hit.0 == **id).map(|hit| hit.1))
                        .collect();
                    (
                        (*id).clone(),
                        value(&formula.expression, formula, id, doc, &scores),
                    )
                };
                sorted(domain.iter().map(value).collect(), false)
            }
            Query::OrderBy(order) => {
                let down = order.direction == Direction::Desc;
                let key = order.path.to_string();
                let mut keyed: Vec<(Value, DocId)> = domain
                    .iter()
                    .filter_map(|(id, doc)| {
                        let mut values = scalars(&doc.payload, &key);
                        values.sort_by(|a, b| if down { by_value(b, a) } else { by_value(a, b) });
                        Some((values.first()?.clone(), (*id).clone()))
                    })
                    .collect();
                keyed.sort_by(|a, b| {
                    let by_value = if down {
                        by_value(&b.0, &a.0)
                    } else {
                        by_value(&a.0, &b.0)
                    };
                    by_value.then_with(|| a.1.cmp(&b.1))
                });
                keyed
                    .into_iter()
                    .map(|(value, id)| (id, value.as_f64().unwrap_or(0.0)))
                    .collect()
            }
            _ => unreachable!("not generated"),
        }
    }
}

fn own<'a>(inputs: impl IntoIterator<Item = &'a Input>) -> BTreeSet<DocId> {
    let id = |input: &Input| match input {
        Input::Document(document) => Some(document.id.clone()),
        _ => None,
    };
    inputs.into_iter().filter_map(id).collect()
}

fn sorted(mut scored: Ranked, down: bool) -> Ranked {
    scored.sort_by(|a, b| {
        let by_score = if down {
            a.1.total_cmp(&b.1)
        } else {
            b.1.total_cmp(&a.1)
        };
        if a.1 == b.1 { a.0.cmp(&b.0) } else { by_score }
    });
    scored
}

fn squash(similarity: f64) -> f64 {
    0.5 * (similarity / (1.0 + similarity.abs()) + 1.0)
}

/// Booleans, numbers, strings.
fn by_value(a: &Value, b: &Value) -> Ordering {
    let kind = |value: &Value| (value.is_number() as u8) + 2 * (value.is_string() as u8);
    let number = |value: &Value| value.as_f64().unwrap_or(0.0);
    kind(a)
        .cmp(&kind(b))
        .then_with(|| number(a).total_cmp(&number(b)))
        .then_with(|| a.as_str().cmp(&b.as_str()))
        .then_with(|| a.as_bool().cmp(&b.as_bool()))
}

/// The booleans, numbers and strings at a key, in an array too.
pub(crate) fn scalars(payload: &Value, key: &str) -> Vec<Value> {
    let values = match payload.get(key) {
        None => Vec::new(),
        Some(Value::Array(values)) => values.clone(),
        Some(value) => vec![value.clone()],
    };
    let is_scalar = |value: &Value| !(value.is_null() || value.is_array() || value.is_object());
    values.into_iter().filter(is_scalar).collect()
}
