//! Winograd's convolutions beside the direct ones and the meaning: how large their errors are, and that all engines
//! compute the same in a network where channels and filters fill vectors.

use crate::common::engines::{compare_isas, run_both};
use graphc_codegen::Isa;
use graphc_driver::{CompileOptions, compile};
use graphc_interp::graph::run;
use graphc_interp::loops::Memory;
use graphc_ir::graph::builder::{GraphBuilder, Loss};
use graphc_ir::layers::{Activation, BatchNorm, Conv2d, Dense, Padding};
use graphc_ir::loops::BufferKind;
use graphc_ir::ops::Algorithm;
use graphc_ir::{DType, Graph, Optimizer, Shape, Tensor};
use graphc_testing::bindings;
use std::collections::BTreeMap;

const ALGORITHMS: [Algorithm; 3] = [Algorithm::Direct, Algorithm::Winograd2x2, Algorithm::Winograd4x4];

/// Results of a convolution and its gradients.
const RESULTS: [&str; 3] = ["y", "dx", "dw"];

/// Images of `size` by `size` pixels with `channels` channels and as many filters, 16 of them.
struct Shapes {
    size: usize,
    channels: usize,
}

impl Shapes {
    /// A convolution with `same` padding and its two gradients.
    fn graph(&self, algorithm: Algorithm) -> Graph {
        let Shapes { size, channels: c } = self;
        let images = format!("[N,{size},{size},{c}]");
        let attrs = format!(r#"strides=[1,1], padding=[1,1,1,1], algorithm="{}""#, algorithm.name());
        let text = format!(
            r#"graph g(batch=16, mode=infer) {{
              %0: f32{images} = input() {{dtype=f32, shape={images}}} "images"
              %1: f32{images} = input() {{dtype=f32, shape={images}}} "gradient"
              %2: f32[3,3,{c},{c}] = parameter() {{shape=[3,3,{c},{c}], initializer=0.0, trainable=true}} "kernel"
              %3: f32{images} = conv2d(%0, %2) {{{attrs}}}
              %4: f32{images} = conv2d_input_grad(%1, %2) {{{attrs}, shape={images}}}
              %5: f32[3,3,{c},{c}] = conv2d_kernel_grad(%0, %1) {{{attrs}, shape=[3,3,{c},{c}]}}
              output y = %3
              output dx = %4
              output dw = %5
            }}"#
        );
        text.parse().unwrap_or_else(|error| panic!("{error}\n{text}"))
    }

    /// Numbers that are about normally distributed, those of the kernel as small as they are in training.
    fn tensors(&self) -> BTreeMap<String, Tensor<f32>> {
        let Shapes { size, channels: c } = *self;
        let mut state = 1_u64;
        let mut uniform = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f64 / f64::from(1 << 24) - 0.5
        };
        let mut normal = |scale: f64| (scale * (0..12).map(|_| uniform()).sum::<f64>()) as f32;
        let images = [16, size, size, c];
        let kernel = [3, 3, c, c];
        let scale = (2.0 / (9 * c) as f64).sqrt();
        let tensors = [("images", images, 1.0), ("gradient", images, 1.0), ("kernel", kernel, scale)];
        let tensor = |(name, sizes, scale): (&str, [usize; 4], f64)| {
            let elements = (0..sizes.iter().product()).map(|_| normal(scale)).collect();
            (name.to_string(), Tensor::new(sizes.to_vec(), elements))
        };
        tensors.map(tensor).into()
    }

    /// Results in machine code.
    fn compiled(&self, algorithm: Algorithm, tensors: &BTreeMap<String, Tensor<f32>>) -> Vec<Tensor<f64>> {
        let compiled = compile(&self.graph(algorithm), &CompileOptions::infer(16)).expect("it compiles");
        let (program, mut executable) = (&compiled.lowered.program, compiled.executable);
        let mut memory = Memory::new(program);
        for buffer in &program.buffers {
            if matches!(buffer.kind, BufferKind::Input | BufferKind::State) {
                memory.set(program, buffer.kind, &buffer.name, &tensors[&buffer.name]).expect("it fits");
            }
        }
        executable.arena_mut().copy_from_slice(memory.arena());
        executable.step().expect("it runs");
        let output = |name: &str| {
            let mut outputs = program.buffers.iter();
            let buffer = outputs.find(|buffer| buffer.kind == BufferKind::Output && buffer.name == name);
            let buffer = buffer.expect("an output");
            let words = buffer.layout.unpack(&executable.arena()[buffer.offset..buffer.offset + buffer.len]);
            let elements = words.iter().map(|&word| f64::from(f32::from_bits(word))).collect();
            Tensor::new(buffer.layout.shape.clone(), elements)
        };
        RESULTS.map(output).into()
    }

    /// The same as it is meant.
    fn exact(&self, tensors: &BTreeMap<String, Tensor<f32>>) -> Vec<Tensor<f64>> {
        let graph = self.graph(Algorithm::Direct);
        let tensors: BTreeMap<String, Tensor<f64>> = tensors.iter().map(|(name, t)| (name.clone(), t.cast())).collect();
        let values = run(&graph, &tensors).expect("it runs");
        RESULTS.map(|name| values.output(name).expect("an output").clone()).into()
    }
}

