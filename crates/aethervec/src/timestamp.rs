//! Moments in payloads and filters: RFC 3339 in, microseconds since 1970 inside.
//!
//! Two moments are compared to the microsecond: finer fractions are cut off, in payloads and in filters alike.

use crate::error::{Error, Result};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

const MICROS_PER_SECOND: i64 = 1_000_000;
const SECONDS_PER_DAY: i64 = 86_400;

/// A moment, to the microsecond.
///
/// Its text is RFC 3339; a date alone is its first moment in UTC, and what names no time zone is in UTC.
///
/// ```
/// use aethervec::Timestamp;
///
/// let noon: Timestamp = "2024-05-01T14:00:00+02:00".parse()?;
/// assert_eq!(noon.to_string(), "2024-05-01T12:00:00Z");
/// assert!(noon > "2024-05-01".parse()?);
/// # Ok::<(), aethervec::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The moment so many microseconds after the start of 1970 in UTC.
    pub const fn from_micros(micros: i64) -> Timestamp {
        Timestamp(micros)
    }

    /// Microseconds since the start of 1970 in UTC.
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// When a document ends, by its row: in milliseconds since 1970, 0 for never.
    pub(crate) fn from_row(expires: u64) -> Option<Timestamp> {
        let micros = i64::try_from(expires.saturating_mul(1_000)).unwrap_or(i64::MAX);
        (expires != 0).then_some(Timestamp(micros))
    }

    /// The moment that `text` names, if it is RFC 3339 (perhaps without a time zone, or a date alone).
    pub(crate) fn parse(text: &str) -> Option<Timestamp> {
        let mut rest = text.as_bytes();
        let year = digits(&mut rest, 4)?;
        byte(&mut rest, b"-")?;
        let month = digits(&mut rest, 2)?;
        byte(&mut rest, b"-")?;
        let day = digits(&mut rest, 2)?;
        if !(1..=12).contains(&month) || !(1..=days_in_month(year, month)).contains(&day) {
            return None;
        }
        let midnight = days_since_1970(year, month, day) * SECONDS_PER_DAY;
        if rest.is_empty() {
            return Some(Timestamp(midnight * MICROS_PER_SECOND));
        }
        byte(&mut rest, b"Tt ")?;
        let (hour, minute) = hour_and_minute(&mut rest)?;
        byte(&mut rest, b":")?;
        // A leap second is the first moment of the next minute.
        let second = digits(&mut rest, 2).filter(|second| *second <= 60)?;
        let micros = fraction(&mut rest)?;
        let offset = offset_seconds(&mut rest)?;
        if !rest.is_empty() {
            return None;
        }
        let seconds = midnight + hour * 3_600 + minute * 60 + second - offset;
        Some(Timestamp(seconds * MICROS_PER_SECOND + micros))
    }
}

/// The number that the first `count` bytes of `rest` spell.
fn digits(rest: &mut &[u8], count: usize) -> Option<i64> {
    let (head, tail) = rest.split_at_checked(count)?;
    let digit = |number: i64, byte: &u8| {
        byte.is_ascii_digit()
            .then(|| number * 10 + i64::from(byte - b'0'))
    };
    let number = head.iter().try_fold(0, digit)?;
    *rest = tail;
    Some(number)
}

/// The first byte of `rest`, if it is one of `allowed`.
fn byte(rest: &mut &[u8], allowed: &[u8]) -> Option<u8> {
    let (&first, tail) = rest.split_first()?;
    allowed.contains(&first).then(|| {
        *rest = tail;
        first
    })
}

fn hour_and_minute(rest: &mut &[u8]) -> Option<(i64, i64)> {
    let hour = digits(rest, 2).filter(|hour| *hour < 24)?;
    byte(rest, b":")?;
    let minute = digits(rest, 2).filter(|minute| *minute < 60)?;
    Some((hour, minute))
}

/// Microseconds of an optional fraction of a second.
fn fraction(rest: &mut &[u8]) -> Option<i64> {
    if byte(rest, b".").is_none() {
        return Some(0);
    }
    let count = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, tail) = rest.split_at(count);
    *rest = tail;
    let micros = (0..6).fold(0, |micros, place| {
        micros * 10 + digits.get(place).map_or(0, |digit| i64::from(digit - b'0'))
    });
    (count > 0).then_some(micros)
}

