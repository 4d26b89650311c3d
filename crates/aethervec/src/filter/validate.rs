//! What a filter may be: each error names the condition, the value and the limit.

use super::{Bounds, Filter, GeoPoint, Number, Path, Range, Scalar, Test};
use crate::error::{Error, Result};
use crate::limits;
use crate::validate;

impl Filter {
    /// Fails when this is too deep or too large, or when one of its conditions makes no sense.
    ///
    /// Every call that takes a filter does this first.
    ///
    /// ```
    /// use aethervec::Filter;
    ///
    /// let error = Filter::eq("a..b", 1).validate().unwrap_err();
    /// assert!(error.to_string().starts_with("filter: path: \"a..b\", column 3"));
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid).
    pub fn validate(&self) -> Result<()> {
        let mut size = Size::default();
        size.filter(self, 1).map_err(|error| error.within("filter"))
    }
}

/// How much has been seen of a filter.
#[derive(Default)]
struct Size {
    nodes: usize,
    values: usize,
}

impl Size {
    fn filter(&mut self, filter: &Filter, depth: usize) -> Result<()> {
        if depth > limits::FILTER_DEPTH_MAX {
            return Err(Error::invalid(format!(
                "it is nested deeper than {} levels, which is the limit",
                limits::FILTER_DEPTH_MAX
            )));
        }
        self.nodes += 1;
        if self.nodes > limits::FILTER_NODES_MAX {
            return Err(Error::invalid(format!(
                "it has more than {} conditions, which is the limit: use any_of for many values of one field",
                limits::FILTER_NODES_MAX
            )));
        }
        match filter {
            Filter::And(filters) | Filter::Or(filters) => self.filters(filters, depth),
            Filter::AtLeast { min: _, of } => self.filters(of, depth),
            Filter::Not(filter) => self.filter(filter, depth + 1),
            Filter::Nested { path, filter } => {
                path.validate()?;
                self.filter(filter, depth + 1)
            }
            Filter::Field { path, test } => {
                path.validate()?;
                self.test(test).map_err(|error| in_field(error, path))
            }
            Filter::HasId(ids) => {
                self.values(ids.len())?;
                ids.iter().try_for_each(validate::id)
            }
            Filter::HasVector(_) => Ok(()),
        }
    }

    fn filters(&mut self, filters: &[Filter], depth: usize) -> Result<()> {
        filters
            .iter()
            .try_for_each(|filter| self.filter(filter, depth + 1))
    }

    fn values(&mut self, count: usize) -> Result<()> {
        self.values += count;
        if self.values > limits::FILTER_VALUES_MAX {
            return Err(Error::invalid(format!(
                "it has more than {} values, which is the limit",
                limits::FILTER_VALUES_MAX
            )));
        }
        Ok(())
    }

    fn test(&mut self, test: &Test) -> Result<()> {
        match test {
            Test::Eq(scalar) => check_scalar(scalar),
            Test::AnyOf(scalars) | Test::Except(scalars) => {
                self.values(scalars.len())?;
                scalars.iter().try_for_each(check_scalar)
            }
            Test::Range(Range::Number(bounds)) => {
                check_bounds(bounds)?;
                finite(&bounds.lower)?;
                finite(&bounds.upper)
            }
            Test::Range(Range::Datetime(bounds)) => check_bounds(bounds),
            Test::Len(bounds) => check_bounds(bounds),
            Test::GeoRadius { center, meters } => {
                on_earth(center)?;
                if meters.is_finite() && *meters >= 0.0 {
                    return Ok(());
                }
                Err(Error::invalid(format!(
                    "meters: {meters} is no distance: it must be 0 or more"
                )))
            }
            Test::GeoBox(corners) => {
                on_earth(&corners.top_left)?;
                on_earth(&corners.bottom_right)?;
                if corners.top_left.lat >= corners.bottom_right.lat {
                    return Ok(());
                }
                Err(Error::invalid(
                    "geo_box: top_left lies south of bottom_right: exchange their lat",
                ))
            }
            Test::GeoPolygon(polygon) => {
                self.ring(&polygon.exterior)?;
                polygon
                    .interiors
                    .iter()
                    .try_for_each(|ring| self.ring(ring))
            }
            Test::Text(text) => {
                if text.query.len() <= limits::TEXT_QUERY_BYTES_MAX {
                    return Ok(());
                }
                Err(Error::invalid(format!(
                    "text: it has {} bytes: at most {} are allowed",
                    text.query.len(),
                    limits::TEXT_QUERY_BYTES_MAX
                )))
            }
            Test::Exists | Test::Null | Test::Empty => Ok(()),
        }
    }

    fn ring(&mut self, ring: &[GeoPoint]) -> Result<()> {
        self.values(ring.len())?;
        if ring.len() < 3 {
            return Err(Error::invalid(format!(
                "geo_polygon: a ring has {} corners: at least 3 are needed",
                ring.len()
            )));
        }
        let wrong = |point: &&GeoPoint| !(point.lat.abs() <= 90.0 && point.lon.abs() <= 360.0);
        match ring.iter().find(wrong) {
            None => Ok(()),
            Some(point) => Err(not_on_earth(point, 360)),
        }
    }
}

fn in_field(error: Error, path: &Path) -> Error {
    let text = path.to_string();
    let shown: String = text.chars().take(64).collect();
    error.within(&shown)
}

fn check_scalar(scalar: &Scalar) -> Result<()> {
    match scalar {
        Scalar::Number(number) => finite(&std::ops::Bound::Included(*number)),
        _ => Ok(()),
    }
}

fn finite(bound: &std::ops::Bound<Number>) -> Result<()> {
    match bound {
        std::ops::Bound::Included(number) | std::ops::Bound::Excluded(number)
            if !number.is_finite() =>
        {
            Err(Error::invalid(format!(
                "{number} is no number to compare with: it must be finite"
            )))
        }
        _ => Ok(()),
    }
}

fn check_bounds<T>(bounds: &Bounds<T>) -> Result<()> {
    if bounds.is_everything() {
        return Err(Error::invalid(
            "range: it has no end: at least one of gt, gte, lt, lte is needed",
        ));
    }
    Ok(())
}

fn on_earth(point: &GeoPoint) -> Result<()> {
    if point.is_on_earth() {
        return Ok(());
    }
    Err(not_on_earth(point, 180))
}

fn not_on_earth(point: &GeoPoint, lon: u32) -> Error {
    Error::invalid(format!(
        "lat {}, lon {}: this is no place: lat must be -90..=90 and lon -{lon}..={lon}",
        point.lat, point.lon
    ))
}
