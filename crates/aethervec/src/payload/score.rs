//! BM25: how well the texts of points suit some words.

use crate::error::Result;
use crate::filter::Path;
use crate::payload::kind::PayloadIndexKind;
use crate::payload::text::Totals;
use crate::view::CollectionView;
use aidb::SeqNo;
use parking_lot::Mutex;
use roaring::RoaringTreemap;
use std::collections::HashMap;

/// The totals over the texts that were visible after a commit, of so many documents: they change with the next commit, or when
/// a document ends.
#[derive(Debug, Default)]
pub(crate) struct KnownTotals(Mutex<Option<(SeqNo, u64, Totals)>>);

impl KnownTotals {
    fn get(&self, at: SeqNo, documents: u64, count: impl FnOnce() -> Totals) -> Totals {
        let mut known = self.0.lock();
        match *known {
            Some((seq, of, totals)) if seq == at && of == documents => totals,
            _ => {
                let totals = count();
                *known = Some((at, documents, totals));
                totals
            }
        }
    }
}

impl CollectionView {
    /// The BM25 scores of those of `points` whose text at `path` has one of the words of `query`. How rare words are and how long
    /// texts are, is counted over `visible`: all that the view sees. An array of texts counts as one text. `None` when there is
    /// no complete index of texts that folds them, or does not, as `fold` says.
    pub(crate) fn text_scores(
        &self,
        path: &Path,
        query: &str,
        fold: bool,
        points: &RoaringTreemap,
        visible: &RoaringTreemap,
    ) -> Result<Option<HashMap<u64, f32>>> {
        let kind = if fold {
            PayloadIndexKind::FoldedText
        } else {
            PayloadIndexKind::Text
        };
        let indexes = self.core.payload.indexes();
        let index = indexes.iter().find(|index| {
            index.kind == kind && index.path == *path && index.is_usable_at(self.snapshot.seq())
        });
        let Some(index) = index else { return Ok(None) };
        let (Some(memory), Some(tokenizer)) = (index.load(&self.core)?, kind.tokenizer()) else {
            return Ok(None);
        };
        let Some(text) = memory.text_of() else {
            return Ok(None);
        };
        let at = self.core.payload.visible.version(self.snapshot.seq());
        let totals = index.totals.get(at, visible.len(), || text.totals(visible));
        let mut words = tokenizer.words(query);
        words.sort_unstable();
        words.dedup();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        Ok(Some(text.scores(&words, points, visible, totals)))
    }
}
