//! Connections to one server.
//!
//! HTTP/2 carries many calls over one connection, but that is one task on either side: where many calls run at once, several
//! connections use more cores. A connection is made by its first call, and again when it broke.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tonic::transport::Channel;

/// Calls on a connection before another one is used.
const CALLS_ENOUGH: usize = 8;

/// The connections of a client.
#[derive(Debug)]
pub(crate) struct Pool {
    lines: Box<[Line]>,
}

#[derive(Debug)]
struct Line {
    channel: Channel,
    /// Calls under way.
    calls: AtomicUsize,
}

/// A call's place on a connection, for as long as it is held.
#[derive(Debug)]
pub(crate) struct Lease {
    pool: Arc<Pool>,
    line: usize,
}

impl Pool {
    /// Over these, of which there is at least one.
    pub(crate) fn new(channels: impl Iterator<Item = Channel>) -> Arc<Pool> {
        let lines = channels.map(|channel| Line {
            channel,
            calls: AtomicUsize::new(0),
        });
        Arc::new(Pool {
            lines: lines.collect(),
        })
    }

    /// A place on the first connection that has few calls, else on the one with the fewest.
    pub(crate) fn lease(self: &Arc<Pool>) -> Lease {
        let calls = |line: &Line| line.calls.load(Ordering::Relaxed);
        let free = self
            .lines
            .iter()
            .position(|line| calls(line) < CALLS_ENOUGH);
        let least = || (0..self.lines.len()).min_by_key(|line| calls(&self.lines[*line]));
        let line = free.or_else(least).expect("a client has a connection");
        self.lines[line].calls.fetch_add(1, Ordering::Relaxed);
        Lease {
            pool: Arc::clone(self),
            line,
        }
    }
}

impl Lease {
    /// The connection.
    pub(crate) fn channel(&self) -> Channel {
        self.pool.lines[self.line].channel.clone()
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.pool.lines[self.line]
            .calls
            .fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tonic::transport::Endpoint;

    #[tokio::test]
    async fn more_connections_are_used_as_more_calls_are_under_way() {
        let channel = || Endpoint::from_static("http://localhost:1").connect_lazy();
        let pool = Pool::new((0..2).map(|_| channel()));
        let first: Vec<Lease> = (0..CALLS_ENOUGH).map(|_| pool.lease()).collect();
        assert!(first.iter().all(|lease| lease.line == 0));
        let second: Vec<Lease> = (0..CALLS_ENOUGH).map(|_| pool.lease()).collect();
        assert!(second.iter().all(|lease| lease.line == 1));
        drop(first);
        assert_eq!(pool.lease().line, 0);
    }
}
