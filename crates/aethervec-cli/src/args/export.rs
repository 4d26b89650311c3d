//! How a collection is written out. Every text here is read by users.

use aethervec::Path;
use aethervec::arrow::PayloadColumn;
use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// Export a whole collection: what it is, and all documents with all vectors; `import` reads it again
///
/// All documents are those of one moment. Numbers have as many digits as it takes to read the same ones again.
#[derive(Debug, Args)]
#[command(after_help = after!(
    "aethervec export notes notes.jsonl"
    "aethervec export notes notes.parquet --columns lang=text,author.born=integer"
    "aethervec export notes | gzip > notes.jsonl.gz"
    "aethervec export notes | aethervec --db other.db import notes - --format jsonl"
))]
pub(crate) struct Export {
    /// Collection to export
    pub(crate) collection: String,
    /// File to write, in place of what is there; - is standard output
    #[arg(default_value = "-")]
    pub(crate) file: PathBuf,
    /// Format to write [default: what the file's name says, or jsonl]
    #[arg(long, value_enum)]
    pub(crate) format: Option<ExportFormat>,
    /// parquet, arrow: values of payloads as columns of their own: text, integer, float, bool or datetime
    #[arg(long, value_name = "PATH=KIND,…", value_delimiter = ',', value_parser = payload_column)]
    pub(crate) columns: Vec<PayloadColumn>,
    /// parquet, arrow: no column of whole payloads; what no other column has is not written
    #[arg(long)]
    pub(crate) no_payload: bool,
}

impl Export {
    /// The format to write.
    pub(crate) fn format(&self) -> ExportFormat {
        let name = self.file.extension().map(|name| name.to_string_lossy());
        let named = match name.as_deref() {
            Some("parquet") => ExportFormat::Parquet,
            Some("arrow" | "feather") => ExportFormat::Arrow,
            _ => ExportFormat::Jsonl,
        };
        self.format.unwrap_or(named)
    }
}

/// What a collection can be exported as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExportFormat {
    /// One JSON object per line; the first says what the collection is
    Jsonl,
    /// Apache Parquet, compressed by Snappy
    Parquet,
    /// Apache Arrow (Feather)
    Arrow,
}

fn payload_column(text: &str) -> Result<PayloadColumn, String> {
    let (path, kind) = text
        .rsplit_once('=')
        .ok_or("PATH=KIND is needed, such as lang=text")?;
    Ok(PayloadColumn {
        path: Path::parse(path).map_err(|error| error.to_string())?,
        kind: kind
            .parse()
            .map_err(|error: aethervec::Error| error.to_string())?,
    })
}
