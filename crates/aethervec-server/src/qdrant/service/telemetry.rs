//! What a server says of itself.

use crate::qdrant::access::Access;
use crate::qdrant::error::Result;
use crate::qdrant::model::{CollectionsTelemetry, Telemetry};
use std::sync::LazyLock;
use uuid::Uuid;

/// What tells this process from another one.
static PROCESS: LazyLock<Uuid> = LazyLock::new(Uuid::new_v4);

/// Who answers, and how many collections there are that the caller may see.
pub(crate) fn telemetry(db: &Access<'_>) -> Result<Telemetry> {
    let collections = db.collections().into_iter();
    let seen = collections.filter(|info| db.sees(&info.name));
    Ok(Telemetry {
        id: PROCESS.to_string(),
        collections: CollectionsTelemetry {
            number_of_collections: seen.count(),
        },
    })
}
