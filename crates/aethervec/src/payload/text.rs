//! Words and the points whose text has them, with BM25.
//!
//! A word of few points costs a list, one of many a bitmap; how often it occurs is kept beside, one byte for each point,
//! in the order of the points. The lengths of the texts lie in pages of neighbouring points.

use crate::payload::posting::Posting;
use roaring::RoaringTreemap;
use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;

/// How soon repetition of a word stops to count: the usual value.
pub(crate) const K1: f32 = 1.2;

/// How much long texts are held against their words: the usual value.
pub(crate) const B: f32 = 0.75;

/// More occurrences of a word in one text count as so many.
pub(crate) const OCCURRENCES_MAX: u32 = 255;

/// Points whose lengths lie in one page.
const PAGE_POINTS: u64 = 1 << 12;

/// The text of one point, as the index keeps it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Words {
    /// How many words there are, repetitions included.
    pub(crate) length: u32,
    /// How often each occurs, at most [`OCCURRENCES_MAX`].
    pub(crate) occurrences: BTreeMap<String, u32>,
}

impl Words {
    /// Adds a word of the text.
    pub(crate) fn add(&mut self, word: &str) {
        self.length = self.length.saturating_add(1);
        match self.occurrences.get_mut(word) {
            Some(count) => *count = (*count + 1).min(OCCURRENCES_MAX),
            None => {
                self.occurrences.insert(word.to_owned(), 1);
            }
        }
    }
}

/// The words of all points.
#[derive(Debug, Default)]
pub(crate) struct Text {
    words: BTreeMap<Box<str>, Occurrences>,
    lengths: Lengths,
}

fn bounded(count: u32) -> u8 {
    u8::try_from(count.min(OCCURRENCES_MAX)).unwrap_or(u8::MAX)
}

/// Where a word occurs.
#[derive(Debug)]
pub(crate) struct Occurrences {
    pub(crate) points: Posting,
    /// How often, in the order of the points.
    counts: Vec<u8>,
}

/// How many texts there are, and how many words they have together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) texts: u64,
    pub(crate) words: u64,
}

impl Text {
    /// The text of `point` has `length` words.
    pub(crate) fn insert_length(&mut self, point: u64, length: u32) {
        self.lengths.set(point, length);
    }

    /// `word` occurs `count` times in the text of `point`.
    pub(crate) fn insert_word(&mut self, word: &str, point: u64, count: u32) {
        let count = bounded(count);
        match self.words.get_mut(word) {
            Some(occurrences) => occurrences.insert(point, count),
            None => {
                let occurrences = Occurrences {
                    points: Posting::One(point),
                    counts: vec![count],
                };
                self.words.insert(word.into(), occurrences);
            }
        }
    }

    /// As [`insert_word`](Text::insert_word), for all `points`, which are ascending, each with its count.
    pub(crate) fn insert_points(&mut self, word: &str, points: &[(u64, u32)]) {
        let all = points.iter().map(|&(point, _)| point).collect();
        match Posting::of(all) {
            Some(posting) if !self.words.contains_key(word) => {
                let occurrences = Occurrences {
                    points: posting,
                    counts: points.iter().map(|&(_, count)| bounded(count)).collect(),
                };
                self.words.insert(word.into(), occurrences);
            }
            _ => points
                .iter()
                .for_each(|&(point, count)| self.insert_word(word, point, count)),
        }
    }

    /// How many words differ.
    pub(crate) fn len(&self) -> usize {
        self.words.len()
    }

    /// Where `word` occurs.
    pub(crate) fn get(&self, word: &str) -> Option<&Occurrences> {
        self.words.get(word)
    }

