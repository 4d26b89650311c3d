//! Who must have come before whom.

use std::collections::{BTreeMap, BTreeSet};

use crate::History;
use crate::versions::Versions;

/// Why one comes before the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Edge {
    WriteWrite,
    WriteRead,
    ReadWrite,
    RealTime,
}

/// The transactions that count, and the edges from each.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    pub(crate) edges: Vec<BTreeSet<(usize, Edge)>>,
}

impl Graph {
    pub(crate) fn of(history: &History, versions: &Versions) -> Graph {
        let mut graph = Graph {
            edges: vec![BTreeSet::new(); history.txns.len()],
        };
        for ((key, before), nexts) in &versions.next {
            for after in nexts {
                let writer = |version| versions.writers.get(&(key.clone(), version)).copied();
                if let (Some(a), Some(b)) = (before.and_then(writer), writer(*after)) {
                    graph.add(versions, a, b, Edge::WriteWrite);
                }
            }
        }
        for (reader, txn) in history.txns.iter().enumerate() {
            for (key, seen) in Versions::seen(txn) {
                let writer = |version| versions.writers.get(&(key.clone(), version)).copied();
                if let Some(writer) = seen.and_then(writer) {
                    graph.add(versions, writer, reader, Edge::WriteRead);
                }
                let nexts = versions.next.get(&(key.clone(), seen));
                for writer in nexts.into_iter().flatten().filter_map(|next| writer(*next)) {
                    graph.add(versions, reader, writer, Edge::ReadWrite);
                }
            }
        }
        graph.add_real_time(history, versions);
        graph
    }

    fn add(&mut self, versions: &Versions, from: usize, to: usize, edge: Edge) {
        if from != to && versions.counts[from] && versions.counts[to] {
            self.edges[from].insert((to, edge));
        }
    }

    /// From the last transaction of each session that had ended when another one began: those before come by way of
    /// it.
    fn add_real_time(&mut self, history: &History, versions: &Versions) {
        let mut sessions: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (index, txn) in history.txns.iter().enumerate() {
            // The end of one of unknown outcome is not known, either.
            if matches!(txn.outcome, crate::Outcome::Committed(_)) {
                sessions.entry(txn.session).or_default().push(index);
            }
        }
        for ended in sessions.values_mut() {
            ended.sort_unstable_by_key(|index| history.txns[*index].ended);
            for (to, txn) in history.txns.iter().enumerate() {
                let before = ended.partition_point(|index| history.txns[*index].ended < txn.begun);
                if let Some(from) = before.checked_sub(1).map(|last| ended[last]) {
                    self.add(versions, from, to, Edge::RealTime);
                }
            }
        }
    }
}
