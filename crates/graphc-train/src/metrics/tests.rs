use super::*;

fn scores(outcome: Outcome, names: &[&str], batches: &[(&[f32], Targets)]) -> Scores {
    let scoring = Scoring::new("p", "t", outcome, names.iter().copied()).unwrap().expect("some metrics");
    let mut scorer = Scorer::new(&scoring);
    batches.iter().for_each(|(predictions, targets)| scorer.add(predictions, targets));
    scorer.scores()
}

#[track_caller]
fn assert_values(scores: &Scores, expected: &[(&str, f64)]) {
    assert_eq!(scores.values.len(), expected.len(), "{scores:?}");
    for ((name, value), (expected_name, expected)) in scores.values.iter().zip(expected) {
        assert!(name == expected_name && (value - expected).abs() < 1e-12, "{name} {value}, expected {expected}");
    }
}

/// Scores of rows whose largest number is at the class: 1 there, 0 elsewhere.
fn rows(classes: &[usize], n: usize) -> Vec<f32> {
    classes.iter().flat_map(|&class| (0..n).map(move |i| f32::from(i == class))).collect()
}

const ACTUAL: [i32; 10] = [0, 0, 0, 1, 1, 2, 2, 2, 2, 4];
const PREDICTED: [usize; 10] = [0, 0, 2, 1, 0, 2, 2, 3, 1, 4];

#[test]
fn classes_as_scikit_learn_has_them() {
    // precision_recall_fscore_support(ACTUAL, PREDICTED, average=None, zero_division=0), and average="macro".
    let predictions = rows(&PREDICTED, 6);
    let names = ["precision", "accuracy", "recall", "f1", "confusion_matrix"];
    let scores = scores(Outcome::Class(6), &names, &[(&predictions, Targets::Labels(ACTUAL.to_vec()))]);
    assert_values(&scores, &[("precision", PRECISION), ("recall", RECALL), ("f1", F1)]);
    let classes = scores.classes.unwrap();
    let totals = classes.totals();
    let column = |of: fn(&ClassTotals) -> f64| totals.iter().map(of).collect::<Vec<_>>();
    assert_eq!(column(ClassTotals::precision), [2.0 / 3.0, 0.5, 2.0 / 3.0, 0.0, 1.0, 0.0]);
    assert_eq!(column(ClassTotals::recall), [2.0 / 3.0, 0.5, 0.5, 0.0, 1.0, 0.0]);
    assert_eq!(totals.iter().map(|class| class.samples).collect::<Vec<_>>(), [3, 2, 4, 0, 1, 0]);
    assert_eq!(classes.count(2, 3), 1);
    assert_eq!(classes.count(3, 2), 0);
    assert_eq!(classes.confusions().map(|confusion| confusion.samples).sum::<u64>(), 10);
}

// Class 3 is predicted but never there, class 5 neither: the means are over five classes.
const PRECISION: f64 = (2.0 / 3.0 + 0.5 + 2.0 / 3.0 + 0.0 + 1.0) / 5.0;
const RECALL: f64 = (2.0 / 3.0 + 0.5 + 0.5 + 0.0 + 1.0) / 5.0;
const F1: f64 = (2.0 / 3.0 + 0.5 + 4.0 / 7.0 + 0.0 + 1.0) / 5.0;

#[test]
fn yes_and_no() {
    let predictions = [0.9, 0.5, 0.51, 0.1, f32::NAN, 0.7];
    let targets = Targets::Values(vec![1.0, 1.0, 0.0, 0.0, 1.0, 1.0]);
    let names = ["precision", "recall", "f1", "mae"];
    let found = scores(Outcome::YesOrNo, &names[..3], &[(&predictions, targets)]);
    // Of three predicted two are right; of four there two are found.
    assert_values(&found, &[("precision", 2.0 / 3.0), ("recall", 0.5), ("f1", 4.0 / 7.0)]);
    let counts = found.classes.unwrap();
    assert_eq!([counts.count(0, 0), counts.count(0, 1), counts.count(1, 0), counts.count(1, 1)], [1, 1, 2, 2]);
    // Nothing is predicted, and nothing is there.
    let nothing = scores(Outcome::YesOrNo, &names, &[(&[0.0, 0.25], Targets::Values(vec![0.0, 0.0]))]);
    assert_values(&nothing, &[("precision", 0.0), ("recall", 0.0), ("f1", 0.0), ("mae", 0.125)]);
}

