//! The lives that an index can have: what is added, deleted and asked, window by window.

use super::source::{Purpose, Source};
use clap::ValueEnum;
use fastrand::Rng;
use std::ops::Range;
use std::panic::resume_unwind;
use std::thread;

/// Points that are added or deleted in one commit.
const BATCH: usize = 500;

/// A way of changing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ScenarioName {
    /// A fifth replaced in each window, by vectors of the same distribution
    Steady,
    /// All replaced in each window, oldest first, while clusters move slowly
    SlidingWindow,
    /// A fifth replaced in each window, oldest first, while clusters move
    GradualShift,
    /// The same, but half-way all clusters are somewhere else at once
    SuddenShift,
    /// Half of all points deleted, at random
    RandomDeletion,
    /// In each window a tenth of the clusters dies, and as many are born elsewhere
    ClusterDeathAndBirth,
    /// Four fifths of what is added and asked are of two clusters, of others in each window
    HotSpots,
    /// One source after the other, nothing deleted
    BySource,
    /// Clusters move on and on, then half of all points are deleted at random
    Paper,
}

impl ScenarioName {
    /// As on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            ScenarioName::Steady => "steady",
            ScenarioName::SlidingWindow => "sliding-window",
            ScenarioName::GradualShift => "gradual-shift",
            ScenarioName::SuddenShift => "sudden-shift",
            ScenarioName::RandomDeletion => "random-deletion",
            ScenarioName::ClusterDeathAndBirth => "cluster-death-and-birth",
            ScenarioName::HotSpots => "hot-spots",
            ScenarioName::BySource => "by-source",
            ScenarioName::Paper => "paper",
        }
    }
}

/// How large a scenario is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    /// Points at the beginning.
    pub(crate) points: usize,
    /// Windows behind the first one.
    pub(crate) windows: usize,
    /// Queries of each window.
    pub(crate) queries: usize,
    pub(crate) k: usize,
    pub(crate) seed: u64,
    /// Whether vectors are compared by their direction: then they have length 1.
    pub(crate) unit: bool,
}

/// A whole life.
#[derive(Debug)]
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) dimension: usize,
    pub(crate) size: Size,
    /// By id, in the order in which they are added.
    pub(crate) vectors: Vec<f32>,
    /// The first one fills the index.
    pub(crate) windows: Vec<Window>,
    /// What is asked behind the first one before anything is measured: other queries, as none is asked twice later either.
    pub(crate) tuning: Asked,
}

/// What happens, and what is asked then.
#[derive(Debug, Default)]
pub(crate) struct Window {
    pub(crate) batches: Vec<Batch>,
    /// Queries before those that are measured, one after the other: who is asked all the time has met some since the last change. None in
    /// the first window, which has those for tuning.
    pub(crate) unmeasured: Vec<f32>,
    pub(crate) asked: Asked,
    /// How many points there are at its end.
    pub(crate) points: usize,
}

/// Queries, and what they should find.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    /// One after the other.
    pub(crate) queries: Vec<f32>,
    /// Squared distance of the last of the nearest points of each query.
    pub(crate) truth: Vec<f32>,
}

/// Written together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Batch {
    pub(crate) added: Range<u32>,
    pub(crate) deleted: Vec<u32>,
}

impl Scenario {
    /// Draws all of it from `source`.
    pub(crate) fn new(name: ScenarioName, source: &mut Source, size: Size) -> Scenario {
        let dimension = source.dimension();
        let mut writer = Writer::new(source, size);
        writer.write(name);
        Scenario {
            name: name.name(),
            dimension,
            size,
            vectors: writer.vectors,
            windows: writer.windows,
            tuning: writer.tuning,
        }
    }

    /// The vector of a point.
    pub(crate) fn vector(&self, id: u32) -> &[f32] {
        &self.vectors[id as usize * self.dimension..][..self.dimension]
    }

    /// Queries, each with how far the last of the points is that it should find.
    pub(crate) fn queries<'a>(&self, asked: &'a Asked) -> impl Iterator<Item = (&'a [f32], f32)> {
        let queries = asked.queries.chunks_exact(self.dimension);
        queries.zip(asked.truth.iter().copied())
    }
}