fn offset_seconds(rest: &mut &[u8]) -> Option<i64> {
    if rest.is_empty() {
        return Some(0);
    }
    match byte(rest, b"Zz+-")? {
        b'+' => hour_and_minute(rest).map(|(hour, minute)| hour * 3_600 + minute * 60),
        b'-' => hour_and_minute(rest).map(|(hour, minute)| -(hour * 3_600 + minute * 60)),
        _ => Some(0),
    }
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days in the proleptic Gregorian calendar. Years begin in March here, so that the leap day is the last of its year.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + day_of_year
        - 719_468
}

/// The year, month and day that begin so many days after the start of 1970.
fn date(days: i64) -> (i64, i64, i64) {
    const DAYS_PER_ERA: i64 = 146_097;
    let days = days + 719_468;
    let era = days.div_euclid(DAYS_PER_ERA);
    let day_of_era = days.rem_euclid(DAYS_PER_ERA);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    (year, month, day)
}

/// So that [`AetherDB::as_of`](crate::AetherDB::as_of) takes one.
impl From<Timestamp> for aidb::AsOf {
    fn from(moment: Timestamp) -> aidb::AsOf {
        aidb::AsOf::Time(aidb::Timestamp(u64::try_from(moment.0).unwrap_or(0)))
    }
}

impl From<std::time::SystemTime> for Timestamp {
    fn from(time: std::time::SystemTime) -> Timestamp {
        let micros =
            |elapsed: std::time::Duration| i64::try_from(elapsed.as_micros()).unwrap_or(i64::MAX);
        match time.duration_since(std::time::UNIX_EPOCH) {
            Ok(after) => Timestamp(micros(after)),
            Err(before) => Timestamp(-micros(before.duration())),
        }
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.div_euclid(MICROS_PER_SECOND);
        let micros = self.0.rem_euclid(MICROS_PER_SECOND);
        let (year, month, day) = date(seconds.div_euclid(SECONDS_PER_DAY));
        let second = seconds.rem_euclid(SECONDS_PER_DAY);
        let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}"
        )?;
        if micros != 0 {
            let digits = format!("{micros:06}");
            write!(f, ".{}", digits.trim_end_matches('0'))?;
        }
        f.write_str("Z")
    }
}

impl FromStr for Timestamp {
    type Err = Error;

    fn from_str(text: &str) -> Result<Timestamp> {
        Timestamp::parse(text).ok_or_else(|| {
            let shown: String = text.chars().take(64).collect();
            Error::invalid(format!(
                "datetime: {shown:?} is not RFC 3339: write it like \"2024-05-01T12:00:00Z\" or \"2024-05-01\""
            ))
        })
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc_3339_is_read() {
        let micros = |text: &str| Timestamp::parse(text).map(Timestamp::as_micros);
        assert_eq!(micros("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(micros("1970-01-02"), Some(86_400_000_000));
        assert_eq!(micros("1969-12-31T23:59:59.999999Z"), Some(-1));
        assert_eq!(micros("2000-02-29T00:00:00z"), Some(951_782_400_000_000));
        assert_eq!(micros("1970-01-01 01:00:00+01:00"), Some(0));
        assert_eq!(micros("1970-01-01T00:00:00.1234567Z"), Some(123_456));
        assert_eq!(micros("1970-01-01T00:00:60Z"), Some(60_000_000));
        assert_eq!(micros("1970-01-01T00:00:01.5"), Some(1_500_000));
    }

    #[test]
    fn what_is_no_moment_is_refused() {
        for text in [
            "",
            "2024",
            "2024-13-01",
            "2023-02-29",
            "2024-01-01T",
            "2024-01-01T24:00:00Z",
            "2024-01-01T00:00:00.Z",
            "2024-01-01T00:00:00Zx",
            "2024-01-01T00:00:00+25:00",
            "２０２４-01-01",
        ] {
            assert_eq!(Timestamp::parse(text), None, "{text}");
        }
    }

    #[test]
    fn text_survives_a_round_trip() {
        let mut random = fastrand::Rng::with_seed(7);
        for _ in 0..10_000 {
            // Years 0 to 9999.
            let moment = Timestamp(random.i64(-62_167_219_200_000_000..253_402_300_800_000_000));
            assert_eq!(Timestamp::parse(&moment.to_string()), Some(moment));
        }
    }
}
