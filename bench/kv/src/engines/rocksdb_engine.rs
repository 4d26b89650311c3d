//! RocksDB through its C interface: the distribution's shared library.
//!
//! SAFETY of every block here: the signatures are those of `rocksdb/c.h`; objects are made by the library and used
//! until the process ends (a run opens few, so options and sessions are never given back); slices live through the call.

use std::ffi::{CStr, CString, c_char, c_int, c_uchar, c_void};
use std::ptr::{null, null_mut};
use std::slice;

use crate::engine::{Engine, Key, Session, Settings};

type Object = *mut c_void;
type Failure = *mut *mut c_char;

#[link(name = "rocksdb")]
unsafe extern "C" {
    fn rocksdb_options_create() -> Object;
    fn rocksdb_options_set_create_if_missing(options: Object, yes: c_uchar);
    fn rocksdb_options_set_write_buffer_size(options: Object, bytes: usize);
    fn rocksdb_options_set_block_based_table_factory(options: Object, table: Object);
    fn rocksdb_options_set_max_background_jobs(options: Object, jobs: c_int);
    fn rocksdb_options_set_max_total_wal_size(options: Object, bytes: u64);
    fn rocksdb_options_set_level_compaction_dynamic_level_bytes(options: Object, yes: c_uchar);
    fn rocksdb_options_set_enable_blob_files(options: Object, yes: c_uchar);
    fn rocksdb_options_set_min_blob_size(options: Object, bytes: u64);
    fn rocksdb_options_set_enable_blob_gc(options: Object, yes: c_uchar);
    fn rocksdb_options_set_merge_operator(options: Object, operator: Object);
    fn rocksdb_options_set_compression(options: Object, codec: c_int);
    fn rocksdb_block_based_options_create() -> Object;
    fn rocksdb_block_based_options_set_block_cache(table: Object, cache: Object);
    fn rocksdb_block_based_options_set_block_size(table: Object, bytes: usize);
    fn rocksdb_block_based_options_set_filter_policy(table: Object, policy: Object);
    fn rocksdb_block_based_options_set_format_version(table: Object, version: c_int);
    fn rocksdb_filterpolicy_create_bloom_full(bits: f64) -> Object;
    fn rocksdb_cache_create_lru(bytes: usize) -> Object;
    fn rocksdb_mergeoperator_create(
        state: Object,
        destroy: extern "C" fn(Object),
        full: FullMerge,
        partial: PartialMerge,
        free: extern "C" fn(Object, *const u8, usize),
        name: extern "C" fn(Object) -> *const c_char,
    ) -> Object;
    fn rocksdb_open_column_families(
        options: Object,
        path: *const c_char,
        count: c_int,
        names: *const *const c_char,
        family_options: *const Object,
        families: *mut Object,
        failure: Failure,
    ) -> Object;
    fn rocksdb_column_family_handle_destroy(family: Object);
    fn rocksdb_close(db: Object);
    fn rocksdb_compact_range(
        db: Object,
        start: *const u8,
        start_len: usize,
        end: *const u8,
        end_len: usize,
    );
    fn rocksdb_writeoptions_create() -> Object;
    fn rocksdb_writeoptions_set_sync(options: Object, yes: c_uchar);
    fn rocksdb_readoptions_create() -> Object;
    fn rocksdb_put(
        db: Object,
        options: Object,
        key: *const u8,
        key_len: usize,
        value: *const u8,
        value_len: usize,
        failure: Failure,
    );
    fn rocksdb_merge(
        db: Object,
        options: Object,
        key: *const u8,
        key_len: usize,
        operand: *const u8,
        operand_len: usize,
        failure: Failure,
    );
    fn rocksdb_write(db: Object, options: Object, batch: Object, failure: Failure);
    fn rocksdb_writebatch_create() -> Object;
    fn rocksdb_writebatch_destroy(batch: Object);
    fn rocksdb_writebatch_put(
        batch: Object,
        key: *const u8,
        key_len: usize,
        value: *const u8,
        value_len: usize,
    );
    fn rocksdb_get_pinned(
        db: Object,
        options: Object,
        key: *const u8,
        key_len: usize,
        failure: Failure,
    ) -> Object;
    fn rocksdb_pinnableslice_value(slice: Object, len: *mut usize) -> *const u8;
    fn rocksdb_pinnableslice_destroy(slice: Object);
    fn rocksdb_batched_multi_get_cf(
        db: Object,
        options: Object,
        family: Object,
        count: usize,
        keys: *const *const u8,
        key_lens: *const usize,
        values: *mut Object,
        failures: *mut *mut c_char,
        sorted: bool,
    );
    fn rocksdb_create_iterator(db: Object, options: Object) -> Object;
    fn rocksdb_iter_destroy(iter: Object);
    fn rocksdb_iter_seek(iter: Object, key: *const u8, key_len: usize);
    fn rocksdb_iter_valid(iter: Object) -> c_uchar;
    fn rocksdb_iter_next(iter: Object);
    fn rocksdb_iter_key(iter: Object, len: *mut usize) -> *const u8;
    fn rocksdb_iter_value(iter: Object, len: *mut usize) -> *const u8;
    fn malloc(bytes: usize) -> *mut u8;
    fn free(memory: Object);
}

