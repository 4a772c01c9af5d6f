//! Time of every kernel of a training step: `cargo run --release --example kernel_times -- FILE [BATCH]`.
//!
//! Minimum and median over many steps, on one core, with random inputs.

use graphc_driver::{CompileOptions, compile};
use graphc_ir::loops::BufferKind;
use graphc_testing::bindings;
use std::time::Instant;

const N_STEPS: usize = 300;

#[expect(clippy::print_stdout, reason = "an example that prints a table")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let file = args.next().unwrap_or_else(|| "examples/lenet5.graph.json".to_string());
    let batch: usize = args.next().map_or(Ok(64), |batch| batch.parse())?;
    let experiment = graphc_frontend::load_with(file.as_ref(), graphc_frontend::CheckData::No)?;
    let isa = match args.next().as_deref() {
        Some("portable") => graphc_codegen::Isa::Portable,
        Some("fma") => graphc_codegen::Isa::Fma,
        _ => graphc_codegen::Isa::Native,
    };
    let compiled = compile(&experiment.graph, &CompileOptions { isa, ..CompileOptions::train(batch) })?;
    let mut executable = compiled.executable;
    let tensors = bindings(&compiled.lowered.backward, 1);
    for buffer in &compiled.lowered.program.buffers {
        if let (BufferKind::Input | BufferKind::State, Some(tensor)) = (buffer.kind, tensors.get(&buffer.name)) {
            if buffer.dtype == graphc_ir::DType::I32 {
                let values: Vec<i32> = tensor.data.iter().map(|&value| value as i32).collect();
                executable.set_i32(buffer.kind, &buffer.name, &values)?;
            } else {
                executable.set(buffer.kind, &buffer.name, &tensor.data)?;
            }
        }
    }
    let kernels = &compiled.lowered.program.kernels;
    let mut times = vec![Vec::new(); kernels.len()];
    let mut steps = Vec::new();
    for _ in 0..N_STEPS {
        let step = Instant::now();
        for (kernel, times) in times.iter_mut().enumerate() {
            let start = Instant::now();
            executable.run_kernel(kernel)?;
            times.push(start.elapsed().as_secs_f64() * 1e6);
        }
        steps.push(step.elapsed().as_secs_f64() * 1e6);
    }
    for (kernel, times) in kernels.iter().zip(&mut times) {
        let (min, median) = min_and_median(times);
        println!("{:5} {min:8.1} {median:8.1} µs  {}", kernel.name, kernel.sources.join(" | "));
    }
    let (min, median) = min_and_median(&mut steps);
    println!("step  {min:8.1} {median:8.1} µs; compile {:.1} ms", compiled.time.as_secs_f64() * 1e3);
    for stage in &compiled.lowered.times {
        println!("      {:8.1} µs  {}", stage.time.as_secs_f64() * 1e6, stage.name);
    }
    Ok(())
}

fn min_and_median(times: &mut [f64]) -> (f64, f64) {
    times.sort_by(f64::total_cmp);
    (times[0], times[times.len() / 2])
}
