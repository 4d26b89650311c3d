//! A process that is killed at a random moment of a mixed load: what it acknowledged is there, and nothing is half
//! there.

use crate::seeds;
use aidb::{DB, Durability, Keyspace, KeyspaceOptions, Options, WriteBatch};
use std::cell::RefCell;
use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::time::Duration;

/// Where the child finds its directory; the test binary is its own child.
const DIRECTORY: &str = "AIDB_KILL_DIRECTORY";
const CHILD: &str = "kill::child";

const WRITERS: u8 = 3;
const KILLS: u64 = 20;

fn open(directory: &str) -> (DB, Keyspace, Keyspace) {
    let options = Options {
        memtable_bytes: 256 << 10,
        table_bytes: 64 << 10,
        level_base_bytes: 512 << 10,
        memory_bytes: 1 << 20,
        ..Options::DEFAULT
    };
    let db = DB::open(directory, options).unwrap();
    let one = db.keyspace("one", KeyspaceOptions::DEFAULT).unwrap();
    let other = db.keyspace("other", KeyspaceOptions::DEFAULT).unwrap();
    (db, one, other)
}

/// The number of the last batch of `writer`.
fn count(one: &Keyspace, writer: u8) -> u64 {
    let value = one.get([b'#', writer]).unwrap();
    value.map_or(0, |value| u64::from_le_bytes(value[..].try_into().unwrap()))
}

/// Batch `number` of `writer`: both keyspaces get the same, and sometimes an attachment goes with it.
fn batch(db: &DB, one: &Keyspace, other: &Keyspace, writer: u8, number: u64) -> WriteBatch {
    let mut random = fastrand::Rng::new();
    let mut batch = WriteBatch::new();
    for _ in 0..random.usize(1..20) {
        let key = [b'k', writer, random.u8(..)];
        if random.u8(..5) == 0 {
            batch.delete(one, key);
            batch.delete(other, key);
        } else {
            let value = [
                &number.to_le_bytes()[..],
                &vec![writer; random.usize(..600)],
            ]
            .concat();
            batch.put(one, key, &value);
            batch.put(other, key, &value);
        }
    }
    batch.put(one, [b'#', writer], number.to_le_bytes());
    if random.u8(..20) == 0 {
        let mut file = db.attachment_writer().unwrap();
        file.write_all(&number.to_le_bytes().repeat(500)).unwrap();
        batch.attach(one, [writer], file.finish().unwrap());
        batch.put(one, [b'@', writer], number.to_le_bytes());
    }
    batch
}

/// Writes until it is killed, and says what is acknowledged: records of writer and number.
#[test]
fn child() {
    let Ok(directory) = std::env::var(DIRECTORY) else {
        return;
    };
    let (db, one, other) = open(&directory);
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let (db, one, other) = (&db, &one, &other);
            scope.spawn(move || {
                for number in count(one, writer) + 1.. {
                    let durability = match fastrand::u8(..3) {
                        0 => Durability::Buffered,
                        _ => Durability::Sync,
                    };
                    db.write(batch(db, one, other, writer, number), durability)
                        .unwrap();
                    let said = [&[writer][..], &number.to_le_bytes()].concat();
                    std::io::stderr().write_all(&said).unwrap();
                    match fastrand::u16(..2000) {
                        0 => db.compact().unwrap(),
                        1..8 => db.flush().unwrap(),
                        _ => {}
                    }
                }
            });
        }
    });
}

/// Runs a child for a while, and gives the last acknowledged batch of each writer.
fn run_and_kill(directory: &str, random: &mut fastrand::Rng) -> [u64; WRITERS as usize] {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([CHILD, "--exact", "--nocapture"])
        .env(DIRECTORY, directory)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut pipe = child.stderr.take().unwrap();
    let mut said = Vec::new();
    std::thread::scope(|scope| {
        scope.spawn(|| pipe.read_to_end(&mut said).unwrap());
        // Not a wait for anything: the moment of the kill is the test's input.
        std::thread::sleep(Duration::from_millis(random.u64(10..400)));
        child.kill().unwrap();
        child.wait().unwrap();
    });
    let mut acknowledged = [0; WRITERS as usize];
    for record in said.chunks_exact(9) {
        let (writer, number) = record.split_first().unwrap();
        assert!(
            *writer < WRITERS,
            "the child failed: {}",
            String::from_utf8_lossy(&said)
        );
        acknowledged[usize::from(*writer)] = u64::from_le_bytes(number.try_into().unwrap());
    }
    acknowledged
}

fn check(directory: &str, acknowledged: &[u64], close: bool) {
    let (db, one, other) = open(directory);
    for (writer, least) in (0..WRITERS).zip(acknowledged) {
        let found = count(&one, writer);
        assert!(
            found >= *least,
            "writer {writer}: batch {least} was acknowledged, {found} is the last"
        );
        let expected = one.get([b'@', writer]).unwrap();
        let attached = db.snapshot().attachment(&one, [writer]).unwrap();
        assert_eq!(expected.is_some(), attached.is_some());
        if let (Some(expected), Some(attached)) = (expected, attached) {
            attached.verify().unwrap();
            let mut start = [0; 8];
            attached.read_at(0, &mut start).unwrap();
            assert_eq!(start, expected[..]);
        }
    }
    assert!(
        one.prefix("k").eq(other.prefix("k")),
        "a batch is half there"
    );
    assert_eq!(db.verify().unwrap().problems, []);
    if close {
        db.close().unwrap();
    }
}

#[test]
fn killed_at_random_moments() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path().to_str().unwrap();
    let acknowledged = RefCell::new([0; WRITERS as usize]);
    seeds::for_each(KILLS, |seed| {
        let mut random = fastrand::Rng::with_seed(seed);
        let run = run_and_kill(directory, &mut random);
        let mut acknowledged = acknowledged.borrow_mut();
        for (best, last) in acknowledged.iter_mut().zip(run) {
            *best = last.max(*best);
        }
        check(directory, &*acknowledged, random.bool());
    });
}
