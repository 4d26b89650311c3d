//! CSV with a line of column names: the vector in one cell (JSON, or numbers and spaces) or in a column per component.
//!
//! All other columns become payload: cells that are numbers or booleans in JSON as such, empty cells as nothing,
//! everything else as text.

use super::{Fields, Place, Record, Shape, Source, id_from_text, jsonl};
use crate::failure::{Failure, Outcome};
use crate::input::Input;
use aethervec::limits::{DIM_MAX, PAYLOAD_BYTES_MAX};
use aethervec::{DocId, ElementType, Vector};
use csv::{ReaderBuilder, StringRecord};
use serde_json::{Map, Value};
use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Most bytes that one record may take: a lost quotation mark would otherwise swallow the rest of the file.
const RECORD_BYTES_MAX: u64 = (PAYLOAD_BYTES_MAX + 32 * DIM_MAX) as u64;

/// A table of vectors.
#[derive(Debug)]
pub(crate) struct Csv {
    name: String,
    reader: csv::Reader<Budget>,
    budget: Arc<AtomicU64>,
    bytes: Option<(u64, Arc<AtomicU64>)>,
    columns: Columns,
    record: StringRecord,
}

/// Which column is what.
#[derive(Debug)]
struct Columns {
    names: Vec<String>,
    id: Option<usize>,
    vector: VectorColumns,
}

#[derive(Debug)]
enum VectorColumns {
    One(usize),
    Many(Vec<usize>),
}

impl Csv {
    /// Reads the line of column names.
    pub(crate) fn new(input: Input, fields: &Fields) -> Outcome<Csv> {
        let name = input.name().to_owned();
        let bytes = input.file_bytes().map(|total| (total, input.consumed()));
        let budget = Arc::new(AtomicU64::new(RECORD_BYTES_MAX));
        let limited = Budget {
            input,
            left: Arc::clone(&budget),
        };
        let mut reader = ReaderBuilder::new()
            .delimiter(fields.delimiter.unwrap_or(b','))
            .from_reader(limited);
        let names = reader.headers().map_err(|error| explain(&name, &error))?;
        let names = names
            .iter()
            .map(|column| column.trim().trim_start_matches('\u{feff}').to_owned())
            .collect();
        let columns = Columns::find(names, fields)
            .map_err(|message| Failure::invalid(format!("{name}: {message}")))?;
        Ok(Csv {
            name,
            reader,
            budget,
            bytes,
            columns,
            record: StringRecord::new(),
        })
    }
}

impl Source for Csv {
    fn shape(&self) -> Shape {
        Shape {
            rows: None,
            element: ElementType::F32,
            bytes: self.bytes.clone(),
            left_out: Vec::new(),
        }
    }

    fn next(&mut self) -> Outcome<Option<Record>> {
        self.budget.store(RECORD_BYTES_MAX, Ordering::Relaxed);
        if !self
            .reader
            .read_record(&mut self.record)
            .map_err(|error| explain(&self.name, &error))?
        {
            return Ok(None);
        }
        let place = Place::Line(self.record.position().map_or(0, csv::Position::line));
        let at = |message: String| Failure::invalid(format!("{}: {place}: {message}", self.name));
        let vector = Vector::F32(self.columns.vector(&self.record).map_err(at)?);
        let id = self.columns.id(&self.record).map_err(at)?;
        Ok(Some(Record {
            place,
            id,
            vector,
            payload: self.columns.payload(&self.record),
        }))
    }
}

impl Columns {
    fn find(names: Vec<String>, fields: &Fields) -> Result<Columns, String> {
        if names.is_empty() {
            return Err("the file is empty: its first line must name the columns".to_owned());
        }
        let find = |wanted: &str| names.iter().position(|name| name == wanted);
        let need = |wanted: &str| {
            find(wanted)
                .ok_or_else(|| format!("no column `{wanted}`: there are {}", names.join(", ")))
        };
        let id = match &fields.id {
            Some(name) => Some(need(name)?),
            None => find("id"),
        };
        let vector = if !fields.vector_columns.is_empty() {
            let columns: Result<Vec<Vec<usize>>, String> = fields
                .vector_columns
                .iter()
                .map(|wanted| matching(&names, wanted))
                .collect();
            VectorColumns::Many(columns?.concat())
        } else {
            let wanted = fields.vector.as_deref().unwrap_or("vector");
            VectorColumns::One(need(wanted).map_err(|message| {
                format!("{message}: name the vector with --vector-field NAME or --vector-columns A,B,C (or v*)")
            })?)
        };
        Ok(Columns { names, id, vector })
    }

