//! Histories with one thing wrong each.

use aether_history::{History, Kind, Level, Op, Outcome, Txn, check};

fn r(key: &str, value: u64) -> Op {
    Op::Read(key.into(), (value > 0).then_some(value))
}

fn w(key: &str, value: u64) -> Op {
    Op::Write(key.into(), value)
}

fn l(key: &str, list: &[u64]) -> Op {
    Op::ReadList(key.into(), list.to_vec())
}

fn a(key: &str, element: u64) -> Op {
    Op::Append(key.into(), element)
}

/// All at the same time, each by a client of its own.
fn concurrent(txns: &[(Outcome, &[Op])]) -> History {
    let txns = txns
        .iter()
        .enumerate()
        .map(|(session, (outcome, ops))| Txn {
            session,
            begun: 0,
            ended: 100,
            ops: ops.to_vec(),
            outcome: *outcome,
        });
    History {
        txns: txns.collect(),
    }
}

/// One after the other.
fn sequential(txns: &[(Outcome, &[Op])]) -> History {
    let mut history = concurrent(txns);
    for (index, txn) in (0..).zip(&mut history.txns) {
        (txn.begun, txn.ended) = (index * 2, index * 2 + 1);
    }
    history
}

const OK: Outcome = Outcome::Committed(None);

fn at(place: u64) -> Outcome {
    Outcome::Committed(Some(place))
}

