//! Callers, keys and certificates that change are read again, without a restart: on SIGHUP, and when their files change.
//! SIGHUP also makes the audit log open its file again, for programs that rotate logs.
//!
//! A file that is wrong is said in the log, and what was read before it holds on.

use crate::app::App;
use crate::error::ApiResult;
use crate::net::Net;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// What can be seen of a file without reading it.
type Stamp = Option<(SystemTime, u64)>;

/// Keeps what is read from files as they are, until it is aborted.
pub(crate) async fn keep_fresh(app: Arc<App>, net: Arc<Net>) {
    let files: Arc<[PathBuf]> = [app.authenticator.files(), net.files()].concat().into();
    let mut told = signal(SignalKind::hangup())
        .inspect_err(|error| tracing::warn!(%error, "SIGHUP is not heard"))
        .ok();
    let mut clock = tokio::time::interval(Duration::from_millis(app.config.reload_ms));
    let mut seen = stamps(&files).await;
    loop {
        let was_told = tokio::select! {
            _ = clock.tick() => false,
            () = next(&mut told) => true,
        };
        let now = stamps(&files).await;
        if !was_told && now == seen {
            continue;
        }
        seen = now;
        if was_told {
            app.audit.reopen();
        }
        let (app, net) = (Arc::clone(&app), Arc::clone(&net));
        // A panic there is in the log; there is a next time.
        let _ = tokio::task::spawn_blocking(move || reload(&app, &net)).await;
    }
}

fn reload(app: &App, net: &Net) {
    let said = |what: &str, done: ApiResult<()>| match done {
        Ok(()) => tracing::info!("{what} were read again"),
        Err(error) => tracing::error!(%error, "{what} stay as they were"),
    };
    said("callers", app.authenticator.reload());
    said("certificates", net.reload());
}

async fn stamps(files: &Arc<[PathBuf]>) -> Vec<Stamp> {
    let files = Arc::clone(files);
    let stamp = |file: &PathBuf| {
        let found = std::fs::metadata(file).ok()?;
        Some((found.modified().ok()?, found.len()))
    };
    let look = move || files.iter().map(stamp).collect();
    tokio::task::spawn_blocking(look).await.unwrap_or_default()
}

async fn next(signal: &mut Option<Signal>) {
    let heard = match signal {
        Some(signal) => signal.recv().await,
        None => None,
    };
    if heard.is_none() {
        std::future::pending().await
    }
}
