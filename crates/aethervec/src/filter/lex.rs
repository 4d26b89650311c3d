//! The tokens of the text form of filters.

use super::number::Number;
use super::path::{self, Path};
use crate::timestamp::Timestamp;
use std::ops::Range;

/// What is wrong with a text, and where.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) span: Range<usize>,
    pub(super) message: String,
}

impl Fault {
    pub(super) fn new(span: Range<usize>, message: impl Into<String>) -> Fault {
        Fault {
            span,
            message: message.into(),
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    /// A path, or a word of the language: they look the same.
    Word(Path),
    /// A path that begins with a quoted key.
    Path(Path),
    /// A text in quotes: a value, or a path of one quoted key.
    Quoted(String),
    Number(Number),
    Datetime(Timestamp),
    /// One of [`SYMBOLS`].
    Symbol(&'static str),
    End,
}

/// A token and where it is.
#[derive(Clone, Debug)]
pub(super) struct Spanned {
    pub(super) token: Token,
    pub(super) span: Range<usize>,
}

/// Longer ones first.
const SYMBOLS: [&str; 9] = ["!=", "<=", ">=", "<", ">", "=", "(", ")", ","];

/// The tokens of `text`; the last one is [`Token::End`].
pub(super) fn tokens(text: &str) -> Result<Vec<Spanned>, Fault> {
    let mut tokens = Vec::new();
    let mut at = 0;
    loop {
        at += text[at..].len() - text[at..].trim_start().len();
        let (token, bytes) = token(&text[at..], at)?;
        let is_end = token == Token::End;
        tokens.push(Spanned {
            token,
            span: at..at + bytes,
        });
        if is_end {
            return Ok(tokens);
        }
        at += bytes;
    }
}

/// The token that `text` begins with, and how many bytes it takes. `text` is at `at`.
fn token(text: &str, at: usize) -> Result<(Token, usize), Fault> {
    let Some(first) = text.chars().next() else {
        return Ok((Token::End, 0));
    };
    let here = |message: &str| Fault::new(at..at + first.len_utf8(), message);
    if first == '"' {
        return quoted_or_path(text, at);
    }
    if first.is_alphabetic() || first == '_' {
        return path(text, at).map(|(path, bytes)| (Token::Word(path), bytes));
    }
    if first.is_ascii_digit() || first == '-' {
        return number_or_datetime(text, at);
    }
    for (wrong, right) in [("==", "="), ("<>", "!="), ("&&", "and"), ("||", "or")] {
        if text.starts_with(wrong) {
            let message = format!("{wrong:?} is not known: write {right:?}");
            return Err(Fault::new(at..at + wrong.len(), message));
        }
    }
    match SYMBOLS.iter().find(|symbol| text.starts_with(**symbol)) {
        Some(symbol) => Ok((Token::Symbol(symbol), symbol.len())),
        None if first == '\'' => Err(here("texts stand in double quotes")),
        None if first == '!' => Err(here("\"!\" is not known: write \"not\"")),
        None => Err(here("this sign has no meaning here")),
    }
}

fn path(text: &str, at: usize) -> Result<(Path, usize), Fault> {
    match path::steps(text) {
        Ok((steps, bytes)) => Ok((Path::from_steps(steps), bytes)),
        Err((behind, reason)) => Err(Fault::new(at..at + behind, reason)),
    }
}

fn quoted_or_path(text: &str, at: usize) -> Result<(Token, usize), Fault> {
    let (string, bytes) =
        path::quoted(text).map_err(|reason| Fault::new(at..at + text.len(), reason))?;
    let behind = &text[bytes..];
    if behind.starts_with('.') || behind.starts_with("[]") {
        return path(text, at).map(|(path, bytes)| (Token::Path(path), bytes));
    }
    Ok((Token::Quoted(string), bytes))
}

fn number_or_datetime(text: &str, at: usize) -> Result<(Token, usize), Fault> {
    let bytes = text.as_bytes();
    let looks_like_date = bytes.len() >= 10
        && bytes[..4].iter().all(u8::is_ascii_digit)
        && (bytes[4], bytes[7]) == (b'-', b'-');
    if looks_like_date {
        let end = text
            .find(|sign: char| !(sign.is_ascii_alphanumeric() || "-+:.".contains(sign)))
            .unwrap_or(text.len());
        return match Timestamp::parse(&text[..end]) {
            Some(moment) => Ok((Token::Datetime(moment), end)),
            None => Err(Fault::new(
                at..at + end,
                "this is no datetime: write it like 2024-05-01T12:00:00Z or 2024-05-01",
            )),
        };
    }
    let end = number_end(bytes);
    let spelled = &text[..end];
    let number = spelled
        .parse::<i64>()
        .map(Number::from)
        .or_else(|_| spelled.parse::<u64>().map(Number::from))
        .or_else(|_| spelled.parse::<f64>().map(Number::from));
    match number {
        Ok(number) => Ok((Token::Number(number), end)),
        Err(_) => Err(Fault::new(at..at + end.max(1), "this is no number")),
    }
}

/// Where the number that `text` begins with ends.
fn number_end(text: &[u8]) -> usize {
    let digits = |from: usize| {
        let behind = text.get(from..).unwrap_or_default();
        from + behind
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count()
    };
    let whole = digits(usize::from(text.first() == Some(&b'-')));
    let fraction = if text.get(whole) == Some(&b'.') && digits(whole + 1) > whole + 1 {
        digits(whole + 1)
    } else {
        whole
    };
    if !matches!(text.get(fraction), Some(b'e' | b'E')) {
        return fraction;
    }
    let sign = usize::from(matches!(text.get(fraction + 1), Some(b'+' | b'-')));
    let exponent = digits(fraction + 1 + sign);
    if exponent > fraction + 1 + sign {
        exponent
    } else {
        fraction
    }
}
