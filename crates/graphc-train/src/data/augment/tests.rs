//! Whole rows, and data sets of them.

use super::draws::tests::{draws_of, key, mean, variance};
use super::draws::{EpochKey, SampleDraws};
use super::placement::Placement;
use super::row::{Levels, Row};
use super::size::Picture;
use super::*;
use crate::data::dataset::tests::{Numbered, load};
use crate::data::preprocess::Affine;
use crate::data::{ArraySource, Dataset, array::idx::tests::idx_bytes};
use crate::input::InputSpec;
use crate::packing::{Batch, Packing, Pairs};
use graphc_ir::DType;
use graphc_ir::loops::Layout;
use std::borrow::Cow;
use tempfile::TempDir;

const AT: EpochKey = EpochKey { seed: 5, epoch: 2 };
const SHAPE: [usize; 3] = [9, 7, 3];

fn spec(shape: &[usize]) -> InputSpec {
    let sample_shape = shape.to_vec();
    InputSpec { name: "image".into(), dtype: DType::F32, sample_shape, is_target: false, integers: None }
}

fn augment(transforms: impl IntoIterator<Item = Transform>) -> Augment {
    Augment { transforms: transforms.into_iter().collect(), ..Augment::default() }
}

/// One of each.
fn all() -> Vec<Transform> {
    vec![
        Erase::default().into(),
        Noise(0.05).into(),
        Brightness(0.2).into(),
        Contrast(0.2).into(),
        Crop(2).into(),
        Shift(1).into(),
        Rotate(20.0).into(),
        Zoom(0.2).into(),
        Flip::Horizontal.into(),
    ]
}

fn bytes(n: usize) -> Vec<u8> {
    (0..n).map(|i| (i * 37 % 256) as u8).collect()
}

/// The row of a sample of bytes, with that map of every element.
fn row(shape: &[usize], augment: &Augment, pair: [f32; 2], sample: u32) -> Vec<f32> {
    let len = shape.iter().product();
    let (bytes, pairs) = (bytes(len), Pairs::Alike(pair));
    let plan = Plan::new(&spec(shape), augment, &Affine(vec![[1.0, -0.0]]), true).unwrap();
    let source = Source::Bytes(Cow::Borrowed(&bytes), &pairs);
    let mut out = vec![0; len];
    match plan {
        Some(plan) => plan.write(&source, AT, sample, &mut Scratch::default(), &mut out),
        None => source.write(&mut out),
    }
    out.into_iter().map(f32::from_bits).collect()
}

#[test]
fn amounts_of_nothing_change_nothing() {
    let nothing = augment([
        Zoom(0.0).into(),
        Rotate(0.0).into(),
        Shift(0).into(),
        Crop(0).into(),
        Contrast(0.0).into(),
        Brightness(0.0).into(),
        Noise(0.0).into(),
        Erase { probability: 0.0, ..Erase::default() }.into(),
    ]);
    for pair in [[1.0, -0.0], [1.0 / 255.0, -0.3]] {
        for sample in 0..20 {
            assert_eq!(row(&SHAPE, &nothing, pair, sample), row(&SHAPE, &Augment::default(), pair, sample));
        }
    }
}

#[test]
fn a_sample_depends_on_its_key_alone() {
    let augment = augment(all());
    let plan = Plan::new(&spec(&SHAPE), &augment, &Affine(vec![[1.0, -0.0]]), true).unwrap().unwrap();
    let (bytes, pairs) = (bytes(189), Pairs::Alike([1.0, -0.0]));
    let source = Source::Bytes(Cow::Borrowed(&bytes), &pairs);
    let mut scratch = Scratch::default();
    let mut of = |at, sample| {
        let mut out = vec![0; 189];
        plan.write(&source, at, sample, &mut scratch, &mut out);
        out
    };
    let first = of(AT, 3);
    let others = [(AT, 4), (EpochKey { epoch: 3, ..AT }, 3), (EpochKey { seed: 6, ..AT }, 3)];
    assert!(others.into_iter().all(|(at, sample)| of(at, sample) != first));
    assert_eq!(of(AT, 3), first);
    // The order in which transforms are named means nothing, and none changes what another one draws.
    let shifted = |transforms: Vec<Transform>| row(&SHAPE, &super::tests::augment(transforms), [1.0, -0.0], 3);
    assert_eq!(shifted(vec![Shift(2).into(), Flip::Both.into()]), shifted(vec![Flip::Both.into(), Shift(2).into()]));
    let still = Rotate(0.0).into();
    assert_eq!(shifted(vec![Shift(2).into()]), shifted(vec![still, Shift(2).into()]));
}

