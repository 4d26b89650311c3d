//! Text to vectors, without a model and without a network.
//!
//! 1. A text becomes *features*: its words, pairs of neighbouring words, the groups of words with one meaning to which they
//!    belong, and the character 3- to 5-grams of each word, which let different forms of a word meet.
//! 2. A feature weighs what it tells: rare ones much, those of every second passage little (TF-IDF, learned from the corpus).
//! 3. A random projection folds the features, which are many, into few dimensions: each feature adds its weight, with
//!    random signs, to some components. Angles between texts survive that (Johnson and Lindenstrauss 1984; sparse as in
//!    Kane and Nelson 2014).
//!
//! Such vectors know which words two texts share, and not what they mean. A real model can take its place behind [`Embedder`].

use super::words::{kin, words};
use std::collections::HashMap;

/// Something that turns text into vectors, such that similar texts have similar directions.
pub(crate) trait Embedder {
    /// Components of each vector.
    fn dim(&self) -> usize;

    /// The vector of a text: of length 1, or zero for a text that says nothing.
    fn embed(&self, text: &str) -> Vec<f32>;
}

/// See the module.
#[derive(Debug)]
pub(crate) struct HashedTextEmbedder {
    dim: usize,
    /// How many texts of the corpus have each feature.
    frequencies: HashMap<u64, u32>,
    texts: f32,
}

/// What a kind of feature weighs against a word.
const PAIR_WEIGHT: f32 = 0.5;
/// A word of the same meaning.
const KIN_WEIGHT: f32 = 1.0;
/// All n-grams of one word together.
const GRAMS_WEIGHT: f32 = 0.3;
/// Components that each feature touches.
const TOUCHED: usize = 16;
/// Part of what is stored: changing anything in this file means changing this, so that databases are indexed anew.
pub(crate) const VERSION: u64 = 1;

impl HashedTextEmbedder {
    /// Learns how frequent each feature is.
    pub(crate) fn learn<'a>(
        corpus: impl IntoIterator<Item = &'a str>,
        dim: usize,
    ) -> HashedTextEmbedder {
        let mut frequencies = HashMap::new();
        let mut texts = 0.0;
        for text in corpus {
            texts += 1.0;
            for feature in features(text).into_keys() {
                *frequencies.entry(feature).or_insert(0) += 1;
            }
        }
        HashedTextEmbedder {
            dim,
            frequencies,
            texts,
        }
    }

    /// What a feature that occurs in so many texts tells; nothing for those that the corpus does not have at all.
    fn inverse_frequency(&self, feature: u64) -> f32 {
        match self.frequencies.get(&feature) {
            Some(&texts) => ((self.texts + 1.0) / (texts as f32 + 0.5))
                .ln()
                .max(0.0)
                .powf(0.75),
            None => 0.0,
        }
    }
}

impl Embedder for HashedTextEmbedder {
    fn dim(&self) -> usize {
        self.dim
    }

    fn embed(&self, text: &str) -> Vec<f32> {
        let mut vector = vec![0.0; self.dim];
        let mut features: Vec<(u64, f32)> = features(text).into_iter().collect();
        // Sums of floats depend on their order, and a text has one vector.
        features.sort_unstable_by_key(|(feature, _)| *feature);
        for (feature, amount) in features {
            let weight = amount * self.inverse_frequency(feature);
            let mut random = feature;
            for _ in 0..TOUCHED {
                random = mixed(random.wrapping_add(0x9e37_79b9_7f4a_7c15));
                let position = usize::try_from(random >> 33).unwrap_or_default() % self.dim;
                vector[position] += if random & 1 == 0 { weight } else { -weight };
            }
        }
        let length = vector
            .iter()
            .map(|component| component * component)
            .sum::<f32>()
            .sqrt();
        if length > 0.0 {
            vector.iter_mut().for_each(|component| *component /= length);
        }
        vector
    }
}

/// The features of a text, and how much of each there is: the root of how often, times the weight of its kind.
fn features(text: &str) -> HashMap<u64, f32> {
    let mut counts: HashMap<u64, (f32, f32)> = HashMap::new();
    let mut add = |feature: u64, weight: f32| {
        let entry = counts.entry(feature).or_insert((0.0, weight));
        entry.0 += 1.0;
    };
    let words = words(text);
    for word in &words {
        add(hashed(1, word), 1.0);
        if let Some(group) = kin(word) {
            add(hashed(4, &group.to_string()), KIN_WEIGHT);
        }
        let grams = grams(word);
        let weight = GRAMS_WEIGHT / (grams.len() as f32).sqrt();
        for gram in grams {
            add(hashed(2, &gram), weight);
        }
    }
    for pair in words.windows(2).filter(|pair| pair[0] != pair[1]) {
        add(hashed(3, &pair.join(" ")), PAIR_WEIGHT);
    }
    counts
        .into_iter()
        .map(|(feature, (count, weight))| (feature, weight * count.sqrt()))
        .collect()
}

/// The character 3- to 5-grams of a word, its ends marked.
fn grams(word: &str) -> Vec<String> {
    let marked: Vec<char> = std::iter::once('<')
        .chain(word.chars())
        .chain(std::iter::once('>'))
        .collect();
    (3..=5)
        .flat_map(|n| marked.windows(n).map(|gram| gram.iter().collect()))
        .collect()
}

/// A hash that is the same on every machine and in every version.
fn hashed(kind: u64, text: &str) -> u64 {
    text.bytes()
        .fold(mixed(kind), |hash, byte| mixed(hash ^ u64::from(byte)))
}

/// The finalizer of SplitMix64.
fn mixed(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cosine(a: &[f32], b: &[f32]) -> f32 {
        a.iter().zip(b).map(|(x, y)| x * y).sum()
    }

    #[test]
    fn texts_that_share_rare_words_are_near() {
        let corpus = [
            "the disk is full and writes fail",
            "a search finds the nearest vectors",
            "vectors are compared by cosine",
            "backups are copies of files",
        ];
        let embedder = HashedTextEmbedder::learn(corpus, 512);
        let question = embedder.embed("What happens when my disks are full?");
        let scores = corpus.map(|text| cosine(&question, &embedder.embed(text)));
        assert!(
            scores[0] > 0.4 && scores[1..].iter().all(|&score| score < scores[0] / 2.0),
            "{scores:?}"
        );
        assert_eq!(question.len(), embedder.dim());
    }

    #[test]
    fn a_text_has_one_vector_of_length_one() {
        let embedder =
            HashedTextEmbedder::learn(["some words to learn from", "and other things"], 256);
        let vector = embedder.embed("learn some words");
        assert_eq!(vector, embedder.embed("learn some words"));
        assert!((cosine(&vector, &vector) - 1.0).abs() < 1e-5);
        assert!(
            embedder
                .embed("what is it?")
                .iter()
                .all(|&component| component == 0.0)
        );
        assert!(embedder.embed("unheard").len() == 256);
    }
}
