//! How the cluster is found: a kubeconfig (a file, or the text of an input), a context of it, or the pod's own account.
//! Kept out: the calls (`transport`).
//!
//! Proxies (`proxy-url` of the kubeconfig, `HTTPS_PROXY` and `NO_PROXY`) and certificate authorities are kube's; a pod's own account
//! asks without a proxy.

use std::time::Duration;

use base64::Engine as _;
use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError};
use serde_json::Value;

use super::ClusterError;
use crate::net::chain_of;
use crate::trust::{Secret, Untrusted};

/// The longest that the command of a kubeconfig (`exec`) may take to give a token.
const EXEC_PATIENCE: Duration = Duration::from_secs(30);

/// How the cluster is found.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Connection {
    /// A context of the kubeconfig. Default: the current one; in a pod, the pod's own account.
    pub context: Option<String>,
    /// The kubeconfig's text, where it comes from an input and not from a file.
    pub kubeconfig: Option<String>,
    /// `NO_PROXY` of the environment. kube 5.0.0 (`config/file_loader.rs`) compares it with the proxy instead of the API server.
    pub no_proxy: Option<String>,
}

impl std::fmt::Debug for Connection {
    /// The text of a kubeconfig is a secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kubeconfig = self.kubeconfig.as_ref().map(|_| "(hidden)");
        f.debug_struct("Connection").field("context", &self.context).field("kubeconfig", &kubeconfig).finish()
    }
}

/// A way to the cluster that is open.
pub(super) struct Open {
    pub(super) client: kube::Client,
    pub(super) namespace: String,
    /// Tokens, passwords and keys that it uses. What an `exec` command answers is known to kube alone.
    pub(super) secrets: Vec<Secret>,
}

fn unread(error: &dyn std::error::Error) -> ClusterError {
    let text = chain_of(error);
    // kube quotes what the command of a kubeconfig has written, and that is a token.
    if text.contains("auth exec") {
        return ClusterError::Config(
            "the command (`exec`) of the kubeconfig gave no token; what it wrote is not shown".into(),
        );
    }
    ClusterError::Config(Untrusted::new(text))
}

/// Without what the parser says: it quotes the lines, and a token may stand in them.
fn unread_file(error: &KubeconfigError) -> ClusterError {
    match error {
        KubeconfigError::Parse(_) => ClusterError::Config("the kubeconfig is not the YAML of a kubeconfig".into()),
        error => unread(error),
    }
}

impl Connection {
    /// Every token, password and key in the kubeconfig's text, of all its users, for the redactor. None where the text cannot
    /// be read. Those of a file are known once it is read: [`super::Cluster::secrets`].
    pub fn secrets(&self) -> Vec<Secret> {
        let kubeconfig = self.kubeconfig.as_deref().and_then(|text| Kubeconfig::from_yaml(text).ok());
        let value = kubeconfig.and_then(|kubeconfig| serde_json::to_value(&kubeconfig).ok());
        value.map(|value| secrets_in(&value)).unwrap_or_default()
    }

    async fn config(&self) -> Result<kube::Config, ClusterError> {
        let options = KubeConfigOptions { context: self.context.clone(), ..KubeConfigOptions::default() };
        if let Some(text) = &self.kubeconfig {
            let kubeconfig = Kubeconfig::from_yaml(text).map_err(|error| unread_file(&error))?;
            let config = kube::Config::from_custom_kubeconfig(kubeconfig, &options).await;
            return config.map_err(|error| unread_file(&error));
        }
        match kube::Config::from_kubeconfig(&options).await {
            Ok(config) => Ok(config),
            // Only where there is no file at all: a file that is broken must not end in another cluster.
            Err(error) if self.context.is_none() && is_absent(&error) => kube::Config::incluster().map_err(|inside| {
                let text = format!("no kubeconfig ({}), and no account of a pod", chain_of(&error));
                ClusterError::Config(Untrusted::new(format!("{text} ({})", chain_of(&inside))))
            }),
            Err(error) => Err(unread_file(&error)),
        }
    }

