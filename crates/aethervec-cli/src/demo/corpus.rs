//! The project's documentation, cut into passages that can be found.
//!
//! A passage is one thought: a paragraph, several short ones below the same heading, or the doc comments of a few public
//! items that stand together. It knows its file, its line and its headings.

/// `(path, text)`, gathered by `build.rs`.
const FILES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/corpus.rs"));

/// Paragraphs below one heading are joined until they have about so many words.
const WORDS_TARGET: usize = 60;
/// A longer piece of text becomes several passages.
const WORDS_MAX: usize = 130;
/// What has fewer words is no answer to anything.
const WORDS_MIN: usize = 5;

/// A piece of documentation.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Passage {
    /// Where it stands, from the project's root.
    pub(crate) file: String,
    /// Its first line.
    pub(crate) line: usize,
    /// Its heading with those above it, or the path of the item.
    pub(crate) heading: String,
    /// The text, without markup that only lays it out.
    pub(crate) text: String,
}

impl Passage {
    /// What is embedded: the nearest heading counts like something that the text says twice.
    pub(crate) fn embedded(&self) -> String {
        let nearest = self.heading.rsplit(" › ").next().unwrap_or_default();
        format!("{}\n{nearest}\n{}", self.heading, self.text)
    }
}

/// All passages of the documentation, in the order of files.
pub(crate) fn passages() -> Vec<Passage> {
    let mut passages = Vec::new();
    for (file, text) in FILES.iter().filter(|(file, _)| is_for_users(file)) {
        let blocks = if file.ends_with(".rs") { rust_blocks(file, text) } else { markdown_blocks(text) };
        passages.extend(joined(blocks).into_iter().flat_map(split).filter_map(|block| block.into_passage(file)));
    }
    passages
}

/// How the command line works inside is nobody's question; what it offers is.
fn is_for_users(file: &str) -> bool {
    !file.starts_with("crates/aethervec-cli/") || file.ends_with("/args.rs")
}

/// How many files there are.
pub(crate) fn files() -> usize {
    FILES.iter().filter(|(file, _)| is_for_users(file)).count()
}

/// Lines that belong together.
#[derive(Clone, Debug, PartialEq)]
struct Block {
    line: usize,
    heading: String,
    /// Blocks with different numbers are never joined.
    section: usize,
    lines: Vec<String>,
}

impl Block {
    fn words(&self) -> usize {
        self.lines.iter().map(|line| line.split_whitespace().count()).sum()
    }

    fn into_passage(self, file: &str) -> Option<Passage> {
        let words = self.words();
        let text = self.lines.join("\n").trim().to_owned();
        let line = self.line;
        (words >= WORDS_MIN).then(|| Passage { file: file.to_owned(), line, heading: self.heading, text })
    }
}

/// Gathers lines to blocks.
#[derive(Default)]
struct Blocks {
    done: Vec<Block>,
    current: Option<Block>,
}

impl Blocks {
    fn push(&mut self, line: usize, heading: &str, section: usize, text: &str) {
        let block = self.current.get_or_insert_with(|| Block { line, heading: heading.to_owned(), section, lines: Vec::new() });
        block.lines.push(text.to_owned());
    }

    fn end(&mut self) {
        self.done.extend(self.current.take());
    }
}

fn markdown_blocks(text: &str) -> Vec<Block> {
    let mut blocks = Blocks::default();
    let mut headings: Vec<String> = Vec::new();
    let (mut section, mut in_code) = (0, false);
    for (number, line) in (1..).zip(text.lines()) {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
            continue;
        }
        let level = line.bytes().take_while(|&byte| byte == b'#').count();
        if !in_code && level > 0 && line[level..].starts_with(' ') {
            blocks.end();
            section += 1;
            headings.truncate(level - 1);
            headings.push(plain(line[level..].trim()));
        } else if line.trim().is_empty() && !in_code {
            blocks.end();
        } else if !is_rule(line) {
            let starts_item = line.starts_with("- ") || line.starts_with("* ") || line.starts_with("| ");
            if starts_item && !in_code && blocks.current.as_ref().is_some_and(|block| block.words() >= WORDS_TARGET) {
                blocks.end();
            }
            blocks.push(number, &headings.join(" › "), section, &if in_code { line.to_owned() } else { plain(line) });
        }
    }
    blocks.end();
    blocks.done
}

