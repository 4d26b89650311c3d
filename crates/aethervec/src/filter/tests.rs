//! What each condition means, by example.

use super::*;
use serde_json::{Value, json};

fn holds(filter: &Filter, payload: &Value) -> bool {
    filter.matches(&DocId::from("d"), Some(payload), |name| name == "image")
}

#[test]
fn a_condition_holds_for_an_array_when_it_does_for_an_element() {
    let payload = json!({"tags": ["a", "b"], "n": [1, 5]});
    assert!(holds(&Filter::eq("tags", "b"), &payload));
    assert!(holds(&Filter::eq("tags[]", "b"), &payload));
    assert!(!holds(&Filter::ne("tags", "b"), &payload));
    assert!(holds(&Filter::except("tags", ["b"]), &payload));
    assert!(!holds(&Filter::except("tags", ["a", "b"]), &payload));
    assert!(holds(&Filter::range("n", 4..6), &payload));
    assert!(!holds(&Filter::range("n", 2..5), &payload));
}

#[test]
fn what_is_missing_fulfils_nothing_but_negations() {
    let payload = json!({});
    assert!(!holds(&Filter::eq("a", 1), &payload));
    assert!(holds(&Filter::ne("a", 1), &payload));
    assert!(holds(&Filter::none_of("a", [1, 2]), &payload));
    assert!(!holds(&Filter::except("a", [1, 2]), &payload));
    assert!(!Filter::eq("a", 1).matches(&1.into(), None, |_| false));
}

#[test]
fn there_is_missing_null_and_empty() {
    let payload = json!({"null": null, "none": [], "some": [1], "one": 1});
    let all = |filter: fn(&str) -> Filter| {
        ["null", "none", "some", "one", "missing"].map(|path| holds(&filter(path), &payload))
    };
    assert_eq!(
        all(|path| Filter::exists(path)),
        [true, true, true, true, false]
    );
    assert_eq!(
        all(|path| Filter::is_null(path)),
        [true, false, false, false, false]
    );
    assert_eq!(
        all(|path| Filter::is_empty(path)),
        [true, true, false, false, true]
    );
    assert_eq!(
        all(|path| Filter::len(path, 1..)),
        [false, false, true, true, false]
    );
    assert_eq!(
        all(|path| Filter::len(path, ..1)),
        [true, true, false, false, true]
    );
}

#[test]
fn values_of_different_kinds_are_different() {
    let payload = json!({"n": 1, "s": "1", "b": true});
    assert!(holds(&Filter::eq("n", 1.0), &payload));
    assert!(!holds(&Filter::eq("s", 1), &payload));
    assert!(!holds(&Filter::eq("n", "1"), &payload));
    assert!(!holds(&Filter::eq("b", 1), &payload));
    assert!(!holds(&Filter::range("s", 0..), &payload));
}

#[test]
fn uuids_and_moments_equal_every_spelling() {
    let payload = json!({
        "u": "67E55044-10B1-426F-9247-BB680E5FE0C8",
        "t": "2024-05-01T14:00:00+02:00",
    });
    let uuid = uuid::Uuid::try_parse("67e5504410b1426f9247bb680e5fe0c8").unwrap();
    let noon: crate::Timestamp = "2024-05-01T12:00:00Z".parse().unwrap();
    assert!(holds(&Filter::eq("u", uuid), &payload));
    assert!(!holds(&Filter::eq("u", uuid.to_string()), &payload));
    assert!(holds(&Filter::eq("t", noon), &payload));
    assert!(holds(&Filter::gte("t", noon), &payload));
    assert!(!holds(&Filter::gt("t", noon), &payload));
}

#[test]
fn places_are_objects() {
    let payload = json!({"at": {"lat": 52.52, "lon": 13.405}, "many": [{"lat": 0, "lon": 0}, {"lat": 52.5, "lon": 13.4}]});
    let near = |path| Filter::geo_radius(path, GeoPoint::new(52.5, 13.4), 3_000.0);
    assert!(holds(&near("at"), &payload));
    assert!(holds(&near("many"), &payload));
    let berlin = |path| Filter::geo_box(path, GeoPoint::new(52.7, 13.1), GeoPoint::new(52.3, 13.8));
    assert!(holds(&berlin("at"), &payload));
    assert!(!holds(&berlin("elsewhere"), &payload));
}