    /// Reads what is needed and builds a client; an `exec` command is run. Nothing is asked of the cluster.
    pub(super) async fn open(&self, patience: Duration) -> Result<Open, ClusterError> {
        crate::net::install_tls_provider();
        let mut config = self.config().await?;
        config.connect_timeout = Some(Duration::from_secs(5).min(patience));
        config.read_timeout = Some(patience);
        config.write_timeout = Some(patience);
        // Else the time that a connection lay idle counts against the next answer.
        config.reset_reader_on_write = true;
        // kube would repeat every method after a 503 or 504, also one that may have been done.
        config.default_retry = false;
        let host = config.cluster_url.host().unwrap_or_default();
        if self.no_proxy.as_deref().is_some_and(|list| is_excepted(list, host)) {
            config.proxy_url = None;
        }
        let namespace = config.default_namespace.clone();
        let secrets = secrets_of(&config);
        let built = tokio::task::spawn_blocking(move || kube::Client::try_from(config));
        let built = tokio::time::timeout(EXEC_PATIENCE, built).await;
        let built = built.map_err(|_| ClusterError::Config("the kubeconfig's command gave no token in 30 s".into()))?;
        let client = built.map_err(|error| unread(&error))?.map_err(|error| unread(&error))?;
        Ok(Open { client, namespace, secrets })
    }
}

fn is_absent(error: &KubeconfigError) -> bool {
    match error {
        KubeconfigError::ReadConfig(error, _) => error.kind() == std::io::ErrorKind::NotFound,
        KubeconfigError::FindPath => true,
        _ => false,
    }
}

/// Whether `NO_PROXY` names a host: `*`, a domain with all below it, an address, or a network (`10.0.0.0/8`).
fn is_excepted(list: &str, host: &str) -> bool {
    let host = host.trim_matches(['[', ']']).to_ascii_lowercase();
    list.split(',').map(|entry| entry.trim().to_ascii_lowercase()).filter(|entry| !entry.is_empty()).any(|entry| {
        let domain = entry.trim_start_matches("*.").trim_start_matches('.');
        entry == "*"
            || host == domain
            || host.strip_suffix(domain).is_some_and(|before| before.ends_with('.'))
            || entry.split_once('/').is_some_and(|(network, bits)| is_within(&host, network, bits))
    })
}

fn is_within(host: &str, network: &str, bits: &str) -> bool {
    use std::net::IpAddr;
    let (Ok(host), Ok(network), Ok(bits)) = (host.parse(), network.parse(), bits.parse::<u32>()) else { return false };
    let (host, network, width) = match (host, network) {
        (IpAddr::V4(host), IpAddr::V4(network)) => (u128::from(host.to_bits()), u128::from(network.to_bits()), 32),
        (IpAddr::V6(host), IpAddr::V6(network)) => (host.to_bits(), network.to_bits(), 128),
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => return false,
    };
    // A shift by the whole width leaves nothing, and nothing is equal.
    bits <= width && (host ^ network).checked_shr(width - bits).unwrap_or(0) == 0
}

fn secrets_of(config: &kube::Config) -> Vec<Secret> {
    let mut secrets = serde_json::to_value(&config.auth_info).map(|value| secrets_in(&value)).unwrap_or_default();
    let auth = &config.auth_info;
    for file in [&auth.token_file, &auth.client_key].into_iter().flatten() {
        // A file that cannot be read is named by the client, which needs it.
        secrets.extend(std::fs::read_to_string(file).ok().map(|text| Secret::new(&text)));
    }
    let proxy = config.proxy_url.as_ref().and_then(http::Uri::authority);
    let password =
        proxy.and_then(|authority| authority.as_str().rsplit_once('@')).and_then(|(user, _)| user.split_once(':'));
    secrets.extend(password.map(|(_, password)| Secret::new(password)));
    secrets.retain(|secret| !secret.expose().is_empty());
    secrets
}

