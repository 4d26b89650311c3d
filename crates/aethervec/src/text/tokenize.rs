//! From texts to words: what filters on text compare, and what the text index has lists for.
//!
//! Words end where the Unicode rules (annex 29) say so; they are in lower case. Punctuation and blanks are no words; each sign
//! of a script without blanks is one. A word longer than [`WORD_BYTES_MAX`] counts by its beginning. Whoever asks and whoever
//! stores must use the same [`Tokenizer`].

use crate::limits::WORD_BYTES_MAX;
use std::borrow::Cow;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;
use unicode_segmentation::UnicodeSegmentation;

/// How words are found in texts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Tokenizer {
    /// Whether marks are taken off letters, and compatible forms (`ﬁ`, `①`) replaced by the plain ones.
    pub(crate) fold: bool,
}

impl Tokenizer {
    /// Calls `each` with every word of `text`, in order.
    pub(crate) fn each(self, text: &str, mut each: impl FnMut(&str)) {
        let folded = if self.fold {
            Cow::Owned(fold(text))
        } else {
            Cow::Borrowed(text)
        };
        let mut lower = String::new();
        for word in folded.unicode_words() {
            lower.clear();
            if word.is_ascii() {
                lower.push_str(word);
                lower.make_ascii_lowercase();
            } else {
                lower.push_str(&word.to_lowercase());
            }
            each(beginning(&lower));
        }
    }

    /// The words of `text`, in order.
    pub(crate) fn words(self, text: &str) -> Vec<String> {
        let mut words = Vec::new();
        self.each(text, |word| words.push(word.to_owned()));
        words
    }
}

fn fold(text: &str) -> String {
    text.nfkd()
        .filter(|sign| !is_combining_mark(*sign))
        .collect()
}

/// As much of `word` as counts.
fn beginning(word: &str) -> &str {
    &word[..word.floor_char_boundary(WORD_BYTES_MAX)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str, fold: bool) -> Vec<String> {
        Tokenizer { fold }.words(text)
    }

    #[test]
    fn words_are_cut_by_unicode_rules() {
        assert_eq!(
            words(
                "The quick (\"brown\") fox can't jump 32.3 feet, right?",
                false
            ),
            [
                "the", "quick", "brown", "fox", "can't", "jump", "32.3", "feet", "right"
            ]
        );
        assert_eq!(
            words("well-known snake_case", false),
            ["well", "known", "snake_case"]
        );
        assert_eq!(words("数据库", false), ["数", "据", "库"]);
        assert!(words(" — … !?", false).is_empty());
    }

    #[test]
    fn folding_is_asked_for() {
        assert_eq!(words("Café ÉCOLE ﬁn", false), ["café", "école", "ﬁn"]);
        assert_eq!(words("Café ÉCOLE ﬁn", true), ["cafe", "ecole", "fin"]);
        // One letter with a mark and the two signs that it is made of are different words, unless folded.
        assert_ne!(words("caf\u{e9}", false), words("cafe\u{301}", false));
        assert_eq!(words("caf\u{e9}", true), words("cafe\u{301}", true));
    }

    #[test]
    fn long_words_count_by_their_beginning() {
        let long = "ä".repeat(1_000);
        let cut = words(&long, false);
        assert_eq!(cut.len(), 1);
        assert!(cut[0].len() <= WORD_BYTES_MAX && long.starts_with(&cut[0]));
    }

    #[test]
    fn any_text_has_words_or_none() {
        let mut random = fastrand::Rng::with_seed(3);
        for _ in 0..500 {
            let text: String = (0..random.usize(..50)).map(|_| random.char(..)).collect();
            for fold in [false, true] {
                for word in words(&text, fold) {
                    assert!(!word.is_empty());
                }
            }
        }
    }
}
