//! How messages declare collections, and what they say of one.
#![expect(deprecated, reason = "where something is kept is told in two ways")]

use super::values::{count, need, object, object_message};
use super::{config, indexes, quantization, strict};
use crate::qdrant::error::{Failure, Result};
use crate::qdrant::model::{
    CollectionConfig, CollectionInfo, CollectionParams, CollectionStatus, CreateCollection,
    CreateVectorName, Datatype, Distance, Object, OptimizerStatus, UpdateCollection, VectorParams,
    VectorsConfig, VectorsInfo,
};
use proto::create_vector_name_request::VectorConfig;
use qdrant_client::qdrant as proto;
use std::collections::BTreeMap;

/// The collection that is to be made.
pub(super) fn new_collection(it: proto::CreateCollection) -> Result<CreateCollection> {
    use proto::vectors_config::Config;
    let vectors = match it.vectors_config.and_then(|vectors| vectors.config) {
        None => None,
        Some(Config::Params(params)) => Some(VectorsConfig::Single(vector(params)?)),
        Some(Config::ParamsMap(map)) => {
            let map = map.map.into_iter();
            let map = map.map(|(name, params)| Ok((name, vector(params)?)));
            Some(VectorsConfig::Named(map.collect::<Result<_>>()?))
        }
    };
    let sparse = it.sparse_vectors_config.map(|sparse| {
        let map = sparse.map.into_iter();
        map.map(|(name, params)| (name, Some(config::sparse(params))))
            .collect()
    });
    let sharding = it.sharding_method.filter(|method| *method != 0);
    let quantization = it.quantization_config.map(quantization::declared);
    Ok(CreateCollection {
        vectors,
        sparse_vectors: sparse,
        shard_number: it.shard_number,
        sharding_method: sharding.map(|_| "custom".to_owned()),
        replication_factor: it.replication_factor,
        write_consistency_factor: it.write_consistency_factor,
        on_disk_payload: it.on_disk_payload,
        payload: it.payload.map(payload),
        hnsw_config: it.hnsw_config.map(config::hnsw),
        wal_config: it.wal_config.map(config::wal),
        optimizers_config: it.optimizers_config.map(config::optimizers),
        quantization_config: quantization.transpose()?.flatten(),
        strict_mode_config: it.strict_mode_config.map(strict::rules),
        metadata: (!it.metadata.is_empty()).then(|| object(it.metadata)),
    })
}

fn payload(it: proto::PayloadStorageParams) -> Object {
    config::Fields::default()
        .with("memory", config::memory(it.memory))
        .into_object()
}

fn vector(params: proto::VectorParams) -> Result<VectorParams> {
    let quantization = params.quantization_config.map(quantization::declared);
    Ok(VectorParams {
        size: count(params.size),
        distance: distance(params.distance)?,
        hnsw_config: params.hnsw_config.map(config::hnsw),
        quantization_config: quantization.transpose()?.flatten(),
        on_disk: params.on_disk,
        datatype: datatype(params.datatype)?,
        multivector_config: params.multivector_config.map(|_| max_sim()),
        memory: config::memory(params.memory).map(str::to_owned),
    })
}

fn max_sim() -> Object {
    let comparator = Some("max_sim");
    config::Fields::default()
        .with("comparator", comparator)
        .into_object()
}

fn distance(distance: i32) -> Result<Distance> {
    match proto::Distance::try_from(distance) {
        Ok(proto::Distance::Cosine) => Ok(Distance::Cosine),
        Ok(proto::Distance::Euclid) => Ok(Distance::Euclid),
        Ok(proto::Distance::Dot) => Ok(Distance::Dot),
        Ok(proto::Distance::Manhattan) => Ok(Distance::Manhattan),
        Ok(proto::Distance::UnknownDistance) | Err(_) => {
            Err(Failure::wrong("the distance is not known"))
        }
    }
}

