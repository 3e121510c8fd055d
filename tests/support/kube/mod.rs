//! A Kubernetes API server of our own for tests: objects, patches, server-side apply, watches, and the controllers that matter
//! to a delivery. Judged by Debian's kubectl (`tests/kube_stub.rs`) and, by hand, beside a real server (`tests/kube_contract.rs`).
//!
//! A test that uses it says `#[path = "support/kube/mod.rs"] mod kube;` or `mod support;` with `support::kube`.
//!
//! ```ignore
//! let kube = Kube::start();                          // 127.0.0.1, a free port; controllers run after each write
//! kube.put(json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "llm"}, "spec": {…}}));
//! kube.deployment("llm", "registry/llm:1", 3);       // a Deployment `llm` and a Service `llm` on port 80, label app=llm
//! let text = kube.kubeconfig();                      // of namespace "prod", with a token that is good until expire_token()
//! kube.traffic("llm")                                // {"registry/llm:1": 1.0}: the share of users on each image
//! kube.calls()                                       // every call: method, path, query, body, time, status
//! kube.on(When::AfterAnswerOfWrite(3), || …);        // e.g. SIGKILL a client after its third change was answered
//! kube.fail("PATCH /apis/apps", Fault::CloseAfter);  // the next call whose "METHOD path" begins so
//! kube.get("Deployment", "llm"), kube.edit("Service", "llm", |object| …), kube.delete("Pod", "x"), kube.all("Event")
//! kube.set_ready("llm:2", true)                      // pods whose image contains that text; decides for images `slow`
//! kube.advance(Duration::from_secs(600))             // the cluster's clock: progress deadlines, leases, Date
//! kube.skew(-3600)                                   // the Date header alone, in seconds
//! kube.deny("patch", "virtualservices"), kube.allow_all(), kube.uninstall("networking.istio.io")
//! kube.hpa_wants("llm", 7)                           // the HorizontalPodAutoscaler named llm
//! kube.by_hand(true), kube.step(), kube.settle()     // controllers only when told
//! kube.snapshot()                                    // all objects, with uid, versions and times masked
//! ```
//!
//! Images decide how pods fare: `never-pulls` (ImagePullBackOff), `crash-loop`, `unschedulable`, `slow` (ready only by
//! `set_ready`); all others, `flaps` among them, are ready at once until `set_ready(text, false)`.
//! Kept out: quotas, terminating pods, proportional scaling in the middle of a rollout, protobuf, TLS.

#![expect(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a part of test binaries, each of which uses a part of it"
)]

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

use serde_json::{Value, json};

mod api;
mod apply;
mod authority;
mod deployment;
mod discovery;
mod faults;
mod http;
mod kinds;
mod list;
mod others;
mod patch;
mod pods;
mod reply;
mod rollout;
mod schema;
mod snapshot;
mod store;
mod traffic;
mod write;

pub use faults::{Call, Fault, When};

use apply::Manager;
use store::{Key, World};

/// The namespace in which tests work.
pub const NAMESPACE: &str = "prod";

/// Whether custom resources are held to their published definitions here.
pub fn schemas_are_published() -> bool {
    schema::published()
}

/// A running server; it ends with the test process.
#[derive(Clone)]
pub struct Kube {
    shared: Arc<Shared>,
    address: SocketAddr,
}

struct Shared {
    world: Mutex<World>,
    changed: Condvar,
}

impl Shared {
    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Kube {
    /// Starts a server with nothing in it.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let mut world = World { version: 1000, ..World::default() };
        world.tokens.insert("token-1".into());
        let shared = Arc::new(Shared { world: Mutex::new(world), changed: Condvar::new() });
        let server = Arc::clone(&shared);
        std::thread::spawn(move || http::accept(&listener, &server));
        Self { shared, address }
    }

