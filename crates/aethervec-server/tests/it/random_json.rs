//! Bodies that nobody thought of: made after the schemas of the server's own description, and then not quite. Whatever comes, the
//! answer is never that the server failed.

use crate::common::{Running, seeds};
use fastrand::Rng;
use reqwest::Method;
use serde_json::{Map, Value, json};

/// Requests that are sent.
const REQUESTS: usize = 2_000;

/// Texts that mean something, somewhere.
const TEXTS: [&str; 14] = [
    "notes",
    "",
    "lang",
    "a.b[]",
    "..",
    "1",
    "four",
    "cosine",
    "2024-01-01T00:00:00Z",
    "\u{0}",
    "é\"\\\n",
    "9999999999999999999999",
    "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz",
    "00000000-0000-0000-0000-000000000000",
];

/// Makes values after schemas.
struct Maker<'d> {
    rng: Rng,
    description: &'d Value,
}

impl Maker<'_> {
    fn text(&mut self) -> String {
        let known = TEXTS[self.rng.usize(..TEXTS.len())];
        match self.rng.u8(..8) {
            0 => (0..self.rng.usize(..20))
                .map(|_| self.rng.char(..))
                .collect(),
            _ => known.to_owned(),
        }
    }

    fn number(&mut self) -> Value {
        match self.rng.u8(..10) {
            0 => json!(u64::MAX),
            1 => json!(i64::MIN),
            2 => json!(1e308),
            3 => json!(-0.0),
            4 => json!(0.5),
            5 => json!(1_000_000),
            _ => json!(self.rng.i32(-2..12)),
        }
    }

    /// Anything at all.
    fn anything(&mut self, depth: usize) -> Value {
        match self.rng.u8(..if depth == 0 { 4 } else { 6 }) {
            0 => Value::Null,
            1 => json!(self.rng.bool()),
            2 => self.number(),
            3 => json!(self.text()),
            4 => (0..self.rng.usize(..4))
                .map(|_| self.anything(depth - 1))
                .collect(),
            _ => {
                let fields =
                    (0..self.rng.usize(..4)).map(|_| (self.text(), self.anything(depth - 1)));
                Value::Object(fields.collect())
            }
        }
    }

    /// What `schema` describes, or nearly.
    fn value(&mut self, schema: &Value, depth: usize) -> Value {
        if depth == 0 || self.rng.u8(..40) == 0 {
            return self.anything(2);
        }
        if let Some(name) = schema["$ref"].as_str() {
            let description = self.description;
            let path = name.strip_prefix('#').unwrap();
            return self.value(description.pointer(path).unwrap(), depth - 1);
        }
        for choice in ["oneOf", "anyOf", "enum"] {
            if let Some(choices) = schema[choice].as_array() {
                let chosen = &choices[self.rng.usize(..choices.len())];
                return match choice {
                    "enum" => chosen.clone(),
                    _ => self.value(chosen, depth - 1),
                };
            }
        }
        if let Some(parts) = schema["allOf"].as_array() {
            let mut all = Map::new();
            for part in parts {
                if let Value::Object(fields) = self.value(part, depth - 1) {
                    all.extend(fields);
                }
            }
            return Value::Object(all);
        }
        let kind = match &schema["type"] {
            Value::Array(kinds) => kinds[self.rng.usize(..kinds.len())].as_str(),
            kind => kind.as_str(),
        };
        match kind {
            Some("object") => self.object(schema, depth),
            Some("array") => {
                let count = self.rng.usize(..4);
                (0..count)
                    .map(|_| self.value(&schema["items"], depth - 1))
                    .collect()
            }
            Some("integer" | "number") => self.number(),
            Some("string") => json!(self.text()),
            Some("boolean") => json!(self.rng.bool()),
            Some("null") => Value::Null,
            _ => self.anything(2),
        }
    }

    fn object(&mut self, schema: &Value, depth: usize) -> Value {
        let none = Vec::new();
        let required = schema["required"].as_array().unwrap_or(&none);
        let mut fields = Map::new();
        for (name, part) in schema["properties"].as_object().unwrap_or(&Map::new()) {
            let wanted = required.iter().any(|required| required == name);
            if self.rng.u8(..20) != 0 && (wanted || self.rng.u8(..3) == 0) {
                fields.insert(name.clone(), self.value(part, depth - 1));
            }
        }
        if schema["additionalProperties"].is_object() {
            for _ in 0..self.rng.usize(..3) {
                let value = self.value(&schema["additionalProperties"], depth - 1);
                fields.insert(self.text(), value);
            }
        }
        Value::Object(fields)
    }
}

/// As a part of an address.
fn escaped(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02x}")).collect()
}

/// A route of the description, with what it takes.
struct Route {
    method: Method,
    path: String,
    body: Option<Value>,
    parameters: Vec<String>,
}

fn routes(description: &Value) -> Vec<Route> {
    let mut routes = Vec::new();
    for (path, item) in description["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let Ok(method) = Method::from_bytes(method.to_uppercase().as_bytes()) else {
                continue;
            };
            if !operation["responses"].is_object() {
                continue;
            }
            let parameters = operation["parameters"].as_array();
            let named = parameters.into_iter().flatten();
            let named = named.filter(|parameter| parameter["in"] == "query");
            let body = operation.pointer("/requestBody/content/application~1json/schema");
            routes.push(Route {
                method,
                path: path.clone(),
                body: body.cloned(),
                parameters: named
                    .map(|parameter| parameter["name"].as_str().unwrap().to_owned())
                    .collect(),
            });
        }
    }
    routes
}

#[tokio::test]
async fn whatever_comes_is_answered() {
    for seed in seeds() {
        whatever_comes_with(seed).await;
    }
}

async fn whatever_comes_with(seed: u64) {
    let server = Running::start().await;
    let (_, description) = server.get("/openapi.json").await;
    let routes = routes(&description);
    let mut maker = Maker {
        rng: Rng::with_seed(seed),
        description: &description,
    };
    for number in 0..REQUESTS {
        if number % 200 == 0 {
            // What was there may have been dropped.
            server.put("/v1/collections/notes", json!({"dim": 2})).await;
        }
        let route = &routes[maker.rng.usize(..routes.len())];
        let mut path = route.path.clone();
        while let Some((before, rest)) = path.split_once('{') {
            let (name, behind) = rest.split_once('}').unwrap();
            let part = match name {
                "collection" if maker.rng.u8(..4) != 0 => "notes".to_owned(),
                _ => maker.text(),
            };
            path = format!("{before}{}{behind}", escaped(&part));
        }
        for parameter in &route.parameters {
            if maker.rng.u8(..4) == 0 {
                let before = if path.contains('?') { '&' } else { '?' };
                let value = escaped(&maker.text());
                path = format!("{path}{before}{parameter}={value}");
            }
        }
        let url = server.url(&path);
        let mut request = server.http.request(route.method.clone(), url);
        let mut sent = Vec::new();
        if let Some(schema) = &route.body {
            sent = serde_json::to_vec(&maker.value(schema, 12)).unwrap();
            if maker.rng.u8(..10) == 0 && !sent.is_empty() {
                let place = maker.rng.usize(..sent.len());
                sent[place] = maker.rng.u8(..);
            }
            request = request
                .header("content-type", "application/json")
                .body(sent.clone());
        }
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        let body = response.text().await.unwrap();
        assert!(
            status < 500 || status == 501,
            "request {number}: {} {path}: {status} {body}\n{}",
            route.method,
            String::from_utf8_lossy(&sent)
        );
    }
    server.stop().await;
}
