//! Payload indexes: their parameters are shown again as they came, so they become JSON and back.
#![expect(deprecated, reason = "where an index is kept is told in two ways")]

use super::config::{Fields, MEMORY, memory, word};
use crate::qdrant::error::{Failure, Result};
use crate::qdrant::model::{CreateFieldIndex, FieldSchema, Object, PayloadSchema};
use proto::payload_index_params::IndexParams;
use qdrant_client::qdrant as proto;
use serde_json::Value;

/// The index that a message asks for.
pub(super) fn index(request: proto::CreateFieldIndexCollection) -> Result<CreateFieldIndex> {
    let params = request.field_index_params.and_then(|it| it.index_params);
    let schema = match (params, request.field_type) {
        (Some(params), _) => Some(FieldSchema::Params(object(params)?)),
        (None, Some(number)) => Some(FieldSchema::Type(field_type(number)?.to_owned())),
        (None, None) => None,
    };
    Ok(CreateFieldIndex {
        field_name: request.field_name,
        field_schema: schema,
    })
}

fn field_type(number: i32) -> Result<&'static str> {
    use proto::FieldType;
    Ok(match FieldType::try_from(number) {
        Ok(FieldType::Keyword) => "keyword",
        Ok(FieldType::Integer) => "integer",
        Ok(FieldType::Float) => "float",
        Ok(FieldType::Geo) => "geo",
        Ok(FieldType::Text) => "text",
        Ok(FieldType::Bool) => "bool",
        Ok(FieldType::Datetime) => "datetime",
        Ok(FieldType::Uuid) => "uuid",
        Err(_) => return Err(Failure::wrong(format!("field_type {number} is not known"))),
    })
}

/// Parameters as JSON.
fn object(params: IndexParams) -> Result<Object> {
    let fields = Fields::default();
    let fields = match params {
        IndexParams::KeywordIndexParams(it) => fields
            .with("type", Some("keyword"))
            .with("is_tenant", it.is_tenant)
            .with("on_disk", it.on_disk)
            .with("memory", memory(it.memory))
            .with("enable_hnsw", it.enable_hnsw)
            .with("nested", it.nested),
        IndexParams::IntegerIndexParams(it) => fields
            .with("type", Some("integer"))
            .with("lookup", it.lookup)
            .with("range", it.range)
            .with("is_principal", it.is_principal)
            .with("on_disk", it.on_disk)
            .with("memory", memory(it.memory))
            .with("enable_hnsw", it.enable_hnsw)
            .with("nested", it.nested),
        IndexParams::FloatIndexParams(it) => fields
            .with("type", Some("float"))
            .with("is_principal", it.is_principal)
            .with("on_disk", it.on_disk)
            .with("memory", memory(it.memory))
            .with("enable_hnsw", it.enable_hnsw)
            .with("nested", it.nested),
        IndexParams::GeoIndexParams(it) => fields
            .with("type", Some("geo"))
            .with("on_disk", it.on_disk)
            .with("memory", memory(it.memory))
            .with("enable_hnsw", it.enable_hnsw)
            .with("nested", it.nested),
        IndexParams::BoolIndexParams(it) => fields
            .with("type", Some("bool"))
            .with("on_disk", it.on_disk)
            .with("memory", memory(it.memory))
            .with("enable_hnsw", it.enable_hnsw)
            .with("nested", it.nested),
        IndexParams::DatetimeIndexParams(it) => fields
            .with("type", Some("datetime"))
            .with("is_principal", it.is_principal)
            .with("on_disk", it.on_disk)
            .with("memory", memory(it.memory))
            .with("enable_hnsw", it.enable_hnsw)
            .with("nested", it.nested),
        IndexParams::UuidIndexParams(it) => fields
            .with("type", Some("uuid"))
            .with("is_tenant", it.is_tenant)
            .with("on_disk", it.on_disk)
            .with("memory", memory(it.memory))
            .with("enable_hnsw", it.enable_hnsw)
            .with("nested", it.nested),
        IndexParams::TextIndexParams(it) => text(it, fields)?,
    };
    Ok(fields.into_object())
}

