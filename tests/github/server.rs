//! A stateful stand-in for GitHub's API, and the judge before it: `prism proxy` with GitHub's own OpenAPI description checks
//! every request of ours and every reply of the stand-in. Each test has a repository of its own.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock};
use std::time::Duration;

use serde_json::{Value, json};

/// What happens instead of the usual.
#[derive(Clone, Debug)]
pub enum Fault {
    /// This status, these headers and this body; nothing is done.
    Reply(u16, &'static str, Value),
    /// It is done, and its answer is lost.
    LoseAnswer,
    /// It is lost on its way: nothing is done.
    LoseRequest,
}

/// One request.
#[derive(Clone, Debug)]
pub struct Asked {
    pub method: String,
    pub path: String,
    pub body: Value,
}

type Faults = Box<dyn FnMut(&Asked) -> Option<Fault> + Send>;

/// What a repository holds.
#[derive(Default)]
pub struct Repository {
    pub comments: Vec<Value>,
    pub checks: Vec<Value>,
    pub annotations: Vec<Value>,
    pub statuses: Vec<Value>,
    pub deployments: Vec<Value>,
    pub deployment_statuses: Vec<Value>,
    pub hidden: Vec<String>,
    pub asked: Vec<Asked>,
    pub faults: Option<Faults>,
}

impl Repository {
    /// Requests of this method to a path with this in it.
    pub fn count(&self, method: &str, part: &str) -> usize {
        self.asked.iter().filter(|asked| asked.method == method && asked.path.contains(part)).count()
    }
}

type Repositories = Arc<Mutex<BTreeMap<String, Repository>>>;

/// The stand-in and its judge.
pub struct GitHub {
    /// The judge's address: what a run is given.
    pub judged: String,
    /// The stand-in's own address.
    pub direct: String,
    repositories: Repositories,
    said: Arc<(Mutex<Vec<String>>, Condvar)>,
    marks: AtomicUsize,
    _judge: Child,
}

/// The one server of the test binary.
pub fn github() -> &'static GitHub {
    static SERVER: OnceLock<GitHub> = OnceLock::new();
    SERVER.get_or_init(GitHub::start)
}

