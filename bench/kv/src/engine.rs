//! What an engine must be able to do: one adapter each in `engines/`.
//!
//! A failing engine ends the run: adapters panic with what went wrong.

use std::path::PathBuf;

/// Every key of these workloads.
pub type Key = [u8; 16];

/// What all engines are set to, as near as they can be.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where the database goes.
    pub directory: PathBuf,
    /// Cache of blocks or pages.
    pub cache_bytes: usize,
    /// Memtable, or write buffer.
    pub write_buffer_bytes: usize,
    /// Target of a data block.
    pub block_bytes: usize,
    /// Threads that flush and compact.
    pub background_threads: usize,
    /// Values of 1 KiB and more go to files of their own.
    pub separate_values: bool,
}

/// An open database.
pub trait Engine: Send + Sync {
    /// A caller. `sync`: its writes return only once they survive a power cut; otherwise once the operating system has them.
    fn session(&self, sync: bool) -> Box<dyn Session + '_>;

    /// Merges everything into its final place; engines without compaction do nothing.
    fn compact(&self) {}

    /// Version and settings, for the record.
    fn describe(&self) -> String;
}

/// One thread's view of a database.
pub trait Session {
    /// One put, committed on its own.
    fn put(&mut self, key: &Key, value: &[u8]);

    /// Many puts, committed together.
    fn batch(&mut self, entries: &[(Key, &[u8])]);

    /// Shows the value to `see`; false when there is none.
    fn get(&mut self, key: &Key, see: &mut dyn FnMut(&[u8])) -> bool;

    /// Shows at most `limit` entries from `from` on, ascending; how many there were.
    fn scan(&mut self, from: &Key, limit: usize, see: &mut dyn FnMut(&[u8], &[u8])) -> usize;

    /// Shows the values of `keys` in any order; how many there were. One call of the engine, where it has one for that.
    fn multi_get(&mut self, keys: &[Key], see: &mut dyn FnMut(&[u8])) -> usize {
        keys.iter().filter(|key| self.get(key, see)).count()
    }

    /// Appends `tail` to the value of `key`: a merge operand, or read and put for engines without.
    fn append(&mut self, key: &Key, tail: &[u8]) {
        let mut value = Vec::new();
        self.get(key, &mut |old| value.extend_from_slice(old));
        value.extend_from_slice(tail);
        self.put(key, &value);
    }

    /// Drops a read transaction that is kept between reads.
    fn refresh(&mut self) {}
}
