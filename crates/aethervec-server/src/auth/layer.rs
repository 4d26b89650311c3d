//! The layer in front of every protocol.

use super::authenticator::{Authenticator, Credentials, Refusal};
use super::caller::Caller;
use crate::audit::{self, Audit, Outcome, Record};
use crate::error::ApiError;
use crate::observe::request;
use crate::peer::Peer;
use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, HeaderName, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::time::Instant;
use tonic::Code;

/// The header with a key or a token, as Qdrant's clients send it.
const API_KEY: HeaderName = HeaderName::from_static("api-key");

/// What stands in front of a key or a token in `authorization`.
const BEARER: &str = "bearer ";

/// The figures, on whatever port.
const METRICS: &str = "/metrics";

/// How a protocol meets those who call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Door {
    /// What the protocol is called in the audit log.
    pub(crate) protocol: &'static str,
    /// Paths that everybody may use: whether the server is well.
    pub(crate) open: &'static [&'static str],
    /// What paths of pages begin with, which hold no data: everybody may use them if `pages_open` says so.
    pub(crate) pages: &'static [&'static str],
    /// The protocol's shape of an error.
    pub(crate) shape: fn(ApiError) -> Response,
}

impl Door {
    /// That of a port with JSON.
    pub(crate) const HTTP: Door = Door {
        protocol: "rest",
        open: &["/health", "/livez", "/readyz"],
        pages: &["/docs", "/openapi.json", "/console"],
        shape: |error| error.into_response(),
    };

