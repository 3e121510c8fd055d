//! Addresses: the plan is kept in the cluster and shown on pages, so none of them may hold a password.

use super::Found;
use crate::deliver::plan::{FlagService, Plan, Similarity, Slack};

pub(super) fn check(plan: &Plan, found: &mut Found<'_>) {
    let mut all: Vec<(String, &str)> = Vec::new();
    if let Some(prometheus) = &plan.analysis.prometheus {
        all.push(("/analysis/prometheus/url".to_owned(), &prometheus.url));
    }
    if let Some(flag) = &plan.traffic.flag {
        match &flag.service {
            FlagService::Flagd { .. } => {}
            FlagService::Unleash { url, .. } => all.push(("/traffic/flag/service/unleash/url".to_owned(), url)),
            FlagService::Rest { url, .. } => all.push(("/traffic/flag/service/rest/url".to_owned(), url)),
        }
        all.extend(flag.ofrep_url.iter().map(|url| ("/traffic/flag/ofrep_url".to_owned(), url.as_str())));
    }
    if let Some(answers) = &plan.shadow.answers {
        all.push(("/shadow/answers/stable_url".to_owned(), &answers.stable_url));
        all.push(("/shadow/answers/canary_url".to_owned(), &answers.canary_url));
        match &answers.similarity {
            Similarity::Exact => {}
            Similarity::Embedding { base_url, .. } | Similarity::Judge { base_url, .. } => {
                all.push(("/shadow/answers/similarity".to_owned(), base_url));
            }
        }
    }
    for (at, slack) in plan.alerts.slack.iter().enumerate() {
        if let Slack::App { api_url, .. } = slack {
            all.push((format!("/alerts/slack/{at}/app/api_url"), api_url));
        }
    }
    for (at, pagerduty) in plan.alerts.pagerduty.iter().enumerate() {
        all.push((format!("/alerts/pagerduty/{at}/url"), &pagerduty.url));
    }
    for (pointer, address) in all {
        let rest = address.strip_prefix("http://").or_else(|| address.strip_prefix("https://"));
        match rest {
            None => found.at(&pointer, "an address begins with http:// or https://", ""),
            Some(rest) if rest.split(['/', '?', '#']).next().is_some_and(|host| host.contains('@')) => {
                let help = "name the variable that holds the token instead (`token_env`, `api_key_env`)";
                found.at(&pointer, "an address holds no user and no password: this file is shown and kept", help);
            }
            Some(_) => {}
        }
    }
}
