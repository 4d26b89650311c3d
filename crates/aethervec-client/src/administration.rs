//! What there is besides documents: fields, aliases, tenants, long operations.

use crate::call::AdministrationRpc;
use crate::client::VectorDatabaseClient;
use crate::collection::{Collection, from_json};
use crate::error::{Error, Result};
use crate::schema;
use aethervec::{AliasChange, VectorField};
use aethervec_proto::v1;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// What a tenant may use. What is `None` is as the server's defaults say; where they say nothing, there is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quota {
    /// Documents in all collections together.
    pub documents_max: Option<u64>,
    /// Bytes on disk.
    pub bytes_max: Option<u64>,
    /// Requests a second, on average.
    pub requests_per_s: Option<u32>,
    /// Requests that work at the same time.
    pub requests_at_once_max: Option<u32>,
}

/// The quotas of a tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Quotas {
    /// What is said of the tenant alone.
    pub own: Quota,
    /// What holds: with the server's defaults for what is not said.
    pub holds: Quota,
}

/// Something that takes long.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LongOperation {
    /// Read everything and compare.
    Check,
    /// Give the space of what was deleted back now.
    Reclaim,
    /// Wait until everything written is in the index of the collection of this name.
    Index(String),
}

/// A long operation, and how far it is.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct OperationStatus {
    /// By this it is asked for.
    pub id: String,
    /// Where it stands.
    pub state: OperationState,
    /// How far it is.
    pub progress: OperationProgress,
    /// What came of it, as JSON: a report, or the error.
    #[serde(default)]
    pub result: Value,
}

/// How far an operation is; both are 0 where that is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct OperationProgress {
    /// What is done.
    pub done: u64,
    /// What is left to do.
    pub left: u64,
}

/// Where an operation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum OperationState {
    /// It is under way.
    Running,
    /// It is done.
    Done,
    /// It failed: the result says why.
    Failed,
    /// It was called off.
    Cancelled,
}

/// Fields, and what may be changed.
impl Collection {
    /// Adds a vector field. Documents that are there have none in it.
    ///
    /// # Errors
    /// [`ErrorKind::Exists`](crate::ErrorKind::Exists) when there is a field of this name.
    pub async fn add_vector_field(&self, name: &str, field: &VectorField) -> Result<()> {
        let add = v1::AddFieldRequest {
            collection: self.name.clone(),
            name: name.to_owned(),
            field: schema::field_to_json(field)?.to_string(),
        };
        let send =
            |mut rpc: AdministrationRpc, request| async move { rpc.add_field(request).await };
        self.caller.write(add, send).await?;
        Ok(())
    }

    /// Takes a vector field away, with all of its vectors.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) when there is no such field.
    pub async fn drop_vector_field(&self, name: &str) -> Result<()> {
        let drop = v1::DropFieldRequest {
            collection: self.name.clone(),
            name: name.to_owned(),
        };
        let send =
            |mut rpc: AdministrationRpc, request| async move { rpc.drop_field(request).await };
        self.caller.write(drop, send).await?;
        Ok(())
    }

    /// How long documents stay from now on that do not say so themselves; `None`: for ever.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) when that is no time that documents can stay.
    pub async fn set_ttl(&self, ttl: Option<Duration>) -> Result<()> {
        let ttl = ttl.map(|ttl| u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX));
        self.change(json!({"ttl_ms": ttl})).await
    }

    /// Keeps this with the collection, in place of what was kept before.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) when it is too large.
    pub async fn set_metadata(&self, metadata: Map<String, Value>) -> Result<()> {
        self.change(json!({"metadata": metadata})).await
    }

    async fn change(&self, changes: Value) -> Result<()> {
        let change = v1::ChangeCollectionRequest {
            collection: self.name.clone(),
            changes: changes.to_string(),
        };
        let send = |mut rpc: AdministrationRpc, request| async move {
            rpc.change_collection(request).await
        };
        self.caller.write(change, send).await?;
        Ok(())
    }
}

/// Aliases.
impl VectorDatabaseClient {
    /// The aliases, with the collections that they stand for.
    ///
    /// # Errors
    /// As every call.
    pub async fn aliases(&self) -> Result<BTreeMap<String, String>> {
        let list = v1::ListAliasesRequest {};
        let send =
            |mut rpc: AdministrationRpc, request| async move { rpc.list_aliases(request).await };
        Ok(self.caller.read(list, send).await?.aliases)
    }

    /// Makes changes to the aliases, one after the other, all at one moment or none: the aliases afterwards.
    ///
    /// ```no_run
    /// use aethervec_client::{AliasChange, VectorDatabaseClient};
    ///
    /// # async fn example(client: VectorDatabaseClient) -> aethervec_client::Result<()> {
    /// let (alias, collection) = ("notes".to_owned(), "notes-2".to_owned());
    /// client.change_aliases(&[AliasChange::Set { alias, collection }]).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) when one names what is not there.
    pub async fn change_aliases(
        &self,
        changes: &[AliasChange],
    ) -> Result<BTreeMap<String, String>> {
        let changes = changes.iter().map(|change| {
            Ok(match change {
                AliasChange::Set { alias, collection } => {
                    json!({"set": {"alias": alias, "collection": collection}})
                }
                AliasChange::Rename { from, to } => json!({"rename": {"from": from, "to": to}}),
                AliasChange::Remove { alias } => json!({"remove": {"alias": alias}}),
                other => {
                    return Err(Error::invalid(format!(
                        "this client does not know {other:?}"
                    )));
                }
            })
        });
        let change = v1::ChangeAliasesRequest {
            changes: Value::Array(changes.collect::<Result<_>>()?).to_string(),
        };
        let send =
            |mut rpc: AdministrationRpc, request| async move { rpc.change_aliases(request).await };
        Ok(self.caller.write(change, send).await?.aliases)
    }
}

