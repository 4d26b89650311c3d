//! Strict mode: what requests of a collection may ask for, as somebody has declared with it. Off, or not declared: everything.

use crate::qdrant::convert::{self, Declared};
use crate::qdrant::error::{Failure, Result};
use crate::qdrant::model::{
    BatchVectors, Condition, FacetRequest, Filter, GroupsRequest, MatrixRequest, PointVectors,
    Prefetch, QueryRequest, ScrollRequest, SearchParams, Selector, StrictMode, UpdateOperation,
    Upsert, Vector,
};
use aethervec::{Collection, Path};
use std::fmt::Display;

/// What is asked for when a request says nothing.
const LIMIT_DEFAULT: usize = 10;

/// The strict mode of a collection.
#[derive(Debug)]
pub(crate) struct Strict {
    rules: StrictMode,
    /// What has a payload index.
    indexed: Vec<Path>,
    points: u64,
}

impl Strict {
    /// That of `collection`; `None` when everything is allowed.
    pub(crate) fn of(collection: &Collection) -> Result<Option<Strict>> {
        let (declared, _) = Declared::split(&collection.schema().metadata);
        let Some(rules) = declared.strict_mode_config else {
            return Ok(None);
        };
        let rules = convert::strict_mode(&rules)?;
        if rules.enabled != Some(true) {
            return Ok(None);
        }
        let indexes = collection.payload_indexes().into_iter();
        Ok(Some(Strict {
            indexed: indexes.map(|index| index.path).collect(),
            points: collection.count()?,
            rules,
        }))
    }

    pub(crate) fn query(&self, request: &QueryRequest) -> Result<()> {
        self.limit(request.limit)?;
        self.params(request.params.as_ref())?;
        self.reads(request.filter.as_ref())?;
        self.stages(&request.prefetch)
    }

    pub(crate) fn query_batch(&self, requests: &[QueryRequest]) -> Result<()> {
        let (len, max) = (requests.len(), self.rules.search_max_batchsize);
        at_most("search batch size", len, max)?;
        requests.iter().try_for_each(|request| self.query(request))
    }

    pub(crate) fn groups(&self, request: &GroupsRequest) -> Result<()> {
        self.query(&request.query)?;
        if self.rules.unindexed_filtering_retrieve == Some(false) {
            self.indexed(&request.group_by)?;
        }
        Ok(())
    }

    pub(crate) fn scroll(&self, request: &ScrollRequest) -> Result<()> {
        self.limit(request.limit)?;
        self.reads(request.filter.as_ref())
    }

    pub(crate) fn facet(&self, request: &FacetRequest) -> Result<()> {
        self.limit(request.limit)?;
        self.reads(request.filter.as_ref())
    }

    pub(crate) fn matrix(&self, request: &MatrixRequest) -> Result<()> {
        self.limit(request.limit)?;
        self.reads(request.filter.as_ref())
    }

    /// A filter of points that are read.
    pub(crate) fn reads(&self, filter: Option<&Filter>) -> Result<()> {
        self.filter(filter, self.rules.unindexed_filtering_retrieve)
    }

    pub(crate) fn change(&self, operation: &UpdateOperation) -> Result<()> {
        match operation {
            UpdateOperation::Upsert(upsert) => self.upsert(upsert),
            UpdateOperation::UpdateVectors(update) => {
                self.batch(update.points.len())?;
                self.writes(update.update_filter.as_ref())?;
                let mut points = update.points.iter();
                points.try_for_each(|point| self.vectors(&point.vector))
            }
            UpdateOperation::Delete(selector) | UpdateOperation::ClearPayload(selector) => {
                self.selector(selector)
            }
            UpdateOperation::SetPayload(set) | UpdateOperation::OverwritePayload(set) => {
                self.selector(&set.selector)
            }
            UpdateOperation::DeletePayload(delete) => self.selector(&delete.selector),
            UpdateOperation::DeleteVectors(delete) => self.selector(&delete.selector),
        }
    }

    /// One payload index more.
    pub(crate) fn new_index(&self) -> Result<()> {
        let max = self.rules.max_payload_index_count;
        at_most("payload index count", self.indexed.len() + 1, max)
    }

    fn upsert(&self, upsert: &Upsert) -> Result<()> {
        let points = upsert.points.as_deref().unwrap_or_default();
        let columns = upsert.batch.as_ref().map_or(0, |batch| batch.ids.len());
        self.batch(points.len() + columns)?;
        self.writes(upsert.update_filter.as_ref())?;
        if let Some(max) = self.rules.max_points_count {
            at_most("points count", self.points + 1, Some(max))?;
        }
        points
            .iter()
            .try_for_each(|point| self.vectors(&point.vector))?;
        match upsert.batch.as_ref().map(|batch| &batch.vectors) {
            None => Ok(()),
            Some(BatchVectors::Default(vectors)) => {
                vectors.iter().try_for_each(|it| self.vector("", it))
            }
            Some(BatchVectors::Named(columns)) => columns.iter().try_for_each(|(name, vectors)| {
                vectors.iter().try_for_each(|it| self.vector(name, it))
            }),
        }
    }

    fn vectors(&self, vectors: &PointVectors) -> Result<()> {
        match vectors {
            PointVectors::Default(vector) => self.vector("", vector),
            PointVectors::Named(vectors) => vectors
                .iter()
                .try_for_each(|(name, vector)| self.vector(name, vector)),
        }
    }

