//! Makes the data that examples without a published data set train on: `cargo run --release --example make_data`.
//!
//! Everything is drawn from seeds, so it is the same on every machine:
//!
//! - `houses.csv`, `houses-test.csv`: prices by a known function plus noise whose deviation is [`NOISE`]; some cells
//!   are missing in `houses-gaps.csv`.
//! - `digits.npz`, `digits-*.npy`, `digits.safetensors`, `digits/`: the first digits of MNIST in other formats.
//! - `noisy-*.npy`: the first digits of MNIST with noise, and as they are.
//! - `series-*.npy`: windows of a chaotic series, and what comes [`AHEAD`] steps behind each.
//! - `ratings.csv`, `ratings-test.csv`: what users made up of a few tastes think of films made of as many.
//! - `cifar-10-batches-bin/`, `cifar-100-binary/`: coloured patterns in the formats of CIFAR, for trying them out.

use graphc_train::weights::write_tensors;
use graphc_train::{ArrayFormat, NamedTensor, TensorData, Values, read_array_bytes};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use std::error::Error;
use std::fmt::Write;
use std::fs;
use std::path::Path;

/// Standard deviation of the noise in prices.
pub(crate) const NOISE: f64 = 20.0;

/// Digits that are taken from MNIST to train on, and to test with.
const N_DIGITS: [usize; 2] = [2_000, 500];

/// The same for those with noise.
const N_NOISY: [usize; 2] = [6_000, 1_000];

/// Values of the series in a window.
const WINDOW: usize = 32;

/// From the last value of a window to the one that is asked for.
const AHEAD: usize = 6;

/// Standard deviation of the noise in ratings.
pub(crate) const NOISE_OF_RATINGS: f64 = 0.3;

fn main() -> Result<(), Box<dyn Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    make(&root.join("data/mnist"), &root.join("examples/made"))
}

/// Writes everything to a folder, which is made.
///
/// # Errors
/// If MNIST cannot be read or a file not written.
pub(crate) fn make(mnist: &Path, folder: &Path) -> Result<(), Box<dyn Error>> {
    fs::create_dir_all(folder)?;
    fs::write(folder.join("houses.csv"), houses(1, 20_000, false))?;
    fs::write(folder.join("houses-test.csv"), houses(2, 5_000, false))?;
    fs::write(folder.join("houses-gaps.csv"), houses(3, 2_000, true))?;
    for (part, n, prefix) in [("train", N_DIGITS[0], "train"), ("test", N_DIGITS[1], "t10k")] {
        let read = |kind: &str| bytes_of(&mnist.join(format!("{prefix}-{kind}-ubyte.gz")), n);
        let (images, labels) = (read("images-idx3")?, read("labels-idx1")?);
        let image_npy = npy("|u1", &[n, 28, 28], &images);
        let label_npy = npy("<i8", &[n], &labels.iter().flat_map(|&l| i64::from(l).to_le_bytes()).collect::<Vec<_>>());
        fs::write(folder.join(format!("digits-{part}-images.npy")), &image_npy)?;
        fs::write(folder.join(format!("digits-{part}-labels.npy")), &label_npy)?;
        let arrays = [("images.npy", image_npy), ("labels.npy", label_npy)];
        fs::write(folder.join(format!("digits-{part}.npz")), zip(&arrays))?;
        let pixels = images.iter().map(|&byte| f32::from(byte) / 255.0).collect();
        let tensors = [
            NamedTensor { name: "images".into(), shape: vec![n, 28, 28, 1], data: TensorData::F32(pixels) },
            NamedTensor {
                name: "labels".into(),
                shape: vec![n],
                data: TensorData::I32(labels.iter().map(|&label| label.into()).collect()),
            },
        ];
        write_tensors(&folder.join(format!("digits-{part}.safetensors")), &tensors)?;
        pictures(&folder.join("digits").join(part), &images, &labels)?;
    }
    for (part, n, prefix, seed) in [("train", N_NOISY[0], "train", 11), ("test", N_NOISY[1], "t10k", 12)] {
        let images = bytes_of(&mnist.join(format!("{prefix}-images-idx3-ubyte.gz")), n)?;
        fs::write(folder.join(format!("noisy-{part}.npy")), npy("|u1", &[n, 28, 28], &noisy(seed, &images)))?;
        fs::write(folder.join(format!("noisy-{part}-clean.npy")), npy("|u1", &[n, 28, 28], &images))?;
    }
    for (part, first, n) in [("train", 1_000, 8_000), ("test", 10_000, 2_000)] {
        let [windows, next] = series(first, n);
        fs::write(folder.join(format!("series-{part}.npy")), npy("<f4", &[n, WINDOW, 1], &windows))?;
        fs::write(folder.join(format!("series-{part}-next.npy")), npy("<f4", &[n, 1], &next))?;
    }
    fs::write(folder.join("ratings.csv"), ratings(21, 40_000))?;
    fs::write(folder.join("ratings-test.csv"), ratings(22, 5_000))?;
    let (ten, hundred) = (folder.join("cifar-10-batches-bin"), folder.join("cifar-100-binary"));
    fs::create_dir_all(&ten)?;
    for batch in 1..=5 {
        fs::write(ten.join(format!("data_batch_{batch}.bin")), cifar(batch, 120, 1))?;
    }
    fs::write(ten.join("test_batch.bin"), cifar(6, 200, 1))?;
    fs::create_dir_all(&hundred)?;
    fs::write(hundred.join("train.bin"), cifar(7, 600, 2))?;
    Ok(fs::write(hundred.join("test.bin"), cifar(8, 200, 2))?)
}

