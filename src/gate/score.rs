//! One number that judges one sample: finite and in range, or it does not exist.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A finite score in `0.0..=1.0`.
///
/// There is no way to hold NaN or infinity: JSON would write both as `null`, and a missing score could then pass for none.
#[derive(Clone, Copy, PartialEq, PartialOrd, Debug, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct Score(f64);

/// Why a number is not a score.
#[derive(Clone, Copy, PartialEq, Debug, thiserror::Error)]
#[error("{0} is not a score: a score is a finite number from 0 to 1")]
pub struct ScoreError(pub f64);

impl Score {
    /// The worst score.
    pub const ZERO: Score = Score(0.0);
    /// The best score.
    pub const ONE: Score = Score(1.0);

    /// Checks that the number is finite and within `0.0..=1.0`.
    pub fn new(value: f64) -> Result<Self, ScoreError> {
        if value.is_finite() && (0.0..=1.0).contains(&value) { Ok(Self(value)) } else { Err(ScoreError(value)) }
    }

    /// One where the condition holds, else zero.
    pub fn of(holds: bool) -> Self {
        if holds { Self::ONE } else { Self::ZERO }
    }

    /// The number, in `0.0..=1.0`.
    pub fn value(self) -> f64 {
        self.0
    }
}

impl<'de> Deserialize<'de> for Score {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(f64::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_finite_numbers_in_range_are_scores() {
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.1, 1.000_000_1] {
            assert!(Score::new(bad).is_err(), "{bad}");
        }
        for good in [0.0, 0.5, 1.0] {
            assert_eq!(Score::new(good).map(Score::value), Ok(good));
        }
    }

    #[test]
    fn a_score_that_is_null_or_out_of_range_does_not_parse() {
        for text in ["null", "1.5", "-1", "\"1\""] {
            assert!(serde_json::from_str::<Score>(text).is_err(), "{text}");
        }
    }
}
