use super::*;

/// A file as NumPy would write it.
fn file(version: u8, header: &str, data: &[u8]) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend([version, 0]);
    let length = u32::try_from(header.len()).unwrap();
    match version {
        1 => bytes.extend(u16::try_from(length).unwrap().to_le_bytes()),
        _ => bytes.extend(length.to_le_bytes()),
    }
    bytes.extend(header.as_bytes());
    bytes.extend(data);
    bytes
}

fn header(descr: &str, shape: &str) -> String {
    format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}   \n")
}

fn read(bytes: &[u8]) -> Outcome<(Shape, Vec<Record>)> {
    let mut source = NpyVectors::new(NpyReader::new(Input::from_bytes("x.npy", bytes))?)?;
    let shape = source.shape();
    let mut records = Vec::new();
    while let Some(record) = source.next()? {
        records.push(record);
    }
    Ok((shape, records))
}

fn error(bytes: &[u8]) -> String {
    read(bytes).unwrap_err().to_string()
}

#[test]
fn every_vector_type_and_version_is_read() {
    let floats: Vec<u8> = [1.0f32, -2.5, 3.0, 4.0]
        .iter()
        .flat_map(|x| x.to_le_bytes())
        .collect();
    for version in 1..=3 {
        let (shape, records) = read(&file(version, &header("<f4", "(2, 2)"), &floats)).unwrap();
        assert_eq!((shape.rows, shape.element), (Some(2), ElementType::F32));
        assert_eq!(records[0].vector, Vector::F32(vec![1.0, -2.5]));
        assert_eq!(records[1].place, Place::Row(1));
    }
    let halves: Vec<u8> = [1.0f32, 0.5]
        .iter()
        .flat_map(|&x| f16::from_f32(x).to_le_bytes())
        .collect();
    let (shape, records) = read(&file(1, &header("<f2", "(1, 2)"), &halves)).unwrap();
    assert_eq!(shape.element, ElementType::F16);
    assert_eq!(records[0].vector.to_f32(), [1.0, 0.5]);
    let doubles: Vec<u8> = [0.25f64, 1e300]
        .iter()
        .flat_map(|x| x.to_le_bytes())
        .collect();
    assert_eq!(
        read(&file(1, &header("<f8", "(1, 2)"), &doubles))
            .unwrap()
            .1[0]
            .vector,
        Vector::F32(vec![0.25, f32::INFINITY])
    );
    assert_eq!(
        read(&file(1, &header("|u1", "(1, 3)"), &[1, 2, 255]))
            .unwrap()
            .1[0]
            .vector,
        Vector::U8(vec![1, 2, 255])
    );
    assert!(
        read(&file(1, &header("<f4", "(0, 8)"), &[]))
            .unwrap()
            .1
            .is_empty()
    );
}

#[test]
fn errors_say_what_to_do() {
    let f4 = |shape: &str, data: &[u8]| error(&file(1, &header("<f4", shape), data));
    assert_eq!(
        f4("(2, 2)", &[0; 12]),
        "x.npy: truncated: shape [2, 2] of '<f4' needs 16 bytes after the header, the file has 12"
    );
    assert_eq!(
        f4("(2, 2)", &[0; 17]),
        "x.npy: too long: shape [2, 2] of '<f4' needs 16 bytes after the header, the file has 17"
    );
    assert_eq!(
        f4("(4,)", &[0; 16]),
        "x.npy: shape (4,): vectors are rows of an array of 2 dimensions"
    );
    assert!(f4("(2, 2, 2)", &[0; 32]).contains("1 or 2 dimensions"));
    assert!(f4("(1, 0)", &[]).contains("rows of 0 numbers"));
    assert!(error(&file(1, &header(">f4", "(1, 1)"), &[0; 4])).contains(".astype('<f4')"));
    assert!(
        error(&file(1, &header("<i4", "(1, 1)"), &[0; 4]))
            .contains("vectors must be f2, f4, f8 or u1")
    );
    assert!(
        error(&file(1, &header("<c8", "(1, 1)"), &[0; 8])).contains("dtype '<c8' is not supported")
    );
    let fortran = "{'descr': '<f4', 'fortran_order': True, 'shape': (1, 1)}";
    assert!(error(&file(1, fortran, &[0; 4])).contains("ascontiguousarray"));
    assert!(
        error(&file(
            1,
            "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,)}",
            &[]
        ))
        .contains("structured")
    );
    assert!(error(&file(4, &header("<f4", "(1, 1)"), &[])).contains("version 4"));
    assert!(error(b"PK\x03\x04 not numpy").contains("not a NumPy file"));
    assert!(error(b"\x93NUM").contains("truncated"));
}

