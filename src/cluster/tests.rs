//! The client against a small API server in this process: lost answers, refusals, races, and rehearsals.

mod server;

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::*;
use server::{Fault, Server};

fn map(data: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": "n"}, "data": {"k": data}})
}

fn place() -> Place {
    CONFIG_MAP.at("n", "c")
}

#[tokio::test]
async fn reads_are_asked_again_and_what_is_refused_is_not() {
    let server = Server::start().await;
    let cluster = server.cluster().await;
    cluster.create(&place(), &map("1")).await.unwrap();
    for fault in
        [Fault::Broken, Fault::Status(429, "retry-after: 0\r\n"), Fault::Status(503, ""), Fault::Status(500, "")]
    {
        server.fail("GET", fault);
    }
    // Four attempts in all, and four faults: the last one is seen.
    assert!(matches!(cluster.get(&place()).await, Err(ClusterError::Other(500, _))));
    server.fail("GET", Fault::Broken);
    assert_eq!(cluster.get(&place()).await.unwrap()["data"]["k"], "1");
    let before = server.asked("GET");
    server.fail("GET", Fault::Status(403, ""));
    assert!(matches!(cluster.get(&place()).await, Err(ClusterError::Forbidden(_))));
    assert_eq!(server.asked("GET"), before + 1);
    assert!(cluster.server_time().is_some());
}

#[tokio::test]
async fn a_list_of_the_whole_cluster_is_read_to_its_last_page_and_only_what_is_wanted_is_kept() {
    let server = Server::start().await;
    let cluster = server.cluster().await;
    for (namespace, name, data) in [("a", "1", "x"), ("a", "2", "y"), ("b", "1", "x"), ("b", "2", "x"), ("b", "3", "y")]
    {
        let mut object = map(data);
        object["metadata"] = json!({"name": name, "namespace": namespace});
        cluster.create(&CONFIG_MAP.at(namespace, name), &object).await.unwrap();
    }
    let before = server.asked("GET");
    let of = |data: &'static str| {
        move |object: &Value| {
            let name = format!("{}/{}", object["metadata"]["namespace"], object["metadata"]["name"]).replace('"', "");
            (object["data"]["k"] == data).then_some(name)
        }
    };
    assert_eq!(cluster.everywhere(CONFIG_MAP, of("x")).await.unwrap(), ["a/1", "b/1", "b/2"]);
    assert_eq!(server.asked("GET") - before, 3);
    // One page that is refused is no shorter list.
    server.fail("GET", Fault::Status(410, ""));
    assert!(cluster.everywhere(CONFIG_MAP, of("y")).await.is_err());
}

#[tokio::test]
async fn a_write_whose_answer_was_lost_is_done_once() {
    let server = Server::start().await;
    let cluster = server.cluster().await;
    server.fail("POST", Fault::Lost);
    let made = cluster.create(&place(), &map("1")).await.unwrap();
    server.fail("PUT", Fault::Lost);
    let mut next = made.clone();
    next["data"]["k"] = json!("2");
    let replaced = cluster.replace(&place(), &next).await.unwrap();
    let version = replaced["metadata"]["resourceVersion"].clone();
    server.fail("PATCH", Fault::Lost);
    let edits = [Edit::Test("/metadata/resourceVersion".into(), version), Edit::Replace("/data/k".into(), json!("3"))];
    assert_eq!(cluster.edit(&place(), &edits).await.unwrap()["data"]["k"], "3");
    server.fail("DELETE", Fault::Lost);
    cluster.delete(&place()).await.unwrap();
    for method in ["POST", "PUT", "PATCH", "DELETE"] {
        assert_eq!(server.asked(method), 1, "{method}");
    }
}

#[tokio::test]
async fn a_write_that_never_arrived_is_sent_again() {
    let server = Server::start().await;
    let cluster = server.cluster().await;
    for method in ["POST", "PUT"] {
        server.fail(method, Fault::Broken);
    }
    let mut made = cluster.create(&place(), &map("1")).await.unwrap();
    made["data"]["k"] = json!("2");
    assert_eq!(cluster.replace(&place(), &made).await.unwrap()["data"]["k"], "2");
    assert_eq!((server.asked("POST"), server.asked("PUT")), (2, 2));
}

#[tokio::test]
async fn a_write_that_cannot_be_looked_at_is_reported_as_not_known() {
    let server = Server::start().await;
    let cluster = server.cluster().await;
    server.fail("POST", Fault::Lost);
    for _ in 0..4 {
        server.fail("GET", Fault::Broken);
    }
    let error = cluster.create(&place(), &map("1")).await.unwrap_err();
    assert!(matches!(error, ClusterError::Unreachable(_)));
    assert!(error.words().raw().contains("not known"), "{}", error.words().raw());
}

