//! One picture to classify: from a PNG or JPEG file, a sample of an IDX file, or of the test data.

use crate::dataset::{Dataset, Source, open_file};
use crate::error::TrainError;
use crate::input::{InputSpec, shape_text};
use crate::picture::{self, Picture, PictureOptions, PictureShape};
use crate::reading::read_regular;
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

/// Reads a PNG or JPEG file as `[height, width, channels]` bytes: 1 channel is grey, 3 are red, green and blue.
///
/// It is turned upright as its EXIF data say, transparent pixels are laid on white, and another size is resized; of the
/// last two there is a warning, and of a picture that looks like ink on paper to a network that knows light on dark, or
/// the other way round.
///
/// # Errors
/// If the file is no such picture or larger than [`picture::MOST_PIXELS`], or the network's input has no such shape.
pub fn read_picture(path: &Path, sample_shape: &[usize], options: PictureOptions) -> Result<Picture, TrainError> {
    let shape = picture_shape(sample_shape)?;
    let named = |message: String| TrainError::file(path, message);
    let bytes = read_regular(path, "read the picture")?;
    let mut picture = picture::decode(&bytes, shape, options).map_err(named)?;
    picture.warnings.iter_mut().for_each(|warning| *warning = named(std::mem::take(warning)).to_string());
    Ok(picture)
}

/// Reads one sample of an IDX file.
///
/// # Errors
/// If the file is corrupt or has fewer samples, or its samples have another shape than the network's input.
pub fn read_idx_sample(path: &Path, index: usize, spec: &InputSpec) -> Result<Picture, TrainError> {
    let file = open_file(path, spec)?;
    if index >= file.n_samples() {
        return Err(TrainError::file(path, format!("no sample {index}: the file has {}", file.n_samples())));
    }
    let mut pixels = file.read(Some(index + 1))?.data;
    let len: usize = spec.sample_shape.iter().product();
    Ok(Picture { pixels: pixels.split_off(index * len), warnings: Vec::new() })
}

/// Takes one sample of an input from its source.
///
/// # Errors
/// As [`Dataset::load`], or if there are fewer samples.
pub fn read_sample(spec: &InputSpec, source: &Source, index: usize) -> Result<Picture, TrainError> {
    let data = Dataset::load(&[(spec.clone(), source.clone())], 1.0, Some(index.saturating_add(1)))?;
    match data.sample(&spec.name, index) {
        Some(pixels) => Ok(Picture { pixels: pixels.to_vec(), warnings: Vec::new() }),
        None => Err(source.error(format!("no sample {index}: there are {}", data.len()))),
    }
}

/// Samples that are looked at for how the network's pictures look.
const N_LOOKED_AT: usize = 64;

/// How bright the edges of an input's samples are on average, if they are pictures and can be read.
pub fn edge_of_samples(spec: &InputSpec, source: &Source) -> Option<u8> {
    let shape = picture_shape(&spec.sample_shape).ok()?;
    let data = Dataset::load(&[(spec.clone(), source.clone())], 1.0, Some(N_LOOKED_AT)).ok()?;
    let edges = (0..data.len()).filter_map(|index| data.sample(&spec.name, index));
    let sum: usize = edges.map(|pixels| usize::from(picture::edge(pixels, shape))).sum();
    u8::try_from(sum / data.len()).ok()
}

