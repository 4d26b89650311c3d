//! `serve`, `config` and `health`.

use crate::args::serve::{Config, ConfigCommand, Health, Serve, Settings};
use crate::failure::{Exit, Failure, Outcome};
use crate::output::Output;
use aethervec_server::config::{Explained, Sources};
use aethervec_server::{ApiError, ApiErrorKind};

/// `aethervec serve`.
pub(crate) fn run(out: Output, args: &Serve) -> Outcome {
    let explained = explained(&args.settings)?;
    let ready = |addresses: aethervec_server::Addresses| {
        out.line(addresses.to_string());
        out.object(&addresses.to_json());
    };
    aethervec_server::run(explained.config, ready).map_err(failure)
}

/// `aethervec config print`.
pub(crate) fn config(out: Output, args: &Config) -> Outcome {
    let ConfigCommand::Print { settings, explain } = &args.command;
    let explained = explained(settings)?;
    out.verbatim(&explained.print(*explain));
    Ok(())
}

/// `aethervec health`.
pub(crate) fn health(out: Output, args: &Health) -> Outcome {
    let explained = explained(&args.settings)?;
    aethervec_server::probe(&explained.config).map_err(failure)?;
    out.line("ready");
    out.object(&serde_json::json!({"ready": true}));
    Ok(())
}

fn explained(settings: &Settings) -> Outcome<Explained> {
    let mut flags = Vec::new();
    let mut flag = |name: &str, value: Option<String>| {
        flags.extend(value.map(|value| (name.to_owned(), value)));
    };
    let data_dir = settings.data_dir.as_ref();
    flag("data_dir", data_dir.map(|path| path.display().to_string()));
    flag("host", settings.host.map(|host| host.to_string()));
    flag("http_port", settings.http_port.map(|port| port.to_string()));
    flag("grpc_port", settings.grpc_port.map(|port| port.to_string()));
    flags.extend(settings.set.iter().cloned());
    let sources = Sources {
        file: settings.config.clone(),
        flags,
        ..Sources::of_process()
    };
    sources.read().map_err(failure)
}

pub(super) fn failure(error: ApiError) -> Failure {
    let exit = match error.kind {
        ApiErrorKind::Invalid => Exit::Invalid,
        ApiErrorKind::NotFound => Exit::NotFound,
        _ => Exit::Failed,
    };
    Failure::new(exit, error.kind.name(), error.message)
}
