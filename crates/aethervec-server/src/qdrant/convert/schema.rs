//! How collections and indexes are declared.
//!
//! What the engine has is in its schema, and read from there. What it does not have (how Qdrant would lay out files, how it would be
//! replicated, what is only shown again) is kept as [`Declared`], an object in the metadata of the collection.

use super::path;
use crate::qdrant::error::{Failure, Result};
use crate::qdrant::model::{
    CreateCollection, CreateFieldIndex, Datatype, Distance, FieldSchema, Object, StrictMode,
    UpdateCollection, VectorParams, VectorsConfig,
};
use aethervec::{
    CollectionSchema, DenseField, ElementType, HnswParams, IndexConfig, Metric, MultiField, Path,
    PayloadIndexKind, SparseField, VectorField, limits,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Where [`Declared`] is in the metadata of a collection.
const KEY: &str = "qdrant";

/// What was declared and has no place in the engine's schema.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Declared {
    /// Replication, and where payloads are.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub(crate) params: Object,
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub(crate) hnsw_config: Object,
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub(crate) optimizers_config: Object,
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub(crate) wal_config: Object,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) quantization_config: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) strict_mode_config: Option<Object>,
    /// Whether the vector without a name was declared among those with names, and is shown so.
    #[serde(skip_serializing_if = "is_false")]
    pub(crate) is_named: bool,
    /// Of dense vectors, what is beside size, distance and type.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) vectors: BTreeMap<String, Object>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) sparse_vectors: BTreeMap<String, Object>,
    /// Parameters of payload indexes, by key.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) indexes: BTreeMap<String, Object>,
}

impl Declared {
    /// That of a collection with this metadata, and what else is there, which is the user's. A collection that was made by another API
    /// has none.
    pub(crate) fn split(metadata: &Object) -> (Declared, Object) {
        let mut rest = metadata.clone();
        let declared = rest.remove(KEY);
        let declared = declared.and_then(|value| serde_json::from_value(value).ok());
        (declared.unwrap_or_default(), rest)
    }

    /// The metadata of a collection with this and with what is the user's.
    pub(crate) fn join(&self, mut rest: Object) -> Result<Object> {
        let declared = serde_json::to_value(self).map_err(Failure::internal)?;
        rest.insert(KEY.to_owned(), declared);
        Ok(rest)
    }

    /// Takes over what `update` changes; `rest` is the user's metadata.
    pub(crate) fn update(&mut self, update: UpdateCollection, rest: &mut Object) -> Result<()> {
        merge(&mut self.params, update.params);
        merge(&mut self.hnsw_config, update.hnsw_config);
        merge(&mut self.optimizers_config, update.optimizers_config);
        if let Some(quantization) = update.quantization_config {
            let is_off = quantization.as_str() == Some("Disabled");
            self.quantization_config = (!is_off).then_some(quantization);
        }
        if update.strict_mode_config.is_some() {
            let rules = self.strict_mode_config.get_or_insert_default();
            merge(rules, update.strict_mode_config);
            strict_mode(rules)?;
        }
        for (name, params) in update.vectors.unwrap_or_default() {
            merge(self.vectors.entry(name).or_default(), Some(params));
        }
        for (name, params) in update.sparse_vectors.unwrap_or_default() {
            merge(self.sparse_vectors.entry(name).or_default(), Some(params));
        }
        merge(rest, update.metadata);
        Ok(())
    }
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands out references"
)]
fn is_false(flag: &bool) -> bool {
    !flag
}

/// Puts the fields of `changes` into `object`; those that are `null` are taken out.
fn merge(object: &mut Object, changes: Option<Object>) {
    for (key, value) in changes.unwrap_or_default() {
        if value.is_null() {
            object.remove(&key);
        } else {
            object.insert(key, value);
        }
    }
}

/// The rules of a strict mode; fails for one that this server cannot keep.
pub(crate) fn strict_mode(rules: &Object) -> Result<StrictMode> {
    let given = rules
        .clone()
        .into_iter()
        .filter(|(_, rule)| !rule.is_null());
    serde_json::from_value(Value::Object(given.collect()))
        .map_err(|error| Failure::unsupported(format!("strict_mode_config: {error}: this")))
}

