//! The service of snapshots.

use super::call::{Answer, Service, about, everywhere};
use crate::auth::Action;
use crate::qdrant::error::{Failure, Result};
use crate::qdrant::model::SnapshotDescription;
use crate::qdrant::service::snapshots::{self, whole};
use aethervec::Timestamp;
use qdrant_client::qdrant as proto;
use tonic::Request;

#[tonic::async_trait]
impl proto::snapshots_server::Snapshots for Service {
    async fn create(
        &self,
        request: Request<proto::CreateSnapshotRequest>,
    ) -> Answer<proto::CreateSnapshotResponse> {
        self.answer(
            request,
            |message| about(Action::Manage, &message.collection_name).at_length(),
            |db, message| described(snapshots::create(db, &message.collection_name)?),
            |snapshot, time| proto::CreateSnapshotResponse {
                snapshot_description: Some(snapshot),
                time,
            },
        )
        .await
    }

    async fn list(
        &self,
        request: Request<proto::ListSnapshotsRequest>,
    ) -> Answer<proto::ListSnapshotsResponse> {
        self.answer(
            request,
            |message| about(Action::Read, &message.collection_name),
            |db, message| {
                let snapshots = snapshots::list(db, &message.collection_name)?.into_iter();
                snapshots.map(described).collect()
            },
            |snapshot_descriptions, time| proto::ListSnapshotsResponse {
                snapshot_descriptions,
                time,
            },
        )
        .await
    }

    async fn delete(
        &self,
        request: Request<proto::DeleteSnapshotRequest>,
    ) -> Answer<proto::DeleteSnapshotResponse> {
        self.answer(
            request,
            |message| about(Action::Manage, &message.collection_name).at_length(),
            |db, message| snapshots::delete(db, &message.collection_name, &message.snapshot_name),
            |_, time| proto::DeleteSnapshotResponse { time },
        )
        .await
    }

    async fn create_full(
        &self,
        request: Request<proto::CreateFullSnapshotRequest>,
    ) -> Answer<proto::CreateSnapshotResponse> {
        self.answer(
            request,
            |_| everywhere(Action::Manage).at_length(),
            |db, _| described(whole::create(db)?),
            |snapshot, time| proto::CreateSnapshotResponse {
                snapshot_description: Some(snapshot),
                time,
            },
        )
        .await
    }

    async fn list_full(
        &self,
        request: Request<proto::ListFullSnapshotsRequest>,
    ) -> Answer<proto::ListSnapshotsResponse> {
        self.answer(
            request,
            |_| everywhere(Action::Read),
            |db, _| whole::list(db)?.into_iter().map(described).collect(),
            |snapshot_descriptions, time| proto::ListSnapshotsResponse {
                snapshot_descriptions,
                time,
            },
        )
        .await
    }

    async fn delete_full(
        &self,
        request: Request<proto::DeleteFullSnapshotRequest>,
    ) -> Answer<proto::DeleteSnapshotResponse> {
        self.answer(
            request,
            |_| everywhere(Action::Manage).at_length(),
            |db, message| whole::delete(db, &message.snapshot_name),
            |_, time| proto::DeleteSnapshotResponse { time },
        )
        .await
    }
}

fn described(snapshot: SnapshotDescription) -> Result<proto::SnapshotDescription> {
    let created: Timestamp = format!("{}Z", snapshot.creation_time)
        .parse()
        .map_err(Failure::internal)?;
    let created = prost_types::Timestamp {
        seconds: created.as_micros().div_euclid(1_000_000),
        nanos: 0,
    };
    Ok(proto::SnapshotDescription {
        name: snapshot.name,
        creation_time: Some(created),
        size: i64::try_from(snapshot.size).unwrap_or(i64::MAX),
        checksum: Some(snapshot.checksum),
    })
}
