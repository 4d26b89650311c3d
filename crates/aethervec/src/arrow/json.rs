//! Values of Arrow arrays as JSON: what columns become in a payload.

use super::rows::uuid;
use crate::timestamp::Timestamp;
use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Date64Type, Float16Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
    TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_schema::{DataType, TimeUnit};
use serde_json::{Map, Number, Value};

const MICROS_PER_DAY: i64 = 86_400_000_000;

/// Whether values of this type have a place in a payload.
pub(super) fn is_json(kind: &DataType) -> bool {
    match kind {
        DataType::Null
        | DataType::Boolean
        | DataType::Int8
        | DataType::Int16
        | DataType::Int32
        | DataType::Int64
        | DataType::UInt8
        | DataType::UInt16
        | DataType::UInt32
        | DataType::UInt64
        | DataType::Float16
        | DataType::Float32
        | DataType::Float64
        | DataType::Utf8
        | DataType::LargeUtf8
        | DataType::Utf8View
        | DataType::Date32
        | DataType::Date64
        | DataType::FixedSizeBinary(16)
        | DataType::Timestamp(_, _) => true,
        DataType::List(element)
        | DataType::LargeList(element)
        | DataType::FixedSizeList(element, _) => is_json(element.data_type()),
        DataType::Struct(fields) => fields.iter().all(|field| is_json(field.data_type())),
        DataType::Dictionary(_, values) => is_json(values),
        _ => false,
    }
}

/// The value in `row`. `None` for null, for what is no number, and for what has no place in JSON.
pub(super) fn value(array: &dyn Array, row: usize) -> Option<Value> {
    if array.is_null(row) {
        return None;
    }
    macro_rules! number {
        ($kind:ty) => {
            Value::from(array.as_primitive::<$kind>().value(row))
        };
    }
    macro_rules! ticks {
        ($kind:ty) => {
            array.as_primitive::<$kind>().value(row)
        };
    }
    Some(match array.data_type() {
        DataType::Boolean => Value::from(array.as_boolean().value(row)),
        DataType::Int8 => number!(Int8Type),
        DataType::Int16 => number!(Int16Type),
        DataType::Int32 => number!(Int32Type),
        DataType::Int64 => number!(Int64Type),
        DataType::UInt8 => number!(UInt8Type),
        DataType::UInt16 => number!(UInt16Type),
        DataType::UInt32 => number!(UInt32Type),
        DataType::UInt64 => number!(UInt64Type),
        DataType::Float16 => float(array.as_primitive::<Float16Type>().value(row).to_f64())?,
        DataType::Float32 => float(f64::from(array.as_primitive::<Float32Type>().value(row)))?,
        DataType::Float64 => float(array.as_primitive::<Float64Type>().value(row))?,
        DataType::Utf8 => Value::from(array.as_string::<i32>().value(row)),
        DataType::LargeUtf8 => Value::from(array.as_string::<i64>().value(row)),
        DataType::Utf8View => Value::from(array.as_string_view().value(row)),
        DataType::FixedSizeBinary(16) => {
            Value::from(uuid(array.as_fixed_size_binary().value(row))?.to_string())
        }
        DataType::Date32 => date(i64::from(ticks!(Date32Type)).checked_mul(MICROS_PER_DAY)?),
        DataType::Date64 => date(ticks!(Date64Type).checked_mul(1_000)?),
        DataType::Timestamp(unit, _) => moment(match unit {
            TimeUnit::Second => ticks!(TimestampSecondType).checked_mul(1_000_000)?,
            TimeUnit::Millisecond => ticks!(TimestampMillisecondType).checked_mul(1_000)?,
            TimeUnit::Microsecond => ticks!(TimestampMicrosecondType),
            TimeUnit::Nanosecond => ticks!(TimestampNanosecondType).div_euclid(1_000),
        }),
        DataType::List(_) => elements(&array.as_list::<i32>().value(row)),
        DataType::LargeList(_) => elements(&array.as_list::<i64>().value(row)),
        DataType::FixedSizeList(_, _) => elements(&array.as_fixed_size_list().value(row)),
        DataType::Struct(fields) => {
            let columns = array.as_struct().columns();
            let members = fields.iter().zip(columns);
            let members = members.filter_map(|(field, column)| {
                value(column, row).map(|value| (field.name().clone(), value))
            });
            Value::Object(members.collect::<Map<_, _>>())
        }
        DataType::Dictionary(_, _) => {
            let dictionary = array.as_any_dictionary();
            let key = usize::try_from(value(dictionary.keys(), row)?.as_u64()?).ok()?;
            let values = dictionary.values();
            return (key < values.len()).then(|| value(values, key)).flatten();
        }
        _ => return None,
    })
}

/// JSON has no NaN and no infinity.
fn float(number: f64) -> Option<Value> {
    Number::from_f64(number).map(Value::Number)
}

fn elements(array: &dyn Array) -> Value {
    let element = |row| value(array, row).unwrap_or(Value::Null);
    (0..array.len()).map(element).collect()
}

fn moment(micros: i64) -> Value {
    Value::from(Timestamp::from_micros(micros).to_string())
}

/// The day alone.
fn date(micros: i64) -> Value {
    let text = Timestamp::from_micros(micros).to_string();
    Value::from(text.split_once('T').map_or(&text[..], |(day, _)| day))
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::ArrayRef;
    use arrow_array::types::Int8Type;
    use arrow_array::{
        Date32Array, DictionaryArray, Float32Array, ListArray, TimestampMillisecondArray,
    };
    use serde_json::json;
    use std::sync::Arc;

    fn all(array: ArrayRef) -> Vec<Value> {
        assert!(is_json(array.data_type()));
        (0..array.len())
            .map(|row| value(&array, row).unwrap_or(Value::Null))
            .collect()
    }

    #[test]
    fn values_become_what_they_mean() {
        let dates = Date32Array::from(vec![Some(0), Some(-1), Some(20_778), None]);
        assert_eq!(
            all(Arc::new(dates)),
            [
                json!("1970-01-01"),
                json!("1969-12-31"),
                json!("2026-11-21"),
                Value::Null
            ]
        );
        let moments = TimestampMillisecondArray::from(vec![1_795_228_800_123, i64::MIN]);
        assert_eq!(
            all(Arc::new(moments)),
            [json!("2026-11-21T02:40:00.123Z"), Value::Null]
        );
        let floats = Float32Array::from(vec![0.5, f32::NAN]);
        assert_eq!(all(Arc::new(floats)), [json!(0.5), Value::Null]);
        let words: DictionaryArray<Int8Type> = [Some("a"), None, Some("a")].into_iter().collect();
        assert_eq!(all(Arc::new(words)), [json!("a"), Value::Null, json!("a")]);
        let lists = ListArray::from_iter_primitive::<Int8Type, _, _>([Some([Some(1), None])]);
        assert_eq!(all(Arc::new(lists)), [json!([1, null])]);
        assert!(!is_json(&DataType::Binary));
    }
}
