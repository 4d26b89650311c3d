//! Fields and aliases of collections, tenants and what they may use, long operations.

use super::convert;
use super::documents::described;
use super::scope::{Answer, Scope, Service};
use crate::auth::Action;
use crate::call::{At, Call, session_id};
use crate::error::ApiResult;
use crate::operations::Operations;
use crate::proto::administration_server::Administration;
use crate::proto::*;
use crate::quotas;
use crate::tenants::TenantName;
use crate::wire::collection::{AliasChangeSpelled, Changes};
use crate::wire::operations::Operation;
use crate::wire::schema::Field;
use aethervec::{AliasChange, VectorField};
use std::sync::Arc;
use std::time::Duration;
use tonic::{Request, Response};

impl Service {
    /// The request of somebody who may do this to the tenant that it names.
    fn about_tenant<M>(
        &self,
        action: Action,
        request: Request<M>,
        name: impl FnOnce(&M) -> &str,
    ) -> ApiResult<(Scope, TenantName, M)> {
        let (scope, message) = self.scope(request)?;
        let name = TenantName::parse(name(&message))?;
        scope.caller.allow_within(action, &name)?;
        Ok((scope, name, message))
    }

    fn quota(&self, tenant: &TenantName) -> QuotaResponse {
        QuotaResponse {
            own: Some(self.app.quotas.own_of(tenant).into()),
            holds: Some(self.app.quotas.of(tenant).into()),
        }
    }
}

#[tonic::async_trait]
impl Administration for Service {
    async fn add_field(&self, request: Request<AddFieldRequest>) -> Answer<CollectionResponse> {
        let (scope, message) = self.scope(request)?;
        scope
            .answer(None, move |call| {
                let collection = call.collection(Action::Manage, &message.collection)?;
                let field: Field = convert::json("field", &message.field)?;
                collection.add_vector_field(&message.name, VectorField::from(field))?;
                described(&collection)
            })
            .await
    }

    async fn drop_field(&self, request: Request<DropFieldRequest>) -> Answer<CollectionResponse> {
        let (scope, message) = self.scope(request)?;
        scope
            .answer(None, move |call| {
                let collection = call.collection(Action::Manage, &message.collection)?;
                collection.drop_vector_field(&message.name)?;
                described(&collection)
            })
            .await
    }

    async fn change_collection(
        &self,
        request: Request<ChangeCollectionRequest>,
    ) -> Answer<CollectionResponse> {
        let (scope, message) = self.scope(request)?;
        scope
            .answer(None, move |call| {
                let collection = call.collection(Action::Manage, &message.collection)?;
                let Changes { ttl_ms, metadata } = convert::json("changes", &message.changes)?;
                if let Some(ttl_ms) = ttl_ms {
                    collection.set_ttl(ttl_ms.map(Duration::from_millis))?;
                }
                if let Some(metadata) = metadata {
                    collection.set_metadata(metadata)?;
                }
                described(&collection)
            })
            .await
    }

    async fn list_aliases(&self, request: Request<ListAliasesRequest>) -> Answer<AliasesResponse> {
        let (scope, ListAliasesRequest {}) = self.scope(request)?;
        scope.answer(None, aliases).await
    }

    async fn change_aliases(
        &self,
        request: Request<ChangeAliasesRequest>,
    ) -> Answer<AliasesResponse> {
        let (scope, message) = self.scope(request)?;
        scope
            .answer(None, move |call| {
                call.caller.allow(Action::Manage, &call.tenant.name, None)?;
                let changes: Vec<AliasChangeSpelled> = convert::json("changes", &message.changes)?;
                let changes: Vec<AliasChange> =
                    changes.into_iter().map(AliasChange::from).collect();
                call.tenant.db.change_aliases(&changes)?;
                aliases(call)
            })
            .await
    }

    async fn list_tenants(
        &self,
        request: Request<ListTenantsRequest>,
    ) -> Answer<ListTenantsResponse> {
        let (scope, ListTenantsRequest {}) = self.scope(request)?;
        scope
            .caller
            .allow(Action::Administer, &scope.tenant, None)?;
        let tenants = Arc::clone(&scope.app.tenants);
        let list = move || tenants.names();
        let names = scope.app.gate.run(scope.deadline, list).await?;
        Ok(Response::new(ListTenantsResponse {
            tenants: names.iter().map(ToString::to_string).collect(),
        }))
    }

