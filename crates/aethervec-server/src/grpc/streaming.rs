//! The calls with streams: batches of documents, and whole collections.

use super::documents::{insert_short, upsert};
use super::scope::{Answer, Scope, moment};
use crate::call::At;
use crate::error::ApiError;
use crate::proto::*;
use crate::streams::{self, Chunk};
use crate::whole;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt, TryStreamExt};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Response, Status, Streaming};

/// Batches of a stream that are written at the same time: while one waits for the disk, the next is taken apart.
const BATCHES_MAX: usize = 4;

/// A collection as it goes out.
pub(super) type Exported = BoxStream<'static, Result<ExportResponse, Status>>;

/// Writes batches of vectors in the short form.
pub(super) async fn insert_batch(
    scope: Scope,
    messages: Streaming<InsertRequest>,
) -> Answer<InsertResponse> {
    let count = messages
        .map_ok(|message| {
            let scope = scope.clone().renewed();
            async move {
                let written = scope.run(At::Now, move |call| insert_short(call, message));
                Ok(written.await?.count)
            }
        })
        .try_buffered(BATCHES_MAX)
        .try_fold(0, async |sum, count| Ok(sum + count))
        .await?;
    Ok(Response::new(InsertResponse { count }))
}

/// Writes batches of documents.
pub(super) async fn upsert_stream(
    scope: Scope,
    mut messages: Streaming<UpsertRequest>,
) -> Answer<UpsertResponse> {
    let Some(mut first) = messages.message().await? else {
        return Ok(Response::new(UpsertResponse::default()));
    };
    let at = moment(first.at.take())?;
    let messages = futures_util::stream::iter([Ok(first)]).chain(messages);
    let upserted = messages
        .map_ok(|message| {
            let scope = scope.clone().renewed();
            async move { Ok(scope.run(at, move |call| upsert(call, message)).await?) }
        })
        .try_buffered(BATCHES_MAX)
        .try_fold(UpsertResponse::default(), async |sum, batch| {
            Ok(UpsertResponse {
                inserted: sum.inserted + batch.inserted,
                replaced: sum.replaced + batch.replaced,
            })
        })
        .await?;
    Ok(Response::new(upserted))
}

/// Makes a collection of JSON lines.
pub(super) async fn import(
    scope: Scope,
    mut messages: Streaming<ImportRequest>,
) -> Answer<UpsertResponse> {
    let Some(first) = messages.message().await? else {
        return Err(ApiError::invalid("collection: the stream is empty").into());
    };
    let (source, reader) = streams::incoming();
    let import = whole::import(
        &scope.app,
        scope.tenant,
        scope.caller,
        first.collection,
        reader,
    );
    let feed = async move {
        let mut chunk = Some(first.chunk);
        while let Some(piece) = chunk {
            // An import that has failed says so itself; a connection that is broken, the reader.
            if !source.put(piece).await {
                return;
            }
            let Ok(next) = messages.message().await else {
                return;
            };
            chunk = next.map(|message| message.chunk);
        }
        source.finish().await;
    };
    let (upserted, ()) = tokio::join!(import, feed);
    let upserted = upserted?;
    Ok(Response::new(UpsertResponse {
        inserted: upserted.inserted as u64,
        replaced: upserted.replaced as u64,
    }))
}

/// Gives a collection out as JSON lines.
pub(super) async fn export(scope: Scope, message: ExportRequest) -> Answer<Exported> {
    let at = moment(message.at)?;
    let chunks = whole::export(
        &scope.app,
        scope.tenant,
        scope.caller,
        at,
        message.collection,
    )
    .await?;
    let answer = |chunk: Chunk| match chunk {
        Ok(chunk) => Ok(ExportResponse { chunk }),
        Err(error) => Err(Status::internal(error.to_string())),
    };
    let answers = ReceiverStream::new(chunks).map(answer);
    Ok(Response::new(answers.boxed()))
}
