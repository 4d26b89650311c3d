//! `index`: payload indexes.

use super::Stopwatch;
use crate::args::ask::{OneIndex, PayloadIndex, PayloadIndexCommand};
use crate::failure::{Failure, Outcome};
use crate::human;
use crate::progress::{Progress, Unit};
use crate::session::{Session, collection};
use aethervec::{Path, PayloadIndexInfo, PayloadIndexState};
use serde_json::{Value, json};

/// `aethervec index`.
pub(crate) fn run(session: &Session, args: &PayloadIndex) -> Outcome {
    match &args.command {
        PayloadIndexCommand::Create { index, no_wait } => create(session, index, *no_wait),
        PayloadIndexCommand::Drop { index } => drop_index(session, index),
        PayloadIndexCommand::List { collection } => list(session, collection),
    }
}

fn create(session: &Session, index: &OneIndex, no_wait: bool) -> Outcome {
    session.with_existing(|db| {
        let collection = collection(db, &index.collection)?;
        let path = Path::parse(&index.path)?;
        let watch = Stopwatch::start();
        collection.create_payload_index(&path, index.kind)?;
        if !no_wait {
            let _progress = Progress::begin("indexing", None, Unit::Items);
            collection.wait_payload_indexes()?;
        }
        let indexes = collection.payload_indexes();
        let created = indexes
            .iter()
            .find(|found| found.path == path && found.kind == index.kind)
            .ok_or_else(|| Failure::not_found("the index was dropped meanwhile"))?;
        session.out.object(&described(created));
        session.out.line(format!(
            "index {path} ({}): {} after {}",
            index.kind,
            state(created),
            human::duration(watch.elapsed())
        ));
        Ok(())
    })
}

fn drop_index(session: &Session, index: &OneIndex) -> Outcome {
    session.with_existing(|db| {
        let collection = collection(db, &index.collection)?;
        let path = Path::parse(&index.path)?;
        if !collection.drop_payload_index(&path, index.kind)? {
            return Err(Failure::not_found(format!(
                "collection {:?} has no {} index of {path}",
                index.collection, index.kind
            )));
        }
        session
            .out
            .object(&json!({"path": path.to_string(), "kind": index.kind.name(), "dropped": true}));
        session
            .out
            .line(format!("dropped index {path} ({})", index.kind));
        Ok(())
    })
}

fn list(session: &Session, name: &str) -> Outcome {
    session.with_existing(|db| {
        let indexes = collection(db, name)?.payload_indexes();
        let mut rows = vec![["path", "kind", "state"].map(str::to_owned).to_vec()];
        for index in &indexes {
            session.out.object(&described(index));
            rows.push(vec![
                index.path.to_string(),
                index.kind.to_string(),
                state(index),
            ]);
        }
        match indexes.len() {
            0 => session
                .out
                .line("no payload indexes: `aethervec index create` makes one"),
            _ => session.out.table(&rows),
        }
        Ok(())
    })
}

fn described(index: &PayloadIndexInfo) -> Value {
    let mut object = json!({"path": index.path.to_string(), "kind": index.kind.name()});
    match index.state {
        PayloadIndexState::Building { left } => {
            object["state"] = json!("building");
            object["left"] = json!(left);
        }
        PayloadIndexState::Ready => object["state"] = json!("ready"),
    }
    object
}

fn state(index: &PayloadIndexInfo) -> String {
    match index.state {
        PayloadIndexState::Building { left } => {
            format!("building, {} to go", human::counted(left, "document"))
        }
        PayloadIndexState::Ready => "ready".to_owned(),
    }
}
