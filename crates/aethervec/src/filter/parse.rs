//! Filters as text. `docs/filters.md` is the manual of the language; this is its grammar:
//!
//! ```text
//! filter    = all { "or" all }
//! all       = one { "and" one }
//! one       = "not" one | "(" filter ")" | "true" | "false" | "at" "least" NUMBER "of" "(" [ filter { "," filter } ] ")"
//!           | "has_id" "(" [ id { "," id } ] ")" | "has_vector" "(" TEXT ")" | bounded | condition
//! bounded   = value ( "<" | "<=" ) subject [ ( "<" | "<=" ) value ]
//! subject   = PATH | "len" "(" PATH ")"
//! condition = subject ( "=" | "!=" | "<" | "<=" | ">" | ">=" ) value
//!           | PATH [ "not" ] "in" list | PATH "except" list
//!           | PATH "is" [ "not" ] ( "null" | "empty" ) | PATH "exists"
//!           | PATH "contains" [ "folded" ] [ "any" | "phrase" | "prefix" ] TEXT
//!           | PATH "within" ( NUMBER ( "m" | "km" ) "of" place | "box" place "to" place | "polygon" ring [ "except" "(" ring { "," ring } ")" ] )
//!           | PATH "has" "(" filter ")"
//! list      = "(" [ value { "," value } ] ")"
//! ring      = "(" place { "," place } ")"
//! place     = "(" NUMBER "," NUMBER ")"                        latitude, longitude
//! value     = TEXT | NUMBER | DATETIME | "true" | "false" | "uuid" "(" TEXT ")"
//! ```

use super::json::{self, Edge};
use super::lex::{self, Fault, Spanned, Token};
use super::{Bounds, Filter, GeoBox, GeoPolygon, Path, Test, TextMode, TextTest};
use crate::error::{Error, Result};
use crate::limits;
use crate::text::place;
use std::ops::{Bound, Range};
use std::str::FromStr;

mod tokens;
mod values;

type Parsed<T> = Result<T, Fault>;

impl Filter {
    /// The filter that `text` spells.
    ///
    /// ```
    /// use aethervec::Filter;
    ///
    /// let filter = Filter::parse(r#"lang in ("en", "de") and not (year < 2020 or tags is empty)"#)?;
    /// assert_eq!(Filter::parse(&filter.to_string())?, filter);
    ///
    /// let error = Filter::parse("lang = and year > 2020").unwrap_err();
    /// let shown = [
    ///     "filter, line 1, column 8: expected a value, found \"and\"",
    ///     "  lang = and year > 2020",
    ///     "         ^^^",
    /// ];
    /// assert_eq!(error.to_string(), shown.join("\n"));
    /// # Ok::<(), aethervec::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid); the message shows the place.
    pub fn parse(text: &str) -> Result<Filter> {
        json::check_len(text)?;
        let filter = parse(text)
            .map_err(|fault| place::error_at("filter", text, fault.span, &fault.message))?;
        filter.validate()?;
        Ok(filter)
    }
}

impl FromStr for Filter {
    type Err = Error;

    fn from_str(text: &str) -> Result<Filter> {
        Filter::parse(text)
    }
}

fn parse(text: &str) -> Parsed<Filter> {
    let mut parser = Parser {
        tokens: lex::tokens(text)?,
        at: 0,
        text,
        depth: 0,
    };
    let filter = parser.filter()?;
    match parser.peek() {
        Token::End => Ok(filter),
        _ => Err(parser.expected("\"and\", \"or\" or the end")),
    }
}

/// What a condition is about.
enum Subject {
    Values(Path),
    Len(Path),
}

struct Parser<'a> {
    tokens: Vec<Spanned>,
    at: usize,
    text: &'a str,
    /// Filters that the present one is inside of.
    depth: usize,
}

