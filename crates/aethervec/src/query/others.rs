//! Which other collections a query looks into: for whoever decides whether it may.

use super::groups::GroupRequest;
use super::input::Input;
use super::kinds::{ContextPair, Query};
use super::request::{Prefetch, QueryRequest};
use std::collections::BTreeSet;

impl QueryRequest {
    /// The collections that vectors of examples are taken from, other than the one that is queried.
    ///
    /// ```
    /// use aethervec::QueryRequest;
    ///
    /// let request = QueryRequest::from_json(r#"{"query": {"nearest": {"id": 7, "collection": "people"}}}"#)?;
    /// assert_eq!(request.other_collections(), ["people"].into());
    /// # Ok::<(), aethervec::Error>(())
    /// ```
    pub fn other_collections(&self) -> BTreeSet<&str> {
        let mut names = BTreeSet::new();
        of_stage(self.query.as_ref(), &self.prefetch, &mut names);
        names
    }
}

impl GroupRequest {
    /// The collections that vectors of examples, and what groups carry, are taken from.
    pub fn other_collections(&self) -> BTreeSet<&str> {
        let mut names = self.query.other_collections();
        names.extend(self.lookup.as_ref().map(|lookup| &*lookup.collection));
        names
    }
}

fn of_stage<'q>(query: Option<&'q Query>, prefetch: &'q [Prefetch], names: &mut BTreeSet<&'q str>) {
    let inputs = query.map(inputs).unwrap_or_default();
    let named = inputs.into_iter().filter_map(|input| match input {
        Input::Document(document) => document.collection.as_deref(),
        Input::Vector(_) => None,
    });
    names.extend(named);
    for stage in prefetch {
        of_stage(stage.query.as_ref(), &stage.prefetch, names);
    }
}

/// All vectors that a query names.
fn inputs(query: &Query) -> Vec<&Input> {
    match query {
        Query::Nearest(input) => vec![input],
        Query::Mmr(mmr) => vec![&mmr.nearest],
        Query::Recommend(recommend) => recommend
            .positive
            .iter()
            .chain(&recommend.negative)
            .collect(),
        Query::Discover(discover) => {
            let pairs = discover.context.iter().flat_map(of_pair);
            std::iter::once(&discover.target).chain(pairs).collect()
        }
        Query::Context(pairs) => pairs.iter().flat_map(of_pair).collect(),
        Query::Text(_)
        | Query::Rrf(_)
        | Query::Dbsf(_)
        | Query::Formula(_)
        | Query::OrderBy(_)
        | Query::Sample(_) => Vec::new(),
    }
}

fn of_pair(pair: &ContextPair) -> [&Input; 2] {
    [&pair.positive, &pair.negative]
}
