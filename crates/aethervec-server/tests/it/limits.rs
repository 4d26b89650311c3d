//! Connections and requests that ask for more than their share.

use crate::common::Running;
use aethervec_server::Config;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Sends `bytes` and nothing more: what comes back until the server closes the connection.
async fn raw(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // It may be closed before all of it is sent.
    let _ = stream.write_all(bytes).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn who_sends_slowly_is_not_waited_for() {
    let server = Running::start_with(|config| Config {
        read_timeout_ms: 50,
        ..config
    })
    .await;
    let at = server.addresses;
    // Each of these ends, or this test does not.
    for bytes in [
        &b""[..],
        b"GET",
        b"GET /health HTTP/1.1\r\nhost: a\r\nx-slow: ",
        b"PRI * HTTP/2.0\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ] {
        let answer = raw(at.http.unwrap(), bytes).await;
        assert!(!answer.contains("200 OK"), "{answer}");
        raw(at.grpc.unwrap(), bytes).await;
    }
    let body = b"POST /query HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n{\"k\"";
    let answer = raw(at.http.unwrap(), body).await;
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    let answer = raw(
        at.qdrant_http.unwrap(),
        b"PUT /collections/a HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n1\r\n{\r\n",
    )
    .await;
    assert!(answer.starts_with("HTTP/1.1 4"), "{answer}");
    assert_eq!(server.get("/health").await.0, 200);
    server.stop().await;
}

/// A client of HTTP/2 that is told to end and does not even read that has nothing under way: the end of the server once waited for it
/// as long as for requests.
#[tokio::test]
async fn the_end_waits_for_requests_and_not_for_who_is_silent() {
    const HOUR_MS: u64 = 3_600_000;
    let server = Running::start_with(|config| Config {
        read_timeout_ms: HOUR_MS,
        shutdown_grace_ms: HOUR_MS,
        ..config
    })
    .await;
    let mut stream = TcpStream::connect(server.addresses.grpc.unwrap())
        .await
        .unwrap();
    let hello = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    stream.write_all(hello).await.unwrap();
    // It is served as soon as it is answered.
    stream.read_u8().await.unwrap();
    server.stop().await;
}

#[tokio::test]
async fn a_connection_that_does_nothing_is_closed() {
    let server = Running::start_with(|config| Config {
        connection_idle_s: 1,
        read_timeout_ms: 60_000,
        ..config
    })
    .await;
    let answer = raw(
        server.addresses.http.unwrap(),
        b"GET /health HTTP/1.1\r\nhost: a\r\n\r\n",
    )
    .await;
    assert!(answer.contains("200 OK"), "{answer}");
    server.stop().await;
}

#[tokio::test]
async fn heads_have_a_limit() {
    let server = Running::start_with(|config| Config {
        head_bytes_max: 16 << 10,
        ..config
    })
    .await;
    let at = server.addresses.http.unwrap();
    let long = format!(
        "GET /health HTTP/1.1\r\nhost: a\r\nx-long: {}\r\n\r\n",
        "x".repeat(1 << 20)
    );
    assert!(raw(at, long.as_bytes()).await.contains(" 431 "));
    let many = format!(
        "GET /health HTTP/1.1\r\nhost: a\r\n{}\r\n",
        "x: y\r\n".repeat(1_000)
    );
    assert!(raw(at, many.as_bytes()).await.contains(" 431 "));
    let path = format!("GET /{} HTTP/1.1\r\nhost: a\r\n\r\n", "x".repeat(1 << 20));
    let answer = raw(at, path.as_bytes()).await;
    assert!(
        answer.contains(" 431 ") || answer.contains(" 414 "),
        "{answer}"
    );
    // Two lengths, two ways to say one, and bare line feeds: no two programs may see two different requests.
    for head in [
        "content-length: 1\r\ncontent-length: 2",
        "content-length: 4\r\ntransfer-encoding: chunked",
        "transfer-encoding: chunked, identity",
        "content-length: +1",
    ] {
        let request = format!(
            "POST /query HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n{head}\r\nconnection: close\r\n\r\n0\r\n\r\nGET /v1/collections HTTP/1.1\r\nhost: a\r\n\r\n"
        );
        let answer = raw(at, request.as_bytes()).await;
        assert!(answer.matches("HTTP/1.1 ").count() <= 1, "{head}: {answer}");
        assert!(!answer.contains("200 OK"), "{head}: {answer}");
    }
    server.stop().await;
}

#[tokio::test]
async fn more_connections_than_may_are_closed_at_once() {
    for (all, own) in [(2, 100), (100, 2)] {
        let server = Running::start_with(|config| Config {
            connections_max: all,
            connections_per_address_max: own,
            ..config
        })
        .await;
        let at = server.addresses.http.unwrap();
        let first = TcpStream::connect(at).await.unwrap();
        let _second = TcpStream::connect(at).await.unwrap();
        let request = b"GET /health HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
        assert_eq!(raw(at, request).await, "");
        drop(first);
        while !raw(at, request).await.contains("200 OK") {
            tokio::task::yield_now().await;
        }
        server.stop().await;
    }
}
