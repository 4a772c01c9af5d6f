#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| graphc_fuzz::targets::npz(bytes));