/// Tenants, for callers who may administer them.
impl VectorDatabaseClient {
    /// The names of all tenants, in order.
    ///
    /// # Errors
    /// [`ErrorKind::Forbidden`](crate::ErrorKind::Forbidden) when the caller may not know.
    pub async fn tenants(&self) -> Result<Vec<String>> {
        let list = v1::ListTenantsRequest {};
        let send =
            |mut rpc: AdministrationRpc, request| async move { rpc.list_tenants(request).await };
        Ok(self.caller.read(list, send).await?.tenants)
    }

    /// Makes a tenant. False when it was there already.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) when none can be called so.
    pub async fn create_tenant(&self, name: &str) -> Result<bool> {
        let send =
            |mut rpc: AdministrationRpc, request| async move { rpc.create_tenant(request).await };
        Ok(self.caller.write(tenant(name), send).await?.created)
    }

    /// Removes a tenant with everything in it.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) when there is none, [`ErrorKind::Conflict`](crate::ErrorKind::Conflict)
    /// while somebody uses it.
    pub async fn drop_tenant(&self, name: &str) -> Result<()> {
        let send =
            |mut rpc: AdministrationRpc, request| async move { rpc.drop_tenant(request).await };
        self.caller.write(tenant(name), send).await?;
        Ok(())
    }

    /// What a tenant may use.
    ///
    /// # Errors
    /// [`ErrorKind::Forbidden`](crate::ErrorKind::Forbidden) when it is another one's.
    pub async fn quotas(&self, name: &str) -> Result<Quotas> {
        let send =
            |mut rpc: AdministrationRpc, request| async move { rpc.get_quota(request).await };
        Ok(self.caller.read(tenant(name), send).await?.into())
    }

    /// Says what a tenant may use, in place of what was said before.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) when nothing could ever be answered.
    pub async fn set_quota(&self, name: &str, quota: Quota) -> Result<Quotas> {
        let set = v1::SetQuotaRequest {
            tenant: name.to_owned(),
            quota: Some(quota.into()),
        };
        let send =
            |mut rpc: AdministrationRpc, request| async move { rpc.set_quota(request).await };
        Ok(self.caller.write(set, send).await?.into())
    }
}

/// Operations that take long.
impl VectorDatabaseClient {
    /// Begins an operation, and returns at once.
    ///
    /// # Errors
    /// [`ErrorKind::Overloaded`](crate::ErrorKind::Overloaded) when too many are under way.
    pub async fn begin_operation(&self, operation: LongOperation) -> Result<OperationStatus> {
        let operation = match operation {
            LongOperation::Check => json!({"check": {}}),
            LongOperation::Reclaim => json!({"reclaim": {}}),
            LongOperation::Index(collection) => json!({"index": {"collection": collection}}),
        };
        let begin = v1::BeginOperationRequest {
            operation: operation.to_string(),
        };
        let send =
            |mut rpc: AdministrationRpc, request| async move { rpc.begin_operation(request).await };
        from_json(&self.caller.write(begin, send).await?.operation)
    }

    /// The operations that the server remembers, the oldest first.
    ///
    /// # Errors
    /// As every call.
    pub async fn operations(&self) -> Result<Vec<OperationStatus>> {
        let list = v1::ListOperationsRequest {};
        let send =
            |mut rpc: AdministrationRpc, request| async move { rpc.list_operations(request).await };
        let operations = self.caller.read(list, send).await?.operations;
        let operations = operations.iter();
        operations
            .map(|shown| from_json(&shown.operation))
            .collect()
    }

    /// An operation by its id.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) when the server remembers none of this id.
    pub async fn operation(&self, id: &str) -> Result<OperationStatus> {
        let send =
            |mut rpc: AdministrationRpc, request| async move { rpc.get_operation(request).await };
        from_json(&self.caller.read(operation(id), send).await?.operation)
    }

    /// Calls an operation off: it ends soon. One that has ended stays as it is.
    ///
    /// # Errors
    /// As [`operation`](VectorDatabaseClient::operation).
    pub async fn cancel_operation(&self, id: &str) -> Result<OperationStatus> {
        let send = |mut rpc: AdministrationRpc, request| async move {
            rpc.cancel_operation(request).await
        };
        from_json(&self.caller.write(operation(id), send).await?.operation)
    }
}

fn tenant(name: &str) -> v1::TenantRequest {
    v1::TenantRequest {
        tenant: name.to_owned(),
    }
}

fn operation(id: &str) -> v1::OperationRequest {
    v1::OperationRequest { id: id.to_owned() }
}

impl From<Quota> for v1::Quota {
    fn from(quota: Quota) -> v1::Quota {
        v1::Quota {
            documents_max: quota.documents_max,
            bytes_max: quota.bytes_max,
            requests_per_s: quota.requests_per_s,
            requests_at_once_max: quota.requests_at_once_max,
        }
    }
}

impl From<v1::Quota> for Quota {
    fn from(quota: v1::Quota) -> Quota {
        Quota {
            documents_max: quota.documents_max,
            bytes_max: quota.bytes_max,
            requests_per_s: quota.requests_per_s,
            requests_at_once_max: quota.requests_at_once_max,
        }
    }
}

impl From<v1::QuotaResponse> for Quotas {
    fn from(response: v1::QuotaResponse) -> Quotas {
        let quota = |quota: Option<v1::Quota>| quota.unwrap_or_default().into();
        Quotas {
            own: quota(response.own),
            holds: quota(response.holds),
        }
    }
}
