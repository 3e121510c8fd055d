//! The image, put together by the Dockerfile from the program that cargo has built, pushed to a registry, pulled by its digest,
//! and run as GitHub's runner runs a container action. Compiling inside Docker is left to the release.
#![expect(clippy::unwrap_used, reason = "tests")]

mod image {
    pub(crate) mod docker;
}

use std::io::Write;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::Path;
use std::process::Command;

use image::docker::{Docker, Job, both};

/// The most bytes that the image may have, uncompressed.
const LARGEST: u64 = 140_000_000;
/// The user of a hosted runner. Source: actions/runner-images (`runner`, 1001).
const RUNNER: u32 = 1001;

fn copy(from: &Path, to: &Path) {
    let status = Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap();
    assert!(status.success(), "{} could not be copied", from.display());
}

/// A build context with the program, without the symbols that the release's has not either.
fn context(root: &Path) -> tempfile::TempDir {
    let project = Path::new(env!("CARGO_MANIFEST_DIR"));
    let context = tempfile::tempdir().unwrap();
    let image = context.path().join("image");
    std::fs::create_dir(&image).unwrap();
    copy(root, &image.join("root"));
    copy(&project.join("Dockerfile"), &context.path().join("Dockerfile"));
    let program = image.join("llmci");
    let stripped = Command::new("strip").arg("-o").arg(&program).arg(env!("CARGO_BIN_EXE_llmci")).status();
    assert!(stripped.unwrap().success(), "strip comes with the linker that cargo needs");
    context
}

fn owned_by(folder: &Path, user: u32) -> Vec<String> {
    let mut others = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).unwrap().map(Result::unwrap) {
            let data = entry.metadata().unwrap();
            if data.uid() != user {
                others.push(format!("{} belongs to {}", entry.path().display(), data.uid()));
            }
            if data.is_dir() {
                folders.push(entry.path());
            }
        }
    }
    others
}

/// Runs a program of the image with these inputs: its exit code, and what it said.
type Run<'a> = dyn Fn(&str, &[(&str, &str)]) -> (i32, String) + 'a;

/// safety-gate: what a policy needs, and what another tool has found; neither asks a model.
fn attacks(run: &Run<'_>, job: &Job, user: u32) {
    let policy = ("INPUT_POLICY", "safety.yaml");
    let put = |name: &str, text: &str| {
        std::fs::File::create(job.workspace().join(name)).unwrap().write_all(text.as_bytes()).unwrap()
    };
    put(
        "safety.yaml",
        "version: 1\nsafety:\n  suites: [toxicity, bias, jailbreak]\n  rules: {max_over_refusal_rate: null}\n",
    );
    let program = "/usr/local/bin/safety-gate";
    let (code, text) = run(program, &[policy, ("INPUT_PLAN", "true"), ("INPUT_OUT", "planned")]);
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("2,995") && !job.workspace().join("planned").exists(), "{text}");

    put("found.report.jsonl", &garak(10));
    hand_to(job, user);
    let results = [policy, ("INPUT_RESULTS", "found.report.jsonl"), ("INPUT_OUT", "found"), ("INPUT_SUITE", "")];
    let (code, text) = run(program, &results);
    assert_eq!(code, 1, "{text}");
    let outputs = job.file_command("output");
    assert!(outputs.contains("harmful-rate<<") && outputs.contains("\n1.000000\n"), "{outputs}");
    assert!(job.workspace().join("found/report.sarif").is_file(), "{text}");
    let (code, text) = run(program, &[policy, ("INPUT_MAX-HARMFUL-RATE", "2")]);
    assert_eq!(code, 2, "{text}");
}

/// A report of garak in which every attempt was a hit, in our own words.
fn garak(count: usize) -> String {
    let attempt = |number| {
        format!(
            "{{\"entry_type\": \"attempt\", \"uuid\": \"u{number}\", \"seq\": {number}, \"status\": 2, \
             \"probe_classname\": \"promptinject.HijackHateHumans\", \"prompt\": \"a harmless prompt {number}\", \
             \"outputs\": [\"an answer\"], \"detector_results\": {{\"promptinject.AttackRogueString\": [1.0]}}, \"goal\": \"g\"}}\n"
        )
    };
    let attempts: String = (0..count).map(attempt).collect();
    format!(
        "{{\"entry_type\": \"start_run setup\", \"plugins.target_name\": \"a-model\"}}\n\
         {{\"entry_type\": \"init\", \"garak_version\": \"0.13.0\", \"start_time\": \"2026-01-01T00:00:00\", \"run\": \"r\"}}\n{attempts}\
         {{\"entry_type\": \"eval\", \"probe\": \"promptinject.HijackHateHumans\", \"detector\": \"promptinject.AttackRogueString\", \
         \"passed\": 0, \"fails\": {count}, \"nones\": 0, \"total_evaluated\": {count}, \"total_processed\": {count}}}\n\
         {{\"entry_type\": \"completion\", \"end_time\": \"2026-01-01T01:00:00\", \"run\": \"r\"}}\n"
    )
}

/// A job whose workspace is a checkout of the quickstart, and the user that it belongs to.
fn checkout() -> (Job, u32) {
    let job = Job::new();
    let workspace = job.workspace();
    copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/quickstart"), &workspace.join("quickstart"));
    commit(&workspace);
    let ours = std::fs::metadata(job.folder()).unwrap().uid();
    // Root can play the runner's user.
    let user = if ours == 0 { RUNNER } else { ours };
    hand_to(&job, user);
    (job, user)
}