    fn vector(&self, record: &StringRecord) -> Result<Vec<f32>, String> {
        match &self.vector {
            VectorColumns::One(column) => parse_vector(cell(record, *column))
                .map_err(|message| format!("column `{}`: {message}", self.names[*column])),
            VectorColumns::Many(columns) => columns
                .iter()
                .map(|&column| {
                    parse_number(cell(record, column))
                        .map_err(|message| format!("column `{}`: {message}", self.names[column]))
                })
                .collect(),
        }
    }

    fn id(&self, record: &StringRecord) -> Result<Option<DocId>, String> {
        let Some(column) = self.id else {
            return Ok(None);
        };
        match cell(record, column) {
            "" => Err(format!("column `{}`: the id is empty", self.names[column])),
            text => Ok(Some(id_from_text(text))),
        }
    }

    fn payload(&self, record: &StringRecord) -> Map<String, Value> {
        let is_payload = |column: usize| {
            Some(column) != self.id
                && match &self.vector {
                    VectorColumns::One(vector) => column != *vector,
                    VectorColumns::Many(vector) => !vector.contains(&column),
                }
        };
        let columns = (0..self.names.len()).filter(|&column| is_payload(column));
        let cells = columns.filter_map(|column| {
            Some((
                self.names[column].clone(),
                parse_cell(cell(record, column))?,
            ))
        });
        cells.collect()
    }
}

/// The columns that `wanted` names: one, or with a final `*` all that begin so, in the file's order.
fn matching(names: &[String], wanted: &str) -> Result<Vec<usize>, String> {
    let fits = |name: &String| match wanted.strip_suffix('*') {
        Some(prefix) => name.starts_with(prefix),
        None => name == wanted,
    };
    let columns: Vec<usize> = (0..names.len())
        .filter(|&column| fits(&names[column]))
        .collect();
    if columns.is_empty() {
        return Err(format!(
            "no column `{wanted}`: there are {}",
            names.join(", ")
        ));
    }
    Ok(columns)
}

fn cell(record: &StringRecord, column: usize) -> &str {
    record.get(column).unwrap_or_default()
}

/// A vector in one piece of text: `[0.1, 0.2]`, `0.1 0.2`, `0.1,0.2` or `0.1;0.2`.
pub(crate) fn parse_vector(text: &str) -> Result<Vec<f32>, String> {
    let text = text.trim();
    if text.is_empty() {
        return Err("the vector is empty".to_owned());
    }
    // NumPy prints `[0.1 0.2]`: brackets without commas are not JSON.
    if text.starts_with('[') && text.contains(',') {
        return jsonl::parse_vector(text);
    }
    let bare = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'))
        .unwrap_or(text);
    let numbers = bare
        .split(|c: char| c.is_whitespace() || c == ',' || c == ';')
        .filter(|part| !part.is_empty());
    numbers.map(parse_number).collect()
}

fn parse_number(text: &str) -> Result<f32, String> {
    let shown = || text.chars().take(40).collect::<String>();
    text.trim()
        .parse()
        .map_err(|_| format!("{:?} is not a number", shown()))
}

fn parse_cell(text: &str) -> Option<Value> {
    if text.is_empty() {
        return None;
    }
    match serde_json::from_str(text) {
        Ok(value @ (Value::Number(_) | Value::Bool(_))) => Some(value),
        _ => Some(Value::from(text)),
    }
}

fn explain(name: &str, error: &csv::Error) -> Failure {
    match error.kind() {
        csv::ErrorKind::Io(error) if error.kind() == io::ErrorKind::Other => {
            Failure::invalid(format!("{name}: {error}"))
        }
        csv::ErrorKind::Io(error) => Failure::file(name, error),
        csv::ErrorKind::Utf8 { pos, err } => {
            let line = pos.as_ref().map_or(0, csv::Position::line);
            Failure::invalid(format!(
                "{name}: line {line}: column {} is not UTF-8",
                err.field() + 1
            ))
        }
        csv::ErrorKind::UnequalLengths {
            pos,
            expected_len,
            len,
        } => {
            let line = pos.as_ref().map_or(0, csv::Position::line);
            Failure::invalid(format!(
                "{name}: line {line}: {len} cells, but there are {expected_len} columns"
            ))
        }
        _ => Failure::invalid(format!("{name}: {error}")),
    }
}