/// The values of all fields that hold a secret, wherever they stand.
fn secrets_in(value: &Value) -> Vec<Secret> {
    let mut secrets = Vec::new();
    let mut open = vec![value];
    while let Some(value) = open.pop() {
        match value {
            Value::Object(map) => {
                for (key, value) in map {
                    if let Value::String(text) = value
                        && is_secret(key)
                    {
                        secrets.extend(forms(key, text));
                    }
                    open.push(value);
                }
                // Variables of an exec command: {name, value}.
                if let (Some(Value::String(_)), Some(Value::String(text)), 2) =
                    (map.get("name"), map.get("value"), map.len())
                {
                    secrets.push(Secret::new(text));
                }
            }
            Value::Array(list) => open.extend(list),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    secrets.retain(|secret| !secret.expose().is_empty());
    secrets
}

fn is_secret(key: &str) -> bool {
    const KEYS: [&str; 8] = [
        "token",
        "password",
        "client-key-data",
        "access-token",
        "refresh-token",
        "id-token",
        "client-secret",
        "proxy-password",
    ];
    KEYS.contains(&key)
}

/// A key's data is known as it stands there, and as what it stands for.
fn forms(key: &str, text: &str) -> Vec<Secret> {
    let mut forms = vec![Secret::new(text)];
    if key.ends_with("-data") {
        let decoded = base64::engine::general_purpose::STANDARD.decode(text.trim()).ok();
        forms.extend(decoded.and_then(|bytes| String::from_utf8(bytes).ok()).map(|pem| Secret::new(&pem)));
    }
    forms
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"
apiVersion: v1
kind: Config
current-context: one
clusters: [{name: c, cluster: {server: "http://127.0.0.1:1"}}]
contexts: [{name: one, context: {cluster: c, user: u, namespace: prod}}, {name: two, context: {cluster: c, user: v}}]
users:
- {name: u, user: {token: first-token}}
- {name: v, user: {username: x, password: pass-word, client-key-data: a2V5LXRleHQ=}}
"#;

    fn connection(text: &str, context: Option<&str>) -> Connection {
        Connection {
            context: context.map(str::to_owned),
            kubeconfig: Some(text.to_owned()),
            no_proxy: Some("*".into()),
        }
    }

    #[test]
    fn every_secret_of_a_kubeconfig_is_told_to_the_redactor_and_none_is_shown() {
        let connection = connection(TEXT, None);
        let mut secrets: Vec<String> = connection.secrets().iter().map(|secret| secret.expose().to_owned()).collect();
        secrets.sort();
        assert_eq!(secrets, ["a2V5LXRleHQ=", "first-token", "key-text", "pass-word"]);
        assert!(!format!("{connection:?}").contains("first-token"));
    }

    #[test]
    fn what_no_proxy_names_is_asked_without_a_proxy() {
        let list = "localhost, .corp.example,10.0.0.0/8,fd00::/8,192.168.1.7";
        for host in ["localhost", "api.corp.example", "corp.example", "10.1.2.3", "192.168.1.7", "[fd00::1]"] {
            assert!(is_excepted(list, host), "{host}");
        }
        for host in ["notlocalhost", "xcorp.example", "11.0.0.1", "192.168.1.70", "fe80::1", ""] {
            assert!(!is_excepted(list, host), "{host}");
        }
        assert!(is_excepted("*", "anything") && is_excepted("0.0.0.0/0", "1.2.3.4") && !is_excepted("", "a"));
    }

    #[tokio::test]
    async fn a_context_chooses_namespace_and_user() {
        let open = connection(TEXT, None).open(Duration::from_secs(1)).await.ok().unwrap();
        assert_eq!(open.namespace, "prod");
        assert_eq!(open.secrets.iter().map(Secret::expose).collect::<Vec<_>>(), ["first-token"]);
        assert!(connection(TEXT, Some("three")).open(Duration::from_secs(1)).await.is_err());
    }

    #[tokio::test]
    async fn a_kubeconfig_that_cannot_be_read_is_not_quoted() {
        let broken = "users: [{name: u, user: {token: top-secret}}\n  x: [";
        let error = connection(broken, None).open(Duration::from_secs(1)).await.err().unwrap();
        assert!(!error.words().raw().contains("top-secret"), "{}", error.words().raw());
    }
}
