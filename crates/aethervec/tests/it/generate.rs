//! Random payloads, and random filters that some of them satisfy.

use aethervec::{
    DocId, Filter, GeoBox, GeoPoint, GeoPolygon, Path, Scalar, Test, TextMode, TextTest, Timestamp,
    Uuid,
};
use fastrand::Rng;
use serde_json::{Map, Value, json};

const LANGS: [&str; 4] = ["en", "de", "fr", "and"];
const TAGS: [&str; 4] = ["new", "red", "a \"b\"", ""];
const WORDS: [&str; 6] = ["rust", "Café", "vector", "data", "database", "search"];
const VECTORS: [&str; 3] = ["", "image", "text"];

/// The payload of a document: each field is there or not, and now and then of an unusual kind.
pub(crate) fn payload(random: &mut Rng) -> Value {
    let mut fields = Map::new();
    let mut put = |random: &mut Rng, name: &str, value: Value| {
        let value = match random.u8(..20) {
            0..3 => return,
            3 => Value::Null,
            4 => json!([]),
            5 => json!([value.clone(), value]),
            6 => json!({"x": value}),
            _ => value,
        };
        fields.insert(name.to_owned(), value);
    };
    let lang = json!(random.choice(LANGS));
    put(random, "lang", lang);
    let year = json!(random.i64(2015..2025));
    put(random, "year", year);
    let price = json!(f64::from(random.i32(0..40)) / 4.0);
    put(random, "price", price);
    let ok = json!(random.bool());
    put(random, "ok", ok);
    let at = json!(moment(random).to_string());
    put(random, "at", at);
    let uid = json!(uuid(random).to_string().to_uppercase());
    put(random, "uid", uid);
    let place = place(random);
    put(random, "loc", json!({"lat": place.lat, "lon": place.lon}));
    let body = json!(words(random, 0..6));
    put(random, "body", body);
    let tags: Vec<&str> = (0..random.usize(..3))
        .filter_map(|_| random.choice(TAGS))
        .collect();
    put(random, "tags", json!(tags));
    let items: Vec<Value> = (0..random.usize(..3))
        .map(|_| json!({"color": random.choice(LANGS), "n": random.u8(..4)}))
        .collect();
    put(random, "odd key", json!({"in": {"items": items}}));
    Value::Object(fields)
}

/// A filter of at most so many levels.
pub(crate) fn filter(random: &mut Rng, depth: usize) -> Filter {
    if depth > 1 && random.u8(..3) > 0 {
        let count = random.usize(..4);
        let filters = (0..count).map(|_| filter(random, depth - 1)).collect();
        return match random.u8(..8) {
            0..3 => Filter::And(filters),
            3..6 => Filter::Or(filters),
            6 => Filter::at_least(random.usize(..=count + 1), filters),
            _ => Filter::Not(Box::new(filter(random, depth - 1))),
        };
    }
    match random.u8(..15) {
        0 => Filter::has_id((0..random.usize(..3)).map(|_| id(random))),
        1 => Filter::has_vector(*random.choice(&VECTORS).unwrap()),
        2 => {
            let inner = Filter::eq("color", *random.choice(&LANGS).unwrap())
                .and(Filter::lt("n", random.u8(..5)));
            Filter::nested("\"odd key\".in.items", inner)
        }
        _ => condition(random),
    }
}

fn condition(random: &mut Rng) -> Filter {
    match random.u8(..20) {
        0 => Filter::eq("lang", *random.choice(&LANGS).unwrap()),
        1 => Filter::any_of(
            "lang",
            (0..random.usize(..3)).filter_map(|_| random.choice(LANGS)),
        ),
        2 => Filter::none_of(
            "tags[]",
            (0..random.usize(..3)).filter_map(|_| random.choice(TAGS)),
        ),
        3 => Filter::except(
            "tags",
            (0..random.usize(..3)).filter_map(|_| random.choice(TAGS)),
        ),
        4 => Filter::eq("year", random.i64(2015..2025)),
        5 => Filter::range("year", random.i64(2015..2020)..random.i64(2018..2025)),
        6 => Filter::lte("price", f64::from(random.i32(0..40)) / 4.0),
        7 => Filter::gt("price", random.i32(0..10)),
        8 => Filter::eq("ok", random.bool()),
        9 => Filter::range("at", moment(random)..=moment(random)),
        10 => Filter::eq("at", Scalar::Datetime(moment(random))),
        11 => Filter::eq("uid", uuid(random)),
        12 => Filter::geo_radius("loc", place(random), f64::from(random.u32(..3_000_000))),
        13 => {
            let (a, b) = (place(random), place(random));
            let corners = GeoBox {
                top_left: GeoPoint::new(a.lat.max(b.lat), a.lon),
                bottom_right: GeoPoint::new(a.lat.min(b.lat), b.lon),
            };
            Filter::field("loc", Test::GeoBox(corners))
        }
        14 => {
            let ring = |random: &mut Rng| (0..3).map(|_| place(random)).collect::<Vec<_>>();
            let polygon = GeoPolygon {
                exterior: ring(random),
                interiors: (0..random.usize(..2)).map(|_| ring(random)).collect(),
            };
            Filter::geo_polygon("loc", polygon)
        }
        15 | 16 => {
            let modes = [
                TextMode::All,
                TextMode::Any,
                TextMode::Phrase,
                TextMode::Prefix,
            ];
            let text = TextTest {
                query: words(random, 0..3),
                mode: *random.choice(&modes).unwrap(),
                fold: random.bool(),
            };
            Filter::field("body", Test::Text(text))
        }
        17 => Filter::len("tags", random.u64(..3)..),
        18 => Filter::len("\"odd key\".in.items", random.u64(..2)..=random.u64(1..3)),
        _ => {
            let path = path(random);
            match random.u8(..3) {
                0 => Filter::exists(path),
                1 => Filter::is_null(path),
                _ => Filter::is_empty(path),
            }
        }
    }
}

fn path(random: &mut Rng) -> Path {
    let paths = [
        "lang",
        "year",
        "loc.lat",
        "tags[]",
        "\"odd key\"",
        "\"odd key\".in.items[].n",
        "missing",
        "\"not\".1",
        "len",
        "at",
        "a-b.\"\"[].null",
    ];
    Path::from(*random.choice(&paths).unwrap())
}

/// An id of any kind.
pub(crate) fn id(random: &mut Rng) -> DocId {
    match random.u8(..3) {
        0 => DocId::U64(random.u64(..50)),
        1 => DocId::Uuid(uuid(random)),
        _ => DocId::Str(format!("doc {}", random.u8(..50))),
    }
}

fn uuid(random: &mut Rng) -> Uuid {
    Uuid::from_u128(u128::from(random.u8(..8)) << 64)
}

fn moment(random: &mut Rng) -> Timestamp {
    Timestamp::from_micros(1_700_000_000_000_000 + random.i64(0..20) * 86_400_500_000)
}

fn place(random: &mut Rng) -> GeoPoint {
    let degrees = |random: &mut Rng, most: i32| f64::from(random.i32(-most..=most)) / 8.0;
    GeoPoint::new(degrees(random, 8 * 60), degrees(random, 8 * 180))
}

fn words(random: &mut Rng, count: std::ops::Range<usize>) -> String {
    let words: Vec<&str> = (0..random.usize(count))
        .filter_map(|_| random.choice(WORDS))
        .collect();
    words.join(" ")
}