fn text(it: proto::TextIndexParams, fields: Fields) -> Result<Fields> {
    use proto::TokenizerType;
    let tokenizer = match TokenizerType::try_from(it.tokenizer) {
        Ok(TokenizerType::Unknown) => None,
        Ok(TokenizerType::Prefix) => Some("prefix"),
        Ok(TokenizerType::Whitespace) => Some("whitespace"),
        Ok(TokenizerType::Word) => Some("word"),
        Ok(TokenizerType::Multilingual) => Some("multilingual"),
        Ok(TokenizerType::Code) => Some("code"),
        Err(_) => return Err(Failure::wrong("the tokenizer is not known")),
    };
    Ok(fields
        .with("type", Some("text"))
        .with("tokenizer", tokenizer)
        .with("lowercase", it.lowercase)
        .with("min_token_len", it.min_token_len)
        .with("max_token_len", it.max_token_len)
        .with("on_disk", it.on_disk)
        .with("memory", memory(it.memory))
        // What these say is refused, whatever it is.
        .with("stopwords", it.stopwords.map(|_| true))
        .with("stemmer", it.stemmer.map(|_| true))
        .with("scoring", it.scoring.map(|_| true))
        .with("phrase_matching", it.phrase_matching)
        .with("ascii_folding", it.ascii_folding)
        .with("enable_hnsw", it.enable_hnsw)
        .with("nested", it.nested))
}

/// An index as it is described.
pub(super) fn schema(schema: PayloadSchema) -> proto::PayloadSchemaInfo {
    use proto::PayloadSchemaType;
    let data_type = match schema.data_type {
        "keyword" => PayloadSchemaType::Keyword,
        "integer" => PayloadSchemaType::Integer,
        "float" => PayloadSchemaType::Float,
        "geo" => PayloadSchemaType::Geo,
        "text" => PayloadSchemaType::Text,
        "bool" => PayloadSchemaType::Bool,
        "datetime" => PayloadSchemaType::Datetime,
        "uuid" => PayloadSchemaType::Uuid,
        _ => PayloadSchemaType::UnknownType,
    };
    let params = schema.params.map(|object| proto::PayloadIndexParams {
        index_params: params(data_type, &object),
    });
    proto::PayloadSchemaInfo {
        data_type: data_type.into(),
        params,
        points: Some(schema.points),
    }
}

/// Parameters from JSON.
fn params(kind: proto::PayloadSchemaType, object: &Object) -> Option<IndexParams> {
    use proto::PayloadSchemaType as Type;
    let flag = |name: &str| object.get(name).and_then(Value::as_bool);
    let on_disk = flag("on_disk");
    let enable_hnsw = flag("enable_hnsw");
    let memory = MEMORY.number(word(object, "memory"));
    Some(match kind {
        Type::Keyword => IndexParams::KeywordIndexParams(proto::KeywordIndexParams {
            is_tenant: flag("is_tenant"),
            on_disk,
            enable_hnsw,
            memory,
            ..proto::KeywordIndexParams::default()
        }),
        Type::Integer => IndexParams::IntegerIndexParams(proto::IntegerIndexParams {
            lookup: flag("lookup"),
            range: flag("range"),
            is_principal: flag("is_principal"),
            on_disk,
            enable_hnsw,
            memory,
            ..proto::IntegerIndexParams::default()
        }),
        Type::Float => IndexParams::FloatIndexParams(proto::FloatIndexParams {
            is_principal: flag("is_principal"),
            on_disk,
            enable_hnsw,
            memory,
            ..proto::FloatIndexParams::default()
        }),
        Type::Geo => IndexParams::GeoIndexParams(proto::GeoIndexParams {
            on_disk,
            enable_hnsw,
            memory,
            ..proto::GeoIndexParams::default()
        }),
        Type::Bool => IndexParams::BoolIndexParams(proto::BoolIndexParams {
            on_disk,
            enable_hnsw,
            memory,
            ..proto::BoolIndexParams::default()
        }),
        Type::Datetime => IndexParams::DatetimeIndexParams(proto::DatetimeIndexParams {
            is_principal: flag("is_principal"),
            on_disk,
            enable_hnsw,
            memory,
            ..proto::DatetimeIndexParams::default()
        }),
        Type::Uuid => IndexParams::UuidIndexParams(proto::UuidIndexParams {
            is_tenant: flag("is_tenant"),
            on_disk,
            enable_hnsw,
            memory,
            ..proto::UuidIndexParams::default()
        }),
        Type::Text => IndexParams::TextIndexParams(proto::TextIndexParams {
            tokenizer: tokenizer(object).into(),
            lowercase: flag("lowercase"),
            phrase_matching: flag("phrase_matching"),
            ascii_folding: flag("ascii_folding"),
            on_disk,
            enable_hnsw,
            memory,
            ..proto::TextIndexParams::default()
        }),
        Type::UnknownType => return None,
    })
}

fn tokenizer(object: &Object) -> proto::TokenizerType {
    match object.get("tokenizer").and_then(Value::as_str) {
        Some("prefix") => proto::TokenizerType::Prefix,
        Some("whitespace") => proto::TokenizerType::Whitespace,
        Some("multilingual") => proto::TokenizerType::Multilingual,
        Some("code") => proto::TokenizerType::Code,
        _ => proto::TokenizerType::Word,
    }
}
