//! How far a search goes: so many candidates, and how they are found.

use super::found::slack;
use crate::document::SearchRequest;
use crate::error::Result;
use crate::index::query::FieldQuery;
use crate::plan::calibration;
use crate::plan::explain::Trace;
use crate::view::CollectionView;
use aether_index::Scratch;

/// Search effort when none is asked for, at least.
const EF_DEFAULT: usize = 128;

/// How far a search goes in one attempt.
pub(super) struct Pace {
    pub(super) fetch: usize,
    pub(super) ef: usize,
    /// Compare the codes of everything.
    pub(super) scan: bool,
}

impl Pace {
    /// `None`: by the vectors themselves, exactly.
    pub(super) fn new(
        view: &CollectionView,
        query: &FieldQuery<'_>,
        request: &SearchRequest<'_>,
        trace: &mut Trace,
    ) -> Result<Option<Pace>> {
        let k = request.k;
        let (ef, scan) = match (request.recall, request.ef) {
            _ if request.exact => return Ok(None),
            (Some(recall), _) if recall >= 1.0 => return Ok(None),
            (Some(recall), _) => trace.step(
                "calibrate",
                || calibrated(view, query, k, recall),
                |(ef, scan)| (0, format!("recall {recall}: ef {ef}, scan {scan}")),
            )?,
            (None, Some(ef)) => (ef, false),
            (None, None) => (EF_DEFAULT.max(2 * k), false),
        };
        let ef = ef.max(k);
        Ok(Some(Pace {
            fetch: (k + slack(k)).min(ef),
            ef,
            scan,
        }))
    }

    pub(super) fn widen(&mut self) {
        self.fetch = self.fetch.saturating_mul(4);
        self.ef = self.ef.max(self.fetch);
    }
}

/// The effort that gives `recall`, and whether it is to compare with everything.
fn calibrated(
    view: &CollectionView,
    query: &FieldQuery<'_>,
    k: usize,
    recall: f32,
) -> Result<(usize, bool)> {
    let graph = query
        .as_dense()
        .and_then(|(index, query)| Some((index, index.graph.load_full()?, query)));
    let Some((index, graph, query)) = graph else {
        return Ok((k, true));
    };
    match index.calibration.effort(graph.len(), k, recall) {
        calibration::Effort::Ef(ef) => Ok((ef, false)),
        calibration::Effort::Exact => Ok((k, true)),
        calibration::Effort::Sample => {
            let learn =
                |scratch: &mut Scratch| index.calibration.learn(&graph, query.vector(), scratch);
            view.core.with_scratch(learn)?;
            Ok((k, true))
        }
    }
}
