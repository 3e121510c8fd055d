//! Notices as the receivers see them: loopback receivers that are strict by the published rules of Slack, PagerDuty and our
//! own web hook, and that misbehave as real ones do.
#![expect(clippy::unwrap_used, unreachable_pub, reason = "tests")]

#[path = "alerts/checkers.rs"]
mod checkers;
#[path = "support/loopback.rs"]
mod loopback;

use std::collections::BTreeMap;
use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use llmci::deliver::alert::{Channels, Kind, Notice, Wanted, body, events, message};
use llmci::deliver::plan::{Alerts, PagerDuty, Slack, WebHook};
use llmci::deliver::state::{Moment, Version};
use llmci::deliver::{Percent, Split};
use llmci::report::Sink;
use llmci::trust::{Redactor, Secret, Untrusted};
use loopback::{Loopback, Reply, answer};
use serde_json::{Value, json};

const KEY: &str = "e93facc04764012d7bfb002500d5d1a6";
const ENOUGH: Duration = Duration::from_secs(20);

fn notice(kind: Kind) -> Notice {
    let version = |image: &str, model: &str| Version {
        image: Some(image.to_owned()),
        model: Some(model.to_owned()),
        revision: Some("7".to_owned()),
    };
    Notice {
        kind,
        rollout: "llm-20261125-1".to_owned(),
        recovers: None,
        workload: "llm".to_owned(),
        namespace: "prod".to_owned(),
        old: version("registry.example/llm@sha256:0123abcd", "v1"),
        new: version("registry.example/llm@sha256:4567cdef", "v2"),
        split: Split::to_canary(Percent::new(25).unwrap()),
        why: "error rate 3.1 % on the canary, 0.4 % on stable".into(),
        run: Some("https://ci.example/run/1".to_owned()),
        at: Moment(1_790_000_000_123),
    }
}

/// All channels of a plan, at these addresses.
fn alerts(slack_hook: Option<&str>, slack_app: Option<&str>, pagerduty: Option<&str>, hook: Option<&str>) -> Alerts {
    let mut alerts = Alerts::default();
    alerts.slack.extend(slack_hook.map(|_| Slack::WebHook { url_env: "SLACK_URL".to_owned() }));
    alerts.slack.extend(slack_app.map(|base| Slack::App {
        token_env: "SLACK_TOKEN".to_owned(),
        channel: "C0123456789".to_owned(),
        api_url: format!("{base}/api"),
    }));
    alerts.pagerduty.extend(
        pagerduty.map(|base| PagerDuty { routing_key_env: "PD_KEY".to_owned(), url: format!("{base}/v2/enqueue") }),
    );
    alerts
        .webhooks
        .extend(hook.map(|_| WebHook { url_env: "HOOK_URL".to_owned(), secret_env: Some("HOOK_KEY".to_owned()) }));
    alerts
}

/// Sends a notice; what could not be sent.
fn send(alerts: &Alerts, variables: &[(&str, &str)], notice: &Notice, within: Duration) -> Vec<String> {
    let variables: BTreeMap<String, String> =
        variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let secret = |name: &str| variables.get(name).map(|value| Secret::new(value));
    let channels = Channels::open(alerts, &secret, &Redactor::new());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let unsent = runtime.block_on(channels.send_all(notice, within));
    unsent.iter().map(|text| text.raw().to_owned()).collect()
}

fn ok(_: &loopback::Request) -> Reply {
    Reply::Answer(200, String::new(), "ok".to_owned())
}

