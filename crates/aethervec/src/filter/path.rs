//! Paths into a payload: `title`, `author.name`, `items[].price`, `"odd key".x`.

use crate::error::{Error, Result};
use crate::limits;
use serde_json::Value;
use std::fmt::{self, Write};

/// Where to look in a payload: keys with dots between them.
///
/// `[]` behind a key stands for each element of the array there. A key that is not made of letters, digits, `_` and `-` is written
/// in double quotes, as JSON writes strings.
///
/// A text that is no path can be converted too, for the sake of builders: it reaches nothing, and the call that uses it
/// fails with an error that says what is wrong.
///
/// ```
/// use aethervec::Path;
///
/// assert_eq!(Path::from("items[].price").to_string(), "items[].price");
/// assert_eq!(Path::key("not a word").to_string(), "\"not a word\"");
/// assert!(Path::parse("a..b").is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Path(Repr);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Repr {
    Steps(Vec<Step>),
    /// What somebody gave for a path.
    Bad(String),
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Step {
    /// To the field of this name.
    Key(String),
    /// To each element of an array.
    Each,
}

impl Path {
    /// The path that `text` spells.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) when it is none, or too long.
    pub fn parse(text: &str) -> Result<Path> {
        Ok(Path(Repr::Steps(parse(text)?)))
    }

    /// The field called `key`, whatever its name looks like.
    pub fn key(key: impl Into<String>) -> Path {
        Path(Repr::Steps(vec![Step::Key(key.into())]))
    }

    pub(crate) fn from_steps(steps: Vec<Step>) -> Path {
        Path(Repr::Steps(steps))
    }

    /// Fails when this is no path.
    pub(crate) fn validate(&self) -> Result<()> {
        match &self.0 {
            Repr::Steps(steps) => check_size(steps, self),
            Repr::Bad(text) => parse(text).map(drop),
        }
    }

    /// The steps from the payload to the values; none if this is no path.
    pub(crate) fn steps(&self) -> &[Step] {
        match &self.0 {
            Repr::Steps(steps) => steps,
            Repr::Bad(_) => &[],
        }
    }

    /// Whether `holds` is true for one of the values in `root` that this reaches.
    pub(crate) fn any(&self, root: &Value, mut holds: impl FnMut(&Value) -> bool) -> bool {
        match &self.0 {
            Repr::Steps(steps) => any(steps, root, &mut holds),
            Repr::Bad(_) => false,
        }
    }

    /// Whether `holds` is true for one of the values in `root` that this reaches, where an array stands for its elements:
    /// what conditions on values, and the indexes that serve them, look at. It is asked about one after the other, until it
    /// says yes.
    pub fn any_leaf(&self, root: &Value, mut holds: impl FnMut(&Value) -> bool) -> bool {
        self.any(root, |value| match value {
            Value::Array(elements) => elements.iter().any(&mut holds),
            value => holds(value),
        })
    }
}

fn any(steps: &[Step], value: &Value, holds: &mut impl FnMut(&Value) -> bool) -> bool {
    match steps.split_first() {
        None => holds(value),
        Some((Step::Key(key), rest)) => value
            .get(key.as_str())
            .is_some_and(|value| any(rest, value, holds)),
        Some((Step::Each, rest)) => value
            .as_array()
            .is_some_and(|elements| elements.iter().any(|element| any(rest, element, holds))),
    }
}

fn check_size(steps: &[Step], path: &Path) -> Result<()> {
    if steps.len() > limits::PATH_STEPS_MAX {
        return Err(Error::invalid(format!(
            "path: it has {} steps: at most {} are allowed",
            steps.len(),
            limits::PATH_STEPS_MAX
        )));
    }
    let bytes = path.to_string().len();
    if bytes > limits::PATH_BYTES_MAX {
        return Err(too_long(bytes));
    }
    Ok(())
}

fn too_long(bytes: usize) -> Error {
    Error::invalid(format!(
        "path: it has {bytes} bytes: at most {} are allowed",
        limits::PATH_BYTES_MAX
    ))
}

fn parse(text: &str) -> Result<Vec<Step>> {
    // Quotes and escapes only make it longer.
    if text.len() > limits::PATH_BYTES_MAX {
        return Err(too_long(text.len()));
    }
    let (steps, behind) = steps(text).map_err(|(at, reason)| bad(text, at, reason))?;
    if behind < text.len() {
        return Err(bad(text, behind, "expected \".\" or \"[]\""));
    }
    let path = Path(Repr::Steps(steps));
    check_size(path.steps(), &path)?;
    Ok(path.steps().to_vec())
}

fn bad(text: &str, at: usize, reason: &str) -> Error {
    let column = text[..at].chars().count() + 1;
    Error::invalid(format!("path: {text:?}, column {column}: {reason}"))
}

