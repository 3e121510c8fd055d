//! The last line of every run: where the traffic is.

use super::plan::StrategyName;
use super::state::{Reached, State};
use super::target::Stable;
use super::{Ending, Split, Stage, strategy};

/// Where the traffic is, in one line. `split` is what the router said last; none where it could not be asked.
pub fn where_the_traffic_is(split: Option<Split>, state: &State) -> String {
    let (old, new) = (named(&state.old), named(&state.new));
    if state.stage == Stage::Done(Ending::Promoted) && state.plan.traffic.flag.is_none() {
        return format!("traffic: 100 % at the new version, {new}");
    }
    let Some(split) = split else {
        let share = state.split.canary.get();
        return format!(
            "traffic: not known (the router does not answer); when it was last seen {share} % was at {new}"
        );
    };
    if let Some(flag) = &state.plan.traffic.flag {
        return format!("traffic: {} % of the users have the flag `{}`", split.canary.get(), show(&flag.key));
    }
    let stable = match strategy::target(&state.plan, state.stage).stable {
        Stable::Old if halfway(state) => format!("{old} (as its own rolling update goes back)"),
        Stable::New if halfway(state) => format!("{new} (as its own rolling update goes on; the rest is at {old})"),
        Stable::Old => old,
        Stable::New => new.clone(),
        Stable::Retired => new.clone(),
    };
    let canary = split.canary.get();
    let mirrored = match split.mirror.get() {
        0 => String::new(),
        mirror => format!(", {mirror} % of it mirrored to {new}"),
    };
    match canary {
        0 => format!("traffic: 100 % at {stable}{mirrored}"),
        100 => format!("traffic: 100 % at {new}{mirrored}"),
        _ => format!("traffic: {canary} % at {new}, {} % at {stable}{mirrored}", 100 - canary),
    }
}

/// Whether the stable workload may be between two versions.
fn halfway(state: &State) -> bool {
    let changes = match state.stage {
        Stage::Promote => true,
        Stage::Step(_) => state.plan.strategy == StrategyName::Rolling,
        // Stable had begun to take the new version.
        Stage::Return => state.history.iter().any(|one| match one.stage {
            Stage::Promote => true,
            Stage::Step(_) => state.plan.strategy == StrategyName::Rolling,
            Stage::Prepare | Stage::Keep | Stage::Clean | Stage::Return | Stage::Undo | Stage::Done(_) => false,
        }),
        Stage::Prepare | Stage::Keep | Stage::Clean | Stage::Undo | Stage::Done(_) => false,
    };
    changes && state.reached == Reached::Announced
}

fn named(version: &super::state::Version) -> String {
    match (&version.image, &version.model) {
        (Some(image), Some(model)) => format!("`{}` with model `{}`", show(image), show(model)),
        (Some(image), None) => format!("`{}`", show(image)),
        (None, Some(model)) => format!("model `{}`", show(model)),
        (None, None) => "the version of the flag".to_owned(),
    }
}

fn show(text: &str) -> String {
    super::health::cut(text).replace('`', "'")
}
