//! The bucket and the registry against a real server of their protocols (moto, which `scripts/test` installs).
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use support::{code, eval_gate, llmci, report, text, words};

/// A running server; it ends with the test.
struct Moto {
    child: Child,
    url: String,
}

impl Moto {
    fn start() -> Self {
        let venv =
            std::env::var("LLMCI_TEST_VENV").expect("run the tests with scripts/test: it installs the S3 server");
        let mut child = Command::new(format!("{venv}/bin/moto_server"))
            .args(["--host", "127.0.0.1", "--port", "0"])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let url = loop {
            let line = lines.next().expect("the server ended").unwrap();
            if let Some((_, rest)) = line.split_once("Running on ") {
                break rest.split_whitespace().next().unwrap().to_owned();
            }
        };
        // Somebody must read what the server says, or it stops when the pipe is full.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, url }
    }

    fn environment(&self) -> [(&'static str, String); 6] {
        [
            ("AWS_ENDPOINT_URL", self.url.clone()),
            ("AWS_ACCESS_KEY_ID", "test".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "test-secret-key".to_owned()),
            ("AWS_REGION", "us-east-1".to_owned()),
            ("AWS_DEFAULT_REGION", "us-east-1".to_owned()),
            ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
        ]
    }

    /// A call of the server's own client library.
    fn python(&self, script: &str) {
        let venv = std::env::var("LLMCI_TEST_VENV").unwrap();
        let output =
            Command::new(format!("{venv}/bin/python")).args(["-c", script]).envs(self.environment()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_kept_in_a_bucket_are_not_asked_for_again() {
    let moto = tokio::task::spawn_blocking(Moto::start).await.unwrap();
    let stub = support::stub::Stub::start(|_, _| support::stub::Act::Echo(Duration::ZERO)).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    words(folder.path(), 30, &stub.base, "run: {cache: \"s3://answers/llmci\"}\n");
    let path = folder.path().to_owned();
    tokio::task::spawn_blocking(move || {
        let run = || eval_gate(&path).envs(moto.environment()).output().unwrap();
        // Without the bucket the model is asked, and the run is whole.
        let without = run();
        assert_eq!(code(&without), 0, "{}", text(&without));
        assert!(text(&without).contains("the cache cannot be read"), "{}", text(&without));
        let doctor = || llmci(&path).arg("doctor").envs(moto.environment()).output().unwrap();
        assert_eq!(code(&doctor()), 4, "{}", text(&doctor()));
        moto.python("import boto3; boto3.client('s3').create_bucket(Bucket='answers')");
        assert_eq!(code(&doctor()), 0, "{}", text(&doctor()));
        assert_eq!(code(&run()), 0);
        assert_eq!(report(&path.join("llmci-out"))["counts"]["cached"], 0);
        assert_eq!(code(&run()), 0);
        assert_eq!(report(&path.join("llmci-out"))["counts"]["cached"], 30);
    })
    .await
    .unwrap();
    assert_eq!(stub.asked(), 60);
}

/// Passes everything on to a server, but of an upload only the half, when it is told to.
struct Narrow {
    url: String,
    stalls: std::sync::Arc<std::sync::atomic::AtomicBool>,
    stalled: std::sync::mpsc::Receiver<()>,
}

impl Narrow {
    fn start(moto: &Moto) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = moto.url.strip_prefix("http://").unwrap().trim_end_matches('/').to_owned();
        let stalls = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let (says, stalled) = std::sync::mpsc::channel();
        let told = std::sync::Arc::clone(&stalls);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (server, told, says) = (server.clone(), std::sync::Arc::clone(&told), says.clone());
                std::thread::spawn(move || pass(client, &server, &told, &says));
            }
        });
        Self { url, stalls, stalled }
    }
}

