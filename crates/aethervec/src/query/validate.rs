//! What a request may be, as far as it can be told without the collection.

use super::at::{At, Locate};
use super::expression::{Decay, Expression, Formula, Operation, score_position};
use super::input::Input;
use super::kinds::{ContextPair, Mmr, Query, RecommendStrategy, TextQuery};
use super::request::{Effort, Prefetch, QueryRequest};
use crate::error::Result;
use crate::filter::{Filter, Path};
use crate::limits;
use crate::validate;

/// Fails when `request` is outside of the limits, or contradicts itself.
pub(super) fn request(request: &QueryRequest) -> Result<()> {
    let at = At::REQUEST;
    validate::range("limit", request.limit, 1..=limits::K_MAX)?;
    if request.offset > limits::K_MAX - request.limit {
        return Err(at.field("offset").invalid(format!(
            "{} and the limit of {} are more than {} hits together: use a cursor, or a filter",
            request.offset,
            request.limit,
            limits::K_MAX
        )));
    }
    let mut stages = 0;
    let stage = Common {
        prefetch: &request.prefetch,
        query: request.query.as_ref(),
        filter: request.filter.as_ref(),
        score_threshold: request.score_threshold,
        effort: request.effort,
    };
    stage.check(1, &mut stages, &at)?;
    for (position, path) in request.with_payload.paths().iter().enumerate() {
        path.validate().at(&at.item("with_payload", position))?;
    }
    Ok(())
}

/// What a request and a prefetch have in common.
struct Common<'a> {
    prefetch: &'a [Prefetch],
    query: Option<&'a Query>,
    filter: Option<&'a Filter>,
    score_threshold: Option<f64>,
    effort: Effort,
}

impl Common<'_> {
    fn check(&self, depth: usize, stages: &mut usize, at: &At<'_>) -> Result<()> {
        if depth > limits::QUERY_DEPTH_MAX {
            return Err(at.invalid(format!(
                "prefetches are nested deeper than {} levels, which is the limit",
                limits::QUERY_DEPTH_MAX
            )));
        }
        *stages += 1;
        if *stages > limits::QUERY_STAGES_MAX {
            return Err(at.invalid(format!(
                "the request has more than {} prefetches, which is the limit",
                limits::QUERY_STAGES_MAX
            )));
        }
        for (position, prefetch) in self.prefetch.iter().enumerate() {
            let at = at.item("prefetch", position);
            validate::range("limit", prefetch.limit, 1..=limits::K_MAX).at(&at)?;
            let stage = Common {
                prefetch: &prefetch.prefetch,
                query: prefetch.query.as_ref(),
                filter: prefetch.filter.as_ref(),
                score_threshold: prefetch.score_threshold,
                effort: prefetch.effort,
            };
            stage.check(depth + 1, stages, &at)?;
        }
        if let Some(filter) = self.filter {
            filter.validate().at(at)?;
        }
        if let Some(score) = self.score_threshold {
            finite(score, &at.field("score_threshold"))?;
        }
        match self.effort {
            Effort::Ef(ef) => validate::range("ef", ef, 1..=limits::EF_MAX).at(at)?,
            Effort::Recall(recall) => validate::recall(recall).at(at)?,
            Effort::Default | Effort::Exact => {}
        }
        match self.query {
            Some(query) => self.check_query(query, &at.field("query")),
            None => Ok(()),
        }
    }

    fn check_query(&self, query: &Query, at: &At<'_>) -> Result<()> {
        match query {
            Query::Nearest(Input::Vector(_) | Input::Document(_)) | Query::Sample(_) => Ok(()),
            Query::Mmr(mmr) => check_mmr(mmr, &at.field("mmr")),
            Query::Recommend(recommend) => {
                let at = at.field("recommend");
                examples(recommend.positive.len() + recommend.negative.len(), &at)?;
                if recommend.positive.is_empty() && recommend.negative.is_empty() {
                    return Err(at.field("positive").invalid("an example is needed"));
                }
                if recommend.positive.is_empty()
                    && recommend.strategy == RecommendStrategy::AverageVector
                {
                    return Err(at.field("positive").invalid(
                        "an example is needed: only best_score and sum_scores do with negative ones alone",
                    ));
                }
                Ok(())
            }
            Query::Discover(discover) => {
                examples(1 + 2 * discover.context.len(), &at.field("discover"))
            }
            Query::Context(pairs) => check_context(pairs, &at.field("context")),
            Query::Text(text) => check_text(text, &at.field("text")),
            Query::Rrf(rrf) => {
                let at = at.field("rrf");
                if !(rrf.k.is_finite() && rrf.k >= 0.0) {
                    let what = format!("{} is out of range: it must be 0 or more", rrf.k);
                    return Err(at.field("k").invalid(what));
                }
                self.check_fusion(&rrf.weights, &at)
            }
            Query::Dbsf(dbsf) => self.check_fusion(&dbsf.weights, &at.field("dbsf")),
            Query::Formula(formula) => {
                let check = FormulaCheck {
                    prefetches: self.prefetch.len(),
                };
                check.formula(formula, &at.field("formula"))
            }
            Query::OrderBy(order) => {
                let at = at.field("order_by");
                order.path.validate().at(&at)
            }
        }
    }

    fn check_fusion(&self, weights: &[f64], at: &At<'_>) -> Result<()> {
        if self.prefetch.is_empty() {
            return Err(at.invalid("there is nothing to fuse: give the request prefetches"));
        }
        if !weights.is_empty() && weights.len() != self.prefetch.len() {
            return Err(at.field("weights").invalid(format!(
                "there are {} for {} prefetches: each needs one",
                weights.len(),
                self.prefetch.len()
            )));
        }
        for (position, weight) in weights.iter().enumerate() {
            finite(*weight, &at.item("weights", position))?;
        }
        Ok(())
    }
}

