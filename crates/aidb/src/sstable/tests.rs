//! Tables against sorted lists, and damaged ones against their whole selves.

use std::collections::BTreeSet;
use std::sync::Arc;

use aether_env::{MemoryStorage, Storage};
use bytes::Bytes;
use proptest::prelude::*;

use crate::cache::Cache;
use crate::error::{ErrorKind, Result};
use crate::iter::InternalIterator;
use crate::iter::model::{ListIter, Pair, assert_walks_as, entries, user_keys, walks};
use crate::key::{SeqNo, ValueKind, internal_key, split, trailer_kind, trailer_seq};
use crate::options::{Compression, TableOptions};

use super::block::Block;
use super::block_builder::BlockBuilder;
use super::examine::examine;
use super::format::BlockHandle;
use super::{Reader, TableInfo, Writer, hash};

const NUMBER: u64 = 42;

/// Tables with blocks below this size are written as if they were large.
const SMALL_BLOCK_BYTES: usize = 300;

fn write(entries: &[Pair], options: &TableOptions) -> (TableInfo, Vec<u8>) {
    write_with(entries, &[], options)
}

fn write_with(
    entries: &[Pair],
    ranges: &[(&str, &str, u64)],
    options: &TableOptions,
) -> (TableInfo, Vec<u8>) {
    let storage = MemoryStorage::new();
    let mut writer = Writer::new(
        storage.create("000042.sst").unwrap(),
        "000042.sst",
        NUMBER,
        options,
    );
    if options.block_bytes < SMALL_BLOCK_BYTES {
        writer.partition_beyond(2000, 600);
    }
    for (key, value) in entries {
        writer.add(key, value).unwrap();
    }
    assert_eq!(writer.entries(), entries.len() as u64);
    for (start, end, seq) in ranges {
        writer.add_range_delete(start.as_bytes(), end.as_bytes(), SeqNo(*seq));
    }
    let info = writer.finish().unwrap();
    (info, storage.contents("000042.sst").unwrap())
}

fn open(bytes: Vec<u8>, cache_bytes: u64) -> Result<Arc<Reader>> {
    open_as(bytes, NUMBER, cache_bytes)
}

fn open_as(bytes: Vec<u8>, number: u64, cache_bytes: u64) -> Result<Arc<Reader>> {
    let storage = MemoryStorage::new();
    storage
        .create("000042.sst")
        .unwrap()
        .append(&bytes)
        .unwrap();
    let file = storage.open("000042.sst").unwrap();
    Reader::open(
        file,
        "000042.sst",
        number,
        Arc::new(Cache::new(cache_bytes)),
    )
    .map(Arc::new)
}

fn options() -> impl Strategy<Value = TableOptions> {
    let compression = prop_oneof![
        Just(Compression::None),
        Just(Compression::Lz4),
        Just(Compression::Zstd)
    ];
    let block_bytes = prop_oneof![Just(1_usize), 20_usize..200, Just(4096)];
    (block_bytes, prop_oneof![Just(0_u32), Just(10)], compression).prop_map(
        |(block_bytes, filter_bits_per_key, compression)| TableOptions {
            block_bytes,
            filter_bits_per_key,
            compression,
            ..TableOptions::DEFAULT
        },
    )
}

/// The newest version up to `at`, found by looking at all.
fn newest(entries: &[Pair], user_key: &[u8], at: SeqNo) -> Option<(SeqNo, ValueKind, Bytes)> {
    entries.iter().find_map(|(key, value)| {
        let (this, trailer) = split(key);
        let wanted = this == user_key && trailer_seq(trailer) <= at;
        wanted.then(|| {
            (
                trailer_seq(trailer),
                trailer_kind(trailer).unwrap(),
                value.clone().into(),
            )
        })
    })
}

fn all_of(mut cursor: impl InternalIterator) -> Result<Vec<Pair>> {
    let mut found = Vec::new();
    cursor.seek_to_first();
    while cursor.valid() {
        found.push((cursor.key().to_vec(), cursor.value().to_vec()));
        cursor.next();
    }
    cursor.status()?;
    Ok(found)
}

