//! A docker daemon and a registry of the test's own, where none is running; and the runner's command line for container actions.

use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

/// Seconds after which a daemon that the test has started ends by itself.
const LONGEST: &str = "300";

/// A docker client with a daemon that answers it, and a registry on 127.0.0.1.
pub(crate) struct Docker {
    client: String,
    /// The daemon's socket.
    pub(crate) socket: PathBuf,
    /// `127.0.0.1:PORT` of the registry.
    pub(crate) registry: String,
    servers: Vec<Server>,
    _folder: tempfile::TempDir,
}

/// A process that is asked to end when the test does, and waited for.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        // `timeout` hands the signal on, and the daemon ends its containers and its containerd.
        let _ = Command::new("kill").args(["-TERM", &self.0.id().to_string()]).status();
        let _ = self.0.wait();
    }
}

impl Docker {
    /// Starts what is not there.
    pub(crate) fn start(client: &str) -> Self {
        let folder = tempfile::tempdir_in("/tmp").unwrap();
        let at = |name: &str| folder.path().join(name);
        let mut servers = Vec::new();
        let running = Command::new(client).arg("info").output().is_ok_and(|output| output.status.success());
        let socket = if running {
            let host = std::env::var("DOCKER_HOST").unwrap_or_default();
            PathBuf::from(host.strip_prefix("unix://").unwrap_or("/var/run/docker.sock"))
        } else {
            let mut daemon = Command::new("timeout");
            daemon.args([
                LONGEST,
                "dockerd",
                "--iptables=false",
                "--bridge=none",
                "--default-ulimit",
                "nofile=4096:4096",
            ]);
            daemon
                .arg("--data-root")
                .arg(at("data"))
                .arg("--exec-root")
                .arg(at("exec"))
                .arg("--pidfile")
                .arg(at("pid"));
            daemon.arg("--host").arg(format!("unix://{}", at("socket").display()));
            servers.push(serve(daemon, "API listen on"));
            at("socket")
        };
        let registry = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let config = format!(
            "version: 0.1\nstorage: {{filesystem: {{rootdirectory: {}}}}}\nhttp: {{addr: '{registry}'}}\n",
            at("registry").display()
        );
        put(&at("registry.yml"), &config);
        let mut command = Command::new("timeout");
        command.args([LONGEST, "docker-registry", "serve"]).arg(at("registry.yml"));
        servers.push(serve(command, "listening on"));
        Self { client: client.to_owned(), socket, registry, servers, _folder: folder }
    }

    /// A command of the client.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.client);
        command.args(arguments).env("DOCKER_BUILDKIT", "1");
        command.env("DOCKER_HOST", format!("unix://{}", self.socket.display()));
        command
    }

    /// Its output, of a command that must succeed.
    pub(crate) fn ask(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments).output().unwrap();
        assert!(output.status.success(), "docker {arguments:?}: {}", both(&output));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Whether the daemon is the test's own.
    pub(crate) fn is_ours(&self) -> bool {
        self.servers.len() == 2
    }
}

/// Starts a server and reads its log until it says that it is ready; then the log is read on, so that it never blocks.
fn serve(mut command: Command, ready: &str) -> Server {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut log = BufReader::new(child.stderr.take().unwrap());
    let server = Server(child);
    let mut seen = String::new();
    while !seen.contains(ready) {
        let count = log.read_line(&mut seen).unwrap();
        assert!(count > 0, "{command:?} ended before it was ready: {seen}");
    }
    std::thread::spawn(move || std::io::copy(&mut log.by_ref(), &mut std::io::sink()));
    server
}

/// Both streams.
pub(crate) fn both(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// A job of the runner: its folders, and what it writes to the output file.
pub(crate) struct Job {
    folder: tempfile::TempDir,
}

impl Job {
    /// Empty folders.
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["temp", "home", "workflow", "file_commands", "workspace"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        for name in ["output", "summary"] {
            put(&folder.path().join("file_commands").join(name), "");
        }
        put(&folder.path().join("workflow/event.json"), "{}");
        Self { folder }
    }

    /// The folder of the job's checkout.
    pub(crate) fn workspace(&self) -> PathBuf {
        self.folder.path().join("workspace")
    }

    /// A file command's content so far.
    pub(crate) fn file_command(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.path().join("file_commands").join(name)).unwrap()
    }

    /// Everything of the job's.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The command line of the runner for a container action: actions/runner, `DockerCommandManager.cs` (`DockerRun`) and
    /// `ContainerActionHandler.cs`.
    pub(crate) fn run(&self, docker: &Docker, image: &str, entrypoint: &str, inputs: &[(&str, &str)]) -> Output {
        let mut command = docker.command(&["run", "--label", "llmci-test", "--workdir", "/github/workspace", "--rm"]);
        let set = [
            ("HOME", "/github/home"),
            ("GITHUB_ACTIONS", "true"),
            ("CI", "true"),
            ("GITHUB_OUTPUT", "/github/file_commands/output"),
            ("GITHUB_STEP_SUMMARY", "/github/file_commands/summary"),
            ("GITHUB_EVENT_PATH", "/github/workflow/event.json"),
            ("GITHUB_WORKSPACE", "/github/workspace"),
            ("GITHUB_REPOSITORY", "org/repo"),
            ("RUNNER_TEMP", "/github/runner_temp"),
        ];
        for (name, value) in set.iter().chain(inputs) {
            command.env(name, value).arg("-e").arg(name);
        }
        command.args(["--entrypoint", entrypoint]);
        command.arg("-v").arg(format!("{}:/var/run/docker.sock", docker.socket.display()));
        for (own, theirs) in [
            ("temp", "/github/runner_temp"),
            ("home", "/github/home"),
            ("workflow", "/github/workflow"),
            ("file_commands", "/github/file_commands"),
            ("workspace", "/github/workspace"),
        ] {
            command.arg("-v").arg(format!("{}:{theirs}", self.folder.path().join(own).display()));
        }
        // The runner gives the client an environment of its own; only PATH is ours.
        command.arg(image).output().unwrap()
    }
}

/// Writes a file of a test.
fn put(path: &Path, text: &str) {
    llmci::store::file::write_atomically(path, text.as_bytes()).unwrap();
}
