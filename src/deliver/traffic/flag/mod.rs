//! A feature flag as a router: its percentage is the split. The change goes through the service that holds the flag; where
//! OpenFeature's remote evaluation answers, it is also seen that the change is served.
//! Kept out: when a percentage is raised (`strategy::feature_flag`).

mod ask;
mod flagd;
mod ofrep;
mod rest;
mod targeting;
mod unleash;

use std::sync::Mutex;
use std::time::Duration;

use super::Router;
use crate::cluster::Cluster;
use crate::deliver::plan::{FlagService, FlagSpec, Plan};
use crate::deliver::{Percent, Split, Trouble};
use crate::trust::{Secret, Untrusted};

use ofrep::Ofrep;

/// How long a change may take until it is served: a ConfigMap reaches its pods only when the kubelet syncs, a minute and more.
const SERVED_WITHIN: Duration = Duration::from_secs(150);

/// The place that holds the flag.
enum Holder {
    Flagd(flagd::Flagd),
    Unleash(unleash::Unleash),
    Rest(rest::Rest),
}

/// A flag whose percentage is the split.
struct Flag {
    holder: Holder,
    ofrep: Option<Ofrep>,
    /// What this process left there: where the service has no place for a mark, this is how a foreign edit is seen.
    left: Mutex<Option<Percent>>,
}

/// The router of a plan's flag. Nothing is asked yet; a secret that is missing is [`Trouble::Plan`].
pub fn router(
    plan: &Plan,
    cluster: &Cluster,
    client: &reqwest::Client,
    secrets: &dyn Fn(&str) -> Option<Secret>,
) -> Result<Box<dyn Router>, Trouble> {
    router_within(plan, cluster, client, secrets, SERVED_WITHIN)
}

/// The same, with another time until a change must be served.
pub fn router_within(
    plan: &Plan,
    cluster: &Cluster,
    client: &reqwest::Client,
    secrets: &dyn Fn(&str) -> Option<Secret>,
    served_within: Duration,
) -> Result<Box<dyn Router>, Trouble> {
    let spec = plan.traffic.flag.as_ref().ok_or_else(|| wrong("there is no `traffic.flag`"))?;
    let FlagSpec { key, service, ofrep_url, ofrep_token_env } = spec;
    let secret = |name: &str| {
        let found = secrets(name).filter(|found| !found.expose().is_empty());
        found.ok_or_else(|| wrong(&format!("the variable {name} of `traffic.flag` is not set")))
    };
    let (holder, on) = match service {
        FlagService::Flagd { config_map, file, on, off } => {
            let variants = targeting::Variants { on: on.clone(), off: off.clone() };
            let place = crate::cluster::CONFIG_MAP.at(plan.workload.namespace(), config_map);
            let flagd = flagd::Flagd::new(cluster.clone(), place, file.clone(), key.clone(), variants);
            (Holder::Flagd(flagd), ofrep::On::Variant { on: on.clone(), off: off.clone() })
        }
        FlagService::Unleash { url, project, environment, token_env } => {
            let token = secret(token_env)?;
            let unleash = unleash::Unleash::new(client, url, [project, key, environment], token)?;
            (Holder::Unleash(unleash), ofrep::On::True)
        }
        FlagService::Rest { url, pointer, token_env } => {
            let token = token_env.as_deref().map(secret).transpose()?;
            (Holder::Rest(rest::Rest::new(client, url, pointer, token)?), ofrep::On::True)
        }
    };
    let ofrep = match ofrep_url {
        Some(url) => {
            let token = ofrep_token_env.as_deref().map(secret).transpose()?;
            Some(Ofrep::new(client, url, key, token, on, served_within)?)
        }
        None => None,
    };
    Ok(Box::new(Flag { holder, ofrep, left: Mutex::new(None) }))
}

impl Flag {
    async fn read(&self) -> Result<Percent, Trouble> {
        let percent = match &self.holder {
            Holder::Flagd(flagd) => flagd.read().await?,
            Holder::Unleash(unleash) => unleash.read().await?,
            Holder::Rest(rest) => rest.read().await?,
        };
        let left = *self.left.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        match left {
            Some(left) if left != percent => Err(Trouble::Foreign(Untrusted::new(format!(
                "{} is at {} %, and the rollout had set {} %",
                self.name(),
                percent.get(),
                left.get()
            )))),
            Some(_) | None => Ok(percent),
        }
    }

    fn remember(&self, percent: Percent) {
        *self.left.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(percent);
    }
}

#[async_trait::async_trait]
impl Router for Flag {
    fn name(&self) -> String {
        match &self.holder {
            Holder::Flagd(flagd) => flagd.name(),
            Holder::Unleash(unleash) => unleash.name(),
            Holder::Rest(rest) => rest.name(),
        }
    }

    async fn split(&self) -> Result<Split, Trouble> {
        Ok(Split::to_canary(self.read().await?))
    }

    async fn shift(&self, split: Split) -> Result<(), Trouble> {
        if split.mirror != Percent::ZERO {
            return Err(wrong("a flag mirrors no requests"));
        }
        let (before, wanted) = (self.read().await?, split.canary);
        if before != wanted {
            match &self.holder {
                Holder::Flagd(flagd) => flagd.write(before, wanted).await?,
                Holder::Unleash(unleash) => unleash.write(before, wanted).await?,
                Holder::Rest(rest) => rest.write(before, wanted).await?,
            }
        }
        self.remember(wanted);
        // Read back from where it really is: a service may answer well and change nothing.
        self.read().await?;
        match &self.ofrep {
            Some(ofrep) => ofrep.serves(wanted).await,
            None => Ok(()),
        }
    }

    /// Takes our mark away. The percentage stays where it is: after a promotion it is what gives the new version to everybody.
    async fn clear(&self) -> Result<(), Trouble> {
        match &self.holder {
            Holder::Flagd(flagd) => flagd.clear().await,
            Holder::Unleash(_) | Holder::Rest(_) => Ok(()),
        }
    }
}

fn wrong(what: &str) -> Trouble {
    super::object::misfit(what)
}

/// A percentage that is written as a number or as text; only whole ones of 0 to 100 are known.
fn percent_of(value: &serde_json::Value) -> Option<Percent> {
    let number = match value {
        serde_json::Value::Number(number) => number.as_f64(),
        serde_json::Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }?;
    let percent = Percent::nearest(number / 100.0);
    (f64::from(percent.get()) - number).abs().le(&1e-9).then_some(percent)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_whole_percents_of_0_to_100_are_percentages() {
        for (value, percent) in [(json!(0), 0), (json!(100), 100), (json!("25"), 25), (json!(50.0), 50)] {
            assert_eq!(percent_of(&value), Percent::new(percent), "{value}");
        }
        for value in
            [json!(101), json!(-1), json!(0.5), json!("x"), json!(null), json!(true), json!("NaN"), json!(1e300)]
        {
            assert_eq!(percent_of(&value), None, "{value}");
        }
    }
}
