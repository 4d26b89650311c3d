//! What a database must contain, as plain maps; and a database opened with what the tests use.

use aether_env::{Env, Timestamp};
use aidb::{
    Append, Compression, DB, DEFAULT_KEYSPACE, Durability, Error, Iter, Keyspace, KeyspaceOptions,
    MergeFailure, MergeOperator, Options, Result, SeqNo, Snapshot, TableOptions, Transaction,
    WriteBatch,
};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;

pub(crate) type Map = BTreeMap<Vec<u8>, Vec<u8>>;

/// Keyspaces of a [`World`]: the default one, and two by name.
pub(crate) const KEYSPACES: usize = 3;

/// The contents of a database.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) maps: [Map; KEYSPACES],
    pub(crate) attachments: BTreeMap<(usize, Vec<u8>), Vec<u8>>,
}

/// One change of a batch; the number is the keyspace.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    Put(usize, Vec<u8>, Vec<u8>),
    /// Until the end of time, or until its beginning.
    PutExpiring(usize, Vec<u8>, Vec<u8>, Timestamp),
    Delete(usize, Vec<u8>),
    Append(usize, Vec<u8>, Vec<u8>),
    /// From the first key to the second one, which is excluded.
    DeleteRange(usize, Vec<u8>, Vec<u8>),
    Attach(usize, Vec<u8>, Vec<u8>),
    Detach(usize, Vec<u8>),
}

impl State {
    pub(crate) fn apply(&mut self, batch: &[Change]) {
        for change in batch.iter().cloned() {
            match change {
                Change::Put(keyspace, key, value)
                | Change::PutExpiring(keyspace, key, value, FUTURE) => {
                    self.maps[keyspace].insert(key, value);
                }
                Change::PutExpiring(keyspace, key, ..) => {
                    self.maps[keyspace].remove(&key);
                }
                Change::Append(keyspace, key, operand) => {
                    self.maps[keyspace].entry(key).or_default().extend(operand);
                }
                Change::DeleteRange(keyspace, start, end) => {
                    self.maps[keyspace].retain(|key, _| *key < start || *key >= end);
                }
                Change::Delete(keyspace, key) => {
                    self.maps[keyspace].remove(&key);
                }
                Change::Attach(keyspace, key, bytes) => {
                    self.attachments.insert((keyspace, key), bytes);
                }
                Change::Detach(keyspace, key) => {
                    self.attachments.remove(&(keyspace, key));
                }
            }
        }
    }
}

/// No time to live is over before this, and after that every one is.
const FUTURE: Timestamp = Timestamp(u64::MAX);
const PAST: Timestamp = Timestamp(0);

/// [`Append`] that never puts operands together.
#[derive(Debug)]
struct LazyAppend;

impl MergeOperator for LazyAppend {
    fn name(&self) -> &str {
        Append.name()
    }

    fn full(
        &self,
        key: &[u8],
        base: Option<&[u8]>,
        operands: &[&[u8]],
    ) -> std::result::Result<Vec<u8>, MergeFailure> {
        Append.full(key, base, operands)
    }

    fn partial(&self, _key: &[u8], _operands: &[&[u8]]) -> Option<Vec<u8>> {
        None
    }
}

/// How to open a database, beyond its [`Options`].
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    pub(crate) options: Options,
    pub(crate) keyspace: KeyspaceOptions,
}

impl Setup {
    /// Limits so small that a handful of writes flushes, and a few flushes compact.
    pub(crate) fn tiny(random: &mut fastrand::Rng, background_threads: usize) -> Setup {
        let compact = random.usize(1..=4);
        let table = TableOptions {
            block_bytes: random.choice([64, 256, 1024, 4096]).unwrap(),
            filter_bits_per_key: random.choice([0, 5, 10]).unwrap(),
            compression: random
                .choice([Compression::None, Compression::Lz4, Compression::Zstd])
                .unwrap(),
            compression_last: random
                .choice([None, Some(Compression::Lz4), Some(Compression::Zstd)])
                .unwrap(),
            separated_bytes_min: random.choice([0, 1, 30, 300, 1024]).unwrap(),
        };
        let options = Options {
            memtable_bytes: random.choice([1 << 11, 1 << 13, 1 << 15]).unwrap(),
            sealed_memtables_max: random.usize(1..=3),
            memory_bytes: random.choice([0, 1 << 16, 1 << 20]).unwrap(),
            background_threads,
            level0_compact_runs: compact,
            level0_stop_runs: compact + random.usize(2..=4),
            level_base_bytes: random.choice([1 << 12, 1 << 14, 1 << 16]).unwrap(),
            level_ratio: random.u64(2..=10),
            table_bytes: random.choice([1 << 10, 1 << 12, 1 << 14]).unwrap(),
            ..Options::default()
        };
        let merge: Arc<dyn MergeOperator> = match random.u8(..4) {
            0 => Arc::new(LazyAppend),
            _ => Arc::new(Append),
        };
        Setup {
            options,
            keyspace: KeyspaceOptions {
                table,
                merge: Some(merge),
                ..KeyspaceOptions::DEFAULT
            },
        }
    }
}

