//! Places in the order of a curve that fills the map, and the parts of that curve that a shape covers.
//!
//! The map is a square that is cut into four, each of these into four, and so on. A square is one range of the order. Those
//! inside of a shape are taken as a whole; at its edge each place is asked for by itself.

use crate::filter::{GeoBox, GeoPoint, GeoPolygon, Test};
use crate::payload::ordered::Ordered;
use crate::payload::posting::Posting;
use roaring::RoaringTreemap;

/// Squares looked at for one shape, about: more are better at the edge, and take longer to find.
const SQUARES_MAX: usize = 512;

/// Places in a square from which on it is worth cutting.
const PLACES_MIN: u64 = 64;

/// Degrees by which a square is taken for larger than it is, so that rounding does no harm.
const SLACK_DEGREES: f64 = 1e-6;

/// Degrees of a circle around the Earth, in meters: a little more than there are.
const METERS_PER_DEGREE: f64 = 111_200.0;

/// A place, in the order of the curve.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    curve: u64,
    lat: u64,
    lon: u64,
}

impl Place {
    pub(crate) fn new(point: GeoPoint) -> Place {
        Place {
            curve: spread(cell(point.lat, 90.0)) << 1 | spread(cell(point.lon, 180.0)),
            lat: point.lat.to_bits(),
            lon: point.lon.to_bits(),
        }
    }

    pub(crate) fn point(&self) -> GeoPoint {
        GeoPoint::new(f64::from_bits(self.lat), f64::from_bits(self.lon))
    }
}

/// Where `degrees` lies between `-max` and `max`, of 2^32 steps.
fn cell(degrees: f64, max: f64) -> u32 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a float becomes the nearest integer within the range"
    )]
    let cell = ((degrees + max) / (2.0 * max) * 4_294_967_296.0) as u32;
    cell
}

/// The bits of `number` with a gap behind each.
fn spread(number: u32) -> u64 {
    let mut bits = u64::from(number);
    for (shift, mask) in [
        (16, 0x0000_ffff_0000_ffff),
        (8, 0x00ff_00ff_00ff_00ff),
        (4, 0x0f0f_0f0f_0f0f_0f0f),
        (2, 0x3333_3333_3333_3333),
        (1, 0x5555_5555_5555_5555),
    ] {
        bits = (bits | bits << shift) & mask;
    }
    bits
}

/// A square of the map.
#[derive(Clone, Copy, Debug)]
struct Square {
    /// How often the map was cut.
    level: u32,
    /// Its south west corner, in steps.
    lat: u32,
    lon: u32,
}

/// How a square lies to a shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Relation {
    Inside,
    Outside,
    Unclear,
}

/// The sides of a square, in degrees.
#[derive(Clone, Copy, Debug)]
struct Sides {
    south: f64,
    north: f64,
    west: f64,
    east: f64,
}

impl Square {
    const MAP: Square = Square {
        level: 0,
        lat: 0,
        lon: 0,
    };

    fn sides(&self) -> Sides {
        let size = 1.0 / f64::from(self.level).exp2();
        let start = |cell: u32| f64::from(cell) / 4_294_967_296.0;
        let degrees = |share: f64, max: f64| share * 2.0 * max - max;
        Sides {
            south: degrees(start(self.lat), 90.0) - SLACK_DEGREES,
            north: degrees(start(self.lat) + size, 90.0) + SLACK_DEGREES,
            west: degrees(start(self.lon), 180.0) - SLACK_DEGREES,
            east: degrees(start(self.lon) + size, 180.0) + SLACK_DEGREES,
        }
    }

    /// The places in it: from the first possible one to the last.
    fn range(&self) -> std::ops::RangeInclusive<Place> {
        let first = spread(self.lat) << 1 | spread(self.lon);
        let inside = u64::MAX.checked_shr(2 * self.level).unwrap_or(0);
        let place = |curve, bits| Place {
            curve,
            lat: bits,
            lon: bits,
        };
        place(first, 0)..=place(first | inside, u64::MAX)
    }

    fn quarters(&self) -> [Square; 4] {
        let half = 1 << (31 - self.level);
        [(0, 0), (0, half), (half, 0), (half, half)].map(|(lat, lon)| Square {
            level: self.level + 1,
            lat: self.lat | lat,
            lon: self.lon | lon,
        })
    }
}