impl Parser<'_> {
    fn filter(&mut self) -> Parsed<Filter> {
        self.depth += 1;
        if self.depth > limits::FILTER_DEPTH_MAX {
            let message = format!(
                "the filter is nested deeper than {} levels, which is the limit",
                limits::FILTER_DEPTH_MAX
            );
            return Err(Fault::new(self.span(), message));
        }
        let filter = self.connected("or", Filter::Or, |parser| {
            parser.connected("and", Filter::And, Parser::one)
        });
        self.depth -= 1;
        filter
    }

    /// What `part` reads, once or several times with `word` between.
    fn connected(
        &mut self,
        word: &str,
        connect: fn(Vec<Filter>) -> Filter,
        part: impl Fn(&mut Self) -> Parsed<Filter>,
    ) -> Parsed<Filter> {
        let first = part(self)?;
        if !self.is_word(word) {
            return Ok(first);
        }
        let mut parts = vec![first];
        while self.take_word(word) {
            parts.push(part(self)?);
        }
        Ok(connect(parts))
    }

    fn one(&mut self) -> Parsed<Filter> {
        if self.take_symbol("(") {
            let filter = self.filter()?;
            self.symbol(")")?;
            return Ok(filter);
        }
        if matches!(self.peek(), Token::Number(_) | Token::Datetime(_)) {
            return self.bounded();
        }
        if self.take_word("not") {
            self.depth += 1;
            // The limit is looked at where the next filter begins; here only the stack is at stake.
            if self.depth > limits::FILTER_DEPTH_MAX {
                return Err(self.expected("fewer \"not\""));
            }
            let filter = self.one();
            self.depth -= 1;
            return Ok(Filter::Not(Box::new(filter?)));
        }
        if self.take_word("true") {
            return Ok(Filter::And(Vec::new()));
        }
        if self.take_word("false") {
            return Ok(Filter::Or(Vec::new()));
        }
        if self.is_word("at") && self.is_word_at(1, "least") {
            return self.at_least();
        }
        if self.take_function("has_id") {
            return Ok(Filter::HasId(self.list_behind(Parser::id)?));
        }
        if self.take_function("has_vector") {
            let name = self.quoted("the name of a vector field in double quotes")?;
            self.symbol(")")?;
            return Ok(Filter::HasVector(name));
        }
        self.condition()
    }

    fn at_least(&mut self) -> Parsed<Filter> {
        self.at += 2;
        let min = self.whole()?;
        self.word("of")?;
        self.symbol("(")?;
        let of = self.list_behind(Parser::filter)?;
        let min = usize::try_from(min).unwrap_or(usize::MAX);
        Ok(Filter::AtLeast { min, of })
    }

    fn condition(&mut self) -> Parsed<Filter> {
        let path = match self.subject()? {
            Subject::Len(path) => return self.len_condition(path),
            Subject::Values(path) => path,
        };
        if let Token::Symbol(symbol) = *self.peek() {
            return self.comparison(path, symbol);
        }
        let negated = self.is_word("not") && self.is_word_at(1, "in");
        self.at += usize::from(negated);
        if self.take_word("in") {
            let test = Test::AnyOf(self.list(Parser::value)?);
            return Ok(field(path, test, negated));
        }
        if self.take_word("is") {
            let negated = self.take_word("not");
            let test = if self.take_word("null") {
                Test::Null
            } else if self.take_word("empty") {
                Test::Empty
            } else {
                return Err(self.expected("\"null\" or \"empty\""));
            };
            return Ok(field(path, test, negated));
        }
        if self.take_word("has") {
            self.symbol("(")?;
            let filter = Box::new(self.filter()?);
            self.symbol(")")?;
            return Ok(Filter::Nested { path, filter });
        }
        let test = if self.take_word("except") {
            Test::Except(self.list(Parser::value)?)
        } else if self.take_word("exists") {
            Test::Exists
        } else if self.take_word("contains") {
            self.words()?
        } else if self.take_word("within") {
            self.area()?
        } else {
            return Err(self.expected(
                "=, !=, <, <=, >, >=, \"in\", \"not in\", \"is\", \"exists\", \"except\", \"contains\", \"within\" or \"has\"",
            ));
        };
        Ok(field(path, test, false))
    }

    /// What begins with `path` and a symbol.
    fn comparison(&mut self, path: Path, symbol: &'static str) -> Parsed<Filter> {
        match symbol {
            "=" | "!=" => {
                self.at += 1;
                let test = if self.take_word("null") {
                    Test::Null
                } else {
                    Test::Eq(self.value()?)
                };
                Ok(field(path, test, symbol == "!="))
            }
            "<" | "<=" | ">" | ">=" => {
                self.at += 1;
                let edge = self.edge()?;
                let bounds = half(symbol, edge);
                self.range(Subject::Values(path), bounds, self.span())
            }
            _ => Err(self.expected("=, !=, <, <=, >, >= or a word such as \"in\"")),
        }
    }

    fn len_condition(&mut self, path: Path) -> Parsed<Filter> {
        let Token::Symbol(symbol @ ("=" | "<" | "<=" | ">" | ">=")) = *self.peek() else {
            return Err(self.expected("=, <, <=, > or >="));
        };
        self.at += 1;
        let len = self.whole()?;
        let bounds = if symbol == "=" {
            Bounds::new(len..=len)
        } else {
            half(symbol, len)
        };
        Ok(field(path, Test::Len(bounds), false))
    }

    /// A range that begins with its lower end.
    fn bounded(&mut self) -> Parsed<Filter> {
        let start = self.span();
        let lower = self.edge()?;
        let lower = match self.peek() {
            Token::Symbol("<") => Bound::Excluded(lower),
            Token::Symbol("<=") => Bound::Included(lower),
            _ => return Err(self.expected("< or <=, and a path behind it")),
        };
        self.at += 1;
        let subject = self.subject()?;
        let upper = if self.take_symbol("<") {
            Bound::Excluded(self.edge()?)
        } else if self.take_symbol("<=") {
            Bound::Included(self.edge()?)
        } else {
            Bound::Unbounded
        };
        self.range(subject, Bounds { lower, upper }, start)
    }

    /// The condition that `subject` is inside of `bounds`, which begin at `span`.
    fn range(&self, subject: Subject, bounds: Bounds<Edge>, span: Range<usize>) -> Parsed<Filter> {
        match subject {
            Subject::Values(path) => match Edge::range(bounds) {
                Some(range) => Ok(field(path, Test::Range(range), false)),
                None => Err(Fault::new(
                    span,
                    "both ends of a range must be numbers, or both must be datetimes",
                )),
            },
            Subject::Len(path) => {
                let len = |edge: &Edge| match edge {
                    Edge::Number(number) => number.as_u64(),
                    Edge::Datetime(_) => None,
                };
                match bounds.try_map(len) {
                    Some(bounds) => Ok(field(path, Test::Len(bounds), false)),
                    None => Err(Fault::new(span, "a length is a whole number from 0 on")),
                }
            }
        }
    }

    /// What stands behind `contains`.
    fn words(&mut self) -> Parsed<Test> {
        let fold = self.take_word("folded");
        let mode = if self.take_word("any") {
            TextMode::Any
        } else if self.take_word("phrase") {
            TextMode::Phrase
        } else if self.take_word("prefix") {
            TextMode::Prefix
        } else {
            TextMode::All
        };
        let query = self.quoted("words in double quotes")?;
        Ok(Test::Text(TextTest { query, mode, fold }))
    }

    /// What stands behind `within`.
    fn area(&mut self) -> Parsed<Test> {
        if self.take_word("box") {
            let top_left = self.place()?;
            self.word("to")?;
            let bottom_right = self.place()?;
            return Ok(Test::GeoBox(GeoBox {
                top_left,
                bottom_right,
            }));
        }
        if self.take_word("polygon") {
            let exterior = self.list(Parser::place)?;
            let interiors = if self.take_word("except") {
                self.list(|parser| parser.list(Parser::place))?
            } else {
                Vec::new()
            };
            return Ok(Test::GeoPolygon(GeoPolygon {
                exterior,
                interiors,
            }));
        }
        let Token::Number(distance) = *self.peek() else {
            return Err(self.expected("a distance such as 500 m, \"box\" or \"polygon\""));
        };
        self.at += 1;
        let meters = if self.take_word("km") {
            distance.as_f64() * 1_000.0
        } else if self.take_word("m") {
            distance.as_f64()
        } else {
            return Err(self.expected("\"m\" or \"km\""));
        };
        self.word("of")?;
        let center = self.place()?;
        Ok(Test::GeoRadius { center, meters })
    }

    fn subject(&mut self) -> Parsed<Subject> {
        if self.take_function("len") {
            let path = self.path()?;
            self.symbol(")")?;
            return Ok(Subject::Len(path));
        }
        self.path().map(Subject::Values)
    }
}

/// The bounds with one end, as `symbol` says.
fn half<T>(symbol: &str, end: T) -> Bounds<T> {
    let (lower, upper) = match symbol {
        "<" => (Bound::Unbounded, Bound::Excluded(end)),
        "<=" => (Bound::Unbounded, Bound::Included(end)),
        ">" => (Bound::Excluded(end), Bound::Unbounded),
        _ => (Bound::Included(end), Bound::Unbounded),
    };
    Bounds { lower, upper }
}

fn field(path: Path, test: Test, negated: bool) -> Filter {
    let filter = Filter::Field { path, test };
    if negated {
        Filter::Not(Box::new(filter))
    } else {
        filter
    }
}