/// A database with its keyspaces.
pub(crate) struct World {
    pub(crate) db: DB,
    pub(crate) keyspaces: [Keyspace; KEYSPACES],
}

impl World {
    pub(crate) fn open(env: Env, setup: &Setup) -> Result<World> {
        let db = DB::open_with(env, setup.options.clone())?;
        let keyspaces = [
            db.keyspace(DEFAULT_KEYSPACE, setup.keyspace.clone())?,
            db.keyspace("left", setup.keyspace.clone())?,
            db.keyspace("right", setup.keyspace.clone())?,
        ];
        Ok(World { db, keyspaces })
    }

    pub(crate) fn batch(&self, changes: &[Change]) -> Result<WriteBatch> {
        let mut batch = WriteBatch::new();
        for change in changes {
            match change {
                Change::Put(keyspace, key, value) => {
                    batch.put(&self.keyspaces[*keyspace], key, value);
                }
                Change::PutExpiring(keyspace, key, value, end) => {
                    batch.put_expiring(&self.keyspaces[*keyspace], key, value, *end);
                }
                Change::Delete(keyspace, key) => batch.delete(&self.keyspaces[*keyspace], key),
                Change::Append(keyspace, key, operand) => {
                    batch.merge(&self.keyspaces[*keyspace], key, operand);
                }
                Change::DeleteRange(keyspace, start, end) => {
                    batch.delete_range(&self.keyspaces[*keyspace], start.clone()..end.clone());
                }
                Change::Attach(keyspace, key, bytes) => {
                    let mut writer = self.db.attachment_writer()?;
                    // In two pieces.
                    let (first, second) = bytes.split_at(bytes.len() / 2);
                    writer.write_all(first).map_err(|error| as_error(&error))?;
                    writer.write_all(second).map_err(|error| as_error(&error))?;
                    batch.attach(&self.keyspaces[*keyspace], key, writer.finish()?);
                }
                Change::Detach(keyspace, key) => batch.detach(&self.keyspaces[*keyspace], key),
            }
        }
        Ok(batch)
    }

    /// A change through a transaction, which takes no attachments.
    pub(crate) fn change(&self, txn: &mut Transaction, change: &Change) -> Result<()> {
        match change {
            Change::Put(keyspace, key, value) => txn.put(&self.keyspaces[*keyspace], key, value),
            Change::PutExpiring(keyspace, key, value, end) => {
                txn.put_expiring(&self.keyspaces[*keyspace], key, value, *end)
            }
            Change::Delete(keyspace, key) => txn.delete(&self.keyspaces[*keyspace], key),
            Change::Append(keyspace, key, operand) => {
                txn.merge(&self.keyspaces[*keyspace], key, operand)
            }
            Change::DeleteRange(keyspace, start, end) => {
                txn.delete_range(&self.keyspaces[*keyspace], start.clone()..end.clone())
            }
            Change::Attach(..) | Change::Detach(..) => unreachable!("not asked for"),
        }
    }

    pub(crate) fn write(&self, changes: &[Change], durability: Durability) -> Result<SeqNo> {
        self.db.write(self.batch(changes)?, durability)
    }

    /// Everything there is, read three ways that must agree: forwards, backwards, and (for `expected` keys) singly.
    /// Panics when what it finds is not in `expected`; an error is returned, and what came before it was right.
    pub(crate) fn compare(&self, snapshot: &Snapshot, expected: &State) -> Result<()> {
        for (keyspace, map) in self.keyspaces.iter().zip(&expected.maps) {
            let name = keyspace.name();
            let mut model = map.iter();
            let mut iter = snapshot.iter(keyspace);
            while let Some(entry) = iter.try_next()? {
                assert_entry(name, Some(&entry), model.next());
            }
            assert_entry(name, None, model.next());
            let mut model = map.iter().rev();
            let mut iter = snapshot.iter(keyspace);
            while let Some(entry) = iter.try_next_back()? {
                assert_entry(name, Some(&entry), model.next());
            }
            assert_entry(name, None, model.next());
            for (key, value) in map {
                let found = snapshot.get(keyspace, key)?;
                assert_eq!(
                    found.as_deref(),
                    Some(&value[..]),
                    "{name} {}",
                    key.escape_ascii()
                );
            }
        }
        for ((keyspace, key), bytes) in &expected.attachments {
            let what = format!("attachment {keyspace} {}", key.escape_ascii());
            let found = snapshot.attachment(&self.keyspaces[*keyspace], key)?;
            let file = found.unwrap_or_else(|| panic!("{what} is missing"));
            file.verify()?;
            assert_eq!(file.bytes(), bytes.len() as u64, "{what}");
            assert!(file.map()?[..] == bytes[..], "{what} has other bytes");
        }
        Ok(())
    }

