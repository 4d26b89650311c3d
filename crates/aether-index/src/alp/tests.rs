#![expect(
    clippy::cast_possible_truncation,
    reason = "a number of one byte, a decimal rounded to the nearest float"
)]

use super::*;
use proptest::prelude::*;

/// What comes back, and in how many bytes.
fn round_trip(values: &[f32]) -> usize {
    let mut bytes = vec![7];
    encode(values, &mut bytes);
    let bytes = &bytes[1..];
    assert!(bytes.len() <= encoded_bytes_max(values.len()));
    assert_eq!(super::values(bytes).unwrap(), values.len());
    let mut longer = bytes.to_vec();
    longer.extend([1, 2, 3]);
    let mut again = vec![1.5; values.len()];
    assert_eq!(decode(&longer, &mut again).unwrap(), bytes.len());
    assert_eq!(plain::decode(bytes), bits(values));
    assert_eq!(bits(&again), bits(values));
    for (first, length) in [
        (0, 0),
        (0, 1),
        (3, 17),
        (1000, 50),
        (1024, 1024),
        (700, 2000),
    ] {
        let mut part = vec![1.5; length];
        let range = decode_range(bytes, first, &mut part);
        match values.get(first..first + length) {
            Some(wanted) => assert_eq!(bits(&part), bits(wanted)),
            None => assert_eq!(range.unwrap_err().kind(), crate::ErrorKind::Corruption),
        }
    }
    bytes.len()
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

/// The scheme of the first block.
fn scheme(values: &[f32]) -> u8 {
    let mut bytes = Vec::new();
    encode(values, &mut bytes);
    bytes[table_bytes(values.len())]
}

/// The truth: one value after the other, a bit at a time, by the picture in the module's documentation.
mod plain {
    use super::super::{BLOCK_VALUES, DECIMAL, RAW};

    struct Bytes<'a>(&'a [u8]);

    impl Bytes<'_> {
        fn number(&mut self, bytes: usize) -> u32 {
            let (number, rest) = self.0.split_at(bytes);
            self.0 = rest;
            let digits = number.iter().rev();
            digits.fold(0, |sum, &digit| sum << 8 | u32::from(digit))
        }

        fn numbers(&mut self, count: usize, bytes: usize) -> Vec<u32> {
            (0..count).map(|_| self.number(bytes)).collect()
        }

        fn packed(&mut self, count: usize, width: usize) -> Vec<u32> {
            let lines = (count.div_ceil(8) * width).div_ceil(32);
            let words = self.numbers(8 * lines, 4);
            let bit = |lane: usize, bit: usize| words[bit / 32 * 8 + lane] >> (bit % 32) & 1;
            let integer = |i: usize| (0..width).map(move |b| bit(i % 8, i / 8 * width + b) << b);
            (0..count).map(|i| integer(i).sum()).collect()
        }
    }

    pub(super) fn decode(bytes: &[u8]) -> Vec<u32> {
        let mut bytes = Bytes(bytes);
        let count = bytes.number(4) as usize;
        bytes.numbers(count.div_ceil(BLOCK_VALUES), 4);
        let mut values = Vec::new();
        while values.len() < count {
            let length = BLOCK_VALUES.min(count - values.len());
            values.extend(match bytes.number(1) as u8 {
                RAW => bytes.numbers(length, 4),
                DECIMAL => decimal(&mut bytes, length),
                _ => real(&mut bytes, length),
            });
        }
        assert!(bytes.0.is_empty());
        values
    }

    fn decimal(bytes: &mut Bytes<'_>, length: usize) -> Vec<u32> {
        let (power, width) = (bytes.number(1) as i8, bytes.number(1) as usize);
        let (exceptions, base) = (bytes.number(2) as usize, bytes.number(4) as i32);
        let integers = bytes.packed(length, width);
        let unit: f64 = format!("1e{power}").parse().unwrap();
        let value = |integer| f64::from(base.wrapping_add(integer as i32)) * unit;
        let values = integers.into_iter().map(|i| (value(i) as f32).to_bits());
        let mut values: Vec<u32> = values.collect();
        for position in bytes.numbers(exceptions, 2) {
            values[position as usize] = u32::MAX;
        }
        let mut instead = bytes.numbers(exceptions, 4).into_iter();
        for value in values.iter_mut().filter(|value| **value == u32::MAX) {
            *value = instead.next().unwrap();
        }
        values
    }

    fn real(bytes: &mut Bytes<'_>, length: usize) -> Vec<u32> {
        let words = bytes.number(1) as usize;
        let (shift, back) = (bytes.number(1), bytes.number(1));
        let exceptions = bytes.number(2) as usize;
        let dictionary = bytes.numbers(words, 2);
        let number_bits = (0..).find(|bits| 1 << bits >= words).unwrap();
        let numbers = bytes.packed(length, number_bits);
        let backs = bytes.packed(length, back as usize);
        let fronts = numbers
            .into_iter()
            .map(|number| dictionary[number as usize]);
        let mut fronts: Vec<u32> = fronts.collect();
        let positions = bytes.numbers(exceptions, 2);
        for (position, front) in positions.into_iter().zip(bytes.numbers(exceptions, 2)) {
            fronts[position as usize] = front;
        }
        let parts = fronts.into_iter().zip(backs);
        parts
            .map(|(front, low)| (front << back | low) << shift)
            .collect()
    }
}

