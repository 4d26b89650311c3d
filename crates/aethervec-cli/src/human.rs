//! Numbers for people: `68,000`, `51.2 MiB`, `1.4 ms`, `12,345/s`.

use std::time::Duration;

/// `1234567` as `1,234,567`.
pub(crate) fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `count` with its noun, in the plural unless it is one.
pub(crate) fn counted(n: u64, noun: &str) -> String {
    let plural = if n == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", count(n))
}

/// Bytes in the largest binary unit that leaves at least one.
pub(crate) fn bytes(n: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if n < 1024 {
        return format!("{n} B");
    }
    let mut value = n as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{} {}", three_digits(value), UNITS[unit])
}

/// A duration in the unit that a person would choose.
pub(crate) fn duration(d: Duration) -> String {
    let seconds = d.as_secs_f64();
    match seconds {
        s if s < 1e-3 => format!("{} µs", three_digits(s * 1e6)),
        s if s < 1.0 => format!("{} ms", three_digits(s * 1e3)),
        s if s < 120.0 => format!("{} s", three_digits(s)),
        s if s < 7200.0 => format!("{} min", three_digits(s / 60.0)),
        s => format!("{} h", three_digits(s / 3600.0)),
    }
}

/// How many per second.
pub(crate) fn rate(n: u64, d: Duration) -> String {
    let per_second = n as f64 / d.as_secs_f64().max(1e-9);
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a float of at least 100, saturating; only shown"
    )]
    #[expect(clippy::cast_sign_loss, reason = "not negative")]
    let whole = per_second.round() as u64;
    if per_second >= 100.0 {
        format!("{}/s", count(whole))
    } else {
        format!("{}/s", three_digits(per_second))
    }
}

/// Two decimals below ten, one below a hundred, none above.
fn three_digits(value: f64) -> String {
    match value {
        v if v < 9.995 => format!("{v:.2}"),
        v if v < 99.95 => format!("{v:.1}"),
        v => format!("{v:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(count(0), "0");
        assert_eq!(count(999), "999");
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(counted(1, "document"), "1 document");
        assert_eq!(bytes(1023), "1023 B");
        assert_eq!(bytes(6_144_128), "5.86 MiB");
        assert_eq!(bytes(u64::MAX), "16.0 EiB");
        assert_eq!(duration(Duration::from_micros(1400)), "1.40 ms");
        assert_eq!(duration(Duration::from_secs(90)), "90.0 s");
        assert_eq!(rate(50_000, Duration::from_millis(500)), "100,000/s");
        assert_eq!(rate(1, Duration::from_secs(2)), "0.50/s");
    }
}
