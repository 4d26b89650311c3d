//! The files in `deploy/` speak of settings and ports that there are.

use aethervec_server::Config;
use aethervec_server::config::Sources;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

/// How long each of them gives a server to end.
const TIME_TO_END: Duration = Duration::from_secs(60);

fn path(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "../../deploy", name]
        .iter()
        .collect()
}

fn text(name: &str) -> String {
    std::fs::read_to_string(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn yaml(name: &str) -> Value {
    yaml_serde::from_str(&text(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The ports of a server that is configured in no way.
fn ports() -> BTreeSet<u64> {
    let config = Config::default();
    let ports = Config::NAMES
        .iter()
        .filter(|name| name.ends_with("_port"))
        .filter_map(|name| config.get(name)?.as_u64());
    ports.collect()
}

/// The settings that `text` makes, in the environment of what it starts: `VECTOR_DB_NAME=VALUE` or `VECTOR_DB_NAME: VALUE`.
fn environment(text: &str) -> Vec<(String, String)> {
    let lines = text
        .lines()
        .filter(|line| !line.trim_start().starts_with('#'));
    let settings = lines.filter_map(|line| line.split_once("VECTOR_DB_"));
    let settings = settings.map(|(_, setting)| {
        let (name, value) = setting
            .split_once(['=', ':'])
            .unwrap_or_else(|| panic!("VECTOR_DB_{setting} sets nothing"));
        let value = value.trim().trim_end_matches('\\').trim_end();
        (format!("VECTOR_DB_{name}"), value.to_owned())
    });
    settings.collect()
}

/// That a server with these settings starts, and ends in the time that it gets.
fn acceptable(name: &str, sources: &Sources) {
    let explained = sources
        .read()
        .unwrap_or_else(|error| panic!("{name}: {error}"));
    assert!(!explained.origins.is_empty(), "{name} sets nothing");
    explained
        .config
        .db_options()
        .unwrap_or_else(|error| panic!("{name}: {error}"));
    explained
        .config
        .check_exposure()
        .unwrap_or_else(|error| panic!("{name}: {error}"));
    let grace = Duration::from_millis(explained.config.shutdown_grace_ms);
    assert!(grace < TIME_TO_END, "{name}: {grace:?}");
}

#[test]
fn settings_are_those_of_the_server() {
    // The image alone says that everybody can connect, and starts only when it is told who may.
    let image = text("docker/Dockerfile") + &text("docker/compose.yaml");
    for (name, text) in [
        ("systemd", text("systemd/aethervec.service")),
        ("docker", image),
    ] {
        let environment = environment(&text);
        acceptable(
            name,
            &Sources {
                environment,
                ..Sources::default()
            },
        );
    }
    let folder = tempfile::tempdir().unwrap();
    let mounted = folder.path().join("config.yaml");
    let map = yaml("kubernetes/config.yaml");
    std::fs::write(&mounted, map["data"]["config.yaml"].as_str().unwrap()).unwrap();
    for file in [path("systemd/config.yaml"), mounted] {
        let name = file.display().to_string();
        acceptable(
            &name,
            &Sources {
                file: Some(file),
                ..Sources::default()
            },
        );
    }
}

#[test]
fn ports_are_those_of_the_server() {
    let dockerfile = text("docker/Dockerfile");
    let exposed = dockerfile
        .lines()
        .find_map(|line| line.strip_prefix("EXPOSE "))
        .unwrap();
    let exposed = exposed.split(' ').map(|port| port.parse().unwrap());
    assert_eq!(exposed.collect::<BTreeSet<u64>>(), ports(), "Dockerfile");

    let compose = yaml("docker/compose.yaml");
    let published = compose["services"]["aethervec"]["ports"]
        .as_array()
        .unwrap();
    let published = published
        .iter()
        .map(|port| port.as_str().unwrap().rsplit(':').next().unwrap());
    let published = published.map(|port| port.parse().unwrap());
    assert_eq!(published.collect::<BTreeSet<u64>>(), ports(), "Compose");

    let set = yaml("kubernetes/statefulset.yaml");
    let container = &set["spec"]["template"]["spec"]["containers"][0];
    let open = container["ports"].as_array().unwrap().iter();
    let open = open.map(|port| port["containerPort"].as_u64().unwrap());
    assert_eq!(open.collect::<BTreeSet<u64>>(), ports(), "Kubernetes");
}

#[test]
fn a_server_gets_the_time_that_it_takes_to_end() {
    let seconds = TIME_TO_END.as_secs();
    for (name, line) in [
        (
            "systemd/aethervec.service",
            format!("\nTimeoutStopSec={seconds}\n"),
        ),
        (
            "docker/compose.yaml",
            format!("    stop_grace_period: {seconds}s\n"),
        ),
        (
            "kubernetes/statefulset.yaml",
            format!("      terminationGracePeriodSeconds: {seconds}\n"),
        ),
    ] {
        assert!(text(name).contains(&line), "{name}: {line:?} is missing");
    }
}
