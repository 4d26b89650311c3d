//! What is asked of collections, for all protocols of the native API: each question is noted, should it take too long.

use crate::call::Call;
use crate::error::ApiResult;
use crate::observe::request::asking;
use crate::observe::shape;
use aethervec::{
    DocId, Document, FacetCount, FacetRequest, Filter, GroupRequest, Hit, Matrix, MatrixRequest,
    QueryGroup, QueryRequest, QueryResponse, ScrollPage, ScrollRequest, SearchRequest,
};

/// Errors: as [`Call::read`], or those of the method of the same name of a collection.
impl Call {
    /// What is near to a vector.
    pub(crate) fn search(&self, name: &str, request: SearchRequest<'_>) -> ApiResult<Vec<Hit>> {
        let ask = || {
            self.read(
                name,
                |collection| collection.search_with(request),
                |view| view.search_with(request),
            )
        };
        asking(name, || shape::search(&request), ask)
    }

    /// What each of several searches finds, in one state.
    pub(crate) fn search_batch(
        &self,
        name: &str,
        requests: &[SearchRequest<'_>],
    ) -> ApiResult<Vec<Vec<Hit>>> {
        let ask = || Ok(self.view(name)?.search_batch(requests)?);
        asking(name, || shape::of_several(requests, shape::search), ask)
    }

    /// What a query finds.
    pub(crate) fn query(&self, name: &str, request: &QueryRequest) -> ApiResult<QueryResponse> {
        let ask = || {
            self.allow_reading(request.other_collections())?;
            self.read(
                name,
                |collection| collection.query(request),
                |view| view.query(request),
            )
        };
        asking(name, || shape::of(request), ask)
    }

    /// What each of several queries finds, in one state.
    pub(crate) fn query_batch(
        &self,
        name: &str,
        requests: &[QueryRequest],
    ) -> ApiResult<Vec<QueryResponse>> {
        let ask = || {
            self.allow_reading(requests.iter().flat_map(QueryRequest::other_collections))?;
            self.read(
                name,
                |collection| collection.query_batch(requests),
                |view| view.query_batch(requests),
            )
        };
        asking(name, || shape::of_several(requests, shape::of), ask)
    }

    /// What a query finds, by a value of the payload.
    pub(crate) fn query_groups(
        &self,
        name: &str,
        request: &GroupRequest,
    ) -> ApiResult<Vec<QueryGroup>> {
        let ask = || {
            self.allow_reading(request.other_collections())?;
            self.read(
                name,
                |collection| collection.query_groups(request),
                |view| view.query_groups(request),
            )
        };
        asking(name, || shape::of(request), ask)
    }

    /// The most frequent values of a payload field.
    pub(crate) fn facet(&self, name: &str, request: &FacetRequest) -> ApiResult<Vec<FacetCount>> {
        let ask = || Ok(self.view(name)?.facet(request)?);
        asking(name, || shape::facet(request), ask)
    }

    /// How near the documents of a sample are to each other.
    pub(crate) fn matrix(&self, name: &str, request: &MatrixRequest) -> ApiResult<Matrix> {
        let ask = || Ok(self.view(name)?.matrix(request)?);
        asking(name, || shape::of(request), ask)
    }

    /// The documents called so, in this order.
    pub(crate) fn get_batch(&self, name: &str, ids: &[DocId]) -> ApiResult<Vec<Option<Document>>> {
        let ask = || {
            self.read(
                name,
                |collection| collection.get_batch(ids),
                |view| view.get_batch(ids),
            )
        };
        asking(name, || shape::get(ids), ask)
    }

    /// A page of documents, in the order of their ids.
    pub(crate) fn scroll(&self, name: &str, request: &ScrollRequest) -> ApiResult<ScrollPage> {
        let ask = || Ok(self.view(name)?.scroll(request.clone())?);
        asking(name, || shape::scroll(request), ask)
    }

    /// How many documents there are, or how many satisfy a filter.
    pub(crate) fn count(&self, name: &str, filter: Option<&Filter>) -> ApiResult<u64> {
        let ask = || match filter {
            Some(filter) => Ok(self.view(name)?.count_matching(filter)?),
            None => self.read(name, |collection| collection.count(), |view| view.count()),
        };
        asking(name, || shape::count(filter), ask)
    }
}
