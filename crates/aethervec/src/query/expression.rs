//! Formulas as data: what is computed from scores and payload.

use crate::filter::{Filter, GeoPoint, Path};
use crate::timestamp::Timestamp;
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserialize, Deserializer, MapAccess, Visitor};
use serde::ser::{Serialize, Serializer};
use std::collections::BTreeMap;
use std::fmt;

/// What [`Query::Formula`](crate::Query::Formula) asks for.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Formula {
    /// What is computed for each document.
    pub expression: Expression,
    /// The values of variables where a document has none: scores as `$score[1]`, and paths.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub defaults: BTreeMap<String, f64>,
}

/// What a formula computes: a number, for each document. In JSON a number is a constant, a string a variable, and an object with one key
/// an operation.
///
/// ```
/// use aethervec::Expression;
///
/// let expression: Expression = serde_json::from_str(
///     r#"{"sum": ["$score", {"mult": [0.2, {"condition": {"field": "lang", "eq": "en"}}]}]}"#,
/// ).unwrap();
/// assert!(matches!(expression, Expression::Operation(_)));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub enum Expression {
    /// This number.
    Constant(f64),
    /// The score that the prefetch with this position gave to the document: `$score[1]`; `$score` is that of the first.
    Score(usize),
    /// The number at this path.
    Field(Path),
    /// Of other expressions.
    Operation(Box<Operation>),
}

/// An operation in a formula.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Operation {
    /// The sum; 0 of none.
    Sum(Vec<Expression>),
    /// The product; 1 of none.
    Mult(Vec<Expression>),
    /// The smallest; there must be one.
    Min(Vec<Expression>),
    /// The greatest; there must be one.
    Max(Vec<Expression>),
    /// With the other sign.
    Neg(Expression),
    /// Without sign.
    Abs(Expression),
    /// The square root.
    Sqrt(Expression),
    /// Euler's number to this power.
    Exp(Expression),
    /// The natural logarithm.
    Ln(Expression),
    /// The logarithm to the base of 10.
    Log10(Expression),
    /// One through another.
    Div(Div),
    /// One to the power of another.
    Pow(Pow),
    /// 1 if the document satisfies this, else 0.
    Condition(Filter),
    /// How many meters the place at a path is away.
    GeoDistance(GeoDistance),
    /// A moment, in seconds since 1970.
    Datetime(Timestamp),
    /// The moment at this path, in seconds since 1970.
    DatetimeField(Path),
    /// 1 at the target, and less in a straight line with the distance from it, down to 0.
    LinDecay(Decay),
    /// 1 at the target, and less with the distance from it: half as much after each so many.
    ExpDecay(Decay),
    /// 1 at the target, and less with the distance from it, in the shape of a bell.
    GaussDecay(Decay),
}

/// A quotient.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Div {
    /// What is divided.
    pub left: Expression,
    /// By what.
    pub right: Expression,
    /// What comes out when `right` is 0; without it that is an error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by_zero: Option<f64>,
}

/// A power.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pow {
    /// What is multiplied with itself.
    pub base: Expression,
    /// How often.
    pub exponent: Expression,
}

/// A distance over the surface of the Earth.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GeoDistance {
    /// From here.
    pub origin: GeoPoint,
    /// To the place at this path; of several the nearest one.
    pub to: Path,
}

/// How a value falls off with the distance from a target.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decay {
    /// What is near to the target or far from it.
    pub x: Expression,
    /// Where the result is 1.
    #[serde(default = "zero")]
    pub target: Expression,
    /// How far from the target the result is `midpoint`: more than 0.
    #[serde(default = "one")]
    pub scale: f64,
    /// What the result is at that distance: between 0 and 1.
    #[serde(default = "half")]
    pub midpoint: f64,
}

fn zero() -> Expression {
    Expression::Constant(0.0)
}

fn one() -> f64 {
    1.0
}

fn half() -> f64 {
    0.5
}

impl Expression {
    /// The score of the first prefetch.
    pub const SCORE: Expression = Expression::Score(0);

    /// The number at `path`.
    pub fn field(path: impl Into<Path>) -> Expression {
        Expression::Field(path.into())
    }

