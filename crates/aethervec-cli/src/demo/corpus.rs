//! The project's documentation, cut into passages that can be found.
//!
//! A passage is one thought: a paragraph, several short ones below the same heading, or the doc comments of a few public
//! items that stand together. It knows its file, its line and its headings.

mod doc_comments;
mod markdown;

/// `(path, text)`, gathered by `build.rs`.
const FILES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/corpus.rs"));

/// Paragraphs below one heading are joined until they have about so many words.
const WORDS_TARGET: usize = 60;
/// A longer piece of text becomes several passages.
const WORDS_MAX: usize = 130;
/// What has fewer words is no answer to anything.
const WORDS_MIN: usize = 10;

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
        let nearest = self
            .heading
            .rsplit_once(" › ")
            .map_or("", |(_, nearest)| nearest);
        format!("{}\n{nearest}\n{}", self.heading, self.text)
    }
}

/// All passages of the documentation, in the order of files.
pub(crate) fn passages() -> Vec<Passage> {
    let mut passages = Vec::new();
    for (file, text) in FILES.iter().filter(|(file, _)| is_for_users(file)) {
        let blocks = if file.ends_with(".rs") {
            doc_comments::blocks(file, text)
        } else {
            markdown::blocks(text)
        };
        passages.extend(
            joined(blocks)
                .into_iter()
                .flat_map(split)
                .filter_map(|block| block.into_passage(file)),
        );
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
        self.lines
            .iter()
            .map(|line| line.split_whitespace().count())
            .sum()
    }

    fn into_passage(self, file: &str) -> Option<Passage> {
        let words = self.words();
        let text = self.lines.join("\n").trim().to_owned();
        let line = self.line;
        (words >= WORDS_MIN).then(|| Passage {
            file: file.to_owned(),
            line,
            heading: self.heading,
            text,
        })
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
        let block = self.current.get_or_insert_with(|| Block {
            line,
            heading: heading.to_owned(),
            section,
            lines: Vec::new(),
        });
        block.lines.push(text.to_owned());
    }

    fn end(&mut self) {
        self.done.extend(self.current.take());
    }
}

/// Neighbours below the same heading, joined to about [`WORDS_TARGET`] words.
fn joined(blocks: Vec<Block>) -> Vec<Block> {
    let mut result: Vec<Block> = Vec::new();
    for block in blocks {
        match result.last_mut() {
            Some(last)
                if last.section == block.section
                    && last.heading == block.heading
                    && last.words() + block.words() <= WORDS_TARGET * 3 / 2 =>
            {
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
            _ => result.push(Block {
                line: block.line + offset,
                lines: vec![line.clone()],
                ..block.clone()
            }),
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_text_is_cut_and_short_text_joined() {
        let long = Block {
            line: 10,
            heading: String::new(),
            section: 0,
            lines: vec!["w ".repeat(20); 20],
        };
        let pieces = split(long);
        assert!(
            pieces.iter().all(|piece| piece.words() <= WORDS_MAX),
            "{pieces:?}"
        );
        assert_eq!(
            pieces.iter().map(|piece| piece.lines.len()).sum::<usize>(),
            20
        );
        assert_eq!(pieces[1].line, 10 + pieces[0].lines.len());
    }

    #[test]
    fn the_documentation_is_here() {
        let passages = passages();
        assert!(
            passages
                .iter()
                .any(|passage| passage.file == "README.md" || passage.file.ends_with(".rs"))
        );
        assert!(
            passages
                .iter()
                .all(|passage| passage.line > 0 && !passage.text.is_empty())
        );
    }
}
