#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Err(broken) = ambit_effects::fuzzing::frames(bytes) {
        panic!("{broken}");
    }
});
