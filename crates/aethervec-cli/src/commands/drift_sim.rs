//! `drift-sim`: how indexes age while their data change.

use crate::args::MetricName;
use crate::args::drift::{DriftSim, default_indexes};
use crate::drift::export::{export, write_all};
use crate::drift::player::{play, player};
use crate::drift::record::{self, Record};
use crate::drift::scenario::{Scenario, ScenarioName, Size};
use crate::drift::source::Source;
use crate::drift::{chart, page, raster};
use crate::failure::{Failure, Outcome};
use crate::human;
use crate::interrupt::Polite;
use crate::progress::{Progress, Unit};
use crate::session::Session;
use clap::ValueEnum;
use serde_json::json;
use std::path::Path;
use std::time::Duration;

/// Components of all vectors of a scenario, at most: 8 GiB of them.
const COMPONENTS_MAX: usize = 1 << 31;

/// `aethervec drift-sim`.
pub(crate) fn run(session: &Session, args: &DriftSim) -> Outcome {
    check(args)?;
    let polite = Polite::begin();
    if let Some(directory) = &args.export {
        return export_all(session, args, directory, &polite);
    }
    let mut records: Vec<Record> = Vec::new();
    let indexes = indexes(args);
    let scenarios = scenarios(args);
    let total = scenarios.len() * indexes.len() * (args.windows + 1);
    make_directory(&args.out)?;
    let progress = Progress::begin("windows", Some(total as u64), Unit::Items);
    for name in scenarios {
        progress.message(format!("{}: drawing", name.name()));
        let scenario = draw(args, name)?;
        for &index in &indexes {
            progress.message(format!("{}: {index}", name.name()));
            let work = format!(".database-{}", std::process::id());
            let mut player = player(index, &scenario, args.recall, &args.out.join(work))?;
            play(&mut *player, index, &scenario, &mut |record| {
                session.out.object(&json!(record));
                records.push(record);
                progress.set(records.len() as u64);
                stop_if_asked(&polite)
            })?;
        }
    }
    drop(progress);
    for file in &args.with {
        records.extend(record::read(file)?);
    }
    write(args, &records)?;
    tell(session, args, &records);
    Ok(())
}

fn check(args: &DriftSim) -> Outcome {
    if args.metric == MetricName::Dot {
        let text = "--metric dot: scenarios compare by l2 or cosine";
        return Err(Failure::invalid(text));
    }
    if !(args.recall > 0.0 && args.recall <= 1.0) {
        let text = format!("--recall {}: a share above 0, to 1", args.recall);
        return Err(Failure::invalid(text));
    }
    let points = args.points * (args.windows + 1);
    if points.saturating_mul(args.dimension) > COMPONENTS_MAX {
        return Err(Failure::invalid(format!(
            "--points {} and --windows {}: up to {} vectors are more than {} components",
            args.points,
            args.windows,
            human::count(points as u64),
            human::count(COMPONENTS_MAX as u64)
        )));
    }
    Ok(())
}

fn scenarios(args: &DriftSim) -> Vec<ScenarioName> {
    let all = args.scenario.iter().any(|name| name == "all");
    let wanted = |name: &ScenarioName| all || args.scenario.iter().any(|n| n == name.name());
    let names = ScenarioName::value_variants().iter().copied();
    names.filter(wanted).collect()
}

fn indexes(args: &DriftSim) -> Vec<&str> {
    match args.index.is_empty() {
        true => default_indexes().collect(),
        false => args.index.iter().map(|name| &name[..]).collect(),
    }
}

fn draw(args: &DriftSim, name: ScenarioName) -> Outcome<Scenario> {
    let mut source = match &args.data {
        None => Source::made_up(args.dimension, args.seed),
        Some(file) => Source::of_file(file, args.labels.as_deref(), args.seed)?,
    };
    let size = Size {
        points: args.points,
        windows: args.windows,
        queries: args.queries,
        k: args.k,
        seed: args.seed,
        unit: args.metric == MetricName::Cosine,
    };
    Ok(Scenario::new(name, &mut source, size))
}

