//! Feature flags as routers, against a reference flag server of our own that is strict by the published descriptions: OFREP
//! (open-feature/protocol at 05d5b22, `service/openapi.yaml`), Unleash's admin API (answers as unleash-server 7.5.1 gave them)
//! and plain HTTP; and against a ConfigMap with the API server's rules of a JSON patch.
#![expect(clippy::unwrap_used, unreachable_pub, reason = "tests")]

#[path = "support/loopback.rs"]
mod loopback;
#[path = "flags/server.rs"]
mod server;

use std::time::{Duration, Instant};

use llmci::cluster::{Cluster, Connection};
use llmci::deliver::plan::{FlagService, FlagSpec, Plan};
use llmci::deliver::traffic::Router;
use llmci::deliver::traffic::flag::router_within;
use llmci::deliver::{Percent, Split, Trouble};
use llmci::net::{ClientOptions, client};
use llmci::trust::Secret;
use server::{ADMIN, FlagServer, State};

const SOON: Duration = Duration::from_millis(50);

fn flagd() -> FlagService {
    FlagService::Flagd {
        config_map: "flags".to_owned(),
        file: "flags.json".to_owned(),
        on: "new".to_owned(),
        off: "old".to_owned(),
    }
}

fn unleash(base: &str) -> FlagService {
    FlagService::Unleash {
        url: format!("{base}/"),
        project: "default".to_owned(),
        environment: "production".to_owned(),
        token_env: "TOKEN".to_owned(),
    }
}

fn rest(base: &str) -> FlagService {
    FlagService::Rest {
        url: format!("{base}/flags/model"),
        pointer: "/rollout/percentage".to_owned(),
        token_env: Some("TOKEN".to_owned()),
    }
}

/// A router of the reference server's flag.
async fn flag(server: &FlagServer, service: FlagService, verify: bool) -> Result<Box<dyn Router>, Trouble> {
    let mut plan: Plan =
        serde_json::from_value(serde_json::json!({"version": 1, "workload": {"name": "llm", "namespace": "prod"}}))
            .unwrap();
    let ofrep_url = verify.then(|| server.base());
    plan.traffic.flag = Some(FlagSpec { key: "model".to_owned(), service, ofrep_url, ofrep_token_env: None });
    let kubeconfig = format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: c\nclusters: [{{name: c, cluster: {{server: '{}'}}}}]\n\
         users: [{{name: u, user: {{}}}}]\ncontexts: [{{name: c, context: {{cluster: c, user: u}}}}]\n",
        server.base()
    );
    let connection = Connection { kubeconfig: Some(kubeconfig), ..Connection::default() };
    let cluster = Cluster::connect(&connection).await.unwrap();
    let client = client(&ClientOptions::default()).unwrap();
    router_within(&plan, &cluster, &client, &|name| (name == "TOKEN").then(|| Secret::new(ADMIN)), SOON)
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

fn to(percent: u8) -> Split {
    Split::to_canary(Percent::new(percent).unwrap())
}

fn services(server: &FlagServer) -> [FlagService; 3] {
    [flagd(), unleash(&server.base()), rest(&server.base())]
}

fn trouble<T>(result: Result<T, Trouble>) -> (&'static str, String) {
    match result.err().unwrap() {
        Trouble::Plan(text) => ("plan", text.into_raw()),
        Trouble::Foreign(text) => ("foreign", text.into_raw()),
        Trouble::Beside(text) => ("beside", text.into_raw()),
        other => ("other", other.to_string()),
    }
}

#[test]
fn every_service_is_raised_step_by_step_seen_to_be_served_and_brought_back() {
    for at in 0..3 {
        let server = FlagServer::start();
        run(async {
            let router = flag(&server, services(&server)[at].clone(), true).await.unwrap();
            assert_eq!(router.split().await.unwrap(), Split::STABLE, "{}", router.name());
            for percent in [10, 25, 50, 100, 100, 0] {
                router.shift(to(percent)).await.unwrap();
                assert_eq!(router.split().await.unwrap(), to(percent), "{}", router.name());
                assert_eq!(server.with(|state| state.percent(at)), percent, "{}", router.name());
            }
            router.shift(to(100)).await.unwrap();
            router.clear().await.unwrap();
            assert_eq!(server.with(|state| state.percent(at)), 100, "what everybody has stays theirs");
            // A process of its own reads the same.
            let other = flag(&server, services(&server)[at].clone(), false).await.unwrap();
            assert_eq!(other.split().await.unwrap(), to(100));
        });
        assert_eq!(server.with(|state| std::mem::take(&mut state.wrong)), Vec::<String>::new());
    }
}

#[test]
fn a_foreign_edit_is_seen_and_not_overwritten() {
    for at in 0..3 {
        let server = FlagServer::start();
        run(async {
            let router = flag(&server, services(&server)[at].clone(), false).await.unwrap();
            router.shift(to(25)).await.unwrap();
            server.with(|state| state.set(at, 60));
            for result in [router.split().await.map(drop), router.shift(to(50)).await] {
                let (kind, text) = trouble(result);
                assert!(kind == "foreign" && text.contains("60"), "{kind} {text}");
            }
            assert_eq!(server.with(|state| state.percent(at)), 60);
        });
    }
}

