//! Gathers the project's documentation for `aethervec demo`: Markdown as it is, Rust files with only their doc comments.
//!
//! Writes `corpus.rs` to `OUT_DIR`: a constant list of `(path, text)`. Of a Rust file all lines but doc comments, and the line
//! of code behind each, are emptied, so that line numbers stay right. Files that are missing (as in a packaged crate)
//! are no error.

use std::fmt::Write;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

fn main() -> io::Result<()> {
    let manifest = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let root = match manifest.parent().and_then(Path::parent) {
        Some(root) if root.join("ARCHITECTURE.md").is_file() => root.to_owned(),
        _ => manifest,
    };
    let mut paths: Vec<PathBuf> = ["README.md", "ARCHITECTURE.md", "CHANGELOG.md"]
        .map(|name| root.join(name))
        .into();
    collect(&root.join("docs"), "md", &mut paths);
    for krate in subdirectories(&root.join("crates")) {
        collect(&krate.join("src"), "rs", &mut paths);
    }
    collect(&root.join("bench"), "md", &mut paths);
    paths.sort();

    let mut list = String::from("&[\n");
    for path in paths {
        println!("cargo::rerun-if-changed={}", path.display());
        let Ok(text) = fs::read_to_string(&path) else {
            continue;
        };
        let text = if path.extension().is_some_and(|extension| extension == "rs") {
            doc_comments(&text)
        } else {
            text
        };
        let name = path
            .strip_prefix(&root)
            .unwrap_or(&path)
            .to_string_lossy()
            .replace('\\', "/");
        writeln!(list, "    ({name:?}, {text:?}),").map_err(io::Error::other)?;
    }
    list.push_str("]\n");
    for watched in ["docs", "crates", "bench"] {
        println!("cargo::rerun-if-changed={}", root.join(watched).display());
    }
    let out = PathBuf::from(std::env::var_os("OUT_DIR").unwrap_or_default());
    fs::write(out.join("corpus.rs"), list)
}

/// Appends all files below `directory` whose names end so, but not what builds and tests leave there.
fn collect(directory: &Path, extension: &str, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(directory) else {
        return;
    };
    for path in entries.flatten().map(|entry| entry.path()) {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if path.is_dir()
            && !name.starts_with('.')
            && !["target", "data", "tests", "node_modules"].contains(&&*name)
        {
            collect(&path, extension, found);
        } else if path.extension().is_some_and(|found| found == extension) && name != "tests.rs" {
            found.push(path);
        }
    }
}

fn subdirectories(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(directory) else {
        return Vec::new();
    };
    entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.is_dir())
        .collect()
}

/// The doc comments, and the line of code behind each; other lines are emptied.
fn doc_comments(source: &str) -> String {
    let mut kept = String::new();
    let mut documented = false;
    let mut brackets_open = 0;
    for line in source.lines() {
        let code = line.trim_start();
        let is_doc = code.starts_with("///") || code.starts_with("//!");
        let is_attribute = brackets_open > 0 || code.starts_with('#');
        if code.starts_with("mod tests") {
            break;
        }
        if is_attribute {
            brackets_open += code.matches(['[', '(']).count();
            brackets_open = brackets_open.saturating_sub(code.matches([']', ')']).count());
        }
        if is_doc || (documented && !is_attribute) {
            kept.push_str(line.trim());
        }
        documented = code.starts_with("///") || (documented && is_attribute);
        kept.push('\n');
    }
    kept
}
