//! Keys and values as people write and read them: text with escapes, or hexadecimal digits.
//!
//! Escapes are `\n`, `\r`, `\t`, `\\` and `\xNN`. What is printed can be given as an argument, and means the same bytes.

use crate::failure::{Failure, Outcome};

/// How bytes are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Text,
    Hex,
}

impl Form {
    /// The bytes that `text` means; `what` names it in the error.
    pub(super) fn parse(self, what: &str, text: &str) -> Outcome<Vec<u8>> {
        let parsed = match self {
            Form::Text => unescape(text),
            Form::Hex => unhex(text),
        };
        parsed.map_err(|reason| Failure::invalid(format!("{what} {text:?}: {reason}")))
    }

    /// `bytes` as `parse` reads them.
    pub(super) fn show(self, bytes: &[u8]) -> String {
        match self {
            Form::Text => escape(bytes),
            Form::Hex => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
        }
    }
}

fn unescape(text: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        let (escaped, used) = match rest {
            [b'n', ..] => (b'\n', 1),
            [b'r', ..] => (b'\r', 1),
            [b't', ..] => (b'\t', 1),
            [b'\\', ..] => (b'\\', 1),
            [b'x', high, low, ..] => (digits(*high, *low)?, 3),
            _ => {
                return Err(
                    "a backslash begins \\n, \\r, \\t, \\\\ or \\xNN; write \\\\ for itself"
                        .to_owned(),
                );
            }
        };
        bytes.push(escaped);
        rest = &rest[used..];
    }
    Ok(bytes)
}

fn unhex(text: &str) -> Result<Vec<u8>, String> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return Err("an even number of hexadecimal digits is needed".to_owned());
    }
    pairs
        .iter()
        .map(|[high, low]| digits(*high, *low))
        .collect()
}

fn digits(high: u8, low: u8) -> Result<u8, String> {
    let digit = |byte: u8| {
        char::from(byte)
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
    };
    match (digit(high), digit(low)) {
        (Some(high), Some(low)) => Ok(high << 4 | low),
        _ => Err("two hexadecimal digits are needed".to_owned()),
    }
}

fn escape(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for letter in chunk.valid().chars() {
            match letter {
                '\n' => text.push_str("\\n"),
                '\r' => text.push_str("\\r"),
                '\t' => text.push_str("\\t"),
                '\\' => text.push_str("\\\\"),
                letter if letter.is_control() => {
                    let mut encoded = [0; 4];
                    push_bytes(&mut text, letter.encode_utf8(&mut encoded).as_bytes());
                }
                letter => text.push(letter),
            }
        }
        push_bytes(&mut text, chunk.invalid());
    }
    text
}

fn push_bytes(text: &mut String, bytes: &[u8]) {
    for byte in bytes {
        text.push_str(&format!("\\x{byte:02x}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_means_the_same_bytes() {
        let samples: [&[u8]; 6] = [
            b"",
            b"plain",
            "größer → \\ \u{7f}\u{85}".as_bytes(),
            b"\0\x01\n\r\t\\x41",
            b"half \xe2\x82 a letter",
            &[0xff; 3],
        ];
        for bytes in samples {
            for form in [Form::Text, Form::Hex] {
                assert_eq!(
                    form.parse("key", &form.show(bytes)).unwrap(),
                    bytes,
                    "{form:?}"
                );
            }
            let shown = Form::Text.show(bytes);
            assert!(!shown.chars().any(char::is_control), "{shown:?}");
        }
        assert_eq!(Form::Text.show("grün\n".as_bytes()), "grün\\n");
        assert_eq!(Form::Hex.show(b"a\xff"), "61ff");
    }

    #[test]
    fn mistakes_are_named() {
        for (form, text, reason) in [
            (Form::Text, "a\\", "backslash"),
            (Form::Text, "\\q", "backslash"),
            (Form::Text, "\\x4", "backslash"),
            (Form::Text, "\\xzz", "two hexadecimal digits"),
            (Form::Hex, "123", "even number"),
            (Form::Hex, "zz", "two hexadecimal digits"),
            (Form::Hex, "ä", "two hexadecimal digits"),
        ] {
            let failure = form.parse("key", text).unwrap_err().to_string();
            assert!(
                failure.contains(reason) && failure.starts_with("key "),
                "{failure}"
            );
        }
    }
}
