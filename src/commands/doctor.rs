//! `llmci doctor`: what this machine and host can do, each with the reason where it cannot. It only reads.

use std::path::PathBuf;

use clap::Args;

use super::obtain::described;
use super::{CommandError, Context, Exit, Outcome};
use crate::eval::model::{self, Surroundings};
use crate::eval::policy;
use crate::gpu::{self, NoGpu};
use crate::host;
use crate::host::forge::{self, GitLabToken};
use crate::report::Gpu;
use crate::store::registry::EcrImage;
use crate::store::{self, S3Store};
use crate::trust::{Secret, Untrusted};

/// The inputs of `llmci doctor`.
#[derive(Args, Clone, Debug)]
pub struct DoctorArgs {
    /// The policy file; its models and cache are looked at where it is there
    #[arg(long, value_name = "PATH", default_value = "llmci.yaml")]
    pub policy: PathBuf,
    /// An image of Amazon's registry whose digest and scan are asked for
    #[arg(long, value_name = "REPOSITORY:TAG")]
    pub image: Option<String>,
}

/// One line of the diagnosis.
struct Finding {
    what: &'static str,
    state: State,
    detail: Untrusted,
}

#[derive(PartialEq, Eq)]
enum State {
    Good,
    Bad,
    /// Not there, and not needed by anything that was looked at.
    Absent,
}

/// The longest that a gate waits for the driver when it only wants the GPUs' names for its report.
const FOR_A_NAME: std::time::Duration = std::time::Duration::from_secs(5);

/// The machine's GPUs for the report; none where the driver does not say.
pub fn gpus() -> Option<Vec<Gpu>> {
    match gpu::machine_within(FOR_A_NAME) {
        Ok(machine) => {
            let driver = machine.driver_version.as_deref();
            Some(machine.devices.iter().map(|device| described(device, driver)).collect())
        }
        Err(NoGpu(cause)) => cause.is_absence().then(Vec::new),
    }
}

/// Looks at everything, and exits with 4 where something that is configured does not work.
pub async fn run(args: &DoctorArgs, context: &Context) -> Result<Outcome, CommandError> {
    let mut findings = vec![host(context), graphics()];
    findings.extend(github(context).await);
    findings.extend(gitlab(context).await);
    findings.extend(policy_of(args, context).await);
    if let Some(image) = &args.image {
        findings.push(registry(image).await);
    }
    let mut text = String::new();
    for finding in &findings {
        let word = match finding.state {
            State::Good => "ok",
            State::Bad => "NOT OK",
            State::Absent => "-",
        };
        text.push_str(&format!("{:<8} {:<9} {}\n", word, finding.what, context.sink.line(&finding.detail, 600)));
    }
    let bad = findings.iter().any(|finding| finding.state == State::Bad);
    Ok(Outcome { exit: if bad { Exit::Environment } else { Exit::Pass }, report: None, rollout: None, text })
}

fn finding(what: &'static str, result: Result<Untrusted, Untrusted>) -> Finding {
    match result {
        Ok(detail) => Finding { what, state: State::Good, detail },
        Err(detail) => Finding { what, state: State::Bad, detail },
    }
}

fn host(context: &Context) -> Finding {
    let info = context.host.info();
    let part = |name: &str, value: &Option<Untrusted>| {
        value.as_ref().map(|value| format!(", {name} {}", value.raw())).unwrap_or_default()
    };
    let text = format!(
        "{}{}{}{}",
        info.kind,
        part("repository", &info.repository),
        part("commit", &info.commit),
        info.cpus.map(|cpus| format!(", {cpus} processors")).unwrap_or_default()
    );
    finding("host", Ok(text.into()))
}

fn graphics() -> Finding {
    match gpu::devices() {
        Ok(devices) => {
            let gib = |bytes: u64| bytes >> 30;
            let list: Vec<String> = devices
                .iter()
                .map(|device| {
                    format!("{}: {} ({} GiB, {})", device.index, device.name, gib(device.memory_bytes), device.uuid)
                })
                .collect();
            finding("gpu", Ok(list.join("; ").into()))
        }
        // A gate without a GPU is the usual case.
        Err(reason) => Finding { what: "gpu", state: State::Absent, detail: reason.to_string().into() },
    }
}

