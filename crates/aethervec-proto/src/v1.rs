//! The messages and services, generated from `proto/aethervec/v1/vector_database.proto`, which documents them.

#![expect(
    missing_docs,
    clippy::allow_attributes_without_reason,
    reason = "generated: the .proto file has the documentation"
)]

tonic::include_proto!("aethervec.v1");