/// The first samples of an IDX file.
fn bytes_of(path: &Path, n: usize) -> Result<Vec<u8>, Box<dyn Error>> {
    match read_array_bytes(path, &fs::read(path)?, None, ArrayFormat::Idx, Some(n))?.values {
        Values::U8(bytes) => Ok(bytes),
        _ => Err("MNIST has bytes".into()),
    }
}

/// A number from 0 to 1.
fn uniform(rng: &mut ChaCha8Rng) -> f64 {
    (rng.next_u64() >> 11) as f64 * 2f64.powi(-53)
}

/// A number of mean 0 and variance 1: the sum of twelve uniform ones has that variance.
fn normal(rng: &mut ChaCha8Rng) -> f64 {
    (0..12).map(|_| uniform(rng)).sum::<f64>() - 6.0
}

/// Pixels with noise of half their range.
fn noisy(seed: u64, pixels: &[u8]) -> Vec<u8> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    pixels.iter().map(|&pixel| (f64::from(pixel) + 127.5 * normal(&mut rng)).clamp(0.0, 255.0) as u8).collect()
}

/// Windows of the series of Mackey and Glass (1977) with a delay of 17, and the value behind each, from a step on.
fn series(first: usize, n: usize) -> [Vec<u8>; 2] {
    const DELAY: usize = 17;
    const PARTS: usize = 10;
    let mut values = vec![1.2f64; DELAY * PARTS + 1];
    for _ in 0..(first + n + WINDOW + AHEAD) * PARTS {
        let (now, delayed) = (values[values.len() - 1], values[values.len() - 1 - DELAY * PARTS]);
        let square = delayed * delayed;
        let tenth = square * square * square * square * square;
        values.push(now + (0.2 * delayed / (1.0 + tenth) - 0.1 * now) / PARTS as f64);
    }
    let bytes = |at: usize| (values[at * PARTS] as f32).to_le_bytes();
    let windows = (first..first + n).flat_map(|at| (at..at + WINDOW).flat_map(bytes)).collect();
    [windows, (first..first + n).flat_map(|at| bytes(at + WINDOW - 1 + AHEAD)).collect()]
}

/// A table of ratings: three tastes of each of 500 users and 300 films, which are the same whatever the seed.
fn ratings(seed: u64, n: usize) -> String {
    let mut rng = ChaCha8Rng::seed_from_u64(20);
    let mut tastes = |n: usize| -> Vec<[f64; 3]> { (0..n).map(|_| [0; 3].map(|_| normal(&mut rng))).collect() };
    let (users, films) = (tastes(500), tastes(300));
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut text = String::from("user,film,rating\n");
    for _ in 0..n {
        let [user, film] = [users.len(), films.len()].map(|n| (uniform(&mut rng) * n as f64) as usize);
        let liking: f64 = users[user].iter().zip(&films[film]).map(|(a, b)| a * b).sum();
        let rating = 3.0 + 0.6 * liking + NOISE_OF_RATINGS * normal(&mut rng);
        writeln!(text, "{user},{film},{rating:.3}").expect("a string takes everything");
    }
    text
}

