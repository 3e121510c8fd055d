//! A GitLab that keeps notes and statuses, and is strict with who asks: path, token, form and known fields. It is our own
//! work after GitLab's documentation (`api/notes`, `api/commits`, `api/users`, `api/rest`), and no real server.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

/// The token that may write.
pub const TOKEN: &str = "glpat-of-the-bot-000000";
/// The bot's own user.
pub const BOT: u64 = 77;
/// Where the API is: a server of one's own may have a path before it.
pub const PREFIX: &str = "/gitlab/api/v4/";

/// What is done instead of, or beside, what was asked.
#[derive(Clone, Debug)]
pub enum Fault {
    /// Answers so, and does nothing.
    Status(u16, &'static str, &'static str),
    /// Does it, and closes the connection without an answer.
    DoneAndCut,
    /// Does nothing, and closes the connection.
    Cut,
    /// Does it; then another writer, who had read before, puts back what was there.
    Overwritten,
}

/// A note.
#[derive(Clone, Debug)]
pub struct Note {
    pub id: u64,
    pub author: u64,
    pub body: String,
    pub system: bool,
}

/// What the server knows.
#[derive(Default)]
pub struct State {
    pub notes: Vec<Note>,
    pub statuses: Vec<BTreeMap<String, String>>,
    /// Each with its states, in order.
    pub deployments: Vec<(BTreeMap<String, String>, Vec<String>)>,
    /// `METHOD path`, in order.
    pub asked: Vec<String>,
    /// What a request had wrong: no test may leave one.
    pub wrong: Vec<String>,
    /// Quick actions that were run.
    pub acted: Vec<String>,
    /// Faults, by the beginning of `METHOD path`, each once.
    pub faults: Vec<(&'static str, Fault)>,
    /// Notes that the token may not see: counted, and left out of their page.
    pub unseen: Vec<u64>,
    next: u64,
}

impl State {
    pub fn add(&mut self, author: u64, body: &str) -> u64 {
        self.next += 1;
        let id = 1000 + self.next;
        self.notes.push(Note { id, author, body: body.to_owned(), system: false });
        id
    }

    pub fn ours(&self) -> Vec<&Note> {
        self.notes.iter().filter(|note| note.author == BOT).collect()
    }

    pub fn count(&self, beginning: &str) -> usize {
        self.asked.iter().filter(|line| line.starts_with(beginning)).count()
    }
}

/// A running server.
pub struct GitLab {
    pub port: u16,
    pub state: Arc<Mutex<State>>,
}

impl GitLab {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let state: Arc<Mutex<State>> = Arc::default();
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || serve(stream, &shared));
            }
        });
        Self { port, state }
    }

    pub fn base(&self) -> String {
        format!("http://127.0.0.1:{}{}", self.port, PREFIX.trim_end_matches('/'))
    }
}

struct Request {
    method: String,
    path: String,
    query: BTreeMap<String, String>,
    headers: BTreeMap<String, String>,
    form: BTreeMap<String, String>,
}

fn serve(stream: TcpStream, state: &Mutex<State>) {
    let mut writer = stream.try_clone().unwrap();
    let mut reader = BufReader::new(stream);
    while let Some(request) = read(&mut reader) {
        let (answer, cut) = answer(&request, &mut state.lock().unwrap());
        if cut {
            return;
        }
        // A client that went away is the test's own affair.
        let _ = writer.write_all(answer.as_bytes());
    }
}

fn read(reader: &mut BufReader<TcpStream>) -> Option<Request> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
    let mut words = line.split_whitespace();
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim().split_once(':') else { break };
        headers.insert(name.to_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    // What goes through a proxy names the server that it is for.
    let target = target.strip_prefix("http://gitlab.internal").map_or_else(|| target.clone(), str::to_owned);
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    Some(Request {
        method,
        path: path.to_owned(),
        query: pairs(query),
        form: pairs(&String::from_utf8(body).unwrap_or_default()),
        headers,
    })
}

fn pairs(text: &str) -> BTreeMap<String, String> {
    let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (decoded(name), decoded(value))).collect()
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'+' => bytes.push(b' '),
            b'%' => {
                let digits: String = rest.by_ref().take(2).map(char::from).collect();
                bytes.push(u8::from_str_radix(&digits, 16).unwrap());
            }
            other => bytes.push(other),
        }
    }
    String::from_utf8(bytes).unwrap()
}

fn reply(status: u16, headers: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\n{headers}\r\n{body}",
        body.len()
    )
}