pub struct RocksDb {
    db: Object,
    /// The default column family: a batched `multi_get` asks for one.
    family: Object,
}

// SAFETY: a database may be used from all threads.
unsafe impl Send for RocksDb {}
// SAFETY: as above.
unsafe impl Sync for RocksDb {}

pub fn open(settings: &Settings) -> RocksDb {
    let jobs = c_int::try_from(settings.background_threads).expect("a few threads");
    let path =
        CString::new(settings.directory.to_str().expect("a path in UTF-8")).expect("no zero byte");
    let (mut failure, mut family) = (null_mut(), null_mut());
    // SAFETY: see the module.
    let db = unsafe {
        let table = rocksdb_block_based_options_create();
        rocksdb_block_based_options_set_block_cache(
            table,
            rocksdb_cache_create_lru(settings.cache_bytes),
        );
        rocksdb_block_based_options_set_block_size(table, settings.block_bytes);
        rocksdb_block_based_options_set_format_version(table, 5);
        rocksdb_block_based_options_set_filter_policy(
            table,
            rocksdb_filterpolicy_create_bloom_full(10.0),
        );
        let options = rocksdb_options_create();
        rocksdb_options_set_create_if_missing(options, 1);
        rocksdb_options_set_write_buffer_size(options, settings.write_buffer_bytes);
        rocksdb_options_set_block_based_table_factory(options, table);
        rocksdb_options_set_compression(options, 0);
        rocksdb_options_set_max_background_jobs(options, jobs);
        rocksdb_options_set_max_total_wal_size(options, 1 << 30);
        rocksdb_options_set_level_compaction_dynamic_level_bytes(options, 1);
        rocksdb_options_set_merge_operator(options, append_operator());
        if settings.separate_values {
            rocksdb_options_set_enable_blob_files(options, 1);
            rocksdb_options_set_min_blob_size(options, 1024);
            rocksdb_options_set_enable_blob_gc(options, 1);
        }
        let names = [c"default".as_ptr()];
        rocksdb_open_column_families(
            options,
            path.as_ptr(),
            1,
            names.as_ptr(),
            &options,
            &mut family,
            &mut failure,
        )
    };
    check(failure);
    RocksDb { db, family }
}

