//! What conditions compare with: paths, values, ids, places, ends of ranges.

use super::tokens::is_reserved;
use super::{Parsed, Parser};
use crate::filter::json::{self, Edge};
use crate::filter::lex::{Fault, Token};
use crate::filter::{GeoPoint, Number, Path, Scalar};
use crate::id::DocId;

impl Parser<'_> {
    pub(super) fn place(&mut self) -> Parsed<GeoPoint> {
        self.symbol("(")?;
        let lat = self.number("a latitude")?;
        self.symbol(",")?;
        let lon = self.number("a longitude")?;
        self.symbol(")")?;
        Ok(GeoPoint::new(lat.as_f64(), lon.as_f64()))
    }

    pub(super) fn path(&mut self) -> Parsed<Path> {
        let path = match self.peek() {
            Token::Word(path) if !is_reserved(path) => path.clone(),
            Token::Path(path) => path.clone(),
            Token::Quoted(key) => Path::key(key),
            _ => return Err(self.expected("the path of a field")),
        };
        if let Err(error) = path.validate() {
            return Err(Fault::new(self.span(), error.to_string()));
        }
        self.at += 1;
        Ok(path)
    }

    pub(super) fn value(&mut self) -> Parsed<Scalar> {
        if self.take_word("true") {
            return Ok(Scalar::Bool(true));
        }
        if self.take_word("false") {
            return Ok(Scalar::Bool(false));
        }
        if self.take_function("uuid") {
            return self.uuid().map(Scalar::Uuid);
        }
        let value = match self.peek() {
            Token::Quoted(text) => Scalar::Str(text.clone()),
            Token::Number(number) => Scalar::Number(*number),
            Token::Datetime(moment) => Scalar::Datetime(*moment),
            Token::Word(path) if !is_reserved(path) => {
                return Err(self.expected("a value (a text stands in double quotes)"));
            }
            _ if self.is_word("null") => {
                return Err(self.expected("a value (to ask for null write: … is null)"));
            }
            _ => return Err(self.expected("a value")),
        };
        self.at += 1;
        Ok(value)
    }

    pub(super) fn id(&mut self) -> Parsed<DocId> {
        if self.take_function("uuid") {
            return self.uuid().map(DocId::Uuid);
        }
        let id = match self.peek() {
            Token::Quoted(text) => DocId::Str(text.clone()),
            Token::Number(number) => match number.as_u64() {
                Some(number) => DocId::U64(number),
                None => return Err(self.expected("an id: a whole number from 0 on")),
            },
            _ => {
                return Err(
                    self.expected("an id: a number, a text in double quotes or uuid(\"…\")")
                );
            }
        };
        self.at += 1;
        Ok(id)
    }

    /// What stands behind `uuid(`.
    pub(super) fn uuid(&mut self) -> Parsed<uuid::Uuid> {
        let span = self.span();
        let text = self.quoted("a UUID in double quotes")?;
        self.symbol(")")?;
        json::parse_uuid(&text).map_err(|message| Fault::new(span, message))
    }

    /// The end of a range.
    pub(super) fn edge(&mut self) -> Parsed<Edge> {
        let edge = match self.peek() {
            Token::Number(number) => Edge::Number(*number),
            Token::Datetime(moment) => Edge::Datetime(*moment),
            _ => {
                return Err(
                    self.expected("a number, or a datetime such as 2024-05-01 without quotes")
                );
            }
        };
        self.at += 1;
        Ok(edge)
    }

    pub(super) fn whole(&mut self) -> Parsed<u64> {
        if let Token::Number(number) = self.peek()
            && let Some(whole) = number.as_u64()
        {
            self.at += 1;
            return Ok(whole);
        }
        Err(self.expected("a whole number from 0 on"))
    }

    pub(super) fn number(&mut self, what: &str) -> Parsed<Number> {
        let Token::Number(number) = *self.peek() else {
            return Err(self.expected(what));
        };
        self.at += 1;
        Ok(number)
    }

    pub(super) fn quoted(&mut self, what: &str) -> Parsed<String> {
        let Token::Quoted(text) = self.peek() else {
            return Err(self.expected(what));
        };
        let text = text.clone();
        self.at += 1;
        Ok(text)
    }
}
