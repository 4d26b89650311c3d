//! The shape of a graph, and what one search wants of it.

use crate::{Error, Result};

/// The shape of a graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HnswParams {
    /// Links per node above layer 0 (layer 0 keeps twice as many). More: recall and memory rise.
    pub m: u16,
    /// Candidates held while inserting. More: recall rises, build time rises in proportion.
    pub ef_construction: u16,
}

impl HnswParams {
    /// What suits most data.
    pub const DEFAULT: HnswParams = HnswParams {
        m: 24,
        ef_construction: 160,
    };

    /// The least `m`: with fewer links a graph falls apart.
    pub const M_MIN: u16 = 2;

    /// The most `m`.
    pub const M_MAX: u16 = 512;

    pub(super) fn validate(self) -> Result<HnswParams> {
        if !(HnswParams::M_MIN..=HnswParams::M_MAX).contains(&self.m) {
            let (min, max) = (HnswParams::M_MIN, HnswParams::M_MAX);
            return Err(Error::invalid(format!(
                "m is {}, but must be {min} to {max}",
                self.m
            )));
        }
        if self.ef_construction == 0 {
            return Err(Error::invalid(
                "ef_construction is 0, but must be at least 1",
            ));
        }
        Ok(self)
    }
}

/// What one search wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SearchParams {
    /// Points to return.
    pub k: usize,
    /// Candidates held while searching, about; at least `k` are. More: recall and time rise. In a graph, a search without a filter
    /// holds half to four times as many, up to where points are as far from the query as the last of so many usually is: that finds more for the
    /// same work than as many for each query.
    pub ef: usize,
    /// Return also points that were removed but are still in the graph: for readers of old snapshots.
    pub include_dead: bool,
}