fn datatype(datatype: Option<i32>) -> Result<Option<Datatype>> {
    use proto::Datatype as Message;
    let Some(number) = datatype else {
        return Ok(None);
    };
    Ok(match Message::try_from(number) {
        Ok(Message::Default) => None,
        Ok(Message::Float32) => Some(Datatype::Float32),
        Ok(Message::Float16) => Some(Datatype::Float16),
        Ok(Message::Uint8) => Some(Datatype::Uint8),
        Ok(Message::Turbo4) => Some(Datatype::Turbo4),
        Ok(Message::Turbo8) => Some(Datatype::Turbo8),
        Ok(Message::Turbo16) => Some(Datatype::Turbo16),
        Err(_) => return Err(Failure::wrong(format!("datatype {number} is not known"))),
    })
}

/// What is to be made for a new vector of a collection.
pub(super) fn new_vector(config: Option<VectorConfig>) -> Result<CreateVectorName> {
    Ok(match need(config, "the configuration of a vector")? {
        VectorConfig::DenseConfig(it) => CreateVectorName {
            dense: Some(VectorParams {
                size: count(it.size),
                distance: distance(it.distance)?,
                hnsw_config: None,
                quantization_config: None,
                on_disk: None,
                datatype: datatype(it.datatype)?,
                multivector_config: it.multivector_config.map(|_| max_sim()),
                memory: None,
            }),
            sparse: None,
        },
        VectorConfig::SparseConfig(it) => CreateVectorName {
            dense: None,
            sparse: Some(config::sparse(proto::SparseVectorParams {
                index: None,
                modifier: it.modifier,
            })),
        },
    })
}

/// What of a collection is to change.
pub(super) fn changed_collection(it: proto::UpdateCollection) -> Result<UpdateCollection> {
    use proto::vectors_config_diff::Config;
    let vectors = match it.vectors_config.and_then(|vectors| vectors.config) {
        None => None,
        Some(Config::Params(params)) => {
            Some(BTreeMap::from([(String::new(), changed_vector(params)?)]))
        }
        Some(Config::ParamsMap(map)) => {
            let map = map.map.into_iter();
            let map = map.map(|(name, params)| Ok((name, changed_vector(params)?)));
            Some(map.collect::<Result<_>>()?)
        }
    };
    let sparse = it.sparse_vectors_config.map(|sparse| {
        let map = sparse.map.into_iter();
        map.map(|(name, params)| (name, config::sparse(params)))
            .collect()
    });
    let quantization = it.quantization_config.map(quantization::changed);
    let params = it.params.map(|params| {
        config::Fields::default()
            .with("replication_factor", params.replication_factor)
            .with("write_consistency_factor", params.write_consistency_factor)
            .with("on_disk_payload", params.on_disk_payload)
            .with("payload", params.payload.map(payload))
            .into_object()
    });
    Ok(UpdateCollection {
        vectors,
        sparse_vectors: sparse,
        optimizers_config: it.optimizers_config.map(config::optimizers),
        params,
        hnsw_config: it.hnsw_config.map(config::hnsw),
        quantization_config: quantization.transpose()?.flatten(),
        strict_mode_config: it.strict_mode_config.map(strict::rules),
        metadata: (!it.metadata.is_empty()).then(|| object(it.metadata)),
    })
}

fn changed_vector(params: proto::VectorParamsDiff) -> Result<Object> {
    let quantization = params.quantization_config.map(quantization::changed);
    Ok(config::Fields::default()
        .with("hnsw_config", params.hnsw_config.map(config::hnsw))
        .with("quantization_config", quantization.transpose()?.flatten())
        .with("on_disk", params.on_disk)
        .with("memory", config::memory(params.memory))
        .into_object())
}

