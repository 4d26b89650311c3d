//! Errors in texts that people write: where, what, and the line itself with the place marked.
//!
//! ```text
//! filter, line 1, column 8: expected a value, found "and"
//!   lang = and
//!          ^^^
//! ```

use crate::error::Error;
use std::ops::Range;

/// Of a longer line only the part around the place is shown.
const SHOWN_CHARS: usize = 60;

/// An error about the bytes `span` of `text`; `what` says what `text` is.
pub(crate) fn error_at(what: &str, text: &str, span: Range<usize>, message: &str) -> Error {
    let start = text.floor_char_boundary(span.start);
    let end = text.ceil_char_boundary(span.end.max(start));
    let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
    let line_end = text[start..].find('\n').map_or(text.len(), |at| start + at);
    let line = text[..line_start].matches('\n').count() + 1;
    let before = &text[line_start..start];
    let marked = &text[start..end.min(line_end)];
    let behind = &text[start + marked.len()..line_end];
    let column = before.chars().count() + 1;
    let (shown_before, cut) = last_chars(before, SHOWN_CHARS);
    let shown_marked = first_chars(marked, SHOWN_CHARS);
    let shown_behind = first_chars(behind, SHOWN_CHARS);
    let lead = if cut { "…" } else { "" };
    let indent = " ".repeat(lead.chars().count() + shown_before.chars().count());
    let carets = "^".repeat(shown_marked.chars().count().max(1));
    // Tabs and the like would shift the marks.
    let shown: String = format!("{lead}{shown_before}{shown_marked}{shown_behind}")
        .chars()
        .map(|sign| if sign.is_control() { ' ' } else { sign })
        .collect();
    let shown = shown.trim_end();
    Error::invalid(format!(
        "{what}, line {line}, column {column}: {message}\n  {shown}\n  {indent}{carets}"
    ))
}

/// The error of `serde_json` about `text`, with the place marked.
pub(crate) fn json_error(what: &str, text: &str, error: &serde_json::Error) -> Error {
    let line_start = text
        .split_inclusive('\n')
        .take(error.line().saturating_sub(1))
        .map(str::len)
        .sum::<usize>();
    // The reader stands behind the token that it cannot use.
    let end = (line_start + error.column()).min(text.len());
    let start = token_start(&text.as_bytes()[..end]);
    let full = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    let message = full.strip_suffix(&place).unwrap_or(&full);
    error_at(what, text, start..end, message)
}

/// Where the last token of `text` begins.
fn token_start(text: &[u8]) -> usize {
    let Some((&last, before)) = text.split_last() else {
        return 0;
    };
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-._".contains(byte);
    match last {
        b'"' => before
            .iter()
            .rposition(|&byte| byte == b'"')
            .unwrap_or(before.len()),
        last if is_word(&last) => before
            .iter()
            .rposition(|byte| !is_word(byte))
            .map_or(0, |at| at + 1),
        _ => before.len(),
    }
}

fn first_chars(text: &str, count: usize) -> &str {
    let end = text
        .char_indices()
        .nth(count)
        .map_or(text.len(), |(at, _)| at);
    &text[..end]
}

/// The last signs of `text`, and whether there are more.
fn last_chars(text: &str, count: usize) -> (&str, bool) {
    match text.char_indices().rev().nth(count) {
        None => (text, false),
        Some((at, sign)) => (&text[at + sign.len_utf8()..], true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_is_marked() {
        let text = "lang = \"en\"\nand y\u{e4}r ?? 3";
        let at = text.find("??").unwrap();
        assert_eq!(
            error_at("filter", text, at..at + 2, "no").to_string(),
            "filter, line 2, column 9: no\n  and y\u{e4}r ?? 3\n          ^^"
        );
        assert_eq!(
            error_at("filter", "", 0..0, "no").to_string(),
            "filter, line 1, column 1: no\n  \n  ^"
        );
    }

    #[test]
    fn long_lines_are_cut() {
        let text = format!("{} X {}", "a".repeat(500), "b".repeat(500));
        let error = error_at("filter", &text, 501..502, "no").to_string();
        let mut lines = error.lines().skip(1);
        let (shown, marks) = (lines.next().unwrap(), lines.next().unwrap());
        let position = marks.chars().position(|sign| sign == '^').unwrap();
        assert_eq!(shown.chars().nth(position), Some('X'));
        assert!(shown.chars().count() < 150);
    }

    #[test]
    fn any_place_in_any_text_can_be_marked() {
        let mut random = fastrand::Rng::with_seed(5);
        for _ in 0..2_000 {
            let text: String = (0..random.usize(..20)).map(|_| random.char(..)).collect();
            let start = random.usize(..=text.len());
            let end = random.usize(..=text.len() + 3);
            error_at("x", &text, start..end.min(text.len()), "m");
        }
    }
}
