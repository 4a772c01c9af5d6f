//! Pictures of data sets: grey, inverted, of another size.

use super::preprocess::Preprocess;
use crate::error::TrainError;
use crate::input::{InputSpec, shape_text};
use crate::picture::PictureShape;
use image::imageops::FilterType;
use image::{DynamicImage, GrayImage, RgbImage};

/// The size of the pictures that an input takes.
pub(crate) fn shape_of(spec: &InputSpec) -> Result<PictureShape, TrainError> {
    PictureShape::of_sample(&spec.sample_shape).ok_or_else(|| {
        let shape = shape_text(&spec.sample_shape);
        TrainError::Mismatch(format!(
            "the input `{}` is no picture: its shape is {shape}, expected height x width x channels, 1 or 3",
            spec.name
        ))
    })
}

/// Makes pictures of the shape `from` what an input takes.
///
/// # Errors
/// If they cannot be: what has no three channels does not become grey, and without `resize` sizes must be equal.
pub(crate) fn make(
    preprocess: &Preprocess,
    mut pixels: Vec<u8>,
    from: &[usize],
    spec: &InputSpec,
) -> Result<Vec<u8>, String> {
    let found = || format!("samples of shape {}, but the input `{}`", shape_text(from), spec.name);
    let takes = || format!("takes {}", shape_text(&spec.sample_shape));
    let shape = PictureShape::of_sample(from).ok_or_else(|| format!("{} is made of pictures", found()))?;
    let target = PictureShape::of_sample(&spec.sample_shape).ok_or_else(|| format!("{} {}", found(), takes()))?;
    let becomes_grey = preprocess.grayscale && shape.channels == 3;
    if shape.channels != target.channels && !(becomes_grey && target.channels == 1) {
        return Err(format!("{} {}", found(), takes()));
    }
    let is_resized = (shape.height, shape.width) != (target.height, target.width);
    if is_resized && !preprocess.resize {
        return Err(format!("{} {}; `resize` makes them fit", found(), takes()));
    }
    if preprocess.invert {
        pixels.iter_mut().for_each(|byte| *byte = 255 - *byte);
    }
    if !is_resized && !becomes_grey {
        return Ok(pixels);
    }
    let len = shape.height as usize * shape.width as usize * shape.channels;
    let made = pixels.chunks_exact(len).flat_map(|sample| one(sample, shape, target, becomes_grey));
    Ok(made.collect())
}

fn one(sample: &[u8], shape: PictureShape, target: PictureShape, becomes_grey: bool) -> Vec<u8> {
    let (width, height, bytes) = (shape.width, shape.height, sample.to_vec());
    let whole = "a sample has the bytes of its shape";
    let mut picture = match shape.channels {
        1 => DynamicImage::ImageLuma8(GrayImage::from_raw(width, height, bytes).expect(whole)),
        _ => DynamicImage::ImageRgb8(RgbImage::from_raw(width, height, bytes).expect(whole)),
    };
    if becomes_grey {
        picture = DynamicImage::ImageLuma8(picture.into_luma8());
    }
    if (width, height) != (target.width, target.height) {
        picture = picture.resize_exact(target.width, target.height, FilterType::Triangle);
    }
    picture.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use graphc_ir::DType;

    fn spec(shape: &[usize]) -> InputSpec {
        let sample_shape = shape.to_vec();
        InputSpec { name: "x".into(), dtype: DType::F32, sample_shape, is_target: false, integers: None }
    }

    #[test]
    fn grey_inverted_and_resized() {
        let all = Preprocess { grayscale: true, invert: true, resize: true, ..Preprocess::default() };
        let white = vec![255; 2 * 4 * 4 * 3];
        assert_eq!(make(&all, white.clone(), &[4, 4, 3], &spec(&[2, 2, 1])).unwrap(), vec![0; 8]);
        let grey = Preprocess { grayscale: true, ..Preprocess::default() };
        assert_eq!(
            make(&grey, white.clone(), &[4, 4, 3], &spec(&[2, 2, 1])).unwrap_err(),
            "samples of shape 4x4x3, but the input `x` takes 2x2x1; `resize` makes them fit"
        );
        assert_eq!(
            make(&all, vec![0; 4], &[2, 2], &spec(&[2, 2, 3])).unwrap_err(),
            "samples of shape 2x2, but the input `x` takes 2x2x3"
        );
        let invert = Preprocess { invert: true, ..Preprocess::default() };
        assert_eq!(make(&invert, vec![0, 1, 2, 255], &[2, 2], &spec(&[2, 2, 1])).unwrap(), [255, 254, 253, 0]);
    }
}
