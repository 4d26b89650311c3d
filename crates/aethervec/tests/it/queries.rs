//! Queries against a naive evaluator: random trees on small collections must find what a plain reading of the request finds.

use crate::common::for_seeds;
use crate::generate;
use aethervec::{
    AetherDB, CollectionSchema, ContextPair, Cursor, Dbsf, Decay, DenseField, Direction, Discover,
    Div, DocId, Document, Effort, ErrorKind, Expression, FacetRequest, Filter, Formula,
    GeoDistance, GeoPoint, GroupRequest, IndexConfig, Input, MatrixRequest, Metric, Mmr, Operation,
    OrderBy, PayloadIndexKind, PayloadSelector, Pow, Prefetch, Query, QueryRequest, Recommend,
    RecommendStrategy, Rrf, VectorSelector,
};
use fastrand::Rng;
use serde_json::{Value, json};
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

const DIM: usize = 4;
const IMAGE_DIM: usize = 3;

/// What the collection holds.
type Docs = BTreeMap<DocId, Naive>;

struct Naive {
    /// By field: the default one and `image`.
    vectors: BTreeMap<String, Vec<f32>>,
    payload: Value,
}

#[test]
fn trees_find_what_a_naive_evaluator_finds() {
    for_seeds(12, compare);
}

fn compare(seed: u64) {
    let random = &mut Rng::with_seed(seed);
    let metric = |random: &mut Rng| {
        *random
            .choice(&[Metric::Cosine, Metric::L2Squared, Metric::InnerProduct])
            .unwrap()
    };
    let metrics = BTreeMap::from([
        (String::new(), metric(random)),
        ("image".to_owned(), metric(random)),
    ]);
    let schema = CollectionSchema::new(DIM, metrics[""], IndexConfig::Flat).with_field(
        "image",
        DenseField::new(IMAGE_DIM, metrics["image"], IndexConfig::Flat),
    );
    let dir = tempfile::tempdir().unwrap();
    let db = AetherDB::open(dir.path()).unwrap();
    let collection = db.create_collection_with("c", schema).unwrap();
    let mut docs = Docs::new();
    for _ in 0..random.usize(1..60) {
        let id = generate::id(random);
        let mut vectors = BTreeMap::new();
        if random.u8(..10) > 0 {
            vectors.insert(String::new(), vector(random, DIM));
        }
        if random.bool() {
            vectors.insert("image".to_owned(), vector(random, IMAGE_DIM));
        }
        let payload = generate::payload(random);
        let mut document =
            Document::new(aethervec::Vectors::new(), id.clone()).with_payload(payload.clone());
        for (field, vector) in &vectors {
            document = document.with_vector(field, vector.clone());
        }
        collection.upsert(document).unwrap();
        docs.insert(id, Naive { vectors, payload });
    }
    if seed % 2 == 1 {
        let kinds = [
            ("lang", PayloadIndexKind::Keyword),
            ("tags", PayloadIndexKind::Keyword),
            ("year", PayloadIndexKind::Integer),
            ("price", PayloadIndexKind::Float),
            ("at", PayloadIndexKind::Datetime),
            ("loc", PayloadIndexKind::Geo),
            ("body", PayloadIndexKind::Text),
        ];
        for (path, kind) in kinds {
            collection.create_payload_index(path, kind).unwrap();
        }
        collection.wait_payload_indexes().unwrap();
    }
    let model = Model { docs, metrics };
    let view = collection.view().unwrap();
    for _ in 0..40 {
        let request = request(random, &model);
        let json = serde_json::to_string(&request).unwrap();
        let again = QueryRequest::from_json(&json).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(
            serde_json::to_value(&again).unwrap(),
            serde_json::to_value(&request).unwrap()
        );
        let expected = model.stage(
            &request.prefetch,
            request.query.as_ref(),
            &request.using,
            request.filter.as_ref(),
            request.score_threshold,
            usize::MAX,
        );
        let expected: Vec<_> = expected.into_iter().skip(request.offset).collect();
        let response = view
            .query(&request)
            .unwrap_or_else(|error| panic!("{json}: {error}"));
        let found: Vec<(DocId, f64)> = response
            .hits
            .iter()
            .map(|hit| (hit.id.clone(), hit.score))
            .collect();
        same(
            &found,
            &expected[..expected.len().min(request.limit)],
            &json,
        );
        assert_eq!(
            response.next.is_some(),
            expected.len() > request.limit,
            "{json}"
        );
        for hit in response.hits {
            assert_eq!(hit.payload.as_ref(), Some(&model.docs[&hit.id].payload));
        }
        if !matches!(request.query, Some(Query::Mmr(_))) {
            pages(&view, &request, &expected, &json);
        }
    }
    wrong(random, &view, &model);
    counts(random, &view, &model);
    groups(random, &view, &model);
}

