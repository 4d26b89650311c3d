//! An index of one bucket whose rows are any bytes: it is opened, searched, checked, changed and maintained.
//!
//! ```text
//! length of the state u16 · length of the header u16 · state · header · body
//! ```

use std::cell::RefCell;
use std::collections::BTreeMap;

use aether_distance::{ElementType, Metric, VectorRef};

use super::{Drift, DriftScratch, ImageCache, Row, Store};
use crate::{Error, IvfParams, PointId, Result, SearchParams};

const DIM: usize = 20;

const POINTS: u64 = 40;

const PARAMS: IvfParams = IvfParams { bucket_points: 32 };

const KIND: (usize, Metric, ElementType) = (DIM, Metric::L2Squared, ElementType::F32);

/// Rows in memory, and a vector for each point below [`POINTS`].
#[derive(Default)]
struct Rows {
    state: RefCell<Vec<u8>>,
    buckets: RefCell<BTreeMap<u32, [Vec<u8>; 2]>>,
}

fn vector(point: u64) -> [f32; DIM] {
    let mut rng = fastrand::Rng::with_seed(point);
    std::array::from_fn(|_| rng.f32())
}

impl Store for Rows {
    type Error = Error;
    type Body = Vec<u8>;

    fn bodies(&self, buckets: &[u32]) -> Result<Vec<Option<Vec<u8>>>> {
        let stored = self.buckets.borrow();
        let body = |bucket| stored.get(bucket).map(|[_, body]| body.clone());
        Ok(buckets.iter().map(body).collect())
    }

    fn vectors(
        &self,
        points: &[PointId],
        show: &mut dyn FnMut(usize, VectorRef<'_>),
    ) -> Result<()> {
        for (place, point) in points.iter().enumerate() {
            if point.0 < POINTS {
                show(place, VectorRef::F32(&vector(point.0)));
            }
        }
        Ok(())
    }

    fn is_dead(&self, point: PointId) -> bool {
        point.0 % 7 == 3
    }

    fn commit(&self, rows: &[Row]) -> Result<()> {
        let mut buckets = self.buckets.borrow_mut();
        for row in rows {
            match row {
                Row::State(state) => self.state.replace(state.clone()).clear(),
                Row::Create(number, header, body) => {
                    buckets.insert(*number, [header.clone(), body.clone()]);
                }
                Row::Append(number, header, body) => {
                    let bucket = buckets.entry(*number).or_default();
                    bucket[0].extend_from_slice(header);
                    bucket[1].extend_from_slice(body);
                }
                Row::Remove(number) => {
                    buckets.remove(number);
                }
            }
        }
        Ok(())
    }
}

/// The rows of a good index.
pub(crate) fn start() -> Result<Vec<u8>> {
    let rows = Rows::default();
    let drift = Drift::new(KIND, PARAMS, 1, vec![0.5; DIM], ImageCache::new(0))?;
    let points: Vec<PointId> = (0..POINTS).map(PointId).collect();
    let vectors: Vec<[f32; DIM]> = (0..POINTS).map(vector).collect();
    drift.append(&points, |i| VectorRef::F32(&vectors[i]), &rows)?;
    let (state, buckets) = (rows.state.take(), rows.buckets.take());
    let [header, body] = buckets.into_values().next().unwrap_or_default();
    let lengths = [&state, &header].map(|row| u16::try_from(row.len()).unwrap_or(u16::MAX));
    let lengths = lengths.map(u16::to_le_bytes);
    Ok([lengths.as_flattened(), &state, &header, &body].concat())
}

/// Uses an index with these rows.
pub(crate) fn examine(bytes: &[u8]) -> Result<()> {
    let Some((lengths, rest)) = bytes.split_first_chunk::<4>() else {
        return Ok(());
    };
    let [a, b, c, d] = *lengths;
    let [state, header] = [[a, b], [c, d]].map(|length| usize::from(u16::from_le_bytes(length)));
    let (state, rest) = rest.split_at(state.min(rest.len()));
    let (header, body) = rest.split_at(header.min(rest.len()));
    let rows = Rows::default();
    rows.buckets
        .borrow_mut()
        .insert(0, [header.to_vec(), body.to_vec()]);
    let drift = Drift::open(KIND, PARAMS, state, [(0, header)], ImageCache::new(1 << 16))?;
    let _ = drift.check(&rows);
    let params = SearchParams {
        k: 10,
        ef: 40,
        include_dead: false,
    };
    let (query, scratch) = ([0.4; DIM], &mut DriftScratch::default());
    let _ = drift.search(&query, params, None, usize::MAX, &rows, scratch);
    let _ = drift.scan_all(&query, 5, &|_| true, &rows, scratch);
    let points: Vec<PointId> = (0..POINTS).map(PointId).collect();
    let vectors: Vec<[f32; DIM]> = (0..POINTS).map(vector).collect();
    for dead in [0, u64::MAX / 8] {
        let _ = drift.append(&points, |i| VectorRef::F32(&vectors[i]), &rows);
        for _ in 0..8 {
            let _ = drift.maintain(1_000, dead, &rows);
        }
    }
    let _ = drift.points(&rows);
    let _ = drift.stats();
    Ok(())
}