/// Root of the mean square, and the greatest, of the differences from what is exact, in units of its root mean square.
fn errors(found: &Tensor<f64>, exact: &Tensor<f64>) -> [f64; 2] {
    let norm = |numbers: &mut dyn Iterator<Item = f64>| {
        let (n, squares) = numbers.fold((0, 0.0), |(n, sum), x| (n + 1, sum + x * x));
        (squares / f64::from(n)).sqrt()
    };
    assert_eq!(found.shape, exact.shape);
    let differences = || found.data.iter().zip(&exact.data).map(|(found, exact)| (found - exact).abs());
    let unit = norm(&mut exact.data.iter().copied());
    [norm(&mut differences()) / unit, differences().fold(0.0, f64::max) / unit]
}

/// Errors are those that `docs/winograd.md` states.
#[test]
fn errors_are_those_of_the_table() {
    let (documentation, most) = (include_str!("../docs/winograd.md"), [1.2e-6, 8e-7, 2.4e-6]);
    let mut table = Vec::new();
    for shapes in [(32, 64), (16, 128), (8, 256)].map(|(size, channels)| Shapes { size, channels }) {
        let tensors = shapes.tensors();
        let exact = shapes.exact(&tensors);
        for (algorithm, most) in ALGORITHMS.into_iter().zip(most) {
            let found = shapes.compiled(algorithm, &tensors);
            let errors: Vec<[f64; 2]> = found.iter().zip(&exact).map(|(found, exact)| errors(found, exact)).collect();
            let row: Vec<String> = errors.iter().map(|[rms, max]| format!("{rms:.1e}, {max:.1e}")).collect();
            let Shapes { size, channels } = shapes;
            let row = format!("| {size}x{size}, {channels} channels | {} | {} |", algorithm.name(), row.join(" | "));
            table.push(row);
            for (name, [rms, _]) in RESULTS.iter().zip(&errors) {
                assert!(*rms < most, "{algorithm:?}: {name} of {size}x{size}x{channels} is {rms:e} off");
            }
        }
    }
    let table = table.join("\n");
    assert!(documentation.contains(&table), "docs/winograd.md does not have this table:\n{table}");
}

/// A small network of 3x3 convolutions in that algorithm, trained with Adam.
fn network(algorithm: Algorithm) -> Graph {
    let mut builder = GraphBuilder::new("net");
    builder.set_algorithm(algorithm);
    let image = builder.input("image", DType::F32, Shape::batched(&[8, 10, 16])).unwrap();
    let label = builder.input("label", DType::I32, Shape::batched(&[])).unwrap();
    let mut x = image;
    for (number, padding) in [Padding::Same, Padding::Valid].into_iter().enumerate() {
        let convolution = Conv2d { padding, use_bias: number == 1, ..Conv2d::new(16, [3, 3]) };
        x = builder.conv2d(&format!("conv{number}"), x, &convolution).unwrap();
        x = builder.batch_norm(&format!("bn{number}"), x, &BatchNorm::default()).unwrap();
        x = builder.activation(&format!("relu{number}"), x, Activation::Relu).unwrap();
    }
    let x = builder.flatten("flatten", x).unwrap();
    let classes = Dense { activation: Some(Activation::Softmax), ..Dense::new(10) };
    let x = builder.dense("classes", x, &classes).unwrap();
    builder.loss(Loss::CategoricalCrossentropy, x, label).unwrap();
    builder.optimizer(Optimizer::adam(0.003));
    builder.finish()
}

/// Every engine and instruction set, where samples are lanes and where features are.
#[test]
fn engines_agree() {
    for algorithm in [Algorithm::Winograd2x2, Algorithm::Winograd4x4] {
        for batch in [3, 16, 40] {
            let graph = network(algorithm);
            let options = CompileOptions { gradients: true, ..CompileOptions::train(batch) };
            let compiled = compile(&graph, &options).unwrap();
            let tensors = bindings(&compiled.lowered.backward, 1);
            let (_, memory) = run_both(compiled, &tensors).unwrap_or_else(|message| panic!("batch {batch}: {message}"));
            compare_isas(&graph, &options, &[Isa::Fma, Isa::Portable], &tensors, &memory)
                .unwrap_or_else(|message| panic!("batch {batch}: {message}"));
        }
    }
}
