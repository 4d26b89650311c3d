//! The binary in a directory of its own, and files for it to read.

use serde_json::Value;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// A working directory; gone at the end.
pub(crate) struct Tool {
    directory: TempDir,
}

/// How a run ended.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Tool {
    pub(crate) fn new() -> Tool {
        Tool {
            directory: tempfile::tempdir().unwrap(),
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Writes a file and gives its name, relative to where the binary runs.
    pub(crate) fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> String {
        std::fs::write(self.path(name), bytes).unwrap();
        name.to_owned()
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_aethervec"));
        command
            .args(arguments)
            .current_dir(self.directory.path())
            .env_remove("AETHERVEC_DB")
            .stdin(Stdio::null());
        command
    }

    /// Runs to the end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Run {
        let output = self.command(arguments).output().unwrap();
        Run {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Runs with `--json`, which must succeed, and gives the lines of the output.
    pub(crate) fn json(&self, arguments: &[&str]) -> Vec<Value> {
        let run = self.run(&[arguments, &["--json"]].concat());
        assert_eq!(run.code, 0, "{arguments:?}: {run:?}");
        run.lines()
    }

    /// As [`Tool::json`], of a command that prints one object.
    pub(crate) fn object(&self, arguments: &[&str]) -> Value {
        let mut lines = self.json(arguments);
        assert_eq!(lines.len(), 1, "{arguments:?}: {lines:?}");
        lines.remove(0)
    }

    /// Runs to a failure with this exit code, and gives its message: the same with and without `--json`.
    pub(crate) fn fails(&self, code: i32, arguments: &[&str]) -> String {
        let plain = self.run(arguments);
        assert_eq!(plain.code, code, "{arguments:?}: {plain:?}");
        let told = self.run(&[arguments, &["--json"]].concat());
        assert_eq!(told.code, code, "{arguments:?}: {told:?}");
        let error: Value =
            serde_json::from_str(told.stderr.lines().last().unwrap_or_default()).unwrap();
        let message = error["error"]["message"].as_str().unwrap().to_owned();
        assert!(error["error"]["kind"].is_string());
        let first = message.lines().next().unwrap_or_default();
        assert!(
            plain.stderr.contains(first),
            "{plain:?} should say {first:?}"
        );
        message
    }
}

impl Run {
    pub(crate) fn lines(&self) -> Vec<Value> {
        self.stdout
            .lines()
            .map(|line| {
                serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
            })
            .collect()
    }
}

/// A NumPy array of rows of `f32`.
pub(crate) fn npy(rows: &[Vec<f32>]) -> Vec<u8> {
    let data: Vec<u8> = rows
        .iter()
        .flatten()
        .flat_map(|x| x.to_le_bytes())
        .collect();
    npy_of(
        "<f4",
        &format!("({}, {})", rows.len(), rows[0].len()),
        &data,
    )
}

/// A NumPy array of any type.
pub(crate) fn npy_of(descr: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend(u16::try_from(header.len()).unwrap().to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(data);
    bytes
}

/// `count` different vectors of `dim` components, the same each time.
pub(crate) fn vectors(count: usize, dim: usize) -> Vec<Vec<f32>> {
    let mut state = 7_u64;
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1 << 24) as f32 - 0.5
    };
    (0..count)
        .map(|_| (0..dim).map(|_| next()).collect())
        .collect()
}

/// A file of the repository's `testdata`.
pub(crate) fn testdata(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../testdata")
        .join(name);
    path.to_str().unwrap().to_owned()
}
