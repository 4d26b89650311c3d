//! `export`: a whole collection into a file, or to standard output.
//!
//! A file is written beside its name and renamed at the end, so that what has the name is complete.

use super::Stopwatch;
use crate::args::export::{Export, ExportFormat};
use crate::failure::{Failure, Outcome};
use crate::human;
use crate::input::create_file;
use crate::progress::{Progress, Unit};
use crate::session::{Session, collection};
use aethervec::CollectionView;
use aethervec::arrow::ExportOptions;
use serde_json::json;
use std::error::Error as _;
use std::ffi::OsString;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// `aethervec export`.
pub(crate) fn run(session: &Session, args: &Export) -> Outcome {
    session.with_existing(|db| {
        let view = collection(db, &args.collection)?.view()?;
        let watch = Stopwatch::start();
        if args.file.as_os_str() == "-" {
            write(&view, args, io::stdout())?;
            return Ok(());
        }
        let documents = write_file(&view, args)?;
        let took = watch.elapsed();
        session.out.object(&json!({
            "collection": args.collection,
            "file": args.file.display().to_string(),
            "documents": documents,
            "seconds": took.as_secs_f64(),
        }));
        session.out.line(format!(
            "exported {} to {} in {}",
            human::counted(documents, "document"),
            args.file.display(),
            human::duration(took)
        ));
        Ok(())
    })
}

fn write_file(view: &CollectionView, args: &Export) -> Outcome<u64> {
    let path = &args.file;
    let part = beside(path);
    let file = create_file(&part)?;
    let written = write(view, args, &file).and_then(|documents| {
        file.sync_all()
            .and_then(|()| std::fs::rename(&part, path))
            .map_err(|error| Failure::file(&path.display().to_string(), &error))?;
        Ok(documents)
    });
    if written.is_err() {
        // It is of no use to anybody; that it cannot be removed is no news worth more than the failure itself.
        drop(std::fs::remove_file(&part));
    }
    written
}

/// The name of a file while it is written.
fn beside(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".part");
    name.into()
}

fn write(view: &CollectionView, args: &Export, out: impl Write + Send) -> Outcome<u64> {
    let format = args.format();
    let mut options = ExportOptions::default();
    options.payload = !args.no_payload;
    options.columns.clone_from(&args.columns);
    if format == ExportFormat::Jsonl && options != ExportOptions::default() {
        return Err(Failure::invalid(
            "--columns and --no-payload are for --format parquet and arrow",
        ));
    }
    let progress = Progress::begin("exporting", Some(view.count()?), Unit::Items);
    let show = |documents| progress.set(documents);
    let written = match format {
        ExportFormat::Jsonl => view.export_jsonl(out, show),
        ExportFormat::Parquet => view.export_parquet(out, &options, show),
        ExportFormat::Arrow => view.export_arrow(out, &options, show),
    };
    written.or_else(|error| {
        let source = error.source().and_then(|source| source.downcast_ref());
        match source.map(io::Error::kind) {
            // Whoever reads has seen enough.
            Some(io::ErrorKind::BrokenPipe) => Ok(0),
            _ => Err(error.into()),
        }
    })
}
