//! A port accepts connections, and each is served on a task of its own: HTTP/1 and HTTP/2, whatever the client speaks.

use super::activity::{Activity, Watched};
use super::body::{Pace, Paced};
use super::{Limits, Net};
use crate::observe::metrics::Counted;
use crate::peer::Peer;
use axum::Router;
use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, Request, Response};
use hyper::body::Incoming;
use hyper::rt::{Read, Write};
use hyper::service::Service;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

/// How long to wait after a connection could not be accepted: too many files are open, say.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How long a connection that does nothing has to end after it was told to.
const FAREWELL: Duration = Duration::from_secs(5);

/// How often it is looked whether a quiet client of HTTP/2 is still there, and how long it has to answer.
const PING: Duration = Duration::from_secs(60);
const PING_ANSWER: Duration = Duration::from_secs(20);

/// Streams that a client of HTTP/2 has begun and reset, before they were looked at: more of them, and it has to go.
const RESET_STREAMS_MAX: usize = 64;

/// Bytes that HTTP/1 buffers of a request at least.
const BUFFER_BYTES_MIN: usize = 8_192;

/// Headers of a request.
const HEADERS_MAX: usize = 128;

/// Accepts connections until `stop`, then waits up to `grace` for what is under way.
pub(crate) async fn listen(
    listener: TcpListener,
    router: Router,
    net: Arc<Net>,
    counted: Counted,
    stop: CancellationToken,
    grace: Duration,
) {
    let (connections, cut) = (TaskTracker::new(), CancellationToken::new());
    let mut was_full = false;
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => break,
        };
        let (stream, address) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Some(place) = net.places.enter(address.ip()) else {
            counted.refused();
            // Said once, until there is room again: who floods the server does not get to flood its log.
            if !std::mem::replace(&mut was_full, true) {
                tracing::warn!(%address, "connections are refused: connections_max or connections_per_address_max is reached");
            }
            continue;
        };
        was_full = false;
        let connection = Connection {
            router: router.clone(),
            net: Arc::clone(&net),
            stop: stop.clone(),
            cut: cut.clone(),
        };
        let open = counted.accepted();
        connections.spawn(async move {
            connection
                .serve(
                    stream,
                    Peer {
                        address,
                        certificate: [].into(),
                    },
                )
                .await;
            drop((place, open));
        });
    }
    drop(listener);
    connections.close();
    if tokio::time::timeout(grace, connections.wait())
        .await
        .is_err()
    {
        tracing::warn!("connections were cut: their requests took longer than shutdown_grace_ms");
        cut.cancel();
        connections.wait().await;
    }
}

/// What a connection needs to know.
struct Connection {
    router: Router,
    net: Arc<Net>,
    /// No more requests, please.
    stop: CancellationToken,
    /// Now.
    cut: CancellationToken,
}

impl Connection {
    async fn serve(&self, stream: TcpStream, peer: Peer) {
        // Small answers must not wait for a full packet.
        let _ = stream.set_nodelay(true);
        let Some(tls) = &self.net.tls else {
            return self.drive(TokioIo::new(stream), peer).await;
        };
        match tokio::time::timeout(self.net.limits.read, tls.accept(stream)).await {
            Ok(Ok((stream, certificate))) => {
                let peer = Peer {
                    certificate,
                    ..peer
                };
                self.drive(TokioIo::new(stream), peer).await;
            }
            Ok(Err(error)) => {
                tracing::debug!(address = %peer.address, %error, "a handshake failed");
            }
            Err(_) => tracing::debug!(address = %peer.address, "a handshake took too long"),
        }
    }

    /// Serves requests until the client goes, the server stops, or nothing happens for too long.
    async fn drive<I: Read + Write + Unpin + Send + 'static>(&self, io: I, peer: Peer) {
        let limits = self.net.limits;
        let activity = Activity::begin();
        let requests = Requests {
            router: self.router.clone(),
            peer,
            activity: Arc::clone(&activity),
            limits,
        };
        let builder = builder(limits);
        let mut served = pin!(builder.serve_connection_with_upgrades(io, requests));
        let mut look = Instant::now() + limits.read.min(limits.idle);
        let mut is_ending = false;
        let farewell = FAREWELL.min(limits.read);
        loop {
            tokio::select! {
                ended = served.as_mut() => {
                    if let Err(error) = ended {
                        tracing::debug!(%error, "a connection ended early");
                    }
                    return;
                }
                () = self.cut.cancelled() => return,
                () = self.stop.cancelled(), if !is_ending => {
                    is_ending = true;
                    look = Instant::now() + farewell;
                    served.as_mut().graceful_shutdown();
                }
                () = tokio::time::sleep_until(look) => {
                    let left = match is_ending {
                        true => activity.left(farewell, farewell),
                        false => activity.left(limits.read, limits.idle),
                    };
                    if !left.is_zero() {
                        look = Instant::now() + left;
                    } else if is_ending {
                        return;
                    } else {
                        is_ending = true;
                        look = Instant::now() + farewell;
                        served.as_mut().graceful_shutdown();
                    }
                }
            }
        }
    }
}

fn builder(limits: Limits) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.read)
        .max_headers(HEADERS_MAX)
        .max_buf_size(limits.head_bytes.max(BUFFER_BYTES_MIN));
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(u32::try_from(limits.head_bytes).unwrap_or(u32::MAX))
        .max_concurrent_streams(limits.streams)
        .max_pending_accept_reset_streams(RESET_STREAMS_MAX)
        .keep_alive_interval(PING)
        .keep_alive_timeout(PING_ANSWER);
    builder
}

/// The requests of a connection.
struct Requests {
    router: Router,
    peer: Peer,
    activity: Arc<Activity>,
    limits: Limits,
}

impl Service<Request<Incoming>> for Requests {
    type Response = Response<Watched>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Watched>, Infallible>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let under_way = self.activity.request();
        let kind = request.headers().get(CONTENT_TYPE);
        let pace = match kind.is_some_and(is_grpc) {
            true => (Pace::Messages, self.limits.idle),
            false => (Pace::Steady, self.limits.read),
        };
        let mut request = request.map(|body| Body::new(Paced::new(body, pace.0, pace.1)));
        request.extensions_mut().insert(self.peer.clone());
        let answer = self.router.clone().oneshot(request);
        Box::pin(async move {
            let answer = answer.await?;
            Ok(answer.map(|body| under_way.until_the_end_of(body)))
        })
    }
}

fn is_grpc(kind: &HeaderValue) -> bool {
    kind.as_bytes().starts_with(b"application/grpc")
}