/// A line that only draws: of a table, or across the page.
fn is_rule(line: &str) -> bool {
    line.chars().all(|c| "|-: =─".contains(c))
}

/// Without what only lays out: emphasis, links' targets, table bars.
fn plain(line: &str) -> String {
    let mut text = String::with_capacity(line.len());
    let mut rest = line.trim().trim_start_matches("> ").trim_matches('|').trim();
    while let Some(at) = rest.find(['*', '[', '|']) {
        text.push_str(&rest[..at]);
        let tail = &rest[at..];
        rest = match link(tail) {
            Some((label, after)) => {
                text.push_str(label);
                after
            }
            None if tail.starts_with("**") => &tail[2..],
            None if tail.starts_with('|') => {
                text.push('·');
                &tail[1..]
            }
            None => {
                text.push_str(&tail[..1]);
                &tail[1..]
            }
        };
    }
    text.push_str(rest);
    text
}

/// `[label](target)` or `[label]` at the start of `text`, and what follows.
fn link(text: &str) -> Option<(&str, &str)> {
    let (label, rest) = text.strip_prefix('[')?.split_once(']')?;
    if let Some(target) = rest.strip_prefix('(') {
        return target.split_once(')').map(|(_, after)| (label, after));
    }
    // A Rust doc link; a list of numbers stays what it is.
    label.starts_with('`').then_some((label, rest))
}

/// The doc comments of a file that `build.rs` has reduced to them: the module's, then those of public items.
fn rust_blocks(file: &str, text: &str) -> Vec<Block> {
    let module = module_path(file);
    let mut module_lines: Vec<(usize, &str)> = Vec::new();
    let mut groups = Groups::new(&module);
    let mut comment: Vec<(usize, &str)> = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        if let Some(line) = line.strip_prefix("//!") {
            module_lines.push((number, line));
        } else if let Some(line) = line.strip_prefix("///") {
            comment.push((number, line));
        } else if !comment.is_empty() {
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
        let is_type = ["struct ", "enum ", "trait ", "union "].iter().any(|word| code.starts_with(word));
        let is_variant = code.starts_with(|c: char| c.is_ascii_uppercase());
        let is_trait_method = code.starts_with("fn ") && code.ends_with(';');
        if public.is_none() && !crate_is_public && !is_variant && !is_trait_method {
            return None;
        }
        const KEYWORDS: [&str; 10] = ["fn", "struct", "enum", "trait", "union", "const", "static", "type", "mod", "unsafe"];
        let mut words = code.split(|c: char| !(c.is_alphanumeric() || c == '_')).filter(|word| !word.is_empty());
        words.find(|word| !KEYWORDS.contains(word)).map(|name| Item { name, is_type })
    }
}

/// Joins the comments of neighbouring items: one alone says too little to be found.
struct Groups<'a> {
    module: &'a str,
    done: Vec<Block>,
}

