//! BM25: documents by the words that they have. With an index of the texts only words are looked up; without one, every text is
//! read.

use super::documents::Read;
use super::kinds::TextQuery;
use super::ranking::{Better, Ranking, Top};
use super::stage::{Domain, Evaluation, Stage};
use crate::error::Result;
use crate::id::DocId;
use crate::text::tokenize::Tokenizer;
use roaring::RoaringTreemap;
use serde_json::Value;
use std::collections::HashMap;

/// How soon more of the same word stops to count.
const K1: f64 = 1.2;

/// How much the length of a text counts: 0 not at all, 1 in proportion.
const B: f64 = 0.75;

/// A document that has one of the words.
struct Match {
    id: DocId,
    /// How often it has each word.
    counts: Vec<u32>,
    /// Words in its text.
    len: u64,
}

impl Evaluation<'_> {
    /// The documents of `domain` that have a word of `text`. How rare a word is, and how long texts are, is measured on the whole
    /// collection.
    pub(super) fn by_text(
        &self,
        text: &TextQuery,
        stage: &Stage<'_>,
        domain: &Domain,
    ) -> Result<Ranking> {
        match self.by_index(text, stage, domain)? {
            Some(ranking) => Ok(ranking),
            None => self.by_reading(text, stage, domain),
        }
    }

    /// As [`by_text`](Evaluation::by_text), by an index of the texts; `None` if there is none.
    fn by_index(
        &self,
        text: &TextQuery,
        stage: &Stage<'_>,
        domain: &Domain,
    ) -> Result<Option<Ranking>> {
        let view = self.documents.view;
        // No index knows what a transaction has staged.
        if view.overlay.is_some() {
            return Ok(None);
        }
        let Some(visible) = view.core.visible_at(view.snapshot.seq()) else {
            return Ok(None);
        };
        let filter = stage.filter.as_ref();
        let points = match (domain, filter) {
            (Domain::All, None) => None,
            (Domain::All, Some(filter)) => Some(view.matching(filter)?),
            (Domain::Found(ids), filter) => {
                let mut points = RoaringTreemap::new();
                self.documents.read(ids, filter, Read::Payload, |doc| {
                    points.insert(doc.point.0);
                    Ok(())
                })?;
                Some(points)
            }
        };
        let points = points.as_ref().unwrap_or(&visible);
        let Some(scores) =
            view.text_scores(&text.path, &text.words, text.fold, points, &visible)?
        else {
            return Ok(None);
        };
        let best = best(&scores, stage.k);
        let mut top = Top::new(stage.k, Better::Greater);
        let wanted = self.documents.wanted(None)?;
        self.documents
            .each_of(&best, &wanted, Read::Payload, |doc| {
                if let Some(score) = scores.get(&doc.point.0) {
                    top.offer(doc.id.clone(), f64::from(*score));
                }
                Ok(())
            })?;
        Ok(Some(top.into_ranking()))
    }

    /// As [`by_text`](Evaluation::by_text), by reading all texts.
    fn by_reading(&self, text: &TextQuery, stage: &Stage<'_>, domain: &Domain) -> Result<Ranking> {
        let tokenizer = Tokenizer { fold: text.fold };
        let mut words = tokenizer.words(&text.words);
        words.sort_unstable();
        words.dedup();
        let mut top = Top::new(stage.k, Better::Greater);
        if words.is_empty() {
            return Ok(top.into_ranking());
        }
        let mut matches = Vec::new();
        let mut frequencies = vec![0u64; words.len()];
        let (mut texts, mut total) = (0u64, 0u64);
        self.documents.each(None, Read::Payload, |doc| {
            let found = count(tokenizer, text, &words, &doc.payload()?);
            if found.len > 0 {
                texts += 1;
                total += found.len;
            }
            if found.counts.iter().all(|count| *count == 0) {
                return Ok(());
            }
            for (frequency, count) in frequencies.iter_mut().zip(&found.counts) {
                *frequency += u64::from(*count > 0);
            }
            matches.push(Match {
                id: doc.id.clone(),
                ..found
            });
            Ok(())
        })?;
        let statistics = Statistics {
            texts: exact(texts),
            mean_len: exact(total) / exact(texts.max(1)),
        };
        let weights: Vec<f64> = frequencies
            .iter()
            .map(|frequency| statistics.weight(exact(*frequency)))
            .collect();
        matches.retain(|found| match domain {
            Domain::All => true,
            Domain::Found(ids) => ids.contains(&found.id),
        });
        let scores = matches
            .iter()
            .map(|found| (&found.id, statistics.score(found, &weights)))
            .collect::<HashMap<_, _>>();
        let ids = matches.iter().map(|found| &found.id);
        self.documents
            .read(ids, stage.filter.as_ref(), Read::Payload, |doc| {
                if let Some(score) = scores.get(&doc.id) {
                    top.offer(doc.id.clone(), *score);
                }
                Ok(())
            })?;
        Ok(top.into_ranking())
    }
}

/// The points with the `k` best scores, and those whose score equals the last of them.
fn best(scores: &HashMap<u64, f32>, k: usize) -> RoaringTreemap {
    let mut sorted: Vec<f32> = scores.values().copied().collect();
    let least = if sorted.len() > k {
        *sorted
            .select_nth_unstable_by(k - 1, |a, b| b.total_cmp(a))
            .1
    } else {
        f32::NEG_INFINITY
    };
    let good = scores.iter().filter(|(_, score)| **score >= least);
    good.map(|(point, _)| *point).collect()
}

/// How often a document with this payload has each of `words`, which are sorted.
fn count(tokenizer: Tokenizer, text: &TextQuery, words: &[String], payload: &Value) -> Match {
    let mut found = Match {
        id: DocId::U64(0),
        counts: vec![0; words.len()],
        len: 0,
    };
    text.path.any_leaf(payload, |value| {
        if let Value::String(value) = value {
            tokenizer.each(value, |word| {
                found.len += 1;
                if let Ok(position) = words.binary_search_by(|known| known.as_str().cmp(word)) {
                    found.counts[position] = found.counts[position].saturating_add(1);
                }
            });
        }
        false
    });
    found
}

/// What is known of all texts of a collection.
struct Statistics {
    texts: f64,
    mean_len: f64,
}

impl Statistics {
    /// How much a word counts that so many texts have.
    fn weight(&self, texts_with_word: f64) -> f64 {
        (1.0 + (self.texts - texts_with_word + 0.5) / (texts_with_word + 0.5)).ln()
    }

    fn score(&self, found: &Match, weights: &[f64]) -> f64 {
        let damping = K1 * (1.0 - B + B * exact(found.len) / self.mean_len);
        let part = |(count, weight): (&u32, &f64)| {
            let count = f64::from(*count);
            weight * count * (K1 + 1.0) / (count + damping)
        };
        found.counts.iter().zip(weights).map(part).sum()
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2⁵³")]
fn exact(count: u64) -> f64 {
    count as f64
}