/// All pages together are the whole answer.
fn pages(
    view: &aethervec::CollectionView,
    request: &QueryRequest,
    expected: &[(DocId, f64)],
    json: &str,
) {
    let mut found = Vec::new();
    let mut request = request.clone();
    loop {
        let response = view.query(&request).unwrap();
        found.extend(response.hits.into_iter().map(|hit| (hit.id, hit.score)));
        let Some(next) = response.next else { break };
        let text = serde_json::to_string(&next).unwrap();
        let next: Cursor = serde_json::from_str(&text).unwrap();
        request = request.offset(0).cursor(next);
    }
    same(&found, expected, json);
}

fn same(found: &[(DocId, f64)], expected: &[(DocId, f64)], json: &str) {
    let close = |a: f64, b: f64| (a - b).abs() <= 1e-5 * (1.0 + a.abs().max(b.abs()));
    assert!(
        found.len() == expected.len()
            && found
                .iter()
                .zip(expected)
                .all(|(a, b)| a.0 == b.0 && close(a.1, b.1)),
        "{json}\nfound    {found:?}\nexpected {expected:?}"
    );
}

/// Requests that somebody has mistyped are answered, or refused.
fn wrong(random: &mut Rng, view: &aethervec::CollectionView, model: &Model) {
    let pieces = [
        "0",
        "-1",
        "1e300",
        "null",
        "[]",
        "{}",
        "\"\"",
        "true",
        "\"image\"",
        "[1,2]",
        ",",
    ];
    for _ in 0..60 {
        let json = serde_json::to_string(&request(random, model)).unwrap();
        let mut tokens: Vec<&str> = json.split_inclusive([',', ':', '[', '{']).collect();
        let at = random.usize(..tokens.len());
        tokens[at] = random.choice(pieces).unwrap_or_default();
        if let Ok(request) = QueryRequest::from_json(&tokens.concat())
            && let Err(error) = view.query(&request)
        {
            assert!(
                [ErrorKind::Invalid, ErrorKind::NotFound].contains(&error.kind()),
                "{json}: {error}"
            );
        }
    }
}

fn counts(random: &mut Rng, view: &aethervec::CollectionView, model: &Model) {
    for _ in 0..20 {
        let filter = generate::filter(random, 3);
        let satisfying: Vec<&Naive> = model
            .docs
            .iter()
            .filter(|(id, doc)| doc.satisfies(id, Some(&filter)))
            .map(|(_, doc)| doc)
            .collect();
        assert_eq!(
            view.count_matching(&filter).unwrap(),
            satisfying.len() as u64,
            "{filter}"
        );
        for path in ["lang", "tags", "year", "ok", "missing"] {
            let mut expected: BTreeMap<String, u64> = BTreeMap::new();
            for doc in &satisfying {
                let values: BTreeSet<String> = scalars(&doc.payload, path)
                    .iter()
                    .map(Value::to_string)
                    .collect();
                for value in values {
                    *expected.entry(value).or_default() += 1;
                }
            }
            let facet = FacetRequest {
                filter: Some(filter.clone()),
                limit: 1_000,
                ..FacetRequest::new(path)
            };
            let found = view.facet(&facet).unwrap();
            assert!(found.is_sorted_by(|a, b| a.count >= b.count));
            let found: BTreeMap<String, u64> = found
                .into_iter()
                .map(|value| (value.value.to_string(), value.count))
                .collect();
            assert_eq!(found, expected, "{path} where {filter}");
        }
    }
}

