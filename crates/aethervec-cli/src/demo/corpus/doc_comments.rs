//! Doc comments of Rust as blocks of lines.

use super::markdown::{is_rule, plain};
use super::{Block, Blocks, WORDS_TARGET};

/// The doc comments of a file that `build.rs` has reduced to them: the module's, then those of public items.
pub(super) fn blocks(file: &str, text: &str) -> Vec<Block> {
    let module = module_path(file);
    let mut module_lines: Vec<(usize, &str)> = Vec::new();
    let mut groups = Groups::new(&module);
    let mut comment: Vec<(usize, &str)> = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        if let Some(line) = line.strip_prefix("//!") {
            module_lines.push((number, line));
        } else if let Some(line) = line.strip_prefix("///") {
            comment.push((number, line));
        } else if !comment.is_empty() && !line.is_empty() {
            if let Some(item) = Item::of(line, file.ends_with("/args.rs")) {
                groups.push(&item, &readable(&comment));
            }
            comment.clear();
        }
    }
    let mut blocks = Blocks::default();
    for (number, line) in readable(&module_lines) {
        match line.is_empty() {
            true => blocks.end(),
            false => blocks.push(number, &module, 0, &line),
        }
    }
    blocks.end();
    with_introduction(blocks.done, groups.done)
}

/// What a module says of itself in a few words introduces its first item; at length, it stands for itself.
fn with_introduction(mut module: Vec<Block>, mut items: Vec<Block>) -> Vec<Block> {
    if let ([introduction], Some(first)) = (module.as_slice(), items.first_mut())
        && introduction.words() < WORDS_TARGET / 2
    {
        first.lines.splice(0..0, introduction.lines.iter().cloned());
        (first.line, first.heading) = (introduction.line, introduction.heading.clone());
        return items;
    }
    module.append(&mut items);
    module
}

/// The lines of a comment without markup, hidden lines of examples, and fences.
fn readable(comment: &[(usize, &str)]) -> Vec<(usize, String)> {
    let mut in_code = false;
    let mut lines = Vec::new();
    for &(number, line) in comment {
        let line = line.strip_prefix(' ').unwrap_or(line);
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        } else if in_code {
            lines.extend((!line.starts_with('#')).then(|| (number, line.to_owned())));
        } else if line.trim().is_empty() || !is_rule(line) {
            lines.push((number, plain(line.trim_start_matches('#').trim())));
        }
    }
    lines
}

/// What a doc comment is about.
#[derive(Debug, PartialEq)]
struct Item<'a> {
    name: &'a str,
    /// Fields, variants and methods follow it.
    is_type: bool,
}

impl Item<'_> {
    /// From the line of code behind the comment; `None` for what users never meet.
    fn of(line: &str, crate_is_public: bool) -> Option<Item<'_>> {
        let line = match line.strip_prefix("pub(crate) ") {
            Some(rest) if crate_is_public => rest,
            Some(_) => return None,
            None => line,
        };
        let public = line.strip_prefix("pub ");
        let code = public.unwrap_or(line);
        let is_type = ["struct ", "enum ", "trait ", "union "]
            .iter()
            .any(|word| code.starts_with(word));
        let is_variant = code.starts_with(|c: char| c.is_ascii_uppercase());
        let is_trait_method = code.starts_with("fn ") && code.ends_with(';');
        if public.is_none() && !crate_is_public && !is_variant && !is_trait_method {
            return None;
        }
        const KEYWORDS: [&str; 10] = [
            "fn", "struct", "enum", "trait", "union", "const", "static", "type", "mod", "unsafe",
        ];
        let mut words = code
            .split(|c: char| !(c.is_alphanumeric() || c == '_'))
            .filter(|word| !word.is_empty());
        words
            .find(|word| !KEYWORDS.contains(word))
            .map(|name| Item { name, is_type })
    }
}

/// Joins the comments of neighbouring items: one alone says too little to be found.
struct Groups<'a> {
    module: &'a str,
    /// The type in whose braces we are.
    within: String,
    done: Vec<Block>,
}

impl<'a> Groups<'a> {
    fn new(module: &'a str) -> Groups<'a> {
        Groups {
            module,
            within: String::new(),
            done: Vec::new(),
        }
    }

    /// The path of an item; of what the command line offers, the command.
    fn heading(&self, item: &Item<'_>) -> String {
        match self.module.strip_suffix("_cli::args") {
            Some(binary) => format!("{binary} {}", self.within.to_lowercase()),
            None => format!("{}::{}", self.module, item.name),
        }
    }

    fn push(&mut self, item: &Item<'_>, comment: &[(usize, String)]) {
        let Some((line, _)) = comment.first() else {
            return;
        };
        let words: usize = comment
            .iter()
            .map(|(_, text)| text.split_whitespace().count())
            .sum();
        let mut lines: Vec<String> = comment
            .iter()
            .map(|(_, text)| text.clone())
            .filter(|text| !text.is_empty())
            .collect();
        if item.is_type {
            item.name.clone_into(&mut self.within);
        }
        let section = self.done.len() + 1;
        let stands_alone = item.is_type || words >= WORDS_TARGET / 2;
        match self.done.last_mut() {
            Some(group)
                if group.words()
                    < if stands_alone {
                        WORDS_TARGET / 3
                    } else {
                        WORDS_TARGET
                    } =>
            {
                if let Some(first) = lines.first_mut() {
                    *first = format!("`{}`: {first}", item.name);
                }
                group.lines.extend(lines);
            }
            _ => self.done.push(Block {
                line: *line,
                heading: self.heading(item),
                section,
                lines,
            }),
        }
    }
}

/// `crates/aidb/src/wal/reader.rs` is `aidb::wal::reader`.
fn module_path(file: &str) -> String {
    let file = file.strip_prefix("crates/").unwrap_or(file);
    let path = file
        .trim_end_matches(".rs")
        .trim_end_matches("/mod")
        .replacen("/src", "", 1)
        .replace('-', "_");
    path.trim_end_matches("/lib")
        .trim_end_matches("/main")
        .replace('/', "::")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doc_comments_of_public_items_are_joined() {
        let text = "//! About the module.\n\n/// What it does,\n/// at length.\n///\n/// # Errors\n/// When it fails.\npub fn go(x: u8) {\n\n\
                    /// A [`field`](x).\npub name: String,\n/// Private.\nfn hidden() {\n/// Crate.\npub(crate) fn inside() {\n";
        let blocks = blocks("crates/aidb/src/wal/reader.rs", text);
        assert_eq!(
            (blocks[0].heading.as_str(), blocks[0].line),
            ("aidb::wal::reader", 1)
        );
        let lines = [
            "About the module.",
            "What it does,",
            "at length.",
            "Errors",
            "When it fails.",
            "`name`: A `field`.",
        ];
        assert_eq!(blocks[0].lines, lines);
        assert_eq!(blocks.len(), 1);
        let long = format!("//! {}\n{text}", "word ".repeat(40));
        let blocks = super::blocks("crates/aidb/src/lib.rs", &long);
        assert_eq!(
            (
                blocks[0].heading.as_str(),
                blocks[1].heading.as_str(),
                blocks[1].line
            ),
            ("aidb", "aidb::go", 4)
        );
    }
}
