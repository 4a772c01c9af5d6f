//! A sheet of samples: pictures side by side, each with a line of text below.

use super::letters;
use crate::picture::PictureShape;
use image::{ImageFormat, Rgb, RgbImage};
use std::io::Cursor;

/// Pictures of one size in rows and columns.
#[derive(Clone, Debug, PartialEq)]
pub struct Sheet {
    /// The size of each picture.
    pub shape: PictureShape,
    /// Pictures side by side.
    pub n_columns: usize,
    /// A line of text above each column, or none.
    pub header: Vec<String>,
    /// Whether the first column is set apart from the others.
    pub has_first_apart: bool,
    /// The pictures, row by row.
    pub tiles: Vec<Tile>,
}

/// A picture of a sheet.
#[derive(Clone, Debug, PartialEq)]
pub struct Tile {
    /// Row-major, channels innermost.
    pub pixels: Vec<u8>,
    /// What stands below.
    pub caption: String,
}

/// Small pictures are enlarged by whole factors, until a side would be longer than this.
const SIDE: u32 = 96;
/// Pixels between pictures and around them, and of the gap behind the first column.
const MARGIN: u32 = 12;
const GAP: u32 = 14;
/// A wider sheet is no longer looked at as a whole: then pictures are enlarged less.
const WIDTH: u32 = 1600;
/// Most pixels of a sheet.
const MOST_PIXELS: u64 = 100_000_000;

const PAPER: Rgb<u8> = Rgb([246, 246, 244]);
const INK: Rgb<u8> = Rgb([40, 40, 40]);
const FAINT: Rgb<u8> = Rgb([120, 120, 120]);

/// Where things stand, in pixels.
struct Frame {
    /// How much larger pictures and letters are.
    enlarged: u32,
    letters: u32,
    /// A picture, with what is between it and the next one.
    step: [u32; 2],
    tile: [u32; 2],
    top: u32,
    /// Of the whole sheet.
    size: [u64; 2],
}

impl Sheet {
    /// How many times each picture is enlarged.
    pub fn enlarged(&self) -> u32 {
        self.frame().enlarged
    }

    /// As a PNG file.
    ///
    /// # Errors
    /// If it would be too large.
    ///
    /// # Panics
    /// If a picture has another number of pixels than the shape says, or there is no column.
    pub fn png(&self) -> Result<Vec<u8>, String> {
        let frame = self.frame();
        let [height, width] = frame.size;
        if height * width > MOST_PIXELS {
            return Err(format!("the sheet would have {width}x{height} pixels, more than {MOST_PIXELS}; ask for less"));
        }
        let mut canvas = RgbImage::from_pixel(width as u32, height as u32, PAPER);
        for (column, text) in self.header.iter().enumerate().take(self.n_columns) {
            let [_, left] = self.corner(&frame, column);
            frame.draw_text(&mut canvas, text, [MARGIN, left], FAINT);
        }
        for (number, tile) in self.tiles.iter().enumerate() {
            let [top, left] = self.corner(&frame, number);
            self.draw_picture(&mut canvas, &tile.pixels, frame.enlarged, [top, left]);
            frame.draw_text(&mut canvas, &tile.caption, [top + frame.tile[0] + 4, left], INK);
        }
        let mut png = Cursor::new(Vec::new());
        canvas.write_to(&mut png, ImageFormat::Png).map_err(|error| format!("cannot make a PNG picture: {error}"))?;
        Ok(png.into_inner())
    }

    fn frame(&self) -> Frame {
        let PictureShape { height, width, .. } = self.shape;
        let n_columns = self.n_columns as u32;
        let gap = if self.has_first_apart { GAP } else { 0 };
        let largest = (SIDE / height.max(width)).max(1);
        let of_width = |enlarged: &u32| {
            u64::from(n_columns) * u64::from(enlarged * width + MARGIN) <= u64::from(WIDTH - MARGIN - gap)
        };
        let enlarged = (1..=largest).rev().find(of_width).unwrap_or(1);
        let tile = [enlarged * height, enlarged * width];
        let texts = || self.tiles.iter().map(|tile| &tile.caption).chain(&self.header);
        let longest = texts().map(|text| letters::width(text)).max().unwrap_or(0);
        let letters = if 2 * longest <= tile[1] + MARGIN / 2 { 2 } else { 1 };
        let line = letters * letters::HEIGHT;
        let has_captions = self.tiles.iter().any(|tile| !tile.caption.is_empty());
        let below = if has_captions { line + 4 } else { 0 };
        let top = if self.header.is_empty() { MARGIN } else { MARGIN + line + 6 };
        let step = [tile[0] + below + MARGIN, tile[1] + MARGIN];
        let n_rows = self.tiles.len().div_ceil(self.n_columns) as u64;
        let size = [
            u64::from(top) + n_rows * u64::from(step[0]),
            u64::from(MARGIN + gap) + u64::from(n_columns) * u64::from(step[1]),
        ];
        Frame { enlarged, letters, step, tile, top, size }
    }