fn pass(
    client: TcpStream,
    server: &str,
    stalls: &std::sync::atomic::AtomicBool,
    says: &std::sync::mpsc::Sender<()>,
) -> Option<()> {
    let server = TcpStream::connect(server).ok()?;
    let (mut back, mut down) = (server.try_clone().ok()?, client.try_clone().ok()?);
    std::thread::spawn(move || std::io::copy(&mut back, &mut down));
    let (mut client, mut server) = (client, server);
    let mut bytes = [0; 4096];
    loop {
        let read = client.read(&mut bytes).ok().filter(|read| *read > 0)?;
        let piece = bytes.get(..read)?;
        if piece.starts_with(b"PUT ") && stalls.load(std::sync::atomic::Ordering::SeqCst) {
            server.write_all(piece).ok()?;
            says.send(()).ok()?;
            // Nothing more comes through until the client goes away.
            while client.read(&mut bytes).ok()? > 0 {}
            return None;
        }
        server.write_all(piece).ok()?;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_killed_while_it_uploads_leaves_the_bucket_as_it_was() {
    use std::sync::atomic::Ordering;
    let moto = tokio::task::spawn_blocking(Moto::start).await.unwrap();
    let open = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(30));
    let answers = std::sync::Arc::clone(&open);
    let stub = support::stub::Stub::start(move |number, _| match number < answers.load(Ordering::SeqCst) {
        true => support::stub::Act::Echo(Duration::ZERO),
        false => support::stub::Act::Silent,
    });
    let stub = std::sync::Arc::new(stub.await.unwrap());
    let asked = std::sync::Arc::clone(&stub);
    tokio::task::spawn_blocking(move || {
        moto.python("import boto3; boto3.client('s3').create_bucket(Bucket='runs')");
        let narrow = Narrow::start(&moto);
        let objects = |count: usize| {
            moto.python(&format!(
                "import boto3; found = boto3.client('s3').list_objects_v2(Bucket='runs').get('Contents', [])\n\
                 assert len(found) == {count}, found"
            ));
        };
        let start = |folder: &Path| {
            words(folder, 60, &asked.base, "run: {checkpoint: \"s3://runs/nightly\"}\n");
            let mut command = eval_gate(folder);
            command.arg("--quiet").envs(moto.environment()).env("AWS_ENDPOINT_URL", &narrow.url);
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        };
        let journalled = |folder: &Path| {
            let journal = std::fs::read_to_string(folder.join("llmci-out/journal.jsonl")).unwrap_or_default();
            journal.lines().count().saturating_sub(1)
        };
        let until = |folder: &Path, samples: usize| {
            let end = std::time::Instant::now() + Duration::from_secs(60);
            while journalled(folder) < samples {
                assert!(std::time::Instant::now() < end, "{} samples", journalled(folder));
                std::thread::yield_now();
            }
        };
        let stop = |child: &Child| {
            assert!(Command::new("kill").args(["-s", "TERM", &child.id().to_string()]).status().unwrap().success());
        };
        let killed_while_it_uploads = |folder: &Path, samples: usize| {
            let mut child = start(folder);
            until(folder, samples);
            narrow.stalls.store(true, Ordering::SeqCst);
            stop(&child);
            narrow.stalled.recv_timeout(Duration::from_secs(30)).unwrap();
            child.kill().unwrap();
            child.wait().unwrap();
            narrow.stalls.store(false, Ordering::SeqCst);
        };
        // Killed in the middle of its first upload: nothing is there, and the next one begins.
        killed_while_it_uploads(tempfile::tempdir().unwrap().path(), 22);
        objects(0);
        // The next one is kept.
        let two = tempfile::tempdir().unwrap();
        open.store(asked.asked() + 30, Ordering::SeqCst);
        let child = start(two.path());
        until(two.path(), 22);
        stop(&child);
        let output = child.wait_with_output().unwrap();
        assert_eq!(code(&output), 4, "{}", text(&output));
        assert!(text(&output).contains("and in the checkpoint (s3://runs/nightly)"), "{}", text(&output));
        objects(1);
        let kept = journalled(two.path());
        // The third goes on there, is killed while it uploads more, and leaves what was there.
        open.store(asked.asked() + 10, Ordering::SeqCst);
        killed_while_it_uploads(tempfile::tempdir().unwrap().path(), kept + 2);
        // The fourth ends the run, and takes the checkpoint away.
        let four = tempfile::tempdir().unwrap();
        open.store(usize::MAX, Ordering::SeqCst);
        let before = asked.asked();
        let output = start(four.path()).wait_with_output().unwrap();
        assert_eq!(code(&output), 0, "{}", text(&output));
        assert_eq!(asked.asked() - before, 60 - kept, "{}", text(&output));
        objects(0);
    })
    .await
    .unwrap();
}

#[test]
fn doctor_says_what_an_images_tag_points_at() {
    let moto = Moto::start();
    let folder = tempfile::tempdir().unwrap();
    let doctor = |image: &str| {
        llmci(folder.path()).args(["doctor", "--image", image]).envs(moto.environment()).output().unwrap()
    };
    let missing = doctor("team/server:v1");
    assert_eq!(code(&missing), 4, "{}", text(&missing));
    moto.python(
        "import boto3, json\necr = boto3.client('ecr')\necr.create_repository(repositoryName='team/server')\n\
         manifest = {'schemaVersion': 2, 'mediaType': 'application/vnd.docker.distribution.manifest.v2+json', 'config': {'mediaType': \
         'application/vnd.docker.container.image.v1+json', 'size': 2, 'digest': 'sha256:' + 'a' * 64}, 'layers': []}\n\
         ecr.put_image(repositoryName='team/server', imageManifest=json.dumps(manifest), imageTag='v1')",
    );
    let there = doctor("team/server:v1");
    assert_eq!(code(&there), 0, "{}", text(&there));
    assert!(text(&there).contains("team/server:v1 is sha256:"), "{}", text(&there));
}

/// A server of the protocol over TLS, with a certificate that only its own authority has signed.
const TLS_SERVER: &str = r#"
import datetime, http.server, ipaddress, json, ssl, sys
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
folder = sys.argv[1]
now = datetime.datetime.now(datetime.timezone.utc)
def make(name, issuer, key, signer, authority):
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(issuer).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now).not_valid_after(now + datetime.timedelta(days=1))
    builder = builder.add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    if not authority:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
    return builder.sign(signer, hashes.SHA256())
