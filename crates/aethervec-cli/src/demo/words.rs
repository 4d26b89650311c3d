//! Text as words: lower case, without inflection, identifiers taken apart.

use std::collections::HashMap;
use std::sync::LazyLock;

/// Words that say nothing about what a text is about.
const STOP_WORDS: &[&str] = &[
    "a", "about", "above", "after", "again", "all", "also", "am", "an", "and", "any", "are", "as",
    "at", "be", "because", "been", "before", "being", "below", "between", "both", "but", "by",
    "can", "cannot", "could", "did", "do", "does", "doing", "down", "during", "each", "else",
    "etc", "few", "for", "from", "further", "go", "goes", "get", "gets", "give", "given", "gives",
    "had", "happen", "happened", "happens", "has", "have", "having", "he", "her", "here", "him",
    "his", "how", "i", "if", "in", "into", "is", "it", "its", "itself", "just", "let", "like",
    "may", "me", "might", "mine", "more", "much", "must", "my", "need", "needed", "needs", "no",
    "nor", "not", "now", "of", "off", "on", "once", "one", "only", "or", "other", "our", "out",
    "over", "own", "same", "shall", "she", "should", "so", "some", "such", "than", "that", "the",
    "their", "them", "then", "there", "these", "they", "this", "those", "through", "to", "too",
    "under", "until", "up", "us", "use", "used", "uses", "using", "very", "want", "was", "we",
    "were", "what", "when", "where", "whether", "which", "while", "who", "whom", "why", "will",
    "with", "without", "work", "works", "would", "you", "your",
];

/// Groups of words that people use for the same thing: a little of what a model would know.
const KIN: &[&[&str]] = &[
    &[
        "fast",
        "faster",
        "quick",
        "speed",
        "slow",
        "slower",
        "latency",
        "throughput",
        "performance",
        "qps",
    ],
    &[
        "big", "large", "size", "long", "limit", "maximum", "most", "huge",
    ],
    &["remove", "delete", "erase", "drop", "purge"],
    &[
        "update",
        "upsert",
        "overwrite",
        "replace",
        "modify",
        "change",
    ],
    &["fail", "failure", "fails", "error", "fault"],
    &["crash", "kill", "killed", "power", "outage", "reboot"],
    &[
        "safe",
        "durable",
        "durability",
        "lose",
        "lost",
        "loss",
        "survive",
        "stable",
    ],
    &["backup", "copy", "copies"],
    &[
        "damage",
        "corrupt",
        "corruption",
        "broken",
        "flip",
        "checksum",
    ],
    &["memory", "ram"],
    &["sync", "fsync", "fdatasync"],
    &[
        "exact",
        "accurate",
        "accuracy",
        "precise",
        "recall",
        "approximate",
    ],
    &["install", "build", "compile", "setup", "start"],
    &["license", "licence", "licensed", "mit", "apache"],
    &["stop", "interrupt", "cancel", "abort", "ctrl"],
    &[
        "process",
        "thread",
        "concurrent",
        "parallel",
        "writer",
        "simultaneous",
    ],
    &["full", "space", "room", "enospc"],
    &[
        "find",
        "search",
        "query",
        "nearest",
        "neighbour",
        "neighbor",
    ],
    &["metric", "distance", "cosine", "similarity", "euclidean"],
    &["insert", "add", "import", "load", "ingest"],
    &["restore", "recover", "recovery", "repair"],
    &["encrypt", "secret", "security"],
    &["format", "layout"],
    &["order", "sort", "ascending"],
    &["less", "fewer", "lower", "reduce", "halve"],
    &["immediately", "instantly", "return"],
    &["compare", "against", "peer"],
    &[
        "choose",
        "tune",
        "knob",
        "default",
        "set",
        "configure",
        "option",
    ],
];

/// The number of the group to which a stem of [`words`] belongs.
pub(crate) fn kin(stemmed: &str) -> Option<usize> {
    static GROUPS: LazyLock<HashMap<String, usize>> = LazyLock::new(|| {
        let numbered = KIN.iter().enumerate();
        numbered
            .flat_map(|(number, group)| group.iter().map(move |word| (stem(word), number)))
            .collect()
    });
    GROUPS.get(stemmed).copied()
}

