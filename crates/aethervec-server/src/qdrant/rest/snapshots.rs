//! The routes of snapshots: files go in and out as streams, in memory a piece at a time.

use super::call::{Call, Place};
use super::handlers::{at_length, part, plain};
use crate::app::App;
use crate::auth::Action::{Manage, Read};
use crate::qdrant::access::Access;
use crate::qdrant::error::{Failure, Result};
use crate::qdrant::model::RecoverSnapshot;
use crate::qdrant::service::snapshots::{self, whole};
use crate::streams::{self, ChunkSource};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::multipart::{Multipart, MultipartError, MultipartRejection};
use axum::extract::{DefaultBodyLimit, Query};
use axum::http::{HeaderValue, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use serde::Deserialize;
use std::io::BufRead;
use std::sync::Arc;
use tokio_stream::wrappers::ReceiverStream;

/// What an upload says behind the `?`; which copy wins (`priority`) is no question where there is one.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Uploading {
    checksum: Option<String>,
}

pub(super) fn router() -> Router<Arc<App>> {
    let all = get(plain(Read, |db, at| snapshots::list(db, at.collection())))
        .post(at_length(Manage, |db, at| {
            snapshots::create(db, at.collection())
        }));
    let one = get(download).delete(at_length(Manage, |db, at| {
        snapshots::delete(db, at.collection(), part(at, "snapshot"))
    }));
    let all_whole = get(plain(Read, |db, _| whole::list(db)))
        .post(at_length(Manage, |db, _| whole::create(db)));
    let one_whole = get(download).delete(at_length(Manage, |db, at| {
        whole::delete(db, part(at, "snapshot"))
    }));
    Router::new()
        .route("/collections/{name}/snapshots", all)
        .route("/collections/{name}/snapshots/{snapshot}", one)
        .route("/collections/{name}/snapshots/recover", put(recover))
        .route(
            "/collections/{name}/snapshots/upload",
            post(upload).layer(DefaultBodyLimit::disable()),
        )
        .route("/snapshots", all_whole)
        .route("/snapshots/{snapshot}", one_whole)
}

async fn recover(call: Call, body: Bytes) -> Response {
    let work = move |db: &Access<'_>, at: &Place| {
        let request: RecoverSnapshot = serde_json::from_slice(&body).map_err(Failure::format)?;
        snapshots::recover(db, at.collection(), request)
    };
    call.answer_at_length(Manage, work).await
}

async fn upload(
    call: Call,
    uri: Uri,
    form: std::result::Result<Multipart, MultipartRejection>,
) -> Response {
    let begin = call.begin;
    let mut form = match form {
        Ok(form) => form,
        Err(error) => return Failure::wrong(error.body_text()).into_response_after(begin),
    };
    let Query(Uploading { checksum }) = match Query::try_from_uri(&uri) {
        Ok(query) => query,
        Err(error) => return Failure::wrong(error).into_response_after(begin),
    };
    let (source, reader) = streams::incoming();
    let work = move |db: &Access<'_>, at: &Place| {
        snapshots::upload(db, at.collection(), reader, checksum.as_deref())
    };
    let (answer, fed) = tokio::join!(call.answer_at_length(Manage, work), feed(&mut form, source));
    match fed {
        Ok(()) => answer,
        // What the reader made of it does not say why.
        Err(failure) if answer.status().is_client_error() => failure.into_response_after(begin),
        Err(_) => answer,
    }
}

/// Hands the file of a form on. What stands before it is passed over.
async fn feed(form: &mut Multipart, source: ChunkSource) -> Result<()> {
    let wrong = |error: MultipartError| Failure::wrong(format!("form: {}", error.body_text()));
    while let Some(mut field) = form.next_field().await.map_err(wrong)? {
        if field.name() != Some("snapshot") {
            continue;
        }
        while let Some(piece) = field.chunk().await.map_err(wrong)? {
            if !source.put(piece).await {
                return Ok(());
            }
        }
        source.finish().await;
        return Ok(());
    }
    Err(Failure::wrong("form: it has no field called \"snapshot\""))
}

/// A file of a collection, or of the whole database where the path names none.
async fn download(call: Call) -> Response {
    let Call {
        app,
        caller,
        place,
        begin,
        ..
    } = call;
    let tenant = caller.tenant.clone().unwrap_or_default();
    if let Err(error) = caller.allow_within(Read, &tenant) {
        return Failure::from(error).into_response_after(begin);
    }
    let snapshot = part(&place, "snapshot").to_owned();
    // The database stays open as long as the stream.
    let opened = app.with_tenant(tenant, app.deadline(), move |tenant| {
        let collection = place.get("name");
        let db = Access::new(tenant, &caller, Read, collection);
        let snapshot = part(&place, "snapshot");
        let file = db.and_then(|db| match collection {
            Some(name) => snapshots::open(&db, name, snapshot),
            None => whole::open(&db, snapshot),
        });
        Ok::<_, crate::ApiError>(file.map(|file| (file, Arc::clone(tenant))))
    });
    let (mut file, tenant) = match opened
        .await
        .map_err(Failure::from)
        .and_then(|opened| opened)
    {
        Ok(opened) => opened,
        Err(failure) => return failure.into_response_after(begin),
    };
    let (mut writer, chunks) = streams::outgoing();
    let send = move || {
        let end = writer.end();
        if let Err(error) = copy(&mut file, &mut writer) {
            end.fail(error.to_string());
        }
        drop(tenant);
    };
    if let Err(error) = app.streams.start(app.deadline(), send).await {
        return Failure::from(error).into_response_after(begin);
    }
    let name = format!("attachment; filename=\"{snapshot}\"");
    let headers = [
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/octet-stream"),
        ),
        (
            header::CONTENT_DISPOSITION,
            HeaderValue::from_str(&name).unwrap_or(HeaderValue::from_static("attachment")),
        ),
    ];
    (headers, Body::from_stream(ReceiverStream::new(chunks))).into_response()
}

/// As many bytes at a time as the file is read by.
fn copy(file: &mut impl BufRead, out: &mut impl std::io::Write) -> std::io::Result<()> {
    loop {
        let piece = file.fill_buf()?;
        if piece.is_empty() {
            return Ok(());
        }
        out.write_all(piece)?;
        let written = piece.len();
        file.consume(written);
    }
}
