//! `key`.

use crate::args::key::{ActionName, Holder, Key as KeyArgs, KeyCommand};
use crate::commands::serve;
use crate::failure::{Failure, Outcome};
use crate::output::Output;
use aethervec_server::auth::{Action, Entry, Key, KeyHash};
use serde_json::json;
use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::io::{Read, Write};
use std::path::Path;

/// Bytes of a key that are read, at most.
const KEY_BYTES_MAX: u64 = 8_192;

/// `aethervec key`.
pub(crate) fn run(out: Output, args: &KeyArgs) -> Outcome {
    match &args.command {
        KeyCommand::New { holder, file } => {
            let key = Key::generate().map_err(serve::failure)?;
            let line = line(holder, key.hash())?;
            out.object(&json!({"key": key.reveal(), "line": line}));
            out.line(key.reveal());
            match file {
                Some(file) => append(file, &line)?,
                None => out.line(&line),
            }
            out.note("the key is not shown again: the line has only its hash");
        }
        KeyCommand::Hash { holder } => {
            let mut text = String::new();
            let mut input = std::io::stdin().take(KEY_BYTES_MAX);
            input
                .read_to_string(&mut text)
                .map_err(|error| Failure::invalid(format!("key: {error}")))?;
            let key = Key::from_text(text.trim_end_matches(['\r', '\n']));
            let line = line(holder, key.map_err(serve::failure)?.hash())?;
            out.object(&json!({"line": line}));
            out.line(&line);
        }
    }
    Ok(())
}

fn line(holder: &Holder, hash: KeyHash) -> Outcome<String> {
    let collections = BTreeSet::from_iter(holder.collections.iter().cloned());
    let entry = Entry {
        name: holder.name.clone(),
        key: Some(hash.to_string()),
        certificate: None,
        actions: actions(holder),
        tenant: holder.tenant.clone(),
        collections: (!collections.is_empty()).then_some(collections),
        expires: holder.expires.clone(),
    };
    entry.check().map_err(serve::failure)?;
    Ok(entry.to_line())
}

fn actions(holder: &Holder) -> BTreeSet<Action> {
    if holder.read_only {
        return [Action::Read].into();
    }
    let named = holder.actions.iter().map(|action| match action {
        ActionName::Read => Action::Read,
        ActionName::Write => Action::Write,
        ActionName::Manage => Action::Manage,
        ActionName::Administer => Action::Administer,
        ActionName::Observe => Action::Observe,
    });
    let named = BTreeSet::from_iter(named);
    if !named.is_empty() {
        return named;
    }
    match holder.tenant.is_some() || !holder.collections.is_empty() {
        true => Action::OF_A_TENANT.into(),
        false => Action::ALL.into(),
    }
}

/// Appends a line to the file, which is made if it is missing, for nobody else to read.
fn append(path: &Path, line: &str) -> Outcome {
    use std::os::unix::fs::OpenOptionsExt;
    let written = OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| {
            writeln!(file, "{line}")?;
            file.sync_all()
        });
    written.map_err(|error| Failure::invalid(format!("file: {}: {error}", path.display())))
}
