//! Where settings come from: a file, the environment, flags; and which of them had the last word.

use super::Config;
use crate::error::{ApiError, ApiResult};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// What stands in front of the name of a setting in the environment.
const PREFIX: &str = "VECTOR_DB_";

/// The variable that names the file.
const FILE: &str = "VECTOR_DB_CONFIG";

/// All that a configuration is made of.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// The file, if one was named on the command line.
    pub file: Option<PathBuf>,
    /// The environment; those that do not begin with `VECTOR_DB_` are not looked at.
    pub environment: Vec<(String, String)>,
    /// Settings of the command line and their values.
    pub flags: Vec<(String, String)>,
}

/// A configuration, and where each of its settings comes from.
#[derive(Clone, Debug, PartialEq)]
pub struct Explained {
    /// What holds.
    pub config: Config,
    /// Setting → where its value stands; those that are not here have their defaults.
    pub origins: BTreeMap<&'static str, String>,
}

impl Sources {
    /// The environment of this process.
    pub fn of_process() -> Sources {
        let environment = std::env::vars_os().filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        });
        Sources {
            environment: environment.collect(),
            ..Sources::default()
        }
    }

    /// What all of it together says.
    ///
    /// # Errors
    /// [`ApiErrorKind::Invalid`](crate::ApiErrorKind::Invalid) when the file cannot be read, when a setting is not known, or when
    /// its value is not acceptable: the message says where it stands.
    pub fn read(&self) -> ApiResult<Explained> {
        let mut explained = Explained {
            config: Config::default(),
            origins: BTreeMap::new(),
        };
        let named = self.environment.iter().find(|(name, _)| name == FILE);
        let named = named.map(|(_, path)| PathBuf::from(path));
        if let Some(path) = self.file.as_ref().or(named.as_ref()) {
            explained.read_file(path)?;
        }
        for (variable, text) in &self.environment {
            if let Some(name) = variable.strip_prefix(PREFIX)
                && variable != FILE
            {
                explained.set(&name.to_ascii_lowercase(), &scalar(text), || {
                    variable.clone()
                })?;
            }
        }
        for (name, text) in &self.flags {
            explained.set(name, &scalar(text), || format!("--set {name}"))?;
        }
        Ok(explained)
    }
}

impl Explained {
    /// As a file that says the same; with `explain`, each setting with what it is for and where it comes from.
    pub fn print(&self, explain: bool) -> String {
        let mut text = String::new();
        for name in Config::NAMES {
            let value = self.config.get(name).unwrap_or(Value::Null);
            // A string takes whatever is written.
            let _ = if explain {
                let origin = self.origins.get(name).map_or("default", String::as_str);
                let help = Config::help(name).unwrap_or_default();
                let variable = format!("{PREFIX}{}", name.to_ascii_uppercase());
                writeln!(
                    text,
                    "# {help}\n# From: {origin}. In the environment: {variable}.\n{name}: {value}\n"
                )
            } else {
                writeln!(text, "{name}: {value}")
            };
        }
        text
    }

    fn read_file(&mut self, path: &Path) -> ApiResult<()> {
        let at = |error: &dyn std::fmt::Display| {
            ApiError::invalid(format!("{}: {error}", path.display()))
        };
        let text = std::fs::read_to_string(path).map_err(|error| at(&error))?;
        let settings: Option<Map<String, Value>> =
            yaml_serde::from_str(&text).map_err(|error| at(&error))?;
        for (name, value) in settings.unwrap_or_default() {
            self.set(&name, &value, || path.display().to_string())?;
        }
        Ok(())
    }

    fn set(&mut self, name: &str, value: &Value, origin: impl FnOnce() -> String) -> ApiResult<()> {
        let origin = origin();
        self.config
            .set(name, value)
            .map_err(|error| ApiError::invalid(format!("{origin}: {error}")))?;
        let known = Config::NAMES.iter().find(|known| **known == name);
        self.origins.extend(known.map(|name| (*name, origin)));
        Ok(())
    }
}

/// What the text of a variable or of a flag is: a number, true, false, null, a list, or just text.
fn scalar(text: &str) -> Value {
    match yaml_serde::from_str(text) {
        Ok(Value::Object(_)) | Err(_) => Value::String(text.to_owned()),
        Ok(value) => value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources(environment: &[(&str, &str)], flags: &[(&str, &str)]) -> Sources {
        let owned = |pairs: &[(&str, &str)]| {
            let pairs = pairs.iter();
            pairs
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect()
        };
        Sources {
            file: None,
            environment: owned(environment),
            flags: owned(flags),
        }
    }

    #[test]
    fn the_environment_wins_over_the_file_and_flags_over_both() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.yaml");
        std::fs::write(&file, "http_port: 1\ngrpc_port: 1\nmetrics_port: 1\n").unwrap();
        let mut sources = sources(
            &[
                ("VECTOR_DB_GRPC_PORT", "2"),
                ("VECTOR_DB_METRICS_PORT", "2"),
                ("HOME", "/"),
            ],
            &[("metrics_port", "null")],
        );
        sources.file = Some(file.clone());
        let explained = sources.read().unwrap();
        let config = &explained.config;
        assert_eq!(
            (config.http_port, config.grpc_port, config.metrics_port),
            (Some(1), Some(2), None)
        );
        assert_eq!(explained.origins["http_port"], file.display().to_string());
        assert_eq!(explained.origins["grpc_port"], "VECTOR_DB_GRPC_PORT");
        assert_eq!(explained.origins["metrics_port"], "--set metrics_port");
    }

    #[test]
    fn what_is_not_known_is_named_with_its_place() {
        let error = sources(&[("VECTOR_DB_PORT", "1")], &[]).read().unwrap_err();
        assert_eq!(
            error.message,
            "VECTOR_DB_PORT: there is no setting \"port\": is http_port meant?"
        );
        let error = sources(&[], &[("host", "nowhere")]).read().unwrap_err();
        assert!(
            error
                .message
                .starts_with("--set host: host: \"nowhere\" is not acceptable"),
            "{error}"
        );
    }

    #[test]
    fn sizes_are_numbers_or_have_units() {
        for (text, bytes) in [
            ("1048576", 1 << 20),
            ("512MiB", 512 << 20),
            ("2 GB", 2_000_000_000),
        ] {
            let explained = sources(&[("VECTOR_DB_HOT_TIER_SIZE", text)], &[])
                .read()
                .unwrap();
            assert_eq!(explained.config.hot_tier_size.0, bytes);
        }
        for text in ["-1", "1TB", "GiB", "1.5GiB", "99999999999GiB"] {
            assert!(
                sources(&[("VECTOR_DB_HOT_TIER_SIZE", text)], &[])
                    .read()
                    .is_err(),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_printed_says_the_same_again() {
        let folder = tempfile::tempdir().unwrap();
        let explained = sources(&[("VECTOR_DB_DATA_DIR", "/var/lib/x: y")], &[])
            .read()
            .unwrap();
        for explain in [false, true] {
            let file = folder.path().join("config.yaml");
            std::fs::write(&file, explained.print(explain)).unwrap();
            let again = Sources {
                file: Some(file),
                ..Sources::default()
            };
            assert_eq!(again.read().unwrap().config, explained.config);
        }
    }
}
