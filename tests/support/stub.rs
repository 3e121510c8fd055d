//! A small HTTP server that stands in for a model's endpoint: the peer of the tests and of the benchmark. It speaks enough
//! of HTTP/1.1 and of OpenAI's protocol, counts what it is asked, and misbehaves by script.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What the server does with one request.
#[derive(Clone, Debug)]
pub enum Act {
    /// Answers with the prompt's last word, after a delay.
    Echo(Duration),
    /// Sends these bytes as the whole reply.
    Raw(Vec<u8>),
    /// Sends these bytes and closes the connection.
    Cut(Vec<u8>),
    /// Never answers.
    Silent,
    /// Sends one byte of a reply every so often.
    Drip(Duration),
}

/// A reply of this status and body.
pub fn reply(status: u16, headers: &str, body: &str) -> Act {
    let text = format!(
        "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\n{headers}\r\n{body}",
        body.len()
    );
    Act::Raw(text.into_bytes())
}

/// A chat reply with this text.
pub fn chat(text: &str) -> Act {
    let body = serde_json::json!({
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 5, "completion_tokens": 2},
    });
    reply(200, "", &body.to_string())
}

type Script = dyn Fn(usize, &str) -> Act + Send + Sync;

/// A running server.
pub struct Stub {
    /// `http://127.0.0.1:PORT/v1`.
    pub base: String,
    asked: Arc<AtomicUsize>,
    bodies: Arc<Mutex<BTreeMap<String, usize>>>,
}

impl Stub {
    /// Starts a server on the running runtime; `script` is given the request's number and body.
    pub async fn start(script: impl Fn(usize, &str) -> Act + Send + Sync + 'static) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let base = format!("http://{}/v1", listener.local_addr()?);
        let stub = Self { base, asked: Arc::default(), bodies: Arc::default() };
        let (asked, bodies, script): (_, _, Arc<Script>) =
            (Arc::clone(&stub.asked), Arc::clone(&stub.bodies), Arc::new(script));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (asked, bodies, script) = (Arc::clone(&asked), Arc::clone(&bodies), Arc::clone(&script));
                tokio::spawn(async move {
                    // A client that goes away is the test's own affair.
                    let _ = serve(stream, &asked, &bodies, &*script).await;
                });
            }
        });
        Ok(stub)
    }

    /// Requests so far.
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    /// How often each distinct body came.
    pub fn bodies(&self) -> BTreeMap<String, usize> {
        self.bodies.lock().map(|bodies| bodies.clone()).unwrap_or_default()
    }
}

async fn serve(
    mut stream: TcpStream,
    asked: &AtomicUsize,
    bodies: &Mutex<BTreeMap<String, usize>>,
    script: &Script,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = Vec::with_capacity(4096);
    loop {
        let Some(body) = next_request(&mut stream, &mut buffer).await? else { return Ok(()) };
        let number = asked.fetch_add(1, Ordering::SeqCst);
        if let Ok(mut bodies) = bodies.lock() {
            *bodies.entry(body.clone()).or_default() += 1;
        }
        match script(number, &body) {
            Act::Echo(delay) => {
                if !delay.is_zero() {
                    tokio::time::sleep(delay).await;
                }
                if let Act::Raw(bytes) = chat(&last_word(&body)) {
                    stream.write_all(&bytes).await?;
                }
            }
            Act::Raw(bytes) => stream.write_all(&bytes).await?,
            Act::Cut(bytes) => {
                stream.write_all(&bytes).await?;
                return Ok(());
            }
            Act::Silent => std::future::pending().await,
            Act::Drip(pause) => loop {
                stream.write_all(b"H").await?;
                tokio::time::sleep(pause).await;
            },
        }
    }
}

/// The body of the next request; none when the client closed the connection.
async fn next_request(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> io::Result<Option<String>> {
    loop {
        if let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&buffer[..end]).to_lowercase();
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length:"))
                .and_then(|text| text.trim().parse::<usize>().ok());
            let total = end + 4 + length.unwrap_or(0);
            if buffer.len() >= total {
                let body = String::from_utf8_lossy(&buffer[end + 4..total]).into_owned();
                buffer.drain(..total);
                return Ok(Some(body));
            }
        }
        if stream.read_buf(buffer).await? == 0 {
            return Ok(None);
        }
    }
}

fn last_word(body: &str) -> String {
    let value: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
    let text = value["messages"]
        .as_array()
        .and_then(|messages| messages.last())
        .and_then(|message| message["content"].as_str());
    let text = text.or_else(|| value["prompt"].as_str()).unwrap_or_default();
    text.split_whitespace().last().unwrap_or_default().to_owned()
}
