//! The native API over gRPC: the files in `proto` of aethervec-proto describe it.
//!
//! Messages are taken apart within the gate, on a thread where that may take its time.

mod administration;
mod convert;
mod documents;
mod scope;
mod service;
mod streaming;

use crate::app::App;
use crate::auth::Door;
use crate::proto;
use crate::proto::administration_server::AdministrationServer;
use axum::Router;
use scope::Service;
use std::sync::Arc;
use tonic::service::Routes;

/// Who may use them.
pub(crate) const DOOR: Door = Door::grpc(
    "grpc",
    &[
        "/grpc.health.v1.Health/Check",
        "/grpc.health.v1.Health/Watch",
        "/aethervec.v1.VectorDatabase/Health",
    ],
);

/// All services of the port.
pub(crate) fn router(app: &Arc<App>) -> Router {
    let limit = app.config.body_bytes_max;
    let calls = Service::new(app);
    let service = proto::vector_database_server::VectorDatabaseServer::new(calls.clone())
        .max_decoding_message_size(limit)
        .max_encoding_message_size(usize::MAX)
        .accept_compressed(tonic::codec::CompressionEncoding::Gzip);
    let (health, serving) = tonic_health::server::health_reporter();
    app.health.tell(health);
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(aethervec_proto::DESCRIPTORS)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1()
        .expect("the descriptors were compiled with this crate");
    let administration = AdministrationServer::new(calls)
        .max_decoding_message_size(limit)
        .accept_compressed(tonic::codec::CompressionEncoding::Gzip);
    Routes::new(service)
        .add_service(administration)
        .add_service(serving)
        .add_service(reflection)
        .into_axum_router()
}
