//! Places in a request, for errors: `prefetch[0].query.formula.sum[1]`.

use crate::error::{Error, Result};
use std::fmt::{self, Display};

/// A place in a request: the way to it from the request itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct At<'a> {
    parent: Option<&'a At<'a>>,
    name: &'static str,
    index: Option<usize>,
}

impl<'a> At<'a> {
    /// The request itself.
    pub(super) const REQUEST: At<'static> = At {
        parent: None,
        name: "",
        index: None,
    };

    /// The field called `name` here.
    pub(super) fn field(&'a self, name: &'static str) -> At<'a> {
        At {
            parent: Some(self),
            name,
            index: None,
        }
    }

    /// An element of the array called `name` here.
    pub(super) fn item(&'a self, name: &'static str, index: usize) -> At<'a> {
        At {
            index: Some(index),
            ..self.field(name)
        }
    }

    /// What is wrong here.
    pub(super) fn invalid(&self, what: impl Display) -> Error {
        self.locate(Error::invalid(what.to_string()))
    }

    /// `error`, which is about what is here.
    pub(super) fn locate(&self, error: Error) -> Error {
        if self.parent.is_none() {
            return error;
        }
        error.within(&self.to_string())
    }
}

impl Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(parent) = self.parent {
            parent.fmt(f)?;
            if parent.parent.is_some() {
                f.write_str(".")?;
            }
        }
        f.write_str(self.name)?;
        match self.index {
            Some(index) => write!(f, "[{index}]"),
            None => Ok(()),
        }
    }
}

/// Says where in a request an error is.
pub(super) trait Locate<T> {
    /// The same, and an error is about what is at `at`.
    fn at(self, at: &At<'_>) -> Result<T>;
}

impl<T> Locate<T> for Result<T> {
    fn at(self, at: &At<'_>) -> Result<T> {
        self.map_err(|error| at.locate(error))
    }
}