    /// The words that begin with `prefix`, and where they occur.
    pub(crate) fn with_prefix<'a>(
        &'a self,
        prefix: &'a str,
    ) -> impl Iterator<Item = (&'a str, &'a Occurrences)> {
        let from = (Bound::Included(prefix), Bound::Unbounded);
        self.words
            .range::<str, _>(from)
            .take_while(move |(word, _)| word.starts_with(prefix))
            .map(|(word, occurrences)| (&**word, occurrences))
    }

    /// All words, ascending.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Occurrences)> {
        self.words
            .iter()
            .map(|(word, occurrences)| (&**word, occurrences))
    }

    /// How many words the text of `point` has; 0 when it has no text.
    pub(crate) fn length(&self, point: u64) -> u32 {
        self.lengths.get(point)
    }

    /// All points that have a text with words, and how many these are, ascending.
    pub(crate) fn lengths(&self) -> impl Iterator<Item = (u64, u32)> {
        let pages = self.lengths.0.iter();
        let points = pages.flat_map(|(page, lengths)| (page * PAGE_POINTS..).zip(lengths));
        points
            .map(|(point, &length)| (point, length))
            .filter(|(_, length)| *length > 0)
    }

    /// The totals over `points`.
    pub(crate) fn totals(&self, points: &RoaringTreemap) -> Totals {
        let mut totals = Totals::default();
        for (_, length) in self.lengths().filter(|(point, _)| points.contains(*point)) {
            totals.texts += 1;
            totals.words += u64::from(length);
        }
        totals
    }

    /// The BM25 scores of those of `points` that have one of `words`. `totals` are those over all texts that count, and
    /// `counted` are these texts: how rare a word is, is told by them.
    pub(crate) fn scores(
        &self,
        words: &[&str],
        points: &RoaringTreemap,
        counted: &RoaringTreemap,
        totals: Totals,
    ) -> HashMap<u64, f32> {
        let mut scores = HashMap::new();
        for occurrences in words.iter().filter_map(|word| self.get(word)) {
            let texts = occurrences.points.intersection_len(counted);
            let weight = rarity(totals.texts, texts);
            for (point, count) in occurrences.iter() {
                if points.contains(point) {
                    let part = weight * share(count, self.length(point), totals);
                    *scores.entry(point).or_insert(0.0) += part;
                }
            }
        }
        scores
    }

    /// Forgets all points but those of `keep`, and the words that then have none.
    pub(crate) fn keep_only(&mut self, keep: &RoaringTreemap) {
        let words = std::mem::take(&mut self.words);
        let kept = words
            .into_iter()
            .filter_map(|(word, occurrences)| Some((word, occurrences.keep_only(keep)?)));
        self.words = kept.collect();
        self.lengths.keep_only(keep);
    }

    /// About how many bytes it takes.
    pub(crate) fn memory_bytes(&self) -> usize {
        let word = |(word, occurrences): (&str, &Occurrences)| {
            let parts = size_of::<(Box<str>, Occurrences)>() + word.len();
            parts + occurrences.points.memory_bytes() + occurrences.counts.capacity()
        };
        self.iter().map(word).sum::<usize>() + self.lengths.memory_bytes()
    }
}

/// How much a word tells that `texts` of `all` texts have.
#[expect(
    clippy::cast_precision_loss,
    reason = "a score is no more precise than f32"
)]
pub(crate) fn rarity(all: u64, texts: u64) -> f32 {
    let (all, texts) = (all as f32, texts as f32);
    (1.0 + (all - texts + 0.5) / (texts + 0.5)).ln()
}

/// What a word that occurs `count` times in a text of `length` words adds, before its rarity.
#[expect(
    clippy::cast_precision_loss,
    reason = "a score is no more precise than f32"
)]
pub(crate) fn share(count: u32, length: u32, totals: Totals) -> f32 {
    let mean = totals.words as f32 / totals.texts.max(1) as f32;
    let count = count as f32;
    let burden = 1.0 - B + B * length as f32 / mean.max(1.0);
    count * (K1 + 1.0) / (count + K1 * burden)
}

impl Occurrences {
    /// The points and how often the word occurs in each, ascending.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, u32)> {
        let counts = self.counts.iter().map(|&count| u32::from(count));
        self.points.iter().zip(counts)
    }

    fn insert(&mut self, point: u64, count: u8) {
        if !self.points.insert(point) {
            return;
        }
        // Nearly always at the end: points come in the order of their numbers.
        let place = match &self.points {
            Posting::Bitmap(points) if points.max() == Some(point) => self.counts.len(),
            points => points.rank(point),
        };
        self.counts.insert(place, count);
    }

    fn keep_only(self, keep: &RoaringTreemap) -> Option<Occurrences> {
        let counts = self
            .iter()
            .filter(|(point, _)| keep.contains(*point))
            .map(|(_, count)| u8::try_from(count).expect("it was a byte"))
            .collect();
        Some(Occurrences {
            counts,
            points: self.points.keep_only(keep)?,
        })
    }
}

/// The lengths of texts, by page.
#[derive(Debug, Default)]
struct Lengths(BTreeMap<u64, Vec<u32>>);