/// Draws lie in their range, evenly, whatever is drawn beside them.
#[test]
fn placements_are_as_said() {
    let place = |transform: Transform| {
        draws_of(transform.number(), |draws| {
            let mut placement = Placement::IDENTITY;
            transform.rule().place(draws, &mut placement);
            placement
        })
    };
    let zooms: Vec<f64> = place(Zoom(0.3).into()).iter().map(|placement| placement.zoom).collect();
    assert!(zooms.iter().all(|zoom| (0.7..1.3).contains(zoom)));
    assert!((mean(&zooms) - 1.0).abs() < 0.0062 && (variance(&zooms) - 0.03).abs() < 0.001);
    let angles: Vec<f64> = place(Rotate(30.0).into()).iter().map(|placement| placement.degrees).collect();
    assert!(angles.iter().all(|angle| (-30.0..30.0).contains(angle)));
    assert!(mean(&angles).abs() < 0.62 && (variance(&angles) - 300.0).abs() < 10.0);
    for transform in [Shift(3).into(), Crop(3).into()] {
        let shifts: Vec<[i64; 2]> = place(transform).iter().map(|placement| placement.shift).collect();
        for pixels in -3..=3 {
            for axis in 0..2 {
                let n = shifts.iter().filter(|shift| shift[axis] == pixels).count();
                assert!(n.abs_diff(2857) < 248, "{pixels}: {n}");
            }
        }
        let n_same = shifts.iter().filter(|shift| shift[0] == shift[1]).count();
        assert!(n_same.abs_diff(2857) < 248, "both directions are drawn by themselves: {n_same}");
    }
    let flips: Vec<[bool; 2]> = place(Flip::Both.into()).iter().map(|placement| placement.flips).collect();
    for flip in [[false, false], [false, true], [true, false], [true, true]] {
        let n = flips.iter().filter(|&&found| found == flip).count();
        assert!(n.abs_diff(5000) < 307, "{flip:?}: {n}");
    }
    assert!(place(Flip::Horizontal.into()).iter().all(|placement| !placement.flips[0]));
    assert!(place(Flip::Vertical.into()).iter().all(|placement| !placement.flips[1]));
}

/// Values after one change, of samples that have one pixel each.
fn changed(transform: Transform, values: &[f32], levels: &Levels) -> Vec<Vec<f32>> {
    let picture = Some(Picture { height: 1, width: values.len() / levels.black.len(), channels: levels.black.len() });
    let change = |sample| {
        let mut values = values.to_vec();
        let mut row = Row { values: &mut values, picture, levels };
        transform.rule().change(&mut SampleDraws::new(key(sample)).of(transform.number()), &mut row);
        values
    };
    (0..20_000).map(change).collect()
}

fn levels(black: f32, white: f32, is_clipped: bool) -> Levels {
    Levels { black: vec![black], white: vec![white], outside: vec![black], is_clipped }
}

#[test]
fn values_change_by_shares_of_their_range() {
    // Black is 3 and white 1: a network may have it the other way round.
    let free = levels(3.0, 1.0, false);
    let added: Vec<f64> =
        changed(Brightness(0.5).into(), &[2.0], &free).iter().map(|row| f64::from(row[0]) - 2.0).collect();
    assert!(added.iter().all(|added| added.abs() <= 1.0));
    assert!(mean(&added).abs() < 0.0205 && (variance(&added) - 1.0 / 3.0).abs() < 0.0106);
    let clipped = changed(Brightness(0.5).into(), &[2.5], &levels(3.0, 1.0, true));
    assert!(clipped.iter().all(|row| (1.0..=3.0).contains(&row[0])) && clipped.iter().any(|row| row[0] == 3.0));

    let spread: Vec<f64> = changed(Contrast(0.5).into(), &[1.0, 2.0, 6.0], &free)
        .iter()
        .map(|row| {
            assert!((row[0] - 3.0 - (row[1] - 3.0) * 2.0).abs() < 1e-5, "about the mean: {row:?}");
            f64::from(row[2] - 3.0) / 3.0
        })
        .collect();
    assert!(spread.iter().all(|factor| (0.5..=1.5).contains(factor)) && (mean(&spread) - 1.0).abs() < 0.0103);

    let noise: Vec<f64> =
        changed(Noise(0.25).into(), &[2.0, 2.0], &free).iter().map(|row| f64::from(row[1]) - 2.0).collect();
    assert!(mean(&noise).abs() < 0.018 && (variance(&noise) - 0.25).abs() < 0.0125);
}