impl Engine for RocksDb {
    fn session(&self, sync: bool) -> Box<dyn Session + '_> {
        // SAFETY: see the module.
        unsafe {
            let writing = rocksdb_writeoptions_create();
            rocksdb_writeoptions_set_sync(writing, c_uchar::from(sync));
            Box::new(Caller {
                db: self.db,
                family: self.family,
                writing,
                reading: rocksdb_readoptions_create(),
            })
        }
    }

    fn compact(&self) {
        // SAFETY: see the module.
        unsafe { rocksdb_compact_range(self.db, null(), 0, null(), 0) };
    }

    fn describe(&self) -> String {
        "RocksDB (the distribution's): LRU cache, full bloom 10, leveled with dynamic level bytes, no compression".into()
    }
}

impl Drop for RocksDb {
    fn drop(&mut self) {
        // SAFETY: see the module; sessions borrow `self`, so none is left.
        unsafe {
            rocksdb_column_family_handle_destroy(self.family);
            rocksdb_close(self.db);
        }
    }
}

struct Caller {
    db: Object,
    family: Object,
    writing: Object,
    reading: Object,
}

impl Session for Caller {
    fn put(&mut self, key: &Key, value: &[u8]) {
        let mut failure = null_mut();
        // SAFETY: see the module.
        unsafe {
            rocksdb_put(
                self.db,
                self.writing,
                key.as_ptr(),
                key.len(),
                value.as_ptr(),
                value.len(),
                &mut failure,
            );
        }
        check(failure);
    }

    fn batch(&mut self, entries: &[(Key, &[u8])]) {
        let mut failure = null_mut();
        // SAFETY: see the module.
        unsafe {
            let batch = rocksdb_writebatch_create();
            for (key, value) in entries {
                rocksdb_writebatch_put(batch, key.as_ptr(), key.len(), value.as_ptr(), value.len());
            }
            rocksdb_write(self.db, self.writing, batch, &mut failure);
            rocksdb_writebatch_destroy(batch);
        }
        check(failure);
    }

    fn get(&mut self, key: &Key, see: &mut dyn FnMut(&[u8])) -> bool {
        let mut failure = null_mut();
        // SAFETY: see the module.
        let found = unsafe {
            rocksdb_get_pinned(self.db, self.reading, key.as_ptr(), key.len(), &mut failure)
        };
        check(failure);
        see_pinned(found, see)
    }

    fn scan(&mut self, from: &Key, limit: usize, see: &mut dyn FnMut(&[u8], &[u8])) -> usize {
        let mut entries = 0;
        // SAFETY: see the module; key and value live until the iterator moves.
        unsafe {
            let iter = rocksdb_create_iterator(self.db, self.reading);
            rocksdb_iter_seek(iter, from.as_ptr(), from.len());
            while entries < limit && rocksdb_iter_valid(iter) != 0 {
                let (mut key_len, mut value_len) = (0, 0);
                let key = rocksdb_iter_key(iter, &mut key_len);
                let value = rocksdb_iter_value(iter, &mut value_len);
                see(
                    slice::from_raw_parts(key, key_len),
                    slice::from_raw_parts(value, value_len),
                );
                entries += 1;
                rocksdb_iter_next(iter);
            }
            rocksdb_iter_destroy(iter);
        }
        entries
    }

    fn multi_get(&mut self, keys: &[Key], see: &mut dyn FnMut(&[u8])) -> usize {
        let starts: Vec<_> = keys.iter().map(|key| key.as_ptr()).collect();
        let lens: Vec<_> = keys.iter().map(|key| key.len()).collect();
        let mut values = vec![null_mut(); keys.len()];
        let mut failures = vec![null_mut(); keys.len()];
        // SAFETY: see the module; all arrays have one place per key.
        unsafe {
            rocksdb_batched_multi_get_cf(
                self.db,
                self.reading,
                self.family,
                keys.len(),
                starts.as_ptr(),
                lens.as_ptr(),
                values.as_mut_ptr(),
                failures.as_mut_ptr(),
                false,
            );
        }
        failures.into_iter().for_each(check);
        values
            .into_iter()
            .filter(|value| see_pinned(*value, see))
            .count()
    }

