//! Shares of traffic: whole percents, as every router takes them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A share of the users' traffic in whole percent, 0 to 100.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "u8", into = "u8")]
#[schemars(extend("maximum" = 100))]
pub struct Percent(u8);

impl Percent {
    /// No traffic.
    pub const ZERO: Percent = Percent(0);
    /// All of it.
    pub const ALL: Percent = Percent(100);

    /// Checks the range.
    pub fn new(percent: u8) -> Option<Self> {
        (percent <= 100).then_some(Self(percent))
    }

    /// 0 to 100.
    pub fn get(self) -> u8 {
        self.0
    }

    /// 0 to 1.
    pub fn share(self) -> f64 {
        f64::from(self.0) / 100.0
    }

    /// What is left for the other side.
    #[must_use]
    pub fn rest(self) -> Self {
        Self(100 - self.0)
    }

    /// The nearest whole percent of a share of 0 to 1; what lies outside is cut, what is no number is nothing.
    pub fn nearest(share: f64) -> Self {
        let percent = (share * 100.0).round().clamp(0.0, 100.0);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 100")]
        Self(if percent.is_finite() { percent as u8 } else { 0 })
    }
}

impl TryFrom<u8> for Percent {
    type Error = String;

    fn try_from(percent: u8) -> Result<Self, String> {
        Self::new(percent).ok_or_else(|| format!("{percent} is no percent: it is 0 to 100"))
    }
}

impl From<Percent> for u8 {
    fn from(percent: Percent) -> u8 {
        percent.0
    }
}

/// How traffic is split between the two sides.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Split {
    /// The share of the users' requests that the canary answers; stable has the rest.
    pub canary: Percent,
    /// The share of stable's requests that are also sent to the canary, whose answers nobody sees.
    pub mirror: Percent,
}

impl Split {
    /// Everything to stable, nothing mirrored.
    pub const STABLE: Split = Split { canary: Percent::ZERO, mirror: Percent::ZERO };

    /// This share to the canary, nothing mirrored.
    pub fn to_canary(canary: Percent) -> Self {
        Self { canary, mirror: Percent::ZERO }
    }
}
