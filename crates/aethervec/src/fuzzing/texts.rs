//! What people write, or programs for them: whatever is understood reads the same again once it is written.

use crate::filter::{Filter, Path};
use crate::id::DocId;
use crate::text::tokenize::Tokenizer;
use crate::timestamp::Timestamp;
use serde_json::json;

const WRITTEN: &str = "it was just written";

pub(super) fn examine(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let filters = [Filter::parse(text), Filter::from_json(text)];
    for filter in filters.into_iter().flatten() {
        round_trip(&filter, text);
    }
    if let Ok(path) = Path::parse(text) {
        assert_eq!(Path::parse(&path.to_string()).expect(WRITTEN), path);
    }
    if let Ok(moment) = text.parse::<Timestamp>() {
        let again: Timestamp = moment.to_string().parse().expect(WRITTEN);
        assert_eq!(again, moment);
    }
    for fold in [false, true] {
        Tokenizer { fold }.each(text, |word| assert!(!word.is_empty()));
    }
}

fn round_trip(filter: &Filter, word: &str) {
    let json = serde_json::to_string(filter).expect("filters always become JSON");
    assert_eq!(Filter::from_json(&json).expect(WRITTEN), *filter, "{json}");
    let text = filter.to_string();
    let again = Filter::parse(&text).expect(WRITTEN);
    assert_eq!(again.to_string(), text);
    let payload = json!({"a": [1, "x", null], "b": {"c": 2.5}, "text": word});
    let holds = |filter: &Filter| filter.matches(&DocId::from(1), Some(&payload), |_| true);
    assert_eq!(holds(filter), holds(&again), "{text}");
}