/// The words of `text` that carry meaning, reduced to their stems, in order.
pub(crate) fn words(text: &str) -> Vec<String> {
    let text = text.replace("back up", "backup");
    let runs = text.split(|c: char| !(c.is_alphanumeric() || c == '\''));
    let parts = runs.flat_map(|run| humps(run.trim_matches('\'')));
    let lower = parts.map(|part| part.to_lowercase());
    let meant =
        lower.filter(|word| word.chars().count() > 1 && !STOP_WORDS.contains(&word.as_str()));
    meant
        .map(|word| stem(word.trim_end_matches("'s")))
        .collect()
}

/// `WriteBatch` is `Write`, `Batch`; `HNSW` stays whole.
fn humps(run: &str) -> Vec<&str> {
    let chars: Vec<(usize, char)> = run.char_indices().collect();
    let mut cuts = vec![0];
    for pair in chars.windows(2) {
        if pair[0].1.is_lowercase() && pair[1].1.is_uppercase() {
            cuts.push(pair[1].0);
        }
    }
    cuts.push(run.len());
    cuts.windows(2)
        .map(|cut| &run[cut[0]..cut[1]])
        .filter(|part| !part.is_empty())
        .collect()
}

/// A word without the endings of English inflection: `writes`, `writing` and `write` become `writ`.
fn stem(word: &str) -> String {
    if !word.is_ascii() || word.len() <= 3 {
        return word.to_owned();
    }
    let singular = match word {
        w if w.ends_with("ies") && w.len() > 4 => format!("{}y", &w[..w.len() - 3]),
        w if ["sses", "shes", "ches", "xes", "zes"]
            .iter()
            .any(|end| w.ends_with(end)) =>
        {
            w[..w.len() - 2].to_owned()
        }
        w if w.ends_with('s') && !w.ends_with("ss") && !w.ends_with("us") && !w.ends_with("is") => {
            w[..w.len() - 1].to_owned()
        }
        w => w.to_owned(),
    };
    let bare = ["ation", "ition", "ing", "ion", "ed", "er", "ly", "able"]
        .iter()
        .find_map(|ending| {
            let rest = singular.strip_suffix(ending)?;
            let long_enough = rest.len() >= 3 && rest.bytes().any(|byte| b"aeiouy".contains(&byte));
            long_enough.then(|| undoubled(rest).to_owned())
        });
    let stem = bare.unwrap_or(singular);
    match stem.strip_suffix('e') {
        Some(rest) if rest.len() >= 3 => rest.to_owned(),
        _ => stem,
    }
}

/// `stopp` is `stop`; `full` and `miss` stay.
fn undoubled(stem: &str) -> &str {
    let bytes = stem.as_bytes();
    match bytes {
        [.., a, b] if a == b && !b"lsz".contains(b) => &stem[..stem.len() - 1],
        _ => stem,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inflections_meet() {
        for group in [
            &["write", "writes", "writing"][..],
            &["crash", "crashes", "crashed", "crashing"],
            &["index", "indexes", "indexing", "indexed"],
            &["delete", "deletes", "deleted", "deletion"],
            &["compact", "compaction", "compactions"],
            &["copy", "copies"],
            &["stop", "stopped", "stopping"],
        ] {
            let stems: Vec<String> = group.iter().map(|word| stem(word)).collect();
            assert!(
                stems.iter().all(|stem| *stem == stems[0]),
                "{group:?}: {stems:?}"
            );
        }
        assert_ne!(stem("log"), stem("loss"));
    }

    #[test]
    fn kin_meet() {
        let group = |word: &str| kin(&words(word)[0]);
        assert_eq!(group("deleting"), group("removed"));
        assert_eq!(group("back up"), group("copies"));
        assert_eq!(group("durability"), group("lost"));
        assert_eq!(group("vector"), None);
    }

    #[test]
    fn identifiers_are_taken_apart() {
        assert_eq!(
            words("What is the `memory_bytes` of WriteBatch?"),
            ["memory", "byt", "writ", "batch"]
        );
        assert_eq!(words("HNSW's ef_search"), ["hnsw", "ef", "search"]);
        assert!(words("how does it do that?").is_empty());
    }
}
