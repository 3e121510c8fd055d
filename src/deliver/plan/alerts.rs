//! Who is told. Secrets are named by their variables, never written here.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Who is told.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Alerts {
    /// Slack channels.
    pub slack: Vec<Slack>,
    /// PagerDuty services: only what is critical, and its end.
    pub pagerduty: Vec<PagerDuty>,
    /// Addresses of your own.
    pub webhooks: Vec<WebHook>,
    /// The environment whose deployments GitHub or GitLab show, such as `production`. Without it nothing is shown there.
    pub environment: Option<String>,
}

/// A Slack channel: by an incoming web hook, or as an app.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Slack {
    /// An incoming web hook.
    WebHook {
        /// The variable that holds its address.
        url_env: String,
    },
    /// `chat.postMessage`.
    App {
        /// The variable that holds the bot's token.
        token_env: String,
        /// The channel's id or name.
        channel: String,
        /// Where Slack's API answers.
        #[serde(default = "slack_api")]
        api_url: String,
    },
}

fn slack_api() -> String {
    "https://slack.com/api".to_owned()
}

/// A PagerDuty service.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PagerDuty {
    /// The variable that holds the integration's key.
    pub routing_key_env: String,
    /// Where events go.
    #[serde(default = "pagerduty_events")]
    pub url: String,
}

fn pagerduty_events() -> String {
    "https://events.pagerduty.com/v2/enqueue".to_owned()
}

/// An address of your own: the notice as JSON, signed.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WebHook {
    /// The variable that holds its address.
    pub url_env: String,
    /// The variable that holds the key of the signature (HMAC with SHA-256).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_env: Option<String>,
}