/// Where a point comes from.
#[derive(Clone, Copy, Debug)]
struct Origin {
    cluster: usize,
    time: f32,
}

/// Writes a scenario down.
struct Writer<'a> {
    source: &'a mut Source,
    size: Size,
    rng: Rng,
    vectors: Vec<f32>,
    windows: Vec<Window>,
    tuning: Asked,
    /// Of each point.
    origins: Vec<Origin>,
    /// Oldest first.
    alive: Vec<u32>,
}

impl<'a> Writer<'a> {
    fn new(source: &'a mut Source, size: Size) -> Writer<'a> {
        Writer {
            source,
            size,
            rng: Rng::with_seed(size.seed),
            vectors: Vec::new(),
            windows: Vec::new(),
            tuning: Asked::default(),
            origins: Vec::new(),
            alive: Vec::new(),
        }
    }

    fn write(&mut self, name: ScenarioName) {
        let Size {
            points, windows, ..
        } = self.size;
        let fifth = points / 5;
        if name == ScenarioName::BySource {
            return self.by_source();
        }
        self.window(points, Vec::new(), &mut anywhere(0.0), None);
        for number in 1..=windows {
            let at = number as f32;
            match name {
                ScenarioName::Steady => {
                    let leaving = self.any(fifth);
                    self.window(fifth, leaving, &mut anywhere(0.0), None);
                }
                ScenarioName::SlidingWindow => {
                    let leaving = self.oldest(points);
                    self.window(points, leaving, &mut anywhere(0.1 * at), None);
                }
                ScenarioName::Paper if number == windows => {
                    let leaving = self.any(points / 2);
                    self.window(0, leaving, &mut anywhere(0.4 * at), None);
                }
                ScenarioName::GradualShift => {
                    let leaving = self.oldest(fifth);
                    self.window(fifth, leaving, &mut anywhere(0.2 * at), None);
                }
                ScenarioName::Paper => {
                    let leaving = self.oldest(fifth);
                    self.window(fifth, leaving, &mut anywhere(0.4 * at), None);
                }
                ScenarioName::SuddenShift => {
                    let time = if 2 * number < windows { 0.0 } else { 1.0 };
                    let leaving = self.oldest(fifth);
                    self.window(fifth, leaving, &mut anywhere(time), None);
                }
                ScenarioName::RandomDeletion => {
                    let gone = points / 2 * (number - 1) / windows;
                    let leaving = self.any(points / 2 * number / windows - gone);
                    self.window(0, leaving, &mut anywhere(0.0), None);
                }
                ScenarioName::ClusterDeathAndBirth => self.death_and_birth(number),
                ScenarioName::HotSpots => {
                    let leaving = self.oldest(fifth);
                    let hot = |writer: &mut Writer<'_>| {
                        let clusters = writer.source.clusters();
                        match writer.rng.usize(..5) {
                            0 => anywhere(0.0)(writer),
                            some => Origin {
                                cluster: (2 * number + some % 2) % clusters,
                                time: 0.0,
                            },
                        }
                    };
                    self.window(fifth, leaving, &mut { hot }, Some(&mut { hot }));
                }
                ScenarioName::BySource => {}
            }
        }
    }

