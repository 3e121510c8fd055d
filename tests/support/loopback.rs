//! A small HTTP server on this machine whose replies a test writes: for receivers of notices and for flag services. It keeps
//! what it was asked.
#![expect(dead_code, reason = "a part of test binaries, each of which uses a part of it")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::Value;

/// One request.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: String,
    pub path: String,
    pub headers: BTreeMap<String, String>,
    pub body: String,
}

impl Request {
    /// The body as JSON; null where it is none.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }

    /// A header, by its name in small letters.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

/// What is answered.
#[derive(Clone, Debug)]
pub enum Reply {
    /// Status, header lines that end with CRLF, body.
    Answer(u16, String, String),
    /// Nothing, until the client goes.
    Silence,
    /// The connection is closed.
    Cut,
}

/// An answer of this status with a JSON body.
pub fn answer(status: u16, body: &Value) -> Reply {
    Reply::Answer(status, "content-type: application/json\r\n".to_owned(), body.to_string())
}

type Script = dyn Fn(&Request) -> Reply + Send + Sync;

/// A running server.
pub struct Loopback {
    pub base: String,
    asked: Arc<Mutex<Vec<Request>>>,
}

impl Loopback {
    pub fn start(script: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let asked: Arc<Mutex<Vec<Request>>> = Arc::default();
        let (seen, script): (_, Arc<Script>) = (Arc::clone(&asked), Arc::new(script));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (seen, script) = (Arc::clone(&seen), Arc::clone(&script));
                // A client that goes away is the test's own affair.
                std::thread::spawn(move || drop(serve(stream, &seen, &*script)));
            }
        });
        Self { base, asked }
    }

    /// What it was asked, so far.
    pub fn asked(&self) -> Vec<Request> {
        self.asked.lock().unwrap().clone()
    }
}

fn serve(stream: TcpStream, asked: &Mutex<Vec<Request>>, script: &Script) -> std::io::Result<()> {
    let mut writer = stream.try_clone()?;
    let mut reader = BufReader::new(stream);
    while let Some(request) = read(&mut reader)? {
        asked.lock().unwrap().push(request.clone());
        match script(&request) {
            Reply::Cut => return Ok(()),
            Reply::Silence => {
                // Ends when the client closes.
                reader.read_to_end(&mut Vec::new())?;
                return Ok(());
            }
            Reply::Answer(status, headers, body) => {
                let head = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n{headers}\r\n", body.len());
                writer.write_all(format!("{head}{body}").as_bytes())?;
            }
        }
    }
    Ok(())
}

fn read(reader: &mut BufReader<TcpStream>) -> std::io::Result<Option<Request>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace().map(str::to_owned);
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.insert(name.to_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok(Some(Request { method, path, headers, body: String::from_utf8(body).unwrap_or_default() }))
}