proptest! {
    #[test]
    fn a_table_walks_as_a_sorted_list(
        entries in entries(150),
        options in options(),
        cache_bytes in prop_oneof![Just(0_u64), Just(1 << 20)],
        walk in walks(),
    ) {
        let (_, bytes) = write(&entries, &options);
        let table = open(bytes, cache_bytes).unwrap();
        prop_assert_eq!(table.verify().unwrap(), entries.len() as u64);
        assert_walks_as(&mut ListIter::new(entries.clone()), &mut table.iter(), &walk);
        assert_walks_as(&mut ListIter::new(entries), &mut table.iter_once(), &walk);
    }

    #[test]
    fn a_table_gives_the_newest_version(
        entries in entries(150),
        options in options(),
        others in prop::collection::vec((user_keys(), 0_u64..22), 0..40),
    ) {
        let (info, bytes) = write(&entries, &options);
        prop_assert_eq!(info.bytes, bytes.len() as u64);
        let table = open(bytes, 1 << 20).unwrap();
        let own = entries.iter().flat_map(|(key, _)| {
            let (user_key, trailer) = split(key);
            let seq = trailer_seq(trailer).0;
            [(user_key.to_vec(), seq), (user_key.to_vec(), seq.saturating_sub(1))]
        });
        for (key, at) in others.into_iter().chain(own) {
            let expected = newest(&entries, &key, SeqNo(at));
            prop_assert!(expected.is_none() || table.place(&key, hash(&key), u64::MAX).unwrap().is_some());
            prop_assert_eq!(table.get(&key, hash(&key), SeqNo(at)).unwrap(), expected);
        }
    }

    #[test]
    fn a_table_knows_what_it_holds(entries in entries(60), options in options()) {
        let (info, bytes) = write(&entries, &options);
        let properties = open(bytes, 0).unwrap().properties().clone();
        let seqs: BTreeSet<SeqNo> = entries.iter().map(|(key, _)| trailer_seq(split(key).1)).collect();
        let tombstones = entries.iter().filter(|(key, _)| trailer_kind(split(key).1) == Some(ValueKind::Delete));
        prop_assert_eq!(info.tombstones, tombstones.count() as u64);
        prop_assert_eq!(info.min_seq, seqs.first().copied().unwrap_or_default());
        prop_assert_eq!(info.max_seq, seqs.last().copied().unwrap_or_default());
        prop_assert_eq!(&*info.smallest, entries.first().map_or(&[][..], |entry| &entry.0));
        prop_assert_eq!(&*info.largest, entries.last().map_or(&[][..], |entry| &entry.0));
        prop_assert_eq!((properties.entries, properties.tombstones), (info.entries, info.tombstones));
        prop_assert_eq!((properties.min_seq, properties.max_seq), (info.min_seq, info.max_seq));
        prop_assert_eq!((properties.smallest, properties.largest), (info.smallest, info.largest));
    }

    #[test]
    fn blocks_of_arbitrary_bytes_do_not_panic(
        entries in entries(40),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        noise in prop::collection::vec(any::<u8>(), 0..100),
        target in user_keys(),
    ) {
        let mut builder = BlockBuilder::default();
        for (key, value) in &entries {
            let (user_key, trailer) = split(key);
            builder.add(user_key, 0, hash(user_key), trailer, value);
        }
        let mut damaged = builder.finish().to_vec();
        for (at, byte) in changes {
            let at = at.index(damaged.len());
            damaged[at] = byte;
        }
        for bytes in [damaged, noise] {
            let key_bytes = u8::try_from(target.len()).unwrap_or(u8::MAX);
            examine(&[&[key_bytes], &bytes[..]].concat());
            let Ok(block) = Block::new(bytes.into()) else { continue };
            let _ = block.get(&target, hash(&target), 77 << 8);
            let _ = block.lower_bound(&target, 77 << 8);
        }
    }
}

/// Where a data block of the first partition is.
fn block_handle(table: &Reader, position: usize) -> BlockHandle {
    let partition = table.partitions.get(0, &table.source).unwrap();
    partition.handle(position)
}

/// A table with several blocks, versions, tombstones, compressible and other values.
fn small_table(compression: Compression) -> (Vec<Pair>, Vec<u8>) {
    let mut entries = Vec::new();
    let mut random = fastrand::Rng::with_seed(7);
    for i in 0..60_u64 {
        let key = format!("key-{:03}", i / 2);
        let (seq, kind) = (
            100 - i,
            if i % 7 == 0 {
                ValueKind::Delete
            } else {
                ValueKind::Put
            },
        );
        let value = if i % 3 == 0 {
            vec![b'x'; 20]
        } else {
            (0..9).map(|_| random.u8(..)).collect()
        };
        entries.push((internal_key(key.as_bytes(), SeqNo(seq), kind), value));
    }
    let options = TableOptions {
        block_bytes: 256,
        compression,
        ..TableOptions::DEFAULT
    };
    let ranges = [("key-005", "key-008", 77), ("a", "b", 3)];
    let bytes = write_with(&entries, &ranges, &options).1;
    (entries, bytes)
}

