//! What a bucket has of a point, as bytes in a body and in memory.
//!
//! ```text
//! record   id u64 · add f32 · scale f32 · signs width / 8 · code of four bits (ivf/nibbles.rs)
//! ```
//! Both codes are of the vector less the centroid of its bucket: as precise as the bucket is narrow, wherever the data have moved to.
//! All records of an index are equally long, so that a body is its records one after the other.

use super::format::bad;
use crate::ivf::{Bucket, Code, Space, nibbles};
use crate::{PointId, Result};

/// Bytes before the signs.
const HEAD_BYTES: usize = 16;

/// Bytes of a record of this space.
pub(super) fn record_bytes(space: &Space) -> usize {
    HEAD_BYTES + space.width() / 8 + nibbles::code_bytes(space.width())
}

/// Working memory for records.
#[derive(Debug, Default)]
pub(super) struct Writer {
    code: Code,
    residual: Vec<f32>,
    nibbles: Vec<u8>,
}

impl Writer {
    /// Appends the record of a point in the bucket of `centroid`; returns the squared distance of the two.
    pub(super) fn put(
        &mut self,
        space: &Space,
        point: PointId,
        (rotated, centroid): (&[f32], &[f32]),
        body: &mut Vec<u8>,
    ) -> f32 {
        let square = space.encode(rotated, centroid, &mut self.code);
        self.nibbles.resize(nibbles::code_bytes(space.width()), 0);
        self.residual.clear();
        let residual = rotated.iter().zip(centroid).map(|(x, c)| x - c);
        self.residual.extend(residual);
        nibbles::encode(space, &self.residual, Some(centroid), &mut self.nibbles);
        body.extend_from_slice(&point.0.to_le_bytes());
        body.extend_from_slice(&self.code.add.to_le_bytes());
        body.extend_from_slice(&self.code.scale.to_le_bytes());
        body.extend_from_slice(&self.code.bits);
        body.extend_from_slice(&self.nibbles);
        square
    }
}

/// The points of the records of a body.
pub(super) fn points(space: &Space, body: &[u8]) -> impl Iterator<Item = PointId> {
    body.chunks_exact(record_bytes(space)).map(id)
}

fn id(record: &[u8]) -> PointId {
    let id = record.first_chunk().copied().unwrap_or_default();
    PointId(u64::from_le_bytes(id))
}

/// Those records of a body of whose points `stays` is true.
pub(super) fn filtered(
    space: &Space,
    body: &[u8],
    mut stays: impl FnMut(PointId) -> bool,
) -> Vec<u8> {
    let records = body.chunks_exact(record_bytes(space));
    records
        .filter(|record| stays(id(record)))
        .flatten()
        .copied()
        .collect()
}

/// A bucket in memory: codes in blocks, for scanning.
#[derive(Debug)]
pub(super) struct Image {
    /// Records of the body that it was made of: those of the dead are counted, but not here.
    pub(super) records: u32,
    pub(super) codes: Bucket,
    nibbles: Vec<u8>,
}

impl Image {
    /// The records of a body, without those of points that are dead.
    pub(super) fn decode(
        space: &Space,
        number: u32,
        body: &[u8],
        is_dead: impl Fn(PointId) -> bool,
    ) -> Result<Image> {
        let bytes = record_bytes(space);
        let records = u32::try_from(body.len() / bytes).ok();
        let records = records.filter(|_| body.len().is_multiple_of(bytes));
        let records = records.ok_or_else(|| {
            let found = body.len();
            bad(&format!(
                "body of bucket {number}: {found} bytes are no records of {bytes}"
            ))
        })?;
        let mut image = Image {
            records: 0,
            codes: Bucket::new(space.code_bytes()),
            nibbles: Vec::new(),
        };
        image.codes.reserve(records as usize)?;
        image
            .nibbles
            .reserve(records as usize * nibbles::code_bytes(space.width()));
        image.append(space, body, is_dead)?;
        Ok(image)
    }