    /// The upper left corner of a picture.
    fn corner(&self, frame: &Frame, number: usize) -> [u32; 2] {
        let (row, column) = ((number / self.n_columns) as u32, (number % self.n_columns) as u32);
        let gap = if self.has_first_apart && column > 0 { GAP } else { 0 };
        [frame.top + row * frame.step[0], MARGIN + gap + column * frame.step[1]]
    }

    fn draw_picture(&self, canvas: &mut RgbImage, pixels: &[u8], enlarged: u32, [top, left]: [u32; 2]) {
        let PictureShape { height, width, channels } = self.shape;
        assert_eq!(pixels.len(), (height * width) as usize * channels, "bytes of a picture");
        for (number, pixel) in pixels.chunks_exact(channels).enumerate() {
            let color = if channels == 3 { Rgb([pixel[0], pixel[1], pixel[2]]) } else { Rgb([pixel[0]; 3]) };
            let (y, x) = (number as u32 / width * enlarged, number as u32 % width * enlarged);
            for dy in 0..enlarged {
                (0..enlarged).for_each(|dx| canvas.put_pixel(left + x + dx, top + y + dy, color));
            }
        }
    }
}

impl Frame {
    /// A line of text, cut where the next column begins.
    fn draw_text(&self, canvas: &mut RgbImage, text: &str, [top, left]: [u32; 2], color: Rgb<u8>) {
        let room = (self.step[1] - MARGIN / 2) / self.letters;
        let n_letters = (room / letters::ADVANCE) as usize;
        let cut: String = match text.chars().count() > n_letters {
            true => text.chars().take(n_letters.saturating_sub(2)).chain("..".chars()).collect(),
            false => text.into(),
        };
        for (x, y) in letters::dots(&cut) {
            for (dx, dy) in (0..self.letters).flat_map(|dx| (0..self.letters).map(move |dy| (dx, dy))) {
                let (x, y) = (left + x * self.letters + dx, top + y * self.letters + dy);
                if x < canvas.width() && y < canvas.height() {
                    canvas.put_pixel(x, y, color);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sheet(shape: PictureShape, n: usize) -> Sheet {
        let len = (shape.height * shape.width) as usize * shape.channels;
        let tile = |at: usize| Tile { pixels: vec![at as u8; len], caption: at.to_string() };
        Sheet {
            shape,
            n_columns: 3,
            header: vec!["first".into(), "second".into()],
            has_first_apart: true,
            tiles: (0..n).map(tile).collect(),
        }
    }

    #[test]
    fn pictures_stand_in_rows_and_are_enlarged() {
        let sheet = sheet(PictureShape { height: 20, width: 10, channels: 1 }, 5);
        assert_eq!(sheet.enlarged(), 4);
        let picture = image::load_from_memory(&sheet.png().unwrap()).unwrap().into_rgb8();
        let frame = sheet.frame();
        assert_eq!([picture.height(), picture.width()].map(u64::from), frame.size);
        for number in 0..5 {
            let [top, left] = sheet.corner(&frame, number);
            for (dy, dx) in [(0, 0), (79, 39)] {
                assert_eq!(picture.get_pixel(left + dx, top + dy), &Rgb([number as u8; 3]));
            }
            assert_eq!(picture.get_pixel(left + 40, top), &PAPER);
            let below = (0..40).any(|dx| (4..20).any(|dy| picture.get_pixel(left + dx, top + 80 + dy) == &INK));
            assert!(below, "a caption");
        }
        let [_, last] = sheet.corner(&frame, 2);
        assert!(u64::from(last) + 40 + u64::from(MARGIN) == frame.size[1]);
    }

    #[test]
    fn large_pictures_stay_as_they_are_and_huge_sheets_are_refused() {
        assert_eq!(sheet(PictureShape { height: 97, width: 5, channels: 3 }, 1).enlarged(), 1);
        let message = sheet(PictureShape { height: 4000, width: 9000, channels: 1 }, 3).png().unwrap_err();
        assert!(message.starts_with("the sheet would have 27062x4066 pixels, more than 100000000"), "{message}");
    }
}