    /// [`World::compare`] of the newest state, and every file must be sound and wanted.
    pub(crate) fn assert_sound(&self, expected: &State) {
        self.compare(&self.db.snapshot(), expected).unwrap();
        let report = self.db.verify().unwrap();
        assert_eq!(report.problems, [], "{report:?}");
        assert_eq!(report.attachments, expected.attachments.len() as u64);
    }
}

/// The error of this crate inside one of `io::Write`, or else that one in words.
fn as_error(error: &std::io::Error) -> Error {
    let inner = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<Error>());
    inner
        .cloned()
        .unwrap_or_else(|| panic!("an attachment failed with {error:?}"))
}

#[track_caller]
pub(crate) fn assert_entry(
    what: &str,
    found: Option<&(Bytes, Bytes)>,
    expected: Option<(&Vec<u8>, &Vec<u8>)>,
) {
    let found = found.map(|(key, value)| (&key[..], &value[..]));
    let expected = expected.map(|(key, value)| (&key[..], &value[..]));
    if found != expected {
        let show = |entry: Option<(&[u8], &[u8])>| {
            entry.map(|(key, value)| {
                let start = &value[..value.len().min(20)];
                format!(
                    "{} = {} ({} bytes)",
                    key.escape_ascii(),
                    start.escape_ascii(),
                    value.len()
                )
            })
        };
        panic!(
            "{what}: found {:?} instead of {:?}",
            show(found),
            show(expected)
        );
    }
}

/// All that an iterator gives.
pub(crate) fn collect(iter: Iter) -> Vec<(Vec<u8>, Vec<u8>)> {
    iter.map(|(key, value)| (key.to_vec(), value.to_vec()))
        .collect()
}

/// A short key; few of them, so that they meet.
pub(crate) fn random_key(random: &mut fastrand::Rng) -> Vec<u8> {
    let bytes = random.usize(1..=4);
    (0..bytes)
        .map(|_| random.choice(*b"\0ab\xff").unwrap())
        .collect()
}

/// A value, mostly short, at times of several blocks, rarely larger than a memtable.
pub(crate) fn random_value(random: &mut fastrand::Rng) -> Vec<u8> {
    let bytes = match random.u32(..1000) {
        0..100 => 0,
        100..900 => random.usize(1..100),
        900..998 => random.usize(100..3_000),
        _ => random.usize(3_000..60_000),
    };
    let mut value = vec![random.u8(..); bytes];
    if random.bool() {
        value.fill_with(|| random.u8(..)); // does not compress
    }
    value
}

/// What is appended: short, since lists grow.
pub(crate) fn random_operand(random: &mut fastrand::Rng) -> Vec<u8> {
    let bytes = random.usize(..30);
    std::iter::repeat_with(|| random.u8(..))
        .take(bytes)
        .collect()
}

/// The delete of a range: often of a few keys, at times of many, or of none.
pub(crate) fn random_range(random: &mut fastrand::Rng, keyspace: usize) -> Change {
    let start = random_key(random);
    let end = match random.u8(..4) {
        0 => random_key(random),
        1 => [&start[..], b"\0"].concat(),
        _ => [&start[..], &random_key(random)].concat(),
    };
    Change::DeleteRange(keyspace, start, end)
}

/// A put that is over at once, or never.
pub(crate) fn random_expiring(random: &mut fastrand::Rng, keyspace: usize) -> Change {
    let end = if random.bool() { FUTURE } else { PAST };
    Change::PutExpiring(keyspace, random_key(random), random_value(random), end)
}

/// One to eight changes, in any keyspace; `attachments`: of these too.
pub(crate) fn random_batch(random: &mut fastrand::Rng, attachments: bool) -> Vec<Change> {
    let many = if random.u8(..10) == 0 { 40 } else { 6 };
    (0..random.usize(1..many))
        .map(|_| {
            let (keyspace, key) = (random.usize(..KEYSPACES), random_key(random));
            match random.u8(..20) {
                0 if attachments => {
                    let bytes = random.usize(0..9_000);
                    Change::Attach(
                        keyspace,
                        key,
                        std::iter::repeat_with(|| random.u8(..))
                            .take(bytes)
                            .collect(),
                    )
                }
                1 if attachments => Change::Detach(keyspace, key),
                2..6 => Change::Delete(keyspace, key),
                6..10 => Change::Append(keyspace, key, random_operand(random)),
                10 => random_range(random, keyspace),
                11 => random_expiring(random, keyspace),
                _ => Change::Put(keyspace, key, random_value(random)),
            }
        })
        .collect()
}
