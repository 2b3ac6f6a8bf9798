//! Random moments that can be had again.

use std::time::Duration;

/// Random numbers from a seed (splitmix64): a failed test names the seed, and is repeated with it.
pub(crate) struct Chance(u64);

impl Chance {
    /// Takes the seed in `KIGEN_CRASH_SEED`, or a new one, and prints it.
    #[expect(
        clippy::disallowed_methods,
        reason = "a test may be repeated by its environment"
    )]
    #[expect(clippy::print_stderr, reason = "who repeats a test needs its seed")]
    pub(crate) fn from_environment() -> Self {
        let given = std::env::var("KIGEN_CRASH_SEED").ok();
        let seed = given.map_or_else(new_seed, |text| text.parse().unwrap());
        eprintln!("KIGEN_CRASH_SEED={seed}");
        Self(seed)
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % end
    }

    /// A time shorter than `longest`.
    pub(crate) fn shorter_than(&mut self, longest: Duration) -> Duration {
        Duration::from_micros(self.below(u64::try_from(longest.as_micros()).unwrap()))
    }
}

fn new_seed() -> u64 {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).unwrap();
    u64::from_le_bytes(bytes) >> 16
}
