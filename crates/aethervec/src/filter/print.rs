//! Filters as text, in the language that `parse` reads.

use super::{
    Bounds, Filter, GeoPoint, GeoPolygon, Number, Path, Range, Scalar, Test, TextMode, TextTest,
};
use crate::id::DocId;
use std::fmt::{self, Display, Write};
use std::ops::Bound;

/// Words that a path cannot begin with, unless quoted.
pub(super) const RESERVED: [&str; 8] = ["and", "or", "not", "in", "is", "null", "true", "false"];

/// How tightly a connective binds.
#[derive(Clone, Copy, PartialEq, PartialOrd)]
enum Binding {
    Or,
    And,
    Not,
}

impl Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_filter(f, self, Binding::Or)
    }
}

/// `filter` without connectives around a single filter.
fn essence(mut filter: &Filter) -> &Filter {
    while let Filter::And(filters) | Filter::Or(filters) = filter
        && let [only] = &filters[..]
    {
        filter = only;
    }
    filter
}

/// Writes `filter` where `outer` binds: in parentheses if it binds less.
fn write_filter(f: &mut fmt::Formatter<'_>, filter: &Filter, outer: Binding) -> fmt::Result {
    match essence(filter) {
        Filter::And(filters) => write_all(f, filters, Binding::And, outer),
        Filter::Or(filters) => write_all(f, filters, Binding::Or, outer),
        Filter::Not(inner) => match essence(inner) {
            Filter::Field { path, test } if write_negated(f, path, test)? => Ok(()),
            inner => {
                f.write_str("not ")?;
                write_filter(f, inner, Binding::Not)
            }
        },
        Filter::AtLeast { min, of } => {
            write!(f, "at least {min} of ")?;
            write_list(f, of, |f, filter| write_filter(f, filter, Binding::Or))
        }
        Filter::Field { path, test } => write_condition(f, path, test),
        Filter::Nested { path, filter } => {
            write!(f, "{} has (", PathText(path))?;
            write_filter(f, filter, Binding::Or)?;
            f.write_char(')')
        }
        Filter::HasId(ids) => {
            f.write_str("has_id")?;
            write_list(f, ids, |f, id| match id {
                DocId::U64(number) => number.fmt(f),
                DocId::Uuid(uuid) => write!(f, "uuid(\"{uuid}\")"),
                DocId::Str(text) => Quoted(text).fmt(f),
            })
        }
        Filter::HasVector(name) => write!(f, "has_vector({})", Quoted(name)),
    }
}

fn write_all(
    f: &mut fmt::Formatter<'_>,
    filters: &[Filter],
    own: Binding,
    outer: Binding,
) -> fmt::Result {
    let (word, nothing) = if own == Binding::And {
        (" and ", "true")
    } else {
        (" or ", "false")
    };
    match filters {
        [] => f.write_str(nothing),
        [first, rest @ ..] => {
            let parentheses = own < outer;
            if parentheses {
                f.write_char('(')?;
            }
            write_operand(f, first, own)?;
            for filter in rest {
                f.write_str(word)?;
                write_operand(f, filter, own)?;
            }
            if parentheses {
                f.write_char(')')?;
            }
            Ok(())
        }
    }
}

/// Writes one of several filters that `own` connects. One with the same connective keeps its parentheses: it is another tree.
fn write_operand(f: &mut fmt::Formatter<'_>, filter: &Filter, own: Binding) -> fmt::Result {
    let same = match essence(filter) {
        Filter::And(filters) => own == Binding::And && !filters.is_empty(),
        Filter::Or(filters) => own == Binding::Or && !filters.is_empty(),
        _ => false,
    };
    if !same {
        return write_filter(f, filter, own);
    }
    f.write_char('(')?;
    write_filter(f, filter, Binding::Or)?;
    f.write_char(')')
}

/// Writes the negation of a condition if there is a shorter form than with `not` in front.
fn write_negated(f: &mut fmt::Formatter<'_>, path: &Path, test: &Test) -> Result<bool, fmt::Error> {
    let path = PathText(path);
    match test {
        Test::Eq(scalar) => write!(f, "{path} != {scalar}")?,
        Test::AnyOf(scalars) => {
            write!(f, "{path} not in ")?;
            write_list(f, scalars, |f, scalar| scalar.fmt(f))?;
        }
        Test::Null => write!(f, "{path} is not null")?,
        Test::Empty => write!(f, "{path} is not empty")?,
        _ => return Ok(false),
    }
    Ok(true)
}

