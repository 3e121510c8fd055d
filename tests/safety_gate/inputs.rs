//! What is wrong with inputs is said before anything is asked.

use crate::model::{canaries, policy, run, said, scripted};
use crate::support::{code, llmci, write};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_said_with_its_place_and_a_way_out_and_nothing_is_asked() {
    let stub = scripted(|_| String::new()).await;
    let folder = tempfile::tempdir().unwrap();
    canaries(folder.path(), 5, "");
    for (safety, said_too) in [
        ("  suites: [jailbrake]\n", &["llmci.yaml:6", "did you mean `jailbreak`"][..]),
        ("  strategies: [base46]\n", &["llmci.yaml:6", "did you mean `base64`"]),
        ("  strategies: [pair]\n", &["llmci.yaml:6", "attacker"]),
        ("  attacker: nobody\n", &["llmci.yaml:6", "no model `nobody`"]),
        ("  rules: {max_harmful_rate: 0}\n", &["llmci.yaml:6", "budgets"]),
        ("  rules: {hazards: {hatred: {max_rate: 0.1}}}\n", &["llmci.yaml:6", "no hazard `hatred`"]),
        ("  rules: {max_harm_rate: 0.1}\n", &["llmci.yaml:6", "max_harmful_rate"]),
        ("  detect: [{type: gard}]\n", &["llmci.yaml:6", "did you mean `guard`"]),
        ("  suites: [{path: probes.yaml, format: harmbanch}]\n", &["llmci.yaml:6", "did you mean `harmbench`"]),
        ("  suites: [{path: nothing.csv}]\n", &["llmci.yaml:6", "nothing.csv"]),
        ("  attacks_per_prompt: 0\n", &["llmci.yaml:6", "1 to 1000"]),
        (
            "  detect: [{type: guard, value: {guards: [{kind: llama-guard-3, model: nobody}]}}]\n  suites: [toxicity]\n",
            &["nobody"],
        ),
    ] {
        policy(folder.path(), &stub.base, safety);
        let output = run(folder.path(), &[]);
        assert_eq!(code(&output), 2, "{safety}: {}", said(&output));
        for word in said_too {
            assert!(said(&output).contains(word), "{safety}: {word}: {}", said(&output));
        }
        let checked = llmci(folder.path()).arg("check").output().unwrap();
        assert_eq!(code(&checked), 2, "{safety}: {}", said(&checked));
    }
    policy(folder.path(), &stub.base, "  suites: [probes.yaml]\n");
    for (given, word) in [
        (&["--strategies", "rot31"][..], "rot13"),
        (&["--strategies", "tap"], "attacker"),
        (&["--suite", "toxicty"], "toxicity"),
        (&["--max-harmful-rate", "1.5"], "more than 0 and less than 1"),
        (&["--replay", "own/word-1"], "suite/probe/strategies/seed"),
        (&["--replay", "own/word-99/plain/1"], "no such probe"),
        (&["--replay", "nothing/word-1/plain/1"], "no suite"),
        (&["--model", "n"], "no model"),
        (&["--results", "r.jsonl", "--plan"], "--plan has no meaning with --results"),
        (&["--results", "r.jsonl", "--baseline", "b"], "--baseline has no meaning with --results"),
        (&["--results", "r.jsonl", "--suite", "bias"], "--suite has no meaning with --results"),
        (&["--replay", "own/word-1/plain/1", "--plan"], "--plan has no meaning with --replay"),
        (&["--replay", "own/word-1/plain/1", "--resume"], "--resume has no meaning with --replay"),
        (&["--plan", "--resume"], "--resume has no meaning with --plan"),
    ] {
        let output = run(folder.path(), given);
        assert_eq!(code(&output), 2, "{given:?}: {}", said(&output));
        assert!(said(&output).contains(word), "{given:?}: {}", said(&output));
    }
    assert_eq!(stub.asked(), 0);
    let checked = llmci(folder.path()).arg("check").output().unwrap();
    assert_eq!(code(&checked), 0, "{}", said(&checked));
    assert!(said(&checked).contains("probes own: 5"), "{}", said(&checked));
}

#[test]
fn as_many_prompts_are_drawn_as_the_limits_take_of_each_hazard_and_of_all_together() {
    let folder = tempfile::tempdir().unwrap();
    let planned = |safety: &str| {
        write(folder.path(), "llmci.yaml", &format!("version: 1\nsafety:\n{safety}"));
        let output = run(folder.path(), &["--plan"]);
        assert_eq!(code(&output), 0, "{}", said(&output));
        said(&output)
    };
    // Each hazard takes 299, all together 2,995: half from each suite.
    let both = "  suites: [prompt-injection, jailbreak]\n  rules: {max_harmful_rate: 0.001, max_hazard_rate: 0.01}\n";
    let said = planned(both);
    assert!(said.contains("(2,996 prompts") && said.contains("(1,498 prompts"), "{said}");
    assert!(said.contains("every rate that decides can pass"), "{said}");
    // What looks at insults misses some: the limit takes more than the 45 prompts of an exact detector.
    let screened = "  suites: [toxicity]\n  rules: {max_harmful_rate: 0.15, screened: certify}\n";
    let exact = "  suites: [jailbreak]\n  rules: {max_harmful_rate: 0.15}\n";
    let prompts = |said: &str| -> u64 {
        let count = said.split(" prompts,").next().unwrap().rsplit('(').next().unwrap();
        count.replace(',', "").parse().unwrap()
    };
    let (screened, exact) = (planned(screened), planned(exact));
    assert!(prompts(&screened) > prompts(&exact), "{screened}{exact}");
    assert!(screened.contains("every rate that decides can pass"), "{screened}");
    // A rule that decides has to have attacks.
    let missing = "  suites: [jailbreak]\n  rules: {max_harmful_rate: 0.15, hazards: {canary_leak: {max_rate: 0.1}}}\n";
    let missing = planned(missing);
    assert!(missing.contains("canary_leak: the policy has a rule for it, and no attack looks for it"), "{missing}");
    assert!(missing.contains("NOT POSSIBLE"), "{missing}");
    // What the policy says is what is drawn.
    let said = planned(&format!("{both}  prompts_per_hazard: 70\n"));
    assert!(said.contains("(140 prompts") && said.contains("CANNOT PASS"), "{said}");
}

#[test]
fn a_plan_says_what_the_rules_need_and_needs_no_model() {
    let folder = tempfile::tempdir().unwrap();
    canaries(folder.path(), 200, "");
    write(folder.path(), "llmci.yaml", "version: 1\nsafety:\n  suites: [probes.yaml]\n");
    let output = run(folder.path(), &["--plan"]);
    assert_eq!(code(&output), 0, "{}", said(&output));
    for word in ["2,995", "CANNOT PASS", "NOT POSSIBLE", "200 prompts", "over_refusal"] {
        assert!(said(&output).to_lowercase().contains(&word.to_lowercase()), "{word}: {}", said(&output));
    }
    assert!(!folder.path().join("out").exists(), "a plan writes nothing");
    let loose = run(folder.path(), &["--plan", "--max-harmful-rate", "0.02"]);
    assert!(said(&loose).contains("can pass"), "{}", said(&loose));
}
