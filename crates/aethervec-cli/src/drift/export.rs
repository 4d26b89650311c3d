//! A scenario as files, for programs that let other indexes live through it.
//!
//! ```text
//! scenario.json  name, dimension, metric, k, seed, and of each window: points, queries, batches as [added, deleted]
//! vectors.npy    f32: a row for each point, in the order in which they are added; the number of the row is its id
//! deleted.npy    u32: ids, in the order in which they are deleted
//! queries.npy    f32: those of the first window, of the second, …
//! truth.npy      f32: of each query the squared distance of the last of the k nearest points: a hit is right if it is not farther
//! unmeasured.npy f32: queries that are asked in a window before those that are measured, as many; of the second window, of the third, …
//! tuning_queries.npy, tuning_truth.npy
//!                the same of queries that are asked behind the first window, before anything is measured
//! ```

use super::scenario::{Asked, Scenario, Window};
use crate::failure::{Failure, Outcome};
use crate::input::create_file;
use serde_json::{Value, json};
use std::io::{BufWriter, Write};
use std::path::Path;

/// Writes the files of `scenario` to `directory`, which is made if it is missing.
pub(crate) fn export(scenario: &Scenario, directory: &Path) -> Outcome {
    let name = directory.display().to_string();
    std::fs::create_dir_all(directory).map_err(|error| Failure::file(&name, &error))?;
    let dimension = Some(scenario.dimension);
    let windows = || scenario.windows.iter();
    let floats =
        |floats: &[f32]| -> Vec<[u8; 4]> { floats.iter().map(|x| x.to_le_bytes()).collect() };
    let write =
        |name, descr, width, items: Vec<[u8; 4]>| npy(&directory.join(name), descr, width, &items);
    write("vectors.npy", "<f4", dimension, floats(&scenario.vectors))?;
    let asked = || windows().map(|window| &window.asked);
    let queries: Vec<f32> = asked().flat_map(|a| a.queries.iter().copied()).collect();
    write("queries.npy", "<f4", dimension, floats(&queries))?;
    let truth: Vec<f32> = asked().flat_map(|a| a.truth.iter().copied()).collect();
    write("truth.npy", "<f4", None, floats(&truth))?;
    let unmeasured = windows().flat_map(|window| window.unmeasured.iter().copied());
    let unmeasured: Vec<f32> = unmeasured.collect();
    write("unmeasured.npy", "<f4", dimension, floats(&unmeasured))?;
    let Asked { queries, truth } = &scenario.tuning;
    write("tuning_queries.npy", "<f4", dimension, floats(queries))?;
    write("tuning_truth.npy", "<f4", None, floats(truth))?;
    let deleted = windows().flat_map(|window| &window.batches);
    let deleted = deleted.flat_map(|batch| batch.deleted.iter().map(|id| id.to_le_bytes()));
    write("deleted.npy", "<u4", None, deleted.collect())?;
    let described = json!({
        "name": scenario.name,
        "dimension": scenario.dimension,
        "metric": if scenario.size.unit { "cosine" } else { "l2" },
        "k": scenario.size.k,
        "seed": scenario.size.seed,
        "windows": windows().map(described).collect::<Vec<_>>(),
    });
    write_all(
        &directory.join("scenario.json"),
        &[described.to_string().as_bytes()],
    )
}

fn described(window: &Window) -> Value {
    let batches = window.batches.iter();
    json!({
        "points": window.points,
        "queries": window.asked.truth.len(),
        "batches": batches.map(|b| [b.added.len(), b.deleted.len()]).collect::<Vec<_>>(),
    })
}

/// A NumPy array of items of four bytes, of so many in a row, or of one dimension.
fn npy(path: &Path, descr: &str, width: Option<usize>, items: &[[u8; 4]]) -> Outcome {
    let shape = match width {
        Some(width) => format!("({}, {width})", items.len() / width),
        None => format!("({},)", items.len()),
    };
    let mut header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}");
    // Magic, version, length and header fill whole lines of 64 bytes.
    let padding = 63 - (10 + header.len()) % 64;
    header.extend(std::iter::repeat_n(' ', padding));
    header.push('\n');
    let length = u16::try_from(header.len()).expect("a header is short");
    write_all(
        path,
        &[
            b"\x93NUMPY\x01\x00",
            &length.to_le_bytes(),
            header.as_bytes(),
            items.as_flattened(),
        ],
    )
}

/// A new file of these parts.
pub(crate) fn write_all(path: &Path, parts: &[&[u8]]) -> Outcome {
    let mut file = BufWriter::new(create_file(path)?);
    let mut written = parts.iter().try_for_each(|part| file.write_all(part));
    written = written.and_then(|()| file.flush());
    written.map_err(|error| Failure::file(&path.display().to_string(), &error))
}