impl GitHub {
    fn start() -> Self {
        let repositories = Repositories::default();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let direct = format!("http://{}", listener.local_addr().unwrap());
        let known = Arc::clone(&repositories);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let known = Arc::clone(&known);
                // A client that goes away is the test's own affair.
                std::thread::spawn(move || drop(serve(stream, &known)));
            }
        });
        let tools = std::env::var("LLMCI_TEST_TOOLS").expect("run the tests with scripts/test: it installs the judge");
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        // The judge ends when our end of its input is closed, however this process ends.
        let script = "node \"$0\" proxy --port \"$1\" --errors \"$2\" \"$3\" & judge=$!; cat >/dev/null; kill $judge";
        let mut judge = Command::new("sh")
            .args(["-c", script])
            .arg(format!("{tools}/node_modules/@stoplight/prism-cli/dist/index.js"))
            .arg(port.to_string())
            .arg(format!("{tools}/github.json"))
            .arg(&direct)
            .env("NO_COLOR", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(judge.stdout.take().unwrap()).lines();
        while !lines.next().expect("the judge ended").unwrap().contains("Prism is listening") {}
        let said = Arc::<(Mutex<Vec<String>>, Condvar)>::default();
        let heard = Arc::clone(&said);
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                heard.0.lock().unwrap().push(line);
                heard.1.notify_all();
            }
        });
        let (judged, marks) = (format!("http://127.0.0.1:{port}"), AtomicUsize::default());
        Self { judged, direct, repositories, said, marks, _judge: judge }
    }

    /// Looks at, or changes, what a repository holds.
    pub fn with<T>(&self, name: &str, look: impl FnOnce(&mut Repository) -> T) -> T {
        look(lock(&self.repositories).entry(name.to_owned()).or_default())
    }

    /// Asks for what the description forbids, 51 annotations at once; the judge's answer.
    pub fn forbidden(&self, name: &str) -> String {
        let address = self.judged.trim_start_matches("http://");
        let note = json!({"path": "a", "start_line": 1, "end_line": 1, "annotation_level": "notice", "message": "m"});
        let body = json!({"output": {"title": "t", "summary": "s", "annotations": vec![note; 51]}}).to_string();
        let mut stream = TcpStream::connect(address).unwrap();
        let request = format!(
            "PATCH /repos/octo-org/{name}/check-runs/1 HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    /// What the judge found wrong with requests and replies of a repository: nothing, or a test fails.
    pub fn violations(&self, name: &str) -> Vec<String> {
        // It answers before it is heard. Once it has told of a wrong request of now, it has told of all before.
        let mark = format!("mark-{}", self.marks.fetch_add(1, Ordering::SeqCst));
        self.forbidden(&mark);
        let told = |said: &mut Vec<String>| said.iter().any(|line| line.contains(&format!("/octo-org/{mark}/")));
        let said = self.said.0.lock().unwrap();
        let (said, late) = self.said.1.wait_timeout_while(said, Duration::from_secs(20), |said| !told(said)).unwrap();
        assert!(!late.timed_out(), "the judge says nothing");
        let place = format!("/octo-org/{name}/");
        // Upstream failures are the lost answers that a test asked for.
        let wrong = |line: &&String| line.contains(&place) && line.contains("error") && !line.contains("FetchError");
        said.iter().filter(wrong).cloned().collect()
    }
}

/// A test that failed with the lock in its hands fails alone.
fn lock(repositories: &Repositories) -> std::sync::MutexGuard<'_, BTreeMap<String, Repository>> {
    repositories.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// A comment as GitHub shows it.
pub fn comment(repository: &str, id: u64, login: &str, kind: &str, body: &str) -> Value {
    let url = format!("https://api.github.com/repos/octo-org/{repository}");
    json!({
        "id": id, "node_id": format!("IC_{repository}_{id}"), "body": body, "user": user(login, kind),
        "url": format!("{url}/issues/comments/{id}"), "issue_url": format!("{url}/issues/7"),
        "html_url": format!("https://github.com/octo-org/{repository}/pull/7#issuecomment-{id}"),
        "created_at": "2026-01-02T03:04:05Z", "updated_at": "2026-01-02T03:04:05Z", "author_association": "NONE",
    })
}

fn user(login: &str, kind: &str) -> Value {
    let url = "https://api.github.com/users/someone";
    let mut user =
        json!({"login": login, "id": 41, "node_id": "U_41", "gravatar_id": "", "type": kind, "site_admin": false});
    for name in [
        "avatar_url",
        "events_url",
        "followers_url",
        "following_url",
        "gists_url",
        "html_url",
        "organizations_url",
        "received_events_url",
        "repos_url",
        "starred_url",
        "subscriptions_url",
        "url",
    ] {
        user[name] = json!(url);
    }
    user
}

pub const BOT: &str = "github-actions[bot]";

fn serve(mut stream: TcpStream, repositories: &Repositories) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream.try_clone()?);
    loop {
        let mut head = String::new();
        if reader.read_line(&mut head)? == 0 {
            return Ok(());
        }
        let mut length = 0;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            if line.trim().is_empty() {
                break;
            }
            if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap_or(0);
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let mut words = head.split(' ');
        let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        // Asked as a proxy, it is told the whole address; an Enterprise server has a path before everything.
        let path = match target.split_once("://") {
            Some((_, rest)) => rest.find('/').map_or("/", |at| &rest[at..]),
            None => target,
        };
        let enterprise = path.starts_with("/api/");
        let path = path.strip_prefix("/api/v3").or_else(|| path.strip_prefix("/api")).unwrap_or(path);
        let asked = Asked {
            method: method.to_owned(),
            path: path.to_owned(),
            body: serde_json::from_slice(&body).unwrap_or(Value::Null),
        };
        match answer(&asked, enterprise, &mut lock(repositories)) {
            Some((status, headers, body)) => {
                let text = if status == 204 { String::new() } else { body.to_string() };
                let kind = if status == 204 { "" } else { "content-type: application/json\r\n" };
                write!(stream, "HTTP/1.1 {status} X\r\n{kind}content-length: {}\r\n{headers}\r\n{text}", text.len())?;
            }
            None => return Ok(()),
        }
    }
}

