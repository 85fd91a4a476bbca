//! Runs the target that `USHER_FUZZ_TARGET` names under libFuzzer: `cargo xtask fuzz TARGET`.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use usher_fuzz::Target;

static TARGET: LazyLock<&Target> = LazyLock::new(|| {
    let name = std::env::var("USHER_FUZZ_TARGET").expect("USHER_FUZZ_TARGET names a target");
    usher_fuzz::target(&name).expect("a target of usher_fuzz::TARGETS")
});

fuzz_target!(|input: &[u8]| (TARGET.run)(input));