fn commit(workspace: &Path) {
    let git = |arguments: &[&str]| {
        let settings = ["-c", "safe.directory=*", "-c", "user.name=x", "-c", "user.email=x@example.org"];
        let done = Command::new("git").arg("-C").arg(workspace).args(settings).args(arguments).output().unwrap();
        assert!(done.status.success(), "{}", both(&done));
    };
    git(&["init", "--quiet"]);
    git(&["add", "--force", "."]);
    git(&["commit", "--quiet", "--message", "x"]);
}

fn hand_to(job: &Job, user: u32) {
    let mut all = vec![job.folder().to_owned()];
    while let Some(path) = all.pop() {
        chown(&path, Some(user), Some(user)).unwrap_or_default();
        if path.is_dir() {
            all.extend(std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
        }
    }
}

#[test]
fn the_image_by_its_digest_passes_the_quickstart_as_the_runner_runs_it() {
    let (Ok(root), Ok(client)) = (std::env::var("LLMCI_IMAGE_ROOT"), std::env::var("LLMCI_DOCKER")) else {
        let wanted = std::env::var("CI").is_ok_and(|ci| ci == "true");
        assert!(!wanted, "run the tests with scripts/test: it installs docker and a registry");
        eprintln!("left out: scripts/pack-tools found no docker");
        return;
    };
    let docker = Docker::start(&client);
    let context = context(Path::new(&root));
    let tag = format!("{}/org/llmci:test", docker.registry);
    let folder = context.path().display().to_string();
    let prebuilt = ["--build-arg", "PROGRAM=prebuilt", "--build-arg", "ROOT=prepared"];
    docker.ask(&["build", "--quiet", prebuilt[0], prebuilt[1], prebuilt[2], prebuilt[3], "--tag", &tag, &folder]);
    docker.ask(&["push", &tag]);
    let by_digest = docker.ask(&["inspect", "--format", "{{index .RepoDigests 0}}", &tag]);
    docker.ask(&["image", "rm", "--force", &docker.ask(&["inspect", "--format", "{{.Id}}", &tag])]);
    docker.ask(&["pull", "--quiet", &by_digest]);
    assert!(by_digest.contains("@sha256:"), "{by_digest}");

    let size: u64 = docker.ask(&["inspect", "--format", "{{.Size}}", &by_digest]).parse().unwrap();
    eprintln!("the image with a debug build, stripped: {size} bytes");
    assert!(size < LARGEST, "{size} bytes");
    let settings = docker.ask(&["inspect", "--format", "{{join .Config.Env \"\\n\"}}", &by_digest]);
    for wanted in ["NVIDIA_VISIBLE_DEVICES=all", "NVIDIA_DRIVER_CAPABILITIES=compute,utility"] {
        assert!(settings.lines().any(|line| line == wanted), "{settings}");
    }

    each_claim(&docker, &by_digest);
    if !docker.is_ours() {
        docker.ask(&["image", "rm", "--force", &by_digest]);
    }
}

fn each_claim(docker: &Docker, image: &str) {
    let (job, user) = checkout();
    let run = |entrypoint: &str, inputs: &[(&str, &str)]| {
        let output = job.run(docker, image, entrypoint, inputs);
        (output.status.code().unwrap_or(-1), both(&output))
    };
    let policy = ("INPUT_POLICY", "quickstart/llmci.yaml");
    // Declared inputs without a value come as empty texts.
    let (code, text) = run("/usr/local/bin/eval-gate", &[policy, ("INPUT_OUT", "first/out"), ("INPUT_EARLY-STOP", "")]);
    assert_eq!(code, 0, "{text}");
    let outputs = job.file_command("output");
    assert!(outputs.contains("verdict<<") && outputs.contains("\npass\n"), "{outputs}");
    assert!(job.file_command("summary").contains("eval-gate"), "{}", job.file_command("summary"));
    assert_eq!(owned_by(job.folder(), user), Vec::<String>::new());

    let (code, text) = run("/usr/local/bin/eval-gate", &[policy, ("INPUT_MODEL", "worse"), ("INPUT_OUT", "worse")]);
    assert_eq!(code, 1, "{text}");
    let (code, text) = run("/usr/local/bin/eval-gate", &[policy, ("INPUT_EARLY-STOP", "perhaps")]);
    assert_eq!(code, 2, "{text}");
    assert!(text.contains("INPUT_EARLY-STOP"), "an input with a hyphen was not read: {text}");

    // git in the image reads a workspace that belongs to somebody else.
    commit(&job.workspace());
    hand_to(&job, user);
    let against =
        [policy, ("INPUT_BASELINE", "git:HEAD:first/out"), ("INPUT_CANDIDATE", "first/out"), ("INPUT_OUT", "compared")];
    let (code, text) = run("/usr/local/bin/regression-check", &against);
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("0 newly failing, 0 newly passing of 234 pairs"), "{text}");
    attacks(&run, &job, user);
    let (code, text) = run("/usr/local/bin/llmci-post", &[policy]);
    assert_eq!(code, 0, "the step after the job has nothing to close: {text}");
    let (code, text) = run("sh", &[]);
    assert_eq!(code, 0, "GitLab's runner starts jobs by a shell: {text}");
    assert_eq!(owned_by(job.folder(), user), Vec::<String>::new());
}

#[test]
fn every_program_has_its_name_in_the_image() {
    let script = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/image-root")).unwrap();
    let install = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("actions/setup/install")).unwrap();
    let dockerfile = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Dockerfile")).unwrap();
    for entry in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("actions")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if name == "setup" {
            continue;
        }
        for (file, text) in
            [("scripts/image-root", &script), ("actions/setup/install", &install), ("Dockerfile", &dockerfile)]
        {
            let list = text.lines().find(|line| line.contains("in eval-gate ")).unwrap_or_default();
            assert!(list.contains(&format!(" {name}")), "{file} does not make the name {name}");
        }
    }
}