name = lambda text: x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])
root, own = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
ca = make(name("test authority"), name("test authority"), root, root, True)
leaf = make(name("127.0.0.1"), name("test authority"), own, root, False)
pem = lambda certificate: certificate.public_bytes(serialization.Encoding.PEM)
open(folder + "/ca.pem", "wb").write(pem(ca))
private = own.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
open(folder + "/own.pem", "wb").write(private + pem(leaf))
class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        body = json.dumps({"choices": [{"message": {"content": "y"}, "finish_reason": "stop"}]}).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(folder + "/own.pem")
server.socket = context.wrap_socket(server.socket, server_side=True)
print(server.server_port, flush=True)
server.serve_forever()
"#;

#[test]
fn an_endpoint_of_an_own_authority_is_trusted_only_with_its_ca_file() {
    let folder = tempfile::tempdir().unwrap();
    let venv = std::env::var("LLMCI_TEST_VENV").expect("run the tests with scripts/test");
    let mut server = Command::new(format!("{venv}/bin/python"))
        .args(["-c", TLS_SERVER])
        .arg(folder.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut port = String::new();
    BufReader::new(server.stdout.take().unwrap()).read_line(&mut port).unwrap();
    support::write(folder.path(), "s.yaml", "name: s\ncases:\n  - {id: a, prompt: x, expected: y}\n");
    let run = |more: &str| {
        let policy = format!(
            "version: 1\nmodels:\n  m: {{provider: openai, base_url: \"https://127.0.0.1:{}/v1\", model: m, retry: {{attempts: 1}}{more}}}\n\
             suites: [s.yaml]\ngate:\n  thresholds:\n    - {{metric: pass_rate, min: 1.0, decide_by: point}}\n",
            port.trim()
        );
        support::write(folder.path(), "llmci.yaml", &policy);
        eval_gate(folder.path()).output().unwrap()
    };
    let (with, without) = (run(", ca_file: ca.pem"), run(""));
    support::write(folder.path(), "empty.pem", "no certificate\n");
    let empty = run(", ca_file: empty.pem");
    let _ = server.kill();
    let _ = server.wait();
    assert_eq!(code(&with), 0, "{}", text(&with));
    assert_eq!(code(&without), 4, "{}", text(&without));
    assert!(text(&without).contains("unreachable"), "{}", text(&without));
    assert_eq!(code(&empty), 2, "{}", text(&empty));
    assert!(text(&empty).contains("no PEM certificates"), "{}", text(&empty));
}
