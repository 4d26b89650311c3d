//! Formulas.

use super::filter::condition;
use super::values::{need, place, value};
use crate::qdrant::convert;
use crate::qdrant::error::{Failure, Result};
use crate::qdrant::model::{Formula, new_decay, variable};
use aethervec::{Decay, Div, Expression, GeoDistance, Operation, Pow};
use proto::expression::Variant;
use qdrant_client::qdrant as proto;

pub(super) fn formula(formula: proto::Formula) -> Result<Formula> {
    let expression = expression(formula.expression)?;
    let defaults = formula.defaults.into_iter();
    let defaults = defaults.map(|(name, default)| (name, value(default)));
    Formula::new(expression, defaults).map_err(Failure::wrong)
}

fn expression(expression: Option<proto::Expression>) -> Result<Expression> {
    let variant = expression.and_then(|expression| expression.variant);
    let operation = match need(variant, "an expression")? {
        Variant::Constant(number) => return Ok(Expression::Constant(f64::from(number))),
        Variant::Variable(name) => return variable(&name).map_err(Failure::wrong),
        Variant::Condition(wanted) => {
            let filter = convert::condition(condition(wanted)?)?;
            return Ok(Expression::condition(filter));
        }
        Variant::GeoDistance(distance) => Operation::GeoDistance(GeoDistance {
            origin: place(need(distance.origin, "origin")?),
            to: convert::path(&distance.to)?,
        }),
        Variant::Datetime(text) => {
            Operation::Datetime(convert::moment(&text).map_err(Failure::wrong)?)
        }
        Variant::DatetimeKey(key) => Operation::DatetimeField(convert::path(&key)?),
        Variant::Mult(of) => Operation::Mult(list(of.mult)?),
        Variant::Sum(of) => Operation::Sum(list(of.sum)?),
        Variant::Max(of) => Operation::Max(list(of.max)?),
        Variant::Min(of) => Operation::Min(list(of.min)?),
        Variant::Div(div) => Operation::Div(Div {
            left: one(div.left)?,
            right: one(div.right)?,
            by_zero: div.by_zero_default.map(f64::from),
        }),
        Variant::Pow(pow) => Operation::Pow(Pow {
            base: one(pow.base)?,
            exponent: one(pow.exponent)?,
        }),
        Variant::Neg(of) => Operation::Neg(one(Some(of))?),
        Variant::Abs(of) => Operation::Abs(one(Some(of))?),
        Variant::Sqrt(of) => Operation::Sqrt(one(Some(of))?),
        Variant::Exp(of) => Operation::Exp(one(Some(of))?),
        Variant::Log10(of) => Operation::Log10(one(Some(of))?),
        Variant::Ln(of) => Operation::Ln(one(Some(of))?),
        Variant::ExpDecay(of) => Operation::ExpDecay(decay(*of)?),
        Variant::GaussDecay(of) => Operation::GaussDecay(decay(*of)?),
        Variant::LinDecay(of) => Operation::LinDecay(decay(*of)?),
        Variant::Acosh(_) => return Err(Failure::unsupported("acosh in a formula")),
    };
    Ok(operation.into())
}

fn one(of: Option<Box<proto::Expression>>) -> Result<Expression> {
    expression(of.map(|of| *of))
}

fn list(of: Vec<proto::Expression>) -> Result<Vec<Expression>> {
    of.into_iter().map(|of| expression(Some(of))).collect()
}

fn decay(decay: proto::DecayParamsExpression) -> Result<Decay> {
    let target = decay.target.map(|target| expression(Some(*target)));
    Ok(new_decay(
        one(decay.x)?,
        target.transpose()?,
        decay.scale.map(f64::from),
        decay.midpoint.map(f64::from),
    ))
}
