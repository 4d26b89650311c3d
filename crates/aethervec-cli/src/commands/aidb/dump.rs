//! `aidb dump`: one line per thing in a file.

use super::text::Form;
use crate::failure::{Exit, Failure, Outcome};
use crate::output::Output;
use aidb::ErrorKind;
use aidb::inspect::{self, Field, Item};
use serde_json::{Map, Value, json};
use std::path::Path;

/// `aethervec aidb dump`.
pub(super) fn run(out: Output, form: Form, file: &Path) -> Outcome {
    inspect::file(file, &mut |item| {
        out.object(&as_json(form, &item));
        out.line(as_line(form, &item));
    })
    .map_err(|error| match error.kind() {
        ErrorKind::Corruption => Failure::new(Exit::Damaged, "corruption", error.to_string()),
        _ => error.into(),
    })
}

fn as_line(form: Form, item: &Item) -> String {
    let at = item.at.map_or(String::new(), |at| at.to_string());
    let mut line = format!("{at:>10}  {:<13}", item.what);
    for (name, field) in &item.fields {
        line.push_str(&format!("  {name}={}", show(form, field)));
    }
    line
}

fn as_json(form: Form, item: &Item) -> Value {
    let mut object = Map::new();
    object.insert("what".to_owned(), json!(item.what));
    object.extend(item.at.map(|at| ("at".to_owned(), json!(at))));
    for (name, field) in &item.fields {
        let value = match field {
            Field::Number(number) => json!(number),
            other => json!(show(form, other)),
        };
        object.insert((*name).to_owned(), value);
    }
    Value::Object(object)
}

fn show(form: Form, field: &Field) -> String {
    match field {
        Field::Number(number) => number.to_string(),
        Field::Text(text) => text.clone(),
        Field::Bytes(bytes) => form.show(bytes),
    }
}
