//! Taking tokens one after the other.

use super::{Parsed, Parser};
use crate::filter::lex::{Fault, Token};
use crate::filter::path::{Path, Step};
use crate::filter::print::RESERVED;
use std::ops::Range;

impl Parser<'_> {
    pub(super) fn list<T>(&mut self, item: impl Fn(&mut Self) -> Parsed<T>) -> Parsed<Vec<T>> {
        self.symbol("(")?;
        self.list_behind(item)
    }

    /// A list, behind its opening parenthesis.
    pub(super) fn list_behind<T>(
        &mut self,
        item: impl Fn(&mut Self) -> Parsed<T>,
    ) -> Parsed<Vec<T>> {
        let mut items = Vec::new();
        if self.take_symbol(")") {
            return Ok(items);
        }
        loop {
            items.push(item(self)?);
            if self.take_symbol(")") {
                return Ok(items);
            }
            if !self.take_symbol(",") {
                return Err(self.expected("\",\" or \")\""));
            }
        }
    }

    pub(super) fn peek(&self) -> &Token {
        &self.tokens[self.at].token
    }

    pub(super) fn span(&self) -> Range<usize> {
        self.tokens[self.at].span.clone()
    }

    pub(super) fn is_word(&self, word: &str) -> bool {
        self.is_word_at(0, word)
    }

    pub(super) fn is_word_at(&self, ahead: usize, word: &str) -> bool {
        match self
            .tokens
            .get(self.at + ahead)
            .map(|spanned| &spanned.token)
        {
            Some(Token::Word(path)) => is(path, word),
            _ => false,
        }
    }

    pub(super) fn take_word(&mut self, word: &str) -> bool {
        let there = self.is_word(word);
        self.at += usize::from(there);
        there
    }

    pub(super) fn word(&mut self, word: &str) -> Parsed<()> {
        if self.take_word(word) {
            return Ok(());
        }
        Err(self.expected(&format!("{word:?}")))
    }

    /// Goes behind `name` and its opening parenthesis, if they are there.
    pub(super) fn take_function(&mut self, name: &str) -> bool {
        let opening = self.tokens.get(self.at + 1).map(|spanned| &spanned.token);
        let there = self.is_word(name) && opening == Some(&Token::Symbol("("));
        self.at += 2 * usize::from(there);
        there
    }

    pub(super) fn take_symbol(&mut self, symbol: &'static str) -> bool {
        let there = *self.peek() == Token::Symbol(symbol);
        self.at += usize::from(there);
        there
    }

    pub(super) fn symbol(&mut self, symbol: &'static str) -> Parsed<()> {
        if self.take_symbol(symbol) {
            return Ok(());
        }
        Err(self.expected(&format!("{symbol:?}")))
    }

    pub(super) fn expected(&self, what: &str) -> Fault {
        let span = self.span();
        let found = match self.peek() {
            Token::End => "the end".to_owned(),
            Token::Quoted(_) => "a text in quotes".to_owned(),
            _ => format!("{:?}", &self.text[span.clone()]),
        };
        Fault::new(span, format!("expected {what}, found {found}"))
    }
}

fn is(path: &Path, word: &str) -> bool {
    matches!(path.steps(), [Step::Key(key)] if key == word)
}

/// Whether `path` begins with a word of the language.
pub(super) fn is_reserved(path: &Path) -> bool {
    matches!(path.steps().first(), Some(Step::Key(key)) if RESERVED.contains(&key.as_str()))
}