    /// The sum.
    pub fn sum(terms: impl IntoIterator<Item = Expression>) -> Expression {
        Operation::Sum(terms.into_iter().collect()).into()
    }

    /// The product.
    pub fn mult(factors: impl IntoIterator<Item = Expression>) -> Expression {
        Operation::Mult(factors.into_iter().collect()).into()
    }

    /// 1 if a document satisfies `filter`, else 0.
    pub fn condition(filter: Filter) -> Expression {
        Operation::Condition(filter).into()
    }
}

impl Operation {
    /// What it is called in JSON.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Operation::Sum(_) => "sum",
            Operation::Mult(_) => "mult",
            Operation::Min(_) => "min",
            Operation::Max(_) => "max",
            Operation::Neg(_) => "neg",
            Operation::Abs(_) => "abs",
            Operation::Sqrt(_) => "sqrt",
            Operation::Exp(_) => "exp",
            Operation::Ln(_) => "ln",
            Operation::Log10(_) => "log10",
            Operation::Div(_) => "div",
            Operation::Pow(_) => "pow",
            Operation::Condition(_) => "condition",
            Operation::GeoDistance(_) => "geo_distance",
            Operation::Datetime(_) => "datetime",
            Operation::DatetimeField(_) => "datetime_field",
            Operation::LinDecay(_) => "lin_decay",
            Operation::ExpDecay(_) => "exp_decay",
            Operation::GaussDecay(_) => "gauss_decay",
        }
    }
}

impl From<Operation> for Expression {
    fn from(operation: Operation) -> Expression {
        Expression::Operation(Box::new(operation))
    }
}

impl From<f64> for Expression {
    fn from(constant: f64) -> Expression {
        Expression::Constant(constant)
    }
}

impl From<Expression> for Formula {
    fn from(expression: Expression) -> Formula {
        Formula {
            expression,
            defaults: BTreeMap::new(),
        }
    }
}

/// What a variable is called: a score, or else the path of a field.
pub(super) fn score_name(position: usize) -> String {
    if position == 0 {
        "$score".to_owned()
    } else {
        format!("$score[{position}]")
    }
}

/// The position of the score that `name` calls; `None` when it is no score. `$score` and `$score[0]` are the same.
pub(super) fn score_position(name: &str) -> Option<usize> {
    let position = name.strip_prefix("$score")?;
    if position.is_empty() {
        return Some(0);
    }
    position.strip_prefix('[')?.strip_suffix(']')?.parse().ok()
}

impl Serialize for Expression {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Expression::Constant(number) => serializer.serialize_f64(*number),
            Expression::Score(position) => serializer.serialize_str(&score_name(*position)),
            Expression::Field(path) => path.serialize(serializer),
            Expression::Operation(operation) => operation.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Expression {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Expression, D::Error> {
        struct ExpressionVisitor;

        impl<'de> Visitor<'de> for ExpressionVisitor {
            type Value = Expression;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number, a variable such as \"$score\" or \"price\", or an operation such as {\"sum\": […]}")
            }

            fn visit_f64<E: de::Error>(self, number: f64) -> Result<Expression, E> {
                Ok(Expression::Constant(number))
            }

            #[expect(clippy::cast_precision_loss, reason = "formulas compute with floats")]
            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Expression, E> {
                Ok(Expression::Constant(number as f64))
            }

            #[expect(clippy::cast_precision_loss, reason = "formulas compute with floats")]
            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Expression, E> {
                Ok(Expression::Constant(number as f64))
            }

            fn visit_str<E: de::Error>(self, name: &str) -> Result<Expression, E> {
                if let Some(position) = score_position(name) {
                    return Ok(Expression::Score(position));
                }
                if name.starts_with('$') {
                    return Err(E::custom(format!(
                        "{name:?} is no variable: expected $score, $score[1] or a path"
                    )));
                }
                Path::parse(name).map(Expression::Field).map_err(E::custom)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Expression, A::Error> {
                Operation::deserialize(MapAccessDeserializer::new(map)).map(Expression::from)
            }
        }

        deserializer.deserialize_any(ExpressionVisitor)
    }
}