    fn write<T>(&self, change: impl FnOnce(&mut World) -> T) -> T {
        let mut world = self.shared.world();
        let out = change(&mut world);
        if !world.by_hand {
            world.settle();
        }
        drop(world);
        self.shared.changed.notify_all();
        out
    }

    /// Where it listens: `http://127.0.0.1:1234`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The text of a kubeconfig with the newest good token.
    pub fn kubeconfig(&self) -> String {
        let token = self.shared.world().tokens.last().cloned().unwrap_or_else(|| "expired".into());
        self.kubeconfig_with(&token)
    }

    /// The text of a kubeconfig with this token.
    pub fn kubeconfig_with(&self, token: &str) -> String {
        format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: stub\nclusters: [{{name: stub, cluster: {{server: \"{}\"}}}}]\n\
             users: [{{name: stub, user: {{token: {token}}}}}]\n\
             contexts: [{{name: stub, context: {{cluster: stub, user: stub, namespace: {NAMESPACE}}}}}]\n",
            self.url()
        )
    }

    /// From now on every token is refused with 401.
    pub fn expire_token(&self) {
        self.shared.world().tokens.clear();
    }

    /// Lets calls without a token in: kubectl sends none over plain HTTP.
    pub fn allow_anonymous(&self) {
        self.shared.world().anonymous = true;
    }

    /// Makes a token that is good.
    pub fn new_token(&self) -> String {
        let mut world = self.shared.world();
        world.serial += 1;
        let token = format!("token-{}", world.serial + 1);
        world.tokens.insert(token.clone());
        token
    }

    /// Creates or replaces an object as the manager `test`; its kind and name are in it. What no server would take is a panic.
    pub fn put(&self, mut object: Value) -> Value {
        let kind = kinds::Kind::named(store::text(&object["kind"]));
        let namespace = object["metadata"]["namespace"].as_str().unwrap_or(NAMESPACE).to_owned();
        let key = Key::new(kind.kind, &namespace, store::text(&object["metadata"]["name"]));
        kind.fill(&mut object);
        let version = store::text(&object["apiVersion"]).rsplit('/').next().unwrap_or_default().to_owned();
        let mut faults = kind.unknown(&object);
        faults.extend(schema::unknown(kind, &version, &object));
        faults
            .extend(schema::faults(kind, &version, &object).into_iter().map(|(field, why)| format!("{field}: {why}")));
        assert!(faults.is_empty(), "no server would take this {}: {faults:?}", kind.kind);
        self.write(|world| {
            let manager = Manager::update("test", "");
            if world.get(&key).is_some() {
                world.update(&key, object, &manager)
            } else {
                world.create(&key, object, &manager)
            }
        })
    }

    /// A Deployment and a Service of one name, label `app=NAME`, port 80 to 8000, container `main`.
    pub fn deployment(&self, name: &str, image: &str, replicas: u32) {
        self.put(json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name},
            "spec": {"selector": {"app": name}, "ports": [{"name": "http", "port": 80, "targetPort": 8000}]}}));
        self.put(json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "labels": {"app": name}},
            "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": name}}, "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [{"name": "main", "image": image, "ports": [{"containerPort": 8000, "protocol": "TCP"}]}]}}}}));
    }

    /// An object; none where it is not there.
    pub fn find(&self, kind: &str, name: &str) -> Option<Value> {
        self.shared.world().get(&Key::new(kind, NAMESPACE, name)).cloned()
    }

    /// An object that is there.
    pub fn get(&self, kind: &str, name: &str) -> Value {
        self.find(kind, name).unwrap_or_else(|| panic!("there is no {kind} {name}"))
    }

    /// All objects of a kind.
    pub fn all(&self, kind: &str) -> Vec<Value> {
        self.shared.world().all(kind, NAMESPACE)
    }

    /// Changes an object as somebody else would, under the manager `somebody`.
    pub fn edit(&self, kind: &str, name: &str, change: impl FnOnce(&mut Value)) {
        self.edit_as("somebody", kind, name, change);
    }

    /// Changes an object as this manager.
    pub fn edit_as(&self, manager: &str, kind: &str, name: &str, change: impl FnOnce(&mut Value)) {
        let key = Key::new(kind, NAMESPACE, name);
        self.write(|world| {
            let mut object = world.get(&key).cloned().unwrap_or_else(|| panic!("there is no {kind} {name}"));
            change(&mut object);
            world.update(&key, object, &Manager::update(manager, ""));
        });
    }

    /// Deletes an object and what it owns.
    pub fn delete(&self, kind: &str, name: &str) {
        self.write(|world| world.remove(&Key::new(kind, NAMESPACE, name)));
    }

    /// Whether pods whose image contains this text are ready.
    pub fn set_ready(&self, image: &str, ready: bool) {
        self.write(|world| world.ready.insert(image.to_owned(), ready));
    }

    /// How many replicas an autoscaler wants.
    pub fn hpa_wants(&self, name: &str, replicas: i64) {
        self.write(|world| world.hpa.insert((NAMESPACE.to_owned(), name.to_owned()), replicas));
    }

    /// Takes a right away: a verb on a resource such as `virtualservices` or `deployments/scale`. `*` is any verb.
    pub fn deny(&self, verb: &str, resource: &str) {
        self.shared.world().denied.insert((verb.to_owned(), resource.to_owned()));
    }

    /// Gives all rights back.
    pub fn allow_all(&self) {
        self.shared.world().denied.clear();
    }

    /// A group's definitions are not there any more.
    pub fn uninstall(&self, group: &str) {
        self.shared.world().absent.insert(group.to_owned());
    }

    /// Moves the cluster's clock.
    pub fn advance(&self, by: Duration) {
        self.write(|world| world.advanced += by);
    }

    /// Lets the Date header be wrong by some seconds.
    pub fn skew(&self, seconds: i64) {
        self.shared.world().skew = seconds;
    }

    /// Whether controllers run only by `step` and `settle`.
    pub fn by_hand(&self, by_hand: bool) {
        self.shared.world().by_hand = by_hand;
    }

    /// One round of the controllers; whether anything changed.
    pub fn step(&self) -> bool {
        let changed = self.shared.world().step();
        self.shared.changed.notify_all();
        changed
    }

    /// Runs the controllers until they rest.
    pub fn settle(&self) {
        self.shared.world().settle();
        self.shared.changed.notify_all();
    }

    /// Every call so far.
    pub fn calls(&self) -> Vec<Call> {
        self.shared.world().calls.clone()
    }

    /// The calls that asked for a change.
    pub fn writes(&self) -> Vec<Call> {
        self.calls().into_iter().filter(Call::writes).collect()
    }

    /// Does something once at a moment, on the server's own thread. Calls are counted from the start of the server.
    pub fn on(&self, when: When, what: impl FnOnce() + Send + 'static) {
        self.shared.world().hooks.push(faults::Hook { when, what: Some(Box::new(what)) });
    }

    /// Does something once after call `n` was answered.
    pub fn after_call(&self, n: usize, what: impl FnOnce() + Send + 'static) {
        self.on(When::AfterAnswer(n), what);
    }

    /// Disturbs the next call whose `METHOD /path` begins with `what` ("" is any).
    pub fn fail(&self, what: &str, fault: Fault) {
        self.shared.world().faults.push_back((what.to_owned(), fault));
    }

    /// The share of a host's users on each image: from routes, weights, selectors and ready pods. "" = nobody answers.
    pub fn traffic(&self, service: &str) -> BTreeMap<String, f64> {
        traffic::split(&self.shared.world(), NAMESPACE, service)
    }

    /// All objects as stable JSON: uid, versions, times and generated names masked. Events are left out.
    pub fn snapshot(&self) -> Value {
        snapshot::of(&self.shared.world())
    }
}