fn groups(random: &mut Rng, view: &aethervec::CollectionView, model: &Model) {
    for _ in 0..10 {
        let query =
            QueryRequest::new(Query::nearest(vector(random, DIM))).limit(random.usize(1..5));
        let size = random.usize(1..4);
        let ranked = model.stage(&[], query.query.as_ref(), "", None, None, usize::MAX);
        let mut expected: Vec<(String, Vec<DocId>)> = Vec::new();
        for (id, _) in ranked {
            let mut values = scalars(&model.docs[&id].payload, "lang");
            values.dedup();
            for value in values {
                let value = value.to_string();
                let position = match expected.iter().position(|(known, _)| *known == value) {
                    Some(position) => position,
                    None if expected.len() == query.limit => continue,
                    None => {
                        expected.push((value, Vec::new()));
                        expected.len() - 1
                    }
                };
                if expected[position].1.len() < size {
                    expected[position].1.push(id.clone());
                }
            }
        }
        let request = GroupRequest::new(query, "lang").group_size(size);
        let found: Vec<(String, Vec<DocId>)> = view
            .query_groups(&request)
            .unwrap()
            .into_iter()
            .map(|group| {
                let ids = group.hits.into_iter().map(|hit| hit.id).collect();
                (group.value.to_string(), ids)
            })
            .collect();
        assert_eq!(found, expected);
    }
}

/// The booleans, numbers and strings at a key, in an array too.
fn scalars(payload: &Value, key: &str) -> Vec<Value> {
    let values = match payload.get(key) {
        None => Vec::new(),
        Some(Value::Array(values)) => values.clone(),
        Some(value) => vec![value.clone()],
    };
    let is_scalar = |value: &Value| !(value.is_null() || value.is_array() || value.is_object());
    values.into_iter().filter(is_scalar).collect()
}

fn vector(random: &mut Rng, dim: usize) -> Vec<f32> {
    (0..dim).map(|_| random.f32() - 0.4).collect()
}

fn input(random: &mut Rng, model: &Model, using: &str) -> Input {
    let with_vector: Vec<&DocId> = model
        .docs
        .iter()
        .filter(|(_, doc)| doc.vectors.contains_key(using))
        .map(|(id, _)| id)
        .collect();
    match random.choice(&with_vector) {
        Some(id) if random.bool() => Input::id(*id),
        _ => vector(random, dim(using)).into(),
    }
}

fn dim(using: &str) -> usize {
    if using.is_empty() { DIM } else { IMAGE_DIM }
}

fn request(random: &mut Rng, model: &Model) -> QueryRequest {
    let prefetch = stage(random, model, 3);
    let mut request = QueryRequest::default()
        .limit(random.usize(1..12))
        .offset(random.usize(..3));
    request.prefetch = prefetch.prefetch;
    request.query = prefetch.query;
    request.using = prefetch.using;
    request.filter = prefetch.filter;
    request.score_threshold = prefetch.score_threshold;
    if random.bool() {
        request.effort = Effort::Exact;
    }
    request
}

fn stage(random: &mut Rng, model: &Model, depth: usize) -> Prefetch {
    let mut stage = Prefetch::default().limit(random.usize(1..20));
    if random.bool() {
        stage.using = "image".to_owned();
    }
    if random.u8(..3) == 0 {
        stage.filter = Some(generate::filter(random, 3));
    }
    if depth > 1 && random.bool() {
        stage.prefetch = (0..random.usize(1..4))
            .map(|_| self::stage(random, model, depth - 1))
            .collect();
    }
    let count = stage.prefetch.len();
    let using = stage.using.clone();
    let inputs = |random: &mut Rng, counts: std::ops::Range<usize>| -> Vec<Input> {
        (0..random.usize(counts))
            .map(|_| input(random, model, &using))
            .collect()
    };
    let pairs = |random: &mut Rng, counts: std::ops::Range<usize>| -> Vec<ContextPair> {
        (0..random.usize(counts))
            .map(|_| ContextPair {
                positive: input(random, model, &using),
                negative: input(random, model, &using),
            })
            .collect()
    };
    stage.query = match random.u8(..14) {
        0 => None,
        1 | 2 => Some(Query::Nearest(input(random, model, &using))),
        3 => Some(Query::Mmr(Mmr {
            nearest: input(random, model, &using),
            diversity: random.f64(),
            candidates: 100,
        })),
        4 | 5 => Some(Query::Recommend(Recommend {
            positive: inputs(random, 1..3),
            negative: inputs(random, 0..3),
            strategy: *random
                .choice(&[
                    RecommendStrategy::AverageVector,
                    RecommendStrategy::BestScore,
                    RecommendStrategy::SumScores,
                ])
                .unwrap(),
        })),
        6 => Some(Query::Discover(Discover {
            target: input(random, model, &using),
            context: pairs(random, 0..3),
        })),
        7 => Some(Query::Context(pairs(random, 1..3))),
        8 => Some(Query::text(
            "body",
            *random
                .choice(&["rust", "data café", "Search engine VECTOR", "…"])
                .unwrap(),
        )),
        9 => Some(Query::OrderBy(OrderBy {
            path: (*random
                .choice(&["year", "price", "lang", "tags", "ok"])
                .unwrap())
            .into(),
            direction: *random.choice(&[Direction::Asc, Direction::Desc]).unwrap(),
            datetime: false,
        })),
        10 => Some(Query::Formula(formula(random, count))),
        _ if count == 0 => Some(Query::Nearest(input(random, model, &using))),
        11 => Some(Query::Dbsf(Dbsf {
            weights: if random.bool() {
                (0..count).map(|_| random.f64()).collect()
            } else {
                Vec::new()
            },
        })),
        _ => Some(Query::Rrf(Rrf {
            k: f64::from(random.u8(1..80)),
            weights: if random.bool() {
                (0..count).map(|_| random.f64()).collect()
            } else {
                Vec::new()
            },
        })),
    };
    let has_scores = matches!(
        stage.query,
        Some(Query::Nearest(_) | Query::Rrf(_) | Query::Formula(_))
    );
    if has_scores && random.u8(..4) == 0 {
        stage.score_threshold = Some(random.f64());
    }
    stage
}