fn export_all(session: &Session, args: &DriftSim, directory: &Path, polite: &Polite) -> Outcome {
    for name in scenarios(args) {
        stop_if_asked(polite)?;
        let scenario = draw(args, name)?;
        let place = directory.join(name.name());
        export(&scenario, &place)?;
        let vectors = scenario.vectors.len() / scenario.dimension;
        session.out.object(&json!({
            "scenario": name.name(),
            "directory": place,
            "vectors": vectors,
            "windows": scenario.windows.len(),
        }));
        session.out.line(format!(
            "{}: {} in {} windows",
            place.display(),
            human::counted(vectors as u64, "vector"),
            scenario.windows.len()
        ));
    }
    Ok(())
}

fn stop_if_asked(polite: &Polite) -> Outcome {
    match polite.requested() {
        true => Err(Failure::interrupted("stopped; no pictures were drawn")),
        false => Ok(()),
    }
}

fn make_directory(directory: &Path) -> Outcome {
    let made = std::fs::create_dir_all(directory);
    made.map_err(|error| Failure::file(&directory.display().to_string(), &error))
}

/// Pictures, page and records.
fn write(args: &DriftSim, records: &[Record]) -> Outcome {
    let out = |name: &str| args.out.join(name);
    let lines: Vec<String> = records.iter().map(|r| format!("{}\n", json!(r))).collect();
    write_all(&out("records.jsonl"), &[lines.concat().as_bytes()])?;
    let overview = raster::png(&chart::overview(records, args.recall));
    write_all(&out("drift-sim.png"), &[&overview])?;
    for name in chart::scenarios(records) {
        let picture = raster::png(&chart::scenario(records, name, args.recall));
        write_all(&out(&format!("{name}.png")), &[&picture])?;
    }
    let page = page::html(records, args.recall, &about(args), describe);
    write_all(&out("drift-sim.html"), &[page.as_bytes()])
}

/// What was played, in a sentence.
fn about(args: &DriftSim) -> String {
    let vectors = match &args.data {
        None => format!("made-up vectors of {} components", args.dimension),
        Some(file) => format!("vectors of {}", file.display()),
    };
    format!(
        "{} {vectors}, {} windows of {} queries for the {} nearest, recall asked {} (dashed), seed {}.",
        human::count(args.points as u64),
        args.windows,
        args.queries,
        args.k,
        args.recall,
        args.seed
    )
}

fn describe(scenario: &str) -> String {
    let value = ScenarioName::from_str(scenario, false).ok();
    let value = value.and_then(|name| name.to_possible_value());
    let help = value.and_then(|value| value.get_help().map(ToString::to_string));
    help.unwrap_or_default()
}

/// How each index began, its worst window, and how it ended.
fn tell(session: &Session, args: &DriftSim, records: &[Record]) {
    let mut rows = vec![
        [
            "scenario",
            "index",
            "recall at first",
            "worst",
            "at last",
            "p99 at first",
            "at last",
        ]
        .map(str::to_owned)
        .to_vec(),
    ];
    let lives = records.chunk_by(|a, b| (&a.scenario, &a.index) == (&b.scenario, &b.index));
    for life in lives {
        let (Some(first), Some(last)) = (life.first(), life.last()) else {
            continue;
        };
        let worst = life.iter().map(|record| record.recall).fold(1.0, f64::min);
        let micros = |us: f64| human::duration(Duration::from_secs_f64(us / 1e6));
        rows.push(vec![
            first.scenario.clone(),
            first.index.clone(),
            format!("{:.3}", first.recall),
            format!("{worst:.3}"),
            format!("{:.3}", last.recall),
            micros(first.p99_us),
            micros(last.p99_us),
        ]);
    }
    session.out.table(&rows);
    session.out.line(format!("seed {}", args.seed));
    let page = args.out.join("drift-sim.html");
    session.out.line(format!("drawn: {}", page.display()));
    session
        .out
        .object(&json!({ "page": page, "seed": args.seed }));
}