fn picture_shape(sample_shape: &[usize]) -> Result<PictureShape, TrainError> {
    let refuse = || {
        let text = shape_text(sample_shape);
        TrainError::Mismatch(format!(
            "the network takes {text}; pictures need height x width x channels with 1 or 3 channels"
        ))
    };
    let (height, width, channels) = match *sample_shape {
        [height, width] => (height, width, 1),
        [height, width, channels @ (1 | 3)] => (height, width, channels),
        _ => return Err(refuse()),
    };
    let size = |size: usize| u32::try_from(size).ok().filter(|&size| size > 0).ok_or_else(refuse);
    Ok(PictureShape { height: size(height)?, width: size(width)?, channels })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::idx::tests::{gzip, idx_bytes};
    use graphc_ir::DType;

    fn spec(sample_shape: &[usize]) -> InputSpec {
        let sample_shape = sample_shape.to_vec();
        InputSpec { name: "image".into(), dtype: DType::F32, sample_shape, is_target: false, n_classes: None }
    }

    #[test]
    fn arguments() {
        assert_eq!(PictureSource::parse("7"), PictureSource::Test(7));
        assert_eq!(PictureSource::parse("a/b.gz#7"), PictureSource::Idx("a/b.gz".into(), 7));
        assert_eq!(PictureSource::parse("seven#x.png"), PictureSource::File("seven#x.png".into()));
        assert_eq!(PictureSource::parse("7.png"), PictureSource::File("7.png".into()));
    }

    #[test]
    fn files_are_read_and_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("p.png");
        let picture = image::RgbImage::from_fn(4, 2, |x, _| image::Rgb([(x * 10) as u8; 3]));
        picture.save(&path).unwrap();
        let read = |shape: &[usize]| read_picture(&path, shape, PictureOptions::default());
        let cut = |text: &str| text.replace(&format!("{}/", folder.path().display()), "");
        assert_eq!(read(&[2, 4, 1]).unwrap().pixels, [0, 10, 20, 30, 0, 10, 20, 30]);
        assert_eq!(read(&[2, 4, 3]).unwrap().pixels.len(), 24);
        let smaller = read(&[1, 2]).unwrap();
        assert_eq!(smaller.pixels.len(), 2);
        assert_eq!(
            smaller.warnings.iter().map(|warning| cut(warning)).collect::<Vec<_>>(),
            ["p.png: the picture is 4x2 pixels, the network takes 2x1; resized"]
        );
        let takes = "; pictures need height x width x channels with 1 or 3 channels";
        for (shape, text) in [(&[10][..], "10"), (&[2, 4, 2], "2x4x2"), (&[0, 4], "0x4")] {
            assert_eq!(read(shape).unwrap_err().to_string(), format!("the network takes {text}{takes}"));
        }
        assert_eq!(
            cut(&read_picture(folder.path(), &[2, 2], PictureOptions::default()).unwrap_err().to_string()),
            format!("{}: cannot read the picture: it is not a regular file but a directory", folder.path().display())
        );
    }

    #[test]
    fn samples_of_an_idx_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.gz");
        std::fs::write(&path, gzip(&idx_bytes(&[3, 2], &[1, 2, 3, 4, 5, 6]))).unwrap();
        assert_eq!(read_idx_sample(&path, 1, &spec(&[2, 1])).unwrap().pixels, [3, 4]);
        let message = |index, shape: &[usize]| {
            let text = read_idx_sample(&path, index, &spec(shape)).unwrap_err().to_string();
            text.replace(&format!("{}/", folder.path().display()), "")
        };
        assert_eq!(message(3, &[2]), "x.gz: no sample 3: the file has 3");
        assert_eq!(message(usize::MAX, &[2]), "x.gz: no sample 18446744073709551615: the file has 3");
        assert_eq!(message(0, &[3]), "x.gz: samples of shape 2, but the input `image` takes 3");
        // As many bytes do not make it the same shape.
        std::fs::write(&path, idx_bytes(&[1, 3, 2], &[1, 2, 3, 4, 5, 6])).unwrap();
        assert_eq!(message(0, &[2, 3, 1]), "x.gz: samples of shape 3x2, but the input `image` takes 2x3x1");
    }

    #[test]
    fn how_bright_the_edges_of_samples_are() {
        let folder = tempfile::tempdir().unwrap();
        let source = Source::File(folder.path().join("x"));
        let mut data = [20u8; 18];
        data[4] = 255;
        data[13] = 255;
        std::fs::write(folder.path().join("x"), idx_bytes(&[2, 3, 3], &data)).unwrap();
        assert_eq!(edge_of_samples(&spec(&[3, 3, 1]), &source), Some(20));
        assert_eq!(edge_of_samples(&spec(&[9]), &source), None, "no pictures");
        assert_eq!(edge_of_samples(&spec(&[3, 3]), &Source::File("no/such".into())), None);
    }
}
