//! A workload in a cluster, and a run that drives its rollout by a clock that is moved by hand.

use std::sync::{Arc, Mutex};

use llmci::cluster::{Cluster, Connection};
use llmci::deliver::Trouble;
use llmci::deliver::begin::{Begin, Begun, begin};
use llmci::deliver::clock::Clock;
use llmci::deliver::drive::{Deps, Event, Run, WhenAsked, drive};
use llmci::deliver::plan::Plan;
use llmci::deliver::probe::MetricSource;
use llmci::deliver::reach::Hands;
use llmci::deliver::state::{Moment, Owner, State};
use llmci::deliver::store::Store;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::server::{NAMESPACE, Server, deployment, path};

type Watch = Arc<dyn Fn(&Event) + Send + Sync>;

pub(crate) struct Bed {
    pub(crate) server: Server,
    pub(crate) cluster: Cluster,
    pub(crate) clock: Clock,
    pub(crate) cancel: CancellationToken,
    pub(crate) lock_lost: CancellationToken,
    pub(crate) when_asked: WhenAsked,
    pub(crate) events: Arc<Mutex<Vec<Event>>>,
}

/// A plan of this strategy with these settings besides.
pub(crate) fn plan(strategy: &str, more: Value) -> Plan {
    let mut plan = json!({"version": 1, "workload": {"name": "llm", "namespace": NAMESPACE},
        "change": {"image": "r:2"}, "strategy": strategy});
    plan.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    serde_json::from_value(plan).unwrap()
}

pub(crate) fn istio(more: Value) -> Value {
    let mut all = json!({"traffic": {"istio": {"virtual_service": "llm"}}});
    all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    all
}

pub(crate) fn owner(run: &str) -> Owner {
    Owner { run: run.to_owned(), url: Some(format!("https://ci/{run}")) }
}

impl Bed {
    /// `llm` with four pods of `r:1` behind its Service; with a VirtualService where the plan has one.
    pub(crate) async fn new(plan: &Plan) -> Self {
        let server = Server::start().await;
        let pods =
            json!({"metadata": {"labels": {"app": "llm"}}, "spec": {"containers": [{"name": "s", "image": "r:1"}]}});
        server.put(
            &deployment("llm"),
            json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "llm", "namespace": NAMESPACE},
                "spec": {"replicas": 4, "selector": {"matchLabels": {"app": "llm"}}, "template": pods}}),
        );
        server.put(
            &path("api/v1", "services", "llm"),
            json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "llm", "namespace": NAMESPACE},
                "spec": {"selector": {"app": "llm"}, "ports": [{"name": "http", "port": 80}]}}),
        );
        if plan.traffic.istio.is_some() {
            server.put(
                &path("apis/networking.istio.io/v1", "virtualservices", "llm"),
                json!({"apiVersion": "networking.istio.io/v1", "kind": "VirtualService",
                    "metadata": {"name": "llm", "namespace": NAMESPACE},
                    "spec": {"hosts": ["llm"], "http": [{"route": [{"destination": {"host": "llm"}}]}]}}),
            );
        }
        let connection = Connection { kubeconfig: Some(server.kubeconfig()), ..Connection::default() };
        let cluster = Cluster::connect(&connection).await.unwrap();
        Self {
            server,
            cluster,
            clock: Clock::by_hand(Moment(1_000_000)),
            cancel: CancellationToken::new(),
            lock_lost: CancellationToken::new(),
            when_asked: WhenAsked::Wait,
            events: Arc::default(),
        }
    }

    pub(crate) async fn begin(&self, plan: &Plan, run: &str) -> Result<Begun, Trouble> {
        let begin_ = Begin { cluster: &self.cluster, plan, owner: owner(run), now: self.clock.now(), flag: None };
        begin(&begin_).await
    }

    /// Begins, or goes on, and drives to the end; `watch` hears of everything while it happens.
    pub(crate) async fn run(&self, plan: &Plan, watch: impl Fn(&Event) + Send + Sync + 'static) -> Run {
        let begun = self.begin(plan, "run").await.unwrap_or_else(|trouble| panic!("{}", said(&trouble)));
        self.drive(plan, begun, None, Arc::new(watch)).await
    }

    pub(crate) async fn drive(
        &self,
        plan: &Plan,
        begun: Begun,
        source: Option<&dyn MetricSource>,
        watch: Watch,
    ) -> Run {
        let events = Arc::clone(&self.events);
        let told = move |event: &Event| {
            events.lock().unwrap().push(event.clone());
            watch(event);
        };
        let deps = Deps {
            hands: Hands {
                cluster: &self.cluster,
                router: &*begun.router,
                clock: &self.clock,
                cancel: &self.cancel,
                lock_lost: &self.lock_lost,
            },
            store: self.store(plan),
            source,
            run: begun.kept.state.owner.run.clone(),
            when_asked: self.when_asked,
            told: &told,
        };
        drive(&deps).await
    }

    pub(crate) fn store(&self, plan: &Plan) -> Store<'_> {
        Store::new(&self.cluster, plan.workload.namespace(), &plan.workload.name)
    }

    pub(crate) async fn state(&self, plan: &Plan) -> State {
        self.store(plan).read().await.unwrap().unwrap().state
    }

    pub(crate) fn image(&self, name: &str) -> Option<String> {
        let object = self.server.get(&deployment(name))?;
        object.pointer("/spec/template/spec/containers/0/image").and_then(Value::as_str).map(str::to_owned)
    }

    /// Nothing of the rollout is left but its state, and nothing wrong has happened on the way.
    pub(crate) fn is_clean(&self) {
        assert_eq!(self.server.faults(), Vec::<String>::new());
        assert_eq!(self.server.names("services"), ["llm"]);
        let route = self.server.get(&path("apis/networking.istio.io/v1", "virtualservices", "llm"));
        if let Some(route) = route {
            assert_eq!(route["spec"]["http"], json!([{"route": [{"destination": {"host": "llm"}}]}]));
        }
    }
}

pub(crate) fn said(trouble: &Trouble) -> String {
    llmci::deliver::drive::words(trouble)
}
