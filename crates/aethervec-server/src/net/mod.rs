//! Connections: accepted, counted, encrypted, served, and ended when they do nothing.
//!
//! ```text
//! accept ──► Places (how many, in all and from one address) ──► Tls (handshake, who) ──► serve (HTTP/1 and HTTP/2)
//! ```
//!
//! Nothing here looks into a request: that begins behind [`auth`](crate::auth).

mod activity;
mod body;
mod connection;
pub(crate) mod pinned;
mod places;
mod tls;

pub(crate) use connection::listen;

use crate::config::Config;
use crate::error::ApiResult;
use places::Places;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tls::Tls;

/// What all ports share.
#[derive(Debug)]
pub(crate) struct Net {
    places: Arc<Places>,
    tls: Option<Tls>,
    limits: Limits,
}

/// How long a connection may do what, and how much at a time.
#[derive(Clone, Copy, Debug)]
struct Limits {
    /// For a handshake, and for the head of a request; also how long a body may pause.
    read: Duration,
    /// Without any request.
    idle: Duration,
    /// Bytes of a request's head.
    head_bytes: usize,
    /// Requests at the same time on one connection of HTTP/2.
    streams: u32,
}

impl Net {
    /// As `config` says.
    ///
    /// # Errors
    /// [`Invalid`](crate::ApiErrorKind::Invalid) when certificates or keys cannot be used.
    pub(crate) fn new(config: &Config) -> ApiResult<Net> {
        Ok(Net {
            places: Places::new(config.connections_max, config.connections_per_address_max),
            tls: Tls::open(config)?,
            limits: Limits {
                read: Duration::from_millis(config.read_timeout_ms),
                idle: Duration::from_secs(config.connection_idle_s),
                head_bytes: config.head_bytes_max,
                streams: config.http2_streams_max,
            },
        })
    }

    /// The files of certificates and keys.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        self.tls.as_ref().map(Tls::files).unwrap_or_default()
    }

    /// Reads certificates and keys again, for connections to come. When one is wrong, everything stays as it was.
    ///
    /// # Errors
    /// As [`new`](Net::new).
    pub(crate) fn reload(&self) -> ApiResult<()> {
        self.tls.as_ref().map_or(Ok(()), Tls::reload)
    }

    /// Whether connections are encrypted.
    pub(crate) fn is_encrypted(&self) -> bool {
        self.tls.is_some()
    }
}
