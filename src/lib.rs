//! llmci: the gate between a change to a language model, a prompt or a serving stack, and the people who use it.
//!
//! # The map
//!
//! Each room is a folder. A room imports only the rooms named beside it; `tests/layers.rs` reads the imports and holds
//! them to this table.
//!
//! | room | what lives there | may import |
//! |---|---|---|
//! | [`trust`] | untrusted text, secrets, digests, the redactor | nothing |
//! | [`document`] | YAML and JSONL with places, problems, the nearest valid key | trust |
//! | [`stats`] | intervals, tests, power: pure mathematics | nothing |
//! | [`net`] | the only place where an HTTP client is built | trust |
//! | [`cluster`] | the only place where a Kubernetes client is built | net, trust |
//! | [`gpu`] | what devices this machine has, and all that is unsafe | nothing |
//! | [`gate`] | score, metric, threshold, verdict: the currency | stats, trust |
//! | [`report`] | one Report, and every surface as a plain function of it | gate, trust |
//! | [`store`] | atomic files, the directory and bucket stores | net, trust |
//! | [`host`] | GitHub, GitLab, a terminal: context and publishing | report, gate, net, store, trust |
//! | [`eval`] | suites, models, scorers, the run, its journal and cache | document, stats, gate, report, store, net, gpu, trust |
//! | [`deliver`] | rollouts: plan, state, strategies, traffic, measurements, alerts | document, stats, gate, report, net, cluster, trust |
//! | [`commands`] | one file a program; the only place where everything meets | all above |
//! | [`cli`] | inputs, the exit table, logging, generated files (whose tables come from all rooms) | all above |
//!
//! `trust` and `document` are rooms that the first plan of the house did not have: untrusted text and secrets are needed
//! by rooms that must not know each other, and the policy, the suites and (later) the rollout file are read by one reader.
//!
//! # The one flow
//!
//! ```text
//! argv + INPUT_* + LLMCI_* -> cli -> arguments, and host::Context
//! suite -> Case x repeat -> Request -> Model -> Answer -> Scorers -> Sample      (a failed request is a Sample too)
//! Samples -> Metric{value, low, high, n, unscored} -> Threshold -> Verdict(why)
//! all of it -> Report -> comment, check run, summary, annotations, JUnit, SARIF, HTML, outputs, report.json -> exit code
//! ```
//!
//! # Invariants
//!
//! - No data, partial data or an error never ends in [`gate::Verdict::Pass`].
//! - Text from a model, a suite or a pull request is [`trust::Untrusted`]: it has no `Display`, only an escape for each sink.
//! - A token is a [`trust::Secret`]: no `Debug`, no `Display`.
//! - Everything random takes a seed.
//! - A run killed at any point is continued by the next one: no journalled sample is asked for twice.

#[cfg(feature = "programs")]
pub mod cli;
pub mod cluster;
#[cfg(feature = "programs")]
pub mod commands;
pub mod deliver;
pub mod document;
pub mod eval;
pub mod gate;
#[cfg(feature = "programs")]
pub mod gpu;
// The engine on CUDA asks no driver: candle does. Of this room it has the one computation that candle lacks.
#[cfg(all(feature = "cuda", not(feature = "programs")))]
#[path = "gpu/product.rs"]
pub mod gpu;
pub mod host;
pub mod net;
pub mod report;
pub mod stats;
pub mod store;
pub mod trust;
