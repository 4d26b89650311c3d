//! Who wrote which version of a key, and in which order, as far as the history tells.
//!
//! - A list tells the order of its appends itself: the longest read of it is the order.
//! - Of a register, a transaction that reads before it writes tells which version comes before its own; and commits
//!   with places tell all.

use std::collections::{BTreeMap, BTreeSet};

use crate::{Anomaly, History, Kind, Op, Outcome, Txn};

/// A key: lists and registers are apart.
pub(crate) type Key = (bool, Vec<u8>);

/// A commit's place, and the first and last version that it wrote.
type Placed = (u64, (u64, u64));

/// The versions of a key. A version is the value that was written, or the last element of the list.
#[derive(Debug, Default)]
pub(crate) struct Versions {
    /// Who wrote it.
    pub(crate) writers: BTreeMap<(Key, u64), usize>,
    /// Version (none: nothing was written yet) → the versions known to come next.
    pub(crate) next: BTreeMap<(Key, Option<u64>), BTreeSet<u64>>,
    /// Who counts: committed, or seen by somebody who is.
    pub(crate) counts: Vec<bool>,
}

impl Versions {
    /// Of `history`; with what is wrong at first sight.
    pub(crate) fn of(history: &History) -> (Versions, Vec<Anomaly>) {
        let mut versions = Versions::default();
        for (index, txn) in history.txns.iter().enumerate() {
            for op in &txn.ops {
                if let Op::Write(key, value) | Op::Append(key, value) = op {
                    let is_list = matches!(op, Op::Append(..));
                    let key = (is_list, key.clone());
                    versions.writers.insert((key, *value), index);
                }
            }
        }
        versions.count(history);
        let mut anomalies = Vec::new();
        for (index, txn) in history.txns.iter().enumerate() {
            if versions.counts[index] {
                versions.check_reads(history, index, txn, &mut anomalies);
            }
        }
        versions.order_lists(history, &mut anomalies);
        versions.order_registers(history, &mut anomalies);
        (versions, anomalies)
    }

    /// The version of each key that `txn` saw before it wrote that key; none: nothing was there.
    pub(crate) fn seen(txn: &Txn) -> BTreeMap<Key, Option<u64>> {
        let mut seen = BTreeMap::new();
        let mut written = BTreeSet::new();
        for op in &txn.ops {
            match op {
                Op::Write(key, _) => drop(written.insert((false, key.clone()))),
                Op::Append(key, _) => drop(written.insert((true, key.clone()))),
                Op::Read(key, value) if !written.contains(&(false, key.clone())) => {
                    seen.entry((false, key.clone())).or_insert(*value);
                }
                Op::ReadList(key, list) if !written.contains(&(true, key.clone())) => {
                    seen.entry((true, key.clone()))
                        .or_insert(list.last().copied());
                }
                Op::Read(..) | Op::ReadList(..) => {}
            }
        }
        seen
    }

    /// The first and the last version of each key that `txn` wrote.
    pub(crate) fn written(txn: &Txn) -> BTreeMap<Key, (u64, u64)> {
        let mut written: BTreeMap<Key, (u64, u64)> = BTreeMap::new();
        for op in &txn.ops {
            if let Op::Write(key, value) | Op::Append(key, value) = op {
                let key = (matches!(op, Op::Append(..)), key.clone());
                let versions = written.entry(key).or_insert((*value, *value));
                versions.1 = *value;
            }
        }
        written
    }

    /// One of unknown outcome counts if somebody who counts saw its writes.
    fn count(&mut self, history: &History) {
        self.counts = history
            .txns
            .iter()
            .map(|txn| matches!(txn.outcome, Outcome::Committed(_)))
            .collect();
        let mut news: Vec<usize> = (0..self.counts.len())
            .filter(|index| self.counts[*index])
            .collect();
        while let Some(reader) = news.pop() {
            for (key, value) in history.txns[reader].ops.iter().flat_map(read_values) {
                let Some(&writer) = self.writers.get(&(key, value)) else {
                    continue;
                };
                let is_unknown = history.txns[writer].outcome == Outcome::Unknown;
                if is_unknown && !self.counts[writer] {
                    self.counts[writer] = true;
                    news.push(writer);
                }
            }
        }
    }

    fn check_reads(
        &self,
        history: &History,
        reader: usize,
        txn: &Txn,
        anomalies: &mut Vec<Anomaly>,
    ) {
        let mut found = |kind, writer: Option<usize>, story: String| {
            let txns = writer.into_iter().chain([reader]).collect();
            anomalies.push(Anomaly { kind, txns, story });
        };
        for (key, value) in txn.ops.iter().flat_map(read_values) {
            let name = key.1.escape_ascii().to_string();
            match self.writers.get(&(key.clone(), value)) {
                None => found(
                    Kind::Garbage,
                    None,
                    format!("{name} had {value}, which nobody wrote"),
                ),
                Some(&writer) if history.txns[writer].outcome == Outcome::Aborted => found(
                    Kind::AbortedRead,
                    Some(writer),
                    format!("{name} had {value}, which was rolled back"),
                ),
                Some(_) => {}
            }
        }
        for (key, seen) in Versions::seen(txn) {
            let Some(value) = seen else { continue };
            let Some(&writer) = self.writers.get(&(key.clone(), value)) else {
                continue;
            };
            let last = Versions::written(&history.txns[writer])
                .get(&key)
                .map(|w| w.1);
            if writer != reader && last != Some(value) {
                let name = key.1.escape_ascii();
                found(
                    Kind::IntermediateRead,
                    Some(writer),
                    format!("{name} had {value}, which its writer replaced"),
                );
            }
        }
        if let Some(story) = internal(txn) {
            found(Kind::Internal, None, story);
        }
    }

