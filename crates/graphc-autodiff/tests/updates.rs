//! What is the same for any optimizer: clipped gradients, settings of single parameters, gradients of several steps.

mod linear;

use graphc_ir::optimizers::{Accumulation, Averaging, Clipping, ParameterSettings};
use graphc_ir::{Graph, Optimizer};
use graphc_testing::all_optimizers;
use linear::{START, trained, updated};

/// The norm of the first five is 5, that of all 13.
const GRADIENT: [f64; 6] = [3.0, 0.0, -4.0, 0.0, 0.0, 12.0];

/// What plain descent at the rate 1 takes from every number.
fn step(prepare: impl FnOnce(&mut Graph), gradient: [f64; 6]) -> Vec<f64> {
    let graph = updated(|graph| {
        graph.optimizer = Some(Optimizer::sgd(1.0));
        prepare(graph);
    });
    let after = &trained(&graph, &[gradient], &[1.0])[0];
    START.iter().zip(after).map(|(before, after)| before - after).collect()
}

fn close(found: &[f64], expected: &[f64]) {
    let is_close = |(x, y): (&f64, &f64)| (x - y).abs() <= 1e-12 * y.abs().max(1.0);
    assert!(found.len() == expected.len() && found.iter().zip(expected).all(is_close), "{found:?}, not {expected:?}");
}

#[test]
fn gradients_are_clipped_as_in_keras() {
    let clipped = |clipping| step(|graph| graph.clipping = Some(clipping), GRADIENT);
    let scaled = |of_first: f64, of_last: f64| {
        let factor = |at| if at < 5 { of_first } else { of_last };
        GRADIENT.iter().enumerate().map(|(at, g)| g * factor(at)).collect::<Vec<f64>>()
    };
    close(&clipped(Clipping::Norm(4.0)), &scaled(4.0 / 5.0, 4.0 / 12.0));
    close(&clipped(Clipping::Norm(6.0)), &scaled(1.0, 0.5));
    close(&clipped(Clipping::GlobalNorm(6.5)), &scaled(0.5, 0.5));
    close(&clipped(Clipping::GlobalNorm(13.0)), &GRADIENT);
    close(&clipped(Clipping::Value(3.5)), &[3.0, 0.0, -3.5, 0.0, 0.0, 3.5]);
}

#[test]
fn no_gradient_has_norm_0() {
    for clipping in [Clipping::Norm(1.0), Clipping::GlobalNorm(1.0), Clipping::Value(1.0)] {
        close(&step(|graph| graph.clipping = Some(clipping), [0.0; 6]), &[0.0; 6]);
    }
}

#[test]
fn what_is_not_finite_stays_so() {
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let mut gradient = GRADIENT;
        gradient[1] = bad;
        let clipped = |clipping| step(|graph| graph.clipping = Some(clipping), gradient);
        let found = clipped(Clipping::Norm(1.0));
        assert!(found[..5].iter().all(|x| x.is_nan()), "{bad}: {found:?}");
        close(&found[5..], &[1.0]);
        assert!(clipped(Clipping::GlobalNorm(1.0)).iter().all(|x| x.is_nan()), "{bad}");
        let found = clipped(Clipping::Value(2.0));
        assert!(if bad.is_nan() { found[1].is_nan() } else { found[1] == 2.0f64.copysign(bad) }, "{bad}: {found:?}");
    }
}

#[test]
fn parameters_have_rates_of_their_own() {
    let settings = ParameterSettings { learning_rate_factor: Some(0.25), weight_decay: None };
    let found = step(|graph| graph.parameter_settings.extend([("w".to_string(), settings)]), GRADIENT);
    close(&found, &[0.75, 0.0, -1.0, 0.0, 0.0, 12.0]);
}

