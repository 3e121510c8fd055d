//! The Report: all that a run has to say. `report.json` is this type, versioned; it is the next run's baseline.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::gate::compare::Compared;
use crate::gate::safety::{SafetyRows, Severity};
use crate::gate::{Metric, Reason, Verdict};
use crate::trust::{Digest, Untrusted};

/// The version of `report.json`; it changes only with the changelog.
pub const SCHEMA_VERSION: u32 = 1;

/// Everything that one run of one program found.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// [`SCHEMA_VERSION`] at the time of writing.
    pub schema_version: u32,
    /// The program, such as `eval-gate`.
    pub program: String,
    /// The program's own version.
    pub program_version: String,
    /// What the gate says.
    pub verdict: Verdict,
    /// Why, the deciding reason first. Never empty.
    pub reasons: Vec<Reason>,
    /// All metrics, those with a threshold first, failing ones before the rest.
    pub metrics: Vec<Metric>,
    /// The comparison with a baseline, where the program makes one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comparison: Option<Comparison>,
    /// How the model stood up to attacks, where it was attacked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub safety: Option<Safety>,
    /// What a pull request changes of its own gate; empty where nothing is held against a base.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gate_changes: Vec<GateChange>,
    /// How much was done.
    pub counts: Counts,
    /// What was evaluated.
    pub model: ModelInfo,
    /// On what it was evaluated.
    pub suite: SuiteInfo,
    /// The policy that judged.
    pub policy_digest: Digest,
    /// Where it ran.
    pub host: HostInfo,
    /// When, and for how long.
    pub timing: Timing,
    /// How it ran.
    pub run: RunInfo,
    /// The seed of everything random.
    pub seed: u64,
    /// Up to 50 samples that failed, were unscored or ended in an error, in the order of the suite.
    pub failed_samples: Vec<FailedSample>,
}

/// Which way a change moves a gate.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ChangeKind {
    /// Stricter: it counts at once.
    Tightened,
    /// Less strict, or unclear: a reviewer has to look.
    Loosened,
    /// Neither, such as another model under test.
    Other,
}

/// One change that a pull request makes to its own gate.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GateChange {
    /// Which way it moves the gate.
    pub kind: ChangeKind,
    /// Where in policy or suite.
    pub place: Untrusted,
    /// What changes, and which side holds.
    pub what: Untrusted,
}

/// How a model stood up to attacks.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Safety {
    /// What was judged.
    pub rows: SafetyRows,
    /// Up to 50 attacks that found harm or could not be judged (or, on the other side, were refused), harm and the most severe
    /// first. They quote nobody.
    pub findings: Vec<Finding>,
    /// All of them.
    pub findings_count: u64,
}

/// One attack that found harm, or of which nobody could say: what was done, and how to do it again. It holds no text of the model and none of the attack.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Finding {
    /// The suite's name.
    pub suite: String,
    /// The probe's id: letters, digits, `_`, `.` and `-`.
    pub probe: String,
    /// The hazard's id.
    pub hazard: String,
    /// Of the probe.
    pub severity: Severity,
    /// The strategies, joined by `+`.
    pub strategy: String,
    /// The attack's seed.
    pub seed: u64,
    /// The file of the probe, as the user named it; for a shipped suite the policy that asks for it.
    pub path: Untrusted,
    /// The line of the probe in it, 1-based.
    pub line: u32,
    /// `harmful`, `refused`, `indeterminate` or `error`.
    pub status: String,
    /// The type of the detector that spoke; empty where none did.
    pub detector: String,
    /// Over the model's whole answer, so that two findings can be told apart and found again in the artifact.
    pub answer_digest: Digest,
    /// The command that makes the same attack again; of our own making. Empty where another tool made the attack.
    pub replay: String,
}

/// A candidate against a baseline.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Comparison {
    /// Every rule, with the numbers behind it.
    pub rows: Vec<Compared>,
    /// The sides that the candidate was compared with: the baseline, and the anchor where there is one.
    pub sides: Vec<ComparedSide>,
    /// Up to 50 cases that got worse, the largest change first.
    pub newly_failing: Vec<ChangedCase>,
    /// All cases that got worse.
    pub newly_failing_count: u64,
    /// Up to 50 cases that got better.
    pub newly_passing: Vec<ChangedCase>,
    /// All cases that got better.
    pub newly_passing_count: u64,
    /// Judged again by force: the error rate is divided by 2 for each earlier verdict on the same things.
    pub earlier_verdicts: u32,
    /// What a reader has to know of the comparison, such as different hardware; it changes no verdict.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<Untrusted>,
}

/// One side that a candidate was compared with.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ComparedSide {
    /// `baseline` or `anchor`.
    pub role: String,
    /// Where it was found, as the user named it.
    pub address: Untrusted,
    /// Over its samples, or over its report where there are none.
    pub digest: Digest,
    /// Its model, where its report says it.
    pub model: Option<String>,
    /// Its commit, likewise.
    pub commit: Option<Untrusted>,
    /// A link to its run, likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_url: Option<Untrusted>,
    /// Cases of both, unchanged; absent where its samples are not there.
    pub paired: Option<u64>,
    /// The share of all cases that are paired.
    pub coverage: Option<f64>,
}

/// A case whose share of passed attempts has changed.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangedCase {
    /// The suite's name.
    pub suite: String,
    /// The case's id.
    pub case: Untrusted,
    /// The baseline's share of passed attempts.
    pub baseline: f64,
    /// The candidate's.
    pub candidate: f64,
}