#[test]
fn places_among_the_predictions() {
    let predictions: [f32; 12] = [0.1, 0.4, 0.2, 0.3, 0.25, 0.25, 0.25, 0.25, f32::NAN, 0.9, 0.0, f32::NAN];
    let labels = Targets::Labels(vec![3, 1, 1]);
    let scores = scores(Outcome::Class(4), &["top_1", "top_2", "top_3", "top_4"], &[(&predictions, labels)]);
    // Places 1, 1 (the first of equals is before it) and 2 (behind both NaNs), from 0.
    assert_values(&scores, &[("top_1", 0.0), ("top_2", 2.0 / 3.0), ("top_3", 1.0), ("top_4", 1.0)]);
    assert_eq!(scores.classes, None);
}

#[test]
fn shares_of_classes_say_the_class() {
    let predictions = rows(&[1, 2, 0], 3);
    let shares = Targets::Values(vec![0.1, 0.8, 0.1, 0.5, 0.2, 0.3, 0.4, 0.3, 0.3]);
    let scores = scores(Outcome::Class(3), &["recall", "top_1", "mse"], &[(&predictions, shares)]);
    let squares = [0.1, 0.2, 0.1, 0.5, 0.2, 0.7, 0.6, 0.3, 0.3].map(|x: f64| x * x).iter().sum::<f64>();
    assert!((scores.values[2].1 - squares / 9.0).abs() < 1e-7);
    assert_eq!(scores.values[1].1, 2.0 / 3.0);
    assert_eq!(scores.classes.unwrap().count(0, 2), 1);
}

#[test]
fn batches_do_not_matter() {
    let n = 1000;
    let predictions: Vec<f32> = (0..3 * n).map(|i| ((i * 7919) % 1013) as f32 / 1013.0).collect();
    let targets: Vec<f32> = (0..3 * n).map(|i| ((i * 104_729) % 997) as f32 / 997.0).collect();
    let names = ["mae", "mse", "f1", "precision", "top_2"];
    let in_batches = |size: usize| {
        let batches = predictions.chunks(3 * size).zip(targets.chunks(3 * size));
        let batches: Vec<_> = batches.map(|(p, t)| (p, Targets::Values(t.to_vec()))).collect();
        let scores = scores(Outcome::Class(3), &names, &batches);
        (scores.values.iter().map(|(_, value)| value.to_bits()).collect::<Vec<_>>(), scores.classes)
    };
    let expected = in_batches(n);
    for size in [1, 7, 64, 999] {
        assert_eq!(in_batches(size), expected, "batches of {size}");
    }
}

