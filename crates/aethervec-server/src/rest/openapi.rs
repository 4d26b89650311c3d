//! The description of the API, generated from the handlers.

use super::{ask, collections, documents, short, state, whole};
use crate::app::App;
use axum::routing::get;
use axum::{Json, Router};
use std::sync::{Arc, LazyLock};
use utoipa::OpenApi;

/// Everything that the native REST API answers.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "AetherVec",
        description = "A transactional vector database. Each path under /v1 is also there under /v1/tenants/{tenant}; the header aethervec-tenant names a tenant, too."
    ),
    paths(
        short::insert,
        short::query,
        state::list_tenants,
        state::create_tenant,
        state::drop_tenant,
        collections::list,
        collections::create,
        collections::describe,
        collections::change,
        collections::drop_collection,
        collections::list_aliases,
        collections::change_aliases,
        collections::add_field,
        collections::drop_field,
        collections::list_indexes,
        collections::create_index,
        collections::drop_index,
        documents::upsert,
        documents::write,
        documents::patch_by,
        documents::delete,
        documents::get_batch,
        documents::get,
        documents::patch,
        documents::delete_one,
        documents::scroll,
        documents::count,
        ask::search,
        ask::search_batch,
        ask::explain,
        ask::query,
        ask::query_batch,
        ask::query_groups,
        ask::facet,
        ask::matrix,
        whole::import,
        whole::export,
        state::begin,
        state::commit,
        state::roll_back,
        state::savepoint,
        state::roll_back_to,
        state::hold,
        state::release,
    )
)]
struct Description;

static DESCRIPTION: LazyLock<utoipa::openapi::OpenApi> = LazyLock::new(Description::openapi);

/// Its route.
pub(super) fn router() -> Router<Arc<App>> {
    Router::new().route("/openapi.json", get(async || Json(&*DESCRIPTION)))
}