#[test]
fn channels_are_changed_by_their_own_levels() {
    let levels =
        Levels { black: vec![0.0, 10.0], white: vec![1.0, 110.0], outside: vec![-1.0, -2.0], is_clipped: false };
    for row in changed(Brightness(0.5).into(), &[0.0, 10.0, 0.5, 60.0], &levels).iter().take(100) {
        assert!((row[1] - 10.0 - row[0] * 100.0).abs() < 1e-3 && (row[3] - row[1] - 50.0).abs() < 1e-3, "{row:?}");
    }
    let erase = Erase { probability: 1.0, area: [1.0, 1.0], ratio: [1.0, 1.0] };
    assert_eq!(changed(erase.into(), &[5.0, 5.0], &levels)[0], [-1.0, -2.0]);
}

/// Rectangles have their area and their ratio, to whole pixels, and are as frequent as said.
#[test]
fn rectangles_are_erased() {
    let picture = Picture { height: 40, width: 60, channels: 1 };
    let levels = levels(0.0, 255.0, true);
    let erase = Erase { probability: 0.25, area: [0.05, 0.2], ratio: [0.5, 2.0] };
    let mut areas = Vec::new();
    for sample in 0..4000 {
        let mut values = vec![100.0; 2400];
        let mut row = Row { values: &mut values, picture: Some(picture), levels: &levels };
        let erase = Transform::from(erase);
        erase.rule().change(&mut SampleDraws::new(key(sample)).of(erase.number()), &mut row);
        let is_empty = |line: usize| (0..60).filter(|x| values[line * 60 + x] == 0.0).count();
        let widths: Vec<usize> = (0..40).map(is_empty).filter(|&n| n > 0).collect();
        if let Some(&width) = widths.first() {
            assert!(widths.iter().all(|&other| other == width));
            areas.push((width * widths.len()) as f64 / 2400.0);
            let ratio = widths.len() as f64 / width as f64;
            assert!((0.45..2.2).contains(&ratio), "{ratio}");
        }
    }
    assert!(areas.len().abs_diff(1000) < 137, "{}", areas.len());
    assert!((mean(&areas) - 0.125).abs() < 0.008 && areas.iter().all(|area| (0.045..0.21).contains(area)));
}

/// Pictures of floating-point numbers that hold the same go the same way.
#[test]
fn elements_that_are_no_bytes() {
    let maps = [[1.0 / 255.0, -0.5], [2.0, 3.0], [-0.01, 1.0]];
    let augment = Augment { range: Some([0.0, 255.0]), fill_value: 40.0, ..augment(all()) };
    let raw = bytes(189);
    let pairs: Vec<[f32; 2]> = (0..189).map(|i| maps[i % 3].map(|x| x as f32)).collect();
    let words: Vec<u32> = raw.iter().zip(&pairs).map(|(&x, [a, b])| (f32::from(x) * a + b).to_bits()).collect();
    let write = |source: &Source<'_>, are_bytes: bool, sample: u32| {
        let plan = Plan::new(&spec(&SHAPE), &augment, &Affine(maps.to_vec()), are_bytes).unwrap().unwrap();
        let mut out = vec![0; 189];
        plan.write(source, AT, sample, &mut Scratch::default(), &mut out);
        out.into_iter().map(f32::from_bits).collect::<Vec<_>>()
    };
    let each = Pairs::Each(pairs.clone());
    for sample in 0..50 {
        let of_bytes = write(&Source::Bytes(Cow::Borrowed(&raw), &each), true, sample);
        let of_words = write(&Source::Words(Cow::Borrowed(&words)), false, sample);
        for (at, (a, b)) in of_bytes.iter().zip(&of_words).enumerate() {
            assert!((a - b).abs() < 1e-5 * (1.0 + pairs[at][0].abs() * 255.0), "sample {sample}, {at}: {a} {b}");
        }
    }
}

