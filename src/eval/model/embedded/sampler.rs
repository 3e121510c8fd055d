//! The choice of the next token. The generator is our own, so that a seed means the same in every version.

use super::error::EngineError;

/// xoshiro256++, seeded by SplitMix64. Source: D. Blackman and S. Vigna, Scrambled Linear Pseudorandom Number
/// Generators, 2021.
struct Generator([u64; 4]);

impl Generator {
    fn new(seed: u64) -> Self {
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = state;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^ (z >> 31)
        };
        Self([next(), next(), next(), next()])
    }

    /// Uniform in 0..1, with 53 bits.
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit a f64 exactly")]
    fn uniform(&mut self) -> f64 {
        let [a, b, c, d] = &mut self.0;
        let result = a.wrapping_add(*d).rotate_left(23).wrapping_add(*a);
        let shifted = *b << 17;
        *c ^= *a;
        *d ^= *b;
        *b ^= *c;
        *a ^= *d;
        *c ^= shifted;
        *d = d.rotate_left(45);
        (result >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// Chooses tokens at one temperature.
pub(super) struct Sampler {
    temperature: f64,
    generator: Generator,
}

impl Sampler {
    /// Temperature 0 is greedy.
    pub(super) fn new(temperature: f64, seed: u64) -> Self {
        Self { temperature, generator: Generator::new(seed) }
    }

    /// The next token and its natural log-probability under the model itself.
    pub(super) fn next(&mut self, logits: &[f32]) -> Result<(u32, f64), EngineError> {
        let total = log_sum_exp(logits, 1.0);
        if !total.is_finite() {
            return Err(EngineError::Compute("the logits are not finite numbers".to_owned()));
        }
        let token = if self.temperature == 0.0 { greedy(logits) } else { self.sample(logits) };
        let logit = logits.get(token).copied().map_or(f64::NEG_INFINITY, f64::from);
        Ok((u32::try_from(token).unwrap_or(u32::MAX), logit - total))
    }

    fn sample(&mut self, logits: &[f32]) -> usize {
        let total = log_sum_exp(logits, self.temperature);
        let mut left = self.generator.uniform();
        for (token, logit) in logits.iter().enumerate() {
            left -= (f64::from(*logit) / self.temperature - total).exp();
            if left < 0.0 {
                return token;
            }
        }
        logits.len().saturating_sub(1)
    }
}

/// The likeliest token; ties go to the lowest.
pub(super) fn greedy(logits: &[f32]) -> usize {
    let mut best = (0, f32::NEG_INFINITY);
    for (token, logit) in logits.iter().enumerate() {
        if *logit > best.1 {
            best = (token, *logit);
        }
    }
    best.0
}

/// Logarithm of the sum of exponentials at a temperature, without overflow; sums in f64.
pub(super) fn log_sum_exp(logits: &[f32], temperature: f64) -> f64 {
    let top = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let top = f64::from(top) / temperature;
    top + logits.iter().map(|logit| (f64::from(*logit) / temperature - top).exp()).sum::<f64>().ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generator_gives_the_published_stream() {
        // SplitMix64 from 0: the first output of the reference implementation is 0xe220a8397b1dcdaf.
        assert_eq!(Generator::new(0).0[0], 0xe220_a839_7b1d_cdaf);
    }

    #[test]
    fn a_seed_gives_the_same_tokens_and_a_temperature_their_shares() {
        let logits = [0.0_f32, (3.0_f32).ln()];
        let draw = |seed| {
            let mut sampler = Sampler::new(1.0, seed);
            (0..4000).map(|_| sampler.next(&logits).unwrap().0).collect::<Vec<_>>()
        };
        assert_eq!(draw(7), draw(7));
        let ones = draw(7).iter().filter(|token| **token == 1).count();
        assert!((2900..3100).contains(&ones), "{ones} of 4000, wanted about 3000");
    }

    #[test]
    fn logits_that_are_no_numbers_are_an_error() {
        assert!(Sampler::new(0.0, 0).next(&[f32::NAN, 1.0]).is_err());
    }
}
