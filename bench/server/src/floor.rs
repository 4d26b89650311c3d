//! The floor: what HTTP/2 costs by itself. A server that takes the message of a search apart and sends an answer that it has ready
//! (hyper), and a client that sends and reads such messages and does nothing else (tonic). No search over gRPC costs less.

use std::convert::Infallible;
use std::future;
use std::time::Duration;

use aethervec::{DocId, VectorValue};
use aethervec_proto::v1::vector_database_client::VectorDatabaseClient;
use aethervec_proto::v1::{Hit, SearchRequest, SearchResponse};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message;
use serde_json::json;
use tokio::net::TcpListener;
use tonic::transport::{Channel, Endpoint};

use crate::clock::{cpu_seconds, now};
use crate::protocol::Result;
use crate::set::{K, NAME};
use crate::target::{Target, end_with};
use crate::{Options, runtime};

/// Components of the vector that is sent: those of minilm.
const DIM: usize = 384;
/// Bytes before a message: whether it is compressed, and how long it is.
const PREFIX: usize = 5;

/// Why a call is not answered: threads hand it on.
type Broken = Box<dyn std::error::Error + Send + Sync>;

pub fn run(options: &Options) -> Result<()> {
    let target = Target::start_floor()?;
    let (server_cpu, client_cpu) = (target.cpu_seconds(), cpu_seconds());
    let per_s = runtime(true)?.block_on(calls(options, &target))?;
    let line = json!({
        "part": "floor", "connections": options.connections, "grpc_qps": per_s,
        "server_cpu_us": options.us_of_each(target.cpu_seconds() - server_cpu, per_s),
        "client_cpu_us": options.us_of_each(cpu_seconds() - client_cpu, per_s),
    });
    println!("{line}");
    target.stop()
}

/// Calls in a second, of so many connections together, each of which waits for its answer.
async fn calls(options: &Options, target: &Target) -> Result<f64> {
    let request = SearchRequest {
        collection: NAME.to_owned(),
        vector: Some(VectorValue::from(vec![0.5; DIM]).into()),
        ..SearchRequest::default()
    };
    let begin = now();
    let mut callers = Vec::new();
    for _ in 0..options.connections {
        let endpoint = Endpoint::from_shared(target.url())?.tcp_nodelay(true);
        let mut client = VectorDatabaseClient::<Channel>::new(endpoint.connect().await?);
        let (request, time) = (request.clone(), Duration::from_secs(options.seconds));
        callers.push(tokio::spawn(async move {
            let mut count = 0_usize;
            while begin.elapsed() < time {
                client.search(request.clone()).await?;
                count += 1;
            }
            Ok::<usize, tonic::Status>(count)
        }));
    }
    let mut count = 0;
    for caller in callers {
        count += caller.await??;
    }
    Ok(count as f64 / begin.elapsed().as_secs_f64())
}

/// `serverbench serve-floor PARENT`: the server. It is killed when the process PARENT, which has started it, ends.
pub fn serve(arguments: &[String]) -> Result<()> {
    let [parent] = arguments else {
        return Err("serve-floor PARENT".into());
    };
    end_with(parent)?;
    runtime(true)?.block_on(accept())
}

async fn accept() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    println!("{}", json!({"grpc": address, "http": address}));
    let hit = |id: usize| Hit {
        id: Some(DocId::from(id as u64).into()),
        score: 0.5 + id as f64,
        ..Hit::default()
    };
    let answer = framed(&SearchResponse {
        hits: (0..K).map(hit).collect(),
        ..SearchResponse::default()
    })?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let answer = answer.clone();
        let service = service_fn(move |request| respond(request, answer.clone()));
        let builder = http2::Builder::new(TokioExecutor::new());
        tokio::spawn(builder.serve_connection(TokioIo::new(stream), service));
    }
}

async fn respond(
    request: Request<Incoming>,
    answer: Bytes,
) -> std::result::Result<Response<impl Body<Data = Bytes, Error = Infallible>>, Broken> {
    let body = request.into_body().collect().await?.to_bytes();
    SearchRequest::decode(body.get(PREFIX..).unwrap_or_default())?;
    let mut done = HeaderMap::new();
    done.insert("grpc-status", HeaderValue::from_static("0"));
    let body = Full::new(answer).with_trailers(future::ready(Some(Ok(done))));
    let response = Response::builder().header(CONTENT_TYPE, "application/grpc");
    Ok(response.body(body)?)
}

/// A message as it is sent.
fn framed(message: &impl Message) -> Result<Bytes> {
    let mut bytes = vec![0];
    bytes.extend(u32::try_from(message.encoded_len())?.to_be_bytes());
    message.encode(&mut bytes)?;
    Ok(bytes.into())
}