/// scikit-learn's `roc_auc_score`, `r2_score` and `log_loss` of the same numbers.
#[test]
fn areas_variances_and_perplexity() {
    let yes = |predictions: &[f32], targets: &[f32]| {
        scores(Outcome::YesOrNo, &["auc"], &[(predictions, Targets::Values(targets.to_vec()))]).values[0].1
    };
    assert_eq!(yes(&[0.1, 0.4, 0.35, 0.8], &[0.0, 0.0, 1.0, 1.0]), 0.75);
    assert_eq!(yes(&[0.5, 0.5, 0.5], &[0.0, 1.0, 1.0]), 0.5);
    assert_eq!(yes(&[-0.0, 0.0, f32::NAN], &[0.0, 1.0, 1.0]), 0.75);
    assert!(yes(&[0.1, 0.2], &[1.0, 1.0]).is_nan() && yes(&[], &[]).is_nan());
    let values = |predictions: &[f32], targets: &[f32]| {
        scores(Outcome::Values, &["r2", "rmse"], &[(predictions, Targets::Values(targets.to_vec()))])
    };
    let found = values(&[2.5, 0.0, 2.0, 8.0], &[3.0, -0.5, 2.0, 7.0]);
    assert_values(&found, &[("r2", 0.948_608_137_044_967), ("rmse", 0.375f64.sqrt())]);
    assert_values(&values(&[2.0, 2.0], &[2.0, 2.0]), &[("r2", 1.0), ("rmse", 0.0)]);
    assert_values(&values(&[1.0, 2.0], &[2.0, 2.0]), &[("r2", 0.0), ("rmse", 0.5f64.sqrt())]);
    let perplexity = |predictions: &[f32], labels: &[i32], reading: Reading| {
        let scoring = Scoring::new("p", "t", Outcome::Class(2), ["perplexity"]).unwrap().unwrap().read_as(reading);
        let mut scorer = Scorer::new(&scoring);
        scorer.add(predictions, &Targets::Labels(labels.to_vec()));
        scorer.scores().values[0].1
    };
    let reading = |form| Reading { form, ignored: Some(-1) };
    let labels = [0, 1, -1];
    // The geometric mean of 1 / 0.25 and 1 / 0.5; what is ignored may be anything.
    let expected = 8f64.sqrt();
    let probabilities = [0.25, 0.75, 0.5, 0.5, 9.0, 9.0];
    let logits = [0.0, 3f32.ln(), 7.0, 7.0, 9.0, 9.0];
    assert!((perplexity(&probabilities, &labels, reading(Form::Probability)) - expected).abs() < 1e-12);
    assert!((perplexity(&logits, &labels, reading(Form::Logit)) - expected).abs() < 1e-6);
    let logs = probabilities.map(f32::ln);
    assert!((perplexity(&logs, &labels, reading(Form::LogProbability)) - expected).abs() < 1e-6);
}

#[test]
fn losses_stand_before_metrics() {
    let metrics = Scoring::new("p", "t", Outcome::Values, ["mae"]).unwrap();
    let scoring = Scoring::with_losses(metrics, &["a_loss".into(), "b_loss".into()]).unwrap();
    let mut scorer = Scorer::new(&scoring);
    scorer.add_losses(3, [1.0, 10.0]);
    scorer.add_losses(1, [5.0, 30.0]);
    scorer.add(&[1.0], &Targets::Values(vec![1.5]));
    assert_values(&scorer.scores(), &[("a_loss", 2.0), ("b_loss", 15.0), ("mae", 0.5)]);
    assert!(is_error("a_loss") && is_error("rmse") && is_error("perplexity") && !is_error("auc") && !is_error("r2"));
    assert!(Scoring::with_losses(None, &[]).is_none());
}

#[test]
fn logits_of_yes_are_above_0() {
    let scoring = Scoring::new("p", "t", Outcome::YesOrNo, ["recall"]).unwrap().unwrap();
    let scoring = scoring.read_as(Reading { form: Form::Logit, ignored: None });
    let mut scorer = Scorer::new(&scoring);
    scorer.add(&[0.25, 0.0, -0.25], &Targets::Values(vec![1.0, 1.0, 0.0]));
    assert_values(&scorer.scores(), &[("recall", 0.5)]);
}

#[test]
fn names() {
    let new = |outcome, name| Scoring::new("p", "t", outcome, [name]);
    assert!(new(Outcome::Values, "accuracy").unwrap().is_none());
    assert!(new(Outcome::Values, "mae").unwrap().is_some());
    for (outcome, name, message) in [
        (Outcome::Values, "f2", "there is no metric `f2`"),
        (Outcome::Values, "top_0", "there is no metric `top_0`"),
        (Outcome::Values, "f1", "`f1` is no metric of such predictions"),
        (Outcome::YesOrNo, "top_2", "`top_2` is no metric of such predictions"),
    ] {
        assert_eq!(new(outcome, name).unwrap_err().to_string(), message);
    }
}
