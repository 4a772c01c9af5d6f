//! Tables by ids and small keys, which are asked for every statement: hashed quickly, as no adversary chooses the keys.

use rustc_hash::FxBuildHasher;
use std::collections::{HashMap, HashSet};

/// A map with a quick hash. Its order means nothing.
pub(crate) type QuickMap<K, V> = HashMap<K, V, FxBuildHasher>;

/// A set with a quick hash. Its order means nothing.
pub(crate) type QuickSet<T> = HashSet<T, FxBuildHasher>;
