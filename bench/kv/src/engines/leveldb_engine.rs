//! LevelDB through its C interface: the distribution's shared library.
//!
//! SAFETY of every block here: the signatures are those of `leveldb/c.h`; objects are made by the library and used
//! until the process ends (a run opens few, so options and sessions are never given back); slices live through the call.

use std::ffi::{CStr, CString, c_char, c_int, c_uchar, c_void};
use std::ptr::{null, null_mut};
use std::slice;

use crate::engine::{Engine, Key, Session, Settings};

type Object = *mut c_void;
type Failure = *mut *mut c_char;

#[link(name = "leveldb")]
unsafe extern "C" {
    fn leveldb_options_create() -> Object;
    fn leveldb_options_set_create_if_missing(options: Object, yes: c_uchar);
    fn leveldb_options_set_write_buffer_size(options: Object, bytes: usize);
    fn leveldb_options_set_cache(options: Object, cache: Object);
    fn leveldb_options_set_block_size(options: Object, bytes: usize);
    fn leveldb_options_set_max_file_size(options: Object, bytes: usize);
    fn leveldb_options_set_max_open_files(options: Object, files: c_int);
    fn leveldb_options_set_compression(options: Object, codec: c_int);
    fn leveldb_options_set_filter_policy(options: Object, policy: Object);
    fn leveldb_filterpolicy_create_bloom(bits: c_int) -> Object;
    fn leveldb_cache_create_lru(bytes: usize) -> Object;
    fn leveldb_open(options: Object, path: *const c_char, failure: Failure) -> Object;
    fn leveldb_close(db: Object);
    fn leveldb_writeoptions_create() -> Object;
    fn leveldb_writeoptions_set_sync(options: Object, yes: c_uchar);
    fn leveldb_readoptions_create() -> Object;
    fn leveldb_put(
        db: Object,
        options: Object,
        key: *const u8,
        key_len: usize,
        value: *const u8,
        value_len: usize,
        failure: Failure,
    );
    fn leveldb_get(
        db: Object,
        options: Object,
        key: *const u8,
        key_len: usize,
        value_len: *mut usize,
        failure: Failure,
    ) -> *mut u8;
    fn leveldb_write(db: Object, options: Object, batch: Object, failure: Failure);
    fn leveldb_writebatch_create() -> Object;
    fn leveldb_writebatch_destroy(batch: Object);
    fn leveldb_writebatch_put(
        batch: Object,
        key: *const u8,
        key_len: usize,
        value: *const u8,
        value_len: usize,
    );
    fn leveldb_create_iterator(db: Object, options: Object) -> Object;
    fn leveldb_iter_destroy(iter: Object);
    fn leveldb_iter_seek(iter: Object, key: *const u8, key_len: usize);
    fn leveldb_iter_valid(iter: Object) -> c_uchar;
    fn leveldb_iter_next(iter: Object);
    fn leveldb_iter_key(iter: Object, len: *mut usize) -> *const u8;
    fn leveldb_iter_value(iter: Object, len: *mut usize) -> *const u8;
    fn leveldb_compact_range(
        db: Object,
        start: *const u8,
        start_len: usize,
        end: *const u8,
        end_len: usize,
    );
    fn leveldb_free(memory: Object);
}

pub struct LevelDb {
    db: Object,
}

// SAFETY: a database may be used from all threads.
unsafe impl Send for LevelDb {}
// SAFETY: as above.
unsafe impl Sync for LevelDb {}

pub fn open(settings: &Settings) -> LevelDb {
    let path =
        CString::new(settings.directory.to_str().expect("a path in UTF-8")).expect("no zero byte");
    let mut failure = null_mut();
    // SAFETY: see the module.
    let db = unsafe {
        let options = leveldb_options_create();
        leveldb_options_set_create_if_missing(options, 1);
        leveldb_options_set_write_buffer_size(options, settings.write_buffer_bytes);
        leveldb_options_set_cache(options, leveldb_cache_create_lru(settings.cache_bytes));
        leveldb_options_set_block_size(options, settings.block_bytes);
        leveldb_options_set_max_file_size(options, 64 << 20);
        leveldb_options_set_max_open_files(options, 10_000);
        leveldb_options_set_compression(options, 0);
        leveldb_options_set_filter_policy(options, leveldb_filterpolicy_create_bloom(10));
        leveldb_open(options, path.as_ptr(), &mut failure)
    };
    check(failure);
    LevelDb { db }
}

impl Engine for LevelDb {
    fn session(&self, sync: bool) -> Box<dyn Session + '_> {
        // SAFETY: see the module.
        unsafe {
            let writing = leveldb_writeoptions_create();
            leveldb_writeoptions_set_sync(writing, c_uchar::from(sync));
            Box::new(Caller {
                db: self.db,
                writing,
                reading: leveldb_readoptions_create(),
            })
        }
    }

    fn compact(&self) {
        // SAFETY: see the module.
        unsafe { leveldb_compact_range(self.db, null(), 0, null(), 0) };
    }

    fn describe(&self) -> String {
        "LevelDB (the distribution's): bloom 10, files of 64 MiB, no compression; it has one background thread".into()
    }
}

impl Drop for LevelDb {
    fn drop(&mut self) {
        // SAFETY: see the module; sessions borrow `self`, so none is left.
        unsafe { leveldb_close(self.db) };
    }
}

struct Caller {
    db: Object,
    writing: Object,
    reading: Object,
}

impl Session for Caller {
    fn put(&mut self, key: &Key, value: &[u8]) {
        let mut failure = null_mut();
        // SAFETY: see the module.
        unsafe {
            leveldb_put(
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
            let batch = leveldb_writebatch_create();
            for (key, value) in entries {
                leveldb_writebatch_put(batch, key.as_ptr(), key.len(), value.as_ptr(), value.len());
            }
            leveldb_write(self.db, self.writing, batch, &mut failure);
            leveldb_writebatch_destroy(batch);
        }
        check(failure);
    }

    fn get(&mut self, key: &Key, see: &mut dyn FnMut(&[u8])) -> bool {
        let (mut failure, mut len) = (null_mut(), 0);
        // SAFETY: see the module; the value is ours until it is freed.
        unsafe {
            let value = leveldb_get(
                self.db,
                self.reading,
                key.as_ptr(),
                key.len(),
                &mut len,
                &mut failure,
            );
            check(failure);
            if value.is_null() {
                return false;
            }
            see(slice::from_raw_parts(value, len));
            leveldb_free(value.cast());
        }
        true
    }

    fn scan(&mut self, from: &Key, limit: usize, see: &mut dyn FnMut(&[u8], &[u8])) -> usize {
        let mut entries = 0;
        // SAFETY: see the module; key and value live until the iterator moves.
        unsafe {
            let iter = leveldb_create_iterator(self.db, self.reading);
            leveldb_iter_seek(iter, from.as_ptr(), from.len());
            while entries < limit && leveldb_iter_valid(iter) != 0 {
                let (mut key_len, mut value_len) = (0, 0);
                let key = leveldb_iter_key(iter, &mut key_len);
                let value = leveldb_iter_value(iter, &mut value_len);
                see(
                    slice::from_raw_parts(key, key_len),
                    slice::from_raw_parts(value, value_len),
                );
                entries += 1;
                leveldb_iter_next(iter);
            }
            leveldb_iter_destroy(iter);
        }
        entries
    }
}

fn check(failure: *mut c_char) {
    if !failure.is_null() {
        // SAFETY: the library's errors are strings.
        let text = unsafe { CStr::from_ptr(failure) };
        panic!("LevelDB: {}", text.to_string_lossy());
    }
}
