//! `client`: a server, asked over the network.

use super::{Stopwatch, shown};
use crate::args::client::{Client, ClientCommand, Server};
use crate::failure::{Exit, Failure, Outcome};
use crate::human;
use crate::import::csv::parse_vector;
use crate::import::id_from_text;
use crate::input::Input;
use crate::output::Output;
use aethervec_client::{
    Document, Error, ErrorKind, Hit, SearchRequest, Vector, VectorDatabaseClient,
};
use serde_json::{Map, Value, json};
use std::io::Read;

/// `aethervec client`.
pub(crate) fn run(out: Output, args: &Client) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::failed(format!("the network cannot be used: {error}")))?;
    runtime.block_on(async {
        let client = connect(&args.server).await?;
        match &args.command {
            ClientCommand::Put {
                id,
                vector,
                metadata,
                collection,
            } => {
                let vector = Vector {
                    id: id_from_text(id),
                    dimensions: components(vector)?,
                    metadata: metadata.as_deref().map(object).transpose()?,
                };
                put(out, &client, vector, collection.as_deref()).await
            }
            ClientCommand::Search {
                vector,
                k,
                filter,
                collection,
            } => {
                let vector = components(vector)?;
                let request = SearchRequest {
                    filter: filter.as_ref(),
                    ..SearchRequest::new(&vector, *k)
                };
                search(out, &client, collection, request).await
            }
            ClientCommand::Health => {
                let health = client.health().await.map_err(failure)?;
                out.line(format!("{} (version {})", health.status, health.version));
                out.object(&json!({"status": health.status, "version": health.version}));
                Ok(())
            }
        }
    })
}

async fn connect(server: &Server) -> Outcome<VectorDatabaseClient> {
    let mut options = VectorDatabaseClient::options(&server.url);
    if let Some(tenant) = &server.tenant {
        options = options.tenant(tenant);
    }
    if let Some(key) = &server.api_key {
        options = options.api_key(key);
    }
    if let Some(token) = &server.token {
        options = options.token(token);
    }
    if let Some(path) = &server.ca {
        let mut pem = Vec::new();
        let read = Input::open(path)?.read_to_end(&mut pem);
        read.map_err(|error| Failure::file(&path.display().to_string(), &error))?;
        options = options.ca_certificate(pem);
    }
    options.connect().await.map_err(|error| {
        let problem = failure(error);
        Failure::new(
            problem.exit(),
            problem.kind(),
            format!("{}: {problem}", server.url),
        )
    })
}

async fn put(
    out: Output,
    client: &VectorDatabaseClient,
    vector: Vector,
    collection: Option<&str>,
) -> Outcome {
    let written = match collection {
        None => client
            .insert_vectors([vector])
            .await
            .map(|inserted| inserted.count),
        Some(name) => {
            let document = Document {
                payload: vector.metadata,
                ..Document::new(vector.dimensions, vector.id)
            };
            let upserted = client.collection(name).upsert(document).await;
            upserted.map(|upserted| (upserted.inserted + upserted.replaced) as u64)
        }
    };
    let count = written.map_err(failure)?;
    out.line(format!("{} written", human::counted(count, "vector")));
    out.object(&json!({"count": count}));
    Ok(())
}

async fn search(
    out: Output,
    client: &VectorDatabaseClient,
    collection: &str,
    request: SearchRequest<'_>,
) -> Outcome {
    let collection = client.collection(collection);
    let watch = Stopwatch::start();
    let hits = collection.search_with(request).await.map_err(failure)?;
    let took = watch.elapsed();
    out.object(&json!({"hits": hits.iter().map(hit_json).collect::<Vec<_>>()}));
    let documents = collection.count().await.map_err(failure)?;
    let rows = hits.iter().map(|hit| shown::HitRow {
        id: &hit.id,
        score: hit.score,
        payload: hit.payload.as_ref(),
    });
    shown::hits(out, rows, documents, took);
    Ok(())
}

fn hit_json(hit: &Hit) -> Value {
    let mut object = json!({"id": hit.id, "score": hit.score, "distance": hit.distance});
    if let Some(payload) = &hit.payload {
        object["payload"] = payload.clone();
    }
    object
}

fn components(text: &str) -> Outcome<Vec<f32>> {
    parse_vector(text).map_err(|message| Failure::invalid(format!("--vector: {message}")))
}

fn object(text: &str) -> Outcome<Value> {
    serde_json::from_str::<Map<String, Value>>(text)
        .map(Value::Object)
        .map_err(|error| Failure::invalid(format!("--metadata: {error}")))
}

fn failure(error: Error) -> Failure {
    let (exit, kind) = match error.kind() {
        ErrorKind::Invalid => (Exit::Invalid, "invalid"),
        ErrorKind::NotFound => (Exit::NotFound, "not_found"),
        ErrorKind::Exists => (Exit::Failed, "exists"),
        ErrorKind::Unauthenticated => (Exit::Failed, "unauthenticated"),
        ErrorKind::Forbidden => (Exit::Failed, "forbidden"),
        ErrorKind::Overloaded => (Exit::Failed, "overloaded"),
        ErrorKind::Deadline => (Exit::Failed, "deadline"),
        ErrorKind::Unavailable => (Exit::Failed, "unavailable"),
        _ => (Exit::Failed, "failed"),
    };
    Failure::new(exit, kind, error.to_string())
}
