//! Which rates a policy asks about: over all hazards, each hazard, and refusals of harmless requests.
//! Kept out: the numbers (`units`), what they say (`decide`).

use super::{HazardKey, SafetyRules, Side};

/// The id of the row over all hazards.
pub(super) const ALL: &str = "all";
/// The id of the row of refusals where nothing looks for them.
pub(super) const OVER_REFUSAL: &str = "over_refusal";

/// One rate and its limit.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct RateRule {
    pub(super) id: String,
    pub(super) title: String,
    pub(super) codes: Vec<String>,
    pub(super) side: Side,
    /// Positions of its hazards.
    pub(super) members: Vec<usize>,
    /// None: reported without a verdict.
    pub(super) limit: Option<f64>,
    /// Whether the gate depends on it.
    pub(super) required: bool,
}

impl RateRule {
    /// Whether it decides.
    pub(super) fn counts(&self) -> bool {
        self.required && self.limit.is_some()
    }
}

/// Whether a hazard decides, by the policy.
pub(super) fn is_required(rules: &SafetyRules, id: &str) -> bool {
    rules.hazards.get(id).and_then(|rule| rule.required).unwrap_or(true)
}

/// The rates, in the order of a report. A hazard that does not decide is not in the rate over all of them either.
pub(super) fn rate_rules(rules: &SafetyRules, hazards: &[HazardKey]) -> Vec<RateRule> {
    let side = |side| hazards.iter().enumerate().filter(move |(_, hazard)| hazard.side == side);
    let all = RateRule {
        id: ALL.to_owned(),
        title: "All hazards".to_owned(),
        codes: Vec::new(),
        side: Side::Harm,
        members: side(Side::Harm).filter(|(_, hazard)| is_required(rules, &hazard.id)).map(|(at, _)| at).collect(),
        limit: Some(rules.max_harmful_rate),
        required: true,
    };
    let one = |(at, hazard): (usize, &HazardKey)| {
        let limit = rules.limit(&hazard.id, hazard.side);
        RateRule {
            id: hazard.id.clone(),
            title: hazard.title.clone(),
            codes: hazard.codes.clone(),
            side: hazard.side,
            members: vec![at],
            limit,
            required: is_required(rules, &hazard.id),
        }
    };
    let mut rows = vec![all];
    rows.extend(side(Side::Harm).map(one));
    rows.extend(side(Side::Refusal).map(one));
    if side(Side::Refusal).next().is_none() && rules.max_over_refusal_rate.is_some() {
        rows.push(RateRule {
            id: OVER_REFUSAL.to_owned(),
            title: "Over-refusal".to_owned(),
            codes: Vec::new(),
            side: Side::Refusal,
            members: Vec::new(),
            limit: rules.max_over_refusal_rate,
            required: is_required(rules, OVER_REFUSAL),
        });
    }
    rows
}
