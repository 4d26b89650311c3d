//! Where the vectors of a scenario come from: clusters whose places move, made up or of a file.
//!
//! A cluster's place at time `t` wanders from one random point to the next, a whole one every unit of time, so that the cloud of all
//! clusters keeps its shape while each of its parts goes somewhere else. A made-up vector is the place and some noise in
//! few directions of the cluster's own; one of a file is a row of the cluster, moved by how far the place has moved.

use crate::failure::{Failure, Outcome};
use crate::import::npy::NpyReader;
use crate::import::{self, Fields, Format};
use crate::input::Input;
use fastrand::Rng;
use std::f32::consts::FRAC_PI_2;
use std::path::Path;

/// Clusters that are made up, and that a file without labels is divided into.
const CLUSTERS: usize = 32;

/// Directions in which the vectors of a cluster differ.
const DIRECTIONS: usize = 32;

/// How far they differ, compared with how far clusters are apart.
const NOISE: f32 = 1.0;

/// Of each cluster of a file, one row in so many is for queries.
const HELD_OUT: usize = 10;

/// Most values of a file.
const VALUES_MAX: usize = 1 << 30;

/// Draws vectors.
#[derive(Debug)]
pub(crate) struct Source {
    dimension: usize,
    seed: u64,
    clusters: Vec<Cluster>,
    /// How far places are apart, for each component.
    scale: f32,
    /// Of a file.
    rows: Vec<f32>,
    /// How many of them may be stored.
    stored: usize,
}

#[derive(Debug, Default)]
struct Cluster {
    /// Made up: directions of the noise, one after the other.
    directions: Vec<f32>,
    /// Of a file: rows to be stored, and rows to search for; which of them come next.
    stored: Rows,
    queries: Rows,
}

/// Rows of a file, taken in turn.
#[derive(Debug, Default)]
struct Rows {
    rows: Vec<usize>,
    next: usize,
}

impl Rows {
    fn take(&mut self) -> Option<usize> {
        let row = *self.rows.get(self.next % self.rows.len().max(1))?;
        self.next += 1;
        Some(row)
    }
}

/// What a vector is drawn for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To be stored.
    Point,
    /// To be searched for.
    Query,
}

impl Source {
    /// Makes vectors up.
    pub(crate) fn made_up(dimension: usize, seed: u64) -> Source {
        let mut rng = Rng::with_seed(seed);
        let length = NOISE / (DIRECTIONS as f32).sqrt();
        let clusters = (0..CLUSTERS).map(|_| Cluster {
            directions: normals(&mut rng, DIRECTIONS * dimension, length),
            ..Cluster::default()
        });
        Source {
            dimension,
            seed,
            clusters: clusters.collect(),
            scale: 1.0,
            rows: Vec::new(),
            stored: 0,
        }
    }

    /// Takes the rows of `file`, in clusters by the labels in another file, or by what they are near to.
    pub(crate) fn of_file(file: &Path, labels: Option<&Path>, seed: u64) -> Outcome<Source> {
        let (rows, dimension) = read_rows(file)?;
        let count = rows.len() / dimension;
        let mut clusters: Vec<Cluster> = Vec::new();
        let labels = match labels {
            Some(labels) => read_labels(labels, count)?,
            None => by_nearness(&rows, dimension, seed),
        };
        for (row, label) in labels.into_iter().enumerate() {
            if clusters.len() <= label {
                clusters.resize_with(label + 1, Cluster::default);
            }
            let cluster = &mut clusters[label];
            let seen = cluster.stored.rows.len() + cluster.queries.rows.len();
            match seen % HELD_OUT {
                1 => cluster.queries.rows.push(row),
                _ => cluster.stored.rows.push(row),
            }
        }
        clusters.retain(|cluster| !cluster.queries.rows.is_empty());
        if clusters.is_empty() {
            let (name, least) = (file.display(), 2);
            return Err(Failure::invalid(format!(
                "{name}: {count} rows, no cluster of {least} among them"
            )));
        }
        let squares: f64 = rows.iter().map(|&x| f64::from(x) * f64::from(x)).sum();
        #[expect(clippy::cast_possible_truncation, reason = "a scale")]
        let scale = (squares / rows.len() as f64).sqrt() as f32;
        Ok(Source {
            dimension,
            seed,
            stored: clusters.iter().map(|c| c.stored.rows.len()).sum(),
            clusters,
            scale,
            rows,
        })
    }

    pub(crate) fn dimension(&self) -> usize {
        self.dimension
    }

    pub(crate) fn clusters(&self) -> usize {
        self.clusters.len()
    }

    /// Rows of a file that may be stored: each once.
    pub(crate) fn rows(&self) -> Option<usize> {
        (self.stored > 0).then_some(self.stored)
    }