    /// A tenth of the clusters dies, and as many points are born, in clusters that have moved elsewhere.
    fn death_and_birth(&mut self, number: usize) {
        let clusters = self.source.clusters();
        let each = clusters.div_ceil(10);
        let dying: Vec<usize> = (0..each).map(|i| (number * each + i) % clusters).collect();
        let all = std::mem::take(&mut self.alive);
        let (leaving, staying): (Vec<u32>, _) = all
            .into_iter()
            .partition(|&id| dying.contains(&self.origins[id as usize].cluster));
        self.alive = staying;
        let time = (1 + number * each / clusters) as f32;
        let mut newborn = |writer: &mut Writer<'_>| Origin {
            cluster: dying[writer.rng.usize(..dying.len())],
            time,
        };
        self.window(leaving.len(), leaving, &mut newborn, None);
    }

    /// One cluster after the other, each as large as it is.
    fn by_source(&mut self) {
        let points = self
            .size
            .points
            .min(self.source.rows().unwrap_or(usize::MAX));
        let (mut cluster, mut done) = (0, 0.0);
        let mut next = 0;
        let mut in_order = move |writer: &mut Writer<'_>| {
            let share = next as f64 / points as f64;
            while share >= done + writer.source.share(cluster)
                && cluster + 1 < writer.source.clusters()
            {
                done += writer.source.share(cluster);
                cluster += 1;
            }
            next += 1;
            Origin { cluster, time: 0.0 }
        };
        let windows = self.size.windows + 1;
        for number in 0..windows {
            // The first window is never empty.
            let until = |windows_done: usize| (points * windows_done).div_ceil(windows);
            let added = until(number + 1) - until(number);
            self.window(added, Vec::new(), &mut in_order, None);
        }
    }

    /// Takes the oldest points out.
    fn oldest(&mut self, count: usize) -> Vec<u32> {
        self.alive.drain(..count.min(self.alive.len())).collect()
    }

    /// Takes any points out.
    fn any(&mut self, count: usize) -> Vec<u32> {
        let count = count.min(self.alive.len());
        self.rng.shuffle(&mut self.alive);
        let leaving = self.alive.split_off(self.alive.len() - count);
        self.alive.sort_unstable();
        leaving
    }

    /// So many points are `added` and those `leaving` deleted, a batch at a time; then come queries, like any of the points unless
    /// `asked` says otherwise.
    fn window(
        &mut self,
        added: usize,
        leaving: Vec<u32>,
        origin: &mut dyn FnMut(&mut Writer<'_>) -> Origin,
        asked: Option<&mut dyn FnMut(&mut Writer<'_>) -> Origin>,
    ) {
        let mut window = Window::default();
        let batches = added.max(leaving.len()).div_ceil(BATCH).max(1);
        for number in 0..batches {
            let part = |all: usize| all * number / batches..all * (number + 1) / batches;
            let first = self.next_id();
            for _ in part(added) {
                let origin = origin(self);
                self.origins.push(origin);
                let mut vectors = std::mem::take(&mut self.vectors);
                self.draw(origin, Purpose::Point, &mut vectors);
                self.vectors = vectors;
            }
            window.batches.push(Batch {
                added: first..self.next_id(),
                deleted: leaving[part(leaving.len())].to_vec(),
            });
        }
        let new = window.batches.iter().flat_map(|batch| batch.added.clone());
        self.alive.extend(new);
        let mut alike = |writer: &mut Writer<'_>| {
            let like = writer.alive[writer.rng.usize(..writer.alive.len())];
            writer.origins[like as usize]
        };
        let asked = asked.unwrap_or(&mut alike);
        window.asked = self.asked(asked);
        match self.windows.is_empty() {
            true => self.tuning = self.asked(asked),
            false => window.unmeasured = self.queries(asked),
        }
        window.points = self.alive.len();
        self.windows.push(window);
    }

    fn asked(&mut self, origin: &mut dyn FnMut(&mut Writer<'_>) -> Origin) -> Asked {
        let queries = self.queries(origin);
        let truth = self.truth(&queries);
        Asked { queries, truth }
    }

    fn queries(&mut self, origin: &mut dyn FnMut(&mut Writer<'_>) -> Origin) -> Vec<f32> {
        let mut queries = Vec::new();
        for _ in 0..self.size.queries {
            let origin = origin(self);
            self.draw(origin, Purpose::Query, &mut queries);
        }
        queries
    }

    fn next_id(&self) -> u32 {
        u32::try_from(self.origins.len()).expect("the size of a scenario is bounded")
    }

    fn draw(&mut self, origin: Origin, purpose: Purpose, out: &mut Vec<f32>) {
        let start = out.len();
        let Origin { cluster, time } = origin;
        self.source.draw(cluster, time, purpose, &mut self.rng, out);
        if self.size.unit {
            let drawn = &mut out[start..];
            let length = drawn.iter().map(|x| x * x).sum::<f32>().sqrt();
            drawn
                .iter_mut()
                .for_each(|x| *x /= length.max(f32::MIN_POSITIVE));
        }
    }

    /// How far the last of the `k` nearest points is, of each query; on all cores.
    fn truth(&self, queries: &[f32]) -> Vec<f32> {
        let dimension = self.source.dimension();
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let share = queries.len() / dimension;
        let share = share.div_ceil(cores).max(1) * dimension;
        thread::scope(|scope| {
            let shares = queries.chunks(share);
            let threads = shares.map(|queries| scope.spawn(|| self.truth_of_share(queries)));
            let threads: Vec<_> = threads.collect();
            let truths = threads.into_iter().map(|thread| thread.join());
            let truths = truths.map(|truth| truth.unwrap_or_else(|panic| resume_unwind(panic)));
            truths.flatten().collect()
        })
    }

    fn truth_of_share(&self, queries: &[f32]) -> Vec<f32> {
        let dimension = self.source.dimension();
        let last = self.size.k.min(self.alive.len()) - 1;
        let mut distances = Vec::with_capacity(self.alive.len());
        let mut farthest = |query: &[f32]| {
            distances.clear();
            distances.extend(self.alive.iter().map(|&id| {
                let vector = &self.vectors[id as usize * dimension..][..dimension];
                super::distance(query, vector)
            }));
            *distances.select_nth_unstable_by(last, f32::total_cmp).1
        };
        queries.chunks_exact(dimension).map(&mut farthest).collect()
    }
}

/// Any cluster, each as often as it is large.
fn anywhere(time: f32) -> impl FnMut(&mut Writer<'_>) -> Origin + Copy {
    move |writer| {
        let mut at = writer.rng.f64();
        let last = writer.source.clusters() - 1;
        let chosen = (0..last).find(|&cluster| {
            at -= writer.source.share(cluster);
            at < 0.0
        });
        Origin {
            cluster: chosen.unwrap_or(last),
            time,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::ValueEnum;
    use std::collections::HashSet;

    const SIZE: Size = Size {
        points: 600,
        windows: 4,
        queries: 7,
        k: 3,
        seed: 5,
        unit: false,
    };

    #[test]
    fn scenarios_are_consistent_and_the_same_each_time() {
        for &name in ScenarioName::value_variants() {
            let scenario = Scenario::new(name, &mut Source::made_up(8, 5), SIZE);
            let again = Scenario::new(name, &mut Source::made_up(8, 5), SIZE);
            assert_eq!(scenario.vectors, again.vectors);
            assert_eq!(scenario.windows.len(), SIZE.windows + 1);
            let mut alive = HashSet::new();
            let mut next = 0;
            for (number, window) in scenario.windows.iter().enumerate() {
                for batch in &window.batches {
                    assert_eq!(batch.added.start, next);
                    next = batch.added.end;
                    alive.extend(batch.added.clone());
                    assert!(batch.deleted.iter().all(|id| alive.remove(id)), "{name:?}");
                }
                assert_eq!(window.points, alive.len(), "{name:?}");
                let tuning = Some(&scenario.tuning).filter(|_| number == 0);
                let unmeasured = if number == 0 { 0 } else { SIZE.queries };
                assert_eq!(window.unmeasured.len(), 8 * unmeasured);
                let asked = || tuning.into_iter().chain([&window.asked]);
                let queries = || asked().flat_map(|asked| scenario.queries(asked));
                assert_eq!(queries().count(), SIZE.queries * asked().count());
                for (query, truth) in queries() {
                    let nearer = alive
                        .iter()
                        .filter(|&&id| super::super::distance(query, scenario.vector(id)) <= truth);
                    assert_eq!(nearer.count(), SIZE.k);
                }
            }
            assert_eq!(scenario.vectors.len(), 8 * next as usize);
        }
    }

    #[test]
    fn the_smallest_scenarios_are_some() {
        let size = Size { points: 1, ..SIZE };
        for &name in ScenarioName::value_variants() {
            let scenario = Scenario::new(name, &mut Source::made_up(2, 5), size);
            assert!(scenario.windows.iter().all(|window| window.points == 1));
        }
    }

    #[test]
    fn half_is_left_where_half_is_deleted() {
        for name in [ScenarioName::RandomDeletion, ScenarioName::Paper] {
            let scenario = Scenario::new(name, &mut Source::made_up(8, 5), SIZE);
            assert_eq!(scenario.windows.last().unwrap().points, SIZE.points / 2);
        }
    }
}
