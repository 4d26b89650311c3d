//! The routes: all of the core, the older ones, and what clients ask before they begin.

use super::call::Place;
use super::handlers::{part, plain, refused, with};
use super::snapshots;
use crate::app::App;
use crate::auth::Action::{Manage, Read, Write};
use crate::qdrant::VERSION;
use crate::qdrant::access::Access;
use crate::qdrant::error::{Failure, Result};
use crate::qdrant::model::{
    ClusterStatus, DeletePayload, DeleteVectors, DiscoverRequest, Groups, GroupsRequest, Issues,
    PointId, QueryBatch, QueryRequest, RecommendRequest, ScoredPoint, SearchRequest, Searches,
    Selector, SetPayload, UpdateOperation, UpdateResult, UpdateVectors, Upsert,
};
use crate::qdrant::service::{cluster, collections, points, queries, telemetry, updates};
use axum::extract::{DefaultBodyLimit, State};
use axum::http::Uri;
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post, put};
use axum::{Json, Router};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::time::Instant;

/// All routes of the port.
pub(crate) fn router(app: &Arc<App>) -> Router {
    Router::new()
        .route("/", get(version))
        .route("/healthz", get(|| async { "healthz check passed" }))
        .route("/livez", get(|| async { "livez check passed" }))
        .route("/readyz", get(ready))
        .merge(of_servers())
        .merge(of_collections())
        .merge(of_points())
        .merge(of_updates())
        .merge(of_queries())
        .merge(older())
        .merge(snapshots::router())
        .fallback(unknown)
        .layer(DefaultBodyLimit::max(app.config.body_bytes_max))
        .with_state(Arc::clone(app))
}

/// What is asked of servers and clusters, answered by one that is alone.
fn of_servers() -> Router<Arc<App>> {
    let no_issues = get(plain(Read, |_, _| Ok(Issues { issues: [] })));
    let no_shard_keys = "custom sharding";
    let shards = get(plain(Read, |db, at| {
        cluster::shard_keys(db, at.collection())
    }));
    let of_collection = get(plain(Read, |db, at| {
        cluster::of_collection(db, at.collection())
    }));
    Router::new()
        .route(
            "/telemetry",
            get(plain(Read, |db, _| telemetry::telemetry(db))),
        )
        .route("/issues", no_issues.delete(plain(Manage, |_, _| Ok(true))))
        .route(
            "/cluster",
            get(plain(Read, |_, _| Ok(ClusterStatus::Disabled))),
        )
        .route(
            "/collections/{name}/cluster",
            of_collection.post(refused("a cluster's operation")),
        )
        .route(
            "/collections/{name}/shards",
            shards.put(refused(no_shard_keys)),
        )
        .route(
            "/collections/{name}/shards/delete",
            post(refused(no_shard_keys)),
        )
        .route(
            "/collections/{name}/optimizations",
            get(plain(Read, |db, at| {
                cluster::optimizations(db, at.collection())
            })),
        )
}

fn of_collections() -> Router<Arc<App>> {
    let collection = get(plain(Read, |db, at| collections::info(db, at.collection())))
        .put(with(Manage, |db, at, body| {
            collections::create(db, at.collection(), body)
        }))
        .patch(with(Manage, |db, at, body| {
            collections::update(db, at.collection(), body)
        }))
        .delete(plain(Manage, |db, at| {
            collections::delete(db, at.collection())
        }));
    let vector = put(with(Manage, |db, at, body| {
        collections::create_vector(db, at.collection(), part(at, "vector"), body)
    }))
    .delete(plain(Manage, |db, at| {
        collections::delete_vector(db, at.collection(), part(at, "vector"))
    }));
    Router::new()
        .route(
            "/collections",
            get(plain(Read, |db, _| collections::list(db))),
        )
        .route(
            "/collections/aliases",
            post(with(Manage, |db, _, body| {
                collections::change_aliases(db, body)
            })),
        )
        .route(
            "/aliases",
            get(plain(Read, |db, _| collections::aliases(db))),
        )
        .route("/collections/{name}", collection)
        .route(
            "/collections/{name}/exists",
            get(plain(Read, |db, at| {
                collections::exists(db, at.collection())
            })),
        )
        .route(
            "/collections/{name}/aliases",
            get(plain(Read, |db, at| {
                collections::aliases_of(db, at.collection())
            })),
        )
        .route(
            "/collections/{name}/index",
            put(with(Manage, |db, at, body| {
                collections::create_index(db, at.collection(), body, at.wait)
            })),
        )
        .route(
            "/collections/{name}/index/{key}",
            delete(plain(Manage, |db, at| {
                collections::delete_index(db, at.collection(), part(at, "key"), at.wait)
            })),
        )
        .route("/collections/{name}/vectors/{vector}", vector)
}

fn of_points() -> Router<Arc<App>> {
    let all = post(with(Read, |db, at, body| {
        points::retrieve(db, at.collection(), body)
    }))
    .put(with(Write, |db, at, body: Upsert| {
        update(db, at, UpdateOperation::Upsert(body))
    }));
    Router::new()
        .route("/collections/{name}/points", all)
        .route(
            "/collections/{name}/points/{id}",
            get(plain(Read, |db, at| {
                points::get(db, at.collection(), id(part(at, "id"))?)
            })),
        )
        .route(
            "/collections/{name}/points/scroll",
            post(with(Read, |db, at, body| {
                points::scroll(db, at.collection(), body)
            })),
        )
        .route(
            "/collections/{name}/points/count",
            post(with(Read, |db, at, body| {
                points::count(db, at.collection(), body)
            })),
        )
        .route(
            "/collections/{name}/facet",
            post(with(Read, |db, at, body| {
                points::facet(db, at.collection(), body)
            })),
        )
}

