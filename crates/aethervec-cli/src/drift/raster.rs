//! A picture as PNG, two pixels for each of the page: anti-aliased lines by their distance, text of a font that is compiled in.

use super::picture::{Anchor, Color, Picture, Point, Shape, TextSize};
use flate2::write::ZlibEncoder;
use flate2::{Compression, Crc};
use noto_sans_mono_bitmap::{FontWeight, RasterHeight, get_raster, get_raster_width};
use std::io::Write;

const SCALE: f32 = 2.0;

/// The drawing as the bytes of a PNG file.
pub(crate) fn png(picture: &Picture) -> Vec<u8> {
    let mut canvas = Canvas::new(2 * u32::from(picture.width), 2 * u32::from(picture.height));
    for shape in &picture.shapes {
        canvas.draw(shape);
    }
    encode(&canvas)
}

struct Canvas {
    width: u32,
    height: u32,
    /// Rows of pixels, each behind a zero: the filter of the row in the file.
    rows: Vec<u8>,
}

impl Canvas {
    fn new(width: u32, height: u32) -> Canvas {
        let row = 1 + 3 * width as usize;
        let mut rows = vec![255; row * height as usize];
        rows.iter_mut().step_by(row).for_each(|filter| *filter = 0);
        Canvas {
            width,
            height,
            rows,
        }
    }

    fn draw(&mut self, shape: &Shape) {
        match shape {
            Shape::Line {
                points,
                width,
                color,
            } => {
                for ends in points.windows(2) {
                    self.stroke(
                        scaled(ends[0]),
                        scaled(ends[1]),
                        width * SCALE / 2.0,
                        *color,
                    );
                }
            }
            Shape::Disc {
                center,
                radius,
                color,
            } => self.stroke(scaled(*center), scaled(*center), radius * SCALE, *color),
            Shape::Text {
                at,
                anchor,
                size,
                color,
                text,
            } => self.text(scaled(*at), *anchor, *size, *color, text),
        }
    }

    /// All that is at most `radius` from the line between `a` and `b`.
    fn stroke(&mut self, a: Point, b: Point, radius: f32, color: Color) {
        let (dx, dy) = (b.0 - a.0, b.1 - a.1);
        let length = (dx * dx + dy * dy).max(f32::MIN_POSITIVE);
        let margin = radius + 1.0;
        for y in range(a.1.min(b.1) - margin, a.1.max(b.1) + margin, self.height) {
            for x in range(a.0.min(b.0) - margin, a.0.max(b.0) + margin, self.width) {
                let (px, py) = (x as f32 + 0.5 - a.0, y as f32 + 0.5 - a.1);
                let along = ((px * dx + py * dy) / length).clamp(0.0, 1.0);
                let (ex, ey) = (px - along * dx, py - along * dy);
                let distance = (ex * ex + ey * ey).sqrt();
                self.blend(x, y, color, (radius + 0.5 - distance).clamp(0.0, 1.0));
            }
        }
    }

    fn text(&mut self, at: Point, anchor: Anchor, size: TextSize, color: Color, text: &str) {
        let (weight, height) = match size {
            TextSize::Small => (FontWeight::Regular, RasterHeight::Size24),
            TextSize::Bold => (FontWeight::Bold, RasterHeight::Size24),
            TextSize::Title => (FontWeight::Bold, RasterHeight::Size32),
        };
        let advance = get_raster_width(weight, height) as f32;
        let length = advance * text.chars().count() as f32;
        let start = at.0
            - match anchor {
                Anchor::Start => 0.0,
                Anchor::Middle => length / 2.0,
                Anchor::End => length,
            };
        // The baseline is about four fifths down.
        let top = at.1 - 0.8 * height.val() as f32;
        for (number, character) in text.chars().enumerate() {
            let Some(glyph) = get_raster(character, weight, height) else {
                continue;
            };
            for (y, row) in glyph.rows().enumerate() {
                for (x, &shade) in row.iter().enumerate() {
                    let place = (start + advance * number as f32 + x as f32, top + y as f32);
                    if let (Some(x), Some(y)) = (pixel(place.0), pixel(place.1)) {
                        self.blend(x, y, color, f32::from(shade) / 255.0);
                    }
                }
            }
        }
    }

