//! Dot products of many vectors with many others at once: the work of training and assigning centroids.
//!
//! One at a time, each pair would read both vectors from memory again; in tiles each is read once per tile, and the
//! arithmetic is the limit. The tiles are those of the `matrixmultiply` crate, which chooses its kernel at run time.

use crate::Kernels;

/// With so few rows tiles cost more than they save: to lay out the rows of `a` for them takes as long as to multiply them.
const FEW_ROWS: usize = 4;

/// `out[i * b_rows + j] = Σ a_i * b_j`, where `a` and `b` are rows of `dim` components without gaps.
///
/// O(rows of `a` * rows of `b` * `dim`), near the machine's peak when neither has only a few rows. The sums of more than a few rows
/// of `b` run in another order than those of [`Kernels::dot_f32`], so the last bits differ from it.
///
/// # Panics
/// If `a` or `b` are not whole rows, or `out` has not one place for each pair.
pub fn dot_products(a: &[f32], b: &[f32], dim: usize, out: &mut [f32]) {
    assert!(dim > 0, "rows have components");
    let (a_rows, b_rows) = (a.len() / dim, b.len() / dim);
    assert!(
        a_rows * dim == a.len() && b_rows * dim == b.len(),
        "rows are whole"
    );
    assert_eq!(
        Some(out.len()),
        a_rows.checked_mul(b_rows),
        "one place for each pair"
    );
    if out.is_empty() {
        return;
    }
    if b_rows <= FEW_ROWS {
        return dot_products_with_few(a, b, dim, out);
    }
    // Lengths of slices of floats are below `isize::MAX`.
    let (dim_stride, out_stride) = (dim.cast_signed(), b_rows.cast_signed());
    // SAFETY: with these strides the product reads `a_rows * dim` floats of `a` and `b_rows * dim` of `b` (the second one
    // transposed), and writes `a_rows * b_rows` of `out`: their lengths, as asserted. `out` is not aliased. With a factor
    // of 0 for what is in `out`, that is not read.
    unsafe {
        matrixmultiply::sgemm(
            a_rows,
            dim,
            b_rows,
            1.0,
            a.as_ptr(),
            dim_stride,
            1,
            b.as_ptr(),
            1,
            dim_stride,
            0.0,
            out.as_mut_ptr(),
            out_stride,
            1,
        );
    }
}

/// Pair by pair.
fn dot_products_with_few(a: &[f32], b: &[f32], dim: usize, out: &mut [f32]) {
    let kernels = Kernels::detect();
    let rows = a.chunks_exact(dim).zip(out.chunks_exact_mut(b.len() / dim));
    for (a, out) in rows {
        for (b, out) in b.chunks_exact(dim).zip(out) {
            *out = kernels.dot_f32(a, b);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scalar;

    #[test]
    #[cfg_attr(miri, ignore = "inline assembly and SIMD")]
    fn every_pair_has_its_product() {
        let mut rng = fastrand::Rng::with_seed(7);
        for (a_rows, b_rows, dim) in [
            (0, 3, 2),
            (1, 1, 1),
            (5, 3, 17),
            (33, 70, 64),
            (8, 200, 100),
        ] {
            let mut rows =
                |count: usize| -> Vec<f32> { (0..count * dim).map(|_| rng.f32() - 0.5).collect() };
            let (a, b) = (rows(a_rows), rows(b_rows));
            let mut out = vec![f32::NAN; a_rows * b_rows];
            dot_products(&a, &b, dim, &mut out);
            for (i, a) in a.chunks(dim).enumerate() {
                for (j, b) in b.chunks(dim).enumerate() {
                    let expected = scalar::dot_f32(a, b);
                    let found = out[i * b_rows + j];
                    assert!((found - expected).abs() < 1e-4, "{found} for {expected}");
                }
            }
        }
    }

    #[test]
    #[should_panic(expected = "one place for each pair")]
    fn a_short_output_is_refused() {
        dot_products(&[1.0; 4], &[1.0; 4], 2, &mut [0.0; 3]);
    }
}
