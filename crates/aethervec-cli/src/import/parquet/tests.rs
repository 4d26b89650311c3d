use super::*;
use parquet::basic::ZstdLevel;
use parquet::data_type::{ByteArray, ByteArrayType, FloatType, Int64Type};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use serde_json::json;
use std::io::{Seek, Write};
use std::sync::Arc;

const SCHEMA: &str = "message m {
    required int64 id;
    optional binary title (UTF8);
    required group vector (LIST) { repeated group list { required float element; } }
    optional binary blob;
}";

/// Five rows in two row groups.
fn file(compression: Compression) -> Vec<u8> {
    let schema = Arc::new(parse_message_type(SCHEMA).unwrap());
    let properties = Arc::new(
        WriterProperties::builder()
            .set_compression(compression)
            .build(),
    );
    let mut bytes = Vec::new();
    let mut writer = SerializedFileWriter::new(&mut bytes, schema, properties).unwrap();
    for rows in [0..3i64, 3..5] {
        let mut group = writer.next_row_group().unwrap();
        let mut column = group.next_column().unwrap().unwrap();
        column
            .typed::<Int64Type>()
            .write_batch(&rows.clone().collect::<Vec<_>>(), None, None)
            .unwrap();
        column.close().unwrap();
        let titles: Vec<ByteArray> = rows
            .clone()
            .filter(|row| row % 2 == 0)
            .map(|row| ByteArray::from(format!("t{row}").as_str()))
            .collect();
        let levels: Vec<i16> = rows.clone().map(|row| i16::from(row % 2 == 0)).collect();
        let mut column = group.next_column().unwrap().unwrap();
        column
            .typed::<ByteArrayType>()
            .write_batch(&titles, Some(&levels), None)
            .unwrap();
        column.close().unwrap();
        let components: Vec<f32> = rows.clone().flat_map(|row| [row as f32, 0.5]).collect();
        let repetitions: Vec<i16> = rows.clone().flat_map(|_| [0, 1]).collect();
        let mut column = group.next_column().unwrap().unwrap();
        column
            .typed::<FloatType>()
            .write_batch(
                &components,
                Some(&vec![1; components.len()]),
                Some(&repetitions),
            )
            .unwrap();
        column.close().unwrap();
        let mut column = group.next_column().unwrap().unwrap();
        column
            .typed::<ByteArrayType>()
            .write_batch(&[], Some(&vec![0; levels.len()]), None)
            .unwrap();
        column.close().unwrap();
        group.close().unwrap();
    }
    writer.close().unwrap();
    bytes
}

fn open(bytes: &[u8], fields: &Fields) -> Outcome<Parquet> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file.rewind().unwrap();
    Parquet::from_file("x.parquet".to_owned(), file, fields)
}

fn read(bytes: &[u8]) -> Outcome<Vec<Record>> {
    let mut source = open(bytes, &Fields::default())?;
    std::iter::from_fn(|| source.next().transpose()).collect()
}

#[test]
fn rows_of_all_groups_are_read() {
    for compression in [
        Compression::UNCOMPRESSED,
        Compression::SNAPPY,
        Compression::LZ4_RAW,
        Compression::GZIP(Default::default()),
    ] {
        let bytes = file(compression);
        let records = read(&bytes).unwrap();
        assert_eq!(records.len(), 5);
        assert_eq!(records[4].vector, Vector::F32(vec![4.0, 0.5]));
        assert_eq!(
            (records[4].place, &records[4].id),
            (Place::Row(4), &Some(DocId::U64(4)))
        );
        assert_eq!(
            Value::Object(records[4].payload.clone()),
            json!({"title": "t4"})
        );
        assert!(records[1].payload.is_empty());
        let shape = open(&bytes, &Fields::default()).unwrap().shape();
        assert_eq!(
            (shape.rows, shape.left_out),
            (Some(5), vec!["blob".to_owned()])
        );
    }
}

#[test]
fn columns_are_chosen_by_name() {
    let bytes = file(Compression::SNAPPY);
    let error = |id: Option<&str>, vector: Option<&str>| {
        let fields = Fields {
            id: id.map(Into::into),
            vector: vector.map(Into::into),
            ..Fields::default()
        };
        open(&bytes, &fields)
            .and_then(|mut source| source.next())
            .unwrap_err()
            .to_string()
    };
    assert_eq!(
        error(Some("title"), None),
        "x.parquet: row 1: column `title`: null is no id: a number from 0 or text is"
    );
    assert_eq!(
        error(Some("nope"), None),
        "x.parquet: no column `nope` of numbers or text: there are id, title"
    );
    assert!(error(None, Some("nope")).contains("name one of vector with --vector-field"));
}

#[test]
fn zstd_is_refused_with_a_remedy() {
    // No codec for zstd is built in, so a written file is relabelled: the footer is not checksummed.
    let unreadable = open(&relabelled(), &Fields::default())
        .map(drop)
        .unwrap_err()
        .to_string();
    assert!(
        unreadable.contains("compressed with zstd") && unreadable.contains("snappy"),
        "{unreadable}"
    );
}

/// A snappy file whose footer claims zstd (codec 6 instead of 1, zigzag 12 instead of 2).
fn relabelled() -> Vec<u8> {
    assert_eq!(
        format!("{}", Compression::ZSTD(ZstdLevel::default())),
        "ZSTD(ZstdLevel(1))"
    );
    let bytes = file(Compression::SNAPPY);
    for at in (0..bytes.len()).rev().filter(|&at| bytes[at] == 2) {
        let mut changed = bytes.clone();
        changed[at] = 12;
        if let Err(failure) = open(&changed, &Fields::default())
            && failure.to_string().contains("zstd")
        {
            return changed;
        }
    }
    panic!("no byte of the footer names the codec");
}

#[test]
fn garbage_never_panics() {
    let good = file(Compression::UNCOMPRESSED);
    for end in 0..good.len() {
        assert!(read(&good[..end]).is_err());
    }
    for at in 0..good.len() {
        for value in [0, 0xff, good[at] ^ 1, good[at] ^ 0x80] {
            let mut bad = good.clone();
            bad[at] = value;
            // Right or wrong, but an answer.
            drop(read(&bad));
        }
    }
}
