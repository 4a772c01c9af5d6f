//! `perplexity`: among how many classes of equal probability one would be as unsure, `exp` of the mean cross-entropy.

use super::rule::Rule;
use super::tally::Needs;

pub(super) const RULE: Rule = Rule {
    name: "perplexity",
    is_family: false,
    needs: Needs::Likelihood,
    value: Some(|tally, _| (-tally.log_likelihood / tally.n_likelihoods as f64).exp()),
};