/// The field for sparse vectors.
pub(crate) fn new_sparse_field(params: &Object) -> Result<SparseField> {
    let idf = match params.get("modifier").and_then(Value::as_str) {
        None | Some("none") => false,
        Some("idf") => true,
        Some(modifier) => {
            return Err(Failure::format(format!("unknown modifier `{modifier}`")));
        }
    };
    Ok(SparseField { idf })
}

/// The schema of a new collection, with its metadata.
pub(crate) fn new_collection(create: CreateCollection) -> Result<CollectionSchema> {
    if let Some(rules) = &create.strict_mode_config {
        strict_mode(rules)?;
    }
    if create
        .sharding_method
        .as_deref()
        .is_some_and(|method| method != "auto")
    {
        return Err(Failure::unsupported("custom sharding"));
    }
    let mut declared = Declared {
        hnsw_config: create.hnsw_config.unwrap_or_default(),
        optimizers_config: create.optimizers_config.unwrap_or_default(),
        wal_config: create.wal_config.unwrap_or_default(),
        quantization_config: create.quantization_config,
        strict_mode_config: create.strict_mode_config,
        ..Declared::default()
    };
    let params = [
        ("shard_number", create.shard_number.map(Value::from)),
        (
            "replication_factor",
            create.replication_factor.map(Value::from),
        ),
        (
            "write_consistency_factor",
            create.write_consistency_factor.map(Value::from),
        ),
        ("on_disk_payload", create.on_disk_payload.map(Value::from)),
        ("payload", create.payload.map(Value::from)),
    ];
    for (name, value) in params {
        if let Some(value) = value {
            declared.params.insert(name.to_owned(), value);
        }
    }
    let mut schema = CollectionSchema::default();
    let vectors = match create.vectors {
        None => BTreeMap::new(),
        Some(VectorsConfig::Single(params)) => BTreeMap::from([(String::new(), params)]),
        Some(VectorsConfig::Named(vectors)) => {
            declared.is_named = true;
            vectors
        }
    };
    for (name, params) in vectors {
        let field = new_field(&name, &params, &declared.hnsw_config)?;
        declared.vectors.insert(name.clone(), extras(params)?);
        schema.fields.insert(name, field);
    }
    for (name, params) in create.sparse_vectors.unwrap_or_default() {
        let params = params.unwrap_or_default();
        let field = new_sparse_field(&params)?.into();
        declared.sparse_vectors.insert(name.clone(), params);
        if schema.fields.insert(name.clone(), field).is_some() {
            return Err(Failure::wrong(format!(
                "the dense and sparse vectors have the same name `{name}`"
            )));
        }
    }
    schema.metadata = declared.join(create.metadata.unwrap_or_default())?;
    Ok(schema)
}

/// What is kept of the parameters of a vector beside its field.
pub(crate) fn extras(params: VectorParams) -> Result<Object> {
    let value = serde_json::to_value(params).map_err(Failure::internal)?;
    let Value::Object(mut extras) = value else {
        return Ok(Object::new());
    };
    for known in ["size", "distance"] {
        extras.remove(known);
    }
    Ok(extras)
}

