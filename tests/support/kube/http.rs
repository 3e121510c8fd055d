//! HTTP/1.1 by hand: requests in, replies and watches out.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::Shared;
use super::api::{self, Answer};
use super::reply::{Reply, failure};
use super::world::{Call, Fault};

/// A request.
#[derive(Clone, Debug, Default)]
pub struct Request {
    pub method: String,
    pub path: String,
    pub query: BTreeMap<String, String>,
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

/// Answers one connection's requests until it is closed.
pub async fn serve(mut stream: TcpStream, shared: Arc<Shared>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = Vec::with_capacity(8192);
    while let Some((request, target)) = next(&mut stream, &mut buffer).await? {
        let (number, fault) = {
            let mut world = shared.world.lock().unwrap();
            let number = world.calls.len() + 1;
            world.calls.push(Call {
                number,
                method: request.method.clone(),
                path: target.clone(),
                body: String::from_utf8_lossy(&request.body).into_owned(),
                at: std::time::Instant::now(),
                status: 0,
            });
            let at = world.faults.iter().position(|waiting| {
                (waiting.method.is_empty() || waiting.method == request.method) && target.contains(&waiting.path)
            });
            (number, at.and_then(|at| world.faults.remove(at)).map(|waiting| waiting.fault))
        };
        let answer = match fault {
            Some(Fault::Close) => return Ok(()),
            Some(Fault::Status(code, reason, wait)) => {
                let mut reply = failure(code, reason, "scripted by the test", None);
                reply.headers.extend(wait.map(|seconds| ("Retry-After", seconds.to_string())));
                Answer::Reply(reply)
            }
            _ => api::answer(&mut shared.world.lock().unwrap(), &request),
        };
        shared.changed.send_modify(|count| *count += 1);
        let hooks = {
            let mut world = shared.world.lock().unwrap();
            if let Answer::Reply(reply) = &answer {
                world.calls[number - 1].status = reply.status;
            }
            (world.before_answer.remove(&number), world.after_answer.remove(&number))
        };
        if let Some(hook) = hooks.0 {
            hook();
        }
        match fault {
            Some(Fault::CloseAfter) => return Ok(()),
            Some(Fault::Delay(time)) => tokio::time::sleep(time).await,
            _ => {}
        }
        let done = match answer {
            Answer::Reply(reply) => {
                let head = head(&shared, &reply, &format!("Content-Length: {}\r\n", reply.body.len()));
                let mut bytes = head.into_bytes();
                bytes.extend(&reply.body);
                stream.write_all(&bytes).await
            }
            Answer::Watch(mut watch) => {
                let reply = Reply { status: 200, headers: Vec::new(), kind: "application/json", body: Vec::new() };
                stream.write_all(head(&shared, &reply, "Transfer-Encoding: chunked\r\n").as_bytes()).await?;
                let mut changed = shared.changed.subscribe();
                let end = tokio::time::Instant::now() + watch.time;
                loop {
                    let lines = api::events(&shared.world.lock().unwrap(), &mut watch);
                    for line in lines {
                        stream.write_all(format!("{:x}\r\n{line}\r\n", line.len()).as_bytes()).await?;
                    }
                    tokio::select! {
                        _ = changed.changed() => {}
                        () = tokio::time::sleep_until(end) => break,
                        read = stream.read_buf(&mut buffer) => if read? == 0 { return Ok(()) },
                    }
                }
                stream.write_all(b"0\r\n\r\n").await
            }
        };
        if let Some(hook) = hooks.1 {
            hook();
        }
        done?;
    }
    Ok(())
}

fn head(shared: &Shared, reply: &Reply, length: &str) -> String {
    const DATE: &[time::format_description::BorrowedFormatItem<'_>] = time::macros::format_description!(
        "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT"
    );
    let date = shared.world.lock().unwrap().store.now().format(DATE).unwrap();
    let more: String = reply.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    format!(
        "HTTP/1.1 {} {}\r\nCache-Control: no-cache, private\r\nContent-Type: {}\r\n{more}Date: {date}\r\n{length}\r\n",
        reply.status,
        phrase(reply.status),
        reply.kind,
    )
}

fn phrase(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        409 => "Conflict",
        415 => "Unsupported Media Type",
        422 => "Unprocessable Entity",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        503 => "Service Unavailable",
        _ => "Other",
    }
}

async fn next(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> io::Result<Option<(Request, String)>> {
    loop {
        if let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&buffer[..end]).into_owned();
            let mut lines = head.lines();
            let first = lines.next().unwrap_or_default();
            let mut words = first.split(' ');
            let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
            let headers: BTreeMap<String, String> = lines
                .filter_map(|line| line.split_once(':'))
                .map(|(name, value)| (name.to_lowercase(), value.trim().to_owned()))
                .collect();
            let length = headers.get("content-length").and_then(|text| text.parse::<usize>().ok()).unwrap_or(0);
            let total = end + 4 + length;
            if buffer.len() >= total {
                let (path, query) = target.split_once('?').unwrap_or((target, ""));
                let query = query
                    .split('&')
                    .filter(|part| !part.is_empty())
                    .map(|part| part.split_once('=').unwrap_or((part, "")))
                    .map(|(name, value)| (decoded(name), decoded(value)))
                    .collect();
                let request = Request {
                    method: method.to_owned(),
                    path: decoded(path),
                    query,
                    headers,
                    body: buffer[end + 4..total].to_vec(),
                };
                let target = target.to_owned();
                buffer.drain(..total);
                return Ok(Some((request, target)));
            }
        }
        if stream.read_buf(buffer).await? == 0 {
            return Ok(None);
        }
    }
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'+' => bytes.push(b' '),
            b'%' => {
                let digits: String = rest.by_ref().take(2).map(char::from).collect();
                bytes.push(u8::from_str_radix(&digits, 16).unwrap_or(b'?'));
            }
            _ => bytes.push(byte),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