    fn order_lists(&mut self, history: &History, anomalies: &mut Vec<Anomaly>) {
        let mut longest: BTreeMap<Vec<u8>, (usize, Vec<u64>)> = BTreeMap::new();
        for (index, txn) in history.txns.iter().enumerate() {
            if !self.counts[index] {
                continue;
            }
            for op in &txn.ops {
                let Op::ReadList(key, list) = op else {
                    continue;
                };
                let (first, order) = longest
                    .entry(key.clone())
                    .or_insert_with(|| (index, Vec::new()));
                let common = order.len().min(list.len());
                if order[..common] != list[..common] {
                    anomalies.push(Anomaly {
                        kind: Kind::IncompatibleOrder,
                        txns: vec![*first, index],
                        story: format!("{} was {order:?} and {list:?}", key.escape_ascii()),
                    });
                }
                if list.len() > order.len() {
                    let distinct: BTreeSet<&u64> = list.iter().collect();
                    if distinct.len() < list.len() {
                        anomalies.push(Anomaly {
                            kind: Kind::Duplicate,
                            txns: vec![index],
                            story: format!("{} was {list:?}", key.escape_ascii()),
                        });
                    }
                    *order = list.clone();
                    *first = index;
                }
            }
        }
        for (key, (_, order)) in longest {
            let key = (true, key);
            let mut before = None;
            for element in order {
                self.order(&key, before, element);
                before = Some(element);
            }
        }
    }

    fn order_registers(&mut self, history: &History, anomalies: &mut Vec<Anomaly>) {
        // With places, all versions of a key are in order.
        let mut placed: BTreeMap<Key, Vec<Placed>> = BTreeMap::new();
        let mut unplaced: BTreeSet<Key> = BTreeSet::new();
        // Who replaced which version.
        let mut replaced: BTreeMap<(Key, Option<u64>), usize> = BTreeMap::new();
        for (index, txn) in history.txns.iter().enumerate() {
            if !self.counts[index] {
                continue;
            }
            let seen = Versions::seen(txn);
            for (key, versions) in Versions::written(txn) {
                if let Some(before) = seen.get(&key) {
                    if let Some(other) = replaced.insert((key.clone(), *before), index) {
                        anomalies.push(Anomaly {
                            kind: Kind::LostUpdate,
                            txns: vec![other, index],
                            story: format!("both replaced {before:?} of {}", key.1.escape_ascii()),
                        });
                    }
                    if !key.0 {
                        self.order(&key, *before, versions.0);
                    }
                }
                if key.0 {
                    continue;
                }
                match txn.outcome {
                    Outcome::Committed(Some(place)) => {
                        placed.entry(key).or_default().push((place, versions));
                    }
                    _ => drop(unplaced.insert(key)),
                }
            }
        }
        for (key, mut writes) in placed {
            if unplaced.contains(&key) {
                continue;
            }
            writes.sort_unstable();
            let mut before = None;
            for (_, (first, last)) in writes {
                self.order(&key, before, first);
                before = Some(last);
            }
        }
    }

    fn order(&mut self, key: &Key, before: Option<u64>, after: u64) {
        let next = self.next.entry((key.clone(), before)).or_default();
        next.insert(after);
    }
}

/// The versions that an operation read: all elements of a list.
fn read_values(op: &Op) -> Vec<(Key, u64)> {
    match op {
        Op::Read(key, Some(value)) => vec![((false, key.clone()), *value)],
        Op::ReadList(key, list) => list
            .iter()
            .map(|value| ((true, key.clone()), *value))
            .collect(),
        Op::Read(_, None) | Op::Write(..) | Op::Append(..) => Vec::new(),
    }
}

/// What is wrong between a transaction's own operations.
fn internal(txn: &Txn) -> Option<String> {
    let mut registers: BTreeMap<&[u8], Option<u64>> = BTreeMap::new();
    // As far as it is known: the whole list, or its end.
    let mut lists: BTreeMap<&[u8], (bool, Vec<u64>)> = BTreeMap::new();
    for op in &txn.ops {
        match op {
            Op::Write(key, value) => drop(registers.insert(key, Some(*value))),
            Op::Read(key, value) => {
                if let Some(expected) = registers.insert(key, *value)
                    && expected != *value
                {
                    let key = key.escape_ascii();
                    return Some(format!("{key} was {value:?}, and should be {expected:?}"));
                }
            }
            Op::Append(key, element) => {
                lists.entry(key).or_default().1.push(*element);
            }
            Op::ReadList(key, list) => {
                if let Some((is_whole, expected)) = lists.insert(key, (true, list.clone())) {
                    let is_right = match is_whole {
                        true => *list == expected,
                        false => list.ends_with(&expected),
                    };
                    if !is_right {
                        let key = key.escape_ascii();
                        return Some(format!(
                            "{key} was {list:?}, and should end in {expected:?}"
                        ));
                    }
                }
            }
        }
    }
    None
}
