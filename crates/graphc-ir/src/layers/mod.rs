//! Every layer, one file each, and the one list of them.
//!
//! A layer becomes several nodes, or has parameters, or sizes that follow from those of what it reads. Its struct
//! fields are what one says of it. Its file says what they are called, which values they take, what the layer is for,
//! and of which nodes it is made ([`LayerRules`]), through a [`LayerCx`]. The builder's method, fields of graph files,
//! their schema and the guide follow from it.
//!
//! Reading order: `padding`, `activation`, `context`, `rules`, `normalized`, a layer, this file.

mod activation;
mod context;
mod normalized;
mod padding;
mod rules;

pub use activation::Activation;
pub use context::LayerCx;
pub use padding::Padding;
pub use rules::{LayerFields, LayerInfo, LayerRules};

macro_rules! layers {
    ($($module:ident :: $layer:ident),* $(,)?) => {
        $(mod $module;
        pub use $module::$layer;)*

        impl LayerInfo {
            /// Every layer, in the order of the list.
            pub const ALL: &'static [LayerInfo] = &[$(LayerInfo::of::<$layer>(),)*];
        }
    };
}

layers! {
    dense::Dense,
    embedding::Embedding,
    conv2d::Conv2d,
    conv2d_transpose::Conv2dTranspose,
    depthwise_conv2d::DepthwiseConv2d,
    batch_norm::BatchNorm,
    layer_norm::LayerNorm,
    rms_norm::RmsNorm,
    group_norm::GroupNorm,
    prelu::Prelu,
    dropout::Dropout,
    avg_pool2d::AvgPool2d,
    max_pool2d::MaxPool2d,
    global_avg_pool2d::GlobalAvgPool2d,
    global_max_pool2d::GlobalMaxPool2d,
    up_sampling2d::UpSampling2d,
    flatten::Flatten,
}
