//! Asks a server on this machine whether it is ready: for where nothing else can, such as an image with nothing but the server.

use crate::config::Config;
use crate::error::{ApiError, ApiErrorKind, ApiResult};
use crate::net::pinned;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

/// How long to wait for each step.
const PATIENCE: Duration = Duration::from_secs(2);

/// Asks the server that `config` describes. Blocks, for at most some seconds.
///
/// # Errors
/// [`ApiErrorKind::Invalid`] when it has no port to ask at, [`ApiErrorKind::Unavailable`] when it does not answer, or answers that it is not
/// ready.
pub fn probe(config: &Config) -> ApiResult<()> {
    let port = config.http_port.filter(|port| *port != 0).ok_or_else(|| {
        ApiError::invalid("http_port: only a server with a known port can be asked")
    })?;
    let host = match config.host {
        IpAddr::V4(host) if host.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(host) if host.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        host => host,
    };
    let address = SocketAddr::new(host, port);
    let unavailable = |why: String| ApiError::new(ApiErrorKind::Unavailable, why);
    let tls = config.tls_certificate.as_deref();
    let tls = tls.map(pinned::client).transpose()?;
    let answer = status_line(address, tls)
        .map_err(|error| unavailable(format!("{address} does not answer: {error}")))?;
    match answer.split(' ').nth(1) {
        Some("200") => Ok(()),
        _ => Err(unavailable(format!("{address} is not ready: {answer}"))),
    }
}

/// The first line of the answer to `GET /readyz`.
fn status_line(address: SocketAddr, tls: Option<ClientConfig>) -> io::Result<String> {
    let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let Some(tls) = tls else {
        return ask(stream, address);
    };
    let name = ServerName::from(address.ip());
    let connection = ClientConnection::new(Arc::new(tls), name).map_err(io::Error::other)?;
    ask(StreamOwned::new(connection, stream), address)
}

fn ask(mut stream: impl Read + Write, address: SocketAddr) -> io::Result<String> {
    let request = format!("GET /readyz HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.take(4096).read_to_end(&mut answer)?;
    let line = answer.split(|byte| *byte == b'\r').next();
    Ok(String::from_utf8_lossy(line.unwrap_or_default()).into_owned())
}
