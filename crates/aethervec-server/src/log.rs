//! The log of a server: lines on standard error, as text or as JSON.
//!
//! What is logged while a request is answered has its name, `request_id`, and that of its trace: the same that its client was told.

use crate::config::{Config, LogFormat};
use crate::error::{ApiError, ApiResult};
use crate::observe::request;
use serde_json::{Map, Value};
use std::fmt::{self, Debug, Write as _};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime as _, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// Begins it. A log that somebody else has begun stays as it is.
///
/// # Errors
/// [`ApiErrorKind::Invalid`](crate::ApiErrorKind::Invalid) when the setting `log_filter` cannot be read.
pub(crate) fn init(config: &Config) -> ApiResult<()> {
    let filter = &config.log_filter;
    let filter = EnvFilter::try_new(filter)
        .map_err(|error| ApiError::invalid(format!("log_filter: {filter:?}: {error}")))?;
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .event_format(Lines(config.log_format));
    // A program that serves as a part of itself has a log of its own.
    let _ = lines.try_init();
    Ok(())
}

/// Writes an event as a line.
struct Lines(LogFormat);

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut line: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let names = Names::current();
        match self.0 {
            LogFormat::Json => {
                let object = json(event, names)?;
                writeln!(line, "{object}")
            }
            LogFormat::Text => {
                SystemTime.format_time(&mut line)?;
                let metadata = event.metadata();
                write!(line, " {:>5} {}: ", metadata.level(), metadata.target())?;
                context.field_format().format_fields(line.by_ref(), event)?;
                for (name, value) in names.0.into_iter().flatten() {
                    write!(line, " {name}={value}")?;
                }
                writeln!(line)
            }
        }
    }
}

/// What the request that is being answered is called, and its trace.
struct Names([Option<(&'static str, String)>; 2]);

impl Names {
    fn current() -> Names {
        let names = request::with_current(|request| {
            let id = request.id.to_str().unwrap_or_default().to_owned();
            let trace = request.trace.as_ref();
            [
                Some(("request_id", id)),
                trace.map(|trace| ("trace_id", trace.trace_id())),
            ]
        });
        Names(names.unwrap_or_default())
    }
}

/// An event as an object: its fields beside time, level, target and message.
fn json(event: &Event<'_>, names: Names) -> Result<Value, fmt::Error> {
    let mut fields = Fields(Map::new());
    let mut time = String::new();
    SystemTime.format_time(&mut Writer::new(&mut time))?;
    let metadata = event.metadata();
    fields.put("time", time);
    fields.put("level", metadata.level().as_str());
    fields.put("target", metadata.target());
    event.record(&mut fields);
    for (name, value) in names.0.into_iter().flatten() {
        fields.put(name, value);
    }
    Ok(Value::Object(fields.0))
}

/// Fields of an event.
struct Fields(Map<String, Value>);

impl Fields {
    fn put(&mut self, name: &str, value: impl Into<Value>) {
        self.0.insert(name.to_owned(), value.into());
    }
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field.name(), value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field.name(), value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field.name(), value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field.name(), value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field.name(), value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let mut text = String::new();
        // A string takes whatever is written.
        let _ = write!(text, "{value:?}");
        self.put(field.name(), text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use parking_lot::Mutex;
    use std::io;
    use std::sync::Arc;
    use tracing_subscriber::fmt::MakeWriter;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl MakeWriter<'_> for Kept {
        type Writer = Kept;

        fn make_writer(&self) -> Kept {
            self.clone()
        }
    }

    /// What is written of an event with fields of all kinds.
    fn logged(format: LogFormat) -> String {
        let kept = Kept::default();
        let log = tracing_subscriber::fmt()
            .with_writer(kept.clone())
            .with_ansi(false)
            .event_format(Lines(format));
        tracing::subscriber::with_default(log.finish(), || {
            tracing::warn!(
                count = 3_u64,
                share = 0.5,
                name = "a \"b\"\n",
                failed = true,
                "slow"
            );
        });
        let bytes = kept.0.lock().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_line_of_json_is_an_object() {
        let line = logged(LogFormat::Json);
        assert_eq!(line.matches('\n').count(), 1);
        let object: Value = serde_json::from_str(&line).unwrap();
        for (name, value) in [
            ("level", Value::from("WARN")),
            ("message", "slow".into()),
            ("count", 3.into()),
            ("share", 0.5.into()),
            ("name", "a \"b\"\n".into()),
            ("failed", true.into()),
        ] {
            assert_eq!(object[name], value, "{line}");
        }
        assert!(object.get("request_id").is_none());
    }

    #[test]
    fn a_line_of_text_is_one_line() {
        let line = logged(LogFormat::Text);
        assert!(
            line.contains(" WARN aethervec_server::log::tests: slow"),
            "{line}"
        );
        assert_eq!(line.matches('\n').count(), 1, "{line}");
    }
}