    async fn create_tenant(&self, request: Request<TenantRequest>) -> Answer<CreateTenantResponse> {
        let (scope, name, _) =
            self.about_tenant(Action::Administer, request, |message| &message.tenant)?;
        let tenants = Arc::clone(&scope.app.tenants);
        let create = move || tenants.create(&name);
        let created = scope.app.gate.run(scope.deadline, create).await?;
        Ok(Response::new(CreateTenantResponse { created }))
    }

    async fn drop_tenant(&self, request: Request<TenantRequest>) -> Answer<DropTenantResponse> {
        let (scope, name, _) =
            self.about_tenant(Action::Administer, request, |message| &message.tenant)?;
        let tenants = Arc::clone(&scope.app.tenants);
        let remove = move || tenants.remove(&name);
        scope.app.gate.run(scope.deadline, remove).await?;
        Ok(Response::new(DropTenantResponse {}))
    }

    async fn get_quota(&self, request: Request<TenantRequest>) -> Answer<QuotaResponse> {
        let (_, name, _) = self.about_tenant(Action::Read, request, |message| &message.tenant)?;
        Ok(Response::new(self.quota(&name)))
    }

    async fn set_quota(&self, request: Request<SetQuotaRequest>) -> Answer<QuotaResponse> {
        let (scope, name, message) =
            self.about_tenant(Action::Administer, request, |message| &message.tenant)?;
        let quota = quotas::Quota::from(message.quota.unwrap_or_default());
        let (quotas, tenant) = (Arc::clone(&scope.app.quotas), name.clone());
        let set = move || quotas.set(&tenant, quota);
        scope.app.gate.run(scope.deadline, set).await?;
        Ok(Response::new(self.quota(&name)))
    }

    async fn begin_operation(
        &self,
        request: Request<BeginOperationRequest>,
    ) -> Answer<OperationResponse> {
        let (scope, message) = self.scope(request)?;
        let begin = convert::json("operation", &message.operation)?;
        scope.caller.allow(Action::Manage, &scope.tenant, None)?;
        let app = Arc::clone(&scope.app);
        let call = scope.run(At::Now, |call| Ok(call.clone())).await?;
        let operation = Operations::begin(&app, call, begin).await?;
        Ok(Response::new(shown(&operation)?))
    }

    async fn list_operations(
        &self,
        request: Request<ListOperationsRequest>,
    ) -> Answer<ListOperationsResponse> {
        let (scope, ListOperationsRequest {}) = self.scope(request)?;
        scope.caller.allow(Action::Read, &scope.tenant, None)?;
        let operations = scope.app.operations.list(&scope.tenant);
        let operations = operations.iter().map(shown).collect::<ApiResult<_>>()?;
        Ok(Response::new(ListOperationsResponse { operations }))
    }

    async fn get_operation(&self, request: Request<OperationRequest>) -> Answer<OperationResponse> {
        let (scope, message) = self.scope(request)?;
        scope.caller.allow(Action::Read, &scope.tenant, None)?;
        let id = session_id("operation", &message.id)?;
        let operation = scope.app.operations.get(&scope.tenant, id)?;
        Ok(Response::new(shown(&operation)?))
    }

    async fn cancel_operation(
        &self,
        request: Request<OperationRequest>,
    ) -> Answer<OperationResponse> {
        let (scope, message) = self.scope(request)?;
        scope.caller.allow(Action::Manage, &scope.tenant, None)?;
        let id = session_id("operation", &message.id)?;
        let operation = scope.app.operations.cancel(&scope.tenant, id)?;
        Ok(Response::new(shown(&operation)?))
    }
}

fn aliases(call: &Call) -> ApiResult<AliasesResponse> {
    Ok(AliasesResponse {
        aliases: call.aliases()?.into_iter().collect(),
    })
}

fn shown(operation: &Operation) -> ApiResult<OperationResponse> {
    Ok(OperationResponse {
        id: operation.id.clone(),
        operation: convert::to_json(operation)?,
    })
}

impl From<quotas::Quota> for Quota {
    fn from(quota: quotas::Quota) -> Quota {
        Quota {
            documents_max: quota.documents_max,
            bytes_max: quota.bytes_max,
            requests_per_s: quota.requests_per_s,
            requests_at_once_max: quota.requests_at_once_max,
        }
    }
}

impl From<Quota> for quotas::Quota {
    fn from(quota: Quota) -> quotas::Quota {
        quotas::Quota {
            documents_max: quota.documents_max,
            bytes_max: quota.bytes_max,
            requests_per_s: quota.requests_per_s,
            requests_at_once_max: quota.requests_at_once_max,
        }
    }
}
