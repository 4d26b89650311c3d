//! Formulas, evaluated plainly.

use super::Naive;
use aethervec::{Decay, DocId, Expression, Formula, GeoPoint, Operation};
use serde_json::Value;

/// What a formula comes to for a document.
pub(super) fn value(
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
