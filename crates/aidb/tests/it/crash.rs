//! Power cuts at every single I/O: what was acknowledged is there, nothing is half there, and life goes on.

use crate::encryption::encrypted;
use crate::script::{Logged, Script, Step};
use crate::seeds;
use aether_env::{CrashImage, Env, MemoryStorage};
use aether_sim::{Io, SimStorage};
use aidb::Result;
use std::collections::BTreeSet;

/// How far a script came before the power went.
#[derive(Default)]
struct Progress {
    /// Batches that were tried: no others can be there.
    tried: usize,
    /// Batches that must be there.
    durable: BTreeSet<usize>,
}

/// What stands between the database and the disk.
type Wrap = fn(Env) -> Env;

/// Runs the script until the power goes.
fn run(script: &Script, env: &Env, progress: &mut Progress) -> Result<()> {
    let mut logged = Logged::open(env.clone(), &script.setup)?;
    let mut visible = BTreeSet::new();
    for step in &script.steps {
        if let Some(number) = step.batch() {
            progress.tried = number + 1;
        }
        if let Step::Reopen { close } = step {
            if *close {
                logged.db().close()?;
                progress.durable.clone_from(&visible);
            }
            drop(logged);
            logged = Logged::open(env.clone(), &script.setup)?;
            continue;
        }
        let durable = logged.step(script, step)?;
        if let Some(number) = step.batch() {
            visible.insert(number);
        }
        if durable {
            progress.durable.clone_from(&visible);
        }
    }
    logged.db().close()
}

/// Opens an image; what is there must be a prefix of the batches, not shorter than the durable ones.
fn recover(script: &Script, env: Env, progress: &Progress) -> (Logged, usize) {
    let logged = Logged::open(env, &script.setup).unwrap();
    let visible = logged.check(script);
    let prefix: BTreeSet<usize> = (0..visible.len()).collect();
    assert_eq!(visible, prefix, "a batch is missing before a later one");
    let least = progress.durable.len();
    assert!(
        visible.len() >= least,
        "{least} batches were durable, {} are there",
        visible.len()
    );
    assert!(visible.len() <= progress.tried);
    (logged, visible.len())
}

fn cut_everywhere(seed: u64, steps: usize, wrap: Wrap) {
    cut_everywhere_in(&Script::random(seed, steps), seed, wrap);
}

/// The mutating I/Os of the whole script.
fn cut_everywhere_in(script: &Script, seed: u64, wrap: Wrap) -> Vec<(Io, String)> {
    let whole = SimStorage::new(seed);
    run(script, &wrap(whole.env()), &mut Progress::default()).unwrap();
    for n in 0..whole.io_count() {
        let storage = SimStorage::new(seed ^ n << 32);
        storage.power_cut_at(n);
        let mut progress = Progress::default();
        if run(script, &wrap(storage.env()), &mut progress).is_ok() {
            assert!(storage.is_off(), "the last I/O is the failed one of a drop");
        }
        for image in CrashImage::ALL {
            let memory = storage.memory().image(image, n);
            let context = || {
                let (io, file) = storage.trace().pop().unwrap();
                format!("power cut at I/O {n} ({io:?} of {file}), image {image:?}")
            };
            let guard = OnPanic(context);
            let (logged, _) = recover(script, wrap(Env::memory(memory.clone())), &progress);
            if image == CrashImage::Random {
                logged.goes_on(script);
            }
            drop(logged);
            if image == CrashImage::Torn {
                second_cut(script, storage.memory().image(image, n), &progress, n, wrap);
            }
            std::mem::forget(guard);
        }
    }
    whole.trace()
}

/// The power goes again while the database recovers or soon after.
fn second_cut(script: &Script, memory: MemoryStorage, progress: &Progress, seed: u64, wrap: Wrap) {
    let mut random = fastrand::Rng::with_seed(seed);
    let again = SimStorage::on(memory, seed);
    again.power_cut_at(random.u64(..40));
    let there = Logged::open(wrap(again.env()), &script.setup).and_then(|mut logged| {
        let visible = logged.visible()?.len();
        logged.step(script, &Step::Flush)?;
        logged.step(script, &Step::Compact)?;
        logged.db().close()?;
        Ok(visible)
    });
    let image = random.choice(CrashImage::ALL).unwrap();
    let _guard = OnPanic(|| {
        let trace = again.trace();
        format!("second power cut after {trace:?}, image {image:?}")
    });
    let memory = again.memory().image(image, seed);
    let (logged, found) = recover(script, wrap(Env::memory(memory)), progress);
    if let Ok(there) = there {
        assert_eq!(found, there, "what a flush has made durable");
    }
    logged.goes_on(script);
}

/// Tells where a test was when it failed.
struct OnPanic<F: Fn() -> String>(F);

impl<F: Fn() -> String> Drop for OnPanic<F> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", (self.0)());
        }
    }
}

#[test]
fn at_every_io() {
    seeds::for_each(4, |seed| cut_everywhere(seed, 60, |env| env));
}

#[test]
fn at_every_io_of_creation() {
    seeds::for_each(8, |seed| cut_everywhere(seed, 1, |env| env));
}

#[test]
fn at_every_io_with_encryption() {
    seeds::for_each(1, |seed| cut_everywhere(seed ^ 0x5ec2e7, 40, encrypted));
    seeds::for_each(2, |seed| cut_everywhere(seed, 1, encrypted));
}

/// One log after another is written into the file of an older one, whose records are still in it.
#[test]
fn at_every_io_of_logs_in_used_files() {
    seeds::for_each(1, |seed| {
        let mut script = Script::random(seed, 50);
        script.setup.options.memtable_bytes = 1 << 12;
        for step in &mut script.steps {
            if step.batch().is_none() {
                *step = Step::Tick;
            }
        }
        let trace = cut_everywhere_in(&script, seed, |env| env);
        let renames = trace.iter().filter(|(io, _)| *io == Io::Rename).count();
        assert!(renames > 2, "{renames} logs are in used files");
    });
}
