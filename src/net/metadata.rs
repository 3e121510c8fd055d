//! A client for the metadata service of the machine that we run on, and for nothing else: no proxy, no redirect, small replies,
//! and addresses that no other machine answers at.
//! Kept out: what is asked there (`commands::preemption`). Models never get this client: `reach` refuses these addresses to them.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use reqwest::{Method, StatusCode, Url};

use super::client::{NetError, chain_of, install_tls_provider};
use super::reach::is_of_this_machine;

/// How long a connection may take to open: the service is one hop away.
const CONNECT: Duration = Duration::from_secs(2);
/// The largest reply that is read, in bytes.
const LARGEST: usize = 64 * 1024;

/// A metadata service.
#[derive(Clone, Debug)]
pub struct Metadata {
    client: reqwest::Client,
    base: Url,
}

/// A reply: its status, its text, and the headers that were asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Told {
    /// Such as 200.
    pub status: u16,
    /// As UTF-8; what is none of it is replaced.
    pub text: String,
    headers: BTreeMap<&'static str, String>,
}

/// An address that is no metadata service's.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0:?} is no address of a metadata service: http://, and an address of this machine or a link-local one")]
pub struct NoMetadata(String);

impl Metadata {
    /// A service at a URL whose host is an address: link-local, of this machine, or AWS's own of IPv6.
    #[expect(clippy::disallowed_methods, reason = "this client reaches one service of the machine itself")]
    pub fn open(url: &str) -> Result<Self, NoMetadata> {
        let refused = || NoMetadata(url.chars().take(200).collect());
        let base = Url::parse(url).map_err(|_| refused())?;
        let host = base.host_str().unwrap_or_default().trim_matches(['[', ']']).parse::<IpAddr>();
        let good = base.scheme() == "http" && base.username().is_empty() && host.is_ok_and(is_of_this_machine);
        if !good {
            return Err(refused());
        }
        install_tls_provider();
        let builder = reqwest::Client::builder()
            .user_agent(concat!("llmci/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy();
        Ok(Self { client: builder.build().map_err(|_| refused())?, base })
    }

    /// One call. `wanted` are headers of the reply that are given back.
    pub async fn call(
        &self,
        method: Method,
        path: &str,
        headers: &[(&'static str, &str)],
        wanted: &[&'static str],
        patience: Duration,
    ) -> Result<Told, NetError> {
        let broken = |error: &dyn std::error::Error| NetError::Broken(chain_of(error).into());
        let url = self.base.join(path).map_err(|error| broken(&error))?;
        let mut request = self.client.request(method, url).timeout(patience);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut response = request.send().await.map_err(|error| broken(&error))?;
        let status = response.status();
        let found = |name: &&'static str| {
            let value = response.headers().get(*name).and_then(|value| value.to_str().ok())?;
            Some((*name, value.to_owned()))
        };
        let headers = wanted.iter().filter_map(found).collect();
        let mut body = Vec::new();
        while let Some(piece) = response.chunk().await.map_err(|error| broken(&error))? {
            if body.len() + piece.len() > LARGEST {
                return Err(NetError::TooLarge(LARGEST));
            }
            body.extend_from_slice(&piece);
        }
        Ok(Told { status: status.as_u16(), text: String::from_utf8_lossy(&body).into_owned(), headers })
    }
}

impl Told {
    /// A header that the call named, where the reply has it.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// The text of a 200.
    pub fn text(&self) -> Option<&str> {
        (self.status == StatusCode::OK.as_u16()).then_some(self.text.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_the_machine_itself_are_metadata_services() {
        for good in ["http://169.254.169.254", "http://[fd00:ec2::254]", "http://127.0.0.1:8080", "http://[::1]:1/"] {
            assert!(Metadata::open(good).is_ok(), "{good}");
        }
        for bad in [
            "https://169.254.169.254",
            "http://10.0.0.1",
            "http://example.org",
            "http://metadata.google.internal",
            "http://user@169.254.169.254",
            "169.254.169.254",
            "file:///etc/passwd",
            "",
        ] {
            assert!(Metadata::open(bad).is_err(), "{bad}");
        }
    }
}
