//! A small API server: objects by their path, resourceVersions, JSON patches, and Deployments whose pods are what their image
//! says at once. It checks after every write that nobody is sent to pods that are not there.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

/// What pods of an image do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Pods {
    /// They are ready at once.
    Ready,
    /// They end again and again.
    Crash,
    /// Their image is never there.
    NoImage,
    /// They never get ready.
    Never,
}

#[derive(Default)]
struct Inner {
    objects: BTreeMap<String, Value>,
    version: u64,
    calls: Vec<String>,
    /// After so many calls the server answers nothing any more.
    stop_at: Option<usize>,
    images: BTreeMap<String, Pods>,
    faults: Vec<String>,
    /// The next calls that are answered by this status.
    refuse: Option<u16>,
}

/// A running server.
#[derive(Clone)]
pub(crate) struct Server {
    inner: Arc<Mutex<Inner>>,
    stopped: Arc<Notify>,
    pub(crate) port: u16,
}

pub(crate) const NAMESPACE: &str = "prod";

/// The path of an object.
pub(crate) fn path(group: &str, plural: &str, name: &str) -> String {
    format!("/{group}/namespaces/{NAMESPACE}/{plural}/{name}")
}

pub(crate) fn deployment(name: &str) -> String {
    path("apis/apps/v1", "deployments", name)
}

