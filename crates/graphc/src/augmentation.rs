//! What a graph file says of augmentation, as the training library takes it.

use graphc_frontend::DataConfig;
use graphc_frontend::augment::{AugmentConfig, FillConfig, FlipConfig};
use graphc_train::data::{
    Augment, Augmentation, Brightness, Contrast, Crop, Erase, Fill, Flip, Mixup, Noise, Rotate, Shift, Transform, Zoom,
};

/// What happens at random to the samples that are trained on.
pub(crate) fn augmentation(data: &DataConfig) -> Augmentation {
    let inputs = data.augment.iter().map(|(name, config)| (name.clone(), augment(config)));
    Augmentation { inputs: inputs.collect(), mixup: data.mixup.map(|mixup| Mixup { alpha: mixup.alpha }) }
}

/// Without transforms that would change nothing.
fn augment(config: &AugmentConfig) -> Augment {
    let AugmentConfig { zoom, rotate, shift, crop, contrast, brightness, noise, fill_value, range, .. } = *config;
    let flip = config.flip.map(|flip| match flip {
        FlipConfig::Horizontal => Flip::Horizontal,
        FlipConfig::Vertical => Flip::Vertical,
        FlipConfig::Both => Flip::Both,
    });
    let erase =
        config.erase.map(|erase| Erase { probability: erase.probability, area: erase.area, ratio: erase.ratio });
    let transforms: [Option<Transform>; 9] = [
        flip.map(Transform::from),
        (zoom != 0.0).then(|| Zoom(zoom).into()),
        (rotate != 0.0).then(|| Rotate(rotate).into()),
        (shift != 0).then(|| Shift(shift).into()),
        (crop != 0).then(|| Crop(crop).into()),
        (contrast != 0.0).then(|| Contrast(contrast).into()),
        (brightness != 0.0).then(|| Brightness(brightness).into()),
        (noise != 0.0).then(|| Noise(noise).into()),
        erase.map(Transform::from),
    ];
    let fill = match config.fill {
        FillConfig::Constant => Fill::Constant,
        FillConfig::Nearest => Fill::Nearest,
        FillConfig::Reflect => Fill::Reflect,
    };
    Augment { transforms: transforms.into_iter().flatten().collect(), fill, fill_value, range }
}
