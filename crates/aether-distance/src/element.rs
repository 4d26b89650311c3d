//! What a component of a stored vector is.

use std::fmt;
use std::str::FromStr;

/// The type of a vector's components, as given by the user and as stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ElementType {
    /// 32-bit float.
    F32,
    /// 16-bit float (IEEE 754 binary16).
    F16,
    /// Unsigned byte: images, histograms, SIFT.
    U8,
}

impl ElementType {
    /// Bytes of one component.
    pub const fn bytes(self) -> usize {
        match self {
            ElementType::F32 => 4,
            ElementType::F16 => 2,
            ElementType::U8 => 1,
        }
    }
}

impl fmt::Display for ElementType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            ElementType::F32 => "f32",
            ElementType::F16 => "f16",
            ElementType::U8 => "u8",
        })
    }
}

impl FromStr for ElementType {
    type Err = ParseElementTypeError;

    fn from_str(name: &str) -> Result<ElementType, ParseElementTypeError> {
        match name {
            "f32" => Ok(ElementType::F32),
            "f16" => Ok(ElementType::F16),
            "u8" => Ok(ElementType::U8),
            _ => Err(ParseElementTypeError(name.to_owned())),
        }
    }
}

/// A name that is no [`ElementType`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseElementTypeError(String);

impl fmt::Display for ParseElementTypeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "unknown element type {:?}: use \"f32\", \"f16\" or \"u8\"",
            self.0
        )
    }
}

impl std::error::Error for ParseElementTypeError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip() {
        for element in [ElementType::F32, ElementType::F16, ElementType::U8] {
            assert_eq!(element.to_string().parse(), Ok(element));
        }
        assert!(
            "f64"
                .parse::<ElementType>()
                .unwrap_err()
                .to_string()
                .contains("f64")
        );
    }
}