#[test]
fn a_foreign_edit_between_reading_and_writing_is_never_overwritten() {
    for at in 0..3 {
        let server = FlagServer::start();
        run(async {
            let router = flag(&server, services(&server)[at].clone(), false).await.unwrap();
            // Right before the next write somebody else sets 60.
            server.with(|state| state.before_write = Some(60));
            let (kind, text) = trouble(router.shift(to(25)).await);
            assert!(kind == "foreign", "{at}: {kind} {text}");
            assert_eq!(server.with(|state| state.percent(at)), 60, "{at}");
        });
    }
}

#[test]
fn a_lost_answer_is_no_foreign_edit() {
    for at in 1..3 {
        let server = FlagServer::start();
        run(async {
            let router = flag(&server, services(&server)[at].clone(), false).await.unwrap();
            server.with(|state| state.lose_answer = true);
            router.shift(to(25)).await.unwrap();
            assert_eq!(router.split().await.unwrap(), to(25));
        });
    }
}

#[test]
fn a_change_of_another_flag_in_the_same_file_is_kept() {
    let server = FlagServer::start();
    run(async {
        let router = flag(&server, flagd(), false).await.unwrap();
        server.with(|state| state.touch_other_flag = true);
        router.shift(to(25)).await.unwrap();
        server.with(|state| {
            assert_eq!(state.percent(0), 25);
            assert!(state.file().contains("\"other\": {\"state\": \"DISABLED\""), "{}", state.file());
        });
    });
}

#[test]
fn a_flag_that_is_set_and_not_served_is_no_success() {
    for (served, percent, words) in [(0, 25, "0 of 200"), (0, 100, "0 of 200"), (1, 0, " of 200"), (99, 100, " of 200")]
    {
        let server = FlagServer::start();
        run(async {
            let router = flag(&server, rest(&server.base()), true).await.unwrap();
            if percent == 0 {
                router.shift(to(1)).await.unwrap();
            }
            server.with(|state| state.served = Some(served));
            let (kind, text) = trouble(router.shift(to(percent)).await);
            assert!(kind == "beside" && text.contains(words), "{kind} {text}");
        });
    }
}

#[test]
fn an_endpoint_without_evaluation_is_no_trouble_and_an_unknown_flag_is() {
    let server = FlagServer::start();
    run(async {
        // Open-source Unleash answers with a page of HTML.
        server.with(|state| state.ofrep = (404, "<pre>Cannot POST /ofrep/v1</pre>".to_owned()));
        let router = flag(&server, unleash(&server.base()), true).await.unwrap();
        router.shift(to(10)).await.unwrap();
        router.shift(to(25)).await.unwrap();
        server.with(|state| state.ofrep = (404, "{\"key\":\"model\",\"errorCode\":\"FLAG_NOT_FOUND\"}".to_owned()));
        let (kind, text) = trouble(router.shift(to(50)).await);
        assert!(kind == "beside" && text.contains("does not know the flag"), "{text}");
        server.with(|state| state.ofrep = (401, String::new()));
        let (kind, text) = trouble(router.shift(to(50)).await);
        assert!(kind == "beside" && text.contains("key"), "{text}");
    });
}

#[test]
fn a_service_that_does_not_answer_is_asked_again_within_bounds() {
    let server = FlagServer::start();
    run(async {
        let router = flag(&server, rest(&server.base()), false).await.unwrap();
        server.with(|state| state.failures = 2);
        router.shift(to(10)).await.unwrap();
        let began = Instant::now();
        server.with(|state| state.failures = usize::MAX);
        let (kind, text) = trouble(router.shift(to(25)).await);
        assert!(kind == "beside" && text.contains("503"), "{kind} {text}");
        assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    });
}

#[test]
fn what_is_not_there_and_what_is_not_set_is_the_plans_fault() {
    let server = FlagServer::start();
    run(async {
        let service = FlagService::Unleash {
            url: server.base(),
            project: "default".to_owned(),
            environment: "production".to_owned(),
            token_env: "NOT_SET".to_owned(),
        };
        let (kind, text) = trouble(flag(&server, service, false).await.map(drop));
        assert!(kind == "plan" && text.contains("NOT_SET"), "{text}");
        server.with(|state| state.gone = true);
        for service in services(&server) {
            let router = flag(&server, service, false).await.unwrap();
            assert_eq!(trouble(router.split().await).0, "plan");
            assert_eq!(trouble(router.shift(Split { mirror: Percent::ALL, ..to(10) }).await).0, "plan");
        }
        for pointer in ["percentage", "/0/percentage", "/"] {
            let service = FlagService::Rest { url: server.base(), pointer: pointer.to_owned(), token_env: None };
            assert_eq!(trouble(flag(&server, service, false).await.map(drop)).0, "plan", "{pointer}");
        }
    });
}

#[test]
fn an_environment_that_is_off_is_switched_on_only_once_its_percentage_is_right() {
    let server = FlagServer::start();
    run(async {
        server.with(|state| {
            state.enabled = false;
            state.set(1, 100);
        });
        let router = flag(&server, unleash(&server.base()), false).await.unwrap();
        assert_eq!(router.split().await.unwrap(), Split::STABLE, "off is nobody");
        router.shift(to(10)).await.unwrap();
        server.with(|state: &mut State| {
            assert!(state.enabled);
            assert_eq!(state.enabled_at, Some(10), "never on at 100 %");
        });
    });
}
