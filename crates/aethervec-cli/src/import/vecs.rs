//! `.fvecs`, `.bvecs`, `.ivecs`: per row its length (i32, little endian), then that many components.

use super::{Place, Record, Shape, Source};
use crate::failure::Outcome;
use crate::input::{Fill, Input};
use aethervec::limits::DIM_MAX;
use aethervec::{ElementType, Vector};
use serde_json::Map;

/// A file of vectors.
#[derive(Debug)]
pub(crate) struct Vecs {
    rows: Rows,
    element: ElementType,
}

impl Vecs {
    /// Components of 4 bytes, floats.
    pub(crate) fn fvecs(input: Input) -> Vecs {
        Vecs {
            rows: Rows::new(input, 4),
            element: ElementType::F32,
        }
    }

    /// Components of one byte.
    pub(crate) fn bvecs(input: Input) -> Vecs {
        Vecs {
            rows: Rows::new(input, 1),
            element: ElementType::U8,
        }
    }
}

impl Source for Vecs {
    fn shape(&self) -> Shape {
        let input = &self.rows.input;
        let bytes = input.file_bytes().map(|total| (total, input.consumed()));
        Shape {
            rows: None,
            element: self.element,
            bytes,
            left_out: Vec::new(),
        }
    }

    fn next(&mut self) -> Outcome<Option<Record>> {
        let element = self.element;
        let Some((number, row)) = self.rows.next()? else {
            return Ok(None);
        };
        let vector = match element {
            ElementType::U8 => Vector::U8(row.to_vec()),
            _ => Vector::F32(
                row.as_chunks()
                    .0
                    .iter()
                    .map(|&bytes| f32::from_le_bytes(bytes))
                    .collect(),
            ),
        };
        Ok(Some(Record {
            place: Place::Row(number),
            id: None,
            vector,
            payload: Map::new(),
        }))
    }
}

/// A file of lists of integers: ids, or true neighbours.
#[derive(Debug)]
pub(crate) struct Ivecs {
    rows: Rows,
}

impl Ivecs {
    /// Components of 4 bytes, integers from 0.
    pub(crate) fn new(input: Input) -> Ivecs {
        Ivecs {
            rows: Rows::new(input, 4),
        }
    }

    /// The next row.
    pub(crate) fn next(&mut self) -> Outcome<Option<Vec<u64>>> {
        let Some((number, row)) = self.rows.next()? else {
            return Ok(None);
        };
        let integers = row
            .as_chunks()
            .0
            .iter()
            .map(|&bytes| u64::try_from(i32::from_le_bytes(bytes)).ok());
        let integers: Option<Vec<u64>> = integers.collect();
        integers.map(Some).ok_or_else(|| {
            self.rows
                .input
                .invalid(format!("row {number}: a negative number is no row number"))
        })
    }

    /// The next row, which must be a single number.
    pub(crate) fn next_single(&mut self) -> Outcome<Option<u64>> {
        match self.next()? {
            None => Ok(None),
            Some(row) if row.len() == 1 => Ok(Some(row[0])),
            Some(row) => Err(self.rows.input.invalid(format!(
                "rows of {} numbers: one id per row is needed",
                row.len()
            ))),
        }
    }
}

/// What the three formats have in common.
#[derive(Debug)]
struct Rows {
    input: Input,
    item_bytes: usize,
    length: Option<usize>,
    next_row: u64,
    row: Vec<u8>,
}

impl Rows {
    fn new(input: Input, item_bytes: usize) -> Rows {
        Rows {
            input,
            item_bytes,
            length: None,
            next_row: 0,
            row: Vec::new(),
        }
    }

