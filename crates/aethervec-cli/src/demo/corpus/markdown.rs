//! Markdown as blocks of lines.

use super::{Block, Blocks, WORDS_TARGET};

/// The paragraphs, lists and tables of a page, with their headings.
pub(super) fn blocks(text: &str) -> Vec<Block> {
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
            let starts_item =
                line.starts_with("- ") || line.starts_with("* ") || line.starts_with("| ");
            if starts_item
                && !in_code
                && blocks
                    .current
                    .as_ref()
                    .is_some_and(|block| block.words() >= WORDS_TARGET)
            {
                blocks.end();
            }
            blocks.push(
                number,
                &headings.join(" › "),
                section,
                &if in_code {
                    line.to_owned()
                } else {
                    plain(line)
                },
            );
        }
    }
    blocks.end();
    blocks.done
}

/// A line that only draws: of a table, or across the page.
pub(super) fn is_rule(line: &str) -> bool {
    line.chars().all(|c| "|-: =─".contains(c))
}

/// Without what only lays out: emphasis, links' targets, table bars.
pub(super) fn plain(line: &str) -> String {
    let mut text = String::with_capacity(line.len());
    let mut rest = line
        .trim()
        .trim_start_matches("> ")
        .trim_matches('|')
        .trim();
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markdown_keeps_headings_and_lines() {
        let text = "# A\n\nfirst **bold** [link](x.md) paragraph of some words\n\n## B\n```sh\nrun this\n```\n| a | b |\n|---|---|\n";
        let blocks = blocks(text);
        assert_eq!(blocks[0].lines, ["first bold link paragraph of some words"]);
        assert_eq!((blocks[0].line, blocks[0].heading.as_str()), (3, "A"));
        assert_eq!((blocks[1].line, blocks[1].heading.as_str()), (7, "A › B"));
        assert_eq!(blocks[1].lines, ["run this", "a · b"]);
    }
}