fn check_mmr(mmr: &Mmr, at: &At<'_>) -> Result<()> {
    if !(0.0..=1.0).contains(&mmr.diversity) {
        let what = format!("{} is out of range: it must be 0..=1", mmr.diversity);
        return Err(at.field("diversity").invalid(what));
    }
    validate::range("candidates", mmr.candidates, 1..=limits::MMR_CANDIDATES_MAX).at(at)
}

fn check_context(pairs: &[ContextPair], at: &At<'_>) -> Result<()> {
    if pairs.is_empty() {
        return Err(at.invalid("a pair of examples is needed"));
    }
    examples(2 * pairs.len(), at)
}

fn check_text(text: &TextQuery, at: &At<'_>) -> Result<()> {
    text.path.validate().at(at)?;
    if text.words.len() > limits::TEXT_QUERY_BYTES_MAX {
        return Err(at.field("words").invalid(format!(
            "it has {} bytes: at most {} are allowed",
            text.words.len(),
            limits::TEXT_QUERY_BYTES_MAX
        )));
    }
    Ok(())
}

fn examples(count: usize, at: &At<'_>) -> Result<()> {
    if count > limits::QUERY_EXAMPLES_MAX {
        return Err(at.invalid(format!(
            "it has {count} examples: at most {} are allowed",
            limits::QUERY_EXAMPLES_MAX
        )));
    }
    Ok(())
}

fn finite(number: f64, at: &At<'_>) -> Result<()> {
    if number.is_finite() {
        return Ok(());
    }
    Err(at.invalid(format!("{number} is out of range: it must be finite")))
}

/// Checks a formula of a stage with so many prefetches.
struct FormulaCheck {
    prefetches: usize,
}

impl FormulaCheck {
    fn formula(&self, formula: &Formula, at: &At<'_>) -> Result<()> {
        let mut nodes = 0;
        self.expression(&formula.expression, 1, &mut nodes, at)?;
        let at = at.field("defaults");
        for (name, default) in &formula.defaults {
            finite(*default, &at).map_err(|error| error.within(name))?;
            match score_position(name) {
                Some(position) => self.score(position, &at)?,
                None => Path::parse(name).map(drop).at(&at)?,
            }
        }
        Ok(())
    }

