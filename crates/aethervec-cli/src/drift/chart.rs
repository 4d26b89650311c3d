//! Records as pictures: a panel for each figure, windows from left to right, a line for each index.

use super::picture::{Anchor, Color, Picture, Point, Shape, TextSize};
use super::player::FIXED;
use super::record::Record;

const WIDTH: f32 = 1120.0;
const MARGIN: f32 = 24.0;

/// Where the first panel begins, below title and legend.
const HEAD: f32 = 72.0;

const INK: Color = [0x22, 0x22, 0x22];
const GRAY: Color = [0x66, 0x66, 0x66];
const GRID: Color = [0xe4, 0xe4, 0xe4];

/// Of the index without upkeep.
const FIXED_COLOR: Color = [0xd5, 0x5e, 0x00];

/// Of the others, in turn; told apart by all eyes (Okabe and Ito).
const COLORS: [Color; 6] = [
    [0x00, 0x72, 0xb2],
    [0x00, 0x9e, 0x73],
    [0xaa, 0x44, 0x99],
    [0xe6, 0x9f, 0x00],
    [0x56, 0xb4, 0xe9],
    [0x33, 0x33, 0x33],
];

/// Something that records tell.
struct Figure {
    title: &'static str,
    scale: Scale,
    value: fn(&Record) -> Option<f64>,
}

/// How values become heights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scale {
    /// Up to 1.
    Share,
    /// From 0.
    Linear,
    /// Powers of ten, if values are far apart; else from 0.
    Wide,
}

const RECALL: Figure = Figure {
    title: "recall: what is found of what exact search finds",
    scale: Scale::Share,
    value: |record| Some(record.recall),
};

const OTHERS: [Figure; 5] = [
    Figure {
        title: "p99 of a query, µs",
        scale: Scale::Wide,
        value: |record| Some(record.p99_us),
    },
    Figure {
        title: "p50 of a query, µs",
        scale: Scale::Wide,
        value: |record| Some(record.p50_us),
    },
    Figure {
        title: "buckets scanned by a query",
        scale: Scale::Linear,
        value: |record| record.buckets_scanned,
    },
    Figure {
        title: "points moved, since the beginning",
        scale: Scale::Linear,
        value: |record| record.moves.map(|moves| moves as f64),
    },
    Figure {
        title: "bytes written ÷ bytes of vectors added, since the beginning",
        scale: Scale::Linear,
        value: |record| record.write_amplification,
    },
];

/// The names of all indexes of these records, in the order in which they come.
fn indexes(records: &[Record]) -> Vec<&str> {
    distinct(records.iter().map(|record| &record.index[..]))
}

/// The names of all scenarios, in the order in which they come.
pub(crate) fn scenarios(records: &[Record]) -> Vec<&str> {
    distinct(records.iter().map(|record| &record.scenario[..]))
}

fn distinct<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut seen = Vec::new();
    for name in names {
        if !seen.contains(&name) {
            seen.push(name);
        }
    }
    seen
}

/// All figures of one scenario; `asked` is the recall that indexes are asked for.
pub(crate) fn scenario(records: &[Record], name: &str, asked: f32) -> Picture {
    let of_it = |record: &&Record| record.scenario == name;
    let mut drawing = Drawing::new(records, &format!("drift-sim: {name}"));
    let shown: Vec<&Record> = records.iter().filter(of_it).collect();
    let full = WIDTH - 2.0 * MARGIN;
    let frame = Frame {
        left: MARGIN,
        top: HEAD,
        width: full,
        height: 300.0,
    };
    drawing.panel(frame, RECALL.title, &RECALL, &shown, Some(asked));
    let told = |figure: &&Figure| shown.iter().any(|record| (figure.value)(record).is_some());
    let width = (full - MARGIN) / 2.0;
    let mut bottom = HEAD + 300.0;
    for (number, figure) in OTHERS.iter().filter(told).enumerate() {
        let (row, column) = ((number / 2) as f32, (number % 2) as f32);
        let frame = Frame {
            left: MARGIN + column * (width + MARGIN),
            top: HEAD + 316.0 + row * 206.0,
            width,
            height: 190.0,
        };
        bottom = frame.top + frame.height;
        drawing.panel(frame, figure.title, figure, &shown, None);
    }
    drawing.finish(bottom + MARGIN)
}