    /// How large the part of `cluster` is.
    pub(crate) fn share(&self, cluster: usize) -> f64 {
        match self.rows() {
            None => 1.0 / self.clusters.len() as f64,
            Some(rows) => self.clusters[cluster].stored.rows.len() as f64 / rows as f64,
        }
    }

    /// Appends a vector of `cluster` as it is at `time`.
    pub(crate) fn draw(
        &mut self,
        cluster: usize,
        time: f32,
        purpose: Purpose,
        rng: &mut Rng,
        out: &mut Vec<f32>,
    ) {
        let start = out.len();
        out.extend(self.place(cluster, time));
        let drawn = &mut out[start..];
        let places = &mut self.clusters[cluster];
        let row = match purpose {
            Purpose::Point => places.stored.take(),
            Purpose::Query => places.queries.take(),
        };
        if let Some(row) = row {
            let row = &self.rows[row * self.dimension..][..self.dimension];
            let before = self.place(cluster, 0.0);
            for ((x, row), before) in drawn.iter_mut().zip(row).zip(before) {
                *x += row - before;
            }
            return;
        }
        for direction in places.directions.chunks_exact(self.dimension) {
            let far = normal(rng);
            for (x, direction) in drawn.iter_mut().zip(direction) {
                *x += far * direction;
            }
        }
    }

    /// Where `cluster` is at `time`: between two random points, so that places are as far apart at any time.
    fn place(&self, cluster: usize, time: f32) -> Vec<f32> {
        let (sin, cos) = (time.fract() * FRAC_PI_2).sin_cos();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a number of steps"
        )]
        let step = time as u64;
        let (from, to) = (self.stop(cluster, step), self.stop(cluster, step + 1));
        let between = from.into_iter().zip(to);
        between.map(|(from, to)| from * cos + to * sin).collect()
    }

    /// A random point that `cluster` passes.
    fn stop(&self, cluster: usize, step: u64) -> Vec<f32> {
        let which = self.seed ^ ((cluster as u64 + 1) << 32 | step);
        let mut rng = Rng::with_seed(which.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        normals(&mut rng, self.dimension, self.scale)
    }
}

fn normals(rng: &mut Rng, count: usize, scale: f32) -> Vec<f32> {
    (0..count).map(|_| scale * normal(rng)).collect()
}

/// About a normal distribution of variance 1: the sum of twelve uniform ones.
fn normal(rng: &mut Rng) -> f32 {
    (0..12).map(|_| rng.f32()).sum::<f32>() - 6.0
}

fn read_rows(path: &Path) -> Outcome<(Vec<f32>, usize)> {
    let mut source = import::open(path, Format::of(path)?, &Fields::default())?;
    let (mut rows, mut dimension) = (Vec::new(), 0);
    while let Some(record) = source.next()? {
        let found = record.vector.dim();
        if rows.is_empty() {
            dimension = found;
        }
        if found != dimension || rows.len() + found > VALUES_MAX {
            let (name, place) = (path.display(), record.place);
            return Err(Failure::invalid(match found == dimension {
                false => format!("{name}: {place}: {found} components, the first has {dimension}"),
                true => format!("{name}: more than {VALUES_MAX} components altogether"),
            }));
        }
        rows.extend(record.vector.to_f32());
    }
    match rows.is_empty() {
        true => Err(Failure::invalid(format!("{}: no vectors", path.display()))),
        false => Ok((rows, dimension)),
    }
}

/// One label for each of `count` rows.
fn read_labels(path: &Path, count: usize) -> Outcome<Vec<usize>> {
    let mut reader = NpyReader::new(Input::open(path)?)?;
    let mut labels = Vec::new();
    while let Some(label) = reader.next_value()? {
        let label = label.as_u64().and_then(|label| u16::try_from(label).ok());
        labels.push(usize::from(label.ok_or_else(|| {
            let (name, row) = (path.display(), labels.len());
            Failure::invalid(format!("{name}: row {row}: labels are 0 to 65535"))
        })?));
    }
    match labels.len() == count {
        true => Ok(labels),
        false => Err(Failure::invalid(format!(
            "{}: {} labels for {count} rows",
            path.display(),
            labels.len()
        ))),
    }
}

/// Which of some random rows each row is nearest to.
fn by_nearness(rows: &[f32], dimension: usize, seed: u64) -> Vec<usize> {
    let mut rng = Rng::with_seed(seed);
    let count = rows.len() / dimension;
    let row = |i: usize| &rows[i * dimension..][..dimension];
    let pivots: Vec<&[f32]> = (0..CLUSTERS).map(|_| row(rng.usize(..count))).collect();
    let nearest = |row: &[f32]| {
        let distances = pivots.iter().map(|pivot| super::distance(row, pivot));
        let nearest = distances.enumerate().min_by(|a, b| a.1.total_cmp(&b.1));
        nearest.map_or(0, |(pivot, _)| pivot)
    };
    rows.chunks_exact(dimension).map(nearest).collect()
}