/// A formula that has a value for every document.
fn formula(random: &mut Rng, prefetches: usize) -> Formula {
    let mut formula = Formula::from(expression(random, prefetches, 4));
    for path in ["year", "price", "missing", "loc", "at"] {
        formula
            .defaults
            .insert(path.to_owned(), f64::from(random.u8(..9)));
    }
    if prefetches > 1 {
        formula.defaults.insert("$score[1]".to_owned(), 0.25);
    }
    formula
}

fn expression(random: &mut Rng, prefetches: usize, depth: usize) -> Expression {
    let inner = |random: &mut Rng| expression(random, prefetches, depth - 1);
    if depth <= 1 {
        return match random.u8(..4) {
            0 if prefetches > 0 => Expression::Score(random.usize(..prefetches)),
            1 => Expression::field(*random.choice(&["year", "price", "missing"]).unwrap()),
            _ => Expression::Constant(f64::from(random.i8(-8..8)) / 4.0),
        };
    }
    let list = |random: &mut Rng| {
        (0..random.usize(1..4))
            .map(|_| inner(random))
            .collect::<Vec<_>>()
    };
    // What has no value everywhere is asked for values where it has one.
    let positive = |random: &mut Rng| {
        Expression::sum([
            Operation::Abs(inner(random)).into(),
            Expression::Constant(1.0),
        ])
    };
    let decay = |random: &mut Rng| Decay {
        x: inner(random),
        target: inner(random),
        scale: 1.0 + random.f64(),
        midpoint: 0.5,
    };
    let operation = match random.u8(..19) {
        0 => Operation::Sum(list(random)),
        1 => Operation::Mult(list(random)),
        2 => Operation::Min(list(random)),
        3 => Operation::Max(list(random)),
        4 => Operation::Neg(inner(random)),
        5 => Operation::Abs(inner(random)),
        6 => Operation::Sqrt(positive(random)),
        7 => Operation::Exp(Operation::Neg(positive(random)).into()),
        8 => Operation::Ln(positive(random)),
        9 => Operation::Log10(positive(random)),
        10 => Operation::Div(Div {
            left: inner(random),
            right: Expression::Constant(f64::from(random.i8(-1..2))),
            by_zero: Some(7.0),
        }),
        11 => Operation::Pow(Pow {
            base: Operation::Exp(Operation::Neg(positive(random)).into()).into(),
            exponent: Expression::Constant(2.0),
        }),
        12 => Operation::Condition(generate::filter(random, 2)),
        13 => Operation::GeoDistance(GeoDistance {
            origin: GeoPoint::new(10.0, 20.0),
            to: "loc".into(),
        }),
        14 => Operation::Datetime("2024-01-01".parse().unwrap()),
        15 => Operation::DatetimeField("at".into()),
        16 => Operation::LinDecay(decay(random)),
        17 => Operation::ExpDecay(decay(random)),
        _ => Operation::GaussDecay(decay(random)),
    };
    operation.into()
}