/// Stops reading when one record has taken too much.
#[derive(Debug)]
struct Budget {
    input: Input,
    left: Arc<AtomicU64>,
}

impl Read for Budget {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.input.read(buffer)?;
        let left = self.left.load(Ordering::Relaxed);
        if n as u64 > left {
            return Err(io::Error::other(format!(
                "a record before byte {} is longer than {RECORD_BYTES_MAX} bytes: is a quotation mark missing?",
                self.input.offset()
            )));
        }
        self.left.store(left - n as u64, Ordering::Relaxed);
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(text: &[u8], fields: &Fields) -> Outcome<Vec<Record>> {
        let mut source = Csv::new(Input::from_bytes("x.csv", text), fields)?;
        std::iter::from_fn(|| source.next().transpose()).collect()
    }

    fn error(text: &[u8]) -> String {
        read(text, &Fields::default()).unwrap_err().to_string()
    }

    #[test]
    fn one_cell_holds_the_vector() {
        let text =
            b"id,vector,title,year,ok,note\n7,\"[1, 2]\",\"a, b\",1999,true,\nx,0.5 -1,c,007,,n\n";
        let records = read(text, &Fields::default()).unwrap();
        assert_eq!(records[0].id, Some(DocId::U64(7)));
        assert_eq!(records[0].vector, Vector::F32(vec![1.0, 2.0]));
        assert_eq!(
            Value::Object(records[0].payload.clone()),
            json!({"title": "a, b", "year": 1999, "ok": true})
        );
        assert_eq!(records[1].vector, Vector::F32(vec![0.5, -1.0]));
        assert_eq!(
            Value::Object(records[1].payload.clone()),
            json!({"title": "c", "year": "007", "note": "n"})
        );
        assert_eq!(records[1].place, Place::Line(3));
    }

    #[test]
    fn columns_hold_the_vector() {
        let fields = Fields {
            id: Some("key".into()),
            vector_columns: vec!["v*".into(), "w".into()],
            delimiter: Some(b';'),
            ..Fields::default()
        };
        let records = read(b"key;v0;v1;w;t\na;1;2;3;x\n", &fields).unwrap();
        assert_eq!(records[0].vector, Vector::F32(vec![1.0, 2.0, 3.0]));
        assert_eq!(Value::Object(records[0].payload.clone()), json!({"t": "x"}));
        assert!(
            read(b"key;a\n", &fields)
                .unwrap_err()
                .to_string()
                .contains("no column `v*`: there are key, a")
        );
    }

    #[test]
    fn errors_name_line_and_column() {
        assert!(error(b"").contains("the file is empty"), "{}", error(b""));
        assert!(
            error(b"id,a\n1,2\n")
                .contains("no column `vector`: there are id, a: name the vector with")
        );
        assert_eq!(
            error(b"vector\n1 x\n"),
            "x.csv: line 2: column `vector`: \"x\" is not a number"
        );
        assert_eq!(
            error(b"id,vector\n,1\n"),
            "x.csv: line 2: column `id`: the id is empty"
        );
        assert_eq!(
            error(b"id,vector\n1,\n"),
            "x.csv: line 2: column `vector`: the vector is empty"
        );
        assert_eq!(
            error(b"id,vector\n1,2,3\n"),
            "x.csv: line 2: 3 cells, but there are 2 columns"
        );
        assert_eq!(
            error(b"vector\n\xff\n"),
            "x.csv: line 2: column 1 is not UTF-8"
        );
        assert!(error(b"vector\n\"[1,\"\n").contains("EOF"));
    }

    #[test]
    fn a_lost_quotation_mark_does_not_swallow_the_file() {
        let mut text = b"vector,t\n1,\"oops\n".to_vec();
        text.resize(usize::try_from(RECORD_BYTES_MAX).unwrap() + 100_000, b'a');
        assert!(error(&text).contains("is a quotation mark missing?"));
    }

    #[test]
    fn vectors_are_written_in_many_ways() {
        for text in ["[1, 2]", "[1 2]", "1,2", " 1; 2 ", "1\t2"] {
            assert_eq!(parse_vector(text).unwrap(), [1.0, 2.0], "{text}");
        }
        assert!(parse_vector("[1, 2").is_err() && parse_vector("").is_err());
    }
}