fn answer(request: &Request, state: &mut State) -> (String, bool) {
    let Some(path) = request.path.strip_prefix(PREFIX) else {
        state.wrong.push(format!("{} {}: not below {PREFIX}", request.method, request.path));
        return (reply(404, "", "{\"error\":\"404 Not Found\"}"), false);
    };
    let line = format!("{} {path}", request.method);
    state.asked.push(line.clone());
    let wrong = problems(request, path);
    state.wrong.extend(wrong.iter().map(|problem| format!("{line}: {problem}")));
    if request.headers.get("private-token").map(String::as_str) != Some(TOKEN) {
        return (reply(401, "", "{\"message\":\"401 Unauthorized\"}"), false);
    }
    let fault = state.faults.iter().position(|(beginning, _)| line.starts_with(beginning));
    match fault.map(|index| state.faults.remove(index).1) {
        Some(Fault::Status(status, headers, body)) => (reply(status, headers, body), false),
        Some(Fault::Cut) => (String::new(), true),
        Some(Fault::Overwritten) => {
            let before = state.notes.clone();
            let answer = done(request, path, state);
            state.notes = before;
            (answer, false)
        }
        Some(Fault::DoneAndCut) => (done(request, path, state), true),
        None => (done(request, path, state), false),
    }
}

/// What GitLab's documentation does not know of a request.
fn problems(request: &Request, path: &str) -> Vec<String> {
    let mut problems = Vec::new();
    if request.headers.contains_key("job-token") || request.headers.contains_key("authorization") {
        problems.push("a second token".to_owned());
    }
    let parts: Vec<&str> = path.split('/').collect();
    let (query, form): (&[&str], &[&str]) = match (request.method.as_str(), parts.as_slice()) {
        ("GET", ["user"]) => (&[], &[]),
        ("GET", ["projects", "12", "merge_requests", "5", "notes"]) => (&["sort", "order_by", "per_page", "page"], &[]),
        ("POST", ["projects", "12", "merge_requests", "5", "notes"]) => (&[], &["body"]),
        ("PUT", ["projects", "12", "merge_requests", "5", "notes", _]) => (&[], &["body"]),
        ("DELETE", ["projects", "12", "merge_requests", "5", "notes", _]) => (&[], &[]),
        ("POST", ["projects", "12", "statuses", _]) => {
            (&[], &["state", "name", "description", "target_url", "pipeline_id"])
        }
        ("POST", ["projects", "12", "deployments"]) => (&[], &["environment", "sha", "ref", "tag", "status"]),
        ("PUT", ["projects", "12", "deployments", _]) => (&[], &["status"]),
        _ => {
            problems.push("an endpoint that is not known".to_owned());
            (&[], &[])
        }
    };
    problems.extend(
        request.query.keys().filter(|name| !query.contains(&name.as_str())).map(|name| format!("query {name}")),
    );
    problems
        .extend(request.form.keys().filter(|name| !form.contains(&name.as_str())).map(|name| format!("field {name}")));
    let is_form = request.headers.get("content-type").map(String::as_str) == Some("application/x-www-form-urlencoded");
    if ["POST", "PUT"].contains(&request.method.as_str()) && !is_form {
        problems.push("no form".to_owned());
    }
    let useless = |body: &String| body.trim().is_empty() || body.chars().count() > 1_000_000;
    if request.form.get("body").is_some_and(useless) {
        problems.push("an empty or too long body".to_owned());
    }
    for (name, most) in [("description", 255), ("target_url", 255), ("name", 255)] {
        if request.form.get(name).is_some_and(|value| value.is_empty() || value.len() > most) {
            problems.push(format!("{name} is empty or too long"));
        }
    }
    problems
}