    /// Adds records that were appended to the body.
    pub(super) fn append(
        &mut self,
        space: &Space,
        records: &[u8],
        is_dead: impl Fn(PointId) -> bool,
    ) -> Result<()> {
        let mut code = Code::default();
        for record in records.chunks_exact(record_bytes(space)) {
            self.records += 1;
            let point = id(record);
            if is_dead(point) {
                continue;
            }
            let (head, codes) = record.split_at(HEAD_BYTES);
            let (signs, nibbles) = codes.split_at(space.width() / 8);
            let (_, factors) = head.split_at(8);
            let float = |at: usize| f32::from_le_bytes(std::array::from_fn(|i| factors[at + i]));
            (code.add, code.scale) = (float(0), float(4));
            code.bits.clear();
            code.bits.extend_from_slice(signs);
            let place = u32::try_from(self.codes.len()).unwrap_or(u32::MAX);
            self.codes.push(&code, place, point)?;
            self.nibbles.extend_from_slice(nibbles);
        }
        Ok(())
    }

    /// A copy, to be changed while others read this one.
    pub(super) fn copy(&self) -> Result<Image> {
        Ok(Image {
            records: self.records,
            codes: self.codes.copy_of(|_| true)?,
            nibbles: self.nibbles.clone(),
        })
    }

    /// The code of four bits of the point at a place.
    #[inline]
    pub(super) fn nibbles(&self, place: usize, code_bytes: usize) -> &[u8] {
        let start = place * code_bytes;
        self.nibbles
            .get(start..start + code_bytes)
            .unwrap_or_default()
    }

    /// The points, in the order of their places.
    pub(super) fn points(&self) -> impl Iterator<Item = PointId> {
        self.codes.points().map(|(_, point)| point)
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.codes.memory_bytes() + self.nibbles.capacity()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aether_distance::{ElementType, Metric, VectorRef};

    fn body(space: &Space, points: std::ops::Range<u64>) -> Vec<u8> {
        let mut random = fastrand::Rng::with_seed(5);
        let (mut writer, mut body) = (Writer::default(), Vec::new());
        let centroid = vec![0.0; space.width()];
        for point in points {
            let vector: Vec<f32> = (0..space.dim).map(|_| random.f32() - 0.5).collect();
            let (mut floats, mut rotated) = (Vec::new(), Vec::new());
            space.place(VectorRef::F32(&vector), &mut floats, &mut rotated);
            writer.put(space, PointId(point), (&rotated, &centroid), &mut body);
        }
        body
    }

    fn space() -> Space {
        Space::new(20, Metric::L2Squared, ElementType::F32, vec![0.0; 20], 1)
    }

    #[test]
    fn a_body_is_its_records_one_after_the_other() {
        let space = space();
        let whole = body(&space, 0..70);
        assert_eq!(whole.len(), 70 * record_bytes(&space));
        assert!(points(&space, &whole).eq((0..70).map(PointId)));
        let image = Image::decode(&space, 0, &whole, |point| point.0 % 2 == 1).unwrap();
        assert_eq!(image.records, 70);
        assert!(image.points().eq((0..70).step_by(2).map(PointId)));
        let half = filtered(&space, &whole, |point| point.0 >= 35);
        assert!(points(&space, &half).eq((35..70).map(PointId)));
        assert!(Image::decode(&space, 0, &whole[1..], |_| false).is_err());
    }

    #[test]
    fn an_image_grows_like_its_body() {
        let space = space();
        let whole = body(&space, 0..70);
        let (first, rest) = whole.split_at(33 * record_bytes(&space));
        let mut grown = Image::decode(&space, 0, first, |_| false).unwrap();
        let before = grown.copy().unwrap();
        grown.append(&space, rest, |_| false).unwrap();
        let at_once = Image::decode(&space, 0, &whole, |_| false).unwrap();
        assert_eq!(grown.records, 70);
        assert_eq!(before.records, 33);
        let code_bytes = nibbles::code_bytes(space.width());
        for place in 0..70 {
            assert_eq!(
                grown.nibbles(place, code_bytes),
                at_once.nibbles(place, code_bytes)
            );
        }
        assert!(grown.points().eq(at_once.points()));
        assert!(grown.nibbles(70, code_bytes).is_empty());
    }
}
