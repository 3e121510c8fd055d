//! The HTTP client: proxies of the environment, our TLS provider, no redirects, bounded bodies.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::reach::{Guarded, Reach, Refused};
use crate::trust::Untrusted;

/// How long a connection may take to open.
const CONNECT: Duration = Duration::from_secs(10);
/// The largest body that is read, in bytes after decompression.
pub(crate) const LARGEST_BODY: usize = 16 * 1024 * 1024;

/// Who carries the requests.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Proxies {
    /// The proxies of the environment.
    #[default]
    OfEnvironment,
    /// Nobody: the server is on this machine.
    None,
}

/// What a client needs beside the defaults.
#[derive(Clone, Default, Debug)]
pub struct ClientOptions {
    /// A PEM file with further certificate authorities.
    pub ca_file: Option<PathBuf>,
    /// Idle connections that are kept for one host.
    pub idle_connections: usize,
    /// Which addresses it may reach; none for a host that the machine itself names.
    pub reach: Option<Reach>,
    /// Whether proxies are used.
    pub proxies: Proxies,
}

/// Why there is no client, or no body.
#[derive(Debug, thiserror::Error)]
pub enum NetError {
    /// The certificate file could not be read.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The certificate file holds no certificate.
    #[error("{0}: no PEM certificates in it")]
    Certificates(String),
    /// The library could not build the client.
    #[error("the HTTP client could not be built: {0}")]
    Build(String),
    /// The address is one that nothing may be sent to.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The connection broke.
    #[error("the connection broke")]
    Broken(Untrusted),
    /// The body is too large.
    #[error("the reply is larger than {0} bytes")]
    TooLarge(usize),
}

/// Chooses the TLS provider, once in a process.
pub fn install_tls_provider() {
    // A second call finds the provider installed: that is what was wanted.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}

/// Builds a client.
#[expect(clippy::disallowed_methods, reason = "this is the one place")]
pub fn client(options: &ClientOptions) -> Result<reqwest::Client, NetError> {
    install_tls_provider();
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("llmci/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT)
        .redirect(reqwest::redirect::Policy::none())
        .pool_max_idle_per_host(options.idle_connections.max(1))
        .tcp_nodelay(true);
    if options.proxies == Proxies::None {
        builder = builder.no_proxy();
    }
    if let Some(reach) = &options.reach {
        builder = builder.dns_resolver(Guarded(Arc::new(reach.clone())));
    }
    if let Some(path) = &options.ca_file {
        let shown = path.display().to_string();
        let pem = std::fs::read(path).map_err(|source| NetError::File { path: shown.clone(), source })?;
        let certificates =
            reqwest::Certificate::from_pem_bundle(&pem).map_err(|_| NetError::Certificates(shown.clone()))?;
        if certificates.is_empty() {
            return Err(NetError::Certificates(shown));
        }
        for certificate in certificates {
            builder = builder.add_root_certificate(certificate);
        }
    }
    builder.build().map_err(|error| NetError::Build(chain_of(&error)))
}

/// A reply's body, piece by piece, with its size bounded.
pub struct Body {
    response: reqwest::Response,
    left: usize,
}

impl Body {
    /// Reads at most 16 MiB of a reply.
    pub fn new(response: reqwest::Response) -> Self {
        Self { response, left: LARGEST_BODY }
    }

    /// The next piece; none at the end.
    pub async fn next(&mut self) -> Result<Option<impl AsRef<[u8]> + use<>>, NetError> {
        let piece = self.response.chunk().await.map_err(|error| NetError::Broken(chain_of(&error).into()))?;
        let Some(piece) = piece else { return Ok(None) };
        self.left = self.left.checked_sub(piece.len()).ok_or(NetError::TooLarge(LARGEST_BODY))?;
        Ok(Some(piece))
    }
}

/// Reads a whole body.
pub async fn read_body(response: reqwest::Response) -> Result<Vec<u8>, NetError> {
    let known = response.content_length().and_then(|length| usize::try_from(length).ok()).unwrap_or(0);
    let mut whole = Vec::with_capacity(known.min(LARGEST_BODY));
    let mut body = Body::new(response);
    while let Some(piece) = body.next().await? {
        whole.extend_from_slice(piece.as_ref());
    }
    Ok(whole)
}

/// An error with all its causes: the library's own text names only the outermost.
pub(crate) fn chain_of(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text.push_str(": ");
            text.push_str(&inner_text);
        }
        cause = inner.source();
    }
    text
}
