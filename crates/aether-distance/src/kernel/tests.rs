//! Every kernel that this machine has, against the scalar one: random shapes, tails, alignments and extremes.

use super::*;

/// Every tail of every kernel's loop, and the lengths of real models up to the largest; for Miri, which is slow, some of the
/// tails.
fn dims() -> Vec<usize> {
    match cfg!(miri) {
        true => [0, 1, 7, 8, 9, 15, 17, 31, 33, 65].to_vec(),
        false => (0..=130)
            .chain([255, 256, 257, 384, 784, 1536, DIM_MAX])
            .collect(),
    }
}

fn seed() -> u64 {
    let seed = std::env::var("AETHER_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
        .unwrap_or(42);
    println!("AETHER_SEED={seed}");
    seed
}

/// `magnitude`: what the terms of the sum add up to when none cancels. The error of a running sum is at most half a unit
/// in the last place of that per term, and no kernel runs fewer than eight sums.
fn assert_close(what: &str, dim: usize, found: f32, expected: f32, magnitude: f32) {
    let terms = dim.div_ceil(8) + 8;
    let allowed = magnitude * f32::EPSILON * terms as f32 + 1e-6;
    assert!(
        (found - expected).abs() <= allowed,
        "{what}: {found}, but the scalar kernel gives {expected} ± {allowed}"
    );
}

fn absolute(vector: &[f32]) -> Vec<f32> {
    vector.iter().map(|component| component.abs()).collect()
}

/// One pair of vectors per element type, cut so that no start is aligned.
struct Case {
    f32s: [Vec<f32>; 2],
    f16s: [Vec<f16>; 2],
    u8s: [Vec<u8>; 2],
    i8s: Vec<i8>,
}

impl Case {
    fn random(dim: usize, random: &mut fastrand::Rng) -> Case {
        let mut floats = || {
            (0..=dim)
                .map(|_| random.f32() * 4.0 - 2.0)
                .collect::<Vec<f32>>()
        };
        let f32s = [floats(), floats()];
        let f16s = [floats(), floats()]
            .map(|vector| vector.into_iter().map(f16::from_f32_const).collect());
        let mut bytes = || (0..=dim).map(|_| random.u8(..)).collect::<Vec<u8>>();
        let u8s = [bytes(), bytes()];
        let i8s = (0..=dim).map(|_| random.i8(..)).collect();
        Case {
            f32s,
            f16s,
            u8s,
            i8s,
        }
    }

    fn constant(dim: usize, float: f32, half: f16, byte: u8, signed: i8) -> Case {
        let length = dim + 1;
        Case {
            f32s: [vec![float; length], vec![-float; length]],
            f16s: [vec![half; length], vec![-half; length]],
            u8s: [vec![byte; length], vec![byte; length]],
            i8s: vec![signed; length],
        }
    }

    fn check(&self, kernels: Kernels) {
        self.check_numbers(kernels);
        // Miri does not know the instructions for them.
        if !cfg!(miri) {
            self.check_halves(kernels);
        }
    }

    fn check_halves(&self, kernels: Kernels) {
        let a = &self.f32s[0][1..];
        let (half_a, half_b) = (&self.f16s[0][1..], &self.f16s[1][1..]);
        let dim = a.len();
        let name = |kernel: &str| format!("{kernel} of {dim} components by {}", kernels.name());
        let l2 = [
            (
                "l2_f32_f16",
                kernels.l2_f32_f16(a, half_a),
                scalar::l2_f32_f16(a, half_a),
            ),
            (
                "l2_f16",
                kernels.l2_f16(half_a, half_b),
                scalar::l2_f16(half_a, half_b),
            ),
        ];
        for (kernel, found, expected) in l2 {
            assert_close(&name(kernel), dim, found, expected, expected);
        }
        let absolute_half = |half: &[f16]| {
            half.iter()
                .map(|x| f16::from_f32(x.to_f32().abs()))
                .collect::<Vec<_>>()
        };
        let sum_a = absolute(a);
        let (sum_half_a, sum_half_b) = (absolute_half(half_a), absolute_half(half_b));
        let dot = [
            (
                "dot_f32_f16",
                kernels.dot_f32_f16(a, half_a),
                scalar::dot_f32_f16(a, half_a),
                scalar::dot_f32_f16(&sum_a, &sum_half_a),
            ),
            (
                "dot_f16",
                kernels.dot_f16(half_a, half_b),
                scalar::dot_f16(half_a, half_b),
                scalar::dot_f16(&sum_half_a, &sum_half_b),
            ),
        ];
        for (kernel, found, expected, magnitude) in dot {
            assert_close(&name(kernel), dim, found, expected, magnitude);
        }
    }

    fn check_numbers(&self, kernels: Kernels) {
        let (a, b) = (&self.f32s[0][1..], &self.f32s[1][1..]);
        let (byte_a, byte_b) = (&self.u8s[0][1..], &self.u8s[1][1..]);
        let signed = &self.i8s[1..];
        let name =
            |kernel: &str| format!("{kernel} of {} components by {}", a.len(), kernels.name());

        let l2 = [
            ("l2_f32", kernels.l2_f32(a, b), scalar::l2_f32(a, b)),
            (
                "l2_f32_u8",
                kernels.l2_f32_u8(a, byte_a),
                scalar::l2_f32_u8(a, byte_a),
            ),
            (
                "l2_f32_hilo",
                kernels.l2_f32_hilo(a, byte_a, byte_b, -2.0, 6e-5),
                scalar::l2_f32_hilo(a, byte_a, byte_b, -2.0, 6e-5),
            ),
        ];
        for (kernel, found, expected) in l2 {
            assert_close(&name(kernel), a.len(), found, expected, expected);
        }

        let (sum_a, sum_b) = (absolute(a), absolute(b));
        let dot = [
            (
                "dot_f32",
                kernels.dot_f32(a, b),
                scalar::dot_f32(a, b),
                scalar::dot_f32(&sum_a, &sum_b),
            ),
            (
                "dot_f32_u8",
                kernels.dot_f32_u8(a, byte_a),
                scalar::dot_f32_u8(a, byte_a),
                scalar::dot_f32_u8(&sum_a, byte_a),
            ),
            (
                "dot_f32_hilo",
                kernels.dot_f32_hilo(a, byte_a, byte_b),
                scalar::dot_f32_hilo(a, byte_a, byte_b),
                scalar::dot_f32_hilo(&sum_a, byte_a, byte_b),
            ),
        ];
        for (kernel, found, expected, magnitude) in dot {
            assert_close(&name(kernel), a.len(), found, expected, magnitude);
        }

        assert_eq!(
            kernels.l2_u8(byte_a, byte_b),
            scalar::l2_u8(byte_a, byte_b),
            "{}",
            name("l2_u8")
        );
        assert_eq!(
            kernels.dot_u8(byte_a, byte_b),
            scalar::dot_u8(byte_a, byte_b),
            "{}",
            name("dot_u8")
        );
        assert_eq!(
            kernels.dot_u8_i8(byte_a, signed),
            scalar::dot_u8_i8(byte_a, signed),
            "{}",
            name("dot_u8_i8")
        );
        let rows = [
            byte_a,
            byte_b,
            &self.u8s[0][..byte_a.len()],
            &self.u8s[1][..byte_a.len()],
        ];
        let rows = rows.map(|row| &row[..signed.len() / 2]);
        let signed = &signed[..2 * rows[0].len()];
        assert_eq!(
            kernels.dot_u4_i8(rows[0], signed),
            scalar::dot_u4_i8(rows[0], signed),
            "{}",
            name("dot_u4_i8")
        );
        assert_eq!(
            kernels.dot_u4_i8_x4(rows, signed),
            scalar::dot_u4_i8_x4(rows, signed),
            "{}",
            name("dot_u4_i8_x4")
        );
    }
}

#[test]
fn agree_with_scalar_on_random_vectors() {
    let mut random = fastrand::Rng::with_seed(seed());
    for dim in dims() {
        let case = Case::random(dim, &mut random);
        for kernels in Kernels::available() {
            case.check(kernels);
        }
    }
}

#[test]
#[cfg_attr(miri, ignore = "slow")]
fn agree_with_scalar_on_extremes() {
    for dim in dims() {
        for (byte, signed) in [(0, 0), (255, -128), (255, 127), (1, -1), (0, -128)] {
            for (float, half) in [
                (0.0, f16::ZERO),
                (1e15, f16::MAX),
                (1e-30, f16::MIN_POSITIVE_SUBNORMAL),
            ] {
                let case = Case::constant(dim, float, half, byte, signed);
                for kernels in Kernels::available() {
                    case.check(kernels);
                }
            }
        }
    }
}

#[test]
#[cfg_attr(miri, ignore = "slow")]
fn integers_are_exact_up_to_the_largest_dimension() {
    let (bytes, zeros) = (vec![255; DIM_MAX], vec![0; DIM_MAX]);
    let (lowest, highest) = (vec![-128; DIM_MAX], vec![127; DIM_MAX]);
    for kernels in Kernels::available() {
        let dim = i64::try_from(DIM_MAX).unwrap();
        assert_eq!(
            i64::from(kernels.dot_u8_i8(&bytes, &lowest)),
            -128 * 255 * dim
        );
        assert_eq!(
            i64::from(kernels.dot_u8_i8(&bytes, &highest)),
            127 * 255 * dim
        );
        assert_eq!(
            i64::from(kernels.dot_u4_i8(&bytes[..DIM_MAX / 2], &lowest[..DIM_MAX / 2 * 2])),
            -128 * 15 * 2 * (dim / 2)
        );
        assert_eq!(i64::from(kernels.l2_u8(&bytes, &zeros)), 255 * 255 * dim);
        assert_eq!(i64::from(kernels.dot_u8(&bytes, &bytes)), 255 * 255 * dim);
    }
}

#[test]
#[cfg_attr(miri, ignore = "halves")]
fn squared_distances_of_finite_vectors_are_never_nan() {
    let (high, low) = ([f32::MAX; 37], [f32::MIN; 37]);
    let (half_high, half_low) = ([f16::MAX; 37], [f16::MIN; 37]);
    let bytes = [255; 37];
    for kernels in Kernels::available() {
        assert_eq!(kernels.l2_f32(&high, &low), f32::INFINITY);
        assert_eq!(kernels.l2_f32_f16(&high, &half_low), f32::INFINITY);
        assert_eq!(kernels.l2_f32_u8(&low, &bytes), f32::INFINITY);
        assert!(kernels.l2_f16(&half_high, &half_low).is_finite());
    }
}

#[test]
fn codes_of_four_bits_have_their_halves_apart() {
    let (codes, query) = ([0x21, 0x43, 0xf0], [1, 10, 100, -1, -10, -100]);
    for kernels in Kernels::available() {
        assert_eq!(kernels.dot_u4_i8(&codes, &query), 31 - 2 - 40 - 1500);
    }
}

#[test]
fn two_level_codes_are_sixteen_bits() {
    let (hi, lo) = ([1, 0, 255], [2, 3, 255]);
    for kernels in Kernels::available() {
        assert_eq!(
            kernels.dot_f32_hilo(&[1.0, 10.0, -1.0], &hi, &lo),
            258.0 + 30.0 - 65_535.0
        );
        assert_eq!(
            kernels.l2_f32_hilo(&[0.0, 0.0, 65_535.0], &hi, &lo, 1.0, 2.0),
            517.0 * 517.0 + 49.0 + 65_536.0 * 65_536.0
        );
    }
}

#[test]
#[should_panic(expected = "same dimension: 3 and 2")]
fn lengths_must_agree() {
    Kernels::detect().l2_f32(&[1.0, 2.0, 3.0], &[1.0, 2.0]);
}

#[test]
fn the_fastest_comes_last() {
    let available = Kernels::available();
    assert_eq!(available.first(), Some(&Kernels::scalar()));
    assert_eq!(available.last(), Some(&Kernels::detect()));
    println!(
        "{}",
        available
            .iter()
            .map(|kernels| kernels.name())
            .collect::<Vec<_>>()
            .join(" ")
    );
}