#[test]
fn a_forged_header_allocates_nothing() {
    assert!(
        error(&file(
            1,
            &header("<f4", "(18446744073709551615, 65535)"),
            &[]
        ))
        .contains("truncated")
    );
    assert!(error(&file(1, &header("<f4", "(1, 4294967296)"), &[])).contains("1 to 65535"));
    assert!(
        error(&file(
            1,
            &header("<f4", "(99999999999999999999999, 1)"),
            &[]
        ))
        .contains("a length expected")
    );
    let mut huge = MAGIC.to_vec();
    huge.extend([2, 0]);
    huge.extend(u32::MAX.to_le_bytes());
    assert!(error(&huge).contains("more than the limit"));
}

#[test]
fn garbage_never_panics() {
    let good = file(1, &header("<f4", "(2, 2)"), &[0; 16]);
    for end in 0..good.len() {
        assert!(read(&good[..end]).is_err());
    }
    for at in 0..good.len() {
        for value in [0, 0xff, good[at] ^ 1, b'\'', b'(', b'9'] {
            let mut bad = good.clone();
            bad[at] = value;
            // Right or wrong, but an answer.
            drop(read(&bad));
        }
    }
}

#[test]
fn values_and_ids_come_from_one_column() {
    let open = |descr: &str, shape: &str, data: &[u8]| {
        NpyReader::new(Input::from_bytes(
            "v.npy",
            &file(1, &header(descr, shape), data),
        ))
        .unwrap()
    };
    let mut reader = open("<i2", "(2,)", &[0xff, 0xff, 5, 0]);
    assert_eq!(reader.next_value().unwrap(), Some(Value::from(-1)));
    assert_eq!(reader.next_value().unwrap(), Some(Value::from(5)));
    assert_eq!(reader.next_value().unwrap(), None);
    assert_eq!(
        open("<u8", "(1,)", &[255; 8]).next_id().unwrap(),
        Some(DocId::U64(u64::MAX))
    );
    assert_eq!(
        open("|b1", "(1,)", &[1]).next_value().unwrap(),
        Some(Value::Bool(true))
    );
    assert_eq!(
        open("|S4", "(1, 1)", b"ab\0\0").next_id().unwrap(),
        Some(DocId::from("ab"))
    );
    let unicode: Vec<u8> = "é7"
        .chars()
        .flat_map(|c| u32::from(c).to_le_bytes())
        .collect();
    assert_eq!(
        open("<U2", "(1,)", &unicode).next_value().unwrap(),
        Some(Value::from("é7"))
    );
    assert!(
        open("<i4", "(1,)", &[255; 4])
            .next_id()
            .unwrap_err()
            .to_string()
            .contains("row 0: -1 is no id")
    );
    assert!(
        open("<f4", "(1,)", &f32::NAN.to_le_bytes())
            .next_value()
            .is_err()
    );
    assert_eq!(
        open("<i4", "(1, 2)", &[1, 0, 0, 0, 2, 0, 0, 0])
            .next_integers()
            .unwrap(),
        Some(vec![1, 2])
    );
    assert!(
        open("<i4", "(1, 2)", &[0; 8])
            .next_value()
            .unwrap_err()
            .to_string()
            .contains("one value per row")
    );
}
