//! The figures of a server.
//!
//! [`Metrics`] are events: counted where they happen, by atomic additions. States (what a database holds, how many wait) are looked
//! up by [`gather`](gather::gather) when somebody asks. Both meet in a [`Sheet`](sheet::Sheet), which is written as text or JSON.

mod databases;
pub(crate) mod family;
pub(crate) mod gather;
pub(crate) mod histogram;
mod process;
pub(crate) mod sheet;

use super::operation::{Operation, Outcome, Protocol};
use family::Family;
use histogram::Histogram;
use sheet::{Label, Sheet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// What has happened since the server began.
#[derive(Debug)]
pub struct Metrics {
    /// By protocol and operation: see [`Metrics::served`].
    served: Box<[Served]>,
    protocols: [OfProtocol; Protocol::COUNT],
    transactions: [Histogram; TransactionEnd::ALL.len()],
}

/// Requests of one protocol and operation.
#[derive(Debug, Default)]
struct Served {
    outcomes: [AtomicU64; Outcome::COUNT],
    /// Those that were answered, and those that failed.
    times: [Histogram; 2],
    /// The same, as far as the engine worked for them; of queries only.
    engine_times: [Histogram; 2],
    slow: AtomicU64,
}

#[derive(Debug, Default)]
struct OfProtocol {
    inserted: AtomicU64,
    connected: AtomicU64,
    connections: AtomicU64,
    refused: AtomicU64,
}

/// How a transaction over several requests has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TransactionEnd {
    /// All of it is there.
    Committed,
    /// Another one came first.
    Conflict,
    /// It could not be committed for another reason.
    Failed,
    /// Its client has ended it.
    RolledBack,
    /// Nobody has used it for too long, or the server has ended.
    Abandoned,
}

impl TransactionEnd {
    const ALL: [TransactionEnd; 5] = [
        TransactionEnd::Committed,
        TransactionEnd::Conflict,
        TransactionEnd::Failed,
        TransactionEnd::RolledBack,
        TransactionEnd::Abandoned,
    ];

    fn name(self) -> &'static str {
        match self {
            TransactionEnd::Committed => "committed",
            TransactionEnd::Conflict => "conflict",
            TransactionEnd::Failed => "failed",
            TransactionEnd::RolledBack => "rolled_back",
            TransactionEnd::Abandoned => "abandoned",
        }
    }
}

impl Default for Metrics {
    fn default() -> Self {
        let kinds = Protocol::COUNT * Operation::COUNT;
        Metrics {
            served: (0..kinds).map(|_| Served::default()).collect(),
            protocols: Default::default(),
            transactions: Default::default(),
        }
    }
}

/// Counts the connections of a port.
#[derive(Clone, Debug)]
pub(crate) struct Counted {
    pub(crate) protocol: Protocol,
    pub(crate) metrics: Arc<Metrics>,
}

impl Counted {
    /// A connection was accepted.
    pub(crate) fn accepted(&self) -> Connection {
        let counts = &self.metrics.protocols[self.protocol as usize];
        counts.connected.fetch_add(1, Ordering::Relaxed);
        counts.connections.fetch_add(1, Ordering::Relaxed);
        Connection(self.clone())
    }

    /// A connection was refused: there are too many.
    pub(crate) fn refused(&self) {
        let counts = &self.metrics.protocols[self.protocol as usize];
        counts.refused.fetch_add(1, Ordering::Relaxed);
    }
}

/// A connection that is open: until this is dropped.
#[derive(Debug)]
pub(crate) struct Connection(Counted);

impl Drop for Connection {
    fn drop(&mut self) {
        let Counted { protocol, metrics } = &self.0;
        let open = &metrics.protocols[*protocol as usize].connections;
        open.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Metrics {
    /// A request was answered.
    pub(crate) fn answered(
        &self,
        protocol: Protocol,
        operation: Operation,
        outcome: Outcome,
        time: Duration,
        engine_time: Option<Duration>,
    ) {
        let served = self.served(protocol, operation);
        served.outcomes[outcome as usize].fetch_add(1, Ordering::Relaxed);
        let failed = usize::from(!outcome.is_ok());
        served.times[failed].observe(time);
        if let Some(time) = engine_time
            && operation.is_query()
        {
            served.engine_times[failed].observe(time);
        }
    }

    /// A query was slow.
    pub(crate) fn slow(&self, protocol: Protocol, operation: Operation) {
        self.served(protocol, operation)
            .slow
            .fetch_add(1, Ordering::Relaxed);
    }

    /// So many documents were written.
    pub(crate) fn inserted(&self, protocol: Protocol, documents: usize) {
        let inserted = &self.protocols[protocol as usize].inserted;
        inserted.fetch_add(documents as u64, Ordering::Relaxed);
    }

    /// A transaction has ended, `time` after it began.
    pub(crate) fn transaction_ended(&self, end: TransactionEnd, time: Duration) {
        self.transactions[end as usize].observe(time);
    }

    fn served(&self, protocol: Protocol, operation: Operation) -> &Served {
        &self.served[protocol as usize * Operation::COUNT + operation as usize]
    }

    /// Notes all of it.
    fn put(&self, sheet: &mut Sheet) {
        for &protocol in Protocol::ALL {
            for &operation in Operation::ALL {
                let labels = [protocol.name().into(), operation.name().into()];
                self.served(protocol, operation).put(&labels, sheet);
            }
            let counts = &self.protocols[protocol as usize];
            let label = || [Label::from(protocol.name())];
            let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
            sheet.put(Family::Inserts, label(), read(&counts.inserted));
            sheet.put(Family::Connections, label(), read(&counts.connections));
            sheet.put(Family::ConnectionsRefused, label(), read(&counts.refused));
            sheet.put(
                Family::ConnectionsAccepted,
                label(),
                read(&counts.connected),
            );
        }
        for end in TransactionEnd::ALL {
            if let Some(times) = self.transactions[end as usize].read() {
                sheet.put(Family::TransactionDuration, [end.name().into()], times);
            }
        }
    }
}

impl Served {
    /// Notes what has happened; what never did takes no room.
    fn put(&self, labels: &[Label; 2], sheet: &mut Sheet) {
        let with = |third: &'static str| {
            let [protocol, operation] = labels.clone();
            [protocol, operation, third.into()]
        };
        for (&outcome, count) in Outcome::ALL.iter().zip(&self.outcomes) {
            match count.load(Ordering::Relaxed) {
                0 => {}
                count => sheet.put(Family::Requests, with(outcome.name()), count),
            }
        }
        for (family, times) in [
            (Family::RequestDuration, &self.times),
            (Family::QueryDuration, &self.engine_times),
        ] {
            for (outcome, times) in ["ok", "failed"].into_iter().zip(times) {
                if let Some(times) = times.read() {
                    sheet.put(family, with(outcome), times);
                }
            }
        }
        match self.slow.load(Ordering::Relaxed) {
            0 => {}
            slow => sheet.put(Family::SlowQueries, labels.clone(), slow),
        }
    }
}
