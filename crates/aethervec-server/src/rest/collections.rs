//! Collections: what there is, what it is made of, and how it changes.

use super::scope::{Answer, Body, Scope};
use crate::auth::Action;
use crate::error::{ApiError, ApiResult};
use crate::wire::collection::{
    AliasChanges, Aliases, Changes, Described, DescribedIndex, Names, NewField, PayloadIndex,
    indexes,
};
use crate::wire::schema::Schema;
use aethervec::{AliasChange, CollectionSchema, Path, PayloadIndexKind, VectorField};
use serde::Deserialize;
use std::time::Duration;
use utoipa::IntoParams;

/// Which vector field.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct FieldParams {
    /// Its name; "" is the default field.
    name: String,
}

/// Which payload index.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct IndexParams {
    /// Path of the payload field.
    path: String,
    /// What it keeps.
    kind: String,
}

#[utoipa::path(
    get, path = "/v1/collections", tag = "collections",
    responses((status = 200, body = Names)),
)]
pub(crate) async fn list(scope: Scope) -> ApiResult<Answer> {
    scope
        .now(|call| {
            Ok(Names {
                collections: call.collections()?,
            })
        })
        .await
}

#[utoipa::path(
    put, path = "/v1/collections/{collection}", tag = "collections",
    request_body = Schema,
    responses((status = 201, body = Described)),
)]
pub(crate) async fn create(scope: Scope, body: Body) -> ApiResult<Answer> {
    let name = scope.path("collection");
    scope
        .created(move |call| {
            call.caller
                .allow(Action::Manage, &call.tenant.name, Some(&name))?;
            let schema = CollectionSchema::try_from(body.parse::<Schema>()?)?;
            let collection = call.tenant.db.create_collection_with(&name, schema)?;
            Described::of(&collection)
        })
        .await
}

#[utoipa::path(
    get, path = "/v1/collections/{collection}", tag = "collections",
    responses((status = 200, body = Described)),
)]
pub(crate) async fn describe(scope: Scope) -> ApiResult<Answer> {
    let name = scope.path("collection");
    scope
        .now(move |call| Described::of(&call.collection(Action::Read, &name)?))
        .await
}

#[utoipa::path(
    patch, path = "/v1/collections/{collection}", tag = "collections",
    request_body = Changes,
    responses((status = 200, body = Described)),
)]
pub(crate) async fn change(scope: Scope, body: Body) -> ApiResult<Answer> {
    let name = scope.path("collection");
    scope
        .now(move |call| {
            let collection = call.collection(Action::Manage, &name)?;
            let Changes { ttl_ms, metadata } = body.parse()?;
            if let Some(ttl_ms) = ttl_ms {
                collection.set_ttl(ttl_ms.map(Duration::from_millis))?;
            }
            if let Some(metadata) = metadata {
                collection.set_metadata(metadata)?;
            }
            Described::of(&collection)
        })
        .await
}

#[utoipa::path(
    delete, path = "/v1/collections/{collection}", tag = "collections",
    responses((status = 200)),
)]
pub(crate) async fn drop_collection(scope: Scope) -> ApiResult<Answer> {
    let name = scope.path("collection");
    scope
        .now(move |call| {
            call.caller
                .allow(Action::Manage, &call.tenant.name, Some(&name))?;
            call.tenant.db.drop_collection(&name)?;
            Ok(serde_json::json!({}))
        })
        .await
}

#[utoipa::path(
    post, path = "/v1/collections/{collection}/fields", tag = "collections",
    request_body = NewField,
    responses((status = 201, body = Described)),
)]
pub(crate) async fn add_field(scope: Scope, body: Body) -> ApiResult<Answer> {
    let name = scope.path("collection");
    scope
        .created(move |call| {
            let collection = call.collection(Action::Manage, &name)?;
            let NewField { name, field } = body.parse()?;
            collection.add_vector_field(&name, VectorField::from(field))?;
            Described::of(&collection)
        })
        .await
}

#[utoipa::path(
    delete, path = "/v1/collections/{collection}/fields", tag = "collections",
    params(FieldParams),
    responses((status = 200, body = Described)),
)]
pub(crate) async fn drop_field(scope: Scope<FieldParams>) -> ApiResult<Answer> {
    let name = scope.path("collection");
    let field = scope.params.name.clone();
    scope
        .now(move |call| {
            let collection = call.collection(Action::Manage, &name)?;
            collection.drop_vector_field(&field)?;
            Described::of(&collection)
        })
        .await
}

#[utoipa::path(
    get, path = "/v1/collections/{collection}/indexes", tag = "collections",
    responses((status = 200, body = Vec<DescribedIndex>)),
)]
pub(crate) async fn list_indexes(scope: Scope) -> ApiResult<Answer> {
    let name = scope.path("collection");
    scope
        .now(move |call| Ok(indexes(&call.collection(Action::Read, &name)?)))
        .await
}

#[utoipa::path(
    post, path = "/v1/collections/{collection}/indexes", tag = "collections",
    request_body = PayloadIndex,
    responses((status = 201, body = Vec<DescribedIndex>)),
)]
pub(crate) async fn create_index(scope: Scope, body: Body) -> ApiResult<Answer> {
    let name = scope.path("collection");
    scope
        .created(move |call| {
            let collection = call.collection(Action::Manage, &name)?;
            let (path, kind) = index(&body.parse()?)?;
            collection.create_payload_index(path, kind)?;
            Ok(indexes(&collection))
        })
        .await
}

#[utoipa::path(
    delete, path = "/v1/collections/{collection}/indexes", tag = "collections",
    params(IndexParams),
    responses((status = 200, body = Vec<DescribedIndex>)),
)]
pub(crate) async fn drop_index(scope: Scope<IndexParams>) -> ApiResult<Answer> {
    let name = scope.path("collection");
    let IndexParams { path, kind } = &scope.params;
    let asked = PayloadIndex {
        path: path.clone(),
        kind: kind.clone(),
    };
    scope
        .now(move |call| {
            let collection = call.collection(Action::Manage, &name)?;
            let (path, kind) = index(&asked)?;
            if !collection.drop_payload_index(path, kind)? {
                let PayloadIndex { path, kind } = asked;
                return Err(ApiError::not_found(format!(
                    "collection {name:?} has no {kind} index on {path:?}"
                )));
            }
            Ok(indexes(&collection))
        })
        .await
}

#[utoipa::path(
    get, path = "/v1/aliases", tag = "collections",
    responses((status = 200, body = Aliases)),
)]
pub(crate) async fn list_aliases(scope: Scope) -> ApiResult<Answer> {
    scope
        .now(|call| {
            Ok(Aliases {
                aliases: call.aliases()?,
            })
        })
        .await
}

#[utoipa::path(
    post, path = "/v1/aliases", tag = "collections",
    request_body = AliasChanges,
    responses((status = 200, body = Aliases)),
)]
pub(crate) async fn change_aliases(scope: Scope, body: Body) -> ApiResult<Answer> {
    scope
        .now(move |call| {
            call.caller.allow(Action::Manage, &call.tenant.name, None)?;
            let AliasChanges { changes } = body.parse()?;
            let changes: Vec<AliasChange> = changes.into_iter().map(AliasChange::from).collect();
            call.tenant.db.change_aliases(&changes)?;
            Ok(Aliases {
                aliases: call.tenant.db.aliases(),
            })
        })
        .await
}

/// Path and kind of a payload index.
fn index(asked: &PayloadIndex) -> ApiResult<(Path, PayloadIndexKind)> {
    Ok((Path::parse(&asked.path)?, asked.kind.parse()?))
}