fn done(request: &Request, path: &str, state: &mut State) -> String {
    let parts: Vec<&str> = path.split('/').collect();
    let body = request.form.get("body").cloned().unwrap_or_default();
    let id = |text: &str| text.parse::<u64>().unwrap_or_default();
    match (request.method.as_str(), parts.as_slice()) {
        ("GET", ["user"]) => {
            reply(200, "", &json!({"id": BOT, "username": "project_12_bot", "name": "llmci"}).to_string())
        }
        ("GET", [.., "notes"]) => page(request, state),
        ("POST", [.., "notes"]) => {
            act(&body, state);
            let id = state.add(BOT, &body);
            reply(201, "", &json!({"id": id, "body": body, "author": {"id": BOT}, "system": false}).to_string())
        }
        ("PUT", [.., "notes", note]) => {
            act(&body, state);
            match state.notes.iter_mut().find(|known| known.id == id(note) && known.author == BOT) {
                Some(known) => {
                    known.body = body;
                    reply(200, "", &json!({"id": known.id, "body": known.body, "author": {"id": BOT}}).to_string())
                }
                None => reply(404, "", "{\"message\":\"404 Not found\"}"),
            }
        }
        ("DELETE", [.., "notes", note]) => {
            let before = state.notes.len();
            state.notes.retain(|known| known.id != id(note) || known.author != BOT);
            if state.notes.len() < before {
                reply(204, "", "")
            } else {
                reply(404, "", "{\"message\":\"404 Not found\"}")
            }
        }
        ("POST", ["projects", _, "statuses", sha]) => status(request, sha, state),
        ("POST", ["projects", _, "deployments"]) => {
            let fields = &request.form;
            let has = |name: &str| fields.get(name).is_some_and(|value| !value.is_empty());
            if !["environment", "sha", "ref", "tag", "status"].into_iter().all(has) {
                return reply(400, "", "{\"error\":\"a field is missing\"}");
            }
            state.deployments.push((fields.clone(), vec![fields["status"].clone()]));
            let id = 40 + state.deployments.len();
            reply(201, "", &json!({"id": id, "iid": 1, "status": fields["status"]}).to_string())
        }
        ("PUT", ["projects", _, "deployments", number]) => {
            let wanted = request.form.get("status").cloned().unwrap_or_default();
            if !["running", "success", "failed", "canceled"].contains(&wanted.as_str()) {
                return reply(400, "", "{\"error\":\"status does not have a valid value\"}");
            }
            let index = usize::try_from(id(number)).unwrap().wrapping_sub(41);
            match state.deployments.get_mut(index) {
                Some((_, states)) if states.last() == Some(&wanted) => {
                    reply(400, "", "{\"message\":\"Cannot transition status\"}")
                }
                Some((_, states)) => {
                    states.push(wanted.clone());
                    reply(200, "", &json!({"id": id(number), "status": wanted}).to_string())
                }
                None => reply(404, "", "{\"message\":\"404 Not found\"}"),
            }
        }
        _ => reply(404, "", "{\"error\":\"404 Not Found\"}"),
    }
}

/// The oldest first or the newest first; what may not be seen is taken out only after the page was cut.
fn page(request: &Request, state: &State) -> String {
    let number =
        |name: &str, default: usize| request.query.get(name).and_then(|text| text.parse().ok()).unwrap_or(default);
    let (page, size) = (number("page", 1), number("per_page", 20).min(100));
    let mut notes: Vec<&Note> = state.notes.iter().collect();
    if request.query.get("sort").map(String::as_str) != Some("asc") {
        notes.reverse();
    }
    let shown: Vec<Value> = notes
        .iter()
        .skip((page - 1) * size)
        .take(size)
        .filter(|note| !state.unseen.contains(&note.id))
        .map(|note| json!({"id": note.id, "body": note.body, "author": {"id": note.author}, "system": note.system}))
        .collect();
    let next = if page * size < notes.len() { (page + 1).to_string() } else { String::new() };
    reply(200, &format!("x-page: {page}\r\nx-next-page: {next}\r\n"), &json!(shown).to_string())
}

fn status(request: &Request, sha: &str, state: &mut State) -> String {
    let mut fields = request.form.clone();
    fields.insert("sha".to_owned(), sha.to_owned());
    let wanted = fields.get("state").cloned().unwrap_or_default();
    let same = |known: &&BTreeMap<String, String>| {
        known.get("name") == fields.get("name") && known.get("sha") == fields.get("sha")
    };
    if let Some(known) = state.statuses.iter().find(same) {
        let from = &known["state"];
        let body = format!(
            "{{\"message\":\"Cannot transition status via :{wanted} from :{from} (Reason(s): Status cannot transition)\"}}"
        );
        return reply(400, "", &body);
    }
    state.statuses.push(fields);
    reply(201, "", &json!({"id": 1, "status": wanted}).to_string())
}

/// Quick actions as both of GitLab's readers find them: a line that begins with a slash once CR is gone.
fn act(body: &str, state: &mut State) {
    let body = body.replace('\r', "");
    let lines = body.lines().filter(|line| line.starts_with('/'));
    state.acted.extend(lines.map(str::to_owned));
}
