//! The log of a server: lines on standard error.

use crate::config::Config;
use crate::error::{ApiError, ApiResult};
use tracing_subscriber::EnvFilter;

/// Begins it. A log that somebody else has begun stays as it is.
///
/// # Errors
/// [`ApiErrorKind::Invalid`](crate::ApiErrorKind::Invalid) when the setting `log` cannot be read.
pub(crate) fn init(config: &Config) -> ApiResult<()> {
    let filter = EnvFilter::try_new(&config.log)
        .map_err(|error| ApiError::invalid(format!("log: {:?}: {error}", config.log)))?;
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    // A program that serves as a part of itself has a log of its own.
    let _ = if config.log_json {
        lines.json().try_init()
    } else {
        lines.try_init()
    };
    Ok(())
}
