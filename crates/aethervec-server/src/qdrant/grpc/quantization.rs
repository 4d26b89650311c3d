//! How vectors shall be quantized, which is kept as JSON to be shown again.
#![expect(deprecated, reason = "where something is kept is told in two ways")]

use super::config::{Fields, MEMORY, Names, flag, word};
use crate::qdrant::error::{Failure, Result};
use crate::qdrant::model::Object;
use proto::binary_quantization_query_encoding::Variant;
use proto::quantization_config::Quantization;
use proto::quantization_config_diff::Quantization as Change;
use qdrant_client::qdrant as proto;
use serde_json::{Value, json};

const COMPRESSIONS: Names<5> = Names(["x4", "x8", "x16", "x32", "x64"]);
const ENCODINGS: Names<3> = Names(["one_bit", "two_bits", "one_and_half_bits"]);
const QUERY_ENCODINGS: Names<4> = Names(["default", "binary", "scalar4bits", "scalar8bits"]);
const TURBO_BITS: Names<5> = Names(["bits1", "bits1_5", "bits2", "bits4", "bits8"]);

/// How vectors shall be quantized.
pub(super) fn declared(config: proto::QuantizationConfig) -> Result<Option<Value>> {
    config.quantization.map(read).transpose()
}

/// How vectors shall be quantized from now on.
pub(super) fn changed(config: proto::QuantizationConfigDiff) -> Result<Option<Value>> {
    let quantization = match config.quantization {
        None => return Ok(None),
        Some(Change::Disabled(_)) => return Ok(Some(Value::from("Disabled"))),
        Some(Change::Scalar(it)) => Quantization::Scalar(it),
        Some(Change::Product(it)) => Quantization::Product(it),
        Some(Change::Binary(it)) => Quantization::Binary(it),
        Some(Change::Turboquant(it)) => Quantization::Turboquant(it),
    };
    read(quantization).map(Some)
}

fn read(quantization: Quantization) -> Result<Value> {
    let (kind, fields, always_ram, memory) = match quantization {
        Quantization::Scalar(it) => {
            let fields = Fields::default().with("type", Some("int8"));
            let fields = fields.with("quantile", it.quantile);
            ("scalar", fields, it.always_ram, it.memory)
        }
        Quantization::Product(it) => {
            let compression = COMPRESSIONS.name(Some(it.compression));
            let unknown = || Failure::wrong("the compression is not known");
            let compression = compression.ok_or_else(unknown)?;
            let fields = Fields::default().with("compression", Some(compression));
            ("product", fields, it.always_ram, it.memory)
        }
        Quantization::Binary(it) => {
            let query = it.query_encoding.and_then(|query| query.variant);
            let query = query.map(|Variant::Setting(setting)| setting);
            let fields = Fields::default()
                .with("encoding", ENCODINGS.name(it.encoding))
                .with("query_encoding", QUERY_ENCODINGS.name(query));
            ("binary", fields, it.always_ram, it.memory)
        }
        Quantization::Turboquant(it) => {
            let fields = Fields::default().with("bits", TURBO_BITS.name(it.bits));
            ("turbo", fields, it.always_ram, it.memory)
        }
    };
    let fields = fields
        .with("always_ram", always_ram)
        .with("memory", MEMORY.name(memory));
    let mut quantization = Object::new();
    quantization.insert(kind.to_owned(), json!(fields.into_object()));
    Ok(quantization.into())
}

/// The message for what was declared.
pub(super) fn message(value: &Value) -> Option<proto::QuantizationConfig> {
    let (kind, params) = value.as_object()?.iter().next()?;
    let params = params.as_object()?;
    let always_ram = flag(params, "always_ram");
    let memory = MEMORY.number(word(params, "memory"));
    let quantization = match &kind[..] {
        "scalar" => Quantization::Scalar(proto::ScalarQuantization {
            r#type: proto::QuantizationType::Int8.into(),
            quantile: quantile(params),
            always_ram,
            memory,
        }),
        "product" => Quantization::Product(proto::ProductQuantization {
            compression: COMPRESSIONS.number(word(params, "compression"))?,
            always_ram,
            memory,
        }),
        "binary" => {
            let query = QUERY_ENCODINGS.number(word(params, "query_encoding"));
            Quantization::Binary(proto::BinaryQuantization {
                encoding: ENCODINGS.number(word(params, "encoding")),
                query_encoding: query.map(|setting| proto::BinaryQuantizationQueryEncoding {
                    variant: Some(Variant::Setting(setting)),
                }),
                always_ram,
                memory,
            })
        }
        "turbo" => Quantization::Turboquant(proto::TurboQuantization {
            bits: TURBO_BITS.number(word(params, "bits")),
            always_ram,
            memory,
        }),
        _ => return None,
    };
    Some(proto::QuantizationConfig {
        quantization: Some(quantization),
    })
}

#[expect(clippy::cast_possible_truncation, reason = "it came as an f32")]
fn quantile(params: &Object) -> Option<f32> {
    let quantile = params.get("quantile").and_then(Value::as_f64);
    quantile.map(|share| share as f32)
}
