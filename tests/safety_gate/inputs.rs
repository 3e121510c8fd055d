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
