//! Compaction filters: a say in what compactions keep.

use std::fmt;

/// What becomes of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It stays.
    Keep,
    /// The key has no value any more.
    Remove,
    /// The key has this value instead.
    Replace(Vec<u8>),
}

/// Looks at the values that a compaction meets, and may remove or replace them.
///
/// It sees the newest value of a key, and only when no snapshot that is held reads it: what a snapshot, a transaction or
/// an iterator has seen stays as it is. A snapshot that is taken while the compaction runs may see either. A value may be
/// looked at many times, or never (before it is compacted, and when its table is moved as a whole), so that the
/// answer should depend on nothing but its arguments and, at most, the time. Operands of merges are not shown, only the
/// value that they make.
pub trait CompactionFilter: Send + Sync {
    /// Its name, for messages.
    fn name(&self) -> &str;

    /// What becomes of the value of `key`.
    fn filter(&self, key: &[u8], value: &[u8]) -> Decision;
}

impl fmt::Debug for dyn CompactionFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CompactionFilter")
            .field(&self.name())
            .finish()
    }
}

/// By name.
impl PartialEq for dyn CompactionFilter {
    fn eq(&self, other: &dyn CompactionFilter) -> bool {
        self.name() == other.name()
    }
}

impl Eq for dyn CompactionFilter {}