    /// That of a port with gRPC; `/SERVICE/METHOD` in `open`.
    pub(crate) const fn grpc(protocol: &'static str, open: &'static [&'static str]) -> Door {
        Door {
            protocol,
            open,
            pages: &[],
            shape: |error| tonic::Status::from(error).into_http(),
        }
    }

    fn is_page(&self, path: &str) -> bool {
        let mut pages = self.pages.iter();
        pages.any(|page| {
            let rest = path.strip_prefix(page);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
    }
}

/// What may be had without saying who one is, besides the server's health.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Openness {
    /// Pages.
    pub(crate) pages: bool,
    /// The figures.
    pub(crate) metrics: bool,
}

#[derive(Debug)]
struct Guard {
    door: Door,
    openness: Openness,
    authenticator: Arc<Authenticator>,
    audit: Arc<Audit>,
}

/// Somebody who does not come in.
struct Refused {
    error: ApiError,
    reason: Option<&'static str>,
    caller: Option<Caller>,
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Refused {
        Refused {
            error: ApiError::from(refusal),
            reason: Some(refusal.reason()),
            caller: None,
        }
    }
}

/// The routes of a protocol, behind a layer that finds out who calls.
pub(crate) fn protected(
    router: Router,
    door: Door,
    openness: Openness,
    authenticator: &Arc<Authenticator>,
    audit: &Arc<Audit>,
) -> Router {
    let guard = Guard {
        door,
        openness,
        authenticator: Arc::clone(authenticator),
        audit: Arc::clone(audit),
    };
    router.layer(middleware::from_fn_with_state(Arc::new(guard), pass))
}

async fn pass(State(guard): State<Arc<Guard>>, mut request: Request, next: Next) -> Response {
    if guard.is_open(request.uri().path()) {
        request.extensions_mut().insert(Caller::nobody());
        return next.run(request).await;
    }
    let trail = guard.audit.is_on().then(|| Trail::begin(&request));
    let (response, caller, reason) = match guard.caller(&request) {
        Ok(caller) => {
            let record = trail.as_ref().map(|trail| Arc::clone(&trail.record));
            let caller = match record {
                Some(record) => caller.recorded(record),
                None => caller,
            };
            let name = Arc::clone(&caller.name);
            request.extensions_mut().insert(caller);
            // What nobody needs any more nobody can log.
            request.headers_mut().remove(API_KEY);
            request.headers_mut().remove(AUTHORIZATION);
            (next.run(request).await, Some(name), None)
        }
        Err(refused) => {
            let name = refused.caller.map(|caller| caller.name);
            ((guard.door.shape)(refused.error), name, refused.reason)
        }
    };
    if let Some(trail) = trail {
        trail.end(&guard, caller.as_deref(), reason, &response);
    }
    response
}

/// What is known of a request before it is answered, for the audit log.
struct Trail {
    id: String,
    route: String,
    from: Option<SocketAddr>,
    record: Arc<Record>,
    begin: Instant,
}

impl Trail {
    fn begin(request: &Request) -> Trail {
        let matched = request.extensions().get::<MatchedPath>();
        let path = match matched.map(MatchedPath::as_str) {
            // Services of gRPC are matched by their names only; nothing else stands in their paths.
            Some(path) if !path.contains("{*") => path,
            Some(_) => request.uri().path(),
            None => "unknown",
        };
        Trail {
            id: request::id().unwrap_or_default(),
            route: format!("{} {path}", request.method()),
            from: request.extensions().get::<Peer>().map(|peer| peer.address),
            record: Arc::default(),
            begin: Instant::now(),
        }
    }

    fn end(
        self,
        guard: &Guard,
        caller: Option<&str>,
        reason: Option<&'static str>,
        response: &Response,
    ) {
        let request = audit::Request {
            id: &self.id,
            protocol: guard.door.protocol,
            route: &self.route,
            from: self.from,
            caller: caller.unwrap_or("nobody"),
            reason,
        };
        let took = self.begin.elapsed();
        let outcome = outcome(response);
        guard.audit.write(&request, &self.record, outcome, took);
    }
}

/// What came of a request, in HTTP or in gRPC.
fn outcome(response: &Response) -> Outcome {
    let code = response.headers().get("grpc-status");
    let code = code.and_then(|code| code.to_str().ok()?.parse().ok());
    match (response.status(), code.map(Code::from_i32)) {
        (_, Some(Code::Unauthenticated | Code::PermissionDenied)) => Outcome::Denied,
        (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, _) => Outcome::Denied,
        (_, Some(Code::Ok)) => Outcome::Ok,
        (status, None) if !status.is_client_error() && !status.is_server_error() => Outcome::Ok,
        _ => Outcome::Failed,
    }
}

impl Guard {
    /// Whether this is there for everybody.
    fn is_open(&self, path: &str) -> bool {
        self.door.open.contains(&path)
            || (self.openness.pages && self.door.is_page(path))
            || (self.openness.metrics && path == METRICS)
    }

    /// Who calls, if they may come in.
    fn caller(&self, request: &Request) -> Result<Caller, Refused> {
        let path = request.uri().path();
        let certificate = request.extensions().get::<Peer>();
        let identified = secret(request.headers()).and_then(|secret| {
            self.authenticator.identify(Credentials {
                secret,
                certificate: certificate.map_or(&[], |peer| &peer.certificate),
            })
        });
        let caller = identified.map_err(|refusal| {
            tracing::debug!(path, reason = refusal.reason(), "a caller was refused");
            Refused::from(refusal)
        })?;
        let allowed = match path == METRICS {
            true => caller.observe(),
            false => Ok(()),
        };
        match allowed.and_then(|()| self.audit.check()) {
            Ok(()) => Ok(caller),
            Err(error) => Err(Refused {
                error,
                reason: None,
                caller: Some(caller),
            }),
        }
    }
}

/// The key or the token that a request brings along. Several headers have to agree.
fn secret(headers: &HeaderMap) -> Result<Option<&str>, Refusal> {
    let mut found = None;
    let keys = headers.get_all(API_KEY).iter().map(|value| (value, false));
    let bearers = headers.get_all(AUTHORIZATION).iter();
    for (value, is_bearer) in keys.chain(bearers.map(|value| (value, true))) {
        let text = value.to_str().map_err(|_| Refusal::Ambiguous)?;
        let text = match is_bearer {
            false => text,
            true => after_bearer(text).ok_or(Refusal::Ambiguous)?,
        };
        if found.is_some_and(|found| found != text) {
            return Err(Refusal::Ambiguous);
        }
        found = Some(text);
    }
    Ok(found)
}

fn after_bearer(text: &str) -> Option<&str> {
    let (scheme, rest) = text.split_at_checked(BEARER.len())?;
    scheme.eq_ignore_ascii_case(BEARER).then_some(rest.trim())
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn a_secret_comes_in_two_headers() {
        for (pairs, expected) in [
            (&[][..], Ok(None)),
            (&[("api-key", "k")], Ok(Some("k"))),
            (&[("authorization", "Bearer k")], Ok(Some("k"))),
            (&[("authorization", "bearer  k ")], Ok(Some("k"))),
            (
                &[("api-key", "k"), ("authorization", "Bearer k")],
                Ok(Some("k")),
            ),
            (
                &[("api-key", "k"), ("authorization", "Bearer other")],
                Err(Refusal::Ambiguous),
            ),
            (
                &[("api-key", "k"), ("api-key", "other")],
                Err(Refusal::Ambiguous),
            ),
            (&[("authorization", "Basic k")], Err(Refusal::Ambiguous)),
            (&[("authorization", "Bearé")], Err(Refusal::Ambiguous)),
        ] {
            let headers = match pairs {
                [("authorization", "Bearé")] => {
                    let mut headers = HeaderMap::new();
                    let value = HeaderValue::from_bytes("Bearé".as_bytes()).unwrap();
                    headers.append(AUTHORIZATION, value);
                    headers
                }
                pairs => headers(pairs),
            };
            assert_eq!(secret(&headers), expected, "{pairs:?}");
        }
    }

    #[test]
    fn pages_are_whole_segments() {
        assert!(Door::HTTP.is_page("/console") && Door::HTTP.is_page("/console/a.js"));
        assert!(!Door::HTTP.is_page("/consoles") && !Door::HTTP.is_page("/v1/console"));
    }
}