/// Adds the points whose place is inside of the shape of `test` to `out`. False when it has no shape.
pub(crate) fn union_into(places: &Ordered<Place>, test: &Test, out: &mut RoaringTreemap) -> bool {
    let Some(shape) = Shape::of(test) else {
        return false;
    };
    let mut squares = std::collections::VecDeque::from([Square::MAP]);
    let mut seen = 0;
    while let Some(square) = squares.pop_front() {
        seen += 1;
        let range = square.range();
        match shape.relation(&square.sides()) {
            Relation::Outside => {}
            Relation::Inside => places.union_into(&range, out),
            Relation::Unclear
                if square.level < 31
                    && seen + squares.len() < SQUARES_MAX
                    && places.count(&range) >= PLACES_MIN =>
            {
                squares.extend(square.quarters());
            }
            Relation::Unclear => {
                let inside = places
                    .range(range)
                    .filter(|(place, _)| shape.contains(&place.point()));
                *out |= Posting::union(inside.map(|(_, posting)| posting));
            }
        }
    }
    true
}

/// What a place can be inside of.
enum Shape<'a> {
    Circle { center: &'a GeoPoint, meters: f64 },
    Box(&'a GeoBox),
    Polygon(&'a GeoPolygon),
}

impl<'a> Shape<'a> {
    fn of(test: &'a Test) -> Option<Shape<'a>> {
        match test {
            Test::GeoRadius { center, meters } => Some(Shape::Circle {
                center,
                meters: *meters,
            }),
            Test::GeoBox(corners) => Some(Shape::Box(corners)),
            Test::GeoPolygon(polygon) => Some(Shape::Polygon(polygon)),
            _ => None,
        }
    }

    fn contains(&self, point: &GeoPoint) -> bool {
        match self {
            Shape::Circle { center, meters } => center.meters_to(point) <= *meters,
            Shape::Box(corners) => corners.contains(point),
            Shape::Polygon(polygon) => polygon.contains(point),
        }
    }

    fn relation(&self, sides: &Sides) -> Relation {
        match self {
            Shape::Circle { center, meters } => circle(center, *meters, sides),
            Shape::Box(corners) => in_box(corners, sides),
            Shape::Polygon(polygon) => in_polygon(polygon, sides),
        }
    }
}

impl Sides {
    fn middle(&self) -> GeoPoint {
        GeoPoint::new(
            f64::midpoint(self.south, self.north),
            f64::midpoint(self.west, self.east),
        )
    }
}

fn circle(center: &GeoPoint, meters: f64, sides: &Sides) -> Relation {
    let far = center.meters_to(&sides.middle());
    // Along a meridian and then along a parallel: no point of the square is further from its middle.
    let degrees = (sides.north - sides.south) / 2.0 + (sides.east - sides.west) / 2.0;
    let reach = degrees * METERS_PER_DEGREE + 1.0;
    if far + reach <= meters {
        Relation::Inside
    } else if far - reach > meters {
        Relation::Outside
    } else {
        Relation::Unclear
    }
}

fn in_box(corners: &GeoBox, sides: &Sides) -> Relation {
    let (south, north) = (corners.bottom_right.lat, corners.top_left.lat);
    let (west, east) = (corners.top_left.lon, corners.bottom_right.lon);
    let parts = if west <= east {
        [(west, east), (west, east)]
    } else {
        [(west, 181.0), (-181.0, east)]
    };
    let lat_inside = south <= sides.south && sides.north <= north;
    let lat_outside = sides.north < south || north < sides.south;
    let inside = |(west, east): (f64, f64)| west <= sides.west && sides.east <= east;
    let outside = |(west, east): (f64, f64)| sides.east < west || east < sides.west;
    if lat_inside && parts.into_iter().any(inside) {
        Relation::Inside
    } else if lat_outside || parts.into_iter().all(outside) {
        Relation::Outside
    } else {
        Relation::Unclear
    }
}

fn in_polygon(polygon: &GeoPolygon, sides: &Sides) -> Relation {
    let rings = std::iter::once(&polygon.exterior).chain(&polygon.interiors);
    for ring in rings {
        let ends = ring.iter().skip(1).chain(ring.first());
        for (from, to) in ring.iter().zip(ends) {
            if [-360.0, 0.0, 360.0]
                .iter()
                .any(|turn| may_cross(from, to, *turn, sides))
            {
                return Relation::Unclear;
            }
        }
    }
    // No edge comes near: all of the square lies on one side of them.
    if polygon.contains(&sides.middle()) {
        Relation::Inside
    } else {
        Relation::Outside
    }
}

/// Whether the edge, `turn` degrees further west, may have a point in the square. A no is sure.
fn may_cross(from: &GeoPoint, to: &GeoPoint, turn: f64, sides: &Sides) -> bool {
    let (from_lon, to_lon) = (from.lon - turn, to.lon - turn);
    if from.lat.max(to.lat) < sides.south
        || from.lat.min(to.lat) > sides.north
        || from_lon.max(to_lon) < sides.west
        || from_lon.min(to_lon) > sides.east
    {
        return false;
    }
    // All corners on one side of the line.
    let side = |lat: f64, lon: f64| {
        (to_lon - from_lon) * (lat - from.lat) - (to.lat - from.lat) * (lon - from_lon)
    };
    let corners = [
        side(sides.south, sides.west),
        side(sides.south, sides.east),
        side(sides.north, sides.west),
        side(sides.north, sides.east),
    ];
    !(corners.iter().all(|&side| side > SLACK_DEGREES)
        || corners.iter().all(|&side| side < -SLACK_DEGREES))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(rng: &mut fastrand::Rng) -> GeoPoint {
        let lat = rng.f64() * 180.0 - 90.0;
        let lon = rng.f64() * 360.0 - 180.0;
        match rng.u8(..8) {
            0 => GeoPoint::new(lat.round(), lon.round()),
            1 => GeoPoint::new(90.0, lon),
            2 => GeoPoint::new(lat, if lon < 0.0 { -180.0 } else { 180.0 }),
            _ => GeoPoint::new(lat, lon),
        }
    }

    fn shape(rng: &mut fastrand::Rng) -> Test {
        match rng.u8(..3) {
            0 => Test::GeoRadius {
                center: point(rng),
                meters: 10f64.powf(rng.f64() * 5.0 + 2.3),
            },
            1 => Test::GeoBox(GeoBox {
                top_left: point(rng),
                bottom_right: point(rng),
            }),
            _ => {
                let center = point(rng);
                let corner = |rng: &mut fastrand::Rng| {
                    let (lat, lon) = (rng.f64() * 60.0 - 30.0, rng.f64() * 60.0 - 30.0);
                    GeoPoint::new((center.lat + lat).clamp(-90.0, 90.0), center.lon + lon)
                };
                let exterior = (0..rng.usize(3..8)).map(|_| corner(rng)).collect();
                let hole = (0..3).map(|_| corner(rng)).collect();
                Test::GeoPolygon(GeoPolygon {
                    exterior,
                    interiors: if rng.bool() { vec![hole] } else { Vec::new() },
                })
            }
        }
    }

    #[test]
    fn what_is_found_is_what_is_inside() {
        let rng = &mut fastrand::Rng::with_seed(9);
        let points: Vec<GeoPoint> = (0..5_000).map(|_| point(rng)).collect();
        let mut places = Ordered::default();
        for (number, point) in (0..).zip(&points) {
            places.insert(Place::new(*point), number);
        }
        for _ in 0..150 {
            let test = shape(rng);
            let mut found = RoaringTreemap::new();
            assert!(union_into(&places, &test, &mut found));
            let shape = Shape::of(&test).unwrap();
            for (number, point) in (0..).zip(&points) {
                assert_eq!(
                    found.contains(number),
                    shape.contains(point),
                    "{point:?} {test:?}"
                );
            }
        }
    }

    #[test]
    fn the_curve_keeps_places_apart() {
        let (a, b) = (GeoPoint::new(52.5, 13.4), GeoPoint::new(-33.9, 151.2));
        assert_eq!(Place::new(a).point(), a);
        assert!(Place::new(b) < Place::new(a));
        assert!(Square::MAP.range().contains(&Place::new(a)));
        let quarters = Square::MAP.quarters();
        let with_a = quarters
            .iter()
            .filter(|q| q.range().contains(&Place::new(a)));
        assert_eq!(with_a.count(), 1);
    }
}
