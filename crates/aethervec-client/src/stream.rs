//! Streams of documents in, whole collections out and in.
//!
//! Whoever is slower slows the other one down: a server that has enough to do stops reading, the connection's window fills, and
//! [`Importer::send`] waits.

use crate::call::Caller;
use crate::collection::upserted;
use crate::error::{Error, Result};
use crate::pool::Lease;
use aethervec::{Document, Upserted};
use aethervec_proto::v1;
use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;

/// Documents of a batch: what is written together, with one sync of the log.
const BATCH_DOCUMENTS: usize = 1_000;
/// Components of the vectors of a batch, about: 4 MiB.
const BATCH_COMPONENTS: usize = 1 << 20;
/// Batches that wait to be sent.
const BATCHES: usize = 2;

/// A stream of documents into a collection.
///
/// They are sent in batches; each is written as a whole, and durable before the end is acknowledged. It is not one transaction: after
/// an error, or when this is dropped before [`finish`](Importer::finish), earlier batches stay. Sending the same documents again
/// makes it whole.
///
/// ```no_run
/// use aethervec_client::{Document, VectorDatabaseClient};
///
/// # async fn example(client: VectorDatabaseClient) -> aethervec_client::Result<()> {
/// let mut import = client.importer("passages");
/// for id in 0..1_000_000_u64 {
///     import.send(Document::new(vec![id as f32; 384], id)).await?;
/// }
/// let written = import.finish().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Importer {
    collection: String,
    batch: Vec<v1::Document>,
    components: usize,
    batches: mpsc::Sender<v1::UpsertRequest>,
    answer: JoinHandle<Result<Upserted>>,
}

impl Importer {
    pub(crate) fn new(caller: &Caller, collection: String) -> Importer {
        let (batches, stream) = mpsc::channel(BATCHES);
        let (mut rpc, lease, request) = caller.stream(ReceiverStream::new(stream));
        let answer = tokio::spawn(async move {
            let answer = rpc.upsert_stream(request).await;
            drop(lease);
            Ok(upserted(answer?.get_ref()))
        });
        Importer {
            collection,
            batch: Vec::new(),
            components: 0,
            batches,
            answer,
        }
    }

    /// Sends a document, or waits until there is room for it.
    ///
    /// # Errors
    /// Why the stream has ended: that may be about a document that was sent before.
    pub async fn send(&mut self, document: Document) -> Result<()> {
        let dense = document.vectors.iter();
        let dims = dense.map(|(_, vector)| vector.as_dense().map_or(0, |vector| vector.dim()));
        self.components += dims.sum::<usize>();
        self.batch.push(document.into());
        if self.batch.len() < BATCH_DOCUMENTS && self.components < BATCH_COMPONENTS {
            return Ok(());
        }
        self.flush().await
    }

    /// Sends what is left, and waits until everything is durable: what came of all documents.
    ///
    /// # Errors
    /// As [`send`](Importer::send).
    pub async fn finish(mut self) -> Result<Upserted> {
        if !self.batch.is_empty() {
            self.flush().await?;
        }
        drop(self.batches);
        ended(&mut self.answer).await
    }

    async fn flush(&mut self) -> Result<()> {
        self.components = 0;
        let batch = v1::UpsertRequest {
            collection: self.collection.clone(),
            documents: std::mem::take(&mut self.batch),
            at: None,
        };
        if self.batches.send(batch).await.is_ok() {
            return Ok(());
        }
        // Nobody sends any more: the answer says why.
        match ended(&mut self.answer).await {
            Ok(_) => Err(Error::invalid("the server has ended the stream")),
            Err(error) => Err(error),
        }
    }
}

async fn ended(answer: &mut JoinHandle<Result<Upserted>>) -> Result<Upserted> {
    match answer.await {
        Ok(answer) => answer,
        Err(error) => Err(Error::new(
            crate::ErrorKind::Internal,
            format!("the stream was given up: {error}"),
        )),
    }
}

/// Reads a whole collection from JSON lines.
pub(crate) async fn import_lines(
    caller: &Caller,
    collection: String,
    lines: impl Stream<Item = Bytes> + Send + 'static,
) -> Result<Upserted> {
    let mut name = Some(collection);
    let messages = lines.map(move |chunk| v1::ImportRequest {
        collection: name.take().unwrap_or_default(),
        chunk,
    });
    let (mut rpc, lease, request) = caller.stream(messages);
    let answer = rpc.import(request).await;
    drop(lease);
    Ok(upserted(answer?.get_ref()))
}

/// A whole collection as JSON lines: a stream of pieces, cut anywhere. It is whole when it ends without an error.
pub struct Export {
    pieces: Streaming<v1::ExportResponse>,
    _lease: Lease,
}

impl Export {
    pub(crate) async fn of(
        caller: &Caller,
        collection: String,
        at: Option<v1::At>,
    ) -> Result<Export> {
        let (mut rpc, lease, request) = caller.stream(v1::ExportRequest { collection, at });
        Ok(Export {
            pieces: rpc.export(request).await?.into_inner(),
            _lease: lease,
        })
    }

    /// The next piece; none at the end.
    ///
    /// # Errors
    /// When the stream breaks off.
    pub async fn next(&mut self) -> Result<Option<Bytes>> {
        let piece = self.pieces.message().await?;
        Ok(piece.map(|piece| piece.chunk))
    }
}

impl Stream for Export {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let piece = self.pieces.poll_next_unpin(context);
        piece.map(|piece| piece.map(|piece| Ok(piece?.chunk)))
    }
}

impl fmt::Debug for Export {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Export").finish_non_exhaustive()
    }
}
