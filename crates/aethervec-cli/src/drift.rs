//! How indexes age: scenarios of change, who plays them, and the pictures of it.
//!
//! `source` draws vectors, `scenario` writes down what happens window by window, `player` lets an index live through it and
//! measures, `export` writes a scenario for programs that know other indexes; `chart`, `picture`, `raster` and `page` draw
//! records.

pub(crate) mod chart;
mod counted;
pub(crate) mod export;
mod fixed;
pub(crate) mod page;
pub(crate) mod picture;
pub(crate) mod player;
pub(crate) mod raster;
pub(crate) mod record;
pub(crate) mod scenario;
pub(crate) mod source;

/// Squared Euclidean distance: the truth that all indexes are measured by.
fn distance(a: &[f32], b: &[f32]) -> f32 {
    let (a, a_rest) = a.as_chunks::<16>();
    let (b, b_rest) = b.as_chunks::<16>();
    let mut sums = [0.0; 16];
    for (a, b) in a.iter().zip(b) {
        // By index: compilers make vector instructions of it in every build.
        for i in 0..16 {
            let apart = a[i] - b[i];
            sums[i] += apart * apart;
        }
    }
    let rest = a_rest.iter().zip(b_rest);
    rest.map(|(a, b)| (a - b) * (a - b)).sum::<f32>() + sums.iter().sum::<f32>()
}