/// All about a collection.
pub(super) fn info(info: CollectionInfo) -> proto::CollectionInfo {
    let status = match info.status {
        CollectionStatus::Green => proto::CollectionStatus::Green,
        CollectionStatus::Yellow => proto::CollectionStatus::Yellow,
        CollectionStatus::Red => proto::CollectionStatus::Red,
    };
    let (ok, error) = match info.optimizer_status {
        OptimizerStatus::Ok => (true, String::new()),
        OptimizerStatus::Error(error) => (false, error),
    };
    let indexes = info.payload_schema.into_iter();
    proto::CollectionInfo {
        status: status.into(),
        optimizer_status: Some(proto::OptimizerStatus { ok, error }),
        segments_count: info.segments_count,
        config: Some(collection_config(info.config)),
        payload_schema: indexes
            .map(|(key, index)| (key, indexes::schema(index)))
            .collect(),
        points_count: Some(info.points_count),
        indexed_vectors_count: Some(info.indexed_vectors_count),
        warnings: Vec::new(),
        update_queue: Some(proto::UpdateQueueInfo {
            length: info.update_queue.length,
            deferred_points: None,
        }),
        created_at: None,
    }
}

fn collection_config(config: CollectionConfig) -> proto::CollectionConfig {
    let quantization = config.quantization_config.as_ref();
    let strict_mode = config.strict_mode_config.as_ref();
    proto::CollectionConfig {
        params: Some(params(config.params)),
        hnsw_config: Some(config::hnsw_message(&config.hnsw_config)),
        optimizer_config: Some(config::optimizers_message(&config.optimizer_config)),
        wal_config: Some(config::wal_message(&config.wal_config)),
        quantization_config: quantization.and_then(quantization::message),
        strict_mode_config: strict_mode.map(strict::message),
        metadata: object_message(config.metadata),
    }
}

fn params(params: CollectionParams) -> proto::CollectionParams {
    use proto::vectors_config::Config;
    let vectors = params.vectors.map(|vectors| match vectors {
        VectorsInfo::Single(one) => Config::Params(vector_message(one)),
        VectorsInfo::Named(named) => {
            let named = named.into_iter();
            Config::ParamsMap(proto::VectorParamsMap {
                map: named
                    .map(|(name, one)| (name, vector_message(one)))
                    .collect(),
            })
        }
    });
    let sparse = params.sparse_vectors;
    proto::CollectionParams {
        shard_number: params.shard_number,
        on_disk_payload: params.on_disk_payload,
        vectors_config: vectors.map(|config| proto::VectorsConfig {
            config: Some(config),
        }),
        replication_factor: Some(params.replication_factor),
        write_consistency_factor: Some(params.write_consistency_factor),
        sparse_vectors_config: (!sparse.is_empty()).then(|| proto::SparseVectorConfig {
            map: sparse
                .iter()
                .map(|(name, object)| (name.clone(), config::sparse_message(object)))
                .collect(),
        }),
        ..proto::CollectionParams::default()
    }
}

fn vector_message(params: VectorParams) -> proto::VectorParams {
    let distance = match params.distance {
        Distance::Cosine => proto::Distance::Cosine,
        Distance::Euclid => proto::Distance::Euclid,
        Distance::Dot => proto::Distance::Dot,
        Distance::Manhattan => proto::Distance::Manhattan,
    };
    let datatype = params.datatype.map(|datatype| match datatype {
        Datatype::Float32 => proto::Datatype::Float32,
        Datatype::Float16 => proto::Datatype::Float16,
        Datatype::Uint8 => proto::Datatype::Uint8,
        Datatype::Turbo4 => proto::Datatype::Turbo4,
        Datatype::Turbo8 => proto::Datatype::Turbo8,
        Datatype::Turbo16 => proto::Datatype::Turbo16,
    });
    let quantization = params.quantization_config.as_ref();
    proto::VectorParams {
        size: params.size as u64,
        distance: distance.into(),
        hnsw_config: params.hnsw_config.as_ref().map(config::hnsw_message),
        quantization_config: quantization.and_then(quantization::message),
        on_disk: params.on_disk,
        datatype: datatype.map(Into::into),
        multivector_config: params
            .multivector_config
            .map(|_| proto::MultiVectorConfig::default()),
        memory: config::MEMORY.number(params.memory.as_deref()),
    }
}
