//! Every kernel that this machine has, against the scalar one and against sums taken code by code.

use super::*;
use crate::DIM_MAX;

fn seed() -> u64 {
    let seed = std::env::var("AETHER_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
        .unwrap_or(42);
    println!("AETHER_SEED={seed}");
    seed
}

fn random_table(lines: usize, random: &mut fastrand::Rng) -> Vec<TableLine> {
    std::iter::repeat_with(|| {
        let mut line = TableLine::default();
        random.fill(&mut line.0);
        line
    })
    .take(lines)
    .collect()
}

fn line_counts() -> Vec<usize> {
    match cfg!(miri) {
        true => vec![0, 1, 3, 65],
        false => (0..=130).chain([192, 193, 500]).collect(),
    }
}

#[test]
fn a_sum_is_that_of_the_chosen_entries() {
    let mut random = fastrand::Rng::with_seed(seed());
    let table = random_table(3, &mut random);
    let codes: [[u8; 12]; BLOCK_CODES] =
        std::array::from_fn(|_| std::array::from_fn(|_| random.u8(..16)));
    let mut block = [0; 3 * 64];
    for group in 0..12 {
        for lane in 0..16 {
            block[64 * (group / 4) + 4 * lane + group % 4] =
                codes[lane][group] | codes[16 + lane][group] << 4;
        }
    }
    let expected = codes.map(|code| {
        let entry = |group: usize| table[group / 4].0[16 * (group % 4) + usize::from(code[group])];
        (0..12).map(|group| u32::from(entry(group))).sum::<u32>()
    });
    for kernels in Kernels::available() {
        assert_eq!(
            kernels.fast_scan(&block, &table),
            expected,
            "{}",
            kernels.name()
        );
    }
}

#[test]
fn agree_with_scalar() {
    let mut random = fastrand::Rng::with_seed(seed());
    for lines in line_counts() {
        let table = random_table(lines, &mut random);
        // Not aligned: blocks lie where they lie.
        let mut codes = vec![0; 64 * lines + 1];
        random.fill(&mut codes);
        let codes = &codes[1..];
        let formula = ScanFormula {
            base: random.f32() * 10.0,
            offset: -random.f32(),
            step: random.f32() / 1000.0,
        };
        let mut floats = || std::array::from_fn(|_| random.f32() - 0.5);
        let (add, scale) = (floats(), floats());
        let factors = ScanFactors {
            add: &add,
            scale: &scale,
        };
        let (mut found, mut expected) = ([0.0; BLOCK_CODES], [0.0; BLOCK_CODES]);
        scalar::fast_scan_estimates(codes, &table, formula, factors, 0.0, &mut expected);
        let bound = expected[7];
        for kernels in Kernels::available() {
            let what = format!("{lines} lines by {}", kernels.name());
            assert_eq!(
                kernels.fast_scan(codes, &table),
                scalar::fast_scan(codes, &table),
                "{what}"
            );
            let below =
                kernels.fast_scan_estimates(codes, &table, formula, factors, bound, &mut found);
            for (i, (found, expected)) in found.into_iter().zip(expected).enumerate() {
                assert!(
                    (found - expected).abs() < 1e-5 * (1.0 + lines as f32),
                    "{what}: {found} {expected}"
                );
                assert_eq!(below >> i & 1 == 1, found < bound, "{what}");
            }
        }
    }
}

#[test]
fn sums_of_the_largest_entries_do_not_wrap() {
    for lines in [
        63,
        64,
        65,
        if cfg!(miri) { 66 } else { DIM_MAX.div_ceil(16) },
    ] {
        let table = vec![TableLine([255; 64]); lines];
        let codes = vec![0xa5; 64 * lines];
        let expected = u32::try_from(255 * LINE_GROUPS * lines).unwrap();
        for kernels in Kernels::available() {
            assert_eq!(
                kernels.fast_scan(&codes, &table),
                [expected; BLOCK_CODES],
                "{}",
                kernels.name()
            );
        }
    }
}

#[test]
fn nan_is_below_nothing() {
    let (add, scale) = ([f32::NAN; BLOCK_CODES], [1.0; BLOCK_CODES]);
    let factors = ScanFactors {
        add: &add,
        scale: &scale,
    };
    for kernels in Kernels::available() {
        let mut out = [0.0; BLOCK_CODES];
        let formula = ScanFormula::default();
        assert_eq!(
            kernels.fast_scan_estimates(&[], &[], formula, factors, f32::INFINITY, &mut out),
            0
        );
    }
}

#[test]
fn bits_choose_components() {
    let mut random = fastrand::Rng::with_seed(seed());
    for bytes in (0..40).chain([48, 98, if cfg!(miri) { 64 } else { DIM_MAX / 8 }]) {
        let mut bits = vec![0; bytes + 1];
        random.fill(&mut bits);
        let query: Vec<i8> = (0..=8 * bytes).map(|_| random.i8(..)).collect();
        let (bits, query, lowest) = (&bits[1..], &query[1..], vec![-128; 8 * bytes]);
        for kernels in Kernels::available() {
            let what = format!("{bytes} bytes by {}", kernels.name());
            assert_eq!(
                kernels.dot_bits_i8(bits, query),
                scalar::dot_bits_i8(bits, query),
                "{what}"
            );
            let all = kernels.dot_bits_i8(&vec![255; bytes], &lowest);
            assert_eq!(all, -1024 * i32::try_from(bytes).unwrap(), "{what}");
        }
    }
}

#[test]
#[should_panic(expected = "same dimension: 63 and 64")]
fn blocks_and_tables_have_the_same_length() {
    Kernels::detect().fast_scan(&[0; 63], &[TableLine::default()]);
}
