//! Vectors from `.npy` and `.npy.gz` files.

use std::fs;
use std::io::Read;
use std::path::Path;

use aether_distance::{ElementType, Metric, VectorRef};
use aethervec::Vector;
use half::f16;

use crate::protocol::Result;

/// The rows of one file, in its element type.
pub struct Matrix {
    dim: usize,
    components: Components,
}

enum Components {
    F32(Vec<f32>),
    F16(Vec<f16>),
    U8(Vec<u8>),
}

impl Matrix {
    /// The first `rows` rows of `DIR/STEM.npy` or `DIR/STEM.npy.gz`.
    pub fn read(dir: &Path, stem: &str, rows: usize) -> Result<Matrix> {
        let plain = dir.join(format!("{stem}.npy"));
        let mut bytes = Vec::new();
        if plain.exists() {
            bytes = fs::read(plain)?;
        } else {
            let packed = fs::read(dir.join(format!("{stem}.npy.gz")))?;
            flate2::read::GzDecoder::new(&*packed).read_to_end(&mut bytes)?;
        }
        let bad = || format!("{stem} is no npy file of f4, f2 or u1 in rows");
        let header_bytes = usize::from(u16::from_le_bytes(
            *bytes
                .get(8..)
                .and_then(<[u8]>::first_chunk)
                .ok_or_else(bad)?,
        ));
        let (header, body) = bytes
            .get(10..)
            .and_then(|rest| rest.split_at_checked(header_bytes))
            .ok_or_else(bad)?;
        let header = String::from_utf8_lossy(header);
        let shape = header
            .split_once("'shape': (")
            .and_then(|(_, rest)| rest.split_once(')'))
            .ok_or_else(bad)?
            .0;
        let mut shape = shape
            .split(',')
            .map(|number| number.trim().parse::<usize>());
        let (Some(Ok(total)), Some(Ok(dim))) = (shape.next(), shape.next()) else {
            return Err(bad().into());
        };
        let count = rows.min(total) * dim;
        let components = if header.contains("<f4") {
            Components::F32(
                elements(body, count, |bytes| f32::from_le_bytes(*bytes)).ok_or_else(bad)?,
            )
        } else if header.contains("<f2") {
            Components::F16(
                elements(body, count, |bytes| f16::from_le_bytes(*bytes)).ok_or_else(bad)?,
            )
        } else if header.contains("|u1") {
            Components::U8(elements(body, count, |&[byte]| byte).ok_or_else(bad)?)
        } else {
            return Err(bad().into());
        };
        Ok(Matrix { dim, components })
    }

    pub fn rows(&self) -> usize {
        match &self.components {
            Components::F32(all) => all.len() / self.dim,
            Components::F16(all) => all.len() / self.dim,
            Components::U8(all) => all.len() / self.dim,
        }
    }

    pub fn dim(&self) -> usize {
        self.dim
    }

    pub fn element(&self) -> ElementType {
        self.row(0).element()
    }

    /// Bytes of all vectors as they are in the file.
    pub fn bytes(&self) -> usize {
        self.rows() * self.dim * self.element().bytes()
    }

    pub fn row(&self, row: usize) -> VectorRef<'_> {
        let range = row * self.dim..(row + 1) * self.dim;
        match &self.components {
            Components::F32(all) => VectorRef::F32(&all[range]),
            Components::F16(all) => VectorRef::F16(&all[range]),
            Components::U8(all) => VectorRef::U8(&all[range]),
        }
    }

    /// A row as a document has it, in the element type of the file.
    pub fn vector(&self, row: usize) -> Vector {
        match self.row(row) {
            VectorRef::F32(vector) => Vector::F32(vector.to_vec()),
            VectorRef::F16(vector) => Vector::F16(vector.to_vec()),
            VectorRef::U8(vector) => Vector::U8(vector.to_vec()),
        }
    }

    /// Every row as floats: queries.
    pub fn to_queries(&self) -> Vec<Vec<f32>> {
        let query = |row| {
            let mut query = Vec::new();
            self.row(row).to_f32(&mut query);
            query
        };
        (0..self.rows()).map(query).collect()
    }
}

/// The first `rows` numbers of `DIR/STEM.npy`, which has one to a row: of type u1 or u2.
pub fn attribute(dir: &Path, stem: &str, rows: usize) -> Result<Vec<u32>> {
    let bytes = fs::read(dir.join(format!("{stem}.npy")))?;
    let bad = || format!("{stem} is no npy file of u1 or u2");
    let header_bytes = usize::from(u16::from_le_bytes(
        *bytes
            .get(8..)
            .and_then(<[u8]>::first_chunk)
            .ok_or_else(bad)?,
    ));
    let (header, body) = bytes
        .get(10..)
        .and_then(|rest| rest.split_at_checked(header_bytes))
        .ok_or_else(bad)?;
    let header = String::from_utf8_lossy(header);
    let wide = header.contains("<u2");
    if !wide && !header.contains("|u1") {
        return Err(bad().into());
    }
    let numbers: Vec<u32> = if wide {
        let (all, _) = body.as_chunks();
        all.iter()
            .map(|two| u32::from(u16::from_le_bytes(*two)))
            .collect()
    } else {
        body.iter().map(|&byte| u32::from(byte)).collect()
    };
    Ok(numbers.into_iter().take(rows).collect())
}

/// The metric that `DIR/NAME.json` names.
pub fn metric(dir: &Path, name: &str) -> Result<Metric> {
    let json: serde_json::Value =
        serde_json::from_slice(&fs::read(dir.join(format!("{name}.json")))?)?;
    Ok(json["metric"].as_str().unwrap_or_default().parse()?)
}

fn elements<T, const BYTES: usize>(
    body: &[u8],
    count: usize,
    element: impl Fn(&[u8; BYTES]) -> T,
) -> Option<Vec<T>> {
    let (all, _) = body.as_chunks();
    Some(all.get(..count)?.iter().map(element).collect())
}
