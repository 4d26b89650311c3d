//! Nanoseconds per call of the distance kernels, for every instruction set of this machine.
//!
//! Vectors lie in 256 KiB, one after the other: in the L2 cache of a core, and wherever the allocator put them.

use std::hint::black_box;

use aether_distance::{Kernels, TableLine};
use half::f16;
use serde_json::{Map, Value};

use crate::clock::cpu_seconds;

const BYTES: usize = 256 << 10;
const DIMS: [usize; 7] = [96, 100, 128, 384, 768, 784, 1536];

/// Prints one line of JSON per dimension and instruction set.
#[expect(
    clippy::print_stdout,
    reason = "standard output is what the driver shows"
)]
pub fn print_table() {
    let pool = Pool::new();
    for dim in DIMS {
        for kernels in Kernels::available() {
            let mut line = Map::new();
            line.insert("kernels".to_owned(), kernels.name().into());
            line.insert("dim".to_owned(), dim.into());
            for (name, ns) in pool.measure(kernels, dim) {
                line.insert(format!("{name}_ns"), ((ns * 10.0).round() / 10.0).into());
            }
            println!("{}", Value::Object(line));
        }
    }
}

/// Random vectors of every type, and one query of each behind them.
struct Pool {
    bytes: Vec<u8>,
    signed: Vec<i8>,
    floats: Vec<f32>,
    halves: Vec<f16>,
}

impl Pool {
    fn new() -> Pool {
        let mut random = fastrand::Rng::with_seed(1);
        let longest = DIMS[DIMS.len() - 1];
        Pool {
            bytes: (0..BYTES + longest).map(|_| random.u8(..)).collect(),
            signed: (0..longest).map(|_| random.i8(..)).collect(),
            floats: (0..BYTES / 4 + longest).map(|_| random.f32()).collect(),
            halves: (0..BYTES / 2 + longest)
                .map(|_| f16::from_f32(random.f32()))
                .collect(),
        }
    }

    fn measure(&self, kernels: Kernels, dim: usize) -> Vec<(&'static str, f64)> {
        let byte = |i: usize| &self.bytes[i * dim..][..dim];
        let half = |i: usize| &self.halves[i * dim..][..dim];
        let float = |i: usize| &self.floats[i * dim..][..dim];
        let signed = &self.signed[..dim];
        let byte_query = &self.bytes[BYTES..][..dim];
        let half_query = &self.halves[BYTES / 2..][..dim];
        let query = &self.floats[BYTES / 4..][..dim];
        let four = |i: usize| [4 * i, 4 * i + 1, 4 * i + 2, 4 * i + 3].map(byte);
        let bytes = BYTES / dim;
        vec![
            (
                "dot_u8_i8",
                time(bytes, |i| kernels.dot_u8_i8(byte(i), signed).into()),
            ),
            (
                "dot_u4_i8_x4_each",
                time(bytes / 4, |i| {
                    let rows = four(i).map(|row| &row[..dim / 2]);
                    kernels
                        .dot_u4_i8_x4(rows, &signed[..dim / 2 * 2])
                        .map(f64::from)
                        .iter()
                        .sum()
                }) / 4.0,
            ),
            ("fast_scan_block", self.time_fast_scan(kernels, dim)),
            (
                "l2_u8",
                time(bytes, |i| kernels.l2_u8(byte(i), byte_query).into()),
            ),
            (
                "dot_u8",
                time(bytes, |i| kernels.dot_u8(byte(i), byte_query).into()),
            ),
            (
                "l2_f32_u8",
                time(bytes, |i| kernels.l2_f32_u8(query, byte(i)).into()),
            ),
            (
                "dot_f32_hilo",
                time(bytes / 2, |i| {
                    kernels
                        .dot_f32_hilo(query, byte(2 * i), byte(2 * i + 1))
                        .into()
                }),
            ),
            (
                "l2_f32_hilo",
                time(bytes / 2, |i| {
                    kernels
                        .l2_f32_hilo(query, byte(2 * i), byte(2 * i + 1), 0.1, 0.2)
                        .into()
                }),
            ),
            (
                "l2_f32_f16",
                time(bytes / 2, |i| kernels.l2_f32_f16(query, half(i)).into()),
            ),
            (
                "l2_f16",
                time(bytes / 2, |i| kernels.l2_f16(half_query, half(i)).into()),
            ),
            (
                "l2_f32",
                time(bytes / 4, |i| kernels.l2_f32(query, float(i)).into()),
            ),
            (
                "dot_f32",
                time(bytes / 4, |i| kernels.dot_f32(query, float(i)).into()),
            ),
        ]
    }
}

impl Pool {
    /// One bit per component, 32 codes in a call; dimensions are rounded up to whole lines.
    fn time_fast_scan(&self, kernels: Kernels, dim: usize) -> f64 {
        let table = vec![TableLine([127; 64]); dim.div_ceil(16)];
        let block_bytes = 64 * table.len();
        let block = |i: usize| &self.bytes[i * block_bytes..][..block_bytes];
        time(BYTES / block_bytes, |i| {
            kernels.fast_scan(block(i), &table)[0].into()
        })
    }
}

/// Nanoseconds per call: the best of seven rounds over the vectors 0 to `n`.
fn time(n: usize, mut kernel: impl FnMut(usize) -> f64) -> f64 {
    let repeats = 200_000 / n + 1;
    let mut best = f64::INFINITY;
    for _ in 0..7 {
        let start = cpu_seconds();
        for _ in 0..repeats {
            black_box((0..n).map(&mut kernel).sum::<f64>());
        }
        best = best.min((cpu_seconds() - start) / (repeats * n) as f64 * 1e9);
    }
    best
}