/// HMAC by Python's own library, and not by ours.
fn hmac(key: &str, text: &str) -> String {
    let script = "import sys,hmac,hashlib; print(hmac.new(sys.argv[1].encode(), sys.stdin.buffer.read(), hashlib.sha256).hexdigest())";
    let mut python =
        Command::new("python3").args(["-c", script, key]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    python.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    String::from_utf8(python.wait_with_output().unwrap().stdout).unwrap().trim().to_owned()
}

#[test]
fn every_kind_reaches_every_channel_that_it_concerns_in_its_documented_form() {
    let slack = Loopback::start(|request| match request.path.as_str() {
        "/services/T000/B000/XXXX" => ok(request),
        _ => answer(200, &json!({"ok": true, "channel": "C0123456789", "ts": "1503435956.000247"})),
    });
    let pagerduty = Loopback::start(|request| {
        let key = request.json()["dedup_key"].clone();
        answer(202, &json!({"status": "success", "message": "Event processed", "dedup_key": key}))
    });
    let hook = Loopback::start(|_| Reply::Answer(204, String::new(), String::new()));
    let plan = alerts(Some(""), Some(&slack.base), Some(&pagerduty.base), Some(""));
    let (slack_url, hook_url) = (format!("{}/services/T000/B000/XXXX", slack.base), format!("{}/notices", hook.base));
    let variables = [
        ("SLACK_URL", slack_url.as_str()),
        ("SLACK_TOKEN", "xoxb-of-the-tests-0000"),
        ("PD_KEY", KEY),
        ("HOOK_URL", hook_url.as_str()),
        ("HOOK_KEY", "a key of the tests"),
    ];
    for kind in Kind::ALL {
        assert_eq!(send(&plan, &variables, &notice(kind), ENOUGH), Vec::<String>::new(), "{kind:?}");
    }
    let messages = slack.asked();
    assert_eq!(messages.len(), 2 * Kind::ALL.len());
    for request in &messages {
        let is_app = request.path == "/api/chat.postMessage";
        assert_eq!(checkers::slack(&request.json(), is_app), Vec::<String>::new(), "{}", request.body);
        assert!(request.header("content-type").starts_with("application/json"));
        let authorization = if is_app { "Bearer xoxb-of-the-tests-0000" } else { "" };
        assert_eq!(request.header("authorization"), authorization);
    }
    let events = pagerduty.asked();
    let actions: Vec<String> =
        events.iter().map(|request| request.json()["event_action"].as_str().unwrap().to_owned()).collect();
    assert_eq!(actions, ["resolve", "trigger", "trigger"], "completed, failed, rolled back");
    for request in &events {
        assert_eq!(checkers::pagerduty(&request.json()), Vec::<String>::new(), "{}", request.body);
        assert_eq!(request.json()["dedup_key"], "llmci/llm-20261125-1");
    }
    let hooks = hook.asked();
    assert_eq!(hooks.len(), Kind::ALL.len());
    for request in &hooks {
        assert_eq!(checkers::hook(&request.json()), Vec::<String>::new(), "{}", request.body);
        assert_eq!(request.header("x-llmci-event"), request.json()["event"]);
        assert_eq!(request.header("x-llmci-id"), request.json()["id"]);
        let signature = request.header("x-llmci-signature");
        let (time, digits) = signature.strip_prefix("t=").and_then(|rest| rest.split_once(",v1=")).unwrap();
        assert_eq!(digits, hmac("a key of the tests", &format!("{time}.{}", request.body)));
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        assert!(now.abs_diff(time.parse().unwrap()) < 60, "{time}");
    }
    let ids: std::collections::BTreeSet<&str> = hooks.iter().map(|request| request.header("x-llmci-id")).collect();
    assert_eq!(ids.len(), hooks.len(), "every notice has an id of its own");
}

#[test]
fn a_completed_rollout_ends_its_own_page_and_the_one_that_it_recovers() {
    let mut completed = notice(Kind::Completed);
    completed.recovers = Some("llm-20261124-9".to_owned());
    let keys: Vec<Value> = events(&completed, &Secret::new(KEY), &Sink::default())
        .iter()
        .map(|event| (event["event_action"] == "resolve").then(|| event["dedup_key"].clone()).unwrap())
        .collect();
    assert_eq!(keys, ["llmci/llm-20261125-1", "llmci/llm-20261124-9"]);
    let mut long = notice(Kind::Failed);
    long.rollout = "ü".repeat(400);
    let event = &events(&long, &Secret::new(KEY), &Sink::default())[0];
    assert_eq!(checkers::pagerduty(event), Vec::<String>::new(), "{event}");
}

#[test]
fn hostile_text_acts_in_no_channel_and_stays_readable() {
    let corpus = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/corpus/hostile.json")).unwrap();
    let mut corpus: Vec<Value> = serde_json::from_slice(&corpus).unwrap();
    for (id, payload) in [
        ("s1", "<!channel> zqs1"),
        ("s2", "<!here|x> zqs2 @here @channel @everyone"),
        ("s3", "<@U012AB3CD> <#C012> <!subteam^S1> zqs3"),
        ("s4", "<https://evil.example|the run> zqs4"),
        ("s5", "&lt;!channel&gt; zqs5"),
        ("s6", "zqs6 \u{202e}gnihton"),
    ] {
        corpus.push(json!({"id": id, "payload": payload}));
    }
    let marks = regex::Regex::new("zq[ps][0-9]+").unwrap();
    for entry in &corpus {
        let repeat = usize::try_from(entry["repeat"].as_u64().unwrap_or(1)).unwrap();
        let text = entry["payload"].as_str().unwrap().repeat(repeat);
        let redactor = Redactor::new();
        let secret = entry["secret"].as_str();
        redactor.learn(secret.map(Secret::new).iter());
        let sink = Sink::new(redactor);
        let version = Version { image: Some(text.clone()), model: Some(text.clone()), revision: Some(text.clone()) };
        let mut hostile = Notice {
            rollout: text.clone(),
            workload: text.clone(),
            namespace: text.clone(),
            old: version.clone(),
            new: version,
            why: Untrusted::new(text.as_str()),
            run: Some(text.clone()),
            ..notice(Kind::Failed)
        };
        // The longest payloads take a second each way.
        let ways = if text.len() > 100_000 { 1 } else { 3 };
        for run in [text.clone(), format!("https://ci.example/{text}"), "javascript:alert(1)".to_owned()]
            .into_iter()
            .take(ways)
        {
            hostile.run = Some(run);
            let slack = message(&hostile, Some("C1"), &sink);
            assert_eq!(checkers::slack(&slack, true), Vec::<String>::new(), "{}: {slack}", entry["id"]);
            let event = events(&hostile, &Secret::new(KEY), &sink).remove(0);
            assert_eq!(checkers::pagerduty(&event), Vec::<String>::new(), "{}: {event}", entry["id"]);
            let hook = body(&hostile, &sink);
            let parsed: Value = serde_json::from_str(&hook).unwrap();
            assert_eq!(checkers::hook(&parsed), Vec::<String>::new(), "{}: {hook}", entry["id"]);
            for surface in [slack.to_string(), event.to_string(), hook] {
                if let Some(secret) = secret {
                    assert!(!surface.contains(secret), "{}: {surface}", entry["id"]);
                }
                let acting = surface.chars().find(|letter| {
                    *letter > '\u{7e}' && llmci::trust::clean(&letter.to_string()) != letter.to_string()
                });
                assert_eq!(acting, None, "{}: {surface}", entry["id"]);
            }
        }
        // A word of the payload is still there for a person.
        let word = marks.find(&text).map(|found| found.as_str().to_owned());
        if let Some(word) = word.filter(|_| secret.is_none() && text.len() < 500) {
            assert!(message(&hostile, None, &sink).to_string().contains(&word), "{}", entry["id"]);
        }
    }
}

#[test]
fn texts_of_any_length_stay_within_the_limits_of_each_channel() {
    for letter in ["a", "&", "<", "ü", "😀", "@", "\n"] {
        for length in [0, 1, 147, 148, 149, 150, 151, 1021, 1024, 2000, 3000, 3001, 100_000] {
            let text = letter.repeat(length);
            let long = Notice {
                workload: text.clone(),
                namespace: text.clone(),
                why: Untrusted::new(text),
                ..notice(Kind::RolledBack)
            };
            let slack = message(&long, None, &Sink::default());
            assert_eq!(checkers::slack(&slack, false), Vec::<String>::new(), "{letter} {length}");
            let event = events(&long, &Secret::new(KEY), &Sink::default()).remove(0);
            assert_eq!(checkers::pagerduty(&event), Vec::<String>::new(), "{letter} {length}");
        }
    }
}

#[test]
fn a_receiver_that_fails_for_a_moment_is_asked_again_and_one_that_fails_for_good_is_reported() {
    let asked = AtomicUsize::new(0);
    let moment = Loopback::start(move |request| match asked.fetch_add(1, Ordering::SeqCst) {
        0 => Reply::Answer(500, String::new(), "oops".to_owned()),
        1 => Reply::Cut,
        _ => ok(request),
    });
    let hook = |base: &str| [("HOOK_URL".to_owned(), format!("{base}/h")), ("HOOK_KEY".to_owned(), "k".to_owned())];
    let told = |base: &str| {
        let variables = hook(base);
        let variables: Vec<(&str, &str)> =
            variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        send(&alerts(None, None, None, Some("")), &variables, &notice(Kind::Step), ENOUGH)
    };
    assert_eq!(told(&moment.base), Vec::<String>::new());
    assert_eq!(moment.asked().len(), 3);
    let id = |request: &loopback::Request| request.header("x-llmci-id").to_owned();
    assert_eq!(id(&moment.asked()[0]), id(&moment.asked()[2]), "the same notice again");
    let never = Loopback::start(|_| Reply::Answer(500, String::new(), "<b>oops</b>".to_owned()));
    let unsent = told(&never.base);
    assert!(unsent.len() == 1 && unsent[0].contains("answers 500") && unsent[0].contains("not changed"), "{unsent:?}");
    assert_eq!(never.asked().len(), 4);
    let refused = Loopback::start(|_| Reply::Answer(404, String::new(), "no_service".to_owned()));
    assert!(told(&refused.base)[0].contains("no_service"));
    assert_eq!(refused.asked().len(), 1, "what would fail again is not asked again");
}

#[test]
fn a_limit_of_requests_is_waited_for() {
    let asked = AtomicUsize::new(0);
    let slack = Loopback::start(move |_| match asked.fetch_add(1, Ordering::SeqCst) {
        0 => Reply::Answer(429, "retry-after: 1\r\n".to_owned(), "{\"ok\":false,\"error\":\"ratelimited\"}".to_owned()),
        _ => answer(200, &json!({"ok": true})),
    });
    let began = Instant::now();
    let plan = alerts(None, Some(&slack.base), None, None);
    let unsent = send(&plan, &[("SLACK_TOKEN", "xoxb-of-the-tests-0000")], &notice(Kind::Step), ENOUGH);
    assert_eq!(unsent, Vec::<String>::new());
    assert!(began.elapsed() >= Duration::from_secs(1) && slack.asked().len() == 2, "{:?}", began.elapsed());
}

#[test]
fn a_200_that_says_no_is_a_no() {
    for (reply, words) in [
        (json!({"ok": false, "error": "not_in_channel"}), "invite the bot"),
        (json!({"ok": false, "error": "invalid_auth"}), "token is not valid"),
        (json!({"ok": false}), "no reason"),
        (json!({}), "no reason"),
        (json!("ok"), "no reason"),
    ] {
        let slack = Loopback::start(move |_| answer(200, &reply));
        let plan = alerts(None, Some(&slack.base), None, None);
        let unsent = send(&plan, &[("SLACK_TOKEN", "xoxb-of-the-tests-0000")], &notice(Kind::Step), ENOUGH);
        assert!(unsent.len() == 1 && unsent[0].contains(words), "{unsent:?}");
        assert_eq!(slack.asked().len(), 1);
    }
}

#[test]
fn a_slow_receiver_keeps_neither_the_rollout_nor_the_other_channels() {
    let slow = Loopback::start(|_| Reply::Silence);
    let quick = Loopback::start(|_| answer(202, &json!({"status": "success"})));
    let (slow_url, began) = (format!("{}/services/T0/B0/very-secret-path", slow.base), Instant::now());
    let plan = alerts(Some(""), None, Some(&quick.base), None);
    let variables = [("SLACK_URL", slow_url.as_str()), ("PD_KEY", KEY)];
    let unsent = send(&plan, &variables, &notice(Kind::Failed), Duration::from_millis(600));
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    assert!(unsent.len() == 1 && unsent[0].starts_with("alerts.slack[0]"), "{unsent:?}");
    assert!(unsent[0].contains("no answer in time"), "{unsent:?}");
    assert_eq!(quick.asked().len(), 1);
}

#[test]
fn no_message_quotes_an_address_or_a_key() {
    // A port that nothing listens at, and a receiver that says back what it was sent.
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let echo = Loopback::start(|request| Reply::Answer(400, String::new(), format!("{:?}", request)));
    let url = format!("http://{closed}/services/T0/B0/very-secret-path");
    let variables = [
        ("SLACK_URL", url.as_str()),
        ("SLACK_TOKEN", "xoxb-of-the-tests-0000"),
        ("PD_KEY", KEY),
        ("HOOK_URL", "not an address: very-secret"),
        ("HOOK_KEY", "a key of the tests"),
    ];
    let plan = alerts(Some(""), Some(&echo.base), Some(&echo.base), Some(""));
    let unsent = send(&plan, &variables, &notice(Kind::Failed), Duration::from_secs(2));
    assert_eq!(unsent.len(), 4, "{unsent:?}");
    for text in &unsent {
        assert!(!["very-secret", "xoxb", KEY].iter().any(|secret| text.contains(secret)), "{text}");
    }
}

#[test]
fn what_is_missing_is_told_at_the_start_and_with_each_notice_that_it_keeps_back() {
    let plan = alerts(Some(""), Some("http://127.0.0.1:1"), Some("http://127.0.0.1:1"), Some(""));
    let secret = |name: &str| (name == "PD_KEY").then(|| Secret::new("too short"));
    let channels = Channels::open(&plan, &secret, &Redactor::new());
    let problems: Vec<String> = channels.problems().iter().map(|problem| problem.raw().to_owned()).collect();
    assert_eq!(problems.len(), 4, "{problems:?}");
    for (problem, name) in problems.iter().zip(["SLACK_URL", "SLACK_TOKEN", "PD_KEY", "HOOK_URL"]) {
        assert!(problem.contains(name), "{problem}");
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let unsent = |kind| runtime.block_on(channels.send_all(&notice(kind), ENOUGH)).len();
    assert_eq!((unsent(Kind::Failed), unsent(Kind::Attention(Wanted::Approval))), (4, 3), "a step wakes nobody");
    let none = Channels::open(&Alerts::default(), &secret, &Redactor::new());
    assert!(none.problems().is_empty());
    assert_eq!(runtime.block_on(none.send_all(&notice(Kind::Failed), ENOUGH)).len(), 0);
}
