//! HTTP/1.1 as far as API clients use it: one thread a connection, keep-alive, chunked watches.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use serde_json::json;

use super::faults::{Call, Fault, When};
use super::reply::{Body, Reply};
use super::{Shared, api, list};

/// A call as it came in.
pub struct Request {
    pub method: String,
    pub path: String,
    pub query: Vec<(String, String)>,
    pub content_type: String,
    pub token: Option<String>,
    pub user_agent: String,
    pub body: Vec<u8>,
}

impl Request {
    /// A parameter of the query.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// Takes connections for ever.
pub fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for stream in listener.incoming().flatten() {
        let shared = Arc::clone(shared);
        std::thread::spawn(move || drop(serve(stream, &shared)));
    }
}

fn serve(mut stream: TcpStream, shared: &Shared) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream.try_clone()?);
    while let Some((request, raw_query)) = read(&mut reader)? {
        let (number, writes, fault) = note(shared, &request, &raw_query);
        match &fault {
            Some(Fault::Close) => return Ok(()),
            Some(Fault::Status(status, reason)) => {
                let reply = Reply::refusal(*status, reason, "made by the test", json!({}));
                finish(shared, number, *status);
                send(&mut stream, shared, &reply)?;
                continue;
            }
            Some(Fault::CloseAfter | Fault::Delay(_)) | None => {}
        }
        let watch = matches!(request.parameter("watch"), Some("1" | "true"));
        let reply = api::answer(shared, &request);
        finish(shared, number, reply.status);
        run_hooks(shared, |when| match when {
            When::BeforeAnswer(n) => n == number,
            When::BeforeAnswerOfWrite(n) => writes == Some(n),
            When::AfterAnswer(_) | When::AfterAnswerOfWrite(_) => false,
        });
        match fault {
            Some(Fault::CloseAfter) => return Ok(()),
            Some(Fault::Delay(time)) => {
                let (_keep, wait) = std::sync::mpsc::channel::<()>();
                let _late = wait.recv_timeout(time);
            }
            Some(Fault::Close | Fault::Status(..)) | None => {}
        }
        if watch && reply.status == 200 {
            return follow(&mut stream, shared, &request);
        }
        send(&mut stream, shared, &reply)?;
        run_hooks(shared, |when| match when {
            When::AfterAnswer(n) => n == number,
            When::AfterAnswerOfWrite(n) => writes == Some(n),
            When::BeforeAnswer(_) | When::BeforeAnswerOfWrite(_) => false,
        });
    }
    Ok(())
}

fn note(shared: &Shared, request: &Request, query: &str) -> (usize, Option<usize>, Option<Fault>) {
    let mut world = shared.world();
    let call = Call {
        number: world.calls.len() + 1,
        method: request.method.clone(),
        path: request.path.clone(),
        query: query.to_owned(),
        content_type: request.content_type.clone(),
        body: String::from_utf8_lossy(&request.body).into_owned(),
        time: world.now_millis(),
        status: 0,
    };
    let number = call.number;
    let writes = call.writes().then(|| world.calls.iter().filter(|call| call.writes()).count() + 1);
    let line = format!("{} {}", call.method, call.path);
    world.calls.push(call);
    let at = world.faults.iter().position(|(what, _)| line.starts_with(what.as_str()));
    let fault = at.and_then(|at| world.faults.remove(at)).map(|(_, fault)| fault);
    (number, writes, fault)
}

fn finish(shared: &Shared, number: usize, status: u16) {
    shared.world().calls[number - 1].status = status;
}

fn run_hooks(shared: &Shared, due: impl Fn(When) -> bool) {
    let mut ready = Vec::new();
    for hook in &mut shared.world().hooks {
        if due(hook.when) {
            ready.extend(hook.what.take());
        }
    }
    for what in ready {
        what();
    }
}

fn read(reader: &mut BufReader<TcpStream>) -> std::io::Result<Option<(Request, String)>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace();
    let (method, target) = (words.next().unwrap_or_default().to_owned(), words.next().unwrap_or_default().to_owned());
    let (mut length, mut chunked) = (0, false);
    let (mut content_type, mut token, mut user_agent) = (String::new(), None, String::new());
    loop {
        let mut header = String::new();
        reader.read_line(&mut header)?;
        let Some((name, value)) = header.trim_end().split_once(':') else { break };
        let value = value.trim();
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.parse().unwrap_or(0),
            "transfer-encoding" => chunked = value.eq_ignore_ascii_case("chunked"),
            "content-type" => content_type = value.split(';').next().unwrap_or_default().to_owned(),
            "authorization" => token = value.strip_prefix("Bearer ").map(str::to_owned),
            "user-agent" => user_agent = value.to_owned(),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    while chunked {
        let mut size = String::new();
        reader.read_line(&mut size)?;
        let size = usize::from_str_radix(size.trim(), 16).unwrap_or(0);
        let mut part = vec![0; size + 2];
        reader.read_exact(&mut part)?;
        body.extend_from_slice(&part[..size]);
        chunked = size > 0;
    }
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let pairs = query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decoded(key), decoded(value))
    });
    let request =
        Request { method, path: decoded(path), query: pairs.collect(), content_type, token, user_agent, body };
    Ok(Some((request, query.to_owned())))
}

fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let (mut out, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        let hex = (bytes[at] == b'%').then(|| text.get(at + 1..at + 3)).flatten();
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(if bytes[at] == b'+' { b' ' } else { bytes[at] });
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn head(shared: &Shared, status: u16, kind: &str) -> String {
    let world = shared.world();
    let millis = u64::try_from(world.now_millis() + world.skew * 1000).unwrap_or(0);
    let date = httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + Duration::from_millis(millis));
    format!("HTTP/1.1 {status} X\r\nCache-Control: no-cache, private\r\nContent-Type: {kind}\r\nDate: {date}\r\n")
}

fn send(stream: &mut TcpStream, shared: &Shared, reply: &Reply) -> std::io::Result<()> {
    let (kind, text) = match &reply.body {
        Body::Json(value) => ("application/json", value.to_string()),
        Body::Text(text) => ("text/plain; charset=utf-8", text.clone()),
    };
    let mut out = head(shared, reply.status, kind);
    for warning in &reply.warnings {
        out.push_str(&format!("Warning: 299 - \"{}\"\r\n", warning.replace('"', "\\\"")));
    }
    out.push_str(&format!("Content-Length: {}\r\n\r\n{text}", text.len()));
    stream.write_all(out.as_bytes())
}

fn follow(stream: &mut TcpStream, shared: &Shared, request: &Request) -> std::io::Result<()> {
    let start = head(shared, 200, "application/json");
    stream.write_all(format!("{start}Transfer-Encoding: chunked\r\n\r\n").as_bytes())?;
    let seconds = request.parameter("timeoutSeconds").and_then(|text| text.parse().ok()).unwrap_or(600);
    let end = Instant::now() + Duration::from_secs(seconds);
    let mut seen = request.parameter("resourceVersion").and_then(|text| text.parse().ok()).unwrap_or(0);
    let mut first = true;
    loop {
        let mut world = shared.world();
        let lines = list::news(&world, request, &mut seen, first);
        first = false;
        if lines.is_empty() {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            world = shared.changed.wait_timeout(world, left).unwrap().0;
            drop(world);
            continue;
        }
        drop(world);
        for line in lines {
            let line = format!("{line}\n");
            stream.write_all(format!("{:x}\r\n{line}\r\n", line.len()).as_bytes())?;
        }
    }
    stream.write_all(b"0\r\n\r\n")
}
