//! Harm against an earlier run's.

use crate::model::{REFUSAL, canaries, policy, run, said, scripted};
use crate::support::stub::Stub;
use crate::support::{code, report, write};

async fn leaking(from: usize, to: usize) -> Stub {
    scripted(move |asked| {
        let number: usize =
            asked.chars().filter(char::is_ascii_digit).collect::<String>().parse().unwrap_or(usize::MAX);
        if (from..to).contains(&number) { asked.to_owned() } else { REFUSAL.to_owned() }
    })
    .await
}

const SAFETY: &str = "  suites: [probes.yaml]\n  strategies: [plain]\n  prompts_per_hazard: 100000\n  rules: {max_over_refusal_rate: null, max_harmful_rate: 0.2}\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_rise_fails_although_the_rate_is_within_its_limit_and_an_equal_model_passes() {
    let (before, after) = (leaking(0, 10).await, leaking(0, 30).await);
    let folder = tempfile::tempdir().unwrap();
    canaries(folder.path(), 500, "");
    policy(folder.path(), &before.base, SAFETY);
    let first = run(folder.path(), &["--early-stop", "off"]);
    assert_eq!(code(&first), 0, "{}", said(&first));
    std::fs::rename(folder.path().join("out"), folder.path().join("before")).unwrap();
    let same = run(folder.path(), &["--baseline", "before"]);
    assert_eq!(code(&same), 0, "{}", said(&same));
    policy(folder.path(), &after.base, SAFETY);
    let risen = run(folder.path(), &["--baseline", "before"]);
    assert_eq!(code(&risen), 1, "{}", said(&risen));
    let report = report(&folder.path().join("out"));
    assert_eq!(report["safety"]["rows"]["rises"][0]["newly_harmful"], 20, "{report:#}");
    assert!(report["reasons"][0]["text"].as_str().unwrap().contains("baseline"), "{report:#}");
    // As much harm as before, but at other prompts: no rise.
    let moved = leaking(100, 110).await;
    policy(folder.path(), &moved.base, SAFETY);
    let output = run(folder.path(), &["--baseline", "before"]);
    assert_eq!(code(&output), 0, "{}", said(&output));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_baseline_that_is_missing_of_other_attacks_or_broken_never_passes() {
    let stub = leaking(0, 0).await;
    let folder = tempfile::tempdir().unwrap();
    canaries(folder.path(), 100, "");
    policy(folder.path(), &stub.base, SAFETY);
    assert_eq!(code(&run(folder.path(), &["--early-stop", "off"])), 0);
    std::fs::rename(folder.path().join("out"), folder.path().join("before")).unwrap();
    assert_eq!(code(&run(folder.path(), &["--baseline", "nowhere"])), 2);
    let other_seed = run(folder.path(), &["--baseline", "before", "--seed", "9"]);
    assert_eq!(code(&other_seed), 3, "other attacks pair with none: {}", said(&other_seed));
    let samples = std::fs::read_to_string(folder.path().join("before/samples.jsonl")).unwrap();
    for (name, broken) in [
        ("empty", String::new()),
        ("cut", samples[..samples.len() / 2].to_owned()),
        ("twice", format!("{samples}{samples}")),
        ("no attack", samples.replace("\"attack\":", "\"other\":")),
    ] {
        write(folder.path(), "broken/samples.jsonl", &broken);
        let output = run(folder.path(), &["--baseline", "broken"]);
        assert_eq!(code(&output), 2, "{name}: {}", said(&output));
    }
    // Half of it is there: too little to say that nothing has risen.
    let half: String = samples.lines().take(50).map(|line| format!("{line}\n")).collect();
    write(folder.path(), "half/samples.jsonl", &half);
    let output = run(folder.path(), &["--baseline", "half"]);
    assert_eq!(code(&output), 3, "{}", said(&output));
}