#[tokio::test]
async fn somebody_elses_object_is_never_taken_for_ours() {
    let server = Server::start().await;
    let cluster = server.cluster().await;
    let made = cluster.create(&place(), &map("other")).await.unwrap();
    server.fail("POST", Fault::Broken);
    assert!(matches!(cluster.create(&place(), &map("ours")).await, Err(ClusterError::Exists(_))));
    let mut theirs = made.clone();
    theirs["data"]["k"] = json!("theirs");
    cluster.replace(&place(), &theirs).await.unwrap();
    let mut ours = made.clone();
    ours["data"]["k"] = json!("ours");
    server.fail("PUT", Fault::Broken);
    assert!(matches!(cluster.replace(&place(), &ours).await, Err(ClusterError::Conflict(_))));
    assert_eq!(cluster.get(&place()).await.unwrap()["data"]["k"], "theirs");
    assert!(matches!(cluster.replace(&place(), &map("blind")).await, Err(ClusterError::Invalid(_))));
}

#[tokio::test]
async fn a_patch_that_can_never_apply_is_no_conflict() {
    let server = Server::start().await;
    let cluster = server.cluster().await;
    cluster.create(&place(), &map("1")).await.unwrap();
    let stale = [Edit::Test("/data/k".into(), json!("0")), Edit::Replace("/data/k".into(), json!("2"))];
    assert!(matches!(cluster.edit(&place(), &stale).await, Err(ClusterError::Conflict(_))));
    let lost = [Edit::Test("/data/k".into(), json!("1")), Edit::Remove("/data/none".into())];
    assert!(matches!(cluster.edit(&place(), &lost).await, Err(ClusterError::Invalid(_))));
}

fn write_token(file: &std::path::Path, token: &str) {
    use std::io::Write as _;
    std::fs::File::create(file).unwrap().write_all(token.as_bytes()).unwrap();
}

#[tokio::test]
async fn a_token_that_was_renewed_in_its_file_is_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    write_token(&file, "old");
    let server = Server::start().await;
    let user = format!("{{tokenFile: {}}}", file.display());
    let cluster = server.cluster_of(&user).await;
    server.only("old");
    cluster.create(&place(), &map("1")).await.unwrap();
    server.only("new");
    assert!(matches!(cluster.get(&place()).await, Err(ClusterError::Unauthorized(_))));
    write_token(&file, "new");
    cluster.get(&place()).await.unwrap();
}

fn claim(holder: &str, duration: Duration) -> Claim {
    let url = Some(format!("https://ci.example/{holder}"));
    Claim { place: LEASE.at("n", "llmci-llm"), holder: holder.into(), url, duration, metadata: Value::Null }
}

