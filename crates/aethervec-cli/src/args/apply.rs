//! Writes that are spelled in JSON. Every text here is read by users.

use clap::Args;

/// Make writes in JSON: upserts, patches and deletes with conditions, all in one commit
///
/// One write per line. Each tells what came of it: inserted, replaced, patched, deleted, or why nothing was done: not_found, exists,
/// not_matched.
#[derive(Debug, Args)]
#[command(after_help = after!(
    "aethervec apply notes '{\"upsert\": {\"id\": 7, \"vector\": [0.1, 0.2]}, \"if\": \"absent\"}'"
    "aethervec apply notes '{\"patch\": {\"id\": 7, \"payload\": [{\"merge\": {\"lang\": \"en\"}}]}}'"
    "aethervec apply notes '{\"delete\": 7, \"if\": {\"matches\": {\"field\": \"state\", \"eq\": \"draft\"}}}'"
    "aethervec apply notes writes.jsonl --json | jq .outcomes"
))]
pub(crate) struct Apply {
    /// Collection to write to
    pub(crate) collection: String,
    /// File with the writes; - is standard input; or one JSON object itself
    #[arg(value_name = "FILE")]
    pub(crate) writes: String,
}