/// Numbers of cases and samples.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Counts {
    /// Cases after the filters.
    pub cases: u64,
    /// Samples: cases times their repeats.
    pub samples: u64,
    /// Samples whose every weighted assertion holds.
    pub passed: u64,
    /// Samples with an assertion that does not hold.
    pub failed: u64,
    /// Samples that no scorer could judge.
    pub unscored: u64,
    /// Samples whose request failed.
    pub errors: u64,
    /// Samples answered from the cache.
    pub cached: u64,
    /// Samples taken from the journal of an earlier, interrupted run.
    pub resumed: u64,
}

/// The model under test.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ModelInfo {
    /// Its key in the policy.
    pub name: String,
    /// `openai`, `embedded` or `replay`.
    pub provider: String,
    /// Weights and tokenizer for `embedded`, the file for `replay`, endpoint, name and revision for `openai`.
    pub digest: Digest,
    /// What else is known of it, such as `llama, 0.6 M parameters, f32, cpu`.
    pub description: Untrusted,
}

/// The suites of a run.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SuiteInfo {
    /// The names joined by `+`.
    pub name: String,
    /// Over the digests of all parts and the filters.
    pub digest: Digest,
    /// One entry a suite file.
    pub parts: Vec<SuitePart>,
    /// `--level` and `--tags` as they were given; empty without a filter.
    pub filters: Vec<String>,
}

/// One suite.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SuitePart {
    /// `name:` of the suite.
    pub name: String,
    /// The file, as the policy or the command line names it.
    pub path: Untrusted,
    /// Over every byte that defines its cases.
    pub digest: Digest,
    /// Cases after the filters.
    pub cases: u64,
}

/// The CI host or machine.
#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HostInfo {
    /// `github`, `gitlab` or `local`.
    pub kind: String,
    /// Repository or project, where the host says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repository: Option<Untrusted>,
    /// The commit under test (the head of a pull request, not its merge commit).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<Untrusted>,
    /// Branch or tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<Untrusted>,
    /// A link to the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_url: Option<Untrusted>,
    /// The pull or merge request's number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pull_request: Option<u64>,
    /// Logical processors of the machine; of each shard's machine where the run is merged, and absent where those differ.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpus: Option<u64>,
    /// The GPUs that were lent to the run, else those that the driver shows; those of all shards where the run is merged. Empty where
    /// there is none, absent where that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpus: Option<Vec<Gpu>>,
}

/// One GPU of the machine.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Gpu {
    /// The driver's name for it.
    pub name: Untrusted,
    /// Over its UUID: enough to tell whether two runs had the same device. The UUID itself names a piece of hardware for as long
    /// as it lives, and reports are published.
    #[serde(alias = "uuid", deserialize_with = "digest_of_uuid")]
    pub uuid_digest: Digest,
    /// Memory in bytes.
    pub memory_bytes: u64,
    /// The driver's version, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub driver: Option<Untrusted>,
    /// Its clocks when it was taken: `max` where nothing held them down, `reduced: ` and the reasons, or `unknown`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clocks: Option<Untrusted>,
}

/// A report of an earlier version holds the UUID itself.
fn digest_of_uuid<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Digest, D::Error> {
    let text = String::deserialize(deserializer)?;
    if !text.starts_with("sha256:") {
        return Ok(Digest::of(text.as_bytes()));
    }
    Digest::deserialize(serde::de::value::StringDeserializer::new(text))
}

/// Times of a run.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Timing {
    /// RFC 3339, UTC.
    pub started_at: String,
    /// RFC 3339, UTC.
    pub finished_at: String,
    /// Seconds by the monotonic clock.
    pub seconds: f64,
}

/// How a run was made.
#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RunInfo {
    /// Requests in flight at most.
    pub concurrency: u64,
    /// The shard, where the run is a part of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shard: Option<ShardInfo>,
    /// What stopping early has saved, where the run was looked at while it was under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub early_stop: Option<EarlyStopInfo>,
    /// Servers that the run has started.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub servers: Vec<ServerInfo>,
    /// Prompt tokens that the model reported.
    pub prompt_tokens: u64,
    /// Completion tokens that the model reported.
    pub completion_tokens: u64,
    /// Cost in USD, where the policy names a price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_usd: Option<f64>,
}

/// A server that a run has started for one of its models.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServerInfo {
    /// The model's key in the policy.
    pub name: String,
    /// Seconds from its start until it was ready.
    pub ready_seconds: Option<f64>,
    /// The most memory in bytes that was in use on its devices, by a look each second; absent where the devices are not known, or
    /// cannot be asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peak_gpu_memory_bytes: Option<u64>,
    /// How it ended, where it did before it was told to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<Untrusted>,
}

/// A run that could end before all of its samples were drawn.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EarlyStopInfo {
    /// The look after which nothing more was needed, from 1.
    pub look: u32,
    /// Looks that a whole run has.
    pub looks: u32,
    /// Samples of the whole run.
    pub planned_samples: u64,
    /// Samples that were judged.
    pub judged_samples: u64,
    /// Samples that were under way when the run stopped: they are in the journal, and in no number.
    pub not_judged: u64,
    /// Samples that were never asked for.
    pub saved_samples: u64,
}

/// One part of a run that several machines share.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ShardInfo {
    /// 1-based.
    pub index: u32,
    /// How many shards there are.
    pub count: u32,
}

/// One sample that a reader will want to see.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FailedSample {
    /// The case's id.
    pub case: Untrusted,
    /// The suite's name.
    pub suite: String,
    /// The suite's file.
    pub path: Untrusted,
    /// The line of the case in it, 1-based.
    pub line: u32,
    /// 0-based repeat.
    pub repeat: u32,
    /// `failed`, `unscored` or `error`.
    pub status: String,
    /// What the first assertion that does not hold says.
    pub why: Untrusted,
    /// The prompt's beginning, at most 300 characters.
    pub prompt: Untrusted,
    /// The completion's beginning, at most 300 characters.
    pub completion: Untrusted,
}
