//! How many files the process may have open: each connection is one, and each open tenant has a few.
//!
//! Systems begin processes with a low limit, for programs that cannot do with more, and let them raise it by themselves.

use crate::config::Config;
use rustix::process::{Resource, getrlimit, setrlimit};

/// Files for other things than connections, at least: those of a few hundred open tenants.
const FILES_BESIDE: u64 = 1_024;

/// Raises the limit to what the system allows, and warns when that is too little for `config`.
pub(crate) fn raise(config: &Config) {
    let mut limit = getrlimit(Resource::Nofile);
    let before = limit.current;
    limit.current = limit.maximum;
    let allowed = match setrlimit(Resource::Nofile, limit) {
        Ok(()) => limit.current,
        Err(error) => {
            tracing::warn!(%error, "the limit of open files cannot be raised");
            before
        }
    };
    if allowed != before {
        tracing::info!(
            from = shown(before),
            to = shown(allowed),
            "the limit of open files is raised"
        );
    }
    let connections = config.connections_max as u64;
    if let Some(allowed) = too_few(allowed, connections) {
        tracing::warn!(
            "connections_max is {connections}, and the process may open {allowed} files: allow {} (LimitNOFILE of systemd, \
             --ulimit nofile of containers, ulimit -Hn of shells), or lower connections_max",
            connections + FILES_BESIDE,
        );
    }
}

/// The limit, when so many connections and the files of databases are more than it allows.
fn too_few(allowed: Option<u64>, connections: u64) -> Option<u64> {
    allowed.filter(|allowed| *allowed < connections + FILES_BESIDE)
}

fn shown(limit: Option<u64>) -> String {
    limit.map_or_else(|| "none".to_owned(), |limit| limit.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_as_high_as_the_system_allows() {
        raise(&Config::default());
        let limit = getrlimit(Resource::Nofile);
        assert_eq!(limit.current, limit.maximum);
    }

    #[test]
    fn too_few_files_for_the_connections_are_noticed() {
        assert_eq!(too_few(Some(4_096), 10_000), Some(4_096));
        assert_eq!(too_few(Some(65_536), 10_000), None);
        assert_eq!(too_few(None, 10_000), None);
    }
}
