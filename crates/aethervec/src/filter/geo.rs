//! Places on the Earth: `{"lat": 52.5, "lon": 13.4}` in a payload.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The mean radius of the Earth.
const EARTH_RADIUS_METERS: f64 = 6_371_008.8;

/// A place on the Earth, in degrees. In a payload it is an object with the numbers `lat` and `lon`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GeoPoint {
    /// North of the equator: -90 to 90.
    pub lat: f64,
    /// East of Greenwich: -180 to 180.
    pub lon: f64,
}

impl GeoPoint {
    /// The place at these degrees.
    pub const fn new(lat: f64, lon: f64) -> GeoPoint {
        GeoPoint { lat, lon }
    }

    /// The place in a payload, if `value` is one.
    pub(crate) fn of(value: &Value) -> Option<GeoPoint> {
        let point = GeoPoint {
            lat: value.get("lat")?.as_f64()?,
            lon: value.get("lon")?.as_f64()?,
        };
        point.is_on_earth().then_some(point)
    }

    /// Whether both numbers are inside of their limits.
    pub(crate) fn is_on_earth(&self) -> bool {
        self.lat.abs() <= 90.0 && self.lon.abs() <= 180.0
    }

    /// How far `other` is, over the surface of a sphere as large as the Earth.
    ///
    /// ```
    /// use aethervec::GeoPoint;
    ///
    /// let berlin = GeoPoint::new(52.52, 13.405);
    /// let paris = GeoPoint::new(48.8566, 2.3522);
    /// assert_eq!((berlin.meters_to(&paris) / 1000.0).round(), 877.0);
    /// ```
    pub fn meters_to(&self, other: &GeoPoint) -> f64 {
        let (lat_a, lat_b) = (self.lat.to_radians(), other.lat.to_radians());
        let half_lat = ((lat_b - lat_a) / 2.0).sin();
        let half_lon = ((other.lon - self.lon).to_radians() / 2.0).sin();
        let haversine = half_lat * half_lat + lat_a.cos() * lat_b.cos() * half_lon * half_lon;
        2.0 * EARTH_RADIUS_METERS * haversine.clamp(0.0, 1.0).sqrt().asin()
    }
}

/// A box between two parallels and two meridians. With its left edge east of its right one it goes across the 180th
/// meridian.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GeoBox {
    /// The corner in the north west.
    pub top_left: GeoPoint,
    /// The corner in the south east.
    pub bottom_right: GeoPoint,
}

impl GeoBox {
    /// Whether `point` is inside, or on the edge.
    pub(crate) fn contains(&self, point: &GeoPoint) -> bool {
        let (west, east) = (self.top_left.lon, self.bottom_right.lon);
        let lon = if west <= east {
            (west..=east).contains(&point.lon)
        } else {
            point.lon >= west || point.lon <= east
        };
        lon && (self.bottom_right.lat..=self.top_left.lat).contains(&point.lat)
    }
}

/// A polygon, perhaps with holes. Its edges are straight on a map whose axes are latitude and longitude; a ring needs not be
/// closed. To go across the 180th meridian, count on: a longitude of 190 is 170 west.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GeoPolygon {
    /// The corners.
    pub exterior: Vec<GeoPoint>,
    /// The corners of each hole.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub interiors: Vec<Vec<GeoPoint>>,
}

impl GeoPolygon {
    /// Whether `point` is inside of the exterior and of no hole.
    pub(crate) fn contains(&self, point: &GeoPoint) -> bool {
        [-360.0, 0.0, 360.0].iter().any(|turn| {
            let point = GeoPoint::new(point.lat, point.lon + turn);
            inside(&self.exterior, &point)
                && !self.interiors.iter().any(|hole| inside(hole, &point))
        })
    }

    /// The smallest and the greatest corner: south west and north east.
    pub fn corners(&self) -> (GeoPoint, GeoPoint) {
        let start = (
            GeoPoint::new(f64::INFINITY, f64::INFINITY),
            GeoPoint::new(f64::NEG_INFINITY, f64::NEG_INFINITY),
        );
        self.exterior.iter().fold(start, |(low, high), point| {
            (
                GeoPoint::new(low.lat.min(point.lat), low.lon.min(point.lon)),
                GeoPoint::new(high.lat.max(point.lat), high.lon.max(point.lon)),
            )
        })
    }
}

/// Whether a ray from `point` to the north crosses the ring an odd number of times.
fn inside(ring: &[GeoPoint], point: &GeoPoint) -> bool {
    let Some(mut from) = ring.last() else {
        return false;
    };
    let mut inside = false;
    for to in ring {
        if (from.lon > point.lon) != (to.lon > point.lon) {
            let share = (point.lon - from.lon) / (to.lon - from.lon);
            inside ^= point.lat < from.lat + share * (to.lat - from.lat);
        }
        from = to;
    }
    inside
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_go_across_the_180th_meridian() {
        let fiji = GeoBox {
            top_left: GeoPoint::new(-10.0, 170.0),
            bottom_right: GeoPoint::new(-25.0, -170.0),
        };
        assert!(fiji.contains(&GeoPoint::new(-17.0, 178.0)));
        assert!(fiji.contains(&GeoPoint::new(-17.0, -178.0)));
        assert!(!fiji.contains(&GeoPoint::new(-17.0, 0.0)));
        assert!(!fiji.contains(&GeoPoint::new(0.0, 178.0)));
    }

    #[test]
    fn polygons_have_holes_and_go_across_the_180th_meridian() {
        let square = |low: f64, high: f64, west: f64, east: f64| {
            vec![
                GeoPoint::new(low, west),
                GeoPoint::new(high, west),
                GeoPoint::new(high, east),
                GeoPoint::new(low, east),
            ]
        };
        let ring = GeoPolygon {
            exterior: square(-10.0, 10.0, 170.0, 200.0),
            interiors: vec![square(-1.0, 1.0, 180.0, 190.0)],
        };
        assert!(ring.contains(&GeoPoint::new(5.0, 175.0)));
        assert!(ring.contains(&GeoPoint::new(5.0, -165.0)));
        assert!(!ring.contains(&GeoPoint::new(0.0, -175.0)));
        assert!(!ring.contains(&GeoPoint::new(5.0, 160.0)));
    }
}
