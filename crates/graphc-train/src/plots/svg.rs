//! Writing SVG: few elements, coordinates to a tenth of a pixel, every text from outside escaped.

use graphc_ir::text::visible;
use std::fmt::Write;

/// Colours and fonts of all pictures, for light and dark surroundings. Whoever puts a picture into a page gives the
/// page this style.
pub const STYLE: &str = include_str!("style.css");

/// Text for XML and HTML: markup is escaped, and what is hidden or cannot stand in XML is written as `\u{1b}`.
pub fn escaped(text: &str) -> String {
    let mut result = String::with_capacity(text.len());
    for c in visible(text).chars() {
        match c {
            '&' => result.push_str("&amp;"),
            '<' => result.push_str("&lt;"),
            '>' => result.push_str("&gt;"),
            '"' => result.push_str("&quot;"),
            '\'' => result.push_str("&apos;"),
            // The two that are neither control characters nor allowed.
            '\u{fffe}' | '\u{ffff}' => result.push('\u{fffd}'),
            c => result.push(c),
        }
    }
    result
}

/// A place in pixels, from the upper left corner.
pub(super) type Point = (f64, f64);

/// Which part of a text is at its place.
#[derive(Clone, Copy)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// Pixels around a picture that is a file of its own.
const MARGIN: f64 = 12.0;

/// A picture that is being drawn.
pub(super) struct Svg {
    size: (f64, f64),
    body: String,
}

impl Svg {
    pub(super) fn new(width: f64, height: f64) -> Svg {
        Svg { size: (width, height), body: String::new() }
    }

    pub(super) fn line(&mut self, class: &str, from: Point, to: Point) {
        let [x1, y1, x2, y2] = [from.0, from.1, to.0, to.1].map(coordinate);
        self.add(format_args!("<line class=\"{class}\" x1=\"{x1}\" y1=\"{y1}\" x2=\"{x2}\" y2=\"{y2}\"/>"));
    }

    /// Straight lines from point to point.
    pub(super) fn path(&mut self, class: &str, points: impl IntoIterator<Item = Point>) {
        let mut path = String::new();
        for (x, y) in points {
            let step = if path.is_empty() { 'M' } else { 'L' };
            let _ = write!(path, "{step}{} {}", coordinate(x), coordinate(y));
        }
        self.add(format_args!("<path class=\"{class}\" d=\"{path}\"/>"));
    }

    pub(super) fn circle(&mut self, class: &str, (x, y): Point, radius: f64) {
        let [x, y, radius] = [x, y, radius].map(coordinate);
        self.add(format_args!("<circle class=\"{class}\" cx=\"{x}\" cy=\"{y}\" r=\"{radius}\"/>"));
    }

    /// A filled square of that opacity, which tells what it is where the pointer rests on it.
    pub(super) fn square(&mut self, class: &str, (x, y): Point, side: f64, opacity: f64, tip: &str) {
        let [x, y, side] = [x, y, side].map(coordinate);
        let tip = if tip.is_empty() { String::new() } else { format!("<title>{}</title>", escaped(tip)) };
        self.add(format_args!(
            "<rect class=\"{class}\" x=\"{x}\" y=\"{y}\" width=\"{side}\" height=\"{side}\" \
             fill-opacity=\"{opacity:.2}\">{tip}</rect>"
        ));
    }

    pub(super) fn text(&mut self, class: &str, at: Point, anchor: Anchor, text: &str) {
        self.spans(at, anchor, &[(class, text)]);
    }

    /// Texts of different looks one behind the other, the place of their baseline.
    pub(super) fn spans(&mut self, (x, y): Point, anchor: Anchor, spans: &[(&str, &str)]) {
        let [x, y] = [x, y].map(coordinate);
        let anchor = anchor_attribute(anchor);
        match spans {
            [(class, text)] => {
                let text = escaped(text);
                self.add(format_args!("<text class=\"{class}\" x=\"{x}\" y=\"{y}\"{anchor}>{text}</text>"));
            }
            _ => {
                let span = |(class, text): &(&str, &str)| format!("<tspan class=\"{class}\">{}</tspan>", escaped(text));
                let spans: String = spans.iter().map(span).collect();
                self.add(format_args!("<text x=\"{x}\" y=\"{y}\"{anchor}>{spans}</text>"));
            }
        }
    }

