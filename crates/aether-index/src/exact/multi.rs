//! Several dense vectors to a row, compared by MaxSim.

use std::borrow::Cow;

use aether_distance::{Distance, Kernels, Metric, Query, VectorRef};
use half::f16;

use super::Rows;

/// Rows of several dense vectors. The distance is the negated MaxSim: for each vector of the query the greatest similarity
/// to one of the row's, all added up. The similarity is the cosine, the inner product, or the negated squared distance.
#[derive(Debug)]
pub struct MultiRows {
    dim: usize,
    rows: Vec<Components>,
}

/// The vectors of a query, prepared.
#[derive(Clone, Debug)]
pub struct MultiQuery<'a> {
    kernels: Kernels,
    metric: Metric,
    dim: usize,
    components: Cow<'a, [f32]>,
}

/// The components of a row's vectors, one vector behind the other.
#[derive(Clone, Debug)]
enum Components {
    F32(Box<[f32]>),
    F16(Box<[f16]>),
    U8(Box<[u8]>),
}

impl MultiRows {
    /// No rows; their vectors will have `dim` components.
    pub fn new(dim: usize) -> MultiRows {
        MultiRows {
            dim,
            rows: Vec::new(),
        }
    }
}

impl<'a> MultiQuery<'a> {
    /// `components`: of vectors of `dim` components, one behind the other; they need no normalization.
    pub fn new(
        metric: Metric,
        dim: usize,
        components: impl Into<Cow<'a, [f32]>>,
    ) -> MultiQuery<'a> {
        MultiQuery {
            kernels: Kernels::detect(),
            metric,
            dim,
            components: components.into(),
        }
    }

    /// The negated MaxSim with vectors that stand one behind the other.
    pub fn distance(&self, vectors: VectorRef<'_>) -> Distance {
        max_sim(&self.queries(), self.metric, self.dim, vectors)
    }

    fn queries(&self) -> Vec<Query<'_>> {
        let vectors = self.components.chunks_exact(self.dim);
        vectors
            .map(|vector| Query::new(self.kernels, self.metric, vector))
            .collect()
    }
}

impl Rows for MultiRows {
    type Vector<'a> = VectorRef<'a>;
    type Query<'a> = MultiQuery<'a>;
    type Scratch = ();

    const CHUNK_ROWS: usize = 1_024;
    const COMPARING_IS_SLOW: bool = true;

    fn empty(&self) -> MultiRows {
        MultiRows::new(self.dim)
    }

    fn push(&mut self, vectors: VectorRef<'_>) {
        self.rows.push(match vectors {
            VectorRef::F32(components) => Components::F32(components.into()),
            VectorRef::F16(components) => Components::F16(components.into()),
            VectorRef::U8(components) => Components::U8(components.into()),
        });
    }

    fn pick(&self, rows: &[usize]) -> MultiRows {
        MultiRows {
            dim: self.dim,
            rows: rows.iter().map(|&row| self.rows[row].clone()).collect(),
        }
    }

    fn compare(
        &self,
        query: &MultiQuery<'_>,
        _scratch: &mut (),
        wanted: &dyn Fn(usize) -> bool,
        found: &mut dyn FnMut(usize, Distance),
    ) {
        let queries = query.queries();
        for (row, vectors) in self.rows.iter().enumerate().filter(|&(row, _)| wanted(row)) {
            found(
                row,
                max_sim(&queries, query.metric, self.dim, vectors.as_ref()),
            );
        }
    }

    fn memory_bytes(&self) -> usize {
        let components: usize = self
            .rows
            .iter()
            .map(|row| row.as_ref().dim() * row.as_ref().element().bytes())
            .sum();
        components + self.rows.capacity() * size_of::<Components>()
    }
}

impl Components {
    fn as_ref(&self) -> VectorRef<'_> {
        match self {
            Components::F32(components) => VectorRef::F32(components),
            Components::F16(components) => VectorRef::F16(components),
            Components::U8(components) => VectorRef::U8(components),
        }
    }
}

fn max_sim(queries: &[Query<'_>], metric: Metric, dim: usize, vectors: VectorRef<'_>) -> Distance {
    match vectors {
        VectorRef::F32(all) => sum_of_nearest(queries, metric, all.chunks_exact(dim), |vector| {
            VectorRef::F32(vector)
        }),
        VectorRef::F16(all) => sum_of_nearest(queries, metric, all.chunks_exact(dim), |vector| {
            VectorRef::F16(vector)
        }),
        VectorRef::U8(all) => sum_of_nearest(queries, metric, all.chunks_exact(dim), |vector| {
            VectorRef::U8(vector)
        }),
    }
}

fn sum_of_nearest<'v, T: 'v>(
    queries: &[Query<'_>],
    metric: Metric,
    vectors: impl Iterator<Item = &'v [T]> + Clone,
    view: impl Fn(&'v [T]) -> VectorRef<'v>,
) -> Distance {
    let nearest = |query: &Query<'_>| {
        let distances = vectors.clone().map(|vector| query.distance(view(vector)));
        distances.min().unwrap_or(Distance::INFINITE).0
    };
    // What is similar by 1 is at a distance of 0 under the cosine.
    let offset = if metric == Metric::Cosine { 1.0 } else { 0.0 };
    let sum: f32 = queries.iter().map(|query| nearest(query) - offset).sum();
    if sum.is_nan() {
        Distance::INFINITE
    } else {
        Distance(sum)
    }
}