/// The evaluator: everything is computed for every document, and sorted.
struct Model {
    docs: Docs,
    metrics: BTreeMap<String, Metric>,
}

type Ranked = Vec<(DocId, f64)>;

impl Naive {
    fn satisfies(&self, id: &DocId, filter: Option<&Filter>) -> bool {
        filter.is_none_or(|filter| {
            filter.matches(id, Some(&self.payload), |name| {
                self.vectors.contains_key(name)
            })
        })
    }
}

impl Model {
    fn stage(
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
                            (liked[at] + away) as f32
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

#[test]
fn errors_name_the_place_in_the_request() {
    let dir = tempfile::tempdir().unwrap();
    let db = AetherDB::open(dir.path()).unwrap();
    let notes = db
        .create_collection("notes", 2, "l2", IndexConfig::default())
        .unwrap();
    notes
        .upsert(Document::new(vec![0.0, 1.0], "a").with_payload(json!({"n": 0, "s": "x"})))
        .unwrap();
    for (request, kind, text) in [
        (
            r#"{"limit": 0}"#,
            ErrorKind::Invalid,
            "limit: 0 is out of range",
        ),
        (
            r#"{"offset": 10000}"#,
            ErrorKind::Invalid,
            "offset: 10000 and the limit of 10",
        ),
        (
            r#"{"query": {"nearest": [1]}}"#,
            ErrorKind::Invalid,
            "query.nearest: vector: it has 1 components",
        ),
        (
            r#"{"query": {"nearest": {"id": "b"}}}"#,
            ErrorKind::NotFound,
            "query.nearest: there is no document \"b\"",
        ),
        (
            r#"{"query": {"nearest": [1, 2]}, "using": "image"}"#,
            ErrorKind::NotFound,
            "query.nearest: ",
        ),
        (
            r#"{"query": {"rrf": {}}}"#,
            ErrorKind::Invalid,
            "query.rrf: there is nothing to fuse",
        ),
        (
            r#"{"prefetch": [{}], "query": {"rrf": {"weights": [1, 2]}}}"#,
            ErrorKind::Invalid,
            "query.rrf.weights: there are 2 for 1 prefetches",
        ),
        (
            r#"{"prefetch": [{}, {"prefetch": [{"limit": 0}]}]}"#,
            ErrorKind::Invalid,
            "prefetch[1].prefetch[0]: limit: 0 is out of range",
        ),
        (
            r#"{"query": {"formula": {"expression": {"sum": [1, {"ln": "n"}]}}}}"#,
            ErrorKind::Invalid,
            "query.formula.sum[1].ln: it comes to -inf for document \"a\"",
        ),
        (
            r#"{"query": {"formula": {"expression": {"sum": [1, "s"]}}}}"#,
            ErrorKind::Invalid,
            "query.formula.sum[1]: document \"a\" has no number at \"s\": give \"s\" a value in defaults",
        ),
        (
            r#"{"prefetch": [{"prefetch": [{}], "query": {"formula": {"expression": {"mult": ["$score[1]"]}}}}]}"#,
            ErrorKind::Invalid,
            "prefetch[0].query.formula.mult[0]: there is no score 1",
        ),
        (
            r#"{"query": {"recommend": {"negative": [[1, 2]]}}}"#,
            ErrorKind::Invalid,
            "query.recommend.positive: an example is needed",
        ),
        (
            r#"{"query": {"discover": {"target": [1, 2], "context": [{"positive": [1, 2], "negative": {"id": 5}}]}}}"#,
            ErrorKind::NotFound,
            "query.discover.context[0].negative: there is no document \"5\"",
        ),
        (
            r#"{"with_vectors": ["image"]}"#,
            ErrorKind::NotFound,
            "with_vectors[0]: ",
        ),
        (
            r#"{"cursor": {"offset": 3}}"#,
            ErrorKind::Invalid,
            "cursor: it is of another request",
        ),
        (
            r#"{"query": {"nearest": {"id": 1, "collection": "x"}}}"#,
            ErrorKind::NotFound,
            "query.nearest.collection: collection \"x\" does not exist",
        ),
    ] {
        let request =
            QueryRequest::from_json(request).unwrap_or_else(|error| panic!("{request}: {error}"));
        let error = notes.query(&request).unwrap_err();
        assert!(
            error.to_string().starts_with(text),
            "{error} does not begin with {text}"
        );
        assert_eq!(error.kind(), kind, "{error}");
    }
    for (json, text) in [
        (
            r#"{"query": {"nearst": [1]}}"#,
            "query, line 1, column 12: unknown variant `nearst`",
        ),
        (
            r#"{"query": {"formula": {"expression": {"summ": []}}}}"#,
            "query, line 1, column 39: unknown variant `summ`",
        ),
        (
            r#"{"query": {"nearest": {"id": 1, "x": 2}}}"#,
            "query, line 1, column 33: unknown field `x`",
        ),
    ] {
        let error = QueryRequest::from_json(json).unwrap_err().to_string();
        assert!(error.starts_with(text), "{error}");
    }
}

#[test]
fn lookups_and_inputs_reach_other_collections() {
    let dir = tempfile::tempdir().unwrap();
    let db = AetherDB::open(dir.path()).unwrap();
    let schema = || CollectionSchema::new(2, Metric::L2Squared, IndexConfig::Flat);
    let books = db.create_collection_with("books", schema()).unwrap();
    let chunks = db.create_collection_with("chunks", schema()).unwrap();
    for (id, title) in [("a", "First"), ("b", "Second")] {
        let payload = json!({"title": title, "text": "long"});
        books
            .upsert(Document::new(vec![5.0, 0.0], id).with_payload(payload))
            .unwrap();
    }
    for (id, book) in [(0, "a"), (1, "b"), (2, "a"), (3, "c")] {
        let payload = json!({"book": book, "secret": 1});
        chunks
            .upsert(Document::new(vec![id as f32, 0.0], id).with_payload(payload))
            .unwrap();
    }
    let near_b: Input = serde_json::from_value(json!({"id": "b", "collection": "books"})).unwrap();
    let query = QueryRequest::new(Query::nearest(near_b))
        .with_payload(PayloadSelector::Exclude(vec!["secret".into()]))
        .with_vectors(VectorSelector::All);
    let hits = chunks.query(&query).unwrap().hits;
    assert_eq!(hits[0].id, DocId::U64(3));
    assert_eq!(hits[0].payload, Some(json!({"book": "c"})));
    assert_eq!(hits[0].vectors.len(), 1);
    let mut request = GroupRequest::new(query.clone(), "book")
        .group_size(1)
        .lookup("books");
    if let Some(lookup) = &mut request.lookup {
        lookup.with_payload = PayloadSelector::Include(vec!["title".into()]);
    }
    let groups = chunks.query_groups(&request).unwrap();
    let titles: Vec<Option<Value>> = groups
        .into_iter()
        .map(|group| group.lookup.and_then(|document| document.payload))
        .collect();
    assert_eq!(
        titles,
        [
            None,
            Some(json!({"title": "First"})),
            Some(json!({"title": "Second"}))
        ]
    );
    let error = chunks.view().unwrap().query(&query).unwrap_err();
    assert!(
        error.to_string().contains("query the collection itself"),
        "{error}"
    );
}

#[test]
fn samples_and_matrices_repeat() {
    let dir = tempfile::tempdir().unwrap();
    let db = AetherDB::open(dir.path()).unwrap();
    let notes = db
        .create_collection("notes", 1, "l2", IndexConfig::Flat)
        .unwrap();
    notes
        .upsert_batch((0..100).map(|i| Document::new(vec![i as f32], i)).collect())
        .unwrap();
    let sample = |seed| {
        let request = QueryRequest::new(Query::sample(seed)).limit(10);
        let hits = notes.query(&request).unwrap().hits;
        hits.into_iter().map(|hit| hit.id).collect::<Vec<_>>()
    };
    assert_eq!(sample(1), sample(1));
    assert_ne!(sample(1), sample(2));
    let mut request = MatrixRequest::default();
    request.sample = 10;
    request.filter = Some(Filter::has_id((0..20u64).collect::<Vec<_>>()));
    let matrix = notes.matrix(&request).unwrap();
    assert_eq!(matrix, notes.matrix(&request).unwrap());
    assert_eq!((matrix.ids.len(), matrix.pairs.len()), (10, 30));
    for pair in matrix.pairs {
        let number = |at: usize| match matrix.ids[at] {
            DocId::U64(number) => number,
            _ => unreachable!("ids are numbers"),
        };
        assert_eq!(
            pair.score,
            number(pair.from).abs_diff(number(pair.to)) as f64
        );
    }
}