#[tokio::test]
async fn of_eight_racers_exactly_one_wins() {
    let server = Server::start().await;
    for round in 0..5 {
        let mut racers = tokio::task::JoinSet::new();
        for racer in 0..8 {
            let cluster = server.cluster().await;
            // Their names are the same: it is the process that counts.
            racers.spawn(async move {
                let mut contender = Contender::new(&cluster, claim("run", Duration::from_secs(30)));
                (racer, contender.attempt().await.unwrap())
            });
        }
        let turns = racers.join_all().await;
        let mine = turns.into_iter().filter_map(|(_, turn)| match turn {
            Turn::Mine(guard) => Some(guard),
            Turn::Theirs(held) => {
                assert_eq!(held.url.unwrap().raw(), "https://ci.example/run");
                None
            }
        });
        let mine: Vec<Guard> = mine.collect();
        assert_eq!(mine.len(), 1, "round {round}");
        let lease = server.object(&LEASE.at("n", "llmci-llm")).unwrap();
        assert_eq!(lease["spec"]["leaseTransitions"], json!(round));
        for guard in mine {
            assert!(guard.holds());
            guard.release().await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_holder_is_beaten_only_after_it_was_silent_for_its_whole_duration() {
    let server = Server::start().await;
    let cluster = server.cluster().await;
    let duration = Duration::from_secs(1);
    let Turn::Mine(guard) = Contender::new(&cluster, claim("one", duration)).attempt().await.unwrap() else { panic!() };
    let mut other = Contender::new(&server.cluster().await, claim("two", duration));
    let cancel = CancellationToken::new();
    // It renews: nobody gets it, however long they try.
    let Turn::Theirs(held) = other.acquire(duration * 2, &cancel).await.unwrap() else {
        panic!("a live holder was beaten")
    };
    assert_eq!(held.holder.raw(), "one");
    assert!(guard.holds());
    let silent = Instant::now();
    drop(guard);
    let Turn::Mine(guard) = other.acquire(Duration::from_secs(20), &cancel).await.unwrap() else {
        panic!("never free")
    };
    assert!(silent.elapsed() >= duration - duration / 3, "{:?}", silent.elapsed());
    guard.release().await.unwrap();
}

#[tokio::test]
async fn a_lock_that_somebody_took_is_lost_at_the_next_renewal() {
    let server = Server::start().await;
    let cluster = server.cluster().await;
    let lease = LEASE.at("n", "llmci-llm");
    let mut contender = Contender::new(&cluster, claim("one", Duration::from_secs(1)));
    let Turn::Mine(guard) = contender.attempt().await.unwrap() else { panic!() };
    loop {
        let mut taken = cluster.get(&lease).await.unwrap();
        taken["metadata"]["annotations"]["llmci.dev/process"] = json!("other");
        if cluster.replace(&lease, &taken).await.is_ok() {
            break;
        }
    }
    tokio::time::timeout(Duration::from_secs(20), guard.lost().cancelled()).await.unwrap();
    assert!(!guard.holds());
    guard.release().await.unwrap();
    assert_eq!(server.object(&lease).unwrap()["spec"]["holderIdentity"], "one");
}

#[tokio::test]
async fn a_lock_that_cannot_be_renewed_is_lost_before_anybody_else_may_take_it() {
    let server = Server::start().await;
    let cluster = server.cluster().await;
    let duration = Duration::from_secs(1);
    let begun = Instant::now();
    let Turn::Mine(guard) = Contender::new(&cluster, claim("one", duration)).attempt().await.unwrap() else { panic!() };
    for _ in 0..100 {
        server.fail("PUT", Fault::Broken);
        server.fail("GET", Fault::Broken);
    }
    tokio::time::timeout(Duration::from_secs(20), guard.lost().cancelled()).await.unwrap();
    assert!(begun.elapsed() >= duration / 2);
    assert!(!guard.holds());
}

#[tokio::test]
async fn a_rehearsal_sees_what_it_wrote_and_changes_nothing() {
    let server = Server::start().await;
    let real = server.cluster().await;
    let deployment = DEPLOYMENT.at("n", "llm");
    let object =
        json!({"metadata": {"name": "llm", "namespace": "n", "labels": {"app": "llm"}}, "spec": {"replicas": 1}});
    real.create(&deployment, &object).await.unwrap();
    let writes = server.writes();
    let cluster = real.rehearse();
    let found = cluster.get(&deployment).await.unwrap();
    let edits = [
        Edit::Test("/metadata/resourceVersion".into(), found["metadata"]["resourceVersion"].clone()),
        Edit::Replace("/spec/replicas".into(), json!(3)),
    ];
    let after = cluster.edit(&deployment, &edits).await.unwrap();
    assert_eq!(after["status"]["availableReplicas"], 3);
    assert_eq!(after["status"]["observedGeneration"], after["metadata"]["generation"]);
    assert!(matches!(cluster.edit(&deployment, &edits).await, Err(ClusterError::Conflict(_))));
    assert!(matches!(cluster.replace(&deployment, &found).await, Err(ClusterError::Conflict(_))));
    let canary = DEPLOYMENT.at("n", "llm-canary");
    let made = json!({"metadata": {"labels": {"app": "llm"}}, "spec": {"replicas": 0}});
    cluster.create(&canary, &made).await.unwrap();
    assert!(matches!(cluster.create(&canary, &made).await, Err(ClusterError::Exists(_))));
    assert_eq!(cluster.list(DEPLOYMENT, "n", Some("app=llm")).await.unwrap().len(), 2);
    assert!(cluster.list(DEPLOYMENT, "n", Some("app in (llm)")).await.is_err());
    cluster.merge(&canary, None, &json!({"spec": {"paused": true}})).await.unwrap();
    cluster.apply(&canary, &json!({"spec": {"replicas": 2}})).await.unwrap();
    cluster.delete(&deployment).await.unwrap();
    assert!(cluster.find(&deployment).await.unwrap().is_none());
    let calls = cluster.calls();
    let methods: Vec<_> = calls.iter().map(|call| call.method).collect();
    assert_eq!(methods, ["patch", "create", "merge", "apply", "delete"]);
    let lines: Vec<_> = calls[0].lines().iter().map(|line| line.words().into_raw()).collect();
    assert_eq!(lines, ["spec.replicas: 1 -> 3"]);
    assert_eq!(server.writes(), writes);
    assert_eq!(real.get(&deployment).await.unwrap()["spec"]["replicas"], 1);
}

#[tokio::test]
async fn an_answer_that_is_no_plain_yes_is_a_missing_right() {
    let server = Server::start().await;
    let cluster = server.cluster().await;
    let rights = [Right::new("get", SERVICE), Right::new("patch", SERVICE).named("llm")];
    // The server allows to get, and says nothing clear of the rest.
    let missing = cluster.rehearse().missing_rights("n", &rights).await.unwrap();
    assert_eq!(missing, [rights[1].clone()]);
    assert_eq!(missing[0].words(), "patch services llm");
}
