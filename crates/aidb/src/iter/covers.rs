//! The deleted ranges of all sources of an iterator, asked at the keys that it comes to.
//!
//! What was found at a key holds in a window around it, so that most keys cost a comparison, and the iterator can leave
//! the window in one step: what the sources below the one with the range hold there is older, and gone.

use std::sync::Arc;

use bytes::Bytes;

use crate::error::Result;
use crate::key::SeqNo;
use crate::range_deletes::RangeDeletes;

/// The deleted ranges of one source.
pub(crate) trait RangeSource: Send + Sync {
    /// What holds at `user_key` as of `at`, and how far around it at least.
    fn window(&self, user_key: &[u8], at: SeqNo) -> Result<Window>;
}

/// A range of keys for which the same holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Window {
    /// The newest delete; none: nothing is deleted.
    pub(crate) hidden: Option<SeqNo>,
    /// The first key of the window; none: it begins with the first of all.
    pub(crate) lower: Option<Bytes>,
    /// The first key after the window; none: it ends with the last of all.
    pub(crate) upper: Option<Bytes>,
}

impl Window {
    fn holds(&self, user_key: &[u8]) -> bool {
        self.lower
            .as_ref()
            .is_none_or(|lower| &lower[..] <= user_key)
            && self
                .upper
                .as_ref()
                .is_none_or(|upper| user_key < &upper[..])
    }

    /// The part that lies within both.
    pub(crate) fn cut(&mut self, lower: Option<Bytes>, upper: Option<Bytes>) {
        if lower > self.lower {
            self.lower = lower;
        }
        self.upper = match (self.upper.take(), upper) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
    }
}

impl RangeSource for Arc<RangeDeletes> {
    fn window(&self, user_key: &[u8], at: SeqNo) -> Result<Window> {
        let around = self.around(user_key);
        Ok(Window {
            hidden: around.piece.and_then(|piece| piece.newest(at)),
            lower: around.lower.cloned(),
            upper: around.upper.cloned(),
        })
    }
}

/// The deletes of all sources, as of one moment.
#[derive(Default)]
pub(crate) struct Covers {
    /// With the rank of each: that of the cursor with the same source's entries. Newest first.
    sources: Vec<(usize, Box<dyn RangeSource>)>,
    at: SeqNo,
    window: Option<Window>,
    /// The first rank with a delete in the window.
    rank: usize,
}

impl Covers {
    /// Of `sources`, as of `at`.
    pub(crate) fn new(sources: Vec<(usize, Box<dyn RangeSource>)>, at: SeqNo) -> Covers {
        Covers {
            sources,
            at,
            window: None,
            rank: 0,
        }
    }

    /// True when nothing is deleted anywhere.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.sources.is_empty()
    }

    /// What holds at `user_key`; and the rank below which everything in the window is older than its delete.
    pub(crate) fn at(&mut self, user_key: &[u8]) -> Result<(&Window, usize)> {
        if self
            .window
            .as_ref()
            .is_none_or(|window| !window.holds(user_key))
        {
            self.window = None;
            let (window, rank) = self.look(user_key)?;
            self.window = Some(window);
            self.rank = rank;
        }
        Ok((self.window.get_or_insert_default(), self.rank))
    }

    fn look(&self, user_key: &[u8]) -> Result<(Window, usize)> {
        let mut all = Window::default();
        let mut first = usize::MAX;
        for (rank, source) in &self.sources {
            let window = source.window(user_key, self.at)?;
            if window.hidden.is_some() {
                first = first.min(*rank);
            }
            all.hidden = all.hidden.max(window.hidden);
            all.cut(window.lower, window.upper);
        }
        Ok((all, first))
    }
}

impl std::fmt::Debug for Covers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Covers")
            .field("sources", &self.sources.len())
            .field("at", &self.at)
            .field("window", &self.window)
            .finish_non_exhaustive()
    }
}
