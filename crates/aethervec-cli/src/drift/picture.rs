//! A drawing as a list of shapes, which is written as SVG here and as pixels by `raster`.
//!
//! Lengths are pixels of a page, `y` grows downwards.

use std::fmt::Write;

/// Red, green and blue.
pub(crate) type Color = [u8; 3];

pub(crate) type Point = (f32, f32);

/// A drawing.
#[derive(Clone, Debug)]
pub(crate) struct Picture {
    pub(crate) width: u16,
    pub(crate) height: u16,
    /// Later ones cover earlier ones.
    pub(crate) shapes: Vec<Shape>,
}

#[derive(Clone, Debug)]
pub(crate) enum Shape {
    /// Straight lines from point to point.
    Line {
        points: Vec<Point>,
        width: f32,
        color: Color,
    },
    Disc {
        center: Point,
        radius: f32,
        color: Color,
    },
    /// One line of text; its baseline begins, has its middle, or ends at `at`.
    Text {
        at: Point,
        anchor: Anchor,
        size: TextSize,
        color: Color,
        text: String,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Anchor {
    Start,
    Middle,
    End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TextSize {
    /// 12 pixels.
    Small,
    /// 12 pixels, bold.
    Bold,
    /// 16 pixels, bold.
    Title,
}

impl Picture {
    /// As an element of HTML, or as a file of its own. `title` is for those who cannot see it.
    pub(crate) fn svg(&self, title: &str) -> String {
        let (width, height) = (self.width, self.height);
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" role=\"img\" \
             font-family=\"system-ui, sans-serif\"><title>{}</title>\
             <rect width=\"{width}\" height=\"{height}\" fill=\"#fff\"/>\n",
            escaped(title)
        );
        for shape in &self.shapes {
            // Writing into a string cannot fail.
            let _ = write_shape(&mut svg, shape);
        }
        svg.push_str("</svg>\n");
        svg
    }
}

fn write_shape(svg: &mut String, shape: &Shape) -> std::fmt::Result {
    match shape {
        Shape::Line {
            points,
            width,
            color,
        } => {
            let points: Vec<String> = points
                .iter()
                .map(|(x, y)| format!("{x:.1},{y:.1}"))
                .collect();
            writeln!(
                svg,
                "<polyline points=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"{width}\" \
                 stroke-linejoin=\"round\" stroke-linecap=\"round\"/>",
                points.join(" "),
                hex(*color)
            )
        }
        Shape::Disc {
            center: (x, y),
            radius,
            color,
        } => writeln!(
            svg,
            "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius}\" fill=\"{}\"/>",
            hex(*color)
        ),
        Shape::Text {
            at: (x, y),
            anchor,
            size,
            color,
            text,
        } => {
            let anchor = match anchor {
                Anchor::Start => "start",
                Anchor::Middle => "middle",
                Anchor::End => "end",
            };
            let font = match size {
                TextSize::Small => "font-size=\"12\"",
                TextSize::Bold => "font-size=\"12\" font-weight=\"bold\"",
                TextSize::Title => "font-size=\"16\" font-weight=\"bold\"",
            };
            writeln!(
                svg,
                "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" {font} fill=\"{}\">{}</text>",
                hex(*color),
                escaped(text)
            )
        }
    }
}

fn hex([r, g, b]: Color) -> String {
    format!("#{r:02x}{g:02x}{b:02x}")
}

/// Text within HTML.
pub(crate) fn escaped(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    text.replace('>', "&gt;").replace('"', "&quot;")
}
