//! The generator of everything random that a verdict may depend on: our own, so that a result never changes with a
//! dependency.

use super::float;

/// xoshiro256++, seeded through SplitMix64.
/// Source: D. Blackman and S. Vigna, Scrambled linear pseudorandom number generators, ACM TOMS 47, 2021.
#[derive(Clone, Debug)]
pub struct Generator {
    state: [u64; 4],
}

impl Generator {
    /// The generator of a seed; one seed gives one sequence on every machine.
    pub fn new(seed: u64) -> Self {
        let mut state = seed;
        Self { state: [(); 4].map(|()| split_mix(&mut state)) }
    }

    /// The next 64 bits.
    pub fn next_bits(&mut self) -> u64 {
        let [a, b, c, d] = self.state;
        let result = a.wrapping_add(d).rotate_left(23).wrapping_add(a);
        let (c, d) = (c ^ a, d ^ b);
        let (b, a) = (b ^ c, a ^ d);
        let [_, old, ..] = self.state;
        self.state = [a, b, c ^ (old << 17), d.rotate_left(45)];
        result
    }

    /// A number in 0..1, with 53 bits.
    pub fn unit(&mut self) -> f64 {
        float(self.next_bits() >> 11) * (1.0 / 9_007_199_254_740_992.0)
    }

    /// An index below `count`, which is at least 1, without bias.
    /// Source: D. Lemire, Fast random integer generation in an interval, ACM TOMACS 29, 2019.
    pub fn index(&mut self, count: usize) -> usize {
        let count = (count as u64).max(1);
        loop {
            let wide = u128::from(self.next_bits()) * u128::from(count);
            #[expect(clippy::cast_possible_truncation, reason = "the low and the high half of a product")]
            let (low, high) = (wide as u64, (wide >> 64) as usize);
            if low >= count || low >= count.wrapping_neg() % count {
                return high;
            }
        }
    }

    /// Puts items in a random order. Source: R. Fisher and F. Yates; R. Durstenfeld, CACM 7, 1964.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.index(last + 1));
        }
    }
}

/// Source: G. Steele, D. Lea and C. Flood, Fast splittable pseudorandom number generators, OOPSLA 2014.
fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
