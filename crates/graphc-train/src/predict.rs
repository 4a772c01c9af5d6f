//! One picture to classify: from a PNG or JPEG file, a sample of an IDX file, or of the test data.

use crate::batches::{Batches, sizes_of};
use crate::data::pictures::shape_of;
use crate::data::{Dataset, Fitted, InputFit, Loader, Preprocess, Source};
use crate::error::TrainError;
use crate::evaluate::Portion;
use crate::feed::{Feeding, Loading, Section, with_feed};
use crate::input::shape_text;
use crate::network::Network;
use crate::picture::{self, Picture, PictureOptions, PictureShape};
use crate::reading::read_regular;
use graphc_ir::graph::Mode;
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

/// The numbers that the network gets for one sample of a source, of the input `name`; other inputs of the loader may be
/// missing.
///
/// # Errors
/// As [`Loader::read`], or if there are fewer samples.
pub fn read_sample(
    loader: &Loader,
    source: &Source,
    fitted: &Fitted,
    name: &str,
    index: usize,
) -> Result<Vec<f32>, TrainError> {
    let others: Vec<String> = loader.inputs.iter().map(|(spec, _)| spec.name.clone()).collect();
    let columns = loader.read(source, Some(index.saturating_add(1)), &others)?;
    if index >= columns.len() {
        return Err(columns.error(format!("no sample {index}: there are {}", columns.len())));
    }
    let words = columns.apply(fitted)?.words(name, index)?;
    Ok(words.into_iter().map(f32::from_bits).collect())
}

/// The numbers that the network gets for bytes of a picture.
pub fn picture_values(pixels: &[u8], preprocess: &Preprocess, fit: &InputFit) -> Vec<f32> {
    let pairs = preprocess.affine(fit).of_elements(pixels.len());
    let conversion = pairs.conversion();
    pixels.iter().enumerate().map(|(element, &byte)| f32::from_bits(conversion.word(byte, element))).collect()
}

/// The elements of an output for all samples, one after the other; the last batch may be smaller.
///
/// # Errors
/// If the network fails.
pub fn predictions(
    network: &mut dyn Network,
    data: &Dataset,
    output: &str,
    batch_size: usize,
) -> Result<Vec<f32>, TrainError> {
    let mut values = Vec::new();
    let portion = Portion { dataset: data, samples: &data.split().train, batch_size };
    each_prediction(network, portion, output, |_, row| {
        values.extend_from_slice(row);
        Ok(())
    })?;
    Ok(values)
}

/// Gives `take` the number of every sample of a portion and the elements of an output for it, in their order.
///
/// # Errors
/// If the network or `take` fails.
pub fn each_prediction(
    network: &mut dyn Network,
    portion: Portion<'_>,
    output: &str,
    mut take: impl FnMut(u32, &[f32]) -> Result<(), TrainError>,
) -> Result<(), TrainError> {
    let Portion { dataset, samples, batch_size } = portion;
    let sizes: Vec<_> = sizes_of(samples.len(), batch_size).map(|batch| (Mode::Infer, batch)).collect();
    let section = Section::infer(Batches::in_order(samples.iter().copied(), batch_size));
    let feeding = Feeding { dataset, sizes: &sizes, loading: Loading::Between };
    with_feed(network, feeding, std::iter::once(section), |network, feed| {
        for samples in samples.chunks(batch_size) {
            let batch = feed.next(network, Mode::Infer)?;
            network.step(Mode::Infer, batch)?;
            let values = network.output(Mode::Infer, batch, output)?.data;
            let rows = values.chunks(values.len() / batch);
            samples.iter().zip(rows).try_for_each(|(&sample, row)| take(sample, row))?;
        }
        Ok(())
    })
}

/// Samples that are looked at for how the network's pictures look.
const N_LOOKED_AT: usize = 64;

/// How bright the edges of an input's samples are on average, if they are pictures in bytes and can be read.
pub fn edge_of_samples(loader: &Loader, source: &Source, name: &str) -> Option<u8> {
    let (spec, _) = loader.inputs.iter().find(|(spec, _)| spec.name == name)?;
    let shape = shape_of(spec).ok()?;
    let others: Vec<String> = loader.inputs.iter().map(|(spec, _)| spec.name.clone()).collect();
    let columns = loader.read(source, Some(N_LOOKED_AT), &others).ok()?;
    let len: usize = spec.sample_shape.iter().product();
    let edges = columns.bytes(name)?.chunks_exact(len).map(|pixels| usize::from(picture::edge(pixels, shape)));
    u8::try_from(edges.sum::<usize>() / columns.len()).ok()
}

fn picture_shape(sample_shape: &[usize]) -> Result<PictureShape, TrainError> {
    PictureShape::of_sample(sample_shape).ok_or_else(|| {
        let text = shape_text(sample_shape);
        TrainError::Mismatch(format!(
            "the network takes {text}; pictures need height x width x channels with 1 or 3 channels"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::array::idx::tests::{gzip, idx_bytes};
    use crate::data::{ArraySource, Preprocess};
    use crate::input::InputSpec;
    use graphc_ir::DType;

    fn spec(sample_shape: &[usize]) -> InputSpec {
        let sample_shape = sample_shape.to_vec();
        InputSpec { name: "image".into(), dtype: DType::F32, sample_shape, is_target: false, integers: None }
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

    fn loader(shape: &[usize]) -> Loader {
        Loader { inputs: vec![(spec(shape), Preprocess::default())], n_threads: 1, most_in_memory: None }
    }

    fn array(path: &Path) -> Source {
        Source::Arrays(vec![("image".into(), ArraySource::new(path))])
    }

    #[test]
    fn samples_of_an_idx_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.gz");
        std::fs::write(&path, gzip(&idx_bytes(&[3, 2], &[1, 2, 3, 4, 5, 6]))).unwrap();
        let read =
            |index, shape: &[usize]| read_sample(&loader(shape), &array(&path), &Fitted::default(), "image", index);
        assert_eq!(read(1, &[2, 1]).unwrap(), [3.0, 4.0]);
        let message = |index, shape: &[usize]| {
            read(index, shape).unwrap_err().to_string().replace(&format!("{}/", folder.path().display()), "")
        };
        assert_eq!(message(3, &[2]), "x.gz: no sample 3: there are 3");
        assert_eq!(message(usize::MAX, &[2]), "x.gz: no sample 18446744073709551615: there are 3");
        assert_eq!(message(0, &[3]), "x.gz: samples of shape 2, but the input `image` takes 3");
        // As many bytes do not make it the same shape.
        std::fs::write(&path, idx_bytes(&[1, 3, 2], &[1, 2, 3, 4, 5, 6])).unwrap();
        assert_eq!(message(0, &[2, 3, 1]), "x.gz: samples of shape 3x2, but the input `image` takes 2x3x1");
    }

    #[test]
    fn how_bright_the_edges_of_samples_are() {
        let folder = tempfile::tempdir().unwrap();
        let source = array(&folder.path().join("x"));
        let mut data = [20u8; 18];
        data[4] = 255;
        data[13] = 255;
        std::fs::write(folder.path().join("x"), idx_bytes(&[2, 3, 3], &data)).unwrap();
        assert_eq!(edge_of_samples(&loader(&[3, 3, 1]), &source, "image"), Some(20));
        assert_eq!(edge_of_samples(&loader(&[9]), &source, "image"), None, "no pictures");
        assert_eq!(edge_of_samples(&loader(&[3, 3]), &array(Path::new("no/such")), "image"), None);
    }
}
