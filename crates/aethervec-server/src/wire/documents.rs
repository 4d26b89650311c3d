//! Documents out and in.

use super::language;
use aethervec::{DocId, Document, Filter, Outcome, Patch, ScrollPage, Upserted, Write};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Documents to write; one with a known id takes the place of that document.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Upsert {
    #[schema(value_type = Vec<language::Document>)]
    pub(crate) documents: Vec<Document>,
}

/// What an upsert did.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct UpsertAnswer {
    /// Documents that were not there before.
    pub(crate) inserted: usize,
    /// Documents that took the place of one with the same id.
    pub(crate) replaced: usize,
}

/// Writes that are made together, or not at all.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Writes {
    #[schema(value_type = Vec<language::Write>)]
    pub(crate) writes: Vec<Write>,
}

/// What came of each write.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Outcomes {
    /// In the order of the writes.
    #[schema(value_type = Vec<language::OutcomeName>)]
    pub(crate) outcomes: Vec<Outcome>,
}

/// A change to all documents for which a filter holds.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PatchBy {
    #[schema(value_type = language::Filter)]
    pub(crate) filter: Filter,
    #[schema(value_type = language::Patch)]
    pub(crate) patch: Patch,
}

/// Which documents to remove: by their ids, or all for which a filter holds.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Delete {
    #[schema(value_type = Option<Vec<language::DocId>>)]
    pub(crate) ids: Option<Vec<DocId>>,
    #[schema(value_type = Option<language::Filter>)]
    pub(crate) filter: Option<Filter>,
}

/// How many documents were changed.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Changed {
    pub(crate) changed: u64,
}

/// Which documents to read.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Ids {
    #[schema(value_type = Vec<language::DocId>)]
    pub(crate) ids: Vec<DocId>,
}

/// Documents, in the order of the ids that were asked for; null for those that are not there.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Documents {
    #[schema(value_type = Vec<Option<language::Document>>)]
    pub(crate) documents: Vec<Option<Document>>,
}

/// Which page of the documents to read, in the order of their ids.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Scroll {
    /// Only documents behind this id.
    #[schema(value_type = Option<language::DocId>)]
    pub(crate) after: Option<DocId>,
    /// How many at most.
    #[serde(default = "scroll_limit")]
    pub(crate) limit: usize,
}

/// A page of documents.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Page {
    #[schema(value_type = Vec<language::Document>)]
    pub(crate) documents: Vec<Document>,
    /// What to put into `after` for the next page; not there when there is nothing more.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<language::DocId>)]
    pub(crate) next: Option<DocId>,
}

/// Which documents to count; none: all.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Count {
    #[schema(value_type = Option<language::Filter>)]
    pub(crate) filter: Option<Filter>,
}

/// How many there are.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Counted {
    pub(crate) count: u64,
}

fn scroll_limit() -> usize {
    100
}

impl From<Upserted> for UpsertAnswer {
    fn from(upserted: Upserted) -> UpsertAnswer {
        UpsertAnswer {
            inserted: upserted.inserted,
            replaced: upserted.replaced,
        }
    }
}

impl UpsertAnswer {
    /// What writes came to that are all upserts.
    pub(crate) fn of(outcomes: &[Outcome]) -> UpsertAnswer {
        let count = |wanted| {
            outcomes
                .iter()
                .filter(|outcome| **outcome == wanted)
                .count()
        };
        UpsertAnswer {
            inserted: count(Outcome::Inserted),
            replaced: count(Outcome::Replaced),
        }
    }
}

impl From<ScrollPage> for Page {
    fn from(page: ScrollPage) -> Page {
        Page {
            documents: page.documents,
            next: page.next,
        }
    }
}
