//! The service `Collections`.

use super::call::{Answer, Service, about, everywhere};
use super::schema;
use super::values::need;
use crate::auth::Action::{Manage, Read};
use crate::qdrant::error::{Failure, Result};
use crate::qdrant::model::{AliasAction, AliasesResponse, ChangeAliases, LocalShard};
use crate::qdrant::service::{cluster, collections};
use proto::collections_server::Collections;
use qdrant_client::qdrant as proto;
use tonic::{Request, Status, async_trait};

fn done(result: bool, time: f64) -> proto::CollectionOperationResponse {
    proto::CollectionOperationResponse { result, time }
}

fn aliases(found: AliasesResponse, time: f64) -> proto::ListAliasesResponse {
    let aliases = found.aliases.into_iter();
    let aliases = aliases.map(|alias| proto::AliasDescription {
        alias_name: alias.alias_name,
        collection_name: alias.collection_name,
    });
    proto::ListAliasesResponse {
        aliases: aliases.collect(),
        time,
    }
}

fn no_cluster() -> Status {
    Failure::unsupported("a cluster's operation").into()
}

#[async_trait]
impl Collections for Service {
    async fn get(
        &self,
        request: Request<proto::GetCollectionInfoRequest>,
    ) -> Answer<proto::GetCollectionInfoResponse> {
        self.answer(
            request,
            |it| about(Read, &it.collection_name),
            |db, it| collections::info(db, &it.collection_name),
            |found, time| proto::GetCollectionInfoResponse {
                result: Some(schema::info(found)),
                time,
            },
        )
        .await
    }

    async fn list(
        &self,
        request: Request<proto::ListCollectionsRequest>,
    ) -> Answer<proto::ListCollectionsResponse> {
        self.answer(
            request,
            |_| everywhere(Read),
            |db, _| collections::list(db),
            |found, time| {
                let names = found.collections.into_iter();
                let names = names.map(|it| proto::CollectionDescription { name: it.name });
                proto::ListCollectionsResponse {
                    collections: names.collect(),
                    time,
                }
            },
        )
        .await
    }

    async fn create(
        &self,
        request: Request<proto::CreateCollection>,
    ) -> Answer<proto::CollectionOperationResponse> {
        self.answer(
            request,
            |it| about(Manage, &it.collection_name).within(it.timeout),
            |db, mut it| {
                let name = std::mem::take(&mut it.collection_name);
                collections::create(db, &name, schema::new_collection(it)?)
            },
            done,
        )
        .await
    }

    async fn update(
        &self,
        request: Request<proto::UpdateCollection>,
    ) -> Answer<proto::CollectionOperationResponse> {
        self.answer(
            request,
            |it| about(Manage, &it.collection_name).within(it.timeout),
            |db, mut it| {
                let name = std::mem::take(&mut it.collection_name);
                collections::update(db, &name, schema::changed_collection(it)?)
            },
            done,
        )
        .await
    }

    async fn delete(
        &self,
        request: Request<proto::DeleteCollection>,
    ) -> Answer<proto::CollectionOperationResponse> {
        self.answer(
            request,
            |it| about(Manage, &it.collection_name).within(it.timeout),
            |db, it| collections::delete(db, &it.collection_name),
            done,
        )
        .await
    }

    async fn update_aliases(
        &self,
        request: Request<proto::ChangeAliases>,
    ) -> Answer<proto::CollectionOperationResponse> {
        self.answer(
            request,
            |it| everywhere(Manage).within(it.timeout),
            |db, it| {
                let actions = it.actions.into_iter().map(alias_action);
                let actions = actions.collect::<Result<_>>()?;
                collections::change_aliases(db, ChangeAliases { actions })
            },
            done,
        )
        .await
    }

    async fn list_collection_aliases(
        &self,
        request: Request<proto::ListCollectionAliasesRequest>,
    ) -> Answer<proto::ListAliasesResponse> {
        self.answer(
            request,
            |it| about(Read, &it.collection_name),
            |db, it| collections::aliases_of(db, &it.collection_name),
            aliases,
        )
        .await
    }

    async fn list_aliases(
        &self,
        request: Request<proto::ListAliasesRequest>,
    ) -> Answer<proto::ListAliasesResponse> {
        self.answer(
            request,
            |_| everywhere(Read),
            |db, _| collections::aliases(db),
            aliases,
        )
        .await
    }

    async fn collection_exists(
        &self,
        request: Request<proto::CollectionExistsRequest>,
    ) -> Answer<proto::CollectionExistsResponse> {
        self.answer(
            request,
            |it| about(Read, &it.collection_name),
            |db, it| collections::exists(db, &it.collection_name),
            |found, time| proto::CollectionExistsResponse {
                result: Some(proto::CollectionExists {
                    exists: found.exists,
                }),
                time,
            },
        )
        .await
    }

    async fn collection_cluster_info(
        &self,
        request: Request<proto::CollectionClusterInfoRequest>,
    ) -> Answer<proto::CollectionClusterInfoResponse> {
        self.answer(
            request,
            |it| about(Read, &it.collection_name),
            |db, it| cluster::of_collection(db, &it.collection_name),
            |found, time| proto::CollectionClusterInfoResponse {
                peer_id: found.peer_id,
                shard_count: found.shard_count,
                local_shards: found.local_shards.into_iter().map(shard).collect(),
                time,
                ..proto::CollectionClusterInfoResponse::default()
            },
        )
        .await
    }

    async fn update_collection_cluster_setup(
        &self,
        _: Request<proto::UpdateCollectionClusterSetupRequest>,
    ) -> Answer<proto::UpdateCollectionClusterSetupResponse> {
        Err(no_cluster())
    }

    async fn create_shard_key(
        &self,
        _: Request<proto::CreateShardKeyRequest>,
    ) -> Answer<proto::CreateShardKeyResponse> {
        Err(no_cluster())
    }

    async fn delete_shard_key(
        &self,
        _: Request<proto::DeleteShardKeyRequest>,
    ) -> Answer<proto::DeleteShardKeyResponse> {
        Err(no_cluster())
    }

    async fn list_shard_keys(
        &self,
        request: Request<proto::ListShardKeysRequest>,
    ) -> Answer<proto::ListShardKeysResponse> {
        self.answer(
            request,
            |it| about(Read, &it.collection_name),
            |db, it| cluster::shard_keys(db, &it.collection_name),
            |_, time| proto::ListShardKeysResponse {
                shard_keys: Vec::new(),
                time,
            },
        )
        .await
    }
}

fn shard(shard: LocalShard) -> proto::LocalShardInfo {
    proto::LocalShardInfo {
        shard_id: shard.shard_id,
        points_count: shard.points_count,
        state: proto::ReplicaState::Active.into(),
        shard_key: None,
    }
}

fn alias_action(operation: proto::AliasOperations) -> Result<AliasAction> {
    use proto::alias_operations::Action::{CreateAlias, DeleteAlias, RenameAlias};
    Ok(match need(operation.action, "an action")? {
        CreateAlias(it) => AliasAction::CreateAlias {
            collection_name: it.collection_name,
            alias_name: it.alias_name,
        },
        RenameAlias(it) => AliasAction::RenameAlias {
            old_alias_name: it.old_alias_name,
            new_alias_name: it.new_alias_name,
        },
        DeleteAlias(it) => AliasAction::DeleteAlias {
            alias_name: it.alias_name,
        },
    })
}
