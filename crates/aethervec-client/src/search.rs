//! Searches and queries of a collection.

use crate::call::Rpc;
use crate::collection::{Collection, from_json, from_value, number, to_json};
use crate::error::Result;
use crate::found::{Found, Group, GroupsJson, Hit};
use aethervec::{
    FacetCount, FacetRequest, GroupRequest, Matrix, MatrixRequest, QueryRequest, QueryVector,
    SearchRequest, VectorValue,
};
use aethervec_proto::v1;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// Searches and queries.
impl Collection {
    /// The `k` documents nearest to `vector` in the default field, nearest first.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) when the vector is none of the field, or `k` is none that can be.
    pub async fn search<'a>(
        &self,
        vector: impl Into<QueryVector<'a>>,
        k: usize,
    ) -> Result<Vec<Hit>> {
        self.search_with(SearchRequest::new(vector, k)).await
    }

    /// What a search finds.
    ///
    /// ```no_run
    /// use aethervec_client::{Filter, SearchRequest, VectorDatabaseClient};
    ///
    /// # async fn example(client: VectorDatabaseClient) -> Result<(), Box<dyn std::error::Error>> {
    /// let english = Filter::parse(r#"lang = "en" and year >= 2020"#)?;
    /// let request = SearchRequest {
    ///     filter: Some(&english),
    ///     recall: Some(0.98),
    ///     ..SearchRequest::new(&[0.1; 128], 10)
    /// };
    /// for hit in client.collection("notes").search_with(request).await? {
    ///     println!("{} {:.3}", hit.id, hit.score);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) when the request is not acceptable.
    pub async fn search_with(&self, request: SearchRequest<'_>) -> Result<Vec<Hit>> {
        let filter = request.filter.map(|filter| to_json("filter", filter));
        let search = v1::SearchRequest {
            collection: self.name.clone(),
            vector: Some(value(request.vector).into()),
            k: Some(number(request.k)),
            using: request.using.to_owned(),
            filter: filter.transpose()?,
            recall: request.recall,
            ef: request.ef.map(number),
            exact: request.exact,
            without_payload: !request.with_payload,
            with_vectors: request.with_vectors,
            at: self.at.clone(),
        };
        let send = |mut rpc: Rpc, request| async move { rpc.search(request).await };
        let found = self.caller.read(search, send).await?;
        found.hits.into_iter().map(Hit::try_from).collect()
    }

    /// What a query finds: several stages, fusion, formulas, pages.
    ///
    /// ```no_run
    /// use aethervec_client::{Prefetch, Query, QueryRequest, VectorDatabaseClient};
    ///
    /// # async fn example(client: VectorDatabaseClient) -> aethervec_client::Result<()> {
    /// let request = QueryRequest::new(Query::rrf())
    ///     .prefetch(Prefetch::new(Query::nearest([0.9, 0.1])).limit(50))
    ///     .prefetch(Prefetch::new(Query::text("body", "red house")).limit(50))
    ///     .limit(10);
    /// let found = client.collection("notes").query(&request).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) when the request is not acceptable.
    pub async fn query(&self, request: &QueryRequest) -> Result<Found> {
        let query = v1::QueryRequest {
            collection: self.name.clone(),
            query: to_json("query", request)?,
            at: self.at.clone(),
        };
        let send = |mut rpc: Rpc, request| async move { rpc.query(request).await };
        self.caller.read(query, send).await?.try_into()
    }

    /// What several queries find, all of one state, in their order.
    ///
    /// # Errors
    /// As [`query`](Collection::query).
    pub async fn query_batch(&self, requests: &[QueryRequest]) -> Result<Vec<Found>> {
        let queries = requests.iter().map(|request| to_json("query", request));
        let queries = v1::QueryBatchRequest {
            collection: self.name.clone(),
            queries: queries.collect::<Result<_>>()?,
            at: self.at.clone(),
        };
        let send = |mut rpc: Rpc, request| async move { rpc.query_batch(request).await };
        let results = self.caller.read(queries, send).await?.results.into_iter();
        results.map(Found::try_from).collect()
    }

    /// The hits of a query in groups by a value of their payload.
    ///
    /// # Errors
    /// As [`query`](Collection::query).
    pub async fn query_groups(&self, request: &GroupRequest) -> Result<Vec<Group>> {
        let question = v1::ask_request::Question::Groups(to_json("groups", request)?);
        let groups: GroupsJson = self.ask(question).await?;
        Ok(groups.into())
    }

    /// The most frequent values of a payload field, counted exactly.
    ///
    /// # Errors
    /// As [`query`](Collection::query).
    pub async fn facet(&self, request: &FacetRequest) -> Result<Vec<FacetCount>> {
        let facet = json!({
            "path": request.path.to_string(),
            "filter": request.filter,
            "limit": request.limit,
        });
        let question = v1::ask_request::Question::Facet(facet.to_string());
        let mut answer: Value = self.ask(question).await?;
        let values: Vec<Value> = from_value(answer["values"].take())?;
        let count = |mut counted: Value| {
            Ok(FacetCount {
                count: from_value(counted["count"].take())?,
                value: counted["value"].take(),
            })
        };
        values.into_iter().map(count).collect()
    }

    /// How near some documents are to each other.
    ///
    /// # Errors
    /// As [`query`](Collection::query).
    pub async fn matrix(&self, request: &MatrixRequest) -> Result<Matrix> {
        let question = v1::ask_request::Question::Matrix(to_json("matrix", request)?);
        self.ask(question).await
    }

    async fn ask<T: DeserializeOwned>(&self, question: v1::ask_request::Question) -> Result<T> {
        let ask = v1::AskRequest {
            collection: self.name.clone(),
            at: self.at.clone(),
            question: Some(question),
        };
        let send = |mut rpc: Rpc, request| async move { rpc.ask(request).await };
        from_json(&self.caller.read(ask, send).await?.answer)
    }
}

fn value(vector: QueryVector<'_>) -> VectorValue {
    match vector {
        QueryVector::Dense(vector) => VectorValue::from(vector.to_vec()),
        QueryVector::Binary(vector) => VectorValue::Binary(vector.clone()),
        QueryVector::Sparse(vector) => VectorValue::Sparse(vector.clone()),
        QueryVector::Multi(vector) => VectorValue::Multi(vector.clone()),
    }
}
