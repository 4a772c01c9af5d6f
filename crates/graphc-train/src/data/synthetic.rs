//! Samples that are made up: random bytes from which a network can learn.
//!
//! Every sample is of one of a few classes. A class has a random prototype of each floating-point input, and a sample
//! is the mean of its class's prototype and of noise; an integer input is the number of the class, or, where rows of a
//! table are looked up by it, a list of which every other number or so is that of the prototype. So a classifier can
//! learn the label from the other inputs, and a regression its target, which is an input like the others.
//!
//! The prototype of an image is a grid of patches. Independent bytes would be learnt by a dense layer as well, but
//! their local means say nothing, so a network that pools would see hardly more than noise.
//!
//! Prototypes, classes and noise are drawn from streams of their own. A sample depends on the seed, its part, its
//! number and the name of the input alone: not on how many samples are asked for, nor on what other inputs there are.

use crate::batches::below;
use crate::error::TrainError;
use crate::input::{InputSpec, shape_text};
use graphc_driver::session::{Integers, Numbered};
use graphc_ir::DType;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// How samples are made up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Synthetic {
    /// Seed of everything that is random.
    pub seed: u64,
    /// Training and test samples differ in classes and noise, and share the prototypes.
    pub part: Part,
    /// Number of samples.
    pub n_samples: usize,
    /// Number of classes, at least 1. Labels are bytes: of more than 256 classes, the first 256 occur, and of a table's
    /// rows, too.
    pub n_classes: usize,
}

/// What samples are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Training, and validation in between.
    Train,
    /// Testing after the training.
    Test,
}

/// Memory that one input of all samples may take. A `samples` with some zeros too many is told so, rather than that the
/// machine runs out of memory.
pub const MOST_BYTES: usize = 1 << 30;

/// Patches of a prototype along every dimension of a sample but the last, which counts channels.
const N_PATCHES: usize = 4;

impl Synthetic {
    /// Bytes of one input of the first `n` samples.
    ///
    /// # Errors
    /// If they take too much memory.
    pub(crate) fn samples(&self, spec: &InputSpec, n: usize) -> Result<Vec<u8>, TrainError> {
        let sample_len: usize = spec.sample_shape.iter().product();
        let mut data = room_for(spec, n, sample_len)?;
        let mut classes = self.stream(Draw::Classes, "");
        let mut noise = self.stream(Draw::Noise, &spec.name);
        let patches = Patches::new(&spec.sample_shape);
        let mut prototype = vec![0; patches.n];
        let mut sample = vec![0; sample_len];
        for _ in 0..n {
            let class = below(&mut classes, self.n_classes.min(256));
            match (spec.dtype, spec.integers) {
                (DType::I32, Some(Integers { n, of: Numbered::Rows, .. })) => {
                    self.stream(Draw::Prototype { class }, &spec.name).fill_bytes(&mut prototype);
                    let n_rows = n.min(256);
                    for (element, byte) in sample.iter_mut().enumerate() {
                        *byte = match below(&mut noise, 2) {
                            0 => (usize::from(prototype[patches.of(element)]) % n_rows) as u8,
                            _ => below(&mut noise, n_rows) as u8,
                        };
                    }
                }
                (DType::I32, _) => sample.fill(class as u8),
                (DType::F32, _) => {
                    self.stream(Draw::Prototype { class }, &spec.name).fill_bytes(&mut prototype);
                    noise.fill_bytes(&mut sample);
                    for (element, byte) in sample.iter_mut().enumerate() {
                        *byte = byte.midpoint(prototype[patches.of(element)]);
                    }
                }
            }
            data.extend_from_slice(&sample);
        }
        Ok(data)
    }

    fn stream(&self, draw: Draw, input: &str) -> ChaCha8Rng {
        let part = match self.part {
            Part::Train => 0,
            Part::Test => 1,
        };
        let [purpose, number] = match draw {
            Draw::Classes => [1, part],
            Draw::Noise => [2, part],
            Draw::Prototype { class } => [3, class as u64],
        };
        let mut key = [0; 32];
        for (bytes, word) in key.chunks_exact_mut(8).zip([self.seed, number, purpose, hash(input)]) {
            bytes.copy_from_slice(&word.to_le_bytes());
        }
        ChaCha8Rng::from_seed(key)
    }
}

