//! The messages and services, generated from the files in `proto/aethervec/v1`, which document them.

#![expect(
    missing_docs,
    clippy::allow_attributes_without_reason,
    reason = "generated: the .proto files have the documentation"
)]

tonic::include_proto!("aethervec.v1");
