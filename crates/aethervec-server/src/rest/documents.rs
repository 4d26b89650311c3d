//! Documents: written, read, listed, counted.

use super::scope::{Answer, Body, Moment, Scope};
use crate::call::Call;
use crate::error::{ApiError, ApiResult};
use crate::wire::documents::{
    Changed, Count, Counted, Delete, Documents, Ids, Outcomes, Page, PatchBy, Scroll, Upsert,
    UpsertAnswer, Writes,
};
use crate::wire::language;
use aethervec::{DocId, Outcome, Patch, ScrollRequest, Write};

#[utoipa::path(
    post, path = "/v1/collections/{collection}/documents", tag = "documents",
    params(Moment),
    request_body = Upsert,
    responses((status = 200, body = UpsertAnswer)),
)]
pub(crate) async fn upsert(scope: Scope<Moment>, body: Body) -> ApiResult<Answer> {
    let name = scope.path("collection");
    scope
        .answer(move |call| {
            let Upsert { documents } = body.parse()?;
            let writes: Vec<Write> = documents.into_iter().map(Write::upsert).collect();
            Ok(UpsertAnswer::of(&call.apply(&name, writes)?))
        })
        .await
}

#[utoipa::path(
    post, path = "/v1/collections/{collection}/writes", tag = "documents",
    params(Moment),
    request_body = Writes,
    responses((status = 200, body = Outcomes)),
)]
pub(crate) async fn write(scope: Scope<Moment>, body: Body) -> ApiResult<Answer> {
    let name = scope.path("collection");
    scope
        .answer(move |call| {
            let Writes { writes } = body.parse()?;
            Ok(Outcomes {
                outcomes: call.apply(&name, writes)?,
            })
        })
        .await
}

#[utoipa::path(
    post, path = "/v1/collections/{collection}/patch", tag = "documents",
    params(Moment),
    request_body = PatchBy,
    responses((status = 200, body = Changed)),
)]
pub(crate) async fn patch_by(scope: Scope<Moment>, body: Body) -> ApiResult<Answer> {
    let name = scope.path("collection");
    scope
        .answer(move |call| {
            let PatchBy { filter, patch } = body.parse()?;
            let again = patch.clone();
            let changed = call.write(
                &name,
                |collection| collection.patch_by(&filter, patch),
                |transaction, collection| transaction.patch_by(collection, &filter, again),
            )?;
            Ok(Changed { changed })
        })
        .await
}

#[utoipa::path(
    post, path = "/v1/collections/{collection}/delete", tag = "documents",
    params(Moment),
    request_body = Delete,
    responses((status = 200, body = Changed)),
)]
pub(crate) async fn delete(scope: Scope<Moment>, body: Body) -> ApiResult<Answer> {
    let name = scope.path("collection");
    scope
        .answer(move |call| {
            let changed = match body.parse()? {
                Delete {
                    ids: Some(ids),
                    filter: None,
                } => {
                    let writes = ids.into_iter().map(Write::delete).collect();
                    let outcomes = call.apply(&name, writes)?.into_iter();
                    outcomes.filter(|outcome| outcome.is_applied()).count() as u64
                }
                Delete {
                    ids: None,
                    filter: Some(filter),
                } => call.write(
                    &name,
                    |collection| collection.delete_by(&filter),
                    |transaction, collection| transaction.delete_by(collection, &filter),
                )?,
                _ => return Err(ApiError::invalid("ids, filter: give one of them")),
            };
            Ok(Changed { changed })
        })
        .await
}

#[utoipa::path(
    post, path = "/v1/collections/{collection}/get", tag = "documents",
    params(Moment),
    request_body = Ids,
    responses((status = 200, body = Documents)),
)]
pub(crate) async fn get_batch(scope: Scope<Moment>, body: Body) -> ApiResult<Answer> {
    let name = scope.path("collection");
    scope
        .read(move |call| {
            let Ids { ids } = body.parse()?;
            Ok(Documents {
                documents: call.get_batch(&name, &ids)?,
            })
        })
        .await
}

#[utoipa::path(
    get, path = "/v1/collections/{collection}/documents/{id}", tag = "documents",
    params(Moment),
    responses((status = 200, body = language::Document)),
)]
pub(crate) async fn get(scope: Scope<Moment>) -> ApiResult<Answer> {
    let name = scope.path("collection");
    let id = id(&scope);
    scope
        .read(move |call| {
            let found = call.get_batch(&name, std::slice::from_ref(&id))?.pop();
            found.flatten().ok_or_else(|| absent(&name, &id))
        })
        .await
}

#[utoipa::path(
    patch, path = "/v1/collections/{collection}/documents/{id}", tag = "documents",
    params(Moment),
    request_body = language::Patch,
    responses((status = 200, body = Outcomes)),
)]
pub(crate) async fn patch(scope: Scope<Moment>, body: Body) -> ApiResult<Answer> {
    let name = scope.path("collection");
    let id = id(&scope);
    scope
        .answer(move |call| {
            let patch: Patch = body.parse()?;
            one(call, &name, Write::patch(id.clone(), patch), &id)
        })
        .await
}

#[utoipa::path(
    delete, path = "/v1/collections/{collection}/documents/{id}", tag = "documents",
    params(Moment),
    responses((status = 200, body = Outcomes)),
)]
pub(crate) async fn delete_one(scope: Scope<Moment>) -> ApiResult<Answer> {
    let name = scope.path("collection");
    let id = id(&scope);
    scope
        .answer(move |call| one(call, &name, Write::delete(id.clone()), &id))
        .await
}

#[utoipa::path(
    post, path = "/v1/collections/{collection}/scroll", tag = "documents",
    params(Moment),
    request_body = Scroll,
    responses((status = 200, body = Page)),
)]
pub(crate) async fn scroll(scope: Scope<Moment>, body: Body) -> ApiResult<Answer> {
    let name = scope.path("collection");
    scope
        .read(move |call| {
            let Scroll { after, limit } = body.parse()?;
            let request = ScrollRequest { after, limit };
            Ok(Page::from(call.scroll(&name, &request)?))
        })
        .await
}

#[utoipa::path(
    post, path = "/v1/collections/{collection}/count", tag = "documents",
    params(Moment),
    request_body = Count,
    responses((status = 200, body = Counted)),
)]
pub(crate) async fn count(scope: Scope<Moment>, body: Body) -> ApiResult<Answer> {
    let name = scope.path("collection");
    scope
        .read(move |call| {
            let Count { filter } = body.parse_or_default()?;
            Ok(Counted {
                count: call.count(&name, filter.as_ref())?,
            })
        })
        .await
}

/// Makes one write of a document that has to be there.
fn one(call: &Call, name: &str, write: Write, id: &DocId) -> ApiResult<Outcomes> {
    let outcomes = call.apply(name, vec![write])?;
    if outcomes == [Outcome::NotFound] {
        return Err(absent(name, id));
    }
    Ok(Outcomes { outcomes })
}

/// The id in the path: a number, a UUID or text; in quotes it is text in any case.
fn id(scope: &Scope<Moment>) -> DocId {
    let text = scope.path("id");
    match serde_json::from_str(&text) {
        Ok(serde_json::Value::String(quoted)) => DocId::Str(quoted),
        _ => DocId::from_text(&text),
    }
}

fn absent(name: &str, id: &DocId) -> ApiError {
    ApiError::not_found(format!("collection {name:?} has no document {id}"))
}
