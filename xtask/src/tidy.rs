//! House rules that a compiler does not know. Each finding says why the rule is there.
//!
//! 1. *Crate edges*: a crate uses only what stands below it.
//! 2. *Module headers*: each file says first what it is.
//! 3. *No leftovers*: nothing half done is committed.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Who may use whom (for tests, `aether-sim` and `aether-history` as well).
const EDGES: &[(&str, &[&str])] = &[
    ("aether-env", &[]),
    ("aether-distance", &[]),
    ("aether-crypt", &["aether-env"]),
    ("aidb", &["aether-env"]),
    ("aether-index", &["aether-distance"]),
    ("aether-history", &[]),
    ("aether-sim", &["aether-env"]),
    (
        "aethervec",
        &["aether-env", "aether-distance", "aether-index", "aidb"],
    ),
    ("aethervec-proto", &["aethervec"]),
    ("aethervec-client", &["aethervec", "aethervec-proto"]),
    (
        "aethervec-server",
        &[
            "aether-env",
            "aether-crypt",
            "aethervec",
            "aethervec-proto",
            "aidb",
        ],
    ),
    (
        "aethervec-cli",
        &[
            "aether-env",
            "aethervec",
            "aethervec-client",
            "aethervec-server",
            "aidb",
        ],
    ),
];

/// Words that only unfinished code has. Written apart, so that this file does not find itself.
const LEFTOVERS: &[&str] = &[
    concat!("to", "do!("),
    concat!("unimple", "mented!("),
    concat!("FIX", "ME"),
    concat!("#[", "ignore"),
    concat!("#[", "allow("),
    concat!("#![", "allow("),
];

/// All broken rules, each as `place: what, why`.
pub(crate) fn findings(root: &Path) -> io::Result<Vec<String>> {
    let mut findings = Vec::new();
    for (name, allowed) in EDGES {
        let manifest = fs::read_to_string(root.join("crates").join(name).join("Cargo.toml"))?;
        findings.extend(wrong_edges(name, allowed, &manifest));
    }
    let mut files = Vec::new();
    for folder in ["crates", "xtask", "bench", "fuzz"] {
        rust_files(&root.join(folder), &mut files)?;
    }
    files.sort();
    for file in files {
        let text = fs::read_to_string(&file)?;
        let place = file
            .strip_prefix(root)
            .unwrap_or(&file)
            .display()
            .to_string();
        findings.extend(broken_in_file(&place, &text));
    }
    Ok(findings)
}

fn wrong_edges(name: &str, allowed: &[&str], manifest: &str) -> Vec<String> {
    let normal = manifest
        .split("[dev-dependencies]")
        .next()
        .unwrap_or_default();
    let used = normal
        .lines()
        .filter_map(|line| line.split(['.', ' ', '=']).next());
    used.filter(|used| EDGES.iter().any(|(known, _)| known == used) && !allowed.contains(used))
        .filter(|used| *used != name)
        .map(|used| format!("crates/{name}/Cargo.toml: uses {used}, which does not stand below it (see ARCHITECTURE.md)"))
        .collect()
}

fn broken_in_file(place: &str, text: &str) -> Vec<String> {
    let mut findings = Vec::new();
    let is_tests = place.ends_with("tests.rs");
    if !text.starts_with("//!") && !is_tests {
        findings.push(format!(
            "{place}:1: no module header: a reader starts with what the file is for"
        ));
    }
    for (number, line) in text.lines().enumerate() {
        for leftover in LEFTOVERS.iter().filter(|leftover| line.contains(*leftover)) {
            findings.push(format!(
                "{place}:{}: {leftover} is not for committed code: finish it or leave it out",
                number + 1
            ));
        }
    }
    findings
}

fn rust_files(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    if !folder.is_dir() {
        return Ok(());
    }
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            rust_files(&path, files)?;
        } else if name.ends_with(".rs") {
            files.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tree_is_tidy() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        assert_eq!(findings(root).unwrap(), Vec::<String>::new());
    }

    #[test]
    fn a_wrong_edge_is_found() {
        let manifest = "[package]\nname = \"aidb\"\n[dependencies]\naethervec.workspace = true\n[dev-dependencies]\n";
        assert_eq!(wrong_edges("aidb", &["aether-env"], manifest).len(), 1);
        assert_eq!(wrong_edges("aidb", &["aethervec"], manifest).len(), 0);
    }

    #[test]
    fn leftovers_and_missing_headers_are_found() {
        let text = format!("fn f() {{ {} }}", concat!("to", "do!()"));
        assert_eq!(broken_in_file("a.rs", &text).len(), 2);
        assert_eq!(broken_in_file("a.rs", "//! A.\nfn f() {}").len(), 0);
    }
}