/// The recall in all scenarios.
pub(crate) fn overview(records: &[Record], asked: f32) -> Picture {
    let mut drawing = Drawing::new(records, "drift-sim: recall, window by window");
    let width = (WIDTH - 4.0 * MARGIN) / 3.0;
    let mut bottom = HEAD;
    for (number, name) in scenarios(records).into_iter().enumerate() {
        let (row, column) = ((number / 3) as f32, (number % 3) as f32);
        let frame = Frame {
            left: MARGIN + column * (width + MARGIN),
            top: HEAD + row * 216.0,
            width,
            height: 200.0,
        };
        bottom = frame.top + frame.height;
        let shown: Vec<&Record> = records.iter().filter(|r| r.scenario == name).collect();
        drawing.panel(frame, name, &RECALL, &shown, Some(asked));
    }
    drawing.finish(bottom + MARGIN)
}

/// Where a panel goes.
#[derive(Clone, Copy)]
struct Frame {
    left: f32,
    top: f32,
    width: f32,
    height: f32,
}

struct Drawing<'a> {
    shapes: Vec<Shape>,
    indexes: Vec<&'a str>,
}

impl<'a> Drawing<'a> {
    /// Title and legend.
    fn new(records: &'a [Record], title: &str) -> Drawing<'a> {
        let mut drawing = Drawing {
            shapes: Vec::new(),
            indexes: indexes(records),
        };
        let at = (MARGIN, 30.0);
        drawing.text(at, Anchor::Start, TextSize::Title, INK, title);
        let mut left = MARGIN;
        for index in drawing.indexes.clone() {
            let color = drawing.color(index);
            drawing.line(vec![(left, 50.0), (left + 24.0, 50.0)], 3.0, color);
            let words = if index == FIXED {
                "fixed centroids, no upkeep"
            } else {
                index
            };
            let at = (left + 32.0, 54.0);
            drawing.text(at, Anchor::Start, TextSize::Bold, INK, words);
            left += 56.0 + 8.0 * words.chars().count() as f32;
        }
        drawing
    }

    fn finish(self, height: f32) -> Picture {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a page of a few thousand pixels; saturates"
        )]
        let (width, height) = (WIDTH as u16, height as u16);
        Picture {
            width,
            height,
            shapes: self.shapes,
        }
    }

    fn color(&self, index: &str) -> Color {
        let kept = self.indexes.iter().filter(|&&name| name != FIXED);
        match kept.clone().position(|&name| name == index) {
            Some(number) => COLORS[number % COLORS.len()],
            None => FIXED_COLOR,
        }
    }

    fn panel(
        &mut self,
        frame: Frame,
        title: &str,
        figure: &Figure,
        records: &[&Record],
        guide: Option<f32>,
    ) {
        let at = (frame.left, frame.top + 12.0);
        self.text(at, Anchor::Start, TextSize::Bold, INK, title);
        let values = records.iter().filter_map(|record| (figure.value)(record));
        let axis = Axis::new(figure.scale, values);
        let last = records.iter().map(|r| r.window).max().unwrap_or(0).max(1);
        let (left, right) = (frame.left + 52.0, frame.left + frame.width - 8.0);
        let (top, bottom) = (frame.top + 28.0, frame.top + frame.height - 22.0);
        let x = |window: usize| left + (right - left) * window as f32 / last as f32;
        let y = |value: f64| bottom - (bottom - top) * axis.place(value);
        for &tick in &axis.ticks {
            let (height, label) = (y(tick), label(tick));
            self.line(vec![(left, height), (right, height)], 1.0, GRID);
            let at = (left - 8.0, height + 4.0);
            self.text(at, Anchor::End, TextSize::Small, GRAY, &label);
        }
        for window in (0..=last).step_by(last.div_ceil(12)) {
            let at = (x(window), bottom + 17.0);
            self.text(
                at,
                Anchor::Middle,
                TextSize::Small,
                GRAY,
                &window.to_string(),
            );
        }
        self.line(vec![(left, bottom), (right, bottom)], 1.0, GRAY);
        if let Some(guide) = guide {
            let height = y(f64::from(guide));
            let mut from = left;
            while from < right {
                let to = (from + 6.0).min(right);
                self.line(vec![(from, height), (to, height)], 1.0, GRAY);
                from += 12.0;
            }
        }
        for index in self.indexes.clone() {
            let of_it = records.iter().filter(|record| record.index == index);
            let points: Vec<Point> = of_it
                .filter_map(|record| Some((x(record.window), y((figure.value)(record)?))))
                .collect();
            let color = self.color(index);
            for &center in &points {
                self.shapes.push(Shape::Disc {
                    center,
                    radius: 3.0,
                    color,
                });
            }
            self.line(points, 2.0, color);
        }
    }

    fn line(&mut self, points: Vec<Point>, width: f32, color: Color) {
        self.shapes.push(Shape::Line {
            points,
            width,
            color,
        });
    }

    fn text(&mut self, at: Point, anchor: Anchor, size: TextSize, color: Color, text: &str) {
        self.shapes.push(Shape::Text {
            at,
            anchor,
            size,
            color,
            text: text.to_owned(),
        });
    }
}

