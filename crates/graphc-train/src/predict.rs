//! One picture to classify: from a PNG or JPEG file, a sample of an IDX file, or of the test data.

use crate::dataset::{Dataset, Source};
use crate::error::TrainError;
use crate::idx;
use crate::input::InputSpec;
use image::imageops::FilterType;
use std::path::{Path, PathBuf};

/// Where a picture is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PictureSource {
    /// A PNG or JPEG file.
    File(PathBuf),
    /// A sample of an IDX file, written `file.gz#7`.
    Idx(PathBuf, usize),
    /// A sample of the experiment's test set, written as a plain number.
    Test(usize),
}

/// Bytes of a picture in the network's size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Height x width x channels, row-major.
    pub pixels: Vec<u8>,
    /// What was changed to make it fit.
    pub warning: Option<String>,
}

impl PictureSource {
    /// Reads an argument of the command line.
    pub fn parse(text: &str) -> PictureSource {
        if let Ok(index) = text.parse() {
            return PictureSource::Test(index);
        }
        match text.rsplit_once('#').map(|(path, index)| (path, index.parse())) {
            Some((path, Ok(index))) => PictureSource::Idx(path.into(), index),
            _ => PictureSource::File(text.into()),
        }
    }
}

/// Reads a PNG or JPEG file as `[height, width, channels]` bytes: 1 channel is grey, 3 are red, green and blue. Another
/// size is resized, with a warning.
///
/// # Errors
/// If the file is no such picture, or the network's input has no such shape.
pub fn read_picture(path: &Path, sample_shape: &[usize]) -> Result<Picture, TrainError> {
    let (height, width, channels) = picture_shape(sample_shape)?;
    let reader = image::ImageReader::open(path)
        .and_then(image::ImageReader::with_guessed_format)
        .map_err(|error| TrainError::io(path, "read the picture", &error))?;
    let picture =
        reader.decode().map_err(|error| TrainError::file(path, format!("not a PNG or JPEG picture: {error}")))?;
    let found = (picture.width(), picture.height());
    let (picture, warning) = if found == (width, height) {
        (picture, None)
    } else {
        let warning = format!(
            "{}: the picture is {}x{} pixels, the network takes {width}x{height}; resized",
            path.display(),
            found.0,
            found.1
        );
        (picture.resize_exact(width, height, FilterType::Triangle), Some(warning))
    };
    let pixels = if channels == 1 { picture.into_luma8().into_raw() } else { picture.into_rgb8().into_raw() };
    Ok(Picture { pixels, warning })
}

/// Reads one sample of an IDX file.
///
/// # Errors
/// If the file is corrupt or has fewer samples, or its samples have another size than the network's input.
pub fn read_idx_sample(path: &Path, index: usize, sample_shape: &[usize]) -> Result<Picture, TrainError> {
    let array = idx::read(path, index.checked_add(1))?;
    if index >= array.n_in_file {
        return Err(TrainError::file(path, format!("no sample {index}: the file has {}", array.n_in_file)));
    }
    let len: usize = sample_shape.iter().product();
    if array.sample_len() != len {
        let message = format!("samples of {} bytes, the network takes {len}", array.sample_len());
        return Err(TrainError::file(path, message));
    }
    Ok(Picture { pixels: array.data[index * len..].to_vec(), warning: None })
}

/// Takes one sample of an input from its source.
///
/// # Errors
/// As [`Dataset::load`], or if there are fewer samples.
pub fn read_sample(spec: &InputSpec, source: &Source, index: usize) -> Result<Picture, TrainError> {
    let data = Dataset::load(&[(spec.clone(), source.clone())], 1.0, index.checked_add(1))?;
    match data.sample(&spec.name, index) {
        Some(pixels) => Ok(Picture { pixels: pixels.to_vec(), warning: None }),
        None => Err(source.error(format!("no sample {index}: there are {}", data.len()))),
    }
}

fn picture_shape(sample_shape: &[usize]) -> Result<(u32, u32, usize), TrainError> {
    let refuse = || {
        let text = crate::input::shape_text(sample_shape);
        TrainError::Mismatch(format!(
            "the network takes {text}; pictures need height x width x channels with 1 or 3 channels"
        ))
    };
    let (height, width, channels) = match *sample_shape {
        [height, width] => (height, width, 1),
        [height, width, channels @ (1 | 3)] => (height, width, channels),
        _ => return Err(refuse()),
    };
    let size = |size: usize| u32::try_from(size).map_err(|_| refuse());
    Ok((size(height)?, size(width)?, channels))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::idx::tests::{gzip, idx_bytes};

    #[test]
    fn arguments() {
        assert_eq!(PictureSource::parse("7"), PictureSource::Test(7));
        assert_eq!(PictureSource::parse("a/b.gz#7"), PictureSource::Idx("a/b.gz".into(), 7));
        assert_eq!(PictureSource::parse("seven#x.png"), PictureSource::File("seven#x.png".into()));
        assert_eq!(PictureSource::parse("7.png"), PictureSource::File("7.png".into()));
    }

    #[test]
    fn pictures_become_grey_and_are_resized_with_a_warning() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("p.png");
        let picture = image::RgbImage::from_fn(4, 2, |x, _| image::Rgb([(x * 10) as u8; 3]));
        picture.save(&path).unwrap();
        let exact = read_picture(&path, &[2, 4, 1]).unwrap();
        assert_eq!(exact, Picture { pixels: vec![0, 10, 20, 30, 0, 10, 20, 30], warning: None });
        assert_eq!(read_picture(&path, &[2, 4, 3]).unwrap().pixels.len(), 24);
        let smaller = read_picture(&path, &[1, 2]).unwrap();
        assert_eq!(smaller.pixels.len(), 2);
        assert!(smaller.warning.unwrap().ends_with("p.png: the picture is 4x2 pixels, the network takes 2x1; resized"));
        assert_eq!(
            read_picture(&path, &[10]).unwrap_err().to_string(),
            "the network takes 10; pictures need height x width x channels with 1 or 3 channels"
        );
        std::fs::write(&path, "text").unwrap();
        assert!(read_picture(&path, &[2, 4, 1]).unwrap_err().to_string().contains("not a PNG or JPEG picture"));
    }

    #[test]
    fn samples_of_an_idx_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.gz");
        std::fs::write(&path, gzip(&idx_bytes(&[3, 2], &[1, 2, 3, 4, 5, 6]))).unwrap();
        assert_eq!(read_idx_sample(&path, 1, &[2, 1]).unwrap().pixels, [3, 4]);
        let message = |index, shape: &[usize]| read_idx_sample(&path, index, shape).unwrap_err().to_string();
        assert!(message(3, &[2]).ends_with("x.gz: no sample 3: the file has 3"));
        assert!(message(0, &[3]).ends_with("x.gz: samples of 2 bytes, the network takes 3"));
    }
}
