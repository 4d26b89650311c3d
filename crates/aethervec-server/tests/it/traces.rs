//! Traces, as a collector is sent them.

use crate::common::{Running, config};
use crate::tls::{Authority, Signed};
use aethervec_server::{App, Config};
use axum::Router;
use axum::body::Bytes;
use axum::routing::post;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as AnyValue;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::json;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;

/// What a collector answers, and the spans that it is sent.
fn collector() -> (Router, mpsc::UnboundedReceiver<Span>) {
    let (sender, spans) = mpsc::unbounded_channel();
    let take = async move |body: Bytes| {
        let batch = ExportTraceServiceRequest::decode(body).unwrap();
        let scopes = batch
            .resource_spans
            .into_iter()
            .flat_map(|resource| resource.scope_spans);
        for span in scopes.flat_map(|scope| scope.spans) {
            sender.send(span).unwrap();
        }
    };
    (Router::new().route("/v1/traces", post(take)), spans)
}

#[tokio::test]
async fn sampled_requests_are_traced_down_to_the_steps_of_queries() {
    let (router, mut sent) = collector();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    let server = Running::start_with(|mut config| {
        config.otlp_endpoint = Some(address);
        config.trace_ratio = 0.0;
        config
    })
    .await;
    // None of these says that it is to be sampled.
    server.notes().await;
    let trace = "0af7651916cd43dd8448eb211c80319c";
    let parent = "b7ad6b7169203331";
    let search = server.http.post(server.url("/v1/collections/notes/search"));
    let search = search
        .header("traceparent", format!("00-{trace}-{parent}-01"))
        .json(&json!({"vector": [0.0, 0.0], "k": 2}));
    assert_eq!(search.send().await.unwrap().status(), 200);
    // What is still to be sent is sent in the end.
    server.stop().await;

    let mut spans = Vec::new();
    while let Ok(span) = sent.try_recv() {
        spans.push(span);
    }
    let hex = |bytes: &[u8]| {
        bytes
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>()
    };
    let named = |name: &str| {
        let mut found = spans.iter().filter(|span| span.name == name);
        let span = found
            .next()
            .unwrap_or_else(|| panic!("{name} in {spans:#?}"));
        assert!(found.next().is_none(), "{name} twice");
        span
    };
    assert!(spans.iter().all(|span| hex(&span.trace_id) == trace));
    let root = named("rest search");
    assert_eq!(hex(&root.parent_span_id), parent);
    for (child, of) in [
        ("queue", "rest search"),
        ("engine", "rest search"),
        ("query", "engine"),
        ("rows", "query"),
    ] {
        assert_eq!(named(child).parent_span_id, named(of).span_id, "{child}");
        let (child, of) = (named(child), named(of));
        assert!(of.start_time_unix_nano <= child.start_time_unix_nano + 1_000_000);
    }
    let attribute = |span: &Span, name: &str| {
        let found = span
            .attributes
            .iter()
            .find(|attribute| attribute.key == name);
        match found.and_then(|attribute| attribute.value.clone()?.value) {
            Some(AnyValue::StringValue(text)) => text,
            other => panic!("{name}: {other:?}"),
        }
    };
    assert_eq!(attribute(root, "outcome"), "ok");
    assert_eq!(attribute(root, "tenant"), "default");
    assert_eq!(attribute(named("query"), "collection"), "notes");
}

#[tokio::test]
async fn a_collector_that_is_away_holds_nobody_up() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = closed.local_addr().unwrap();
    drop(closed);
    let server = Running::start_with(|mut config| {
        config.otlp_endpoint = Some(format!("http://{address}"));
        config.trace_ratio = 1.0;
        config
    })
    .await;
    server.notes().await;
    server.stop().await;
}

/// Serves `router` at `https://localhost`, with a certificate: the port.
async fn serve_encrypted(router: Router, signed: &Signed) -> u16 {
    let chain = CertificateDer::from_pem_slice(signed.certificate.as_bytes()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(signed.key.as_bytes()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![chain], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("localhost:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // Who does not trust us ends the handshake.
            if let Ok(stream) = acceptor.accept(stream).await {
                let service = TowerToHyperService::new(router.clone());
                let builder = Builder::new(TokioExecutor::new());
                let served = builder.serve_connection(TokioIo::new(stream), service);
                served.await.unwrap();
            }
        }
    });
    port
}

/// A file with `text` in a folder of its own, which goes with what is returned.
fn file(text: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file.pem");
    std::fs::write(&path, text).unwrap();
    (folder, path)
}

#[tokio::test]
async fn collectors_are_reached_by_https_and_only_those_that_are_trusted() {
    let authority = Authority::new();
    for (trusted, spans) in [(authority.pem(), true), (Authority::new().pem(), false)] {
        let (router, mut sent) = collector();
        let port = serve_encrypted(router, &authority.server()).await;
        let (_folder, ca) = file(&trusted);
        let server = Running::start_with(|mut config| {
            config.otlp_endpoint = Some(format!("https://localhost:{port}"));
            config.otlp_ca = Some(ca);
            config.trace_ratio = 1.0;
            config
        })
        .await;
        server.notes().await;
        server.stop().await;
        assert_eq!(sent.try_recv().is_ok(), spans);
    }
}

#[tokio::test]
async fn a_collector_that_cannot_be_is_told() {
    let (folder, empty) = file("");
    let nowhere = folder.path().join("none.pem");
    for (endpoint, ca, told) in [
        (
            "ftp://localhost",
            None,
            "must begin with http:// or https://",
        ),
        (
            "http://localhost:4318",
            Some(&empty),
            "otlp_ca is for https://",
        ),
        (
            "https://localhost:4318",
            Some(&empty),
            "there is no certificate in it",
        ),
        ("https://localhost:4318", Some(&nowhere), "none.pem"),
    ] {
        let data = tempfile::tempdir().unwrap();
        let config = Config {
            otlp_endpoint: Some(endpoint.to_owned()),
            otlp_ca: ca.cloned(),
            ..config(&data)
        };
        let error = App::new(config).unwrap_err();
        assert!(error.to_string().contains(told), "{endpoint}: {error}");
    }
}