impl<'a> Groups<'a> {
    fn new(module: &'a str) -> Groups<'a> {
        Groups { module, done: Vec::new() }
    }

    fn push(&mut self, item: &Item<'_>, comment: &[(usize, String)]) {
        let Some((line, _)) = comment.first() else { return };
        let words: usize = comment.iter().map(|(_, text)| text.split_whitespace().count()).sum();
        let mut lines: Vec<String> = comment.iter().map(|(_, text)| text.clone()).filter(|text| !text.is_empty()).collect();
        let section = self.done.len() + 1;
        let stands_alone = item.is_type || words >= WORDS_TARGET / 2;
        match self.done.last_mut() {
            Some(group) if group.words() < if stands_alone { WORDS_TARGET / 3 } else { WORDS_TARGET } => {
                if let Some(first) = lines.first_mut() {
                    *first = format!("`{}`: {first}", item.name);
                }
                group.lines.extend(lines);
            }
            _ => self.done.push(Block { line: *line, heading: format!("{}::{}", self.module, item.name), section, lines }),
        }
    }
}

/// `crates/aidb/src/wal/reader.rs` is `aidb::wal::reader`.
fn module_path(file: &str) -> String {
    let file = file.strip_prefix("crates/").unwrap_or(file);
    let path = file.trim_end_matches(".rs").trim_end_matches("/mod").replacen("/src", "", 1).replace('-', "_");
    path.trim_end_matches("/lib").trim_end_matches("/main").replace('/', "::")
}

/// Neighbours below the same heading, joined to about [`WORDS_TARGET`] words.
fn joined(blocks: Vec<Block>) -> Vec<Block> {
    let mut result: Vec<Block> = Vec::new();
    for block in blocks {
        match result.last_mut() {
            Some(last) if last.section == block.section && last.heading == block.heading && last.words() + block.words() <= WORDS_TARGET * 3 / 2 => {
                last.lines.push(String::new());
                last.lines.extend(block.lines);
            }
            _ => result.push(block),
        }
    }
    result
}

/// Pieces of at most about [`WORDS_MAX`] words, cut between lines.
fn split(block: Block) -> Vec<Block> {
    let pieces = block.words().div_ceil(WORDS_MAX).max(1);
    let share = block.words().div_ceil(pieces);
    let mut result: Vec<Block> = Vec::new();
    for (offset, line) in block.lines.iter().enumerate() {
        match result.last_mut() {
            Some(last) if last.words() < share => last.lines.push(line.clone()),
            _ => result.push(Block { line: block.line + offset, lines: vec![line.clone()], ..block.clone() }),
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markdown_keeps_headings_and_lines() {
        let text = "# A\n\nfirst **bold** [link](x.md) paragraph of some words\n\n## B\n```sh\nrun this\n```\n| a | b |\n|---|---|\n";
        let blocks = markdown_blocks(text);
        assert_eq!(blocks[0].lines, ["first bold link paragraph of some words"]);
        assert_eq!((blocks[0].line, blocks[0].heading.as_str()), (3, "A"));
        assert_eq!((blocks[1].line, blocks[1].heading.as_str()), (7, "A › B"));
        assert_eq!(blocks[1].lines, ["run this", "a · b"]);
    }

    #[test]
    fn doc_comments_of_public_items_are_joined() {
        let text = "//! About the module.\n\n/// What it does,\n/// at length.\n///\n/// # Errors\n/// When it fails.\npub fn go(x: u8) {\n\n\
                    /// A [`field`](x).\npub name: String,\n/// Private.\nfn hidden() {\n/// Crate.\npub(crate) fn inside() {\n";
        let blocks = rust_blocks("crates/aidb/src/wal/reader.rs", text);
        assert_eq!((blocks[0].heading.as_str(), blocks[0].line), ("aidb::wal::reader", 1));
        let lines = ["About the module.", "What it does,", "at length.", "Errors", "When it fails.", "`name`: A `field`."];
        assert_eq!(blocks[0].lines, lines);
        assert_eq!(blocks.len(), 1);
        let long = format!("//! {}\n{text}", "word ".repeat(40));
        let blocks = rust_blocks("crates/aidb/src/lib.rs", &long);
        assert_eq!((blocks[0].heading.as_str(), blocks[1].heading.as_str(), blocks[1].line), ("aidb", "aidb::go", 4));
    }

    #[test]
    fn long_text_is_cut_and_short_text_joined() {
        let long = Block { line: 10, heading: String::new(), section: 0, lines: vec!["w ".repeat(20); 20] };
        let pieces = split(long);
        assert!(pieces.iter().all(|piece| piece.words() <= WORDS_MAX), "{pieces:?}");
        assert_eq!(pieces.iter().map(|piece| piece.lines.len()).sum::<usize>(), 20);
        assert_eq!(pieces[1].line, 10 + pieces[0].lines.len());
    }

    #[test]
    fn the_documentation_is_here() {
        let passages = passages();
        assert!(passages.iter().any(|passage| passage.file == "README.md" || passage.file.ends_with(".rs")));
        assert!(passages.iter().all(|passage| passage.line > 0 && !passage.text.is_empty()));
    }
}
