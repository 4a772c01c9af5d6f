//! What the tests against the float64 reference run share: the run itself (see `tests/fixtures/README.md`), its
//! batches, and the net of `examples/lenet5.graph.json`.

use graphc_frontend::experiment::CheckData;
use graphc_ir::{Graph, Tensor};
use std::collections::BTreeMap;
use std::io::Read;
use std::ops::Range;
use std::path::PathBuf;

/// Samples per step of the reference run.
pub(crate) const BATCH: usize = 64;

/// The training image that it starts with.
const FIRST_SAMPLE: usize = 56;

pub(crate) type Tensors = BTreeMap<String, Tensor<f64>>;

/// The reference run.
pub(crate) struct Fixture {
    pub(crate) losses: Vec<f64>,
    pub(crate) tensors: Tensors,
}

impl Fixture {
    pub(crate) fn read() -> Fixture {
        let json = std::fs::read_to_string(root("tests/fixtures/lenet5_reference.json")).unwrap();
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        let losses = json["loss"].as_array().unwrap().iter().map(|loss| loss.as_f64().unwrap()).collect();
        let bytes = std::fs::read(root("tests/fixtures/lenet5_reference.safetensors")).unwrap();
        let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        let tensors = file.tensors().into_iter().map(|(name, view)| (name, tensor(&view))).collect();
        Fixture { losses, tensors }
    }

    /// How far `found` is from the tensor `name` at most, and the largest entry of that tensor.
    pub(crate) fn error(&self, found: &Tensor<f64>, name: &str) -> (f64, f64) {
        let expected = &self.tensors[name];
        assert_eq!(found.shape, expected.shape, "{name}");
        assert!(found.data.iter().all(|x| x.is_finite()), "{name} has an entry that is no number");
        let largest = expected.data.iter().fold(0.0f64, |largest, x| largest.max(x.abs()));
        let error = found.data.iter().zip(&expected.data).map(|(x, y)| (x - y).abs()).fold(0.0, f64::max);
        (error, largest)
    }

    /// Compares with the tensor `name`, relative to its largest entry; gives the share of the allowed error.
    pub(crate) fn check(&self, found: &Tensor<f64>, name: &str, relative: f64, absolute: f64) -> f64 {
        let (error, largest) = self.error(found, name);
        let allowed = relative * largest + absolute;
        assert!(error <= allowed, "{name}: off by {error:e}, allowed {allowed:e}, largest {largest:e}");
        error / allowed
    }
}

fn tensor(view: &safetensors::tensor::TensorView<'_>) -> Tensor<f64> {
    let bytes = view.data();
    let data = match view.dtype() {
        safetensors::Dtype::F32 => {
            bytes.chunks_exact(4).map(|x| f64::from(f32::from_le_bytes(x.try_into().unwrap()))).collect()
        }
        safetensors::Dtype::F64 => bytes.chunks_exact(8).map(|x| f64::from_le_bytes(x.try_into().unwrap())).collect(),
        dtype => panic!("unexpected type {dtype:?}"),
    };
    Tensor::new(view.shape().to_vec(), data)
}

/// Images and labels of a file pair of MNIST.
pub(crate) struct Samples {
    images: Vec<u8>,
    labels: Vec<u8>,
}

impl Samples {
    /// `train` or `t10k`.
    pub(crate) fn read(set: &str) -> Samples {
        let [images, labels] = ["images-idx3", "labels-idx1"].map(|kind| idx(&format!("{set}-{kind}-ubyte.gz")));
        Samples { images, labels }
    }

    /// Pixels from 0 to 1.
    pub(crate) fn images(&self, samples: Range<usize>) -> Tensor<f64> {
        let pixels = &self.images[16 + samples.start * 784..16 + samples.end * 784];
        Tensor::new(vec![samples.len(), 28, 28, 1], pixels.iter().map(|&pixel| f64::from(pixel) / 255.0).collect())
    }

    pub(crate) fn labels(&self, samples: Range<usize>) -> Tensor<f64> {
        let labels = &self.labels[8 + samples.start..8 + samples.end];
        Tensor::new(vec![labels.len()], labels.iter().map(|&label| f64::from(label)).collect())
    }
}

/// The samples of a step of the reference run.
pub(crate) fn samples_of(step: usize) -> Range<usize> {
    FIRST_SAMPLE + BATCH * step..FIRST_SAMPLE + BATCH * (step + 1)
}

/// An IDX file of MNIST, unpacked, header included.
fn idx(name: &str) -> Vec<u8> {
    let file = std::fs::File::open(root(&format!("data/mnist/{name}"))).unwrap();
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(file).read_to_end(&mut bytes).unwrap();
    bytes
}

fn root(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

/// The net that the reference run trains.
pub(crate) fn lenet5() -> Graph {
    let path = root("examples/lenet5.graph.json");
    let experiment = graphc_frontend::load_with(&path, CheckData::No);
    experiment.unwrap_or_else(|diagnostics| panic!("{}", diagnostics.render(false))).graph
}