fn write_condition(f: &mut fmt::Formatter<'_>, path: &Path, test: &Test) -> fmt::Result {
    let path = PathText(path);
    match test {
        Test::Eq(scalar) => write!(f, "{path} = {scalar}"),
        Test::AnyOf(scalars) => {
            write!(f, "{path} in ")?;
            write_list(f, scalars, |f, scalar| scalar.fmt(f))
        }
        Test::Except(scalars) => {
            write!(f, "{path} except ")?;
            write_list(f, scalars, |f, scalar| scalar.fmt(f))
        }
        Test::Range(Range::Number(bounds)) => write_bounds(f, &path, bounds),
        Test::Range(Range::Datetime(bounds)) => write_bounds(f, &path, bounds),
        Test::Len(bounds) => write_bounds(f, &format_args!("len({path})"), bounds),
        Test::GeoRadius { center, meters } => {
            write!(f, "{path} within {meters} m of {}", Place(center))
        }
        Test::GeoBox(corners) => write!(
            f,
            "{path} within box {} to {}",
            Place(&corners.top_left),
            Place(&corners.bottom_right)
        ),
        Test::GeoPolygon(polygon) => {
            write!(f, "{path} within polygon ")?;
            write_polygon(f, polygon)
        }
        Test::Text(text) => {
            write!(f, "{path} contains ")?;
            write_text(f, text)
        }
        Test::Exists => write!(f, "{path} exists"),
        Test::Null => write!(f, "{path} is null"),
        Test::Empty => write!(f, "{path} is empty"),
    }
}

fn write_bounds<T: Display>(
    f: &mut fmt::Formatter<'_>,
    subject: &dyn Display,
    bounds: &Bounds<T>,
) -> fmt::Result {
    match (&bounds.lower, &bounds.upper) {
        (Bound::Unbounded, Bound::Unbounded) => write!(f, "{subject} exists"),
        (Bound::Included(lower), Bound::Unbounded) => write!(f, "{subject} >= {lower}"),
        (Bound::Excluded(lower), Bound::Unbounded) => write!(f, "{subject} > {lower}"),
        (lower, upper) => {
            match lower {
                Bound::Included(lower) => write!(f, "{lower} <= ")?,
                Bound::Excluded(lower) => write!(f, "{lower} < ")?,
                Bound::Unbounded => {}
            }
            match upper {
                Bound::Included(upper) => write!(f, "{subject} <= {upper}"),
                Bound::Excluded(upper) => write!(f, "{subject} < {upper}"),
                Bound::Unbounded => Ok(()),
            }
        }
    }
}

fn write_polygon(f: &mut fmt::Formatter<'_>, polygon: &GeoPolygon) -> fmt::Result {
    let ring = |f: &mut fmt::Formatter<'_>, ring: &Vec<GeoPoint>| {
        write_list(f, ring, |f, corner| Place(corner).fmt(f))
    };
    ring(f, &polygon.exterior)?;
    if polygon.interiors.is_empty() {
        return Ok(());
    }
    f.write_str(" except ")?;
    write_list(f, &polygon.interiors, ring)
}

fn write_text(f: &mut fmt::Formatter<'_>, text: &TextTest) -> fmt::Result {
    if text.fold {
        f.write_str("folded ")?;
    }
    f.write_str(match text.mode {
        TextMode::All => "",
        TextMode::Any => "any ",
        TextMode::Phrase => "phrase ",
        TextMode::Prefix => "prefix ",
    })?;
    Quoted(&text.query).fmt(f)
}

fn write_list<T>(
    f: &mut fmt::Formatter<'_>,
    items: &[T],
    mut write_item: impl FnMut(&mut fmt::Formatter<'_>, &T) -> fmt::Result,
) -> fmt::Result {
    f.write_char('(')?;
    for (position, item) in items.iter().enumerate() {
        if position > 0 {
            f.write_str(", ")?;
        }
        write_item(f, item)?;
    }
    f.write_char(')')
}

/// A path as the language wants it: a first key that is a word of the language, or looks like a number, is quoted.
struct PathText<'a>(&'a Path);

impl Display for PathText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.to_string();
        let first = text.split(['.', '[']).next().unwrap_or_default();
        let is_word =
            RESERVED.contains(&first) || first.starts_with(|c: char| c.is_numeric() || c == '-');
        if is_word {
            write!(f, "\"{first}\"{}", &text[first.len()..])
        } else {
            f.write_str(&text)
        }
    }
}

struct Place<'a>(&'a GeoPoint);

impl Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({}, {})", self.0.lat, self.0.lon)
    }
}

/// A text in double quotes, with JSON's escapes.
struct Quoted<'a>(&'a str);

impl Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let json = serde_json::to_string(self.0).map_err(|_| fmt::Error)?;
        f.write_str(&json)
    }
}

impl Display for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Scalar::Bool(value) => value.fmt(f),
            Scalar::Number(number) => Number::fmt(number, f),
            Scalar::Str(text) => Quoted(text).fmt(f),
            Scalar::Uuid(uuid) => write!(f, "uuid(\"{uuid}\")"),
            Scalar::Datetime(moment) => moment.fmt(f),
        }
    }
}
