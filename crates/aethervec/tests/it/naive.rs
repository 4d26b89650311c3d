//! A naive evaluator of queries: everything is computed for every document, plainly, and sorted.

use aethervec::{
    ContextPair, Decay, Direction, DocId, Expression, Filter, Formula, GeoPoint, Input, Metric,
    Operation, Prefetch, Query, RecommendStrategy,
};
use serde_json::Value;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

pub(crate) const DIM: usize = 4;
pub(crate) const IMAGE_DIM: usize = 3;

/// What the collection holds.
pub(crate) type Docs = BTreeMap<DocId, Naive>;

pub(crate) struct Naive {
    /// By field: the default one and `image`.
    pub(crate) vectors: BTreeMap<String, Vec<f32>>,
    pub(crate) payload: Value,
}

/// The evaluator: everything is computed for every document, and sorted.
pub(crate) struct Model {
    pub(crate) docs: Docs,
    pub(crate) metrics: BTreeMap<String, Metric>,
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
            Some(Query::Nearest(_) | Query::Mmr(_)) => self.metrics[using] == Metric::L2Squared,
            Some(Query::Recommend(recommend)) => {
                recommend.strategy == RecommendStrategy::AverageVector
                    && self.metrics[using] == Metric::L2Squared
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
                self.nearest(&self.vector(input, using), using, domain, &own)
            }
            Query::Mmr(mmr) => {
                let own = own([&mmr.nearest]);
                let mut rest = self.nearest(&self.vector(&mmr.nearest, using), using, domain, &own);
                let sign = if self.metrics[using] == Metric::L2Squared {
                    -1.0
                } else {
                    1.0
                };
                let mut chosen: Ranked = Vec::new();
                while chosen.len() < k && !rest.is_empty() {
                    let worth = |(id, score): &(DocId, f64)| {
                        let vector = &self.docs[id].vectors[using];
                        let redundancy = chosen
                            .iter()
                            .map(|(id, _)| {
                                sign * self.score(&self.docs[id].vectors[using], vector, using)
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
                let vectors = |inputs: &[Input]| -> Vec<Vec<f32>> {
                    inputs
                        .iter()
                        .map(|input| self.vector(input, using))
                        .collect()
                };
                let (positive, negative) =
                    (vectors(&recommend.positive), vectors(&recommend.negative));
                if recommend.strategy == RecommendStrategy::AverageVector {
                    let liked = self.mean(&positive, using);
                    let disliked = self.mean(&negative, using);
                    let vector: Vec<f32> = (0..dim(using))
                        .map(|at| {
                            let away = if negative.is_empty() {
                                0.0
                            } else {
                                liked[at] - disliked[at]
                            };
                            rounded(liked[at] + away)
                        })
                        .collect();
                    return self.nearest(&vector, using, domain, &own);
                }
                self.by(domain, using, &own, |vector| {
                    let similar = |examples: &[Vec<f32>]| -> Vec<f64> {
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

    fn vector(&self, input: &Input, using: &str) -> Vec<f32> {
        match input {
            Input::Vector(vector) => vector.as_dense().unwrap().to_f32(),
            Input::Document(document) => self.docs[&document.id].vectors[using].clone(),
            _ => unreachable!("not generated"),
        }
    }

    fn mean(&self, vectors: &[Vec<f32>], using: &str) -> Vec<f64> {
        let mut mean = vec![0.0; dim(using)];
        for vector in vectors {
            let length = if self.metrics[using] == Metric::Cosine {
                norm(vector)
            } else {
                1.0
            };
            for (mean, component) in mean.iter_mut().zip(vector) {
                *mean += f64::from(*component) / length / vectors.len() as f64;
            }
        }
        mean
    }

    fn score(&self, a: &[f32], b: &[f32], using: &str) -> f64 {
        let dot: f64 = a
            .iter()
            .zip(b)
            .map(|(a, b)| f64::from(*a) * f64::from(*b))
            .sum();
        match self.metrics[using] {
            Metric::Cosine => dot / norm(a) / norm(b),
            Metric::InnerProduct => dot,
            Metric::L2Squared => {
                let squares = a.iter().zip(b).map(|(a, b)| f64::from(a - b).powi(2));
                squares.sum::<f64>().sqrt()
            }
        }
    }

    fn similarity(&self, a: &[f32], b: &[f32], using: &str) -> f64 {
        let score = self.score(a, b, using);
        if self.metrics[using] == Metric::L2Squared {
            -score
        } else {
            score
        }
    }

    fn by(
        &self,
        domain: &[(&DocId, &Naive)],
        using: &str,
        own: &BTreeSet<DocId>,
        score: impl Fn(&[f32]) -> f64,
    ) -> Ranked {
        let scored = domain
            .iter()
            .filter(|(id, doc)| !own.contains(id) && doc.vectors.contains_key(using))
            .map(|(id, doc)| ((*id).clone(), score(&doc.vectors[using])));
        sorted(scored.collect(), false)
    }

    fn nearest(
        &self,
        vector: &[f32],
        using: &str,
        domain: &[(&DocId, &Naive)],
        own: &BTreeSet<DocId>,
    ) -> Ranked {
        let ranked = self.by(domain, using, own, |other| self.score(vector, other, using));
        sorted(ranked, self.metrics[using] == Metric::L2Squared)
    }

    fn text(&self, query: &str, domain: &[(&DocId, &Naive)]) -> Ranked {
        let words = |text: &str| -> Vec<String> {
            let split = text.split(|sign: char| !sign.is_alphanumeric());
            split
                .filter(|word| !word.is_empty())
                .map(str::to_lowercase)
                .collect()
        };
        let texts: BTreeMap<&DocId, Vec<String>> = self
            .docs
            .iter()
            .map(|(id, doc)| {
                let all = scalars(&doc.payload, "body");
                (
                    id,
                    all.iter()
                        .filter_map(Value::as_str)
                        .flat_map(words)
                        .collect(),
                )
            })
            .collect();
        let with_words: Vec<&Vec<String>> =
            texts.values().filter(|words| !words.is_empty()).collect();
        let n = with_words.len() as f64;
        let mean = with_words.iter().map(|words| words.len()).sum::<usize>() as f64 / n;
        let wanted: BTreeSet<String> = words(query).into_iter().collect();
        let score = |words: &Vec<String>| {
            let part = |wanted: &String| {
                let with = with_words
                    .iter()
                    .filter(|words| words.contains(wanted))
                    .count() as f64;
                let count = words.iter().filter(|word| *word == wanted).count() as f64;
                let idf = (1.0 + (n - with + 0.5) / (with + 0.5)).ln();
                idf * count * 2.2 / (count + 1.2 * (0.25 + 0.75 * words.len() as f64 / mean))
            };
            wanted.iter().map(part).sum::<f64>()
        };
        let scored = domain
            .iter()
            .map(|(id, _)| ((*id).clone(), score(&texts[id])));
        sorted(scored.filter(|(_, score)| *score > 0.0).collect(), false)
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

fn norm(vector: &[f32]) -> f64 {
    vector
        .iter()
        .map(|c| f64::from(*c).powi(2))
        .sum::<f64>()
        .sqrt()
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

fn value(
    expression: &Expression,
    formula: &Formula,
    id: &DocId,
    doc: &Naive,
    scores: &[Option<f64>],
) -> f64 {
    let value = |expression: &Expression| value(expression, formula, id, doc, scores);
    let at = |path: &str, read: &dyn Fn(&Value) -> Option<f64>| -> f64 {
        let values = match doc.payload.get(path) {
            None => Vec::new(),
            Some(Value::Array(values)) => values.clone(),
            Some(value) => vec![value.clone()],
        };
        values
            .iter()
            .find_map(read)
            .unwrap_or_else(|| formula.defaults[path])
    };
    let operation = match expression {
        Expression::Constant(number) => return *number,
        Expression::Score(position) => {
            return scores[*position].unwrap_or(if *position == 1 { 0.25 } else { 0.0 });
        }
        Expression::Field(path) => return at(&path.to_string(), &Value::as_f64),
        Expression::Operation(operation) => &**operation,
    };
    let off = |decay: &Decay| (value(&decay.x) - value(&decay.target)).abs();
    match operation {
        Operation::Sum(all) => all.iter().map(value).sum(),
        Operation::Mult(all) => all.iter().map(value).product(),
        Operation::Min(all) => all.iter().map(value).fold(f64::INFINITY, f64::min),
        Operation::Max(all) => all.iter().map(value).fold(f64::NEG_INFINITY, f64::max),
        Operation::Neg(inner) => -value(inner),
        Operation::Abs(inner) => value(inner).abs(),
        Operation::Sqrt(inner) => value(inner).sqrt(),
        Operation::Exp(inner) => value(inner).exp(),
        Operation::Ln(inner) => value(inner).ln(),
        Operation::Log10(inner) => value(inner).log10(),
        Operation::Div(div) => {
            let right = value(&div.right);
            if right == 0.0 {
                div.by_zero.unwrap()
            } else {
                value(&div.left) / right
            }
        }
        Operation::Pow(pow) => value(&pow.base).powf(value(&pow.exponent)),
        Operation::Condition(filter) => f64::from(u8::from(doc.satisfies(id, Some(filter)))),
        Operation::GeoDistance(distance) => at("loc", &|value| {
            let place = GeoPoint::new(value.get("lat")?.as_f64()?, value.get("lon")?.as_f64()?);
            Some(distance.origin.meters_to(&place))
        }),
        Operation::Datetime(moment) => moment.as_micros() as f64 / 1e6,
        Operation::DatetimeField(_) => at("at", &|value| {
            let moment: aethervec::Timestamp = value.as_str()?.parse().ok()?;
            Some(moment.as_micros() as f64 / 1e6)
        }),
        Operation::LinDecay(decay) => (1.0 - 0.5 / decay.scale * off(decay)).max(0.0),
        Operation::ExpDecay(decay) => (0.5f64.ln() / decay.scale * off(decay)).exp(),
        Operation::GaussDecay(decay) => (0.5f64.ln() * (off(decay) / decay.scale).powi(2)).exp(),
        _ => unreachable!("not generated"),
    }
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

pub(crate) fn dim(using: &str) -> usize {
    if using.is_empty() { DIM } else { IMAGE_DIM }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "vectors have no more digits"
)]
fn rounded(component: f64) -> f32 {
    component as f32
}
