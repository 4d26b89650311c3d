//! Random requests for the collection of a [`Model`]: trees with all kinds of queries.

use crate::generate;
use crate::naive::Model;
use crate::vectors::random_vector;
use aethervec::{
    ContextPair, Dbsf, Decay, Direction, Discover, Div, DocId, Effort, Expression, Formula,
    GeoDistance, GeoPoint, Input, Mmr, MultiVector, Operation, OrderBy, Pow, Prefetch, Query,
    QueryRequest, Recommend, RecommendStrategy, Rrf, VectorField, VectorValue,
};
use fastrand::Rng;

pub(crate) fn vector(random: &mut Rng, dim: usize) -> Vec<f32> {
    (0..dim).map(|_| random.f32() - 0.4).collect()
}

/// One that suits `field`. Real numbers where that is possible, so that hardly any two are equally near.
pub(crate) fn vector_for(random: &mut Rng, field: &VectorField) -> VectorValue {
    match field {
        VectorField::Dense(field) => vector(random, field.dim).into(),
        VectorField::Multi(field) => {
            let count = random.usize(1..4);
            let components = vector(random, field.dim * count);
            let vectors = MultiVector::from_components(field.dim, components);
            vectors.unwrap().into()
        }
        field => random_vector(random, field),
    }
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
        _ => Input::Vector(vector_for(random, &model.fields[using])),
    }
}

pub(crate) fn request(random: &mut Rng, model: &Model) -> QueryRequest {
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
        stage.using = random.choice(model.fields.keys()).unwrap().clone();
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
            strategy: match (random.u8(..3), &model.fields[&using]) {
                (0, _) => RecommendStrategy::BestScore,
                (1, VectorField::Dense(_)) => RecommendStrategy::AverageVector,
                _ => RecommendStrategy::SumScores,
            },
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
