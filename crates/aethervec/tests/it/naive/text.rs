//! BM25 over the texts at `body`.

use super::{Model, Naive, Ranked, scalars, sorted};
use aethervec::DocId;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

impl Model {
    pub(super) fn text(&self, query: &str, domain: &[(&DocId, &Naive)]) -> Ranked {
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
