//! A PNG or JPEG file to the bytes of an input.

use image::imageops::FilterType;
use image::metadata::Orientation;
use image::{DynamicImage, GrayImage, ImageDecoder, ImageFormat, ImageReader, Limits, RgbImage, RgbaImage};
use std::io::Cursor;

/// Bytes of a picture in the network's size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Height x width x channels, row-major.
    pub pixels: Vec<u8>,
    /// What was changed to make it fit, and what looks wrong with it. Behind the last semicolon stands what was done.
    pub warnings: Vec<String>,
}

/// How a picture file becomes the bytes of an input.
#[derive(Clone, Copy, Debug, Default)]
pub struct PictureOptions {
    /// Bright becomes dark and the other way round.
    pub invert: bool,
    /// How bright the edges of the network's own samples are, if that is known
    /// ([`edge_of_samples`](crate::predict::edge_of_samples)).
    pub edge: Option<u8>,
}

/// Size of the pictures that a network takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PictureShape {
    /// Rows.
    pub height: u32,
    /// Columns.
    pub width: u32,
    /// 1 is grey, 3 are red, green and blue.
    pub channels: usize,
}

impl PictureShape {
    /// Of samples with those sizes: height, width and channels, 1 or 3; without channels it is 1.
    pub fn of_sample(sizes: &[usize]) -> Option<PictureShape> {
        let (height, width, channels) = match *sizes {
            [height, width] => (height, width, 1),
            [height, width, channels @ (1 | 3)] => (height, width, channels),
            _ => return None,
        };
        let size = |size: usize| u32::try_from(size).ok().filter(|&size| size > 0);
        Some(PictureShape { height: size(height)?, width: size(width)?, channels })
    }
}

/// Largest picture that is decoded. As a file it may be small: some 100 kB of PNG are 100 million pixels of one colour.
pub const MOST_PIXELS: u64 = 100_000_000;

/// Most memory that decoding may take. At 8 bytes a pixel the largest picture needs 800 MB.
const MOST_BYTES: u64 = 1 << 30;

/// Decodes a picture and fits it to a shape.
///
/// # Errors
/// What is wrong with it.
pub fn decode(bytes: &[u8], shape: PictureShape, options: PictureOptions) -> Result<Picture, String> {
    let no_picture = |error: image::ImageError| format!("not a PNG or JPEG picture: {error}");
    let reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format();
    let reader = reader.map_err(|error| format!("cannot read the picture: {error}"))?;
    if reader.format() == Some(ImageFormat::Jpeg) {
        check_markers(bytes)?;
    }
    let mut decoder = reader.into_decoder().map_err(no_picture)?;
    let (width, height) = decoder.dimensions();
    if u64::from(width) * u64::from(height) > MOST_PIXELS {
        return Err(format!("the picture is {width}x{height} pixels, more than {MOST_PIXELS}"));
    }
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(MOST_BYTES);
    decoder.set_limits(limits).map_err(no_picture)?;
    // EXIF data that cannot be read turn nothing.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let mut picture = DynamicImage::from_decoder(decoder).map_err(no_picture)?;
    picture.apply_orientation(orientation);
    Ok(fit(picture, shape, options))
}

fn fit(picture: DynamicImage, shape: PictureShape, options: PictureOptions) -> Picture {
    let mut warnings = Vec::new();
    let (picture, was_transparent) = on_white(picture);
    if was_transparent {
        warnings.push("the picture has transparent pixels; laid on white".to_string());
    }
    let (width, height) = (picture.width(), picture.height());
    if (width, height) != (shape.width, shape.height) {
        let keeps_aspect = have_same_aspect([width, height], [shape.width, shape.height]);
        let how = if keeps_aspect { "resized" } else { "stretched, for its aspect ratio is another" };
        let takes = format!("the network takes {}x{}", shape.width, shape.height);
        warnings.push(format!("the picture is {width}x{height} pixels, {takes}; {how}"));
    }
    let picture = match (width, height) == (shape.width, shape.height) {
        true => picture,
        false => picture.resize_exact(shape.width, shape.height, FilterType::Triangle),
    };
    let mut pixels = if shape.channels == 1 { picture.into_luma8().into_raw() } else { picture.into_rgb8().into_raw() };
    if options.invert {
        pixels.iter_mut().for_each(|byte| *byte = 255 - *byte);
    }
    warnings.extend(wrong_ground(edge(&pixels, shape), shape, options));
    Picture { pixels, warnings }
}

