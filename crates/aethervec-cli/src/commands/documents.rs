//! `get`, `delete`, `list` (of documents).

use super::shown;
use crate::args::{Delete, Get, List};
use crate::failure::{Failure, Outcome};
use crate::human;
use crate::import::id_from_text;
use crate::session::{Session, collection};
use aethervec::limits::{BATCH_DOCUMENTS_MAX, SCROLL_LIMIT_MAX};
use aethervec::{Collection, DocId, Document, Filter, ScrollRequest, Vector, VectorValue};
use serde_json::json;

/// Documents read at a time.
const PAGE: usize = 500;
/// Components of a vector that people are shown.
const SHOWN: usize = 8;

/// `aethervec get`.
pub(crate) fn get(session: &Session, args: &Get) -> Outcome {
    session.with_existing(|db| {
        let collection = collection(db, &args.collection)?;
        let ids = parse_ids(&args.ids)?;
        let mut missing = Vec::new();
        for (id, found) in ids.iter().zip(collection.get_batch(&ids)?) {
            let Some(document) = found else {
                missing.push(id.to_string());
                continue;
            };
            session.out.object(&shown::document(&document, true));
            print(session, &document);
        }
        not_found(&args.collection, &missing)
    })
}

fn print(session: &Session, document: &Document) {
    let out = session.out;
    out.line(out.bold(&document.id.to_string()));
    for (field, vector) in document.vectors.iter() {
        print_vector(session, field, vector);
    }
    if let Some(expires_at) = document.expires_at {
        out.line(format!("  expires  {expires_at}"));
    }
    if let Some(payload) = &document.payload {
        let text = serde_json::to_string_pretty(payload).unwrap_or_else(|_| payload.to_string());
        out.line(format!(
            "  payload  {}",
            text.replace('\n', "\n           ")
        ));
    }
}

fn print_vector(session: &Session, field: &str, vector: &VectorValue) {
    let label = if field.is_empty() { "vector" } else { field };
    let text = match vector {
        VectorValue::Dense(vector) => dense_text(vector),
        VectorValue::Binary(vector) => format!("binary, {} bits", 8 * vector.as_bytes().len()),
        VectorValue::Sparse(vector) => format!("sparse, {} components", vector.len()),
        VectorValue::Multi(vector) => format!("{} vectors of {}", vector.len(), vector.dim()),
    };
    session.out.line(format!("  {label:<7}  {text}"));
}

fn dense_text(vector: &Vector) -> String {
    let components = vector.to_f32();
    let shown: Vec<String> = match vector {
        Vector::U8(bytes) => bytes.iter().take(SHOWN).map(u8::to_string).collect(),
        _ => components
            .iter()
            .take(SHOWN)
            .map(|component| format!("{component:.4}"))
            .collect(),
    };
    let more = if components.len() > shown.len() {
        ", …"
    } else {
        ""
    };
    format!(
        "[{}{more}]  {} × {}",
        shown.join(", "),
        components.len(),
        vector.element()
    )
}

/// `aethervec delete`.
pub(crate) fn delete(session: &Session, args: &Delete) -> Outcome {
    session.with_existing(|db| {
        let collection = collection(db, &args.collection)?;
        if let Some(filter) = &args.filter.filter {
            return delete_by(session, &collection, filter);
        }
        let ids = parse_ids(&args.ids)?;
        let deleted = collection.delete_batch(&ids)?;
        let count = deleted.iter().filter(|&&was_there| was_there).count() as u64;
        let missing: Vec<&DocId> = ids
            .iter()
            .zip(&deleted)
            .filter(|(_, was_there)| !**was_there)
            .map(|(id, _)| id)
            .collect();
        session
            .out
            .object(&json!({"collection": args.collection, "deleted": count, "missing": missing}));
        session.out.line(format!(
            "deleted {}, {} left",
            human::counted(count, "document"),
            human::count(collection.count()?)
        ));
        not_found(
            &args.collection,
            &missing.iter().map(ToString::to_string).collect::<Vec<_>>(),
        )
    })
}

fn delete_by(session: &Session, collection: &Collection, filter: &Filter) -> Outcome {
    let deleted = collection.delete_by(filter)?;
    session
        .out
        .object(&json!({"collection": collection.name(), "deleted": deleted}));
    session.out.line(format!(
        "deleted {}, {} left",
        human::counted(deleted, "document"),
        human::count(collection.count()?)
    ));
    Ok(())
}

/// `aethervec list COLLECTION`.
pub(crate) fn list(session: &Session, name: &str, args: &List) -> Outcome {
    session.with_existing(|db| {
        let view = collection(db, name)?.view()?;
        let total = view.count()?;
        let mut left = if args.all { u64::MAX } else { args.limit };
        let mut after = args.after.as_deref().map(id_from_text);
        let mut rows = Vec::new();
        while left > 0 {
            let limit = usize::try_from(left)
                .unwrap_or(usize::MAX)
                .min(PAGE.min(SCROLL_LIMIT_MAX));
            let page = view.scroll(ScrollRequest { after, limit })?;
            for document in &page.documents {
                session
                    .out
                    .object(&shown::document(document, args.with_vector));
                rows.push(vec![
                    document.id.to_string(),
                    shown::payload_line(document.payload.as_ref(), 100),
                ]);
            }
            print_rows(session, &mut rows);
            left -= page.documents.len() as u64;
            after = page.next;
            if after.is_none() {
                return Ok(());
            }
        }
        if let Some(last) = after {
            session.out.line(session.out.dim(&format!(
                "… of {}; continue with --after {last}",
                human::counted(total, "document")
            )));
        }
        Ok(())
    })
}

/// A page at a time, so that the whole list need not fit into memory.
fn print_rows(session: &Session, rows: &mut Vec<Vec<String>>) {
    if !rows.is_empty() {
        rows.insert(0, vec!["id".to_owned(), "payload".to_owned()]);
        session.out.table(rows);
        rows.clear();
    }
}

fn parse_ids(texts: &[String]) -> Outcome<Vec<DocId>> {
    if texts.len() > BATCH_DOCUMENTS_MAX {
        return Err(Failure::invalid(format!(
            "{} ids: at most {BATCH_DOCUMENTS_MAX} are possible",
            texts.len()
        )));
    }
    Ok(texts.iter().map(|text| id_from_text(text)).collect())
}

fn not_found(collection: &str, missing: &[String]) -> Outcome {
    match missing {
        [] => Ok(()),
        [id] => Err(Failure::not_found(format!(
            "document {id} is not in {collection:?}"
        ))),
        _ => Err(Failure::not_found(format!(
            "documents {} are not in {collection:?}",
            missing.join(", ")
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn missing_documents_are_named() {
        assert!(not_found("c", &[]).is_ok());
        let failure = not_found("c", &["1".to_owned(), "b".to_owned()]).unwrap_err();
        assert_eq!(failure.to_string(), "documents 1, b are not in \"c\"");
        assert_eq!(
            shown::payload_line(Some(&Value::from("abcdef")), 5),
            "\"abc…"
        );
    }
}