async fn github(context: &Context) -> Option<Finding> {
    let environment = &context.environment;
    let token = Secret::new(environment.get("GITHUB_TOKEN").or_else(|| environment.get("INPUT_GITHUB-TOKEN"))?);
    let repository = environment.get("GITHUB_REPOSITORY")?;
    context.redactor.learn([&token]);
    let base = environment.get("GITHUB_API_URL").unwrap_or("https://api.github.com");
    Some(finding("github", forge::github(base, repository, &token).await))
}

async fn gitlab(context: &Context) -> Option<Finding> {
    let environment = &context.environment;
    let (base, project) = (environment.get("CI_API_V4_URL")?, environment.get("CI_PROJECT_PATH")?);
    let variable = |name: &str| environment.get(name).map(str::to_owned);
    let access = host::token(&host::GITLAB_TOKENS, &variable).map(GitLabToken::Access);
    let token = access.or_else(|| Some(GitLabToken::Job(Secret::new(environment.get("CI_JOB_TOKEN")?))))?;
    let ca_file = environment.get("CI_SERVER_TLS_CA_FILE").map(std::path::Path::new);
    Some(finding("gitlab", forge::gitlab(base, project, &token, ca_file).await))
}

async fn policy_of(args: &DoctorArgs, context: &Context) -> Vec<Finding> {
    let path = args.policy.display().to_string();
    if !args.policy.exists() {
        return vec![Finding { what: "policy", state: State::Absent, detail: format!("{path} is not there").into() }];
    }
    let loaded = match policy::load(&args.policy) {
        Ok(loaded) => loaded,
        Err(found) => {
            let text = format!("{path} has {} problems: run `llmci check`", found.len());
            return vec![finding("policy", Err(text.into()))];
        }
    };
    let mut findings = vec![finding("policy", Ok(path.into()))];
    let environment = |name: &str| context.environment.get(name).map(str::to_owned);
    for (name, spec) in &loaded.policy.models {
        let around = Surroundings {
            folder: &loaded.folder,
            environment: &environment,
            connections: 1,
            trusted: &loaded.policy.trusted_hosts,
            visible_devices: None,
            cancel: None,
        };
        let built = model::build(name, spec, &around);
        findings.push(finding(
            "model",
            match built {
                Ok(built) => {
                    context.redactor.learn(&built.secrets);
                    Ok(format!("{name}: {}", built.model.identity().description.raw()).into())
                }
                // A run leases them.
                Err(model::ModelBuildError::OpenAi(model::openai::OpenAiError::Devices)) => {
                    Ok(format!("{name}: its server needs GPUs: give the run --gpus").into())
                }
                Err(error) => Err(format!("{name}: {}", crate::net::chain_of(&error)).into()),
            },
        ));
    }
    if let Some(address) = &loaded.policy.run.cache {
        findings.push(finding("cache", cache(address, &loaded.folder).await));
    }
    findings
}

async fn cache(address: &str, folder: &std::path::Path) -> Result<Untrusted, Untrusted> {
    let failed = |error: store::StoreError| match error {
        store::StoreError::Bucket { bucket, what, detail } => format!("s3://{bucket}: {what}: {}", detail.raw()).into(),
        other => Untrusted::new(crate::net::chain_of(&other)),
    };
    match address.strip_prefix("s3://") {
        Some(rest) => S3Store::open(rest).await.map_err(failed)?.probe().await.map_err(failed)?,
        None => drop(store::open(address, folder).await.map_err(failed)?),
    }
    Ok(address.into())
}

async fn registry(image: &str) -> Finding {
    let facts = match EcrImage::parse(image) {
        Ok(image) => image.facts().await,
        Err(error) => Err(error),
    };
    let result = facts.map(|facts| {
        let scan =
            facts.scan.map(|scan| format!(", scan {}", scan.raw())).unwrap_or_else(|| ", not scanned".to_owned());
        Untrusted::new(format!("{image} is {}{scan}", facts.digest.raw()))
    });
    finding("image", result.map_err(|error| Untrusted::new(format!("{image}: {}", crate::net::chain_of(&error)))))
}
