//! `kvbench WORKLOAD --engine NAME --directory DIR [--keys N] [--value-bytes N] [--seconds S] [--cache-mib N]`
//!
//! One workload on one engine; a JSON line per phase. `bench/run kv` starts it, pins it and compares. `kvbench engines` lists the
//! engines that are built in.

mod data;
mod engine;
mod engines;
mod measure;
mod workloads;

use std::path::PathBuf;
use std::process::ExitCode;

use engine::Settings;
use workloads::Run;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let done = match arguments.split_first() {
        Some((name, _)) if name == "engines" => {
            println!("{}", engines::NAMES.join(" "));
            Ok(())
        }
        Some((workload, options)) => parse(options).and_then(|run| run.workload(workload)),
        None => Err("which workload?".into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(mistake) => {
            eprintln!("kvbench: {mistake}");
            ExitCode::from(2)
        }
    }
}

fn parse(options: &[String]) -> Result<Run, String> {
    let mut run = Run {
        engine: "aidb".into(),
        settings: Settings {
            directory: PathBuf::from("kvbench.data"),
            cache_bytes: 1 << 30,
            write_buffer_bytes: 64 << 20,
            block_bytes: 4096,
            background_threads: 2,
            separate_values: false,
        },
        keys: 4_000_000,
        value_bytes: 100,
        seconds: 3.0,
    };
    for pair in options.chunks(2) {
        let [name, value] = pair else {
            return Err(format!("{} needs a value", pair[0]));
        };
        let number = || {
            value
                .parse::<u64>()
                .map_err(|error| format!("{name} {value}: {error}"))
        };
        let bytes =
            || usize::try_from(number()?).map_err(|error| format!("{name} {value}: {error}"));
        match name.as_str() {
            "--engine" => run.engine.clone_from(value),
            "--directory" => run.settings.directory = PathBuf::from(value),
            "--keys" => run.keys = number()?.max(1000),
            "--value-bytes" => run.value_bytes = bytes()?.max(1),
            "--cache-mib" => run.settings.cache_bytes = bytes()? << 20,
            "--seconds" => {
                run.seconds = value
                    .parse()
                    .map_err(|error| format!("{name} {value}: {error}"))?
            }
            _ => return Err(format!("there is no option {name}")),
        }
    }
    run.settings.directory = run.settings.directory.join(&run.engine);
    Ok(run)
}