/// The steps of the path that `text` begins with, and where it ends. In an error: where it is, and what.
pub(super) fn steps(text: &str) -> Result<(Vec<Step>, usize), (usize, &'static str)> {
    let mut steps = Vec::new();
    let mut at = 0;
    loop {
        let (key, bytes) = key(&text[at..]).map_err(|reason| (at, reason))?;
        steps.push(Step::Key(key));
        at += bytes;
        while text[at..].starts_with("[]") {
            steps.push(Step::Each);
            at += 2;
        }
        if !text[at..].starts_with('.') {
            return Ok((steps, at));
        }
        at += 1;
    }
}

/// The key that `text` begins with, and how many bytes it takes.
fn key(text: &str) -> Result<(String, usize), &'static str> {
    if text.starts_with('"') {
        return quoted(text);
    }
    let end = text.find(|c| !is_key_char(c)).unwrap_or(text.len());
    if end == 0 {
        return Err(
            "expected a key; one with other signs than letters, digits, _ and - is written in double quotes",
        );
    }
    Ok((text[..end].to_owned(), end))
}

/// The JSON string that `text` begins with, and how many bytes it takes.
pub(super) fn quoted(text: &str) -> Result<(String, usize), &'static str> {
    let mut bytes = text.bytes().enumerate().skip(1);
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'"' => {
                return match serde_json::from_str(&text[..=at]) {
                    Ok(string) => Ok((string, at + 1)),
                    Err(_) => Err(
                        "between quotes \", \\ and line breaks are written as in JSON: \\\", \\\\, \\n",
                    ),
                };
            }
            b'\\' => drop(bytes.next()),
            _ => {}
        }
    }
    Err("the closing quote is missing")
}

/// Whether a key may have `sign` without quotes.
pub(crate) fn is_key_char(sign: char) -> bool {
    sign.is_alphanumeric() || sign == '_' || sign == '-'
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let steps = match &self.0 {
            Repr::Steps(steps) => steps,
            Repr::Bad(text) => return f.write_str(text),
        };
        for (position, step) in steps.iter().enumerate() {
            match step {
                Step::Each => f.write_str("[]")?,
                Step::Key(key) => {
                    if position > 0 {
                        f.write_char('.')?;
                    }
                    write_key(f, key)?;
                }
            }
        }
        Ok(())
    }
}

fn write_key(f: &mut fmt::Formatter<'_>, key: &str) -> fmt::Result {
    if !key.is_empty() && key.chars().all(is_key_char) {
        return f.write_str(key);
    }
    let quoted = serde_json::to_string(key).map_err(|_| fmt::Error)?;
    f.write_str(&quoted)
}

impl From<&str> for Path {
    fn from(text: &str) -> Path {
        match parse(text) {
            Ok(steps) => Path(Repr::Steps(steps)),
            Err(_) => Path(Repr::Bad(text.to_owned())),
        }
    }
}

impl From<String> for Path {
    fn from(text: String) -> Path {
        Path::from(text.as_str())
    }
}

impl From<&Path> for Path {
    fn from(path: &Path) -> Path {
        path.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn paths_reach_values() {
        let payload = json!({"a": {"b": [{"c": 1}, {"c": [2, 3]}, {}]}, "x.y": 4, "t": ["u", "v"]});
        let reached = |path: &str| {
            let mut values = Vec::new();
            Path::parse(path).unwrap().any(&payload, |value| {
                values.push(value.clone());
                false
            });
            values
        };
        assert_eq!(reached("a.b[].c"), [json!(1), json!([2, 3])]);
        assert_eq!(reached("a.b[].c[]"), [json!(2), json!(3)]);
        assert_eq!(reached("\"x.y\""), [json!(4)]);
        assert_eq!(reached("t"), [json!(["u", "v"])]);
        assert!(reached("a.b.c").is_empty());
        assert!(reached("a[]").is_empty());
    }

    #[test]
    fn what_is_no_path_is_told_with_its_place() {
        for (text, column) in [
            ("", 1),
            ("a..b", 3),
            ("a.", 3),
            (".a", 1),
            ("a b", 2),
            ("a[0]", 2),
            ("\"a", 1),
            ("\"a\\q\"", 1),
        ] {
            let error = Path::parse(text).unwrap_err().to_string();
            assert!(
                error.contains(&format!("column {column}:")),
                "{text}: {error}"
            );
            assert_eq!(Path::from(text).validate().unwrap_err().to_string(), error);
        }
        assert!(Path::parse(&"a.".repeat(1_000)).is_err());
        assert!(Path::key("k".repeat(5_000)).validate().is_err());
    }

    #[test]
    fn keys_of_any_kind_survive_a_round_trip() {
        for key in ["a", "", "a.b", "\"", "\\", "é", "[]", "and", "a b", "\n"] {
            let path = Path::key(key);
            assert_eq!(Path::parse(&path.to_string()).unwrap(), path);
        }
    }
}