fn of_updates() -> Router<Arc<App>> {
    let payload = post(with(Write, |db, at, body: SetPayload| {
        update(db, at, UpdateOperation::SetPayload(body))
    }))
    .put(with(Write, |db, at, body: SetPayload| {
        update(db, at, UpdateOperation::OverwritePayload(body))
    }));
    Router::new()
        .route(
            "/collections/{name}/points/delete",
            post(with(Write, |db, at, body: Selector| {
                update(db, at, UpdateOperation::Delete(body))
            })),
        )
        .route("/collections/{name}/points/payload", payload)
        .route(
            "/collections/{name}/points/payload/delete",
            post(with(Write, |db, at, body: DeletePayload| {
                update(db, at, UpdateOperation::DeletePayload(body))
            })),
        )
        .route(
            "/collections/{name}/points/payload/clear",
            post(with(Write, |db, at, body: Selector| {
                update(db, at, UpdateOperation::ClearPayload(body))
            })),
        )
        .route(
            "/collections/{name}/points/vectors",
            put(with(Write, |db, at, body: UpdateVectors| {
                update(db, at, UpdateOperation::UpdateVectors(body))
            })),
        )
        .route(
            "/collections/{name}/points/vectors/delete",
            post(with(Write, |db, at, body: DeleteVectors| {
                update(db, at, UpdateOperation::DeleteVectors(body))
            })),
        )
        .route(
            "/collections/{name}/points/batch",
            post(with(Write, |db, at, body| {
                updates::batch(db, at.collection(), body, at.wait)
            })),
        )
}

fn of_queries() -> Router<Arc<App>> {
    Router::new()
        .route(
            "/collections/{name}/points/query",
            post(with(Read, |db, at, body| {
                queries::query(db, at.collection(), body)
            })),
        )
        .route(
            "/collections/{name}/points/query/batch",
            post(with(Read, |db, at, body| {
                queries::query_batch(db, at.collection(), body)
            })),
        )
        .route(
            "/collections/{name}/points/query/groups",
            post(with(Read, |db, at, body: GroupsRequest| {
                queries::query_groups(db, at.collection(), body)
            })),
        )
        .route(
            "/collections/{name}/points/search/matrix/pairs",
            post(with(Read, |db, at, body| {
                queries::matrix_pairs(db, at.collection(), body)
            })),
        )
        .route(
            "/collections/{name}/points/search/matrix/offsets",
            post(with(Read, |db, at, body| {
                queries::matrix_offsets(db, at.collection(), body)
            })),
        )
}

/// The eight routes that queries have replaced.
fn older() -> Router<Arc<App>> {
    Router::new()
        .merge(older_kind::<SearchRequest>("search"))
        .merge(older_kind::<RecommendRequest>("recommend"))
        .merge(older_kind::<DiscoverRequest>("discover"))
        .route(
            "/collections/{name}/points/search/groups",
            post(with(Read, |db, at, body: Groups<SearchRequest>| {
                queries::query_groups(db, at.collection(), body.into())
            })),
        )
        .route(
            "/collections/{name}/points/recommend/groups",
            post(with(Read, |db, at, body: Groups<RecommendRequest>| {
                queries::query_groups(db, at.collection(), body.into())
            })),
        )
}

fn older_kind<B>(kind: &str) -> Router<Arc<App>>
where
    B: Into<QueryRequest> + DeserializeOwned + Send + 'static,
{
    let one = with(Read, |db, at, body: B| {
        let found = queries::query(db, at.collection(), body.into())?;
        Ok(found.points)
    });
    let several = with(Read, |db, at, body: Searches<B>| {
        let searches = body.searches.into_iter().map(Into::into).collect();
        let found = queries::query_batch(db, at.collection(), QueryBatch { searches })?;
        let points: Vec<Vec<ScoredPoint>> = found.into_iter().map(|found| found.points).collect();
        Ok(points)
    });
    Router::new()
        .route(&format!("/collections/{{name}}/points/{kind}"), post(one))
        .route(
            &format!("/collections/{{name}}/points/{kind}/batch"),
            post(several),
        )
}

async fn version() -> Json<Value> {
    Json(json!({
        "title": "AetherVec, Qdrant-compatible API",
        "version": VERSION,
        "commit": null,
    }))
}

async fn ready(State(app): State<Arc<App>>) -> Response {
    match app.health.state().await.check() {
        Ok(()) => "all shards are ready".into_response(),
        Err(error) => Failure::from(error).into_response_after(Instant::now()),
    }
}

async fn unknown(uri: Uri) -> Response {
    Failure::not_found(format!("there is no route {}", uri.path()))
        .into_response_after(Instant::now())
}

fn id(text: &str) -> Result<PointId> {
    match text.parse::<u64>() {
        Ok(number) => Ok(PointId(number.into())),
        Err(_) => PointId::parse(text).map_err(Failure::wrong),
    }
}

fn update(db: &Access<'_>, at: &Place, operation: UpdateOperation) -> Result<UpdateResult> {
    updates::update(db, at.collection(), operation, at.wait)
}