impl Lengths {
    fn place(point: u64) -> (u64, usize) {
        let place = usize::try_from(point % PAGE_POINTS).expect("it is less than a page");
        (point / PAGE_POINTS, place)
    }

    fn set(&mut self, point: u64, length: u32) {
        let (page, place) = Lengths::place(point);
        let page = self.0.entry(page).or_default();
        if page.len() <= place {
            page.resize(place + 1, 0);
        }
        page[place] = length;
    }

    fn get(&self, point: u64) -> u32 {
        let (page, place) = Lengths::place(point);
        let page = self.0.get(&page);
        page.and_then(|page| page.get(place)).copied().unwrap_or(0)
    }

    fn keep_only(&mut self, keep: &RoaringTreemap) {
        self.0.retain(|page, lengths| {
            let first = page * PAGE_POINTS;
            for (point, length) in (first..).zip(lengths.iter_mut()) {
                if !keep.contains(point) {
                    *length = 0;
                }
            }
            lengths.iter().any(|&length| length > 0)
        });
    }

    fn memory_bytes(&self) -> usize {
        self.0.values().map(|page| page.capacity() * 4 + 48).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Random texts of the words "0" to "19".
    fn texts(rng: &mut fastrand::Rng, count: u64) -> Vec<(u64, Words)> {
        let text = |rng: &mut fastrand::Rng| {
            let mut words = Words::default();
            for _ in 0..rng.usize(..12) {
                let word = rng.u32(..20) * rng.u32(..20) / 20;
                words.add(&word.to_string());
            }
            words
        };
        let mut texts: Vec<(u64, Words)> = (0..count).map(|point| (point * 3, text(rng))).collect();
        rng.shuffle(&mut texts);
        texts
    }

    fn index(texts: &[(u64, Words)]) -> Text {
        let mut index = Text::default();
        for (point, words) in texts {
            index.insert_length(*point, words.length);
            for (word, &count) in &words.occurrences {
                index.insert_word(word, *point, count);
            }
        }
        index
    }

    #[test]
    fn scores_are_those_of_the_formula() {
        let rng = &mut fastrand::Rng::with_seed(2);
        let texts = texts(rng, 400);
        let mut index = index(&texts);
        let counted: RoaringTreemap = texts
            .iter()
            .map(|(point, _)| *point)
            .filter(|_| rng.u8(..4) > 0)
            .collect();
        for swept in [false, true] {
            if swept {
                index.keep_only(&counted);
            }
            let of = |word: &str| {
                let has = |(point, words): &&(u64, Words)| {
                    counted.contains(*point) && words.occurrences.contains_key(word)
                };
                texts.iter().filter(has).count() as u64
            };
            let alive = texts
                .iter()
                .filter(|(point, words)| counted.contains(*point) && words.length > 0);
            let totals = Totals {
                texts: alive.clone().count() as u64,
                words: alive.map(|(_, words)| u64::from(words.length)).sum(),
            };
            assert_eq!(index.totals(&counted), totals);
            let points: RoaringTreemap = counted.iter().filter(|_| rng.bool()).collect();
            let query = ["3", "0", "nowhere", "11"];
            let scores = index.scores(&query, &points, &counted, totals);
            for (point, words) in &texts {
                let expected: f32 = query
                    .iter()
                    .filter_map(|&word| {
                        let count = *words.occurrences.get(word)?;
                        Some(rarity(totals.texts, of(word)) * share(count, words.length, totals))
                    })
                    .sum();
                let expected = if points.contains(*point) {
                    expected
                } else {
                    0.0
                };
                let found = scores.get(point).copied().unwrap_or(0.0);
                assert!((found - expected).abs() < 1e-5, "{found} {expected}");
            }
        }
    }

    #[test]
    fn prefixes_are_ranges() {
        let mut index = Text::default();
        for (point, word) in (0..).zip(["cat", "catalog", "dog", "cats", "ca"]) {
            index.insert_word(word, point, 1);
        }
        let found: Vec<&str> = index.with_prefix("cat").map(|(word, _)| word).collect();
        assert_eq!(found, ["cat", "catalog", "cats"]);
        assert_eq!(index.with_prefix("").count(), index.len());
    }

    #[test]
    fn many_occurrences_count_as_a_limit() {
        let mut words = Words::default();
        (0..300).for_each(|_| words.add("la"));
        assert_eq!(
            (words.length, words.occurrences["la"]),
            (300, OCCURRENCES_MAX)
        );
    }
}