#[test]
fn noise_on_what_is_no_picture_is_in_the_networks_unit() {
    let plain = row(&[189], &Augment::default(), [0.1, 0.5], 0);
    let noisy = row(&[189], &augment([Noise(0.25).into()]), [0.1, 0.5], 0);
    let noise: Vec<f64> = plain.iter().zip(&noisy).map(|(a, b)| f64::from(b - a)).collect();
    assert!((variance(&noise) - 0.0625).abs() < 0.035, "{}", variance(&noise));
}

/// A folder with pictures and class vectors of 20 samples, of which 15 are trained on.
fn data() -> (TempDir, Numbered) {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, sizes: &[u32], data: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, idx_bytes(sizes, data)).unwrap();
        (name.to_string(), ArraySource::new(path))
    };
    let shares: Vec<u8> = (0..20 * 4).map(|i| u8::from(i % 4 == i / 4 % 4)).collect();
    let arrays = vec![file("image", &[20, 9, 7, 3], &bytes(20 * 189)), file("label", &[20, 4], &shares)];
    let label = InputSpec { name: "label".into(), is_target: true, ..spec(&[4]) };
    let source = crate::data::Source::Arrays(arrays);
    (folder, Numbered { inputs: vec![spec(&SHAPE), label], source, most_in_memory: None })
}

fn augmentation(mixup: Option<Mixup>) -> Augmentation {
    Augmentation { inputs: vec![("image".into(), augment(all()))], mixup }
}

fn packed(data: &Dataset, input: usize, samples: &[u32], layout: &Layout) -> Vec<u32> {
    let packing = Packing::new(layout).unwrap();
    let mut words = vec![9; packing.n_words()];
    let input = data.inputs_at(Some(AT)).nth(input).unwrap();
    let batch = Batch { samples, after: &[] };
    for (chunk, words) in words.chunks_mut(packing.chunk_len()).enumerate() {
        input.pack_chunk(batch, &packing, chunk, words);
    }
    words
}

/// Batches of any size and layout hold the rows of their samples, from memory or from a file.
#[test]
fn packing_writes_whole_rows() {
    let (_folder, mut numbered) = data();
    for mixup in [None, Some(Mixup { alpha: 0.4 })] {
        let in_memory = load(&numbered, 0.1, 0.25).augmented(&augmentation(mixup)).unwrap();
        numbered.most_in_memory = Some(0);
        let in_file = load(&numbered, 0.1, 0.25).augmented(&augmentation(mixup)).unwrap();
        for (input, name, shape) in [(0, "image", &SHAPE[..]), (1, "label", &[4])] {
            let of =
                |sample: u32| in_memory.augmented_words(name, sample as usize, AT.seed, AT.epoch as usize).unwrap();
            for n in [1, 3, 16, 17, 40] {
                let samples: Vec<u32> = (0..n).map(|i| (i * 7 % 15) as u32).collect();
                let tensor: Vec<u32> = samples.iter().flat_map(|&sample| of(sample)).collect();
                let sizes = [&[n], shape].concat();
                for layout in [Layout::new(&sizes, Some(0)), Layout::rows(&sizes, 8)] {
                    let mut expected = vec![0; layout.len()];
                    layout.pack(&tensor, &mut expected);
                    assert!(packed(&in_memory, input, &samples, &layout) == expected, "{name} {n}");
                    assert!(packed(&in_file, input, &samples, &layout) == expected, "{name} {n}, in a file");
                }
            }
            in_file.check().unwrap();
            let is_changed = name == "image" || mixup.is_some();
            let n_changed =
                (0..15).filter(|&sample| of(sample) != in_memory.words(name, sample as usize).unwrap()).count();
            assert!(if is_changed { n_changed > 8 } else { n_changed == 0 }, "{name} {n_changed}");
        }
    }
}

