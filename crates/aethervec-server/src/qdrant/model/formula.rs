//! Formulas: read straight into those of the engine, which have the same operations under almost the same names.

use super::Condition;
use crate::qdrant::convert;
use aethervec::{Decay, Div, Expression, GeoDistance, GeoPoint, Operation, Path, Pow};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// What is computed for each point.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Formula {
    pub(crate) expression: Expression,
    pub(crate) defaults: BTreeMap<String, f64>,
}

#[derive(Deserialize)]
struct DivJson {
    left: Value,
    right: Value,
    #[serde(default)]
    by_zero_default: Option<f64>,
}

#[derive(Deserialize)]
struct PowJson {
    base: Value,
    exponent: Value,
}

#[derive(Deserialize)]
struct DecayJson {
    x: Value,
    #[serde(default)]
    target: Option<Value>,
    #[serde(default)]
    scale: Option<f64>,
    #[serde(default)]
    midpoint: Option<f64>,
}

#[derive(Deserialize)]
struct GeoDistanceJson {
    origin: GeoPoint,
    to: String,
}

impl Formula {
    /// The formula that `formula` spells, with `defaults` of its variables.
    pub(crate) fn from_json(formula: Value, defaults: Option<Value>) -> Result<Formula, String> {
        let defaults: Map<String, Value> = parse(defaults.unwrap_or(Value::Object(Map::new())))?;
        Formula::new(expression(formula)?, defaults)
    }

    /// `expression` with `defaults`, which must be numbers.
    pub(crate) fn new(
        expression: Expression,
        defaults: impl IntoIterator<Item = (String, Value)>,
    ) -> Result<Formula, String> {
        let number = |(name, value): (String, Value)| match value.as_f64() {
            Some(number) => Ok((name, number)),
            None => Err(format!("defaults: {name}: {value} is no number")),
        };
        Ok(Formula {
            expression,
            defaults: defaults.into_iter().map(number).collect::<Result<_, _>>()?,
        })
    }
}

fn parse<T: serde::de::DeserializeOwned>(value: Value) -> Result<T, String> {
    serde_json::from_value(value).map_err(|error| error.to_string())
}

fn path(text: &str) -> Result<Path, String> {
    Path::parse(text).map_err(|error| error.to_string())
}

/// The variable called `name`: a score, or a key of the payload.
pub(crate) fn variable(name: &str) -> Result<Expression, String> {
    parse(Value::from(name))
}

/// The expression that `value` spells.
fn expression(value: Value) -> Result<Expression, String> {
    let mut object = match value {
        Value::Object(object) => object,
        Value::String(name) => return variable(&name),
        value => return parse(value),
    };
    let operation = match object.keys().next().map(String::as_str) {
        Some(name) if object.len() == 1 => name.to_owned(),
        _ => return condition(object),
    };
    let of = |value: Value| expression(value);
    let list = |value: Value| -> Result<Vec<Expression>, String> {
        parse::<Vec<Value>>(value)?.into_iter().map(of).collect()
    };
    let Some(operand) = object.remove(&operation) else {
        return condition(object);
    };
    let operation = match operation.as_str() {
        "sum" => Operation::Sum(list(operand)?),
        "mult" => Operation::Mult(list(operand)?),
        "min" => Operation::Min(list(operand)?),
        "max" => Operation::Max(list(operand)?),
        "neg" => Operation::Neg(of(operand)?),
        "abs" => Operation::Abs(of(operand)?),
        "sqrt" => Operation::Sqrt(of(operand)?),
        "exp" => Operation::Exp(of(operand)?),
        "ln" => Operation::Ln(of(operand)?),
        "log10" => Operation::Log10(of(operand)?),
        "div" => {
            let div: DivJson = parse(operand)?;
            Operation::Div(Div {
                left: of(div.left)?,
                right: of(div.right)?,
                by_zero: div.by_zero_default,
            })
        }
        "pow" => {
            let pow: PowJson = parse(operand)?;
            Operation::Pow(Pow {
                base: of(pow.base)?,
                exponent: of(pow.exponent)?,
            })
        }
        "geo_distance" => {
            let distance: GeoDistanceJson = parse(operand)?;
            Operation::GeoDistance(GeoDistance {
                origin: distance.origin,
                to: path(&distance.to)?,
            })
        }
        "datetime" => {
            let text: String = parse(operand)?;
            Operation::Datetime(convert::moment(&text)?)
        }
        "datetime_key" => Operation::DatetimeField(path(&parse::<String>(operand)?)?),
        "lin_decay" => Operation::LinDecay(decay(parse(operand)?)?),
        "exp_decay" => Operation::ExpDecay(decay(parse(operand)?)?),
        "gauss_decay" => Operation::GaussDecay(decay(parse(operand)?)?),
        _ => {
            object.insert(operation, operand);
            return condition(object);
        }
    };
    Ok(operation.into())
}

fn decay(decay: DecayJson) -> Result<Decay, String> {
    let target = decay.target.map(expression).transpose()?;
    Ok(new_decay(
        expression(decay.x)?,
        target,
        decay.scale,
        decay.midpoint,
    ))
}

/// A decay; what is not given is as is usual.
pub(crate) fn new_decay(
    x: Expression,
    target: Option<Expression>,
    scale: Option<f64>,
    midpoint: Option<f64>,
) -> Decay {
    Decay {
        x,
        target: target.unwrap_or(Expression::Constant(0.0)),
        scale: scale.unwrap_or(1.0),
        midpoint: midpoint.unwrap_or(0.5),
    }
}

/// 1 for points that satisfy a condition.
fn condition(object: Map<String, Value>) -> Result<Expression, String> {
    let condition: Condition = parse(Value::Object(object))?;
    let filter = convert::condition(condition).map_err(|failure| failure.message)?;
    Ok(Expression::condition(filter))
}
