//! The dialect over gRPC: messages of the `qdrant-client` crate are brought into the form of `model` and back.

mod call;
mod collections;
mod config;
mod expression;
mod filter;
mod indexes;
mod points;
mod quantization;
mod queries;
mod requests;
mod results;
mod schema;
mod snapshots;
mod strict;
mod values;
mod vectors;

use crate::app::App;
use axum::Router;
use call::Service;
use qdrant_client::qdrant::collections_server::CollectionsServer;
use qdrant_client::qdrant::points_server::PointsServer;
use qdrant_client::qdrant::qdrant_server::QdrantServer;
use qdrant_client::qdrant::snapshots_server::SnapshotsServer;
use std::sync::Arc;
use tonic::codec::CompressionEncoding::Gzip;
use tonic::service::Routes;

/// The services of the port.
pub(crate) fn router(app: &Arc<App>) -> Router {
    let bytes_max = app.config.body_bytes_max;
    let service = || Service::new(Arc::clone(app));
    let (reporter, health) = tonic_health::server::health_reporter();
    app.health.tell(reporter);
    Routes::new(health)
        .add_service(QdrantServer::new(service()).accept_compressed(Gzip))
        .add_service(
            CollectionsServer::new(service())
                .max_decoding_message_size(bytes_max)
                .accept_compressed(Gzip)
                .send_compressed(Gzip),
        )
        .add_service(
            PointsServer::new(service())
                .max_decoding_message_size(bytes_max)
                .max_encoding_message_size(usize::MAX)
                .accept_compressed(Gzip)
                .send_compressed(Gzip),
        )
        .add_service(
            SnapshotsServer::new(service())
                .max_decoding_message_size(bytes_max)
                .accept_compressed(Gzip)
                .send_compressed(Gzip),
        )
        .into_axum_router()
}