/// Most pixels of a side of a small picture.
const SMALL: u32 = 96;

/// A PNG file of `height * width * channels` bytes, of which a side longer than 96 pixels is shrunk to that, the other
/// with it.
///
/// # Panics
/// If there are more or fewer bytes.
pub fn small_png(pixels: &[u8], shape: PictureShape) -> Vec<u8> {
    let PictureShape { height, width, channels } = shape;
    let whole = "a picture has the bytes of its shape";
    let mut picture = match channels {
        1 => DynamicImage::ImageLuma8(GrayImage::from_raw(width, height, pixels.to_vec()).expect(whole)),
        _ => DynamicImage::ImageRgb8(RgbImage::from_raw(width, height, pixels.to_vec()).expect(whole)),
    };
    if height.max(width) > SMALL {
        picture = picture.resize(SMALL, SMALL, FilterType::Triangle);
    }
    let mut file = Cursor::new(Vec::new());
    picture.write_to(&mut file, ImageFormat::Png).expect("writing to memory does not fail");
    file.into_inner()
}

/// Height, width and channels of what may be a picture: two sizes, or three of which the last is 1 or 3.
pub fn shape_of_picture(sizes: &[usize]) -> Option<PictureShape> {
    PictureShape::of_sample(sizes)
}

/// Most scans of a JPEG file. Encoders make some ten; each one goes over the whole picture, however short it is.
const MOST_SCANS: usize = 100;

/// Checks that a JPEG file reaches the marker that ends it, for the decoder makes up what is missing, and is not made
/// to keep the decoder busy. What follows the end is not looked at: some cameras put a film there.
fn check_markers(bytes: &[u8]) -> Result<(), String> {
    let truncated = || Err("truncated: the JPEG data ends too early".to_string());
    let mut n_scans = 0;
    // Neither a stuffed byte of a scan, nor a filling one, nor a restart within a scan.
    let is_marker = |pair: &[u8]| pair[0] == 0xff && !matches!(pair[1], 0 | 0xd0..=0xd7 | 0xff);
    let mut rest = bytes.get(2..).unwrap_or_default();
    while let Some(at) = rest.windows(2).position(is_marker) {
        let segment = &rest[at + 2..];
        let marker = rest[at + 1];
        n_scans += usize::from(marker == 0xda);
        if n_scans > MOST_SCANS {
            return Err(format!("the JPEG data has more than {MOST_SCANS} scans"));
        }
        match (marker, segment) {
            (0xd9, _) => return Ok(()),
            // Markers that nothing belongs to.
            (0x01 | 0xd8, _) => rest = segment,
            (_, [high, low, ..]) => {
                let len = usize::from(u16::from_be_bytes([*high, *low]));
                rest = segment.get(len.max(2)..).unwrap_or_default();
            }
            (_, _) => return truncated(),
        }
    }
    truncated()
}

/// The picture without transparency, and whether it had any.
fn on_white(picture: DynamicImage) -> (DynamicImage, bool) {
    if !picture.color().has_alpha() {
        return (picture, false);
    }
    let mut pixels: RgbaImage = picture.into_rgba8();
    let mut was_transparent = false;
    for image::Rgba([rgb @ .., alpha]) in pixels.pixels_mut() {
        let opaque = u32::from(*alpha);
        was_transparent |= opaque < 255;
        for byte in rgb {
            // Rounded; at most 255.
            *byte = ((u32::from(*byte) * opaque + 255 * (255 - opaque) + 127) / 255) as u8;
        }
        *alpha = 255;
    }
    (DynamicImage::ImageRgba8(pixels), was_transparent)
}