#[test]
fn texts_are_compared_word_by_word() {
    let payload = json!({"body": "The Café on the corner", "many": ["red wine", "white bread"]});
    assert!(holds(&Filter::text("body", "corner CAFÉ"), &payload));
    assert!(!holds(&Filter::text("body", "corner cafe"), &payload));
    assert!(holds(&Filter::text_any("body", "bar café"), &payload));
    assert!(holds(&Filter::phrase("body", "café on"), &payload));
    assert!(!holds(&Filter::phrase("body", "on café"), &payload));
    assert!(holds(&Filter::prefix("body", "the cor"), &payload));
    assert!(!holds(&Filter::prefix("body", "the orner"), &payload));
    assert!(!holds(&Filter::text("many", "red bread"), &payload));
    assert!(!holds(&Filter::text("body", "..."), &payload));
    let folded = TextTest {
        query: "cafe".to_owned(),
        mode: TextMode::All,
        fold: true,
    };
    assert!(holds(&Filter::field("body", Test::Text(folded)), &payload));
}

#[test]
fn nested_filters_look_at_one_object() {
    let payload =
        json!({"items": [{"c": "red", "p": 9}, {"c": "blue", "p": 1}], "one": {"c": "red"}});
    let of = |color: &str, price: i32| {
        Filter::nested("items", Filter::eq("c", color).and(Filter::eq("p", price)))
    };
    assert!(holds(&of("red", 9), &payload));
    assert!(!holds(&of("red", 1), &payload));
    assert!(holds(
        &Filter::nested("one", Filter::eq("c", "red")),
        &payload
    ));
}

#[test]
fn filters_are_counted_and_negated() {
    let payload = json!({"a": 1, "b": 2});
    let of = || vec![Filter::eq("a", 1), Filter::eq("b", 0), Filter::eq("b", 2)];
    assert!(holds(&Filter::at_least(2, of()), &payload));
    assert!(!holds(&Filter::at_least(3, of()), &payload));
    assert!(holds(&Filter::at_least(0, []), &payload));
    assert!(holds(&Filter::all(), &payload));
    assert!(!holds(&Filter::Or(Vec::new()), &payload));
    assert!(holds(&!Filter::Or(Vec::new()), &payload));
    assert!(holds(&Filter::has_id(["x", "d"]), &payload));
    assert!(holds(
        &Filter::has_vector("image").and(!Filter::has_vector("text")),
        &payload
    ));
}

#[test]
fn what_makes_no_sense_is_refused() {
    let nan = Filter::eq("a", f64::NAN);
    let endless = Filter::len("a", ..);
    let line = Filter::geo_polygon(
        "a",
        GeoPolygon {
            exterior: vec![GeoPoint::new(0.0, 0.0), GeoPoint::new(1.0, 1.0)],
            interiors: Vec::new(),
        },
    );
    let off = Filter::geo_radius("a", GeoPoint::new(91.0, 0.0), 1.0);
    let deep = (0..50).fold(Filter::all(), |filter, _| Filter::Not(Box::new(filter)));
    for (filter, text) in [
        (
            nan,
            "filter: a: NaN is no number to compare with: it must be finite",
        ),
        (
            endless,
            "filter: a: range: it has no end: at least one of gt, gte, lt, lte is needed",
        ),
        (
            line,
            "filter: a: geo_polygon: a ring has 2 corners: at least 3 are needed",
        ),
        (
            off,
            "filter: a: lat 91, lon 0: this is no place: lat must be -90..=90 and lon -180..=180",
        ),
        (
            deep,
            "filter: it is nested deeper than 32 levels, which is the limit",
        ),
    ] {
        assert_eq!(filter.validate().unwrap_err().to_string(), text);
    }
}
