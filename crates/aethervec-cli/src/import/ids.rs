//! Ids and true neighbours that stand in a file of their own, row by row beside the vectors.

use super::id_from_text;
use super::npy::NpyReader;
use super::vecs::Ivecs;
use crate::failure::{Failure, Outcome};
use crate::input::Input;
use aethervec::DocId;
use aethervec::limits::ID_BYTES_MAX;
use std::path::Path;

/// A file of ids: `.npy` (integers or text), `.ivecs` (one number per row) or text (one id per line).
#[derive(Debug)]
pub(crate) enum Ids {
    /// Integers or text.
    Npy(NpyReader),
    /// Integers.
    Ivecs(Ivecs),
    /// Lines.
    Text(Input),
}

impl Ids {
    /// Opens the file; its name tells the format.
    pub(crate) fn open(path: &Path) -> Outcome<Ids> {
        let input = Input::open(path)?;
        Ok(match extension(path).as_str() {
            "npy" => Ids::Npy(NpyReader::new(input)?),
            "ivecs" => Ids::Ivecs(Ivecs::new(input)),
            _ => Ids::Text(input),
        })
    }

    /// The next id.
    pub(crate) fn next(&mut self) -> Outcome<Option<DocId>> {
        match self {
            Ids::Npy(reader) => reader.next_id(),
            Ids::Ivecs(reader) => Ok(reader.next_single()?.map(DocId::U64)),
            Ids::Text(input) => next_text_id(input),
        }
    }
}

fn next_text_id(input: &mut Input) -> Outcome<Option<DocId>> {
    let at = input.offset();
    let mut line = Vec::new();
    if !input.read_line(&mut line, 6 * ID_BYTES_MAX + 2)? {
        return Ok(None);
    }
    let text = std::str::from_utf8(&line)
        .map_err(|_| input.invalid(format!("the id at byte {at} is not UTF-8")))?;
    if text.trim().is_empty() {
        return Err(input.invalid(format!("the line at byte {at} has no id")));
    }
    Ok(Some(id_from_text(text)))
}

/// The true neighbours of each query, nearest first: `.npy` or `.ivecs` of row numbers.
pub(crate) fn read_ground_truth(path: &Path) -> Outcome<Vec<Vec<u64>>> {
    let input = Input::open(path)?;
    let mut rows = Vec::new();
    match extension(path).as_str() {
        "npy" => {
            let mut reader = NpyReader::new(input)?;
            while let Some(row) = reader.next_integers()? {
                rows.push(row);
            }
        }
        "ivecs" => {
            let mut reader = Ivecs::new(input);
            while let Some(row) = reader.next()? {
                rows.push(row);
            }
        }
        _ => {
            return Err(Failure::invalid(format!(
                "{}: ground truth must be .npy or .ivecs",
                path.display()
            )));
        }
    }
    Ok(rows)
}

/// In lower case, a final `.gz` looked through.
fn extension(path: &Path) -> String {
    let name = path.to_string_lossy().to_lowercase();
    let name = name.strip_suffix(".gz").unwrap_or(&name);
    name.rsplit_once('.')
        .map_or("", |(_, extension)| extension)
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_ids() {
        let mut ids = Ids::Text(Input::from_bytes("ids.txt", b"7\nabc\n\"7\"\n"));
        assert_eq!(ids.next().unwrap(), Some(DocId::U64(7)));
        assert_eq!(ids.next().unwrap(), Some(DocId::from("abc")));
        assert_eq!(ids.next().unwrap(), Some(DocId::from("7")));
        assert_eq!(ids.next().unwrap(), None);
        let mut ids = Ids::Text(Input::from_bytes("ids.txt", b"7\n\n8"));
        ids.next().unwrap();
        assert_eq!(
            ids.next().unwrap_err().to_string(),
            "ids.txt: the line at byte 2 has no id"
        );
        let mut ids = Ids::Text(Input::from_bytes("ids.txt", &[0xff, 0xfe]));
        assert!(ids.next().unwrap_err().to_string().contains("not UTF-8"));
    }
}