/// What a stream of random numbers is for.
#[derive(Clone, Copy)]
enum Draw {
    /// The class of one sample after the other, the same for every input.
    Classes,
    /// The noise of an input.
    Noise,
    /// The prototype of an input; every sample of the class draws it anew, so that none has to be kept.
    Prototype { class: usize },
}

/// FNV-1a of a name.
fn hash(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// An empty vector with room for all samples.
fn room_for(spec: &InputSpec, n: usize, sample_len: usize) -> Result<Vec<u8>, TrainError> {
    let refuse = |reason: String| {
        let (name, shape) = (&spec.name, shape_text(&spec.sample_shape));
        TrainError::Mismatch(format!("{n} synthetic samples of the input `{name}` ({shape}) {reason}"))
    };
    let mut data = Vec::new();
    match n.checked_mul(sample_len).filter(|&len| len <= MOST_BYTES) {
        None => Err(refuse(format!("take more than {MOST_BYTES} bytes; ask for fewer"))),
        Some(len) => match data.try_reserve_exact(len) {
            Ok(()) => Ok(data),
            Err(_) => Err(refuse(format!("take {len} bytes, for which there is no memory"))),
        },
    }
}

/// The grid of patches in a sample: element (y, x, c) is in patch (y * rows / height, x * columns / width, c).
struct Patches<'a> {
    shape: &'a [usize],
    /// Number of patches.
    n: usize,
}

impl Patches<'_> {
    fn new(shape: &[usize]) -> Patches<'_> {
        let n = (0..shape.len()).map(|dim| n_patches(shape, dim)).product();
        Patches { shape, n }
    }

    /// The patch of an element, both counted row-major.
    fn of(&self, element: usize) -> usize {
        let (mut rest, mut patch, mut stride) = (element, 0, 1);
        for (dim, &size) in self.shape.iter().enumerate().rev() {
            let n = n_patches(self.shape, dim);
            patch += stride * (rest % size * n / size);
            stride *= n;
            rest /= size;
        }
        patch
    }
}

