//! [`BITS_REVISION`]: which numbers a training comes to, as one number.

/// Two versions of graphc with the same revision train the same graph on the same data, with the same options and seed,
/// to the same bits, on any machine. Receipts name it, and `graphc verify` refuses those of another one.
///
/// Raise it by 1 with every change after which any graph has another result in any bit: the order of arithmetic, rules
/// of passes that are no identities of machine numbers, approximations of functions, initial values, shuffling and
/// splits, learning rates, random numbers, decoding and preprocessing of data, synthetic samples. Faster code for the
/// same numbers does not count. The test `tests/bits.rs` trains a few networks and compares; it also says how its
/// golden file is written anew.
pub const BITS_REVISION: u32 = 3;