/// Reads everything in every way; what it finds must be right where it is not an error. True when all went well.
fn read_all(entries: &[Pair], bytes: Vec<u8>) -> bool {
    let table = match open(bytes, 1 << 20) {
        Ok(table) => table,
        Err(error) => {
            assert!(
                matches!(error.kind(), ErrorKind::Corruption | ErrorKind::Invalid),
                "{error:?}"
            );
            assert!(error.to_string().contains("000042.sst"), "{error}");
            return false;
        }
    };
    let mut whole = table.verify().is_ok();
    for (key, value) in entries {
        let (user_key, trailer) = split(key);
        match table.get(user_key, hash(user_key), trailer_seq(trailer)) {
            Ok(found) => {
                let expected = (
                    trailer_seq(trailer),
                    trailer_kind(trailer).unwrap(),
                    Bytes::from(value.clone()),
                );
                assert_eq!(found, Some(expected));
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Corruption, "{error:?}");
                whole = false;
            }
        }
    }
    for found in [all_of(table.iter()), all_of(table.iter_once())] {
        match found {
            Ok(found) => assert_eq!(found, entries),
            Err(_) => whole = false,
        }
    }
    whole
}

#[test]
fn a_flipped_bit_anywhere_is_an_error_and_never_a_wrong_answer() {
    for compression in [Compression::None, Compression::Lz4, Compression::Zstd] {
        let (entries, bytes) = small_table(compression);
        assert!(read_all(&entries, bytes.clone()));
        for at in 0..bytes.len() {
            for flip in [0x01, 0x80, 0xff] {
                let mut damaged = bytes.clone();
                damaged[at] ^= flip;
                assert!(!read_all(&entries, damaged), "byte {at} does not matter");
            }
        }
    }
}

#[test]
fn ranges_widen_what_a_table_spans() {
    let entry = (internal_key(b"m", SeqNo(5), ValueKind::Put), Vec::new());
    let ranges = [("m", "p", 9), ("c", "d", 2), ("c", "e", 4)];
    for entries in [vec![], vec![entry.clone()]] {
        let (info, bytes) = write_with(&entries, &ranges, &TableOptions::DEFAULT);
        let (smallest, largest) = (split(&info.smallest), split(&info.largest));
        assert_eq!((smallest.0, trailer_seq(smallest.1)), (&b"c"[..], SeqNo(4)));
        assert_eq!(largest, (&b"p"[..], crate::key::EXCLUSIVE_TRAILER));
        assert_eq!(
            (info.min_seq, info.max_seq, info.range_deletes),
            (SeqNo(2), SeqNo(9), 4)
        );
        let table = open(bytes, 0).unwrap();
        assert_eq!(table.verify().unwrap(), entries.len() as u64);
        let deletes = table.range_deletes().iter();
        let starts: Vec<_> = deletes.map(|delete| (delete.start, delete.seq.0)).collect();
        let expected = [("c", 4), ("c", 2), ("d", 4), ("m", 9)];
        assert_eq!(starts, expected.map(|(start, seq)| (start.into(), seq)));
    }
    let (info, _) = write_with(&[entry], &[("a", "m", 9)], &TableOptions::DEFAULT);
    assert_eq!(split(&info.largest).0, b"m");
    assert_eq!(trailer_seq(split(&info.largest).1), SeqNo(5));
}

#[test]
fn a_table_tells_of_merges_and_value_files() {
    let storage = MemoryStorage::new();
    let file = storage.create("000042.sst").unwrap();
    let mut writer = Writer::new(file, "000042.sst", NUMBER, &TableOptions::DEFAULT);
    writer
        .add(&internal_key(b"a", SeqNo(1), ValueKind::Merge), b"x")
        .unwrap();
    for (file, bytes) in [(9, 100), (3, 5), (9, 11)] {
        writer.add_value_bytes(file, bytes);
    }
    let info = writer.finish().unwrap();
    assert_eq!(
        (info.merges, &info.values[..]),
        (1, &[(3, 5), (9, 111)][..])
    );
    let table = open(storage.contents("000042.sst").unwrap(), 0).unwrap();
    assert_eq!(table.verify().unwrap(), 1);
    assert_eq!(
        (table.properties().merges, &table.properties().values),
        (1, &info.values)
    );
}

#[test]
fn a_table_cut_off_or_extended_is_an_error() {
    let (entries, bytes) = small_table(Compression::Lz4);
    for length in 0..bytes.len() {
        assert!(!read_all(&entries, bytes[..length].to_vec()), "{length}");
    }
    assert!(!read_all(&entries, [&bytes[..], &[0]].concat()));
    assert!(!read_all(&entries, [&[0], &bytes[..]].concat()));
}

#[test]
fn a_block_or_file_in_the_place_of_another_is_an_error() {
    let (entries, bytes) = small_table(Compression::None);
    let error = open_as(bytes.clone(), NUMBER + 1, 0).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corruption);
    let table = open(bytes.clone(), 0).unwrap();
    let [a, b] = [0, 1].map(|position| block_handle(&table, position));
    let [a, b] = [a, b].map(|handle| {
        usize::try_from(handle.offset).unwrap()..usize::try_from(handle.end()).unwrap()
    });
    // The rest of the longer one is kept, so that both begin where blocks begin.
    let length = a.len().min(b.len());
    let mut swapped = bytes.clone();
    swapped[a.start..a.start + length].copy_from_slice(&bytes[b.start..b.start + length]);
    swapped[b.start..b.start + length].copy_from_slice(&bytes[a.start..a.start + length]);
    assert!(!read_all(&entries, swapped));
}