    fn vector(&self, name: &str, vector: &Vector) -> Result<()> {
        match vector {
            Vector::Dense(_) => Ok(()),
            Vector::Multi(vectors) => {
                let rules = self.rules.multivector_config.get(name);
                at_most(
                    "multivector",
                    vectors.len(),
                    rules.and_then(|it| it.max_vectors),
                )
            }
            Vector::Sparse { indices, .. } => {
                let rules = self.rules.sparse_config.get(name);
                at_most(
                    "sparse vector",
                    indices.len(),
                    rules.and_then(|it| it.max_length),
                )
            }
        }
    }

    fn stages(&self, stages: &[Prefetch]) -> Result<()> {
        stages.iter().try_for_each(|stage| {
            self.limit(stage.limit)?;
            self.params(stage.params.as_ref())?;
            self.reads(stage.filter.as_ref())?;
            self.stages(&stage.prefetch)
        })
    }

    fn limit(&self, limit: Option<usize>) -> Result<()> {
        let limit = limit.unwrap_or(LIMIT_DEFAULT);
        at_most("limit", limit, self.rules.max_query_limit)
    }

    fn batch(&self, len: usize) -> Result<()> {
        at_most("upsert limit", len, self.rules.upsert_max_batchsize)
    }

    fn params(&self, params: Option<&SearchParams>) -> Result<()> {
        let Some(params) = params else { return Ok(()) };
        if params.exact == Some(true) && self.rules.search_allow_exact == Some(false) {
            return Err(Failure::strict(
                "Exact search disabled!",
                "Set exact=false.",
            ));
        }
        if let Some(ef) = params.hnsw_ef {
            at_most("hnsw_ef", ef, self.rules.search_max_hnsw_ef)?;
        }
        let quantization = params.quantization.as_ref();
        match quantization.and_then(|quantization| quantization.oversampling) {
            Some(times) => at_most("oversampling", times, self.rules.search_max_oversampling),
            None => Ok(()),
        }
    }

    fn selector(&self, selector: &Selector) -> Result<()> {
        self.writes(selector.filter.as_ref())
    }

    fn writes(&self, filter: Option<&Filter>) -> Result<()> {
        self.filter(filter, self.rules.unindexed_filtering_update)
    }

    fn filter(&self, filter: Option<&Filter>, unindexed: Option<bool>) -> Result<()> {
        let Some(filter) = filter else { return Ok(()) };
        let mut conditions = Vec::new();
        gather(filter, "", &mut conditions);
        if self
            .rules
            .filter_max_conditions
            .is_some_and(|max| conditions.len() > max)
        {
            return Err(Failure::strict(
                format!(
                    "Filter condition limit reached ({} conditions)",
                    conditions.len()
                ),
                "Reduce the amount of conditions of your filter.",
            ));
        }
        let sizes = conditions.iter().map(|(_, condition)| size(condition));
        let size = sizes.max().unwrap_or_default();
        if self.rules.condition_max_size.is_some_and(|max| size > max) {
            return Err(Failure::strict(
                format!("Condition size limit reached ({size} values)"),
                "Reduce the size of your condition.",
            ));
        }
        if unindexed != Some(false) {
            return Ok(());
        }
        let mut keys = conditions.into_iter().filter_map(|(key, _)| key);
        keys.try_for_each(|key| self.indexed(&key))
    }

    fn indexed(&self, key: &str) -> Result<()> {
        if self.indexed.contains(&convert::path(key)?) {
            return Ok(());
        }
        Err(Failure::strict(
            format!("Index required but not found for \"{key}\""),
            "Create an index for this key or use a different filter.",
        ))
    }
}

fn at_most<T: PartialOrd + Display>(name: &str, value: T, max: Option<T>) -> Result<()> {
    match max {
        Some(max) if value > max => Err(Failure::strict(
            format!("Limit exceeded {value} > {max} for \"{name}\""),
            format!("Reduce the \"{name}\" parameter to or below {max}."),
        )),
        _ => Ok(()),
    }
}

/// All conditions of a filter that ask something of a point, each with the whole key of its field.
fn gather<'f>(filter: &'f Filter, above: &str, all: &mut Vec<(Option<String>, &'f Condition)>) {
    let some = filter.min_should.iter().flat_map(|some| &some.conditions);
    let conditions = filter.must.iter().chain(&filter.should);
    for condition in conditions.chain(&filter.must_not).chain(some) {
        gather_one(condition, above, all);
    }
}

fn gather_one<'f>(
    condition: &'f Condition,
    above: &str,
    all: &mut Vec<(Option<String>, &'f Condition)>,
) {
    if let Some(nested) = &condition.nested {
        let key = nested.key.trim_end_matches("[]");
        return gather(&nested.filter, &format!("{above}{key}[]."), all);
    }
    let some = condition
        .min_should
        .iter()
        .flat_map(|some| &some.conditions);
    let inner = condition.must.iter().chain(&condition.should);
    let inner: Vec<&Condition> = inner.chain(&condition.must_not).chain(some).collect();
    if inner.is_empty() {
        let key = condition.field().map(|key| format!("{above}{key}"));
        return all.push((key, condition));
    }
    for condition in inner {
        gather_one(condition, above, all);
    }
}

/// How many values a condition compares with.
fn size(condition: &Condition) -> usize {
    let ids = condition.has_id.as_ref().map(Vec::len);
    let values = condition.r#match.as_ref();
    let values = values.and_then(|values| values.any.as_ref().or(values.except.as_ref()));
    let polygon = condition.geo_polygon.as_ref();
    let points = polygon.map(|polygon| {
        let interiors = polygon.interiors.iter().flatten();
        let rings = std::iter::once(&polygon.exterior).chain(interiors);
        rings.map(|ring| ring.points.len()).sum()
    });
    ids.or(values.map(Vec::len)).or(points).unwrap_or_default()
}