type Answer = Option<(u16, &'static str, Value)>;

fn answer(asked: &Asked, enterprise: bool, all: &mut BTreeMap<String, Repository>) -> Answer {
    if asked.path == "/graphql" {
        let node = asked.body["variables"]["id"].as_str().unwrap_or_default().to_owned();
        let name = node.split('_').nth(1).unwrap_or_default().to_owned();
        if enterprise {
            all.entry("enterprise-graphql".to_owned()).or_default().asked.push(asked.clone());
        }
        if node.is_empty() {
            return Some((200, "", json!({"data": {"viewer": {"login": BOT}}})));
        }
        all.entry(name).or_default().hidden.push(node);
        return Some((200, "", json!({"data": {"minimizeComment": {"minimizedComment": {"isMinimized": true}}}})));
    }
    let (path, query) = asked.path.split_once('?').unwrap_or((&asked.path, ""));
    let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    let ["repos", "octo-org", name, rest @ ..] = parts.as_slice() else {
        return Some((403, "", json!({"message": "Resource not accessible by integration"})));
    };
    let repository = all.entry((*name).to_owned()).or_default();
    repository.asked.push(asked.clone());
    let fault = repository.faults.as_mut().and_then(|faults| faults(asked));
    match fault {
        Some(Fault::Reply(status, headers, body)) => Some((status, headers, body)),
        Some(Fault::LoseAnswer) => {
            act(name, repository, &asked.method, rest, query, &asked.body);
            None
        }
        Some(Fault::LoseRequest) => None,
        None => Some(act(name, repository, &asked.method, rest, query, &asked.body)),
    }
}

fn act(
    name: &str,
    repository: &mut Repository,
    method: &str,
    path: &[&str],
    query: &str,
    body: &Value,
) -> (u16, &'static str, Value) {
    let missing = (404, "", json!({"message": "Not Found"}));
    let number = |text: &str| text.parse::<u64>().unwrap_or(0);
    let parameter = |wanted: &str| {
        query.split('&').find_map(|pair| pair.split_once('=').filter(|(key, _)| *key == wanted).map(|(_, value)| value))
    };
    match (method, path) {
        ("GET", ["issues", _, "comments"]) => {
            let page = parameter("page").map_or(1, number) as usize;
            let size = parameter("per_page").map_or(30, number) as usize;
            let shown: Vec<Value> = repository.comments.iter().skip((page - 1) * size).take(size).cloned().collect();
            (200, "", json!(shown))
        }
        ("POST", ["issues", _, "comments"]) => {
            let id = 1000 + repository.comments.len() as u64;
            let new = comment(name, id, BOT, "Bot", body["body"].as_str().unwrap());
            repository.comments.push(new.clone());
            (201, "", new)
        }
        (method, ["issues", "comments", id]) => {
            let id = number(id);
            let Some(at) = repository.comments.iter().position(|comment| comment["id"] == id) else { return missing };
            if method == "DELETE" {
                repository.comments.remove(at);
                return (204, "", Value::Null);
            }
            repository.comments[at]["body"] = body["body"].clone();
            (200, "", repository.comments[at].clone())
        }
        ("POST", ["check-runs"]) => {
            let id = 500 + repository.checks.len() as u64;
            let new = check(id, body);
            repository.checks.push(new.clone());
            (201, "", new)
        }
        ("GET", ["commits", sha, "check-runs"]) => {
            let same = |run: &&Value| run["head_sha"] == **sha;
            let runs: Vec<Value> = repository.checks.iter().filter(same).cloned().collect();
            (200, "", json!({"total_count": runs.len(), "check_runs": runs}))
        }
        (method, ["check-runs", id]) => {
            let id = number(id);
            let Some(found) = repository.checks.iter_mut().find(|run| run["id"] == id) else { return missing };
            if method == "PATCH" {
                for key in ["status", "conclusion", "completed_at"] {
                    if let Some(value) = body.get(key) {
                        found[key] = value.clone();
                    }
                }
                let notes = body["output"]["annotations"].as_array().cloned().unwrap_or_default();
                repository.annotations.extend(notes);
                found["output"]["title"] = body["output"]["title"].clone();
                found["output"]["summary"] = body["output"]["summary"].clone();
                found["output"]["annotations_count"] = json!(repository.annotations.len());
            }
            (200, "", found.clone())
        }
        ("POST", ["statuses", sha]) => {
            let url = format!("https://api.github.com/repos/octo-org/{name}/statuses/{sha}");
            let new = json!({
                "url": url, "avatar_url": url, "id": repository.statuses.len(), "node_id": "S", "state": body["state"],
                "description": body["description"], "target_url": body["target_url"], "context": body["context"],
                "created_at": "2026-01-02T03:04:05Z", "updated_at": "2026-01-02T03:04:05Z", "creator": user(BOT, "Bot"),
            });
            repository.statuses.push(new.clone());
            (201, "", new)
        }
        ("GET", ["deployments"]) => (200, "", json!(repository.deployments)),
        ("POST", ["deployments"]) => {
            let id = 70 + repository.deployments.len();
            let url = format!("https://api.github.com/repos/octo-org/{name}/deployments/{id}");
            let new = json!({
                "url": url, "id": id, "node_id": "D", "sha": body["ref"], "ref": body["ref"], "task": "deploy",
                "payload": body["payload"], "environment": body["environment"], "description": body["description"],
                "creator": user(BOT, "Bot"), "created_at": "2026-01-02T03:04:05Z", "updated_at": "2026-01-02T03:04:05Z",
                "statuses_url": format!("{url}/statuses"), "repository_url": "https://api.github.com/repos/o/r",
            });
            repository.deployments.push(new.clone());
            (201, "", new)
        }
        ("POST", ["deployments", id, "statuses"]) => {
            let url = format!("https://api.github.com/repos/octo-org/{name}/deployments/{id}");
            let new = json!({
                "url": url, "id": repository.deployment_statuses.len(), "node_id": "DS", "state": body["state"],
                "creator": user(BOT, "Bot"), "description": body["description"], "deployment_url": url,
                "target_url": url, "repository_url": "https://api.github.com/repos/o/r",
                "created_at": "2026-01-02T03:04:05Z", "updated_at": "2026-01-02T03:04:05Z",
            });
            repository.deployment_statuses.push(new.clone());
            (201, "", new)
        }
        _ => missing,
    }
}

fn check(id: u64, body: &Value) -> Value {
    let url = format!("https://api.github.com/repos/o/r/check-runs/{id}");
    let or = |key: &str, default: Value| body.get(key).cloned().unwrap_or(default);
    json!({
        "id": id, "node_id": "CR", "head_sha": body["head_sha"], "name": body["name"], "url": url, "html_url": url,
        "details_url": or("details_url", Value::Null), "status": or("status", json!("queued")), "conclusion": Value::Null,
        "started_at": or("started_at", Value::Null), "completed_at": Value::Null,
        "external_id": or("external_id", Value::Null), "check_suite": {"id": 5}, "app": Value::Null, "pull_requests": [],
        "output": {"title": body["output"]["title"], "summary": body["output"]["summary"], "text": Value::Null,
            "annotations_count": 0, "annotations_url": format!("{url}/annotations")},
    })
}
