//! A Kubernetes API server for tests, with its controllers, in this process: what `canary-promote` and Debian's kubectl talk to.
//!
//! ```ignore
//! let kube = Kube::start().await?;             // on the running runtime; the namespace is `prod`
//! kube.deployment("llm", "llm:1", 3);          // a user's objects, put in past the API
//! kube.service("llm");
//! write(folder, "kubeconfig", &kube.kubeconfig());
//! // ... run the client ...
//! assert_eq!(kube.traffic()["llm:1"], 1.0);    // what users would meet: share by image
//! ```
//!
//! Controllers run synchronously after each write and before each read, until nothing changes: no test waits for them.
//! `hold(true)` stops them, so that a status lags behind its spec as it does in a cluster.
//! What becomes of a pod is in its image's name: `never-pulls`, `crash-loop`, `unschedulable`, `slow` (ready when
//! `set_ready` says so); everything else is ready at once. `set_ready(image, false)` makes running pods unready.
//! Calls are numbered from 1: `calls()`, `after_call(n, hook)` (done, not answered yet), `after_answer(n, hook)`.
//! `snapshot()` is the state as text, to hold before against after; `edit`, `delete` are somebody else's hands; `fail_next`,
//! `expire_token`, `deny`, `skew`, `without` are the ways in which a cluster lets its clients down.
//! The replies are those of a real server (v1.36.2) word by word as far as a client reads them; `tests/kube_stub.rs` holds the
//! two together.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::net::TcpListener;

pub mod api;
pub mod argo;
pub mod control;
pub mod fields;
pub mod http;
pub mod kinds;
pub mod kserve;
pub mod kubelet;
pub mod patch;
pub mod reply;
pub mod schema;
pub mod select;
pub mod shape;
pub mod snapshot;
pub mod store;
pub mod traffic;
pub mod users;
pub mod world;
pub mod write;

pub use world::{Call, Fault};

/// The namespace of the users' objects.
pub const NAMESPACE: &str = "prod";

/// What connections and the test share.
pub struct Shared {
    pub world: Mutex<world::World>,
    pub changed: tokio::sync::watch::Sender<u64>,
}

/// A running server.
#[derive(Clone)]
pub struct Kube {
    /// `http://127.0.0.1:PORT`.
    pub server: String,
    pub(crate) shared: Arc<Shared>,
}

