//! A write, step by step:
//!
//! 1. `prepare`: validate everything, and bring vectors and payloads into the form in which they are stored;
//! 2. under the collection's writer lock, `resolve`: look at the documents as they are, judge conditions, apply patches;
//! 3. `commit`: one batch for one or several collections; from its return on everybody sees it;
//! 4. without the lock: wait until it is durable.
//!
//! A transaction takes steps 1 and 2 for each of its writes, on what it sees itself and without any lock, and step 3 when it
//! is complete.
//!
//! A failure before the end of 3 leaves nothing behind but unused numbers.

mod by_filter;
mod commit;
mod json;
mod operation;
mod patch;
mod prepare;
mod resolve;

pub use operation::{Outcome, Write};
pub use patch::Patch;

pub(crate) use commit::{Part, commit};
#[cfg(feature = "arrow")]
pub(crate) use patch::set;
pub(crate) use prepare::Prepared;
pub(crate) use resolve::{Resolved, resolve};

use crate::error::Result;
use crate::index::core::Core;
use crate::validate;
use crate::version::Version;
use crate::view::CollectionView;
use aidb::Commit;
use std::sync::Arc;

/// A write that is visible, and not yet known to be durable.
#[derive(Debug)]
pub(crate) struct Written {
    pub(crate) resolved: Resolved,
    /// `None`: there was nothing to write.
    pub(crate) commit: Option<Commit>,
}

/// Makes `prepared` visible, all of it at once.
pub(crate) fn write(core: &Arc<Core>, prepared: Prepared) -> Result<Written> {
    let _writer = core.writer.lock();
    prepared.check_fields(&core.fields.load_full())?;
    let view = CollectionView::newest(core)?;
    let resolved = resolve(&view, prepared)?;
    let new = resolved
        .changes
        .iter()
        .filter_map(|change| change.new.as_ref());
    validate::transaction_bytes(new.map(Version::bytes).sum())?;
    let mut commit = None;
    if !resolved.changes.is_empty() {
        let part = Part {
            core,
            changes: &resolved.changes,
        };
        commit = Some(self::commit(&[part], |batch| core.db.submit(batch))?);
    }
    Ok(Written { resolved, commit })
}
