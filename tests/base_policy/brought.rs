//! Files of a pull request that would decide with its base's rights: suites, results, configs, models.

use std::os::unix::fs::PermissionsExt;

use super::*;

/// A repository whose base has this policy and these files.
async fn with(policy: &str, files: &[(&str, &str)]) -> Repository {
    let repository = Repository::new("").await;
    write(repository.path(), "llmci.yaml", &policy.replace("BASE", &repository.stub.base));
    for (file, content) in files {
        write(repository.path(), file, content);
    }
    let base = commit(repository.path());
    Repository { base, ..repository }
}

fn refused(repository: &Repository, words: &str) {
    let output = repository.event("pull_request").output().unwrap();
    assert_eq!(code(&output), 2, "{}", text(&output));
    assert!(text(&output).contains(words), "{}", text(&output));
}

const MODEL: &str = "models: {stub: {provider: openai, base_url: BASE, model: m}}\n";
const RULE: &str = "gate: {thresholds: [{metric: pass_rate, min: 0.5}]}\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_is_taken_out_of_its_group_is_missed() {
    let task = |name: &str| {
        format!(
            "task: {name}\ndataset_path: json\ndataset_kwargs: {{data_files: {{test: rows.jsonl}}}}\ntest_split: test\n\
             output_type: generate_until\ndoc_to_text: \"{{{{q}}}}\"\ndoc_to_target: \"{{{{q}}}}\"\n\
             metric_list: [{{metric: exact_match}}]\n"
        )
    };
    let rows: String = (0..30).map(|number| format!("{{\"q\": \"word{number}x\"}}\n")).collect();
    let policy = format!("version: 1\nsuites: [school.yaml]\n{MODEL}{RULE}");
    let (one, other) = (task("one"), task("other"));
    let files = [
        ("school.yaml", "group: school\ntask: [one, other]\n"),
        ("one.yaml", &one),
        ("other.yaml", &other),
        ("rows.jsonl", &rows),
    ];
    let repository = with(&policy, &files).await;
    let (output, found) = repository.judged();
    assert_eq!((code(&output), kinds(&found).len()), (0, 0), "{}", text(&output));
    let (output, found) = repository.change("school.yaml", "[one, other]", "[one]").judged();
    assert_eq!(code(&output), 3, "{}", text(&output));
    assert_eq!(kinds(&found), [("loosened".to_owned(), "school.yaml".to_owned())]);
    assert!(text(&output).contains("the suite other is gone, with 30 cases"), "{}", text(&output));
}