/// A table of houses; with `gaps`, every tenth area and town is missing.
fn houses(seed: u64, n: usize, gaps: bool) -> String {
    const TOWNS: [(&str, f64); 5] =
        [("Ashford", 15.0), ("Birchwood", 60.0), ("Cedar Hill", 30.0), ("Elmham", 0.0), ("Firth", 95.0)];
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut text = String::from("rooms,area,age,town,garden,price\n");
    for _ in 0..n {
        let rooms = 1 + (uniform(&mut rng) * 6.0) as u32;
        let area = (uniform(&mut rng) * 1800.0).round() / 10.0 + 20.0;
        let age = (uniform(&mut rng) * 80.0) as u32;
        let (town, level) = TOWNS[(uniform(&mut rng) * 5.0) as usize];
        let garden = u32::from(uniform(&mut rng) < 0.4);
        let noise = normal(&mut rng);
        let price = 50.0 + 2.1 * area + 12.0 * f64::from(rooms) - 0.8 * f64::from(age)
            + level
            + 0.4 * area * f64::from(garden)
            + NOISE * noise;
        let (area, town) = match (gaps, uniform(&mut rng) < 0.1) {
            (true, true) => (String::new(), if uniform(&mut rng) < 0.5 { "" } else { town }),
            _ => (format!("{area:.1}"), town),
        };
        writeln!(text, "{rooms},{area},{age},{town},{garden},{price:.2}").expect("a string takes everything");
    }
    text
}

/// An array in the format of NumPy, version 1.0.
pub(crate) fn npy(descr: &str, shape: &[usize], bytes: &[u8]) -> Vec<u8> {
    let sizes: String = shape.iter().map(|size| format!("{size}, ")).collect();
    let mut header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({}), }}", sizes.trim_end());
    // Magic, version, length and header fill lines of 64 bytes, the last one with a line break.
    while (10 + header.len() + 1) % 64 != 0 {
        header.push(' ');
    }
    header.push('\n');
    let len = (header.len() as u16).to_le_bytes();
    [b"\x93NUMPY\x01\x00", &len[..], header.as_bytes(), bytes].concat()
}

/// A zip archive of files that are stored as they are.
fn zip(files: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let (mut archive, mut directory) = (Vec::new(), Vec::new());
    for (name, bytes) in files {
        let mut crc = flate2::Crc::new();
        crc.update(bytes);
        let (len, at) = ((bytes.len() as u32).to_le_bytes(), (archive.len() as u32).to_le_bytes());
        // Version 2.0, no flags, stored, no time; checksum, both lengths, length of the name, nothing extra.
        let common = [
            &[20, 0, 0, 0, 0, 0, 0, 0, 0, 0][..],
            &crc.sum().to_le_bytes(),
            &len,
            &len,
            &(name.len() as u16).to_le_bytes(),
            &[0, 0],
        ]
        .concat();
        archive.extend([b"PK\x03\x04", &common[..], name.as_bytes(), bytes].concat());
        directory.extend([b"PK\x01\x02\x14\x00", &common[..], &[0; 10], &at, name.as_bytes()].concat());
    }
    let n = (files.len() as u16).to_le_bytes();
    let (len, at) = ((directory.len() as u32).to_le_bytes(), (archive.len() as u32).to_le_bytes());
    [&archive[..], &directory, b"PK\x05\x06\0\0\0\0", &n, &n, &len, &at, &[0, 0]].concat()
}

/// A folder with a sub-folder for each class, called by its name in English.
fn pictures(folder: &Path, images: &[u8], labels: &[u8]) -> Result<(), Box<dyn Error>> {
    const NAMES: [&str; 10] = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"];
    for (number, (pixels, &label)) in images.chunks_exact(28 * 28).zip(labels).enumerate() {
        let class = folder.join(NAMES[usize::from(label)]);
        fs::create_dir_all(&class)?;
        let picture = image::GrayImage::from_raw(28, 28, pixels.to_vec()).ok_or("a digit has 28x28 pixels")?;
        picture.save(class.join(format!("{number:04}.png")))?;
    }
    Ok(())
}

/// Records of CIFAR: a class, as often as there are labels, and 32x32 pixels in planes of red, green and blue. Every
/// class has a colour and a direction of its stripes.
fn cifar(seed: u64, n: usize, n_labels: usize) -> Vec<u8> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut records = Vec::with_capacity(n * 3074);
    for _ in 0..n {
        let class = (uniform(&mut rng) * 10.0) as usize;
        records.extend(std::iter::repeat_n(class as u8, n_labels));
        let phase = uniform(&mut rng) * 8.0;
        for plane in 0..3 {
            let level = if (class >> plane) & 1 == 1 { 170.0 } else { 80.0 };
            for pixel in 0..32 * 32 {
                let (y, x) = ((pixel / 32) as f64, (pixel % 32) as f64);
                let along = if class >= 5 { x + y } else { x - y };
                let stripe = if (along + phase).rem_euclid(8.0) < 4.0 { 40.0 } else { -40.0 };
                records.push((level + stripe + 50.0 * (uniform(&mut rng) - 0.5)).clamp(0.0, 255.0) as u8);
            }
        }
    }
    records
}
