//! Starting a server: a free port, a log, a supervisor, and waiting until it is ready. Kept out: what is asked of it then.

use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::Setting;
use super::child::{End, Supervised};
use super::log::Tail;
use super::processes::{MARK, is_taken_by_others};
use super::recipe::{Filling, HOST, fill, fill_all};
use super::supervise::Order;
use super::trouble::{StartError, Subject};
use super::{Recipe, memory::Peak};
use crate::net::{ClientOptions, Proxies, client};
use crate::store::file::hand_over;

/// How often another port is tried where somebody takes the first one.
const PORTS: u32 = 4;
/// Between two questions whether it is ready: servers take seconds to minutes.
const ASK: Duration = Duration::from_millis(250);
/// How long one such question may take.
const ANSWER: Duration = Duration::from_secs(5);
/// How often the log gets a line while nothing happens.
const LINE: Duration = Duration::from_secs(15);

/// A server that is ready.
pub(super) struct Ready {
    /// Ends it when it goes out of scope.
    pub(super) supervised: Supervised,
    /// Up to and with `/v1`.
    pub(super) base_url: String,
    /// From the first start to the first success.
    pub(super) seconds: f64,
    /// The most memory of its devices that was in use.
    pub(super) peak: Peak,
}

/// The place of a model's log. Names may hold anything; files may not.
pub(super) fn log_path(folder: &Path, name: &str) -> PathBuf {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.');
    let safe: String = name.chars().map(|letter| if plain(letter) { letter } else { '_' }).collect();
    let more =
        if safe == name { String::new() } else { format!("-{}", crate::trust::Digest::of(name.as_bytes()).short()) };
    let path = folder.join(format!("server-{safe}{more}.log"));
    std::path::absolute(&path).unwrap_or(path)
}

/// Starts it, with other ports where somebody takes its own.
pub(super) async fn start(recipe: &Recipe, setting: &Setting) -> Result<Ready, StartError> {
    let began = Instant::now();
    for _ in 0..PORTS {
        match once(recipe, setting, began).await {
            Err(StartError::Taken) => {
                tracing::warn!("server {}: somebody took its port; another one is tried", recipe.name)
            }
            outcome => return outcome,
        }
    }
    Err(StartError::Taken)
}

async fn once(recipe: &Recipe, setting: &Setting, began: Instant) -> Result<Ready, StartError> {
    let port = free_port().map_err(|error| StartError::System("no free port", error))?;
    let log = log_path(&setting.folder, &recipe.name);
    let file = File::create(&log).map_err(|error| StartError::System("its log cannot be written", error))?;
    hand_over(&file, &setting.folder);
    let mark = mark().map_err(|error| StartError::System("no random number", error))?;
    let filling = Filling { port, model: &recipe.spec.model, gpus: recipe.gpus };
    let mut environment = fill_all(&recipe.environment, filling);
    environment.insert(MARK.to_owned(), mark.clone());
    let order = Order {
        command: recipe.spec.template().iter().map(|part| fill(part, filling)).collect(),
        folder: recipe.folder.clone(),
        environment,
        log: log.clone(),
        patience: seconds(recipe.spec.stop_timeout_seconds),
    };
    tracing::info!("server {}: starting on port {port}", recipe.name);
    let peak = Peak::watch(recipe.visible.as_deref());
    let supervised = Supervised::start(&order, mark)
        .await
        .map_err(|error| StartError::System("its supervisor cannot be started", error))?;
    let subject = Subject { name: &recipe.name, spec: &recipe.spec, log: &log, redactor: &setting.redactor };
    let base = format!("http://{HOST}:{port}");
    let outcome = ready(&supervised, &base, port, (subject, setting, began)).await;
    match outcome {
        Ok(()) => {
            let seconds = began.elapsed().as_secs_f64();
            tracing::info!("server {}: ready after {seconds:.1} s", recipe.name);
            Ok(Ready { supervised, base_url: format!("{base}/v1"), seconds, peak })
        }
        Err(error) => {
            if let Some(left) = supervised.stop().await {
                tracing::warn!("server {}: {left}", recipe.name);
            }
            Err(error)
        }
    }
}

/// Waits until it is ready, and says now and then how far it is.
async fn ready(
    supervised: &Supervised,
    base: &str,
    port: u16,
    (subject, setting, began): (Subject<'_>, &Setting, Instant),
) -> Result<(), StartError> {
    let options = ClientOptions { idle_connections: 1, proxies: Proxies::None, ..ClientOptions::default() };
    let client = client(&options).map_err(|error| StartError::System("no client", std::io::Error::other(error)))?;
    let url = format!("{base}{}", subject.spec.ready_path());
    let own = began + seconds(subject.spec.ready_timeout_seconds);
    let until = setting.deadline.map_or(own, |deadline| deadline.min(own));
    let asking = async {
        loop {
            let answer = client.get(&url).timeout(ANSWER).send().await;
            if answer.is_ok_and(|answer| answer.status().is_success()) {
                return;
            }
            tokio::time::sleep(ASK).await;
        }
    };
    let telling = async {
        let mut ticks = tokio::time::interval(LINE);
        ticks.tick().await;
        loop {
            ticks.tick().await;
            let last = Tail::of(subject.log).last(subject.redactor);
            let last = last.map_or_else(|| "it has written nothing yet".to_owned(), |line| line.raw().to_owned());
            tracing::info!("server {}: not ready after {:.0} s: {last}", subject.name, began.elapsed().as_secs_f64());
        }
    };
    tokio::select! {
        biased;
        () = setting.stop.cancelled() => Err(StartError::Cancelled),
        end = supervised.ended() => Err(ended(end, subject)),
        () = asking => if is_taken_by_others(port, supervised.id()) { Err(StartError::Taken) } else { Ok(()) },
        () = tokio::time::sleep_until(until.into()) => {
            Err(if until < own { StartError::RunLate } else { StartError::Late(subject.spec.ready_timeout_seconds) })
        }
        () = telling => Err(StartError::Cancelled),
    }
}

fn ended(end: End, subject: Subject<'_>) -> StartError {
    let by_itself = matches!(end, End::Exited { .. });
    if by_itself && Tail::of(subject.log).address_in_use() { StartError::Taken } else { StartError::Ended(end) }
}

/// A port that nobody had a moment ago.
fn free_port() -> std::io::Result<u16> {
    Ok(TcpListener::bind((HOST, 0))?.local_addr()?.port())
}

/// What everything that this one server starts carries.
fn mark() -> std::io::Result<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(std::io::Error::other)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}

/// Where, and for how long, servers run: what a run says when it opens them.
impl Setting {
    /// Servers that end with `stop`, or at the run's deadline, and write their logs in `folder`.
    pub fn new(
        folder: &Path,
        stop: CancellationToken,
        deadline: Option<Instant>,
        redactor: crate::trust::Redactor,
    ) -> Self {
        Self { folder: folder.to_owned(), stop, deadline, redactor }
    }
}
