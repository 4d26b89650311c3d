//! `apply`: writes in JSON, all in one commit.

use super::ask::request_text;
use crate::args::apply::Apply;
use crate::failure::{Failure, Outcome};
use crate::human;
use crate::session::{Session, collection};
use aethervec::Write;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// `aethervec apply`.
pub(crate) fn run(session: &Session, args: &Apply) -> Outcome {
    let writes = writes(&request_text(&args.writes)?)?;
    session.with_existing(|db| {
        let collection = collection(db, &args.collection)?;
        let outcomes = collection.apply_batch(writes)?;
        let applied = outcomes
            .iter()
            .filter(|outcome| outcome.is_applied())
            .count();
        let names: Vec<Value> = outcomes.iter().map(|outcome| json!(outcome)).collect();
        let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
        for name in names.iter().filter_map(Value::as_str) {
            *counts.entry(name).or_default() += 1;
        }
        let counts: Vec<String> = counts
            .iter()
            .map(|(name, count)| format!("{} {}", human::count(*count), name.replace('_', " ")))
            .collect();
        session.out.object(&json!({
            "collection": args.collection,
            "writes": names.len(),
            "applied": applied,
            "outcomes": names,
        }));
        session.out.line(match &counts[..] {
            [] => "no writes".to_owned(),
            counts => counts.join(", "),
        });
        Ok(())
    })
}

/// A write from each line that is not empty; or one, over several lines.
fn writes(text: &str) -> Outcome<Vec<Write>> {
    if let Ok(write) = Write::from_json(text) {
        return Ok(vec![write]);
    }
    let lines = text.lines().enumerate();
    let lines = lines.filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(number, line)| {
            Write::from_json(line)
                .map_err(|error| Failure::invalid(format!("line {}: {error}", number + 1)))
        })
        .collect()
}