/// Whether two sizes have the same aspect ratio, but for 2 %, which nobody sees.
fn have_same_aspect([width, height]: [u32; 2], [to_width, to_height]: [u32; 2]) -> bool {
    let [width, height, to_width, to_height] = [width, height, to_width, to_height].map(u64::from);
    let [one, other] = [width * to_height, height * to_width];
    one.abs_diff(other) <= one.max(other) / 50
}

/// How bright the outermost pixels are on average.
pub(crate) fn edge(pixels: &[u8], shape: PictureShape) -> u8 {
    let row_len = shape.width as usize * shape.channels;
    let last = shape.height as usize - 1;
    let (mut sum, mut n) = (0, 0);
    for (y, row) in pixels.chunks_exact(row_len).enumerate() {
        let whole = y == 0 || y == last;
        let parts = if whole { [row, &[]] } else { [&row[..shape.channels], &row[row_len - shape.channels..]] };
        for part in parts {
            sum += part.iter().map(|&byte| u64::from(byte)).sum::<u64>();
            n += part.len() as u64;
        }
    }
    (sum / n.max(1)) as u8
}

/// Edges darker than this are a dark ground, and brighter than 255 less this a bright one.
const DARK: u8 = 64;

/// Ink on paper where light on dark is expected, or the other way round.
///
/// Without samples to compare with, only grey pictures are judged: those of the common data sets are light on dark.
fn wrong_ground(edge: u8, shape: PictureShape, options: PictureOptions) -> Option<String> {
    let is_dark = |edge: u8| edge < DARK;
    let is_bright = |edge: u8| edge > 255 - DARK;
    let advice = if options.invert { "leave out --invert" } else { "--invert turns it" };
    match options.edge {
        Some(of_samples) if is_dark(of_samples) && is_bright(edge) => {
            Some(format!("the picture is dark on light, the network's samples are light on dark; {advice}"))
        }
        Some(of_samples) if is_bright(of_samples) && is_dark(edge) => {
            Some(format!("the picture is light on dark, the network's samples are dark on light; {advice}"))
        }
        None if shape.channels == 1 && is_bright(edge) => {
            Some(format!("the picture is dark on light; if the network learnt light on dark, {advice}"))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_pictures_read_back() {
        let pixels: Vec<u8> = (0..18).map(|i| i * 14).collect();
        let shape = PictureShape { channels: 3, ..GREY };
        assert_eq!(decode(&small_png(&pixels, shape), shape, PictureOptions::default()).unwrap().pixels, pixels);
        let large = small_png(&[200; 192 * 400], PictureShape { height: 192, width: 400, channels: 1 });
        let shape = PictureShape { height: 46, width: 96, channels: 1 };
        let read = decode(&large, shape, PictureOptions { edge: Some(200), ..PictureOptions::default() }).unwrap();
        assert_eq!((read.warnings.len(), read.pixels), (0, vec![200; 46 * 96]));
    }

    const GREY: PictureShape = PictureShape { height: 2, width: 3, channels: 1 };

    fn png(picture: impl Into<DynamicImage>) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        picture.into().write_to(&mut bytes, image::ImageFormat::Png).unwrap();
        bytes.into_inner()
    }

    fn decode_with(bytes: &[u8], shape: PictureShape, options: PictureOptions) -> Result<Picture, String> {
        decode(bytes, shape, options)
    }

    fn grey(width: u32, height: u32, bytes: &[u8]) -> Vec<u8> {
        png(image::GrayImage::from_raw(width, height, bytes.to_vec()).unwrap())
    }

    /// Black ink on nothing: white paper.
    #[test]
    fn transparent_pixels_are_laid_on_white() {
        let picture =
            decode_with(include_bytes!("../../../fuzz/seeds/picture/ink.png"), GREY, PictureOptions::default());
        let warnings = vec!["the picture has transparent pixels; laid on white".to_string()];
        // Its opacity rises from nothing to nearly all.
        assert_eq!(picture.unwrap(), Picture { pixels: vec![255, 205, 155, 105, 55, 5], warnings: warnings.clone() });
        let pixels = [[0, 0, 0, 0], [0, 0, 0, 255], [0, 0, 0, 128], [200, 100, 50, 51], [255; 4], [1, 2, 3, 255]];
        let bytes = png(RgbaImage::from_raw(3, 2, pixels.concat()).unwrap());
        let shape = PictureShape { channels: 3, ..GREY };
        let picture = decode_with(&bytes, shape, PictureOptions::default()).unwrap();
        // 200 * 0.2 + 255 * 0.8 = 244, 100 and 50 likewise.
        let expected = [[255; 3], [0; 3], [127; 3], [244, 224, 214], [255; 3], [1, 2, 3]].concat();
        assert_eq!(picture, Picture { pixels: expected, warnings });
        let opaque = png(RgbaImage::from_pixel(3, 2, image::Rgba([9, 9, 9, 255])));
        assert_eq!(decode_with(&opaque, shape, PictureOptions::default()).unwrap().warnings, [""; 0]);
    }

    /// Orientation 3: turned by half.
    #[test]
    fn exif_orientation_is_honoured() {
        let bytes: &[u8] = include_bytes!("../../../fuzz/seeds/picture/exif.jpg");
        let turned = decode_with(bytes, GREY, PictureOptions::default()).unwrap().pixels;
        let at = bytes.windows(4).position(|window| window == b"Exif").unwrap();
        let mut without = bytes.to_vec();
        without[at] = b'X';
        let mut as_it_lies = decode_with(&without, GREY, PictureOptions::default()).unwrap().pixels;
        assert_ne!(turned, as_it_lies);
        as_it_lies.reverse();
        assert_eq!(turned, as_it_lies);
        // Orientation 6 stands on its side: 3x2 becomes 2x3, and that is the size that warnings tell.
        let mut on_its_side = bytes.to_vec();
        let value = at + 6 + 8 + 2 + 8;
        assert_eq!(on_its_side[value..value + 2], [0, 3], "the value of the only entry");
        on_its_side[value + 1] = 6;
        let warnings = decode_with(&on_its_side, GREY, PictureOptions::default()).unwrap().warnings;
        assert!(warnings[0].starts_with("the picture is 2x3 pixels, the network takes 3x2; "), "{warnings:?}");
    }

    #[test]
    fn other_sizes_are_told_and_so_are_other_aspect_ratios() {
        let warnings = |width, height| {
            let bytes = grey(width, height, &vec![100; (width * height) as usize]);
            decode_with(&bytes, GREY, PictureOptions::default()).unwrap().warnings
        };
        assert_eq!(warnings(3, 2), [""; 0]);
        assert_eq!(warnings(6, 4), ["the picture is 6x4 pixels, the network takes 3x2; resized"]);
        assert_eq!(warnings(302, 200), ["the picture is 302x200 pixels, the network takes 3x2; resized"]);
        let stretched = "the network takes 3x2; stretched, for its aspect ratio is another";
        assert_eq!(warnings(40, 20), [format!("the picture is 40x20 pixels, {stretched}")]);
        assert_eq!(warnings(31, 20), [format!("the picture is 31x20 pixels, {stretched}")]);
        assert_eq!(warnings(2, 3), [format!("the picture is 2x3 pixels, {stretched}")]);
    }

    #[test]
    fn ink_on_paper_is_told() {
        let warnings = |picture: &[u8], channels, invert, edge| {
            let bytes = grey(3, 3, picture);
            let shape = PictureShape { height: 3, width: 3, channels };
            decode_with(&bytes, shape, PictureOptions { invert, edge }).unwrap().warnings
        };
        let paper = [250, 250, 250, 250, 0, 250, 250, 250, 250];
        let slate = [0, 0, 0, 0, 250, 0, 0, 0, 0];
        let photo = [80, 120, 100, 150, 0, 90, 70, 120, 110];
        let dark_on_light = "the picture is dark on light";
        let known = "the network's samples are light on dark; --invert turns it";
        assert_eq!(warnings(&paper, 1, false, Some(0)), [format!("{dark_on_light}, {known}")]);
        assert_eq!(warnings(&paper, 3, false, Some(0)), [format!("{dark_on_light}, {known}")]);
        assert_eq!(
            warnings(&slate, 1, false, Some(240)),
            ["the picture is light on dark, the network's samples are dark on light; --invert turns it"]
        );
        assert_eq!(
            warnings(&paper, 1, false, None),
            ["the picture is dark on light; if the network learnt light on dark, --invert turns it"]
        );
        assert_eq!(
            warnings(&slate, 1, true, Some(0)),
            ["the picture is dark on light, the network's samples are light on dark; leave out --invert"]
        );
        let silent: [(&[u8], usize, bool, Option<u8>); 6] = [
            (&paper, 1, true, Some(0)),
            (&paper, 1, false, Some(255)),
            (&paper, 3, false, None),
            (&slate, 1, false, None),
            (&photo, 1, false, Some(0)),
            (&paper, 1, false, Some(120)),
        ];
        for (picture, channels, invert, edge) in silent {
            assert_eq!(warnings(picture, channels, invert, edge), [""; 0], "{picture:?} {channels} {invert} {edge:?}");
        }
    }

    #[test]
    fn inverting() {
        let options = PictureOptions { invert: true, edge: None };
        let picture = decode_with(&grey(3, 2, &[0, 1, 100, 150, 254, 255]), GREY, options).unwrap();
        assert_eq!(picture.pixels, [255, 254, 155, 105, 1, 0]);
    }

    /// The head of a PNG file says how large it is.
    #[test]
    fn large_pictures_are_refused_before_they_are_decoded() {
        let mut head = *b"IHDR\0\0\0\0\0\0\0\0\x08\x06\0\0\0";
        head[4..8].copy_from_slice(&20_000u32.to_be_bytes());
        head[8..12].copy_from_slice(&5_001u32.to_be_bytes());
        let mut crc = flate2::Crc::new();
        crc.update(&head);
        let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\x0d".to_vec();
        bytes.extend(head);
        bytes.extend(crc.sum().to_be_bytes());
        bytes.extend(b"\0\0\0\0IDAT");
        assert_eq!(
            decode_with(&bytes, GREY, PictureOptions::default()).unwrap_err(),
            "the picture is 20000x5001 pixels, more than 100000000"
        );
    }

    #[test]
    fn files_that_are_no_pictures() {
        let error = |bytes: &[u8]| decode_with(bytes, GREY, PictureOptions::default()).unwrap_err();
        let no_format = "not a PNG or JPEG picture: The image format could not be determined";
        assert_eq!(error(b""), no_format);
        assert_eq!(error(b"root:x:0:0"), no_format);
        assert_eq!(error(b"GIF89a"), "not a PNG or JPEG picture: The image format Gif is not supported");
        let whole: &[u8] = include_bytes!("../../../fuzz/seeds/picture/exif.jpg");
        for len in [30, 100, 350, whole.len() - 1] {
            assert_eq!(error(&whole[..len]), "truncated: the JPEG data ends too early", "{len} bytes");
        }
        let many_scans = [&whole[..2], &[0xff, 0xda, 0, 2, 0x55].repeat(101), &whole[2..]].concat();
        assert_eq!(error(&many_scans), "the JPEG data has more than 100 scans");
        let with_film = [whole, b"ftypmp42"].concat();
        assert!(decode_with(&with_film, GREY, PictureOptions::default()).is_ok());
        let whole = grey(3, 2, &[0; 6]);
        for len in [9, 20, 40, whole.len() - 20] {
            let message = error(&whole[..len]);
            assert!(message.starts_with("not a PNG or JPEG picture: "), "{len} bytes: {message}");
        }
    }
}
