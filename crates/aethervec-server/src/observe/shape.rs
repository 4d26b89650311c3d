//! What a query looks like, without what it says: fields, operators and limits, and never vectors, ids or values of payloads.

use aethervec::{DocId, FacetRequest, Filter, QueryVector, ScrollRequest, SearchRequest};
use serde::Serialize;
use serde_json::{Map, Value, json};

/// Keys of queries, filters and formulas whose values are names, numbers of hits, or efforts: they may be shown. What stands
/// under any other key is hidden.
const SHOWN: [&str; 26] = [
    "limit",
    "k",
    "offset",
    "using",
    "recall",
    "ef",
    "exact",
    "field",
    "path",
    "by",
    "group_size",
    "strategy",
    "mode",
    "sample",
    "with_payload",
    "with_vectors",
    "include",
    "exclude",
    "collection",
    "direction",
    "candidates",
    "diversity",
    "effort",
    "min",
    "order_by",
    "has_vector",
];

/// Longer texts are cut off.
const TEXT_BYTES_MAX: usize = 128;

/// Entries of an object or an array that are shown.
const ENTRIES_MAX: usize = 32;

/// Deeper ones are left out.
const DEPTH_MAX: usize = 16;

/// That of a search.
pub(crate) fn search(request: &SearchRequest<'_>) -> Value {
    let vector = match request.vector {
        QueryVector::Dense(vector) => json!({"dense": vector.len()}),
        QueryVector::Binary(_) => json!("binary"),
        QueryVector::Sparse(_) => json!("sparse"),
        QueryVector::Multi(_) => json!("multi"),
    };
    let fields = [
        ("vector", vector),
        ("k", json!(request.k)),
        ("using", short(request.using)),
        ("filter", request.filter.map_or(Value::Null, of)),
        ("recall", json!(request.recall)),
        ("ef", json!(request.ef)),
        ("exact", json!(request.exact)),
        ("with_payload", json!(request.with_payload)),
        ("with_vectors", json!(request.with_vectors)),
    ];
    let said = fields.into_iter().filter(|(_, value)| !value.is_null());
    Value::Object(said.map(|(name, value)| (name.to_owned(), value)).collect())
}

/// That of a question for documents: how many.
pub(crate) fn get(ids: &[DocId]) -> Value {
    json!({"ids": counted(ids.len())})
}

/// That of a question for a page of documents.
pub(crate) fn scroll(request: &ScrollRequest) -> Value {
    let ScrollRequest { after, limit } = request;
    json!({"after": after.as_ref().map(|_| "?"), "limit": limit})
}

/// That of a question how many documents satisfy a filter.
pub(crate) fn count(filter: Option<&Filter>) -> Value {
    json!({"filter": filter.map(of)})
}

/// That of a question for frequent values.
pub(crate) fn facet(request: &FacetRequest) -> Value {
    let FacetRequest {
        path,
        filter,
        limit,
    } = request;
    json!({"path": path.to_string(), "filter": filter.as_ref().map(of), "limit": limit})
}

/// That of anything that is spelled as JSON: queries, groups, facets.
pub(crate) fn of(request: &impl Serialize) -> Value {
    // What cannot be written as JSON has no shape.
    let value = serde_json::to_value(request).unwrap_or_default();
    masked(value, false, DEPTH_MAX)
}

/// That of several requests: how many there are, and the first of them.
pub(crate) fn of_several<T>(requests: &[T], shape: impl Fn(&T) -> Value) -> Value {
    json!({"requests": requests.len(), "first": requests.first().map(shape)})
}

/// `value` without what must not be shown.
fn masked(value: Value, shown: bool, depth: usize) -> Value {
    let Some(depth) = depth.checked_sub(1) else {
        return json!("…");
    };
    match value {
        Value::Null | Value::Bool(_) => value,
        Value::Number(_) if shown => value,
        Value::String(text) if shown => short(&text),
        Value::Number(_) | Value::String(_) => json!("?"),
        Value::Array(items) => masked_items(items, shown, depth),
        Value::Object(fields) => {
            let fields = fields.into_iter().take(ENTRIES_MAX);
            let fields = fields.map(|(name, value)| {
                let shown = SHOWN.contains(&&*name);
                (name, masked(value, shown, depth))
            });
            Value::Object(fields.collect::<Map<_, _>>())
        }
    }
}

/// Numbers and texts of an array are told by how many they are.
fn masked_items(items: Vec<Value>, shown: bool, depth: usize) -> Value {
    let is_plain = |item: &Value| !matches!(item, Value::Array(_) | Value::Object(_));
    if !shown && items.iter().all(is_plain) {
        return counted(items.len());
    }
    let items = items.into_iter().take(ENTRIES_MAX);
    Value::Array(items.map(|item| masked(item, shown, depth)).collect())
}

/// So many of what must not be shown.
fn counted(items: usize) -> Value {
    json!(format!("[{items}]"))
}

/// A name, cut off where it is too long.
fn short(text: &str) -> Value {
    let end = text.floor_char_boundary(TEXT_BYTES_MAX);
    json!(text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;
    use aethervec::QueryRequest;

    #[test]
    fn shapes_tell_structure_and_no_values() {
        let request = QueryRequest::from_json(
            r#"{
                "prefetch": [
                    {"query": {"nearest": [0.125, 0.25]}, "using": "image", "limit": 50},
                    {"query": {"text": {"path": "body", "words": "secret words"}}, "limit": 20}
                ],
                "query": {"rrf": {"k": 60}},
                "filter": {"and": [{"field": "owner", "eq": "secret"}, {"field": "year", "range": {"gte": 1999}}, {"field": "tag", "any_of": ["secret", "b"]}]},
                "limit": 5
            }"#,
        )
        .unwrap();
        let text = of(&request).to_string();
        for hidden in ["secret", "0.125", "1999", "words\":\"s"] {
            assert!(!text.contains(hidden), "{hidden} in {text}");
        }
        for shown in ["owner", "year", "body", "image", "\"limit\":50", "rrf"] {
            assert!(text.contains(shown), "{shown} not in {text}");
        }
    }

    #[test]
    fn ids_are_hidden_and_long_names_cut_off() {
        let ids = Filter::parse("has_id(\"secret\", 7)").unwrap();
        assert!(!of(&ids).to_string().contains("secret"));
        let long = "é".repeat(200);
        let request = SearchRequest {
            using: &long,
            ..SearchRequest::new(&[1.0, 2.0], 3)
        };
        let shape = search(&request);
        assert_eq!(shape["vector"], json!({"dense": 2}));
        assert_eq!(shape["using"].as_str().unwrap().len(), 128);
    }
}
