//! Bits, compared by how many differ.

use aether_distance::Distance;

use super::Rows;

/// Rows of bits, packed into bytes. The distance is the number of bits that differ.
#[derive(Debug)]
pub struct BinaryRows {
    bytes: usize,
    /// Of each row `bytes.div_ceil(8)` words.
    words: Vec<u64>,
}

impl BinaryRows {
    /// No rows; each will have this many bytes.
    pub fn new(bytes: usize) -> BinaryRows {
        BinaryRows {
            bytes,
            words: Vec::new(),
        }
    }

    /// How many bits of `a` and `b` differ.
    pub fn distance(a: &[u8], b: &[u8]) -> Distance {
        let differing = words(a)
            .zip(words(b))
            .map(|(a, b)| (a ^ b).count_ones())
            .sum();
        distance(differing)
    }

    fn width(&self) -> usize {
        self.bytes.div_ceil(8).max(1)
    }
}

impl Rows for BinaryRows {
    type Vector<'a> = &'a [u8];
    type Query<'a> = &'a [u8];
    type Scratch = Vec<u64>;

    const CHUNK_ROWS: usize = 4_096;
    const COMPARING_IS_SLOW: bool = false;

    fn empty(&self) -> BinaryRows {
        BinaryRows::new(self.bytes)
    }

    fn push(&mut self, vector: &[u8]) {
        let start = self.words.len();
        self.words.extend(words(vector).take(self.width()));
        self.words.resize(start + self.width(), 0);
    }

    fn pick(&self, rows: &[usize]) -> BinaryRows {
        let width = self.width();
        let words = rows
            .iter()
            .flat_map(|&row| &self.words[row * width..(row + 1) * width]);
        BinaryRows {
            bytes: self.bytes,
            words: words.copied().collect(),
        }
    }

    fn compare(
        &self,
        query: &&[u8],
        scratch: &mut Vec<u64>,
        _wanted: &dyn Fn(usize) -> bool,
        found: &mut dyn FnMut(usize, Distance),
    ) {
        scratch.clear();
        scratch.extend(words(query));
        for (row, vector) in self.words.chunks_exact(self.width()).enumerate() {
            let pairs = vector.iter().zip(&*scratch);
            found(
                row,
                distance(pairs.map(|(a, b)| (a ^ b).count_ones()).sum()),
            );
        }
    }

    fn memory_bytes(&self) -> usize {
        self.words.capacity() * size_of::<u64>()
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a vector has fewer bits than f32 counts exactly"
)]
fn distance(differing: u32) -> Distance {
    Distance(differing as f32)
}

fn words(bytes: &[u8]) -> impl Iterator<Item = u64> {
    bytes.chunks(8).map(|chunk| {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        u64::from_le_bytes(word)
    })
}