    fn append(&mut self, key: &Key, tail: &[u8]) {
        let mut failure = null_mut();
        // SAFETY: see the module.
        unsafe {
            rocksdb_merge(
                self.db,
                self.writing,
                key.as_ptr(),
                key.len(),
                tail.as_ptr(),
                tail.len(),
                &mut failure,
            );
        }
        check(failure);
    }
}

fn see_pinned(found: Object, see: &mut dyn FnMut(&[u8])) -> bool {
    if found.is_null() {
        return false;
    }
    let mut len = 0;
    // SAFETY: see the module; the bytes live until the slice is destroyed.
    unsafe {
        let value = rocksdb_pinnableslice_value(found, &mut len);
        see(slice::from_raw_parts(value, len));
        rocksdb_pinnableslice_destroy(found);
    }
    true
}

fn check(failure: *mut c_char) {
    if !failure.is_null() {
        // SAFETY: the library's errors are strings.
        let text = unsafe { CStr::from_ptr(failure) };
        panic!("RocksDB: {}", text.to_string_lossy());
    }
}

type FullMerge = extern "C" fn(
    state: Object,
    key: *const u8,
    key_len: usize,
    base: *const u8,
    base_len: usize,
    operands: *const *const u8,
    lens: *const usize,
    count: c_int,
    ok: *mut c_uchar,
    len: *mut usize,
) -> *mut u8;

type PartialMerge = extern "C" fn(
    state: Object,
    key: *const u8,
    key_len: usize,
    operands: *const *const u8,
    lens: *const usize,
    count: c_int,
    ok: *mut c_uchar,
    len: *mut usize,
) -> *mut u8;

/// The old value, then every operand.
fn append_operator() -> Object {
    // SAFETY: see the module; the functions below keep to the contract of `rocksdb_mergeoperator_create`.
    unsafe {
        rocksdb_mergeoperator_create(
            null_mut(),
            nothing_to_do,
            append,
            append_partial,
            release,
            operator_name,
        )
    }
}

extern "C" fn append(
    _: Object,
    _: *const u8,
    _: usize,
    base: *const u8,
    base_len: usize,
    operands: *const *const u8,
    lens: *const usize,
    count: c_int,
    ok: *mut c_uchar,
    len: *mut usize,
) -> *mut u8 {
    // SAFETY: RocksDB gives `base_len` bytes at `base` (null for none), and `count` operands with their lengths.
    unsafe {
        let base = if base.is_null() {
            &[]
        } else {
            slice::from_raw_parts(base, base_len)
        };
        let count = usize::try_from(count).unwrap_or(0);
        let operands = slice::from_raw_parts(operands, count).iter();
        let parts = || operands.clone().zip(slice::from_raw_parts(lens, count));
        let total = base.len() + parts().map(|(_, len)| len).sum::<usize>();
        let joined = malloc(total.max(1));
        joined.copy_from_nonoverlapping(base.as_ptr(), base.len());
        let mut at = base.len();
        for (operand, len) in parts() {
            joined.add(at).copy_from_nonoverlapping(*operand, *len);
            at += len;
        }
        *ok = 1;
        *len = total;
        joined
    }
}

extern "C" fn append_partial(
    state: Object,
    key: *const u8,
    key_len: usize,
    operands: *const *const u8,
    lens: *const usize,
    count: c_int,
    ok: *mut c_uchar,
    len: *mut usize,
) -> *mut u8 {
    append(
        state,
        key,
        key_len,
        null(),
        0,
        operands,
        lens,
        count,
        ok,
        len,
    )
}

extern "C" fn release(_: Object, value: *const u8, _: usize) {
    // SAFETY: only what `append` has allocated comes here.
    unsafe { free(value.cast_mut().cast()) };
}

extern "C" fn nothing_to_do(_: Object) {}

extern "C" fn operator_name(_: Object) -> *const c_char {
    c"append".as_ptr()
}
