//! The bucket and the registry against a real server of their protocols (moto, which `scripts/test` installs).
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod support;

use std::io::{BufRead, BufReader};
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