impl Server {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = Self { inner: Arc::default(), stopped: Arc::default(), port };
        let answering = server.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let server = answering.clone();
                tokio::spawn(async move { server.serve(stream).await });
            }
        });
        server
    }

    pub(crate) fn kubeconfig(&self) -> String {
        json!({"apiVersion": "v1", "kind": "Config", "current-context": "c",
            "clusters": [{"name": "c", "cluster": {"server": format!("http://127.0.0.1:{}", self.port)}}],
            "users": [{"name": "u", "user": {}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u", "namespace": NAMESPACE}}]})
        .to_string()
    }

    /// What an image's pods do from now on.
    pub(crate) fn image(&self, image: &str, pods: Pods) {
        let mut inner = self.inner.lock().unwrap();
        inner.images.insert(image.to_owned(), pods);
        let all: Vec<String> = inner.objects.keys().filter(|key| key.contains("/deployments/")).cloned().collect();
        for key in all {
            inner.kubelet(&key);
        }
    }

    pub(crate) fn get(&self, path: &str) -> Option<Value> {
        self.inner.lock().unwrap().objects.get(path).cloned()
    }

    /// Somebody writes by hand.
    pub(crate) fn put(&self, path: &str, object: Value) {
        let mut inner = self.inner.lock().unwrap();
        inner.store(path, object);
    }

    /// Somebody edits by hand.
    pub(crate) fn edit(&self, path: &str, edit: impl FnOnce(&mut Value)) {
        let mut object = self.get(path).unwrap_or_else(|| panic!("{path} is not there"));
        edit(&mut object);
        self.put(path, object);
    }

    pub(crate) fn remove(&self, path: &str) {
        self.inner.lock().unwrap().drop_object(path);
    }

    pub(crate) fn calls(&self) -> Vec<String> {
        self.inner.lock().unwrap().calls.clone()
    }

    pub(crate) fn faults(&self) -> Vec<String> {
        self.inner.lock().unwrap().faults.clone()
    }

    pub(crate) fn refuse(&self, status: Option<u16>) {
        self.inner.lock().unwrap().refuse = status;
    }

    /// Everything after this many calls is not answered; waits until it has come so far.
    pub(crate) fn stop_after(&self, calls: Option<usize>) {
        let mut inner = self.inner.lock().unwrap();
        let done = inner.calls.len();
        inner.stop_at = calls.map(|calls| done + calls);
    }

    pub(crate) async fn stopped(&self) {
        self.stopped.notified().await;
    }

    /// The share of users whose requests reach pods of the new version's workload.
    pub(crate) fn share(&self) -> f64 {
        self.inner.lock().unwrap().share()
    }

    pub(crate) fn names(&self, plural: &str) -> Vec<String> {
        let inner = self.inner.lock().unwrap();
        let found = inner.objects.keys().filter(|key| key.contains(&format!("/{plural}/")));
        found.filter_map(|key| key.rsplit('/').next()).map(str::to_owned).collect()
    }

    async fn serve(&self, mut stream: TcpStream) {
        let mut buffer = Vec::new();
        loop {
            let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") else {
                match stream.read_buf(&mut buffer).await {
                    Ok(0) | Err(_) => return,
                    Ok(_) => continue,
                }
            };
            let head = String::from_utf8_lossy(&buffer[..end]).into_owned();
            let header = |name: &str| {
                let mut lines = head.lines().filter_map(|line| line.split_once(':'));
                lines.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim().to_owned())
            };
            let length: usize = header("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
            while buffer.len() < end + 4 + length {
                if stream.read_buf(&mut buffer).await.unwrap_or(0) == 0 {
                    return;
                }
            }
            let body: Value = serde_json::from_slice(&buffer[end + 4..end + 4 + length]).unwrap_or_default();
            buffer.drain(..end + 4 + length);
            let mut words = head.split_whitespace();
            let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
            let kind = header("content-type").unwrap_or_default();
            let Some((status, reply)) = self.answered(method, target, &kind, body) else {
                self.stopped.notify_one();
                return std::future::pending().await;
            };
            let reply = reply.to_string();
            let date = httpdate::fmt_http_date(std::time::SystemTime::now());
            let text = format!(
                "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ndate: {date}\r\ncontent-length: {}\r\n\r\n{reply}",
                reply.len()
            );
            if stream.write_all(text.as_bytes()).await.is_err() {
                return;
            }
        }
    }
}

impl Server {
    /// The answer; none once the server has stopped.
    fn answered(&self, method: &str, target: &str, kind: &str, body: Value) -> Option<(u16, Value)> {
        let mut inner = self.inner.lock().unwrap();
        let number = inner.calls.len();
        if inner.stop_at.is_some_and(|stop| number >= stop) {
            return None;
        }
        inner.calls.push(format!("{method} {}", target.split('?').next().unwrap_or_default()));
        Some(match inner.refuse {
            Some(status) => (status, json!({"kind": "Status", "reason": "Refused", "message": "refused"})),
            None => inner.answer(method, target, kind, body),
        })
    }
}

fn refusal(status: u16, reason: &str) -> (u16, Value) {
    (status, json!({"kind": "Status", "status": "Failure", "reason": reason, "message": reason, "code": status}))
}

impl Inner {
    fn answer(&mut self, method: &str, target: &str, kind: &str, body: Value) -> (u16, Value) {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let path = path.strip_suffix("/status").unwrap_or(path).to_owned();
        let collection = path.rsplit('/').nth(1) == Some(NAMESPACE);
        match method {
            "GET" if collection => {
                let labels = query.strip_prefix("labelSelector=").unwrap_or_default();
                let labels = labels.replace("%3D", "=").replace("%2C", ",").replace("%2F", "/");
                let fits = |object: &Value| {
                    labels.split(',').filter_map(|pair| pair.split_once('=')).all(|(key, value)| {
                        object["metadata"]["labels"].get(key).and_then(Value::as_str) == Some(value)
                    })
                };
                let under =
                    self.objects.iter().filter(|(key, _)| key.rsplit_once('/').map(|(all, _)| all) == Some(&path));
                let items: Vec<Value> = under.map(|(_, object)| object.clone()).filter(fits).collect();
                (200, json!({"kind": "List", "items": items}))
            }
            "GET" => match self.objects.get(&path) {
                Some(object) => (200, object.clone()),
                None => refusal(404, "NotFound"),
            },
            "POST" => {
                let name = body["metadata"]["name"].as_str().unwrap_or_default().to_owned();
                let path = format!("{path}/{name}");
                if self.objects.contains_key(&path) {
                    return refusal(409, "AlreadyExists");
                }
                self.store(&path, body);
                (201, self.objects[&path].clone())
            }
            "DELETE" => {
                if self.objects.contains_key(&path) {
                    self.drop_object(&path);
                    (200, json!({"kind": "Status", "status": "Success"}))
                } else {
                    refusal(404, "NotFound")
                }
            }
            "PUT" | "PATCH" => {
                let Some(before) = self.objects.get(&path).cloned() else { return refusal(404, "NotFound") };
                let after = match kind {
                    "application/json-patch+json" => match patched(&before, &body) {
                        Some(after) => after,
                        None => return refusal(422, "Invalid"),
                    },
                    "application/json" => body,
                    other => panic!("{other} is not spoken here"),
                };
                if after["metadata"]["resourceVersion"] != before["metadata"]["resourceVersion"] {
                    return refusal(409, "Conflict");
                }
                self.store(&path, after);
                (200, self.objects[&path].clone())
            }
            other => panic!("{other} is not spoken here"),
        }
    }

    fn store(&mut self, path: &str, mut object: Value) {
        self.version += 1;
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        if object["metadata"].get("uid").is_none() {
            object["metadata"]["uid"] = json!(format!("uid-{}", self.version));
        }
        self.objects.insert(path.to_owned(), object);
        if path.contains("/deployments/") {
            self.kubelet(path);
        }
        self.audit(path);
    }

    fn drop_object(&mut self, path: &str) {
        let share = self.share();
        let name = path.rsplit('/').next().unwrap_or_default().to_owned();
        self.objects.remove(path);
        if path.contains("/deployments/") {
            self.objects.retain(|_, object| object["owner"].as_str() != Some(&name));
        }
        if share > 0.0 && (name == "llm-canary") || share < 1.0 && name == "llm" {
            self.faults.push(format!("{path} was removed while {share} of the users were at the new version"));
        }
        self.audit(path);
    }

    /// Pods, and a status that follows from them.
    fn kubelet(&mut self, path: &str) {
        let mut object = self.objects[path].clone();
        let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        let wanted = object["spec"]["replicas"].as_u64().unwrap_or(1);
        let image =
            object.pointer("/spec/template/spec/containers/0/image").and_then(Value::as_str).unwrap_or_default();
        let pods = self.images.get(image).copied().unwrap_or(Pods::Ready);
        let generation = object["metadata"]["generation"].as_u64().unwrap_or(0) + 1;
        object["metadata"]["generation"] = json!(generation);
        let revision = format!("{generation}");
        object["metadata"]["annotations"]["deployment.kubernetes.io/revision"] = json!(revision);
        let old = if pods == Pods::Ready {
            0
        } else {
            object["status"]["availableReplicas"].as_u64().unwrap_or(0).min(wanted)
        };
        let ready = if pods == Pods::Ready { wanted } else { 0 };
        object["status"] = json!({"observedGeneration": generation, "updatedReplicas": wanted,
            "availableReplicas": ready + old, "replicas": wanted + old});
        self.objects.retain(|_, object| object["owner"].as_str() != Some(&name));
        let labels = object["spec"]["template"]["metadata"]["labels"].clone();
        let reason = match pods {
            Pods::Ready => None,
            Pods::Crash => Some("CrashLoopBackOff"),
            Pods::NoImage => Some("ImagePullBackOff"),
            Pods::Never => Some("ContainerCreating"),
        };
        let mut make = |index: u64, ready: bool| {
            let pod = format!("{name}-{index}{}", if ready { "" } else { "-new" });
            let waiting =
                reason.filter(|_| !ready).map(|reason| json!({"waiting": {"reason": reason, "message": "no"}}));
            let status = json!([{"name": "s", "ready": ready, "restartCount": 0, "state": waiting}]);
            let condition = json!([{"type": "Ready", "status": if ready { "True" } else { "False" }}]);
            let object = json!({"owner": name, "metadata": {"name": pod, "labels": labels},
                "status": {"conditions": condition, "containerStatuses": status}});
            self.objects.insert(self::path("api/v1", "pods", &pod), object);
        };
        for index in 0..(ready + old) {
            make(index, true);
        }
        for index in 0..wanted.saturating_sub(ready) {
            make(index, false);
        }
        self.objects.insert(path.to_owned(), object);
    }

    /// Ready pods behind a Service, and how many of them are the new version's workload's.
    fn behind(&self, service: &str) -> (usize, usize) {
        let Some(service) = self.objects.get(&path("api/v1", "services", service)) else { return (0, 0) };
        let selector = service["spec"]["selector"].as_object().cloned().unwrap_or_default();
        let pods = self.objects.iter().filter(|(key, _)| key.contains("/pods/")).map(|(_, pod)| pod);
        let ready: Vec<&Value> = pods
            .filter(|pod| pod["status"]["conditions"][0]["status"] == "True")
            .filter(|pod| selector.iter().all(|(key, value)| pod["metadata"]["labels"].get(key) == Some(value)))
            .collect();
        let canary = ready.iter().filter(|pod| pod["owner"] == "llm-canary" || pod["owner"] == "llm-green").count();
        (ready.len(), canary)
    }

    fn weights(&self) -> Option<(f64, f64)> {
        let route = self.objects.get(&path("apis/networking.istio.io/v1", "virtualservices", "llm"))?;
        let list = route["spec"]["http"][0]["route"].as_array().cloned().unwrap_or_default();
        let of = |host: &str| -> f64 {
            let mine = list.iter().filter(|one| one["destination"]["host"] == host);
            mine.map(|one| one["weight"].as_f64().unwrap_or(if list.len() == 1 { 100.0 } else { 0.0 })).sum()
        };
        Some((of("llm"), of("llm-canary")))
    }

    #[expect(clippy::cast_precision_loss, reason = "a handful of pods")]
    fn share(&self) -> f64 {
        if let Some((_, canary)) = self.weights() {
            return canary / 100.0;
        }
        let (all, canary) = self.behind("llm");
        if all == 0 { 0.0 } else { canary as f64 / all as f64 }
    }

    /// Nobody is sent to pods that are not there.
    fn audit(&mut self, path: &str) {
        let mut found = Vec::new();
        if let Some((stable, canary)) = self.weights() {
            if (stable + canary - 100.0).abs() > 1e-9 {
                found.push(format!("weights of {stable} and {canary}"));
            }
            for (name, weight) in [("llm", stable), ("llm-canary", canary)] {
                if weight > 0.0 && self.behind(name).0 == 0 && self.there() {
                    found.push(format!("{name} has {weight} % and no ready pod"));
                }
            }
        } else if self.there() && self.behind("llm").0 == 0 {
            found.push("the Service has no ready pod".to_owned());
        }
        self.faults.extend(found.into_iter().map(|what| format!("after a write of {path}: {what}")));
    }

    /// Whether the workload is set up.
    fn there(&self) -> bool {
        let service = self.objects.contains_key(&path("api/v1", "services", "llm"));
        service && self.objects.contains_key(&deployment("llm"))
    }
}

/// A JSON patch; none where it does not hold.
fn patched(object: &Value, patch: &Value) -> Option<Value> {
    let mut after = object.clone();
    for one in patch.as_array()? {
        let (op, pointer) = (one["op"].as_str()?, one["path"].as_str()?);
        if op == "test" {
            if after.pointer(pointer) != Some(&one["value"]) {
                return None;
            }
            continue;
        }
        let (parent, key) = pointer.rsplit_once('/')?;
        let key = key.replace("~1", "/").replace("~0", "~");
        match after.pointer_mut(parent)? {
            Value::Object(map) => {
                if op == "remove" {
                    map.shift_remove(&key)?;
                } else {
                    map.insert(key, one["value"].clone());
                }
            }
            Value::Array(list) => match (op, key.parse::<usize>()) {
                ("add", Err(_)) => list.push(one["value"].clone()),
                ("add", Ok(index)) => list.insert(index, one["value"].clone()),
                ("remove", Ok(index)) => drop(list.remove(index)),
                (_, Ok(index)) => *list.get_mut(index)? = one["value"].clone(),
                (_, Err(_)) => return None,
            },
            _ => return None,
        }
    }
    Some(after)
}