/// Settings of one parameter leave the others as they are, and are those of an optimizer that has them for all.
#[test]
fn settings_are_those_of_an_optimizer_for_one_parameter() {
    let gradients = [GRADIENT, [0.5, 1.0, -1.0, 2.0, 0.0, -0.25], [0.125; 6]];
    let rates = [0.01, 0.02, 0.03];
    let last = |prepare: &dyn Fn(&mut Graph), rates: &[f64]| trained(&updated(prepare), &gradients, rates)[2].clone();
    for optimizer in all_optimizers() {
        let plain = last(&|graph| graph.optimizer = Some(optimizer.clone()), &rates);
        let factor = ParameterSettings { learning_rate_factor: Some(0.5), weight_decay: None };
        let of_w = |settings: ParameterSettings| {
            last(
                &|graph| {
                    graph.optimizer = Some(optimizer.clone());
                    graph.parameter_settings.insert("w".into(), settings);
                },
                &rates,
            )
        };
        let halved = last(&|graph| graph.optimizer = Some(optimizer.clone()), &rates.map(|rate| rate / 2.0));
        close(&of_w(factor), &[&halved[..5], &plain[5..]].concat());
        if optimizer.decays_weights() {
            let decay = |decay: f64| graphc_ir::attrs::AttrValue::Float(decay);
            let others = optimizer.with([("weight_decay", decay(0.25))]).unwrap();
            let decayed = last(&|graph| graph.optimizer = Some(others.clone()), &rates);
            let settings = ParameterSettings { learning_rate_factor: None, weight_decay: Some(0.25) };
            close(&of_w(settings), &[&decayed[..5], &plain[5..]].concat());
        }
    }
}

#[test]
fn several_steps_are_as_one_with_the_mean_gradient() {
    let gradients = [GRADIENT, [1.0; 6], [0.0, -2.0, 4.0, 1.0, 0.5, 3.0], GRADIENT, [-3.0; 6], [0.5; 6]];
    let means: Vec<[f64; 6]> =
        gradients.chunks(3).map(|g| std::array::from_fn(|i| g.iter().map(|g| g[i]).sum::<f64>() / 3.0)).collect();
    for optimizer in all_optimizers() {
        let graph = |steps| {
            updated(|graph| {
                graph.optimizer = Some(optimizer.clone());
                graph.clipping = Some(Clipping::GlobalNorm(2.0));
                graph.averaging = Some(Averaging { decay: 0.5 });
                graph.accumulation = (steps > 1).then_some(Accumulation { steps });
            })
        };
        // The rates of other steps than the last do not count.
        let accumulated = trained(&graph(3), &gradients, &[9.0, 8.0, 0.01, 7.0, 6.0, 0.02]);
        let expected = trained(&graph(1), &means, &[0.01, 0.02]);
        for (at, found) in accumulated.iter().enumerate() {
            let before = (at + 1) / 3;
            let is_close = |(x, y): (&f64, &f64)| (x - y).abs() <= 1e-9 * y.abs().max(1.0);
            let expected = if before == 0 { &START[..] } else { &expected[before - 1] };
            assert!(found.iter().zip(expected).all(is_close), "{optimizer:?}, step {at}: {found:?}, not {expected:?}");
        }
    }
}

#[test]
fn what_is_said_of_updates_reads_back() {
    let graph = updated(|graph| {
        graph.optimizer = Some(Optimizer::lamb(0.01));
        graph.clipping = Some(Clipping::Norm(0.5));
        graph.accumulation = Some(Accumulation { steps: 2 });
        let settings = ParameterSettings { learning_rate_factor: Some(0.1), weight_decay: Some(0.0) };
        graph.parameter_settings.insert("w".into(), settings);
    });
    let text = graph.compacted().to_string();
    let lines = [
        "settings w {learning_rate_factor=0.1, weight_decay=0.0}",
        "clipping {clipnorm=0.5}",
        "accumulation {steps=2}",
    ];
    assert!(lines.iter().all(|line| text.contains(&format!("\n  {line}\n"))), "{text}");
    assert_eq!(text.parse::<Graph>().unwrap(), graph.compacted());
}