fn kinds(history: &History, level: Level) -> Vec<Kind> {
    let mut kinds: Vec<Kind> = check(history, level).into_iter().map(|a| a.kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    kinds
}

/// Found at both levels, and nothing else is.
#[track_caller]
fn assert_both(history: &History, kind: Kind) {
    for level in [Level::Snapshot, Level::Serializable] {
        assert_eq!(kinds(history, level), [kind], "{level:?}");
    }
}

#[test]
fn nothing_wrong() {
    let history = sequential(&[
        (OK, &[r("x", 0), w("x", 1)]),
        (
            OK,
            &[r("x", 1), w("x", 2), r("x", 2), a("l", 7), l("l", &[7])],
        ),
        (Outcome::Aborted, &[w("x", 3)]),
        (OK, &[r("x", 2), l("l", &[7])]),
    ]);
    assert_eq!(kinds(&history, Level::Serializable), []);
}

#[test]
fn garbage_aborted_and_intermediate_reads() {
    assert_both(&concurrent(&[(OK, &[r("x", 5)])]), Kind::Garbage);
    let aborted = (Outcome::Aborted, &[w("x", 1), a("l", 1)][..]);
    assert_both(
        &concurrent(&[aborted, (OK, &[r("x", 1)])]),
        Kind::AbortedRead,
    );
    assert_both(
        &concurrent(&[aborted, (OK, &[l("l", &[1])])]),
        Kind::AbortedRead,
    );
    let twice = (OK, &[w("x", 1), w("x", 2), a("l", 1), a("l", 2)][..]);
    assert_both(
        &concurrent(&[twice, (OK, &[r("x", 1)])]),
        Kind::IntermediateRead,
    );
    let history = concurrent(&[twice, (OK, &[l("l", &[1])])]);
    assert!(kinds(&history, Level::Snapshot).contains(&Kind::IntermediateRead));
}

#[test]
fn own_writes_that_are_not_read() {
    assert_both(
        &concurrent(&[(OK, &[w("x", 1), r("x", 0)])]),
        Kind::Internal,
    );
    assert_both(
        &concurrent(&[(OK, &[a("l", 1), l("l", &[])])]),
        Kind::Internal,
    );
    let other = (OK, &[w("x", 9)][..]);
    let history = concurrent(&[other, (OK, &[r("x", 0), r("x", 9)])]);
    assert_both(&history, Kind::Internal);
}

#[test]
fn lists_that_are_not_one_list() {
    let history = concurrent(&[
        (OK, &[a("l", 1)]),
        (OK, &[a("l", 2)]),
        (OK, &[l("l", &[1, 2])]),
        (OK, &[l("l", &[2])]),
    ]);
    assert!(kinds(&history, Level::Snapshot).contains(&Kind::IncompatibleOrder));
    let history = concurrent(&[(OK, &[a("l", 1)]), (OK, &[l("l", &[1, 1])])]);
    assert!(kinds(&history, Level::Snapshot).contains(&Kind::Duplicate));
}

#[test]
fn lost_update() {
    let history = concurrent(&[(OK, &[r("x", 0), w("x", 1)]), (OK, &[r("x", 0), w("x", 2)])]);
    assert_eq!(kinds(&history, Level::Snapshot), [Kind::LostUpdate]);
    assert!(kinds(&history, Level::Serializable).contains(&Kind::LostUpdate));
    // Where places give the order, the cycle is there too.
    let history = concurrent(&[
        (at(1), &[r("x", 0), w("x", 1)]),
        (at(2), &[r("x", 0), w("x", 2)]),
        (OK, &[r("x", 2)]),
    ]);
    assert_both_of(&history, &[Kind::LostUpdate, Kind::ReadSkew]);
    let history = concurrent(&[
        (OK, &[l("l", &[]), a("l", 1)]),
        (OK, &[l("l", &[]), a("l", 2)]),
        (OK, &[l("l", &[1, 2])]),
    ]);
    assert_both_of(&history, &[Kind::LostUpdate, Kind::ReadSkew]);
}

#[track_caller]
fn assert_both_of(history: &History, expected: &[Kind]) {
    for level in [Level::Snapshot, Level::Serializable] {
        assert_eq!(kinds(history, level), expected, "{level:?}");
    }
}

#[test]
fn dirty_write_and_circular_flow() {
    let history = concurrent(&[
        (OK, &[a("k", 1), a("l", 1)]),
        (OK, &[a("k", 2), a("l", 2)]),
        (OK, &[l("k", &[1, 2]), l("l", &[2, 1])]),
    ]);
    assert!(kinds(&history, Level::Snapshot).contains(&Kind::DirtyWrite));
    let history = concurrent(&[(OK, &[w("x", 1), r("y", 2)]), (OK, &[w("y", 2), r("x", 1)])]);
    assert_both(&history, Kind::CircularFlow);
}

#[test]
fn read_skew() {
    let history = concurrent(&[
        (OK, &[r("x", 0), w("x", 1), r("y", 0), w("y", 1)]),
        (OK, &[r("x", 0), r("y", 1)]),
    ]);
    assert_both(&history, Kind::ReadSkew);
}

#[test]
fn long_fork() {
    let history = concurrent(&[
        (OK, &[r("x", 0), w("x", 1)]),
        (OK, &[r("y", 0), w("y", 1)]),
        (OK, &[r("x", 1), r("y", 0)]),
        (OK, &[r("x", 0), r("y", 1)]),
    ]);
    assert_both(&history, Kind::LongFork);
}

#[test]
fn write_skew_is_wrong_for_serializable_alone() {
    let history = concurrent(&[
        (OK, &[r("x", 0), r("y", 0), w("x", 1)]),
        (OK, &[r("x", 0), r("y", 0), w("y", 1)]),
    ]);
    assert_eq!(kinds(&history, Level::Snapshot), []);
    assert_eq!(kinds(&history, Level::Serializable), [Kind::WriteSkew]);
    // And the read-only anomaly of Fekete, O'Neil and O'Neil 2004.
    let history = concurrent(&[
        (OK, &[r("x", 0), r("y", 0), w("x", 1)]),
        (OK, &[r("y", 0), w("y", 1)]),
        (OK, &[r("x", 0), r("y", 1)]),
    ]);
    assert_eq!(kinds(&history, Level::Snapshot), []);
    assert_eq!(kinds(&history, Level::Serializable), [Kind::WriteSkew]);
}

#[test]
fn a_stale_read_contradicts_real_time() {
    let history = sequential(&[(OK, &[r("x", 0), w("x", 1)]), (OK, &[r("x", 0)])]);
    assert_both(&history, Kind::ReadSkew);
}

#[test]
fn one_of_unknown_outcome_counts_if_it_was_seen() {
    let unknown = (Outcome::Unknown, &[r("x", 0), w("x", 1)][..]);
    let rival = (OK, &[r("x", 0), w("x", 2)][..]);
    assert_eq!(kinds(&concurrent(&[unknown, rival]), Level::Snapshot), []);
    let history = concurrent(&[unknown, rival, (OK, &[r("x", 1)])]);
    assert!(kinds(&history, Level::Snapshot).contains(&Kind::LostUpdate));
}