/// Which values are where.
struct Axis {
    low: f64,
    high: f64,
    logarithmic: bool,
    ticks: Vec<f64>,
}

impl Axis {
    fn new(scale: Scale, values: impl Iterator<Item = f64> + Clone) -> Axis {
        let least = values.clone().fold(f64::INFINITY, f64::min);
        let most = values.fold(0.0, f64::max);
        let far_apart = least > 0.0 && most > 20.0 * least;
        if scale == Scale::Wide && far_apart {
            let (low, high) = (least.log10().floor(), most.log10().ceil());
            let decades = (0..).map(|n| low + f64::from(n));
            let ticks = decades.take_while(|&decade| decade <= high);
            return Axis {
                low,
                high,
                logarithmic: true,
                ticks: ticks.map(|decade| 10_f64.powf(decade)).collect(),
            };
        }
        let (low, high) = match scale {
            Scale::Share => ((least * 10.0 - 0.2).floor().clamp(0.0, 8.0) / 10.0, 1.0),
            _ => (0.0, if most > 0.0 { most } else { 1.0 }),
        };
        let step = round_step((high - low) / 4.0);
        let range = ((high - low) / step - 1e-9).ceil() * step;
        let (low, high) = match scale {
            Scale::Share => (high - range, high),
            _ => (low, low + range),
        };
        let steps = (0..).map(|n| low + f64::from(n) * step);
        Axis {
            low,
            high,
            logarithmic: false,
            ticks: steps.take_while(|&tick| tick < high + step / 2.0).collect(),
        }
    }

    /// 0 at the bottom, 1 at the top.
    fn place(&self, value: f64) -> f32 {
        let value = match self.logarithmic {
            true => value.log10(),
            false => value,
        };
        let place = (value - self.low) / (self.high - self.low);
        #[expect(clippy::cast_possible_truncation, reason = "between 0 and 1")]
        let place = place.clamp(0.0, 1.0) as f32;
        place
    }
}

/// At least `step`: 1, 2 or 5 times a power of ten.
fn round_step(step: f64) -> f64 {
    let power = 10_f64.powf(step.log10().floor());
    let factors = [1.0, 2.0, 5.0, 10.0];
    let factor = factors
        .iter()
        .find(|&factor| factor * power >= step * 0.999);
    power * factor.unwrap_or(&10.0)
}

/// A number at an axis, as short as it can be.
fn label(value: f64) -> String {
    let text = match value {
        v if v >= 1e6 => format!("{:.1}M", v / 1e6),
        v if v >= 1e4 => format!("{:.0}k", v / 1e3),
        v if v >= 10.0 => format!("{v:.0}"),
        v => format!("{v:.2}"),
    };
    match text.contains('.') {
        true if !text.ends_with('M') => {
            let text = text.trim_end_matches('0').trim_end_matches('.');
            text.to_owned()
        }
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_hold_their_values_between_round_ticks() {
        let shares = Axis::new(Scale::Share, [0.61, 0.99].into_iter());
        assert_eq!((label(shares.low), shares.high), ("0.4".to_owned(), 1.0));
        assert_eq!(shares.ticks.len(), 4);
        let counts = Axis::new(Scale::Linear, [3.0, 37.0].into_iter());
        assert_eq!(counts.ticks, [0.0, 10.0, 20.0, 30.0, 40.0]);
        let times = Axis::new(Scale::Wide, [90.0, 2300.0].into_iter());
        assert!(times.logarithmic);
        assert_eq!(times.ticks.len(), 4);
        assert_eq!(times.place(10_000.0), 1.0);
        let none = Axis::new(Scale::Linear, [0.0].into_iter());
        assert_eq!(none.place(0.0), 0.0);
    }

    #[test]
    fn labels_are_short() {
        let labels = [0.0, 0.5, 0.95, 7.0, 120.0, 20_000.0, 3e6].map(label);
        assert_eq!(labels, ["0", "0.5", "0.95", "7", "120", "20k", "3.0M"]);
    }
}