/// Patches along one dimension.
fn n_patches(shape: &[usize], dim: usize) -> usize {
    if dim + 1 == shape.len() { shape[dim] } else { shape[dim].min(N_PATCHES) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(name: &str, dtype: DType, sample_shape: &[usize]) -> InputSpec {
        InputSpec { name: name.into(), dtype, sample_shape: sample_shape.to_vec(), is_target: false, integers: None }
    }

    fn train(n_samples: usize) -> Synthetic {
        Synthetic { seed: 1, part: Part::Train, n_samples, n_classes: 3 }
    }

    fn samples(synthetic: &Synthetic, name: &str, dtype: DType, shape: &[usize]) -> Vec<u8> {
        synthetic.samples(&spec(name, dtype, shape), synthetic.n_samples).unwrap()
    }

    #[test]
    fn a_sample_depends_on_seed_part_number_and_name_alone() {
        let image = |synthetic: &Synthetic| samples(synthetic, "image", DType::F32, &[3, 5]);
        let all = image(&train(40));
        assert_eq!(all.len(), 40 * 15);
        assert_eq!(all, image(&train(40)));
        assert_eq!(all[..7 * 15], image(&train(7)));
        assert_ne!(all, image(&Synthetic { seed: 2, ..train(40) }));
        assert_ne!(all, image(&Synthetic { part: Part::Test, ..train(40) }));
        assert_ne!(all, samples(&train(40), "other", DType::F32, &[3, 5]));
    }

    /// 3000 labels of 3 classes: each 1000 times, give or take five standard deviations (25.8 each).
    #[test]
    fn classes_are_uniform() {
        for part in [Part::Train, Part::Test] {
            let labels = samples(&Synthetic { part, ..train(3000) }, "label", DType::I32, &[]);
            let count = |class: u8| labels.iter().filter(|&&label| label == class).count();
            assert_eq!([0, 1, 2].map(count).iter().sum::<usize>(), 3000);
            assert!([0, 1, 2].map(count).iter().all(|n| n.abs_diff(1000) < 129), "{:?}", [0, 1, 2].map(count));
        }
        let label = samples(&Synthetic { n_classes: 1000, ..train(3000) }, "label", DType::I32, &[]);
        assert!(label.contains(&255) && label.contains(&0));
        let pair = samples(&train(9), "pair", DType::I32, &[2]);
        assert!(
            pair.chunks(2).zip(samples(&train(9), "label", DType::I32, &[])).all(|(pair, label)| pair == [label; 2])
        );
    }

    /// Numbers of rows are below that of the table's, and those of a class have a number in common at every place.
    #[test]
    fn rows_are_those_of_the_table() {
        let synthetic = train(300);
        let rows = Some(Integers { n: 50, ignored: None, of: Numbered::Rows });
        let words = InputSpec { integers: rows, ..spec("words", DType::I32, &[6]) };
        let numbers = synthetic.samples(&words, 300).unwrap();
        assert!(numbers.iter().all(|&number| number < 50));
        let labels = samples(&synthetic, "label", DType::I32, &[]);
        for (class, place) in (0..3).flat_map(|class| (0..6).map(move |place| (class, place))) {
            let of_class = || numbers.chunks(6).zip(&labels).filter(|(_, label)| **label == class);
            let count = |number: u8| of_class().filter(|(words, _)| words[place] == number).count();
            let most = (0..50).map(count).max().unwrap();
            // Half of them, and one in fifty by chance.
            assert!((0.35..0.65).contains(&(most as f64 / of_class().count() as f64)), "{class} {place}: {most}");
        }
    }

    /// Means over the samples of a class are those of the other part's samples of that class, and of no other class.
    #[test]
    fn parts_share_their_prototypes() {
        let mean = |part: Part, class: u8| {
            let synthetic = Synthetic { part, ..train(600) };
            let labels = samples(&synthetic, "label", DType::I32, &[]);
            let values = samples(&synthetic, "x", DType::F32, &[8]);
            let of_class: Vec<&[u8]> =
                values.chunks(8).zip(labels).filter(|(_, label)| *label == class).map(|(value, _)| value).collect();
            let sum = |element: usize| of_class.iter().map(|value| f64::from(value[element])).sum::<f64>();
            (0..8).map(|element| sum(element) / of_class.len() as f64).collect::<Vec<_>>()
        };
        let distance = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        for class in 0..3 {
            let of_test = mean(Part::Test, class);
            // Half the noise has a standard deviation of 37; the means of some 200 samples differ by one of 3.7.
            assert!(distance(&mean(Part::Train, class), &of_test) < 18.5);
            assert!(distance(&mean(Part::Train, (class + 1) % 3), &of_test) > 37.0);
        }
    }

    #[test]
    fn patches_cover_an_image_evenly() {
        let patches = |shape: &[usize]| {
            let patches = Patches::new(shape);
            let of: Vec<usize> = (0..shape.iter().product()).map(|element| patches.of(element)).collect();
            assert_eq!(of.iter().max(), Some(&(patches.n - 1)));
            of
        };
        assert_eq!(patches(&[5]), [0, 1, 2, 3, 4]);
        assert_eq!(patches(&[]), [0]);
        assert_eq!(patches(&[2, 2]), [0, 1, 2, 3]);
        assert_eq!(patches(&[6, 1]), [0, 0, 1, 2, 2, 3]);
        let image = patches(&[8, 8, 2]);
        assert_eq!(image[..16], [0, 1, 0, 1, 2, 3, 2, 3, 4, 5, 4, 5, 6, 7, 6, 7]);
        assert!((0..32).all(|patch| image.iter().filter(|&&of| of == patch).count() == 4));
    }

    #[test]
    fn sizes_are_checked_before_memory_is_taken() {
        let message = |n, shape: &[usize]| train(n).samples(&spec("x", DType::F32, shape), n).unwrap_err().to_string();
        assert_eq!(
            message(10_000_000, &[32, 32, 3]),
            "10000000 synthetic samples of the input `x` (32x32x3) take more than 1073741824 bytes; ask for fewer"
        );
        assert!(message(usize::MAX, &[3]).contains("take more than"));
    }
}
