//! The way to a collector: HTTP, or HTTPS where it is trusted.

use super::traces::TIMEOUT;
use crate::certificates;
use crate::error::{ApiError, ApiResult};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use opentelemetry_http::{HttpClient, HttpError, Request, Response};
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};
use std::path::Path;
use std::sync::Arc;
use tokio::runtime::Handle;

/// Bytes of a collector's answer that are read: it has nothing to say but how many spans it did not take.
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// Sends batches by the runtime of the server, on behalf of the thread that collects them.
#[derive(Debug)]
pub(super) struct Collector {
    runtime: Handle,
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

impl Collector {
    /// That at `endpoint`. If it encrypts, it is trusted if the authorities in the file `ca` say so; without: those that the system
    /// trusts. Called within a runtime.
    ///
    /// # Errors
    /// [`Invalid`](crate::ApiErrorKind::Invalid) when it cannot be reached so.
    pub(super) fn new(endpoint: &str, ca: Option<&Path>) -> ApiResult<Collector> {
        let wrong = |why: &str| ApiError::invalid(format!("otlp_endpoint: {endpoint:?}: {why}"));
        let tls = match (endpoint.split_once("://"), ca) {
            (Some(("http", _)), None) => encryption(RootCertStore::empty())?,
            (Some(("http", _)), Some(_)) => {
                return Err(wrong("otlp_ca is for https://, and this is http://"));
            }
            (Some(("https", _)), ca) => encryption(ca.map_or_else(of_the_system, authorities)?)?,
            _ => return Err(wrong("it must begin with http:// or https://")),
        };
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .build();
        Ok(Collector {
            runtime: Handle::current(),
            client: Client::builder(TokioExecutor::new()).build(connector),
        })
    }
}

/// Encryption with servers for which `roots` speak.
fn encryption(roots: RootCertStore) -> ApiResult<ClientConfig> {
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder
        .with_safe_default_protocol_versions()
        .map_err(|error| ApiError::invalid(format!("otlp_endpoint: {error}")))?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

/// The authorities in a file.
fn authorities(path: &Path) -> ApiResult<RootCertStore> {
    certificates::authorities("otlp_ca", path)
}

/// The authorities that the system trusts.
fn of_the_system() -> ApiResult<RootCertStore> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    if roots.add_parsable_certificates(found.certs).0 == 0 {
        let why = found
            .errors
            .first()
            .map_or(String::new(), |error| format!(" ({error})"));
        return Err(ApiError::invalid(format!(
            "otlp_endpoint: the system names no authorities to trust{why}: set otlp_ca"
        )));
    }
    Ok(roots)
}

#[tonic::async_trait]
impl HttpClient for Collector {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let client = self.client.clone();
        let exchange = async move {
            let (parts, body) = request.into_parts();
            let request = Request::from_parts(parts, Full::new(body));
            let (parts, body) = client.request(request).await?.into_parts();
            let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await?;
            Ok::<_, HttpError>(Response::from_parts(parts, body.to_bytes()))
        };
        // Within the runtime: here there is no clock.
        let exchange = async move { tokio::time::timeout(TIMEOUT, exchange).await };
        let sent = self.runtime.spawn(exchange);
        let response = sent.await.map_err(HttpError::from).and_then(|sent| sent?);
        if let Err(error) = &response {
            tracing::debug!(%error, "traces could not be sent");
        }
        response
    }
}
