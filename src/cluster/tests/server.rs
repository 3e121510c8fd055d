//! A small API server in this process: it stores objects, compares versions, and misbehaves by script.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use super::super::patch::patched;
use super::super::{Cluster, Connection, Edit, Place};

/// What the server does wrong with one request.
#[derive(Clone, Copy)]
pub(super) enum Fault {
    /// Answers so, and does nothing.
    Status(u16, &'static str),
    /// Does it, and closes without an answer.
    Lost,
    /// Closes without doing anything.
    Broken,
}

#[derive(Default)]
struct Inner {
    objects: BTreeMap<String, Value>,
    version: u64,
    faults: Vec<(&'static str, Fault)>,
    asked: Vec<String>,
    token: Option<String>,
}

pub(super) struct Server {
    inner: Arc<Mutex<Inner>>,
    port: u16,
}

impl Server {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self { inner: Arc::default(), port: listener.local_addr().unwrap().port() };
        let inner = Arc::clone(&server.inner);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let inner = Arc::clone(&inner);
                tokio::spawn(async move { serve(stream, &inner).await });
            }
        });
        server
    }

    pub(super) async fn cluster(&self) -> Cluster {
        self.cluster_of("{token: t}").await
    }

    pub(super) async fn cluster_of(&self, user: &str) -> Cluster {
        let port = self.port;
        let text = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: x\nclusters: [{{name: c, cluster: {{server: \
             'http://127.0.0.1:{port}'}}}}]\ncontexts: [{{name: x, context: {{cluster: c, user: u, namespace: n}}}}]\n\
             users: [{{name: u, user: {user}}}]\n"
        );
        let connection = Connection { kubeconfig: Some(text), no_proxy: Some("*".into()), context: None };
        Cluster::connect(&connection).await.unwrap()
    }

    pub(super) fn fail(&self, method: &'static str, fault: Fault) {
        self.inner.lock().unwrap().faults.push((method, fault));
    }

    pub(super) fn only(&self, token: &str) {
        self.inner.lock().unwrap().token = Some(format!("Bearer {token}"));
    }

    pub(super) fn asked(&self, method: &str) -> usize {
        self.inner.lock().unwrap().asked.iter().filter(|asked| *asked == method).count()
    }

    pub(super) fn writes(&self) -> usize {
        self.inner.lock().unwrap().asked.iter().filter(|asked| *asked != "GET").count()
    }

    pub(super) fn object(&self, place: &Place) -> Option<Value> {
        self.inner.lock().unwrap().objects.get(&place.path()).cloned()
    }
}

async fn serve(stream: TcpStream, inner: &Mutex<Inner>) {
    let mut stream = BufReader::new(stream);
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
            return;
        }
        let (mut length, mut token) = (0, String::new());
        loop {
            let mut header = String::new();
            if stream.read_line(&mut header).await.unwrap_or(0) == 0 {
                return;
            }
            let Some((name, value)) = header.trim().split_once(':') else { break };
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.trim().parse().unwrap(),
                "authorization" => value.trim().clone_into(&mut token),
                _ => {}
            }
        }
        let mut body = vec![0; length];
        if stream.read_exact(&mut body).await.is_err() {
            return;
        }
        let mut parts = line.split(' ');
        let (method, path) = (parts.next().unwrap(), parts.next().unwrap());
        let Some((status, headers, answer)) = answer(&mut inner.lock().unwrap(), method, path, &body, &token) else {
            return;
        };
        let text = answer.to_string();
        let head = format!("HTTP/1.1 {status} X\r\ndate: Tue, 14 Nov 2023 22:13:25 GMT\r\n{headers}");
        let reply = format!("{head}content-length: {}\r\n\r\n{text}", text.len());
        if stream.write_all(reply.as_bytes()).await.is_err() {
            return;
        }
    }
}

