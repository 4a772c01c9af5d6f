//! Every layer, one file each, and the one list of them.
//!
//! A layer becomes several nodes, or has parameters, or sizes that follow from those of what it reads. Its struct
//! fields are what one says of it. Its file says what they are called, which values they take, what the layer is for,
//! and of which nodes it is made ([`LayerRules`]), through a [`LayerCx`]. The builder's method, fields of graph files,
//! their schema and the guide follow from it.
//!
//! Reading order: `padding`, `activation`, `context`, `rules`, `normalized`, `sequence`, `separable`, `recurrent`, a
//! layer, this file.

mod activation;
mod context;
mod normalized;
mod padding;
mod recurrent;
mod rules;
mod separable;
mod sequence;

pub use activation::Activation;
pub use context::LayerCx;
pub use padding::{Padding, Padding1d};
pub use reshape::NewShape;
pub use rules::{LayerFields, LayerInfo, LayerRules};
pub use up_sampling2d::Interpolation;

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
    multi_head_attention::MultiHeadAttention,
    position_embedding::PositionEmbedding,
    sinusoidal_positions::SinusoidalPositions,
    conv1d::Conv1d,
    conv2d::Conv2d,
    conv1d_transpose::Conv1dTranspose,
    conv2d_transpose::Conv2dTranspose,
    depthwise_conv1d::DepthwiseConv1d,
    depthwise_conv2d::DepthwiseConv2d,
    separable_conv1d::SeparableConv1d,
    separable_conv2d::SeparableConv2d,
    batch_norm::BatchNorm,
    layer_norm::LayerNorm,
    rms_norm::RmsNorm,
    group_norm::GroupNorm,
    instance_norm::InstanceNorm,
    prelu::Prelu,
    dropout::Dropout,
    dot::Dot,
    repeat_vector::RepeatVector,
    avg_pool1d::AvgPool1d,
    avg_pool2d::AvgPool2d,
    max_pool1d::MaxPool1d,
    max_pool2d::MaxPool2d,
    adaptive_avg_pool2d::AdaptiveAvgPool2d,
    global_avg_pool1d::GlobalAvgPool1d,
    global_avg_pool2d::GlobalAvgPool2d,
    global_max_pool1d::GlobalMaxPool1d,
    global_max_pool2d::GlobalMaxPool2d,
    up_sampling1d::UpSampling1d,
    up_sampling2d::UpSampling2d,
    zero_padding2d::ZeroPadding2d,
    cropping2d::Cropping2d,
    flatten::Flatten,
    simple_rnn::SimpleRnn,
    gru::Gru,
    lstm::Lstm,
    reshape::Reshape,
}