    fn score(&self, position: usize, at: &At<'_>) -> Result<()> {
        if position < self.prefetches {
            return Ok(());
        }
        Err(at.invalid(format!(
            "there is no score {position}: the request has {} prefetches here",
            self.prefetches
        )))
    }

    fn expression(
        &self,
        expression: &Expression,
        depth: usize,
        nodes: &mut usize,
        at: &At<'_>,
    ) -> Result<()> {
        *nodes += 1;
        if depth > limits::FORMULA_DEPTH_MAX || *nodes > limits::FORMULA_NODES_MAX {
            return Err(at.invalid(format!(
                "the formula is too large: at most {} levels and {} operands are allowed",
                limits::FORMULA_DEPTH_MAX,
                limits::FORMULA_NODES_MAX
            )));
        }
        match expression {
            Expression::Constant(number) => finite(*number, at),
            Expression::Score(position) => self.score(*position, at),
            Expression::Field(path) => path.validate().at(at),
            Expression::Operation(operation) => self.operation(operation, depth + 1, nodes, at),
        }
    }

    fn operation(
        &self,
        operation: &Operation,
        depth: usize,
        nodes: &mut usize,
        at: &At<'_>,
    ) -> Result<()> {
        let name = operation.name();
        let at_operation = at.field(name);
        match operation {
            Operation::Sum(operands)
            | Operation::Mult(operands)
            | Operation::Min(operands)
            | Operation::Max(operands) => {
                let needs_one = matches!(operation, Operation::Min(_) | Operation::Max(_));
                if needs_one && operands.is_empty() {
                    return Err(at_operation.invalid("an operand is needed"));
                }
                for (position, operand) in operands.iter().enumerate() {
                    self.expression(operand, depth, nodes, &at.item(name, position))?;
                }
                Ok(())
            }
            Operation::Neg(operand)
            | Operation::Abs(operand)
            | Operation::Sqrt(operand)
            | Operation::Exp(operand)
            | Operation::Ln(operand)
            | Operation::Log10(operand) => self.expression(operand, depth, nodes, &at_operation),
            Operation::Div(div) => {
                self.expression(&div.left, depth, nodes, &at_operation.field("left"))?;
                self.expression(&div.right, depth, nodes, &at_operation.field("right"))?;
                div.by_zero.map_or(Ok(()), |number| {
                    finite(number, &at_operation.field("by_zero"))
                })
            }
            Operation::Pow(pow) => {
                self.expression(&pow.base, depth, nodes, &at_operation.field("base"))?;
                self.expression(&pow.exponent, depth, nodes, &at_operation.field("exponent"))
            }
            Operation::Condition(filter) => filter.validate().at(&at_operation),
            Operation::GeoDistance(distance) => {
                distance.to.validate().at(&at_operation.field("to"))?;
                if distance.origin.is_on_earth() {
                    return Ok(());
                }
                Err(at_operation
                    .field("origin")
                    .invalid("this is no place: lat must be -90..=90 and lon -180..=180"))
            }
            Operation::Datetime(_) => Ok(()),
            Operation::DatetimeField(path) => path.validate().at(&at_operation),
            Operation::LinDecay(decay)
            | Operation::ExpDecay(decay)
            | Operation::GaussDecay(decay) => self.decay(decay, depth, nodes, &at_operation),
        }
    }

    fn decay(&self, decay: &Decay, depth: usize, nodes: &mut usize, at: &At<'_>) -> Result<()> {
        self.expression(&decay.x, depth, nodes, &at.field("x"))?;
        self.expression(&decay.target, depth, nodes, &at.field("target"))?;
        if !(decay.scale.is_finite() && decay.scale > 0.0) {
            let what = format!("{} is out of range: it must be more than 0", decay.scale);
            return Err(at.field("scale").invalid(what));
        }
        if !(decay.midpoint > 0.0 && decay.midpoint < 1.0) {
            let what = format!(
                "{} is out of range: it must be between 0 and 1",
                decay.midpoint
            );
            return Err(at.field("midpoint").invalid(what));
        }
        Ok(())
    }
}
