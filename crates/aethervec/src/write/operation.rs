//! What can be written: one change to one document, and under which condition.

use crate::document::Document;
use crate::filter::Filter;
use crate::id::DocId;
use crate::write::patch::Patch;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A change to one document, and when it is made.
///
/// ```
/// use aethervec::{AetherDB, Document, Filter, IndexConfig, Outcome, Patch, Write};
/// use serde_json::json;
/// # let dir = tempfile::tempdir().unwrap();
/// # let db = AetherDB::open(dir.path())?;
/// let notes = db.create_collection("notes", 2, "l2", IndexConfig::default())?;
/// let draft = Document::new(vec![0.0, 1.0], "a").with_payload(json!({"state": "draft", "version": 1}));
/// let outcomes = notes.apply_batch(vec![
///     Write::upsert(draft.clone()).if_absent(),
///     Write::upsert(draft).if_absent(),
///     Write::patch("a", Patch::new().merge(json!({"version": 2}))).if_matches(Filter::eq("version", 1)),
///     Write::delete("a").if_matches(Filter::eq("state", "obsolete")),
/// ])?;
/// assert_eq!(outcomes, [Outcome::Inserted, Outcome::Exists, Outcome::Patched, Outcome::NotMatched]);
/// # Ok::<(), aethervec::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Write {
    pub(super) change: Change,
    pub(super) condition: Option<Condition>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Change {
    Upsert(Document),
    Patch(DocId, Patch),
    Delete(DocId),
}

/// When a [`Write`] is made.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Condition {
    /// There is no document of this id.
    Absent,
    /// There is one.
    Present,
    /// There is one that satisfies this.
    Matches(Arc<Filter>),
}

/// What a [`Write`] came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Outcome {
    /// The document was not there before.
    Inserted,
    /// It took the place of one with the same id.
    Replaced,
    /// A part of it was changed.
    Patched,
    /// It was there, and is not any more.
    Deleted,
    /// Nothing was done: there is no such document.
    NotFound,
    /// Nothing was done: there is such a document already.
    Exists,
    /// Nothing was done: the document does not satisfy the filter.
    NotMatched,
}

impl Outcome {
    /// Its name, as JSON has it.
    pub fn name(self) -> &'static str {
        match self {
            Outcome::Inserted => "inserted",
            Outcome::Replaced => "replaced",
            Outcome::Patched => "patched",
            Outcome::Deleted => "deleted",
            Outcome::NotFound => "not_found",
            Outcome::Exists => "exists",
            Outcome::NotMatched => "not_matched",
        }
    }

    /// Whether something was done.
    pub fn is_applied(self) -> bool {
        use Outcome::{Deleted, Inserted, Patched, Replaced};
        matches!(self, Inserted | Replaced | Patched | Deleted)
    }
}

impl Write {
    /// The document is written, in place of the one with the same id if there is one.
    pub fn upsert(document: Document) -> Write {
        Write::of(Change::Upsert(document))
    }

    /// The document called `id` is changed, if there is one.
    pub fn patch(id: impl Into<DocId>, patch: Patch) -> Write {
        Write::of(Change::Patch(id.into(), patch))
    }

    /// The document called `id` is removed, if there is one.
    pub fn delete(id: impl Into<DocId>) -> Write {
        Write::of(Change::Delete(id.into()))
    }

    /// Only if there is no document of this id.
    #[must_use]
    pub fn if_absent(self) -> Write {
        self.when(Condition::Absent)
    }

    /// Only if there is a document of this id.
    #[must_use]
    pub fn if_present(self) -> Write {
        self.when(Condition::Present)
    }

    /// Only if there is a document of this id, and it satisfies `filter` as it is before.
    #[must_use]
    pub fn if_matches(self, filter: Filter) -> Write {
        self.when(Condition::Matches(Arc::new(filter)))
    }

    /// Whether it writes a whole document, which may be a new one.
    pub fn is_upsert(&self) -> bool {
        matches!(self.change, Change::Upsert(_))
    }

    /// The document that it is about.
    pub fn id(&self) -> &DocId {
        match &self.change {
            Change::Upsert(document) => &document.id,
            Change::Patch(id, _) | Change::Delete(id) => id,
        }
    }

    fn of(change: Change) -> Write {
        Write {
            change,
            condition: None,
        }
    }

    fn when(self, condition: Condition) -> Write {
        Write {
            condition: Some(condition),
            ..self
        }
    }
}
