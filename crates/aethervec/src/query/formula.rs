//! What a formula comes to for a document.

use super::at::At;
use super::documents::{Doc, Documents};
use super::expression::{Decay, Expression, Formula, Operation, score_position};
use crate::error::Result;
use crate::filter::{GeoPoint, Number, Path};
use crate::timestamp::Timestamp;
use serde_json::Value;
use std::collections::BTreeMap;

/// A formula, and the document that it is computed for.
pub(super) struct Computation<'a> {
    documents: &'a Documents<'a>,
    defaults: &'a BTreeMap<String, f64>,
    doc: &'a Doc,
    payload: Value,
    /// What each prefetch gave to the document.
    scores: &'a [Option<f64>],
}

/// What `formula`, which is at `at`, comes to for `doc`, to which each prefetch gave one of `scores`.
pub(super) fn compute(
    formula: &Formula,
    documents: &Documents<'_>,
    doc: &Doc,
    scores: &[Option<f64>],
    at: &At<'_>,
) -> Result<f64> {
    let computation = Computation {
        documents,
        defaults: &formula.defaults,
        doc,
        payload: doc.payload()?,
        scores,
    };
    computation.value(&formula.expression, at)
}

impl Computation<'_> {
    fn value(&self, expression: &Expression, at: &At<'_>) -> Result<f64> {
        match expression {
            Expression::Constant(number) => Ok(*number),
            Expression::Score(position) => {
                let score = self.scores.get(*position).copied().flatten();
                // A document that a prefetch has not found is as bad as can be for it.
                Ok(score
                    .or_else(|| self.default_score(*position))
                    .unwrap_or(0.0))
            }
            Expression::Field(path) => self.field(path, at, "number", |value| {
                Number::of(value).map(Number::as_f64)
            }),
            Expression::Operation(operation) => {
                let name = operation.name();
                let number = self.operation(operation, name, at)?;
                if number.is_finite() {
                    return Ok(number);
                }
                let what = format!(
                    "it comes to {number} for document {:?}",
                    self.doc.id.to_string()
                );
                Err(at.field(name).invalid(what))
            }
        }
    }

    fn operation(&self, operation: &Operation, name: &'static str, at: &At<'_>) -> Result<f64> {
        let here = at.field(name);
        match operation {
            Operation::Sum(terms) => self.all(terms, name, at).sum(),
            Operation::Mult(factors) => self.all(factors, name, at).product(),
            Operation::Min(operands) => self
                .all(operands, name, at)
                .try_fold(f64::INFINITY, |min, operand| Ok(min.min(operand?))),
            Operation::Max(operands) => self
                .all(operands, name, at)
                .try_fold(f64::NEG_INFINITY, |max, operand| Ok(max.max(operand?))),
            Operation::Neg(operand) => Ok(-self.value(operand, &here)?),
            Operation::Abs(operand) => Ok(self.value(operand, &here)?.abs()),
            Operation::Sqrt(operand) => Ok(self.value(operand, &here)?.sqrt()),
            Operation::Exp(operand) => Ok(self.value(operand, &here)?.exp()),
            Operation::Ln(operand) => Ok(self.value(operand, &here)?.ln()),
            Operation::Log10(operand) => Ok(self.value(operand, &here)?.log10()),
            Operation::Div(div) => {
                let left = self.value(&div.left, &here.field("left"))?;
                let right = self.value(&div.right, &here.field("right"))?;
                match div.by_zero {
                    Some(by_zero) if right == 0.0 => Ok(by_zero),
                    _ => Ok(left / right),
                }
            }
            Operation::Pow(pow) => {
                let base = self.value(&pow.base, &here.field("base"))?;
                Ok(base.powf(self.value(&pow.exponent, &here.field("exponent"))?))
            }
            Operation::Condition(filter) => {
                let satisfies = self.documents.satisfies(self.doc, filter)?;
                Ok(f64::from(u8::from(satisfies)))
            }
            Operation::GeoDistance(distance) => {
                let mut nearest: Option<f64> = None;
                distance.to.any_leaf(&self.payload, |value| {
                    if let Some(place) = GeoPoint::of(value) {
                        let meters = distance.origin.meters_to(&place);
                        nearest = Some(nearest.map_or(meters, |nearest| nearest.min(meters)));
                    }
                    false
                });
                self.or_default(nearest, &distance.to, &here.field("to"), "place")
            }
            Operation::Datetime(moment) => Ok(seconds(*moment)),
            Operation::DatetimeField(path) => self.field(path, &here, "datetime", |value| {
                value.as_str().and_then(Timestamp::parse).map(seconds)
            }),
            Operation::LinDecay(decay) => {
                let distance = self.distance(decay, &here)?;
                Ok((1.0 - (1.0 - decay.midpoint) / decay.scale * distance).max(0.0))
            }
            Operation::ExpDecay(decay) => {
                let distance = self.distance(decay, &here)?;
                Ok((decay.midpoint.ln() / decay.scale * distance).exp())
            }
            Operation::GaussDecay(decay) => {
                let distances = self.distance(decay, &here)? / decay.scale;
                Ok((decay.midpoint.ln() * distances * distances).exp())
            }
        }
    }

    fn all<'e>(
        &'e self,
        operands: &'e [Expression],
        name: &'static str,
        at: &'e At<'e>,
    ) -> impl Iterator<Item = Result<f64>> + 'e {
        let value = move |(position, operand)| self.value(operand, &at.item(name, position));
        operands.iter().enumerate().map(value)
    }

    fn distance(&self, decay: &Decay, at: &At<'_>) -> Result<f64> {
        let x = self.value(&decay.x, &at.field("x"))?;
        Ok((x - self.value(&decay.target, &at.field("target"))?).abs())
    }

    /// What `read` makes of the first value at `path` that it can read.
    fn field(
        &self,
        path: &Path,
        at: &At<'_>,
        kind: &str,
        read: impl Fn(&Value) -> Option<f64>,
    ) -> Result<f64> {
        let mut found = None;
        path.any_leaf(&self.payload, |value| {
            found = read(value);
            found.is_some()
        });
        self.or_default(found, path, at, kind)
    }

    fn or_default(&self, found: Option<f64>, path: &Path, at: &At<'_>, kind: &str) -> Result<f64> {
        if let Some(found) = found {
            return Ok(found);
        }
        let name = path.to_string();
        self.default(&name).ok_or_else(|| {
            at.invalid(format!(
                "document {:?} has no {kind} at {name:?}: give {name:?} a value in defaults, or filter those documents out",
                self.doc.id.to_string()
            ))
        })
    }

    fn default_score(&self, position: usize) -> Option<f64> {
        let mut defaults = self.defaults.iter();
        defaults
            .find(|(name, _)| score_position(name) == Some(position))
            .map(|(_, default)| *default)
    }

    fn default(&self, name: &str) -> Option<f64> {
        self.defaults.get(name).copied()
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "microseconds of this age are more exact than anybody needs"
)]
fn seconds(moment: Timestamp) -> f64 {
    moment.as_micros() as f64 / 1e6
}