    fn blend(&mut self, x: u32, y: u32, color: Color, share: f32) {
        if x >= self.width || y >= self.height || share <= 0.0 {
            return;
        }
        let row = 1 + 3 * self.width as usize;
        let pixel = &mut self.rows[row * y as usize + 1 + 3 * x as usize..][..3];
        for (old, new) in pixel.iter_mut().zip(color) {
            let mixed = f32::from(*old) * (1.0 - share) + f32::from(new) * share;
            *old = byte(mixed);
        }
    }
}

fn scaled((x, y): Point) -> Point {
    (SCALE * x, SCALE * y)
}

/// Pixels from `low` to `high` that are below `end`.
fn range(low: f32, high: f32, end: u32) -> std::ops::Range<u32> {
    let pixel = |at: f32| pixel(at.max(0.0)).unwrap_or(0).min(end);
    pixel(low)..pixel(high + 1.0)
}

/// The pixel that `at` lies in, if there is one.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "pictures are small; casts saturate"
)]
fn pixel(at: f32) -> Option<u32> {
    (at >= 0.0).then_some(at as u32)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a mixture of bytes"
)]
fn byte(shade: f32) -> u8 {
    shade.round() as u8
}

/// Portable Network Graphics (RFC 2083): three bytes for each pixel, one chunk of data.
fn encode(canvas: &Canvas) -> Vec<u8> {
    let mut header = [canvas.width, canvas.height]
        .map(u32::to_be_bytes)
        .as_flattened()
        .to_vec();
    // Eight bits, red green blue, the only compression and filters there are, not interlaced.
    header.extend([8, 2, 0, 0, 0]);
    let mut data = ZlibEncoder::new(Vec::new(), Compression::default());
    let written = data.write_all(&canvas.rows).and_then(|()| data.finish());
    let data = written.expect("memory is writable");
    let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
    for (kind, contents) in [(b"IHDR", &header), (b"IDAT", &data), (b"IEND", &Vec::new())] {
        let length = u32::try_from(contents.len()).expect("pictures are small");
        file.extend(length.to_be_bytes());
        let start = file.len();
        file.extend(kind);
        file.extend(contents);
        let mut checksum = Crc::new();
        checksum.update(&file[start..]);
        file.extend(checksum.sum().to_be_bytes());
    }
    file
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::read::ZlibDecoder;
    use std::io::Read;

    #[test]
    fn pixels_are_where_shapes_are() {
        let red = [200, 0, 0];
        let picture = Picture {
            width: 40,
            height: 20,
            shapes: vec![
                Shape::Line {
                    points: vec![(5.0, 5.0), (35.0, 5.0)],
                    width: 2.0,
                    color: red,
                },
                Shape::Text {
                    at: (-3.0, 18.0),
                    anchor: Anchor::Start,
                    size: TextSize::Small,
                    color: [0; 3],
                    text: "|||é".to_owned(),
                },
            ],
        };
        let file = png(&picture);
        assert_eq!(&file[..8], b"\x89PNG\r\n\x1a\n");
        assert_eq!(&file[16..24], [0, 0, 0, 80, 0, 0, 0, 40]);
        let length = u32::from_be_bytes(file[33..37].try_into().unwrap()) as usize;
        let mut rows = Vec::new();
        ZlibDecoder::new(&file[41..][..length])
            .read_to_end(&mut rows)
            .unwrap();
        assert_eq!(rows.len(), 40 * (1 + 3 * 80));
        let pixel = |x: usize, y: usize| &rows[y * 241 + 1 + 3 * x..][..3];
        assert_eq!(pixel(40, 10), red);
        assert_eq!(pixel(40, 3), [255; 3]);
        assert!((0..40).any(|x| pixel(x, 28) == [0; 3]));
    }
}