    /// Text from below to above.
    pub(super) fn upright(&mut self, class: &str, (x, y): Point, text: &str) {
        let ([x, y], text) = ([x, y].map(coordinate), escaped(text));
        self.add(format_args!(
            "<text class=\"{class}\" transform=\"translate({x} {y}) rotate(-90)\" text-anchor=\"middle\">{text}</text>"
        ));
    }

    /// For a page that has [`STYLE`]; `title` is what screen readers say.
    pub(super) fn inline(self, title: &str) -> String {
        self.finish(title, 0.0, "")
    }

    /// A file of its own, on a ground of its own that is a little larger.
    pub(super) fn standalone(self, title: &str) -> String {
        let [x, width, height] = [-MARGIN, self.size.0 + 2.0 * MARGIN, self.size.1 + 2.0 * MARGIN].map(coordinate);
        let ground = format!("<rect class=\"paper\" x=\"{x}\" y=\"{x}\" width=\"{width}\" height=\"{height}\"/>");
        self.finish(title, MARGIN, &format!("<style>{STYLE}</style>\n{ground}\n"))
    }

    fn finish(self, title: &str, margin: f64, ground: &str) -> String {
        let size = [self.size.0 + 2.0 * margin, self.size.1 + 2.0 * margin];
        let ([width, height], first) = (size.map(coordinate), coordinate(-margin));
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"picture\" width=\"{width}\" height=\"{height}\" \
             viewBox=\"{first} {first} {width} {height}\" role=\"img\" aria-label=\"{}\">\n{ground}{}</svg>\n",
            escaped(title),
            self.body
        )
    }

    fn add(&mut self, element: std::fmt::Arguments<'_>) {
        let _ = writeln!(self.body, "{element}");
    }
}

fn anchor_attribute(anchor: Anchor) -> &'static str {
    match anchor {
        Anchor::Start => "",
        Anchor::Middle => " text-anchor=\"middle\"",
        Anchor::End => " text-anchor=\"end\"",
    }
}

/// `12`, `12.5`.
fn coordinate(value: f64) -> String {
    let tenths = (value * 10.0).round() as i64;
    let (sign, tenths) = (if tenths < 0 { "-" } else { "" }, tenths.abs());
    match tenths % 10 {
        0 => format!("{sign}{}", tenths / 10),
        rest => format!("{sign}{}.{rest}", tenths / 10),
    }
}

/// About how wide a text is in the size of labels, 12 pixels: fonts differ, and none is at hand.
pub(super) fn text_width(text: &str) -> f64 {
    let width = |c: char| match c {
        'i' | 'j' | 'l' | '.' | ',' | ':' | ';' | '|' | '\'' | '!' | ' ' | 'I' | 'f' | 't' | 'r' | '-' => 4.6,
        'm' | 'w' | 'M' | 'W' | '@' | '%' => 10.6,
        'A'..='Z' => 8.4,
        c if c.is_ascii() => 7.0,
        _ => 12.0,
    };
    text.chars().map(width).sum()
}

/// A name of at most `n` characters: of a longer one, its beginning and its end.
pub fn shortened(name: &str, n: usize) -> String {
    let chars: Vec<char> = visible(name).chars().collect();
    if chars.len() <= n {
        return chars.into_iter().collect();
    }
    let (head, tail) = (n / 2, n.saturating_sub(n / 2 + 1));
    chars[..head].iter().chain(&['…']).chain(&chars[chars.len() - tail..]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names() {
        assert_eq!([0.0, 12.04, 12.05, -0.06, -3.0].map(coordinate), ["0", "12", "12.1", "-0.1", "-3"]);
        assert_eq!(escaped("a<b>&\"'\u{1b}\u{202e}"), "a&lt;b&gt;&amp;&quot;&apos;\\u{1b}\\u{202e}");
        assert_eq!(shortened("lenet5-1", 12), "lenet5-1");
        assert_eq!(shortened("a-very-long-name-of-a-run-17", 12), "a-very…un-17");
    }

    #[test]
    fn a_style_is_no_markup() {
        assert!(!STYLE.contains(['<', '&']));
    }
}