impl Kube {
    /// Starts a server on the running runtime, with the namespaces `default` and `prod`.
    pub async fn start() -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let world = world::World { token: "token-1".to_owned(), user: "dev".to_owned(), ..Default::default() };
        let shared = Arc::new(Shared { world: Mutex::new(world), changed: tokio::sync::watch::channel(0).0 });
        let kube = Self { server: format!("http://{}", listener.local_addr()?), shared: Arc::clone(&shared) };
        for name in ["default", NAMESPACE] {
            let labels = json!({"kubernetes.io/metadata.name": name});
            kube.add(json!({"kind": "Namespace", "metadata": {"name": name, "labels": labels}, "spec": {"finalizers": ["kubernetes"]}}));
        }
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let shared = Arc::clone(&shared);
                tokio::spawn(async move {
                    // A client that goes away is the test's own affair.
                    let _ = http::serve(stream, shared).await;
                });
            }
        });
        Ok(kube)
    }

    /// A kubeconfig for it, with the token that is good now.
    pub fn kubeconfig(&self) -> String {
        let token = self.shared.world.lock().unwrap().token.clone();
        format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: stub\nclusters:\n- name: stub\n  cluster:\n    server: {}\n\
             contexts:\n- name: stub\n  context:\n    cluster: stub\n    user: dev\n    namespace: {NAMESPACE}\n\
             users:\n- name: dev\n  user:\n    token: {token}\n",
            self.server
        )
    }

    /// An object of `prod` by its kind.
    pub fn get(&self, kind: &str, name: &str) -> Option<Value> {
        self.shared.world.lock().unwrap().store.get(control::kind(kind), NAMESPACE, name).cloned()
    }

    /// All objects of a kind in `prod`.
    pub fn list(&self, kind: &str) -> Vec<Value> {
        self.shared.world.lock().unwrap().store.list(control::kind(kind), NAMESPACE)
    }

    /// Somebody else changes an object of `prod`.
    pub fn edit(&self, kind: &str, name: &str, change: impl FnOnce(&mut Value)) {
        self.with(|world| {
            let mut object = world.store.get(control::kind(kind), NAMESPACE, name).unwrap().clone();
            change(&mut object);
            control::put(world, object);
        });
    }

    /// Somebody else deletes an object of `prod`.
    pub fn delete(&self, kind: &str, name: &str) {
        self.with(|world| world.store.remove(control::kind(kind), NAMESPACE, name, false).map(|_| ()).unwrap());
    }

    /// Makes the containers of this image ready or not, whatever its name says.
    pub fn set_ready(&self, image: &str, ready: bool) {
        self.with(|world| world.ready.extend([(image.to_owned(), ready)]));
    }

    /// What a HorizontalPodAutoscaler wants from now on.
    pub fn autoscale(&self, name: &str, replicas: u64) {
        self.with(|world| world.autoscale.extend([(name.to_owned(), replicas)]));
    }

    /// Stops the controllers, or lets them go on.
    pub fn hold(&self, held: bool) {
        self.with(|world| world.held = held);
    }

    /// The token is refused from now on.
    pub fn expire_token(&self) {
        self.with(|world| world.expired = true);
    }

    /// Callers without a token are let in as `dev`: kubectl sends its token over TLS only.
    pub fn open_to_all(&self) {
        self.with(|world| world.open = true);
    }

    /// A new token is good from now on: for a new `kubeconfig()`.
    pub fn new_token(&self) {
        self.with(|world| {
            world.token.push('x');
            world.expired = false;
        });
    }

    /// Takes a right away: `deny("patch", "deployments/scale")`; `*` is any.
    pub fn deny(&self, verb: &str, resource: &str) {
        self.with(|world| world.denied.extend([(verb.to_owned(), resource.to_owned())]));
    }

    /// Gives all rights back.
    pub fn allow_all(&self) {
        self.with(|world| world.denied.clear());
    }

    /// A kind whose CustomResourceDefinition is not installed: `virtualservices`.
    pub fn without(&self, plural: &str) {
        self.with(|world| world.absent.extend([plural.to_owned()]));
    }

    /// The server's clock is ahead by so much.
    pub fn skew(&self, seconds: i64) {
        self.with(|world| world.store.skew = time::Duration::seconds(seconds));
    }

    /// The next call with this method (any, if empty) whose path contains `path` goes wrong; several wait in a row.
    pub fn fail_next(&self, method: &str, path: &str, fault: Fault) {
        let waiting = world::Waiting { method: method.to_owned(), path: path.to_owned(), fault };
        self.with(|world| world.faults.push_back(waiting));
    }

    /// All calls so far.
    pub fn calls(&self) -> Vec<Call> {
        self.shared.world.lock().unwrap().calls.clone()
    }

    /// Runs when call `number` (from 1) is done, and before its answer is sent.
    pub fn after_call(&self, number: usize, hook: Box<dyn Fn() + Send + Sync>) {
        self.shared.world.lock().unwrap().before_answer.insert(number, Arc::from(hook));
    }

    /// Runs when the answer of call `number` was sent.
    pub fn after_answer(&self, number: usize, hook: Box<dyn Fn() + Send + Sync>) {
        self.shared.world.lock().unwrap().after_answer.insert(number, Arc::from(hook));
    }

    /// All objects as stable text, what varies from run to run masked.
    pub fn snapshot(&self) -> String {
        snapshot::snapshot(&self.shared.world.lock().unwrap())
    }

    /// What users meet: share by image.
    pub fn traffic(&self) -> BTreeMap<String, f64> {
        traffic::traffic(&self.shared.world.lock().unwrap(), NAMESPACE)
    }

    /// Share by image behind one Service.
    pub fn traffic_through(&self, service: &str) -> BTreeMap<String, f64> {
        traffic::through(&self.shared.world.lock().unwrap(), NAMESPACE, service)
    }

    /// Does something with the world, and lets the controllers and watches see it.
    pub fn with(&self, act: impl FnOnce(&mut world::World)) {
        {
            let mut world = self.shared.world.lock().unwrap();
            act(&mut world);
            control::settle(&mut world);
        }
        self.shared.changed.send_modify(|count| *count += 1);
    }
}
