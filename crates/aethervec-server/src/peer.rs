//! The other end of a connection, as far as the connection itself tells.

use std::net::SocketAddr;
use std::sync::Arc;

/// Where a connection comes from. In the extensions of each of its requests.
#[derive(Clone, Debug)]
pub struct Peer {
    /// Its address: that of a proxy, if there is one.
    pub address: SocketAddr,
    /// The names in its certificate, which was checked; empty without one.
    pub certificate: Arc<[String]>,
}