#[test]
fn a_newer_format_is_named() {
    let (_, mut bytes) = small_table(Compression::None);
    let at = bytes.len() - 12;
    bytes[at..at + 4].copy_from_slice(&7_u32.to_le_bytes());
    let error = open(bytes, 0).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(
        error.to_string().contains("format 7") && error.to_string().contains("up to 1"),
        "{error}"
    );
}

#[test]
fn an_error_names_the_block_and_the_other_blocks_stay_readable() {
    let (entries, mut bytes) = small_table(Compression::None);
    let damaged = block_handle(&open(bytes.clone(), 0).unwrap(), 1);
    bytes[usize::try_from(damaged.offset).unwrap() + 5] ^= 1;
    let table = open(bytes, 0).unwrap();
    let outcomes: Vec<bool> = entries
        .iter()
        .map(|(key, _)| {
            let user_key = split(key).0;
            table.get(user_key, hash(user_key), SeqNo::MAX).is_ok()
        })
        .collect();
    assert!(outcomes[0] && outcomes[entries.len() - 1] && outcomes.contains(&false));
    let error = table.verify().unwrap_err();
    assert!(
        error
            .to_string()
            .contains(&format!("000042.sst is damaged at byte {}", damaged.offset)),
        "{error}"
    );
}

#[test]
fn compression_is_kept_where_it_pays() {
    let entries = |value: &dyn Fn(u64) -> Vec<u8>| -> Vec<Pair> {
        (0..500_u64)
            .map(|i| {
                (
                    internal_key(&i.to_be_bytes(), SeqNo(i), ValueKind::Put),
                    value(i),
                )
            })
            .collect()
    };
    let bytes = |entries: &[Pair], compression| {
        let table = write(
            entries,
            &TableOptions {
                compression,
                ..TableOptions::DEFAULT
            },
        )
        .1;
        assert!(read_all(entries, table.clone()));
        table.len()
    };
    let text = entries(&|i| {
        format!("the value of the key number {i} ")
            .repeat(8)
            .into_bytes()
    });
    assert!(bytes(&text, Compression::Lz4) * 4 < bytes(&text, Compression::None));
    assert!(bytes(&text, Compression::Zstd) * 4 < bytes(&text, Compression::None));
    let noise =
        entries(&|i| fastrand::Rng::with_seed(i).u128(..).to_le_bytes().repeat(2)[..17].to_vec());
    assert!(bytes(&noise, Compression::Lz4) <= bytes(&noise, Compression::None));
}

#[test]
fn large_keys_and_values_pass() {
    let key = |last: u8| [&vec![b'k'; crate::key::KEY_BYTES_MAX - 1][..], &[last]].concat();
    let entries: Vec<Pair> = (0..40)
        .map(|i| {
            (
                internal_key(&key(i), SeqNo(1), ValueKind::Put),
                vec![i; 3_000_000 * usize::from(i % 20 == 7)],
            )
        })
        .collect();
    let table = write(&entries, &TableOptions::DEFAULT).1;
    assert!(read_all(&entries, table));
}

#[test]
#[should_panic(expected = "keys of a table ascend")]
fn keys_out_of_order_are_a_bug() {
    let [a, b] = ["a", "b"].map(|key| {
        (
            internal_key(key.as_bytes(), SeqNo(1), ValueKind::Put),
            Vec::new(),
        )
    });
    write(&[b, a], &TableOptions::DEFAULT);
}

#[test]
fn the_cache_serves_what_was_read_and_scans_for_one_pass_leave_it_alone() {
    let (entries, bytes) = small_table(Compression::None);
    let storage = MemoryStorage::new();
    storage
        .create("000042.sst")
        .unwrap()
        .append(&bytes)
        .unwrap();
    let cache = Arc::new(Cache::new(1 << 20));
    let file = storage.open("000042.sst").unwrap();
    let table = Arc::new(Reader::open(file, "000042.sst", NUMBER, Arc::clone(&cache)).unwrap());
    all_of(table.iter_once()).unwrap();
    assert_eq!((cache.stats().hits, cache.stats().bytes), (0, 0));
    for _ in 0..2 {
        assert_eq!(all_of(table.iter()).unwrap(), entries);
    }
    let blocks = table.properties().data_blocks;
    assert_eq!((cache.stats().hits, cache.stats().misses), (blocks, blocks));
    assert!(cache.stats().bytes > 0 && table.memory_bytes() > 64);
}
