//! What can be set: plain data, each field with what rises and what falls.

/// How a keyspace is kept. Given when it is created, and again whenever it is opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyspaceOptions {
    /// How its tables are written. A change holds for tables written from then on.
    pub table: TableOptions,
}

impl KeyspaceOptions {
    /// What `Default` gives.
    pub const DEFAULT: KeyspaceOptions = KeyspaceOptions { table: TableOptions::DEFAULT };
}

impl Default for KeyspaceOptions {
    fn default() -> Self {
        KeyspaceOptions::DEFAULT
    }
}

/// How sorted tables are written. Tables of different options can be read side by side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableOptions {
    /// A block is closed once it holds this many bytes. More: scans and compression gain, point reads from the
    /// disk lose, and less memory goes to indexes.
    pub block_bytes: usize,
    /// Bits of filter per key; 0 writes none. More: fewer blocks are read for missing keys, and memory rises.
    pub filter_bits_per_key: u32,
    /// How blocks are compressed.
    pub compression: Compression,
}

impl TableOptions {
    /// What `Default` gives.
    pub const DEFAULT: TableOptions =
        TableOptions { block_bytes: 4096, filter_bits_per_key: 10, compression: Compression::Lz4 };
}

impl Default for TableOptions {
    fn default() -> Self {
        TableOptions::DEFAULT
    }
}

/// How blocks are compressed. A block that hardly shrinks is stored as it is under any setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Compression {
    /// Stored as they are.
    None,
    /// LZ4: fast, moderate.
    Lz4,
}