    fn next(&mut self) -> Outcome<Option<(u64, &[u8])>> {
        let number = self.next_row;
        let at = self.input.offset();
        let mut length = [0; 4];
        if self
            .input
            .fill(&mut length, &format!("the length of row {number}"))?
            == Fill::End
        {
            return Ok(None);
        }
        let claimed = i32::from_le_bytes(length);
        let length = usize::try_from(claimed)
            .ok()
            .filter(|length| (1..=DIM_MAX).contains(length))
            .ok_or_else(|| {
                self.input.invalid(format!(
                    "row {number} at byte {at}: length {claimed} is not in 1..={DIM_MAX}"
                ))
            })?;
        match self.length {
            Some(first) if first != length => {
                return Err(self.input.invalid(format!(
                    "row {number} at byte {at}: length {length}, but row 0 has {first}"
                )));
            }
            _ => self.length = Some(length),
        }
        self.row.resize(length * self.item_bytes, 0);
        self.input
            .fill_exactly(&mut self.row, &format!("row {number}"))?;
        self.next_row += 1;
        Ok(Some((number, &self.row)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(items: &[[u8; 4]]) -> Vec<u8> {
        let length = i32::try_from(items.len()).unwrap().to_le_bytes();
        [length].iter().chain(items).flatten().copied().collect()
    }

    fn read(mut source: Vecs) -> Outcome<Vec<Record>> {
        std::iter::from_fn(|| source.next().transpose()).collect()
    }

    #[test]
    fn floats_bytes_and_integers_are_read() {
        let floats = [
            row(&[1.0f32.to_le_bytes(), 2.0f32.to_le_bytes()]),
            row(&[3.0f32.to_le_bytes(), 4.0f32.to_le_bytes()]),
        ]
        .concat();
        let records = read(Vecs::fvecs(Input::from_bytes("x", &floats))).unwrap();
        assert_eq!(records[1].vector, Vector::F32(vec![3.0, 4.0]));
        let records = read(Vecs::bvecs(Input::from_bytes("x", &[3, 0, 0, 0, 7, 8, 9]))).unwrap();
        assert_eq!(records[0].vector, Vector::U8(vec![7, 8, 9]));
        let mut ids = Ivecs::new(Input::from_bytes("x", &row(&[9i32.to_le_bytes()])));
        assert_eq!(
            (ids.next_single().unwrap(), ids.next_single().unwrap()),
            (Some(9), None)
        );
    }

    #[test]
    fn wrong_files_are_told_with_their_place() {
        let error = |bytes: &[u8]| {
            read(Vecs::fvecs(Input::from_bytes("x", bytes)))
                .unwrap_err()
                .to_string()
        };
        assert_eq!(
            error(&[2, 0]),
            "x: truncated: the length of row 0 at byte 0 lacks its last 2 bytes"
        );
        assert_eq!(
            error(&[2, 0, 0, 0, 1, 2]),
            "x: truncated: row 0 at byte 4 lacks its last 6 bytes"
        );
        assert_eq!(
            error(&[2, 0, 0, 0]),
            "x: truncated: the file ends at byte 4 where row 0 should be"
        );
        assert_eq!(
            error(&[0xff; 8]),
            "x: row 0 at byte 0: length -1 is not in 1..=65535"
        );
        assert_eq!(
            error(&[0, 0, 0, 0x7f]),
            "x: row 0 at byte 0: length 2130706432 is not in 1..=65535"
        );
        let uneven = [row(&[[0; 4]]), row(&[[0; 4], [0; 4]])].concat();
        assert_eq!(
            error(&uneven),
            "x: row 1 at byte 8: length 2, but row 0 has 1"
        );
        let mut negative = Ivecs::new(Input::from_bytes("x", &row(&[[0xff; 4]])));
        assert!(
            negative
                .next_single()
                .unwrap_err()
                .to_string()
                .contains("negative")
        );
        let mut wide = Ivecs::new(Input::from_bytes("x", &row(&[[0; 4], [0; 4]])));
        assert!(
            wide.next_single()
                .unwrap_err()
                .to_string()
                .contains("one id per row")
        );
    }
}
