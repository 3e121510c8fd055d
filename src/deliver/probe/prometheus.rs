//! The HTTP API of Prometheus, as far as it is asked: instant queries, each at a given time. Every wait has an end.
//! Kept out: how an answer is read (`reply`), what is asked (`queries`).

use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderValue};

use super::{NoData, reply};
use crate::deliver::plan::PrometheusSpec;
use crate::net::{ClientOptions, NetError, client, read_body};
use crate::trust::Secret;

/// How far back Prometheus looks for the newest sample of a series. Source: its flag `--query.lookback-delta`, default 5m.
const LOOKBACK_SECONDS: u64 = 300;
/// Looks of the subquery that finds the last sample of a series that has ended, at most.
const MOST_LOOKS: u64 = 300;

/// A Prometheus, or what speaks its API: Thanos, Mimir, VictoriaMetrics.
#[derive(Clone)]
pub struct Prometheus {
    client: reqwest::Client,
    url: reqwest::Url,
    token: Option<HeaderValue>,
    timeout: Duration,
    scrape_seconds: f64,
}

impl Prometheus {
    /// Builds the client. The token is what `token_env` holds.
    pub fn new(spec: &PrometheusSpec, token: Option<&Secret>) -> Result<Self, NetError> {
        let url = reqwest::Url::parse(&format!("{}/api/v1/query", spec.url.trim_end_matches('/')));
        let url = url.ok().filter(|url| matches!(url.scheme(), "http" | "https"));
        let url = url.ok_or_else(|| NetError::Build("`analysis.prometheus.url` is no address of HTTP".to_owned()))?;
        let token = match token {
            Some(token) => {
                let value = HeaderValue::from_str(&format!("Bearer {}", token.expose()));
                let mut value =
                    value.map_err(|_| NetError::Build("the token for Prometheus cannot be sent".to_owned()))?;
                value.set_sensitive(true);
                Some(value)
            }
            None => None,
        };
        let timeout = Duration::try_from_secs_f64(spec.timeout_seconds).unwrap_or(Duration::from_secs(10));
        let client = client(&ClientOptions { idle_connections: 4, ..ClientOptions::default() })?;
        Ok(Self { client, url, token, timeout, scrape_seconds: spec.scrape_seconds })
    }

    /// What Prometheus' clock says, in seconds since 1970.
    pub async fn now(&self) -> Result<f64, NoData> {
        let (status, body) = self.ask("time()", None).await?;
        reply::clock(status, &body)
    }

    /// The one number that a query gives at a time.
    pub(super) async fn one(&self, query: &str, at: f64) -> Result<f64, NoData> {
        let (status, body) = self.ask(query, Some(at)).await?;
        reply::one(status, &body)
    }

    /// Counts by `le`.
    pub(super) async fn by_bound(&self, query: &str, at: f64) -> Result<Vec<(f64, f64)>, NoData> {
        let (status, body) = self.ask(query, Some(at)).await?;
        reply::by_bound(status, &body)
    }

    /// Fails where the newest sample of all these selectors together is older than two scrapes.
    pub(super) async fn fresh(&self, selectors: &[String], at: f64) -> Result<(), NoData> {
        let age = self.one(&age_query(selectors, self.scrape_seconds), at).await?;
        if age > 2.0 * self.scrape_seconds {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 300 seconds")]
            return Err(NoData::Stale(age.clamp(0.0, 1e6).round() as u64));
        }
        Ok(())
    }

    /// How often targets are scraped, in seconds.
    pub(super) fn scrape_seconds(&self) -> f64 {
        self.scrape_seconds
    }

    async fn ask(&self, query: &str, at: Option<f64>) -> Result<(u16, Vec<u8>), NoData> {
        let mut form =
            vec![("query", query.to_owned()), ("timeout", format!("{:.0}s", self.timeout.as_secs_f64().ceil()))];
        if let Some(at) = at {
            form.push(("time", format!("{at:.3}")));
        }
        let mut request = self.client.post(self.url.clone()).timeout(self.timeout).form(&form);
        if let Some(token) = &self.token {
            request = request.header(AUTHORIZATION, token.clone());
        }
        let response = request.send().await.map_err(|error| self.unreachable(&error))?;
        let status = response.status().as_u16();
        let body = read_body(response).await.map_err(|error| {
            NoData::Unreachable(match error {
                NetError::TooLarge(bytes) => format!("Prometheus' answer is larger than {bytes} bytes"),
                NetError::File { .. }
                | NetError::Certificates(_)
                | NetError::Build(_)
                | NetError::Refused(_)
                | NetError::Broken(_) => "Prometheus' answer broke off".to_owned(),
            })
        })?;
        Ok((status, body))
    }

    /// In words of our own: the library's would name the address, which may hold a password.
    fn unreachable(&self, error: &reqwest::Error) -> NoData {
        let text = match () {
            () if error.is_timeout() => format!("Prometheus did not answer within {:.0} s", self.timeout.as_secs_f64()),
            () if error.is_connect() => "no connection to Prometheus could be opened".to_owned(),
            () => "the connection to Prometheus broke".to_owned(),
        };
        NoData::Unreachable(text)
    }
}

/// The age of the newest sample in seconds.
///
/// A series whose target has died ends at once for an instant selector, while `increase` goes on answering from its past: its
/// last sample is found by looking back.
fn age_query(selectors: &[String], scrape_seconds: f64) -> String {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a plan's seconds, cut to the range")]
    let step = (scrape_seconds.ceil().clamp(1.0, 60.0) as u64).max(LOOKBACK_SECONDS / MOST_LOOKS);
    let parts: Vec<String> = selectors
        .iter()
        .flat_map(|selector| {
            [
                format!("timestamp({selector})"),
                format!("max_over_time(timestamp({selector})[{LOOKBACK_SECONDS}s:{step}s])"),
            ]
        })
        .collect();
    format!("time() - max({})", parts.join(" or "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_is_none_is_refused_without_being_shown() {
        for url in ["", "prometheus:9090", "ftp://user:hunter22@host", "http://", "//p"] {
            let spec =
                PrometheusSpec { url: url.to_owned(), token_env: None, scrape_seconds: 1.0, timeout_seconds: 1.0 };
            let error = Prometheus::new(&spec, None).err().map(|error| error.to_string());
            assert!(error.is_some_and(|text| !text.contains("hunter22")), "{url}");
        }
    }
}