fn answer(inner: &mut Inner, method: &str, path: &str, body: &[u8], token: &str) -> Option<(u16, &'static str, Value)> {
    inner.asked.push(method.to_owned());
    if inner.token.as_deref().is_some_and(|wanted| wanted != token) {
        return Some((401, "", json!({"message": "Unauthorized"})));
    }
    let at = inner.faults.iter().position(|(of, _)| *of == method);
    let fault = at.map(|at| inner.faults.remove(at).1);
    match fault {
        Some(Fault::Broken) => None,
        Some(Fault::Status(status, headers)) => Some((status, headers, json!({"message": "by script"}))),
        Some(Fault::Lost) => {
            act(inner, method, path, body);
            None
        }
        None => {
            let (status, value) = act(inner, method, path, body);
            Some((status, "", value))
        }
    }
}

fn act(inner: &mut Inner, method: &str, path: &str, body: &[u8]) -> (u16, Value) {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    if let Some(plural) = path.strip_prefix("/api/v1/").filter(|rest| !rest.contains('/')) {
        return (200, page(inner, plural, query));
    }
    let path = path.to_owned();
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    if path.ends_with("selfsubjectaccessreviews") {
        let allowed = body.pointer("/spec/resourceAttributes/verb") == Some(&json!("get"));
        return (201, if allowed { json!({"status": {"allowed": true}}) } else { json!({"status": {}}) });
    }
    if method == "POST" {
        let key = format!("{path}/{}", body["metadata"]["name"].as_str().unwrap());
        if inner.objects.contains_key(&key) {
            return (409, json!({"message": "there", "reason": "AlreadyExists"}));
        }
        return (201, store(inner, key, body));
    }
    let collection = path.split('/').skip_while(|part| *part != "namespaces").count() == 3;
    if method == "GET" && collection {
        let items: Vec<_> =
            inner.objects.iter().filter(|(key, _)| key.starts_with(&path)).map(|(_, item)| item).collect();
        return (200, json!({"items": items}));
    }
    let Some(found) = inner.objects.get(&path).cloned() else { return (404, json!({"message": "not found"})) };
    match method {
        "GET" => (200, found),
        "DELETE" => {
            inner.objects.remove(&path);
            (200, json!({"status": "Success"}))
        }
        "PUT" if found["metadata"]["resourceVersion"] != body["metadata"]["resourceVersion"] => {
            (409, json!({"message": "stale", "reason": "Conflict"}))
        }
        "PUT" => (200, store(inner, path, body)),
        "PATCH" => match patched(&found, &body.as_array().unwrap().iter().map(edit).collect::<Vec<_>>()) {
            Ok(object) => (200, store(inner, path, object)),
            Err(_) => {
                let message = "the server rejected our request due to an error in our request";
                (422, json!({"message": message, "reason": "Invalid"}))
            }
        },
        other => panic!("{other}"),
    }
}

/// Two objects of a kind in all namespaces, whatever more was asked for: a server may give fewer. Its token needs an escape.
fn page(inner: &Inner, plural: &str, query: &str) -> Value {
    assert!(query.starts_with("limit="), "{query}");
    let from = query.split_once("&continue=next%2F").map_or(0, |(_, from)| from.parse().unwrap());
    let of_kind = |key: &&String| key.contains("/namespaces/") && key.contains(&format!("/{plural}/"));
    let all: Vec<&Value> = inner.objects.iter().filter(|(key, _)| of_kind(key)).map(|(_, object)| object).collect();
    let items: Vec<&&Value> = all.iter().skip(from).take(2).collect();
    let next = if from + 2 < all.len() { format!("next/{}", from + 2) } else { String::new() };
    json!({"items": items, "metadata": {"continue": next}})
}

fn edit(edit: &Value) -> Edit {
    let (path, value) = (edit["path"].as_str().unwrap().to_owned(), edit["value"].clone());
    match edit["op"].as_str().unwrap() {
        "test" => Edit::Test(path, value),
        "add" => Edit::Add(path, value),
        "replace" => Edit::Replace(path, value),
        "remove" => Edit::Remove(path),
        other => panic!("{other}"),
    }
}

fn store(inner: &mut Inner, key: String, mut object: Value) -> Value {
    inner.version += 1;
    object["metadata"]["resourceVersion"] = json!(inner.version.to_string());
    inner.objects.insert(key, object.clone());
    object
}
