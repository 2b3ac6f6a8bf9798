//! Numbers that look random and are the same on every machine.

use uuid::Builder;

/// Changes every generated row when it is changed.
const SEED: u64 = 0x6b69_6765_6e21_2026;

/// What a sequence of numbers is for. Rows of one kind do not change when another kind draws more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stream {
    Relationship,
    Person,
    Detail,
    Contact,
    Login,
    Attempt,
    Answer,
    Request,
    Document,
}

/// The `SplitMix64` generator of Steele, Lea and Flood (2014), one sequence per row.
pub(super) struct Random {
    state: u64,
}

impl Random {
    /// Starts the sequence of row `number`; it does not depend on any other row.
    pub(super) fn of(stream: Stream, number: u64) -> Self {
        let mut seeding = Self {
            state: SEED ^ ((stream as u64 + 1) << 56) ^ number,
        };
        Self {
            state: seeding.next(),
        }
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Returns a number from 0 to `bound` - 1; 0 if `bound` is 0.
    pub(super) fn below(&mut self, bound: u32) -> u32 {
        // The upper half of a 32 × 32 bit product is below `bound`, so it fits.
        let product = (self.next() >> 32) * u64::from(bound);
        u32::try_from(product >> 32).unwrap_or(0)
    }

    /// The smaller of two draws: values near 0, the recent past, are the more frequent.
    pub(super) fn below_mostly_small(&mut self, bound: u32) -> u32 {
        self.below(bound).min(self.below(bound))
    }

    /// Returns a number from `low` to `high`, both included.
    pub(super) fn between(&mut self, low: i32, high: i32) -> i32 {
        let width = high.saturating_sub(low).saturating_add(1);
        low.saturating_add_unsigned(self.below(u32::try_from(width).unwrap_or(0)))
    }

    /// Whether something happens that happens `per_mille` times in a thousand.
    pub(super) fn happens(&mut self, per_mille: u32) -> bool {
        self.below(1000) < per_mille
    }

    /// Picks one of `choices`.
    pub(super) fn pick<T: Copy, const N: usize>(&mut self, choices: &[T; N]) -> T {
        const { assert!(N > 0) };
        let index = self.below(u32::try_from(N).unwrap_or(1));
        choices[usize::try_from(index).unwrap_or(0)]
    }

    /// Returns a version 4 UUID in its usual text form.
    pub(super) fn uuid(&mut self) -> String {
        let bits = (u128::from(self.next()) << 64) | u128::from(self.next());
        Builder::from_random_bytes(bits.to_be_bytes())
            .into_uuid()
            .to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sequence_is_that_of_the_published_algorithm() {
        // First values of SplitMix64 from state 0.
        let mut random = Random { state: 0 };
        assert_eq!(random.next(), 0xe220_a839_7b1d_cdaf);
        assert_eq!(random.next(), 0x6e78_9e6a_a1b9_65f4);
    }

    #[test]
    fn a_draw_stays_within_its_bounds() {
        let mut random = Random::of(Stream::Person, 1);
        for _ in 0..1000 {
            assert!(random.below(7) < 7);
            assert!((-2..=2).contains(&random.between(-2, 2)));
        }
        assert_eq!(random.below(0), 0);
    }
}