/// The field for a dense vector, with the collection's parameters of graphs where it has none of its own. It has a graph only
/// if somebody asks for one; else what suits its vectors, and what suits them then as they become more.
pub(crate) fn new_field(name: &str, params: &VectorParams, hnsw: &Object) -> Result<VectorField> {
    if !(1..=limits::DIM_MAX).contains(&params.size) {
        let must = format!("from 1 to {}", limits::DIM_MAX);
        return Err(Failure::out_of_range("vectors.size", params.size, &must));
    }
    let metric = match params.distance {
        Distance::Cosine => Metric::Cosine,
        Distance::Euclid => Metric::L2Squared,
        Distance::Dot => Metric::InnerProduct,
        Distance::Manhattan => {
            return Err(Failure::unsupported(format!(
                "the distance Manhattan (of vector `{name}`)"
            )));
        }
    };
    let element = match params.datatype {
        None | Some(Datatype::Float32) => ElementType::F32,
        Some(Datatype::Float16) => ElementType::F16,
        Some(Datatype::Uint8) => ElementType::U8,
        Some(Datatype::Turbo4 | Datatype::Turbo8 | Datatype::Turbo16) => {
            return Err(Failure::unsupported(format!(
                "a turbo data type (of vector `{name}`)"
            )));
        }
    };
    if params.multivector_config.is_some() {
        return Ok(VectorField::Multi(MultiField {
            dim: params.size,
            metric,
            element,
        }));
    }
    let own = params.hnsw_config.as_ref();
    let number = |name: &str| {
        let own = own.and_then(|own| own.get(name)).and_then(Value::as_u64);
        own.or_else(|| hnsw.get(name).and_then(Value::as_u64))
    };
    let index = match (number("m"), number("ef_construct")) {
        (Some(0), _) => IndexConfig::Flat,
        (None, None) => IndexConfig::default(),
        (m, ef_construct) => IndexConfig::Hnsw(HnswParams {
            m: within(m, HnswParams::DEFAULT.m, limits::M_RANGE),
            ef_construction: within(
                ef_construct,
                HnswParams::DEFAULT.ef_construction,
                limits::EF_CONSTRUCTION_RANGE,
            ),
        }),
    };
    Ok(VectorField::Dense(DenseField {
        dim: params.size,
        metric,
        element,
        index,
    }))
}

/// The number nearest to `wanted` that is allowed.
fn within(wanted: Option<u64>, default: u16, range: std::ops::RangeInclusive<u16>) -> u16 {
    let wanted = wanted.map_or(default, |number| u16::try_from(number).unwrap_or(u16::MAX));
    wanted.clamp(*range.start(), *range.end())
}

/// An index of a payload key that is to be made.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct NewIndex {
    pub(crate) path: Path,
    pub(crate) kind: PayloadIndexKind,
    /// Its parameters, to be shown again.
    pub(crate) params: Option<Object>,
}

/// The index that `create` asks for.
pub(crate) fn new_index(create: CreateFieldIndex) -> Result<NewIndex> {
    let (name, params) = match create.field_schema {
        Some(FieldSchema::Type(name)) => (name, None),
        Some(FieldSchema::Params(params)) => {
            let name = params.get("type").and_then(Value::as_str);
            let name = name.ok_or_else(|| Failure::format("field_schema: `type` is missing"))?;
            (name.to_owned(), Some(params.clone()))
        }
        None => {
            return Err(Failure::wrong(
                "field_schema: it is needed: the type of an index is not guessed",
            ));
        }
    };
    let known = PayloadIndexKind::ALL
        .into_iter()
        .filter(|kind| *kind != PayloadIndexKind::FoldedText);
    let mut found = known.filter(|kind| kind.name() == name);
    let kind = found
        .next()
        .ok_or_else(|| Failure::format(format!("field_schema: unknown type `{name}`")))?;
    if let Some(params) = &params {
        check_params(params)?;
    }
    Ok(NewIndex {
        path: path(&create.field_name)?,
        kind,
        params,
    })
}

/// Fails for parameters that would change what is found, and are not done here.
fn check_params(params: &Object) -> Result<()> {
    let is = |name: &str, value: bool| params.get(name) == Some(&Value::Bool(value));
    let given = |name: &str| params.get(name).is_some_and(|value| !value.is_null());
    let unsupported = [
        (is("lowercase", false), "text with `lowercase: false`"),
        (is("ascii_folding", true), "`ascii_folding` of a text index"),
        (given("stopwords"), "`stopwords` of a text index"),
        (given("stemmer"), "a `stemmer` of a text index"),
        (given("min_token_len"), "`min_token_len` of a text index"),
        (given("max_token_len"), "`max_token_len` of a text index"),
        (given("scoring"), "`scoring` of a text index"),
        (given("nested"), "`nested` of an index"),
    ];
    match unsupported.iter().find(|(is_given, _)| *is_given) {
        Some((_, what)) => Err(Failure::unsupported(what)),
        None => Ok(()),
    }
}