/// A task that is named by its file, with these data files.
fn task(data: &str) -> String {
    format!(
        "task: one\ndataset_path: json\ndataset_kwargs: {{data_files: {{test: \"{data}\"}}}}\ntest_split: test\n\
         output_type: generate_until\ndoc_to_text: \"{{{{q}}}}\"\ndoc_to_target: \"{{{{q}}}}\"\n\
         metric_list: [{{metric: exact_match}}]\n"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn data_that_is_named_from_the_working_directory_is_the_bases_too() {
    let rows: String = (0..30).map(|number| format!("{{\"q\": \"word{number}x\"}}\n")).collect();
    let policy = format!("version: 1\nsuites: [evals/one.yaml]\n{MODEL}{RULE}");
    let one = task("evals/rows.jsonl");
    let repository = with(&policy, &[("evals/one.yaml", &one), ("evals/rows.jsonl", &rows)]).await;
    let (output, found) = repository.change("evals/rows.jsonl", "{\"q\": \"word7x\"}\n", "").judged();
    assert_eq!(code(&output), 3, "{}", text(&output));
    assert_eq!(kinds(&found)[0], ("loosened".to_owned(), "evals/one.yaml".to_owned()));
    assert!(text(&output).contains("cases that are gone, 1: 29"), "{}", text(&output));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_request_reads_nothing_of_the_runners_own() {
    let outside = tempfile::tempdir().unwrap();
    let rows: String = (0..30).map(|number| format!("{{\"q\": \"word{number}x\"}}\n")).collect();
    write(outside.path(), "rows.jsonl", &rows);
    write(outside.path(), "keys.jsonl", &rows);
    let policy = format!("version: 1\nsuites: [one.yaml]\n{MODEL}{RULE}");
    let data = |name: &str| task(&outside.path().join(name).display().to_string());
    let repository = with(&policy, &[("one.yaml", &data("rows.jsonl"))]).await;
    let (output, _) = repository.change("one.yaml", "task: one", "# the same data\ntask: one").judged();
    assert_eq!(code(&output), 0, "what the base reads is the workflow's own: {}", text(&output));
    for name in [outside.path().join("keys.jsonl").display().to_string(), ".git/config".to_owned()] {
        let asked = repository.stub.asked();
        write(repository.path(), "one.yaml", &task(&name).replace("json\n", "text\n").replace("{{q}}", "{{text}}"));
        refused(&repository, "which is no part of the checkout");
        assert_eq!(repository.stub.asked(), asked, "nothing of it was sent");
    }
    // Nor does its task include what lies there.
    write(outside.path(), "keys.yaml", "description: the key of the runner\n");
    let keys = outside.path().join("keys.yaml").display().to_string();
    let asked = repository.stub.asked();
    write(repository.path(), "one.yaml", &format!("include: {keys}\n{}", data("rows.jsonl")));
    refused(&repository, "which is no part of the checkout");
    assert_eq!(repository.stub.asked(), asked, "nothing of it was sent");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_that_brings_its_own_answer_shows_nothing_of_the_model() {
    let repository = with_config().await;
    let test = "  - vars: {word: word7}\n";
    let (output, found) =
        repository.change("promptfooconfig.yaml", test, &format!("{test}    providerOutput: word7\n")).judged();
    assert_eq!(code(&output), 3, "{}", text(&output));
    assert!(kinds(&found).contains(&("loosened".to_owned(), "promptfooconfig.yaml".to_owned())), "{found}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_model_of_a_pull_request_answers_in_the_place_of_the_suites_own() {
    let repository = with_config().await;
    // An endpoint that the base does not know is not asked either, so that nothing is sent.
    for (from, to) in [
        ("suites:", "models: {suite: {provider: replay, path: good.jsonl}}\nsuites:"),
        ("  model: suite\n", "  model: mine\n"),
    ] {
        let policy = std::fs::read_to_string(repository.path().join("llmci.yaml")).unwrap();
        let with_model = policy.replace(from, to).replace("version: 1\n", "version: 1\n# changed\n");
        let with_model = match to.contains("mine") {
            true => format!("{with_model}models: {{mine: {{provider: replay, path: good.jsonl}}}}\n"),
            false => with_model,
        };
        write(repository.path(), "good.jsonl", "{\"case\": \"0\", \"text\": \"anything\"}\n");
        write(repository.path(), "llmci.yaml", &with_model);
        let (output, found) = repository.judged();
        assert_eq!((code(&output), &found["model"]["provider"]), (0, &json!("suite")), "{}", text(&output));
        assert!(
            kinds(&found).iter().any(|(kind, place)| kind == "loosened" && place.starts_with("models.")),
            "{found}"
        );
        write(repository.path(), "llmci.yaml", &policy);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_model_than_the_bases_waits_for_a_reviewer() {
    let answers: String = (0..200).map(|n| format!("{{\"case\": \"w{n}\", \"text\": \"w{n}\"}}\n")).collect();
    // Another one is evaluated, or what is evaluated is recorded answers of the pull request's own.
    let other = "  good: {provider: replay, path: good.jsonl}\nsuites:";
    let repository = Repository::new("").await;
    write(repository.path(), "good.jsonl", &answers);
    repository.change("llmci.yaml", "suites:", other).change("llmci.yaml", "gate:\n", "gate:\n  model: good\n");
    let (output, found) = repository.judged();
    assert_eq!((code(&output), &found["verdict"]), (3, &json!("inconclusive")), "{}", text(&output));
    assert_eq!(found["model"]["name"], "good");
    assert!(kinds(&found).contains(&("loosened".to_owned(), "gate.model".to_owned())), "{found}");

    let repository = Repository::new("").await;
    write(repository.path(), "good.jsonl", &answers);
    let policy = std::fs::read_to_string(repository.path().join("llmci.yaml")).unwrap();
    let line = policy.lines().find(|line| line.contains("provider: openai")).unwrap();
    repository.change("llmci.yaml", line, "  stub: {provider: replay, path: good.jsonl}");
    let (output, found) = repository.judged();
    assert_eq!(code(&output), 3, "{}", text(&output));
    assert_eq!(kinds(&found), [("loosened".to_owned(), "models.stub".to_owned())]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_the_base_does_not_have_starts_nothing() {
    for policy in [
        "models: {m: {provider: exec, command: [touch, started]}}\nsuites: [words.jsonl]\n",
        "models: {m: {provider: http, url: BASE, body: {q: '{{prompt}}'}}}\nsuites: [words.jsonl]\n",
        "results: [{harness: promptfoo, program: ./tool.sh, config: c.yaml}]\n",
    ] {
        let repository = Repository::new("").await;
        write(repository.path(), "tool.sh", "#!/bin/sh\ntouch started\n");
        let policy = policy.replace("BASE", &repository.stub.base);
        write(repository.path(), "other.yaml", &format!("version: 1\n{policy}{RULE}"));
        let output = repository.event("pull_request").args(["--policy", "other.yaml"]).output().unwrap();
        assert_eq!(code(&output), 2, "{}", text(&output));
        assert!(text(&output).contains("with the base's rights"), "{}", text(&output));
        assert!(!repository.path().join("started").exists());
        assert_eq!(repository.stub.asked(), 0);
    }
    // Secrets that the event lends are not named by such a policy.
    let repository = Repository::new("").await;
    let policy = std::fs::read_to_string(repository.path().join("llmci.yaml")).unwrap();
    write(repository.path(), "other.yaml", &policy.replace("model: m,", "model: m, api_key_env: GITHUB_TOKEN,"));
    let mut command = repository.event("pull_request_target");
    command.args(["--policy", "other.yaml", "--allow-untrusted-checkout"]).env("GITHUB_TOKEN", "a-secret-value");
    let output = command.output().unwrap();
    assert_eq!((code(&output), repository.stub.asked()), (2, 0), "{}", text(&output));
}

/// A results file of promptfoo with passed tests.
fn results(count: usize) -> String {
    let row = |number: usize| {
        json!({"id": format!("r{number}"), "success": true, "score": 1, "failureReason": 0,
            "gradingResult": {"pass": true, "score": 1, "reason": "", "componentResults": [
                {"pass": true, "score": 1, "reason": "", "assertion": {"type": "contains", "value": "x"}}]},
            "testIdx": number, "promptIdx": 0, "prompt": {"raw": "p", "label": "p"}, "provider": {"id": "echo"},
            "vars": {"n": number}, "testCase": {"vars": {"n": number}}, "response": {"output": "x"}})
    };
    let rows: Vec<Value> = (0..count).map(row).collect();
    let stats = json!({"successes": count, "failures": 0, "errors": 0});
    json!({"evalId": "e", "results": {"version": 3, "results": rows, "stats": stats}, "config": {}}).to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn results_that_are_committed_are_none() {
    for (path, brought) in [
        ("made/results.json", "made/results.json"),
        ("made", "made/deep/results.json"),
        ("made/*.json", "made/results.json"),
        // By way of a link that is committed.
        ("link/results.json", "made/results.json"),
        ("link", "made/results.json"),
    ] {
        let repository = with(&format!("version: 1\nresults: [{{path: \"{path}\"}}]\n{RULE}"), &[]).await;
        write(repository.path(), brought, &results(30));
        if path.starts_with("link") {
            std::os::unix::fs::symlink("made", repository.path().join("link")).unwrap();
        }
        refused(&repository, "is a file of the repository");
    }
    // What a step has written is what it is for, also beside files that are committed.
    let repository = with(&format!("version: 1\nresults: [{{path: made}}]\n{RULE}"), &[("made/README.md", "x")]).await;
    write(repository.path(), ".gitignore", "/out\n/event.json\n/llmci-out\n/made/*.json\n");
    write(repository.path(), "made/results.json", &results(30));
    let (output, _) = repository.judged();
    assert_eq!(code(&output), 0, "{}", text(&output));
    // Through a link to files that are not committed, too: which ones is what the pull request chooses.
    let repository = with(&format!("version: 1\nresults: [{{path: link}}]\n{RULE}"), &[]).await;
    write(repository.path(), ".gitignore", "/out\n/event.json\n/llmci-out\n/elsewhere\n");
    write(repository.path(), "elsewhere/results.json", &results(30));
    std::os::unix::fs::symlink("elsewhere", repository.path().join("link")).unwrap();
    refused(&repository, "is a file of the repository");
}

#[tokio::test(flavor = "multi_thread")]
async fn promptfoo_is_not_started_with_a_config_of_the_pull_request() {
    // It is given `eval -c <config> -o <place>`.
    let tool = "#!/bin/sh\ntouch started\ncp results.json \"$5\"\n";
    let policy = format!(
        "version: 1\nresults: [{{harness: promptfoo, program: ./tool.sh, config: ci/promptfooconfig.yaml}}]\n{RULE}"
    );
    let rows = results(30);
    let files = [("tool.sh", tool), ("results.json", rows.as_str()), ("ci/promptfooconfig.yaml", "prompts: [a]\n")];
    let repository = with(&policy, &files).await;
    let program = repository.path().join("tool.sh");
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let started = repository.path().join("started");
    write(repository.path(), "README.md", "a change elsewhere\n");
    let (output, _) = repository.judged();
    assert_eq!((code(&output), started.exists()), (0, true), "{}", text(&output));
    std::fs::remove_file(&started).unwrap();
    repository.change("ci/promptfooconfig.yaml", "[a]", "[a]\nproviders: [\"exec: sh -c true\"]");
    refused(&repository, "the pull request changes ci/promptfooconfig.yaml");
    assert!(!started.exists(), "the tool was started");
    // One that the base does not have is not started either.
    let repository = with(&policy, &files[..2]).await;
    write(repository.path(), "ci/promptfooconfig.yaml", "prompts: [a]\n");
    refused(&repository, "the pull request brings ci/promptfooconfig.yaml");
    assert!(!repository.path().join("started").exists());
}

/// Another repository in a folder, with a config of promptfoo and a folder that is kept.
fn another(folder: &Path) {
    write(folder, "promptfooconfig.yaml", "prompts: [a]\n");
    write(folder, "kept/ab/cdef", "x");
    git(folder, &["init", "-q", "-b", "main"]);
    commit(folder);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_config_behind_a_link_or_in_a_submodule_is_the_pull_requests() {
    for (config, brings) in [
        ("link/promptfooconfig.yaml", true),
        ("sub/promptfooconfig.yaml", true),
        ("link.yaml", true),
        ("cloned/promptfooconfig.yaml", true),
        ("made/promptfooconfig.yaml", false),
    ] {
        let tool = "#!/bin/sh\ntouch started\ncp results.json \"$5\"\n";
        let policy =
            format!("version: 1\nresults: [{{harness: promptfoo, program: ./tool.sh, config: {config}}}]\n{RULE}");
        let rows = results(30);
        let repository = with(&policy, &[("tool.sh", tool), ("results.json", rows.as_str())]).await;
        let top = repository.path();
        std::fs::set_permissions(top.join("tool.sh"), std::fs::Permissions::from_mode(0o755)).unwrap();
        write(top, ".git/info/exclude", "/made\n/cloned\n/started\n");
        for made in ["made", "cloned"] {
            write(top, &format!("{made}/promptfooconfig.yaml"), "prompts: [a]\n");
        }
        // A clone may be one of the pull request, at whatever commit its branch is by now.
        another(&top.join("cloned"));
        another(&top.join("sub"));
        std::os::unix::fs::symlink("made", top.join("link")).unwrap();
        std::os::unix::fs::symlink("made/promptfooconfig.yaml", top.join("link.yaml")).unwrap();
        if brings {
            refused(&repository, &format!("the pull request brings {config}"));
        } else {
            let (output, _) = repository.judged();
            assert_eq!(code(&output), 0, "{config}: {}", text(&output));
        }
        assert_eq!(top.join("started").exists(), !brings, "{config}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cache_in_a_submodule_in_another_checkout_or_behind_a_link_is_refused() {
    for cache in ["sub/kept", "sub/new", "head/kept", "link", "link/../kept"] {
        let policy = format!("version: 1\nsuites: [words.jsonl]\n{MODEL}{RULE}run: {{cache: \"{cache}\"}}\n");
        let repository = with(&policy, &[]).await;
        let top = repository.path();
        write(top, ".git/info/exclude", "/head\n/made\n");
        for other in ["sub", "head"] {
            another(&top.join(other));
        }
        for made in ["sub/new/ab", "made/deep"] {
            std::fs::create_dir_all(top.join(made)).unwrap();
        }
        write(top, "made/kept/ab", "x");
        std::os::unix::fs::symlink("made/deep", top.join("link")).unwrap();
        refused(&repository, &format!("the folder of the cache ({cache}) holds files of the repository"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_baseline_behind_a_link_of_the_pull_request_is_not_compared_with() {
    let rules = "regression: {baseline: \"dir:link/kept\", rules: [{metric: pass_rate, margin: 0.05}]}\n";
    let repository = Repository::new(rules).await;
    let top = repository.path();
    write(top, ".git/info/exclude", "/made\n");
    let output = eval_gate(top).args(["--quiet", "--out", "made/kept"]).output().unwrap();
    assert_eq!(code(&output), 0, "{}", text(&output));
    let compare = |gate: Command| {
        let variables: Vec<_> =
            gate.get_envs().map(|(name, value)| (name.to_owned(), value.unwrap().to_owned())).collect();
        let mut check = support::regression_check(top);
        check.args(["--policy", "llmci.yaml", "--candidate", "made/kept/samples.jsonl", "--out", "compared"]);
        check.envs(variables).output().unwrap()
    };
    std::os::unix::fs::symlink("made", top.join("link")).unwrap();
    let output = compare(repository.event("pull_request"));
    assert_eq!(code(&output), 2, "{}", text(&output));
    assert!(text(&output).contains("brought by the pull request itself"), "{}", text(&output));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_folder_is_made_behind_a_link_of_the_pull_request() {
    for key in ["cache", "verdicts", "checkpoint"] {
        let policy = format!("version: 1\nsuites: [words.jsonl]\n{MODEL}{RULE}run: {{{key}: link/new}}\n");
        let repository = with(&policy, &[]).await;
        write(repository.path(), ".git/info/exclude", "/made\n");
        std::fs::create_dir_all(repository.path().join("made")).unwrap();
        std::os::unix::fs::symlink("made", repository.path().join("link")).unwrap();
        refused(&repository, &format!("the folder of the {key} (link/new)"));
        assert!(!repository.path().join("made/new").exists(), "{key}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_and_verdicts_that_a_pull_request_commits_are_refused() {
    for key in ["cache", "verdicts"] {
        let policy = format!("version: 1\nsuites: [words.jsonl]\n{MODEL}{RULE}run: {{{key}: kept}}\n");
        let repository = with(&policy, &[]).await;
        // A folder that git does not know is the runner's.
        write(repository.path(), ".git/info/exclude", "/kept\n");
        repository.judged();
        assert!(repository.path().join("kept").exists());
        repository.judged();
        write(repository.path(), ".git/info/exclude", "");
        refused(&repository, &format!("the folder of the {key} (kept) holds files of the repository"));
    }
}
