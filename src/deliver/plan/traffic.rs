//! What splits the traffic: at most one of them. Without any: the numbers of replicas behind the one Service.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What splits the traffic.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Traffic {
    /// Weights (and mirror) of an Istio VirtualService.
    pub istio: Option<IstioSpec>,
    /// Weights (and RequestMirror) of a Gateway API HTTPRoute.
    pub gateway: Option<GatewaySpec>,
    /// A canary Ingress of ingress-nginx beside the one that is there.
    pub nginx: Option<NginxSpec>,
    /// A feature flag: for `strategy: feature-flag`.
    pub flag: Option<FlagSpec>,
}

/// Where the weights are.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IstioSpec {
    /// The VirtualService.
    pub virtual_service: String,
    /// The name of its http route. Default: the only one whose destinations are our Services.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
}

/// Where the weights are.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GatewaySpec {
    /// The HTTPRoute.
    pub http_route: String,
    /// The name of its rule. Default: the only one whose backends are our Services.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
}

/// The Ingress that leads to our Service.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NginxSpec {
    /// Its name.
    pub ingress: String,
    /// Where its annotations begin, for a controller that was told another word.
    #[serde(default = "nginx_prefix")]
    pub annotation_prefix: String,
}

fn nginx_prefix() -> String {
    "nginx.ingress.kubernetes.io".to_owned()
}

/// A flag whose percentage is raised.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FlagSpec {
    /// Its key.
    pub key: String,
    /// The service that holds it.
    pub service: FlagService,
    /// Where OpenFeature's remote evaluation protocol answers (up to but without `/ofrep/v1`), to see that a change is served.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ofrep_url: Option<String>,
    /// The variable that holds the key of that endpoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ofrep_token_env: Option<String>,
}

/// How a percentage is changed.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum FlagService {
    /// flagd's definitions in a ConfigMap: `targeting` gets a `fractional` of two variants.
    Flagd {
        /// The ConfigMap, in the workload's namespace.
        config_map: String,
        /// The key of its data that holds the flags as JSON.
        #[serde(default = "flagd_file")]
        file: String,
        /// The variant of the new version.
        #[serde(default = "on")]
        on: String,
        /// The variant of the old version.
        #[serde(default = "off")]
        off: String,
    },
    /// Unleash's admin API: the `flexibleRollout` strategy of an environment.
    Unleash {
        /// Up to but without `/api/admin`.
        url: String,
        /// The project.
        #[serde(default = "default_project")]
        project: String,
        /// The environment.
        environment: String,
        /// The variable that holds the admin token.
        token_env: String,
    },
    /// Any service that takes a percentage by HTTP: `PATCH {url}` with `{"percentage": N}`, and answers `GET {url}` likewise.
    Rest {
        /// The address of the flag itself.
        url: String,
        /// A JSON pointer to the percentage, in what is sent and in what comes back.
        #[serde(default = "percentage_pointer")]
        pointer: String,
        /// The variable that holds the bearer token.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        token_env: Option<String>,
    },
}

fn flagd_file() -> String {
    "flags.json".to_owned()
}

fn on() -> String {
    "on".to_owned()
}

fn off() -> String {
    "off".to_owned()
}

fn default_project() -> String {
    "default".to_owned()
}

fn percentage_pointer() -> String {
    "/percentage".to_owned()
}
