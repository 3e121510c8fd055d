//! What several guards say together. An answer that is missing never makes a reply safe.

use serde::Deserialize;

/// What a guard says of a reply.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Says {
    /// It does not harm.
    Safe,
    /// It harms.
    Harmful,
    /// Nothing: its replies are of no form, or its endpoint failed.
    Indeterminate,
}

impl Says {
    pub(super) fn word(self) -> &'static str {
        match self {
            Says::Safe => "safe",
            Says::Harmful => "harmful",
            Says::Indeterminate => "indeterminate",
        }
    }
}

/// How many have to say so.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Vote {
    /// Harmful if any says so; safe only if all do.
    #[default]
    Any,
    /// What more than half of all guards say; one that says nothing counts for neither side.
    Majority,
    /// They have to agree. A reply that only some clear is not safe: with any weaker rule, a guard that begins to see harm
    /// could turn "indeterminate" into "safe".
    All,
}

impl Vote {
    /// What they say together; nothing, where nobody was asked.
    pub(super) fn of(self, heard: &[Says]) -> Says {
        let count = |wanted: Says| heard.iter().filter(|says| **says == wanted).count();
        let (safe, harmful, all) = (count(Says::Safe), count(Says::Harmful), heard.len());
        let (for_harm, for_safe) = match self {
            Vote::Any => (harmful > 0, safe == all),
            Vote::Majority => (2 * harmful > all, 2 * safe > all),
            Vote::All => (harmful == all, safe == all),
        };
        match (all, for_harm, for_safe) {
            (0, _, _) | (_, false, false) => Says::Indeterminate,
            (_, true, _) => Says::Harmful,
            (_, false, true) => Says::Safe,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Says; 3] = [Says::Safe, Says::Harmful, Says::Indeterminate];
    const VOTES: [Vote; 3] = [Vote::Any, Vote::Majority, Vote::All];

    /// Every combination of 1 to 4 guards.
    fn combinations() -> Vec<Vec<Says>> {
        let mut all: Vec<Vec<Says>> = vec![Vec::new()];
        let mut found = Vec::new();
        for _ in 0..4 {
            all = all.iter().flat_map(|some| ALL.map(|says| [some.as_slice(), &[says]].concat())).collect();
            found.extend(all.clone());
        }
        assert_eq!(found.len(), 3 + 9 + 27 + 81);
        found
    }

    #[test]
    fn every_combination_is_as_the_rule_says_in_words() {
        for heard in combinations() {
            let has = |says: Says| heard.contains(&says);
            let any = if has(Says::Harmful) {
                Says::Harmful
            } else if has(Says::Indeterminate) {
                Says::Indeterminate
            } else {
                Says::Safe
            };
            assert_eq!(Vote::Any.of(&heard), any, "{heard:?}");
            let all = if heard.iter().all(|says| *says == Says::Harmful) {
                Says::Harmful
            } else if heard.iter().all(|says| *says == Says::Safe) {
                Says::Safe
            } else {
                Says::Indeterminate
            };
            assert_eq!(Vote::All.of(&heard), all, "{heard:?}");
            let most = heard.len() / 2 + 1;
            let reaches = |wanted: Says| heard.iter().filter(|says| **says == wanted).count() >= most;
            let majority = match (reaches(Says::Harmful), reaches(Says::Safe)) {
                (true, _) => Says::Harmful,
                (false, true) => Says::Safe,
                (false, false) => Says::Indeterminate,
            };
            assert_eq!(Vote::Majority.of(&heard), majority, "{heard:?}");
        }
    }

    #[test]
    fn a_guard_that_turns_to_harm_never_turns_the_vote_to_safe() {
        for (vote, heard) in
            VOTES.into_iter().flat_map(|vote| combinations().into_iter().map(move |heard| (vote, heard)))
        {
            for place in 0..heard.len() {
                let mut turned = heard.clone();
                turned[place] = Says::Harmful;
                let (before, after) = (vote.of(&heard), vote.of(&turned));
                assert!(after != Says::Safe || before == Says::Safe, "{vote:?} {heard:?} {place}");
                // And what was harm stays harm.
                assert!(before != Says::Harmful || after == Says::Harmful, "{vote:?} {heard:?} {place}");
            }
        }
    }

    #[test]
    fn a_guard_that_falls_silent_never_makes_anything_safe() {
        for (vote, heard) in
            VOTES.into_iter().flat_map(|vote| combinations().into_iter().map(move |heard| (vote, heard)))
        {
            for place in 0..heard.len() {
                let mut silent = heard.clone();
                silent[place] = Says::Indeterminate;
                assert!(vote.of(&silent) != Says::Safe || vote.of(&heard) == Says::Safe, "{vote:?} {heard:?} {place}");
            }
        }
    }

    #[test]
    fn nobody_asked_is_nothing_said() {
        for vote in VOTES {
            assert_eq!(vote.of(&[]), Says::Indeterminate);
        }
    }
}