/// Inputs and target are mixed alike, with a sample that is trained on.
#[test]
fn mixing() {
    let (_folder, numbered) = data();
    let mixup = Mixup { alpha: 1.0 };
    let data = load(&numbered, 1.0, 0.25).augmented(&Augmentation { inputs: Vec::new(), mixup: Some(mixup) }).unwrap();
    let floats = |words: Vec<u32>| words.into_iter().map(f32::from_bits).collect::<Vec<_>>();
    for sample in 0..15 {
        let (partner, share) = mixup.partner(AT, sample as u32, &data.split().train);
        assert!(partner < 15);
        for name in ["image", "label"] {
            let [own, other] = [sample, partner as usize].map(|sample| floats(data.words(name, sample).unwrap()));
            let mixed = floats(data.augmented_words(name, sample, AT.seed, AT.epoch as usize).unwrap());
            for ((own, other), mixed) in own.iter().zip(&other).zip(mixed) {
                assert_eq!(mixed, own * share + other * (1.0 - share));
            }
        }
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let (_folder, numbered) = data();
    let error = |name: &str, augment: Augment, mixup| {
        let augmentation = Augmentation { inputs: vec![(name.into(), augment)], mixup };
        load(&numbered, 1.0, 0.0).augmented(&augmentation).unwrap_err().to_string()
    };
    let of = |transform: Transform| error("image", augment([transform]), None);
    let about = "`augment` of the input `image`:";
    assert_eq!(error("other", Augment::default(), None), "`augment` is about `other`, but the data has no such input");
    assert_eq!(
        error("label", augment([Noise(0.1).into()]), None),
        "`augment` of the input `label`: targets and weights of the loss are not changed"
    );
    assert_eq!(of(Shift(7).into()), format!("{about} `shift` is 7 pixels, but pictures are 9x7"));
    assert_eq!(of(Rotate(181.0).into()), format!("{about} `rotate` is 181, expected a number from 0 to 180"));
    assert_eq!(of(Rotate(f64::NAN).into()), format!("{about} `rotate` is NaN, expected a number from 0 to 180"));
    assert_eq!(of(Zoom(-0.5).into()), format!("{about} `zoom` is -0.5, expected a number from 0 to 0.9"));
    let erase = |area, ratio| of(Erase { probability: 1.0, area, ratio }.into());
    assert_eq!(
        erase([0.5, 0.1], [1.0, 1.0]),
        format!("{about} `erase` has the `area` [0.5, 0.1], expected two ascending shares")
    );
    assert_eq!(
        erase([0.1, 0.1], [0.0, 1.0]),
        format!("{about} `erase` has the `ratio` [0.0, 1.0], expected two ascending numbers greater than 0")
    );
    assert_eq!(
        error("image", augment([Shift(1).into(), Shift(2).into()]), None),
        format!("{about} `shift` is there twice")
    );
    let range = Augment { range: Some([1.0, 1.0]), ..augment([Shift(1).into()]) };
    assert_eq!(error("image", range, None), format!("{about} `range` is [1, 1], expected two ascending numbers"));
    let fill = Augment { fill_value: f64::INFINITY, ..augment([Shift(1).into()]) };
    assert_eq!(error("image", fill, None), format!("{about} `fill_value` is inf, expected a finite number"));
    assert_eq!(
        error("image", Augment::default(), Some(Mixup { alpha: 0.0 })),
        "the `alpha` of `mixup` is 0, expected a number greater than 0"
    );
}

#[test]
fn inputs_that_cannot_be_changed_are_refused() {
    let about = "`augment` of the input `image`:";
    let plan =
        |spec: &InputSpec, affine| Plan::new(spec, &augment([Flip::Both.into()]), &Affine(affine), false).unwrap_err();
    assert_eq!(
        plan(&spec(&[9]), vec![[1.0, 0.0]]),
        format!("{about} `flip` is for pictures, height x width x channels, but it is 9")
    );
    assert_eq!(
        plan(&InputSpec { dtype: DType::I32, ..spec(&[9, 9]) }, vec![[1.0, 0.0]]),
        format!("{about} its elements are integers, which cannot be changed")
    );
    assert_eq!(
        plan(&spec(&[9, 7]), vec![[1.0, 0.0]; 7]),
        format!(
            "{about} `standardise` treats every column of pictures 9x7 by itself; give the input a last dimension of \
             1, which counts channels"
        )
    );
    let (_folder, numbered) = crate::data::dataset::tests::numbered(7);
    let mixed = Augmentation { mixup: Some(Mixup::default()), ..Augmentation::default() };
    assert_eq!(
        load(&numbered, 1.0, 0.0).augmented(&mixed).unwrap_err().to_string(),
        "`mixup` cannot mix the input `label`: its elements are integers, such as class numbers; it takes targets \
         that are shares of the classes (`one_hot`)"
    );
}
