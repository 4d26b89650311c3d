//! Like some examples and unlike others: recommendations, discovery, context.
//!
//! Each candidate is compared with each example, exactly; only the mean of examples can be searched for in an index.

use super::at::At;
use super::documents::Read;
use super::kinds::RecommendStrategy;
use super::nearest::Comparison;
use super::ranking::{Better, Ranking, Top};
use super::stage::{Domain, Evaluation, Stage};
use crate::error::Result;
use crate::id::DocId;
use crate::vector::{Vector, VectorValue};
use aether_distance::Metric;

/// So little more similar to the negative example of a pair is as good as not at all.
const MARGIN: f64 = f32::EPSILON as f64;

impl Evaluation<'_> {
    /// The mean of `positive`, moved away from the mean of `negative` by as much as these differ.
    pub(super) fn average(
        &self,
        positive: &[VectorValue],
        negative: &[VectorValue],
        stage: &Stage<'_>,
        at: &At<'_>,
    ) -> Result<VectorValue> {
        let spec = self.documents.fields.schema.dense(stage.using);
        let Some(spec) = spec else {
            return Err(at.field("strategy").invalid(format!(
                "average_vector needs a dense field, and {:?} is none: use best_score or sum_scores",
                stage.using
            )));
        };
        // All examples must suit the field, also those that would cancel out.
        for vector in positive.iter().chain(negative) {
            self.comparison(vector, stage, at)?;
        }
        let normalize = spec.metric == Metric::Cosine;
        let liked = mean(positive, spec.dim, normalize);
        let disliked = mean(negative, spec.dim, normalize);
        let moved = liked.iter().zip(&disliked).map(|(liked, disliked)| {
            if negative.is_empty() {
                *liked
            } else {
                liked + (liked - disliked)
            }
        });
        #[expect(clippy::cast_possible_truncation, reason = "the nearest f32 is wanted")]
        let components: Vec<f32> = moved.map(|component| component as f32).collect();
        Ok(VectorValue::from(components))
    }

    /// The documents of `domain` by their similarity to all examples.
    #[expect(
        clippy::too_many_arguments,
        reason = "two kinds of examples, and where to look"
    )]
    pub(super) fn by_examples(
        &self,
        positive: &[VectorValue],
        negative: &[VectorValue],
        without: &[DocId],
        stage: &Stage<'_>,
        domain: &Domain,
        strategy: RecommendStrategy,
        at: &At<'_>,
    ) -> Result<Ranking> {
        let examples = positive.iter().chain(negative);
        let score = |similarities: &[f64]| {
            let (liked, disliked) = similarities.split_at(positive.len());
            if strategy == RecommendStrategy::SumScores {
                return liked.iter().sum::<f64>() - disliked.iter().sum::<f64>();
            }
            let most = |similarities: &[f64]| {
                similarities
                    .iter()
                    .copied()
                    .fold(f64::NEG_INFINITY, f64::max)
            };
            let (liked, disliked) = (most(liked), most(disliked));
            if liked > disliked {
                squash(liked)
            } else {
                -squash(disliked)
            }
        };
        self.by_similarities(examples, without, stage, domain, at, score)
    }

    /// The documents of `domain` that are on the right side of most `pairs`, and then nearest to `target`; without one, by how
    /// far they are on the wrong sides.
    pub(super) fn by_context(
        &self,
        target: Option<&VectorValue>,
        pairs: &[(VectorValue, VectorValue)],
        without: &[DocId],
        stage: &Stage<'_>,
        domain: &Domain,
        at: &At<'_>,
    ) -> Result<Ranking> {
        let examples = pairs
            .iter()
            .flat_map(|(positive, negative)| [positive, negative])
            .chain(target);
        let score = |similarities: &[f64]| {
            let (pairs, target) = similarities.as_chunks::<2>();
            match target {
                [target] => {
                    let side = |&[positive, negative]: &[f64; 2]| {
                        if positive > negative { 1.0 } else { -1.0 }
                    };
                    pairs.iter().map(side).sum::<f64>() + squash(*target)
                }
                _ => {
                    let loss =
                        |[positive, negative]: &[f64; 2]| (positive - negative - MARGIN).min(0.0);
                    pairs.iter().map(loss).sum()
                }
            }
        };
        self.by_similarities(examples, without, stage, domain, at, score)
    }

    /// The documents of `domain` by what `score` makes of their similarities to `examples`.
    fn by_similarities<'v>(
        &self,
        examples: impl Iterator<Item = &'v VectorValue>,
        without: &[DocId],
        stage: &Stage<'_>,
        domain: &Domain,
        at: &At<'_>,
        score: impl Fn(&[f64]) -> f64,
    ) -> Result<Ranking> {
        let comparisons = examples
            .map(|vector| self.comparison(vector, stage, at))
            .collect::<Result<Vec<Comparison<'v>>>>()?;
        let mut top = Top::new(stage.k, Better::Greater);
        let Some(mut buffer) = comparisons.first().map(|first| first.query.buffer()) else {
            return Ok(top.into_ranking());
        };
        let mut similarities = Vec::with_capacity(comparisons.len());
        self.each(domain, stage, Read::PayloadAndVectors, |doc| {
            if without.contains(&doc.id) {
                return Ok(());
            }
            similarities.clear();
            for comparison in &comparisons {
                match comparison.similarity(&self.documents, doc, &mut buffer)? {
                    Some(similarity) => similarities.push(similarity),
                    None => return Ok(()),
                }
            }
            top.offer(doc.id.clone(), score(&similarities));
            Ok(())
        })?;
        Ok(top.into_ranking())
    }
}

/// The mean of dense `vectors`, each made as long as the others first if that is asked for.
fn mean(vectors: &[VectorValue], dim: usize, normalize: bool) -> Vec<f64> {
    let mut sum = vec![0.0; dim];
    let dense = vectors.iter().filter_map(VectorValue::as_dense);
    for components in dense.map(Vector::to_f32) {
        let squares = components.iter().map(|c| f64::from(*c) * f64::from(*c));
        let length = if normalize {
            squares.sum::<f64>().sqrt()
        } else {
            1.0
        };
        for (sum, component) in sum.iter_mut().zip(components) {
            *sum += f64::from(component) / length;
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "there are few examples")]
    let count = vectors.len().max(1) as f64;
    sum.iter_mut().for_each(|sum| *sum /= count);
    sum
}

/// Between 0 and 1, in the order of `similarity`.
fn squash(similarity: f64) -> f64 {
    0.5 * (similarity / (1.0 + similarity.abs()) + 1.0)
}
