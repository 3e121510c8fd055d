//! A synthetic exporter: series that a test sets by hand, in Prometheus' text format, and a real Prometheus that scrapes it
//! once a second.

use std::collections::BTreeMap;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Series by name and labels, such as `up{a="b"}`.
type Series = Arc<Mutex<BTreeMap<String, String>>>;

/// Targets by their job. Clones share their series.
#[derive(Clone)]
pub struct Exporter {
    pub address: String,
    series: Series,
    down: Arc<Mutex<bool>>,
}

impl Exporter {
    /// Starts on a free port of the running runtime.
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let exporter = Self { address, series: Series::default(), down: Arc::default() };
        let (series, down) = (Arc::clone(&exporter.series), Arc::clone(&exporter.down));
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (series, down) = (Arc::clone(&series), Arc::clone(&down));
                tokio::spawn(async move {
                    let mut head = [0; 4096];
                    if stream.read(&mut head).await.unwrap_or(0) == 0 || *down.lock().unwrap() {
                        return;
                    }
                    let body: String =
                        series.lock().unwrap().iter().map(|(name, value)| format!("{name} {value}\n")).collect();
                    let reply = format!(
                        "HTTP/1.1 200 OK\r\ncontent-type: text/plain; version=0.0.4\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                        body.len()
                    );
                    let _ = stream.write_all(reply.as_bytes()).await;
                });
            }
        });
        exporter
    }

    /// Sets a series.
    pub fn set(&self, name: &str, value: impl ToString) {
        self.series.lock().unwrap().insert(name.to_owned(), value.to_string());
    }

    /// Takes a series away.
    pub fn remove(&self, name: &str) {
        self.series.lock().unwrap().remove(name);
    }

    /// Whether scrapes fail from now on.
    pub fn down(&self, down: bool) {
        *self.down.lock().unwrap() = down;
    }
}

/// Prometheus of its own data folder; it ends with this value.
pub struct Server {
    child: Child,
    pub url: String,
    _folder: tempfile::TempDir,
}

/// The program, or a reason why there is none. In CI a missing one fails.
pub fn program() -> Option<PathBuf> {
    let named = std::env::var_os("LLMCI_PROMETHEUS").map(PathBuf::from);
    let found = named.or_else(|| {
        let path = std::env::var_os("PATH")?;
        std::env::split_paths(&path).map(|folder| folder.join("prometheus")).find(|path| path.is_file())
    });
    if found.is_none() {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "Prometheus is missing: see scripts/deliver-tools");
        println!(
            "left out: there is no Prometheus; scripts/deliver-tools installs it and names it in LLMCI_PROMETHEUS"
        );
    }
    found
}

impl Server {
    /// Starts it on a free port, and waits until it answers.
    pub async fn start(program: &Path, targets: &[(&str, &Exporter)]) -> Self {
        Self::start_with(program, targets, "").await
    }

    /// The same with more lines of configuration.
    pub async fn start_with(program: &Path, targets: &[(&str, &Exporter)], more: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let jobs: String = targets
            .iter()
            .map(|(job, exporter)| {
                format!(
                    "  - job_name: {job}\n    honor_labels: true\n    static_configs: [{{targets: ['{}']}}]\n",
                    exporter.address
                )
            })
            .collect();
        let config = format!("global: {{scrape_interval: 1s, scrape_timeout: 1s}}\n{more}scrape_configs:\n{jobs}");
        std::fs::File::create(folder.path().join("prometheus.yml"))
            .and_then(|mut file| std::io::Write::write_all(&mut file, config.as_bytes()))
            .unwrap();
        // Another process may take the port between its choice and its use: then another one is chosen.
        for _ in 0..5 {
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            let log = std::fs::File::create(folder.path().join("log")).unwrap();
            let mut child = Command::new(program)
                .arg(format!("--config.file={}", folder.path().join("prometheus.yml").display()))
                .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()))
                .arg(format!("--web.listen-address=127.0.0.1:{port}"))
                .stdout(Stdio::null())
                .stderr(log)
                .spawn()
                .unwrap();
            let until = Instant::now() + Duration::from_secs(30);
            while Instant::now() < until && child.try_wait().unwrap().is_none() {
                if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                    return Self { child, url: format!("http://127.0.0.1:{port}"), _folder: folder };
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            let _ = child.kill();
            let _ = child.wait();
        }
        let log = std::fs::read_to_string(folder.path().join("log")).unwrap_or_default();
        panic!("Prometheus did not start: {log}");
    }

    /// Ends it.
    pub fn stop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}