#[test]
fn every_kind_of_value_comes_back() {
    let kinds = [
        0.0,
        -0.0,
        1.0,
        -1.5,
        f32::MIN_POSITIVE,
        f32::from_bits(1),
        f32::from_bits(0x8000_0001),
        f32::from_bits(0x007f_ffff),
        f32::MAX,
        f32::MIN,
        f32::INFINITY,
        f32::NEG_INFINITY,
        f32::NAN,
        f32::from_bits(0xffc0_0000),
        f32::from_bits(0x7f80_0001),
        f32::from_bits(u32::MAX),
        2_147_483_647.0,
        -2_147_483_648.0,
        1e10,
        0.1,
        123.456,
    ];
    round_trip(&[]);
    for kind in kinds {
        for length in [1, 7, 8, 9, 1023, 1024, 1025, 3000] {
            round_trip(&vec![kind; length]);
            let mut one = vec![0.25; length];
            one[length / 2] = kind;
            round_trip(&one);
        }
    }
    round_trip(&kinds.repeat(200));
}

#[test]
fn schemes_fit_their_data() {
    let mut rng = fastrand::Rng::with_seed(5);
    let mut make = |value: &mut dyn FnMut(&mut fastrand::Rng) -> f32| {
        let values: Vec<f32> = (0..48 * 1024).map(|_| value(&mut rng)).collect();
        let fraction = round_trip(&values) as f64 / (4 * values.len()) as f64;
        (scheme(&values), fraction)
    };
    let (pixels, fraction) = make(&mut |rng| f32::from(rng.u8(..)));
    assert!(pixels == DECIMAL && fraction < 0.255, "{fraction}");
    let (decimals, fraction) = make(&mut |rng| rng.i32(-5000..5000) as f32 / 1000.0);
    assert!(decimals == DECIMAL && fraction < 0.45, "{fraction}");
    let (hundreds, fraction) = make(&mut |rng| rng.i32(0..30) as f32 * 1000.0);
    assert!(hundreds == DECIMAL && fraction < 0.17, "{fraction}");
    let (_, fraction) = make(&mut |_| 0.5);
    assert!(fraction < 0.005, "{fraction}");
    let (halves, fraction) = make(&mut |rng| half::f16::from_f32(normal(rng)).to_f32());
    assert!(halves == REAL && fraction < 0.48, "{fraction}");
    let (reals, fraction) = make(&mut |rng| normal(rng));
    assert!(reals == REAL && fraction < 0.88, "{fraction}");
    let (noise, fraction) = make(&mut |rng| f32::from_bits(rng.u32(..)));
    assert!(noise == RAW && fraction < 1.002, "{fraction}");
}

/// About a normal distribution.
fn normal(rng: &mut fastrand::Rng) -> f32 {
    (0..12).map(|_| rng.f32() - 0.5).sum::<f32>() * 0.05
}

#[test]
fn damage_is_an_error_or_another_value() {
    let values: Vec<f32> = (0..2500)
        .map(|i| match i / 1024 {
            0 => i as f32 / 10.0,
            1 => (i as f32).sqrt(),
            _ => f32::from_bits(u32::wrapping_mul(i, 0x9e37_79b9)),
        })
        .collect();
    let mut bytes = Vec::new();
    encode(&values, &mut bytes);
    let mut again = vec![0.0; values.len()];
    for length in 0..bytes.len() {
        decode(&bytes[..length], &mut again).unwrap_err();
    }
    decode(&bytes, &mut again[1..]).unwrap_err();
    decode_range(&bytes, usize::MAX, &mut again).unwrap_err();
    for count in [2501, 1 << 20, u32::MAX] {
        let mut claims = bytes.clone();
        claims[..4].copy_from_slice(&count.to_le_bytes());
        let claimed = super::values(&claims).unwrap_or_default();
        assert!(claimed <= bytes.len() * BLOCK_VALUES / BLOCK_BYTES_MIN);
    }
    let mut rng = fastrand::Rng::with_seed(6);
    for _ in 0..20_000 {
        let mut damaged = bytes.clone();
        // Half of it in the table or the fields of the first block.
        let within = if rng.bool() { 32 } else { damaged.len() };
        damaged[rng.usize(..within)] = rng.u8(..);
        let _ = decode(&damaged, &mut again);
        let _ = decode_range(&damaged, 1500, &mut again[..40]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_bits_come_back(values in proptest::collection::vec(any::<u32>(), 0..2500)) {
        let values: Vec<f32> = values.into_iter().map(f32::from_bits).collect();
        round_trip(&values);
    }

    #[test]
    fn any_decimals_come_back(
        power in -12..12_i32,
        odd in 0..20_usize,
        integers in proptest::collection::vec(-100_000..100_000_i32, 1..2500),
    ) {
        let unit = 10_f64.powi(power);
        let mut values: Vec<f32> = integers.iter().map(|&i| (f64::from(i) * unit) as f32).collect();
        for i in 0..odd {
            let place = i * 977 % values.len();
            values[place] = f32::from_bits(values[place].to_bits().wrapping_mul(0x9e37_79b9));
        }
        round_trip(&values);
    }

    #[test]
    fn any_precision_comes_back(
        shift in 0..32_u32,
        exponents in 0..40_u32,
        bits in proptest::collection::vec(any::<u32>(), 1..2500),
    ) {
        let value = |&bits: &u32| {
            let exponent = 100 + (bits >> 23 & 0xff) % (exponents + 1);
            let bits = bits & 0x807f_ffff | exponent << 23;
            f32::from_bits(bits >> shift << shift)
        };
        let values: Vec<f32> = bits.iter().map(value).collect();
        round_trip(&values);
    }

    #[test]
    fn any_bytes_are_read(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = super::decode(&bytes, &mut [0.0; 5]);
        let _ = super::decode_range(&bytes, 1, &mut [0.0; 2]);
    }
}
