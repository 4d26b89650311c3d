//! Scalar columns as JSON values.

use parquet::basic::{ConvertedType, LogicalType, TimeUnit, Type as Physical};
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::DataType;
use parquet::errors::{ParquetError, Result};
use parquet::schema::types::ColumnDescriptor;
use serde_json::{Number, Value};

/// What a column's values mean.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Scalar {
    Bool,
    Signed,
    Unsigned,
    Float,
    Text,
    Uuid,
    /// Days since 1970.
    Date,
    /// Ticks since 1970, so many per second.
    Timestamp(i64),
}

impl Scalar {
    /// `None` for what has no place in a payload.
    pub(super) fn of(column: &ColumnDescriptor) -> Option<Scalar> {
        let converted = column.converted_type();
        match (column.physical_type(), column.logical_type_ref()) {
            (_, Some(LogicalType::Decimal(_))) => None,
            _ if converted == ConvertedType::DECIMAL => None,
            (Physical::BOOLEAN, _) => Some(Scalar::Bool),
            (Physical::INT32, Some(LogicalType::Date)) => Some(Scalar::Date),
            (Physical::INT64, Some(LogicalType::Timestamp(kind))) => {
                Some(Scalar::Timestamp(match kind.unit {
                    TimeUnit::MILLIS => 1_000,
                    TimeUnit::MICROS => 1_000_000,
                    TimeUnit::NANOS => 1_000_000_000,
                }))
            }
            (Physical::INT32 | Physical::INT64, _) => Some(match converted {
                ConvertedType::DATE => Scalar::Date,
                ConvertedType::TIMESTAMP_MILLIS => Scalar::Timestamp(1_000),
                ConvertedType::TIMESTAMP_MICROS => Scalar::Timestamp(1_000_000),
                ConvertedType::UINT_8
                | ConvertedType::UINT_16
                | ConvertedType::UINT_32
                | ConvertedType::UINT_64 => Scalar::Unsigned,
                _ => Scalar::Signed,
            }),
            (Physical::FLOAT | Physical::DOUBLE, _) => Some(Scalar::Float),
            (
                Physical::BYTE_ARRAY,
                Some(LogicalType::String | LogicalType::Enum | LogicalType::Json),
            ) => Some(Scalar::Text),
            (Physical::BYTE_ARRAY, _) => match converted {
                ConvertedType::UTF8 | ConvertedType::ENUM | ConvertedType::JSON => {
                    Some(Scalar::Text)
                }
                _ => None,
            },
            (Physical::FIXED_LEN_BYTE_ARRAY, Some(LogicalType::Uuid)) => Some(Scalar::Uuid),
            _ => None,
        }
    }
}

/// The next `rows` values of a column that does not repeat; null where there is none.
pub(super) fn read(
    reader: &mut ColumnReader,
    kind: Scalar,
    definition_max: i16,
    rows: usize,
) -> Result<Vec<Value>> {
    match reader {
        ColumnReader::BoolColumnReader(reader) => cells(reader, definition_max, rows, |value| {
            Ok(Value::Bool(*value))
        }),
        ColumnReader::Int32ColumnReader(reader) => cells(reader, definition_max, rows, |value| {
            Ok(match kind {
                Scalar::Unsigned => Value::from(value.cast_unsigned()),
                _ => integer(i64::from(*value), kind),
            })
        }),
        ColumnReader::Int64ColumnReader(reader) => cells(reader, definition_max, rows, |value| {
            Ok(integer(*value, kind))
        }),
        ColumnReader::FloatColumnReader(reader) => cells(reader, definition_max, rows, |value| {
            Ok(float(f64::from(*value)))
        }),
        ColumnReader::DoubleColumnReader(reader) => {
            cells(reader, definition_max, rows, |value| Ok(float(*value)))
        }
        ColumnReader::ByteArrayColumnReader(reader) => {
            cells(reader, definition_max, rows, |value| {
                let text = std::str::from_utf8(value.data())
                    .map_err(|_| ParquetError::General("text is not UTF-8".to_owned()))?;
                Ok(Value::from(text))
            })
        }
        ColumnReader::FixedLenByteArrayColumnReader(reader) => {
            cells(reader, definition_max, rows, |value| {
                let uuid = uuid::Uuid::from_slice(value.data())
                    .map_err(|error| ParquetError::General(error.to_string()))?;
                Ok(Value::from(uuid.to_string()))
            })
        }
        ColumnReader::Int96ColumnReader(_) => Err(ParquetError::General(
            "96-bit integers cannot be read".to_owned(),
        )),
    }
}

fn cells<T: DataType>(
    reader: &mut ColumnReaderImpl<T>,
    definition_max: i16,
    rows: usize,
    cell: impl Fn(&T::T) -> Result<Value>,
) -> Result<Vec<Value>> {
    let (mut definitions, mut values) = (Vec::new(), Vec::new());
    let (records, _, _) = reader.read_records(rows, Some(&mut definitions), None, &mut values)?;
    if definition_max == 0 {
        return values.iter().map(cell).collect();
    }
    let mut present = values.iter();
    let mut next = |level: &i16| match *level == definition_max {
        true => present.next().map_or(Ok(Value::Null), &cell),
        false => Ok(Value::Null),
    };
    definitions.iter().take(records).map(&mut next).collect()
}

fn integer(value: i64, kind: Scalar) -> Value {
    match kind {
        Scalar::Unsigned => Value::from(value.cast_unsigned()),
        Scalar::Date => Value::from(date(value)),
        Scalar::Timestamp(per_second) => Value::from(timestamp(value, per_second)),
        _ => Value::from(value),
    }
}

/// JSON has no NaN and no infinity: they become null, and so are left out.
fn float(value: f64) -> Value {
    Number::from_f64(value).map_or(Value::Null, Value::Number)
}

/// `2026-11-21` of days since 1970 (Howard Hinnant's `civil_from_days`).
fn date(days: i64) -> String {
    let shifted = i128::from(days) + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = year_of_era + era * 400 + i128::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

/// `2026-11-21T02:40:00.123Z`.
fn timestamp(ticks: i64, per_second: i64) -> String {
    let (seconds, fraction) = (ticks.div_euclid(per_second), ticks.rem_euclid(per_second));
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let digits = usize::try_from(per_second.ilog10()).unwrap_or_default();
    let fraction = if fraction == 0 {
        String::new()
    } else {
        format!(".{fraction:0digits$}")
    };
    format!(
        "{}T{:02}:{:02}:{:02}{fraction}Z",
        date(days),
        second / 3_600,
        second / 60 % 60,
        second % 60
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_ticks_become_dates() {
        assert_eq!(date(0), "1970-01-01");
        assert_eq!(date(-1), "1969-12-31");
        assert_eq!(date(20_778), "2026-11-21");
        assert_eq!(date(11_016), "2000-02-29");
        assert_eq!(
            timestamp(1_795_228_800_123, 1_000),
            "2026-11-21T02:40:00.123Z"
        );
        assert_eq!(timestamp(-1, 1_000_000), "1969-12-31T23:59:59.999999Z");
        assert!(!date(i64::MAX).is_empty() && !timestamp(i64::MIN, 1_000_000_000).is_empty());
    }
}
