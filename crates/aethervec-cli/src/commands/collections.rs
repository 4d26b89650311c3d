//! `create`, `list` (of collections), `drop`.

use crate::args::index::Index;
use crate::args::{Create, Drop};
use crate::failure::{Failure, Outcome};
use crate::human;
use crate::session::{Session, collection, unknown_collection};
use aethervec::{
    AutoParams, Collection, CollectionSchema, DenseField, ElementType, ErrorKind, IndexConfig,
    Metric,
};
use serde_json::{Value, json};
use std::io::{IsTerminal, Write};

/// `aethervec create`.
pub(crate) fn create(session: &Session, args: &Create) -> Outcome {
    let field = field(
        args.dim,
        args.metric.into(),
        args.element.into(),
        &args.index,
    )?;
    let schema = CollectionSchema::of(field.clone());
    session.with(|db| {
        db.create_collection_with(&args.collection, schema.clone())?;
        Ok(())
    })?;
    session.out.object(&described(&args.collection, &schema));
    session.out.line(format!(
        "created {:?}: dim {}, {}, {}, {}",
        args.collection, field.dim, field.metric, field.element, field.index
    ));
    Ok(())
}

/// The default field of a collection, from the options of `create` and `import`.
pub(crate) fn field(
    dim: usize,
    metric: Metric,
    element: ElementType,
    index: &Index,
) -> Outcome<DenseField> {
    Ok(DenseField {
        element,
        ..DenseField::new(dim, metric, index.config()?)
    })
}

/// The default field of `collection`, which has to be dense.
pub(crate) fn default_field(collection: &Collection) -> Outcome<DenseField> {
    dense_field(collection, "")
}

/// The field `name` of `collection`, which has to be dense.
pub(crate) fn dense_field(collection: &Collection, name: &str) -> Outcome<DenseField> {
    collection.schema().dense(name).cloned().ok_or_else(|| {
        let field = match name {
            "" => "default field".to_owned(),
            _ => format!("field {name:?}"),
        };
        Failure::invalid(format!(
            "collection {:?} has no {field} of dense vectors",
            collection.name()
        ))
    })
}

/// A schema as JSON.
pub(crate) fn described(name: &str, schema: &CollectionSchema) -> Value {
    let mut object = json!({"collection": name});
    if let Some(field) = schema.dense("") {
        let index = match &field.index {
            IndexConfig::Hnsw(params) => {
                json!({"kind": "hnsw", "m": params.m, "ef_construction": params.ef_construction})
            }
            IndexConfig::Ivf(params) => {
                json!({"kind": "ivf", "bucket_points": params.bucket_points})
            }
            IndexConfig::Drift(params) => {
                json!({"kind": "drift", "bucket_points": params.bucket_points})
            }
            IndexConfig::Auto(AutoParams {
                memory_bytes_max: Some(bytes),
            }) => json!({"kind": "auto", "memory_bytes_max": bytes}),
            other => json!({"kind": other.name()}),
        };
        object["dim"] = json!(field.dim);
        object["metric"] = json!(field.metric.to_string());
        object["element"] = json!(field.element.to_string());
        object["index"] = index;
    }
    let named = schema.fields.iter().filter(|(name, _)| !name.is_empty());
    let fields: serde_json::Map<_, _> = named
        .map(|(name, field)| (name.clone(), json!(field.to_string())))
        .collect();
    if !fields.is_empty() {
        object["fields"] = Value::Object(fields);
    }
    object
}

/// Cells of a table that say what the default field is: dim, metric, element type, index.
pub(crate) fn default_field_cells(schema: &CollectionSchema) -> [String; 4] {
    match schema.dense("") {
        Some(field) => [
            field.dim.to_string(),
            field.metric.to_string(),
            field.element.to_string(),
            field.index.to_string(),
        ],
        None => Default::default(),
    }
}

/// `aethervec list`.
pub(crate) fn list(session: &Session) -> Outcome {
    session.with_existing(|db| {
        let head = [
            "collection",
            "documents",
            "dim",
            "metric",
            "element",
            "index",
        ];
        let mut rows = vec![head.map(str::to_owned).to_vec()];
        for info in db.collections() {
            let documents = collection(db, &info.name)?.count()?;
            let schema = &info.schema;
            let mut object = described(&info.name, schema);
            object["documents"] = json!(documents);
            session.out.object(&object);
            let mut row = vec![info.name.clone(), human::count(documents)];
            row.extend(default_field_cells(schema));
            rows.push(row);
        }
        match rows.len() {
            1 => session
                .out
                .line("no collections: `aethervec create` makes one"),
            _ => session.out.table(&rows),
        }
        Ok(())
    })
}

/// `aethervec drop`.
pub(crate) fn drop(session: &Session, args: &Drop) -> Outcome {
    session.with_existing(|db| {
        let name = &args.collection;
        let documents = match db.describe(name) {
            Ok(_) => collection(db, name)?.count()?,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(unknown_collection(db, name));
            }
            Err(error) => return Err(error.into()),
        };
        if !args.yes {
            confirm(&format!(
                "delete {name:?} with {}?",
                human::counted(documents, "document")
            ))?;
        }
        db.drop_collection(name)?;
        // The collection is gone; giving its space back may wait for the next opening.
        if let Err(error) = db.reclaim() {
            session
                .out
                .note(&format!("its space is not given back yet: {error}"));
        }
        session
            .out
            .object(&json!({"collection": name, "dropped": true, "documents": documents}));
        session.out.line(format!(
            "deleted {name:?} with {}",
            human::counted(documents, "document")
        ));
        Ok(())
    })
}

/// Asks on the terminal; where there is none, `--yes` is needed.
fn confirm(question: &str) -> Outcome {
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return Err(Failure::invalid(format!(
            "{question} Say --yes: there is no terminal to ask on"
        )));
    }
    let mut stderr = std::io::stderr().lock();
    let asked = write!(stderr, "{question} [y/N] ").and_then(|()| stderr.flush());
    asked.map_err(|error| Failure::failed(format!("standard error: {error}")))?;
    let mut answer = String::new();
    std::io::stdin()
        .read_line(&mut answer)
        .map_err(|error| Failure::failed(format!("standard input: {error}")))?;
    match answer.trim().to_lowercase().as_str() {
        "y" | "yes" => Ok(()),
        _ => Err(Failure::interrupted("nothing was deleted")),
    }
}
