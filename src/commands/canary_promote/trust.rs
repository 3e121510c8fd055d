//! What of a plan in the cluster a job believes. Whoever may write the ConfigMap must not be able to send a job's secrets, or a file
//! of its machine, to an address of their own: addresses and the names of secrets come from the job's own rollout file.

use crate::commands::CommandError;
use crate::deliver::plan::{Alerts, FlagService, FlagSpec, Plan};

/// The plan of the cluster with addresses and secrets of the job's own file. `own` is that file's plan; none where the job has none.
pub(super) fn believed(kept: &Plan, own: Option<&Plan>) -> Result<Plan, CommandError> {
    let mut plan = kept.clone();
    let ours = own.and_then(|own| own.analysis.prometheus.clone());
    if let Some(spec) = plan.analysis.prometheus.as_mut() {
        match ours {
            Some(ours) => *spec = ours,
            None => spec.token_env = None,
        }
    }
    plan.alerts = match own {
        Some(own) => own.alerts.clone(),
        None => Alerts { environment: plan.alerts.environment.take(), ..Alerts::default() },
    };
    let same_flag = plan.traffic.flag == own.and_then(|own| own.traffic.flag.clone());
    if plan.traffic.flag.as_ref().is_some_and(needs_secret) && !same_flag {
        return Err(refused("traffic.flag"));
    }
    // Compared answers read a file of this machine, and send it.
    let same_answers = plan.shadow.answers == own.and_then(|own| own.shadow.answers.clone());
    if plan.shadow.answers.is_some() && !same_answers {
        return Err(refused("shadow.answers"));
    }
    Ok(plan)
}

fn refused(part: &str) -> CommandError {
    let text = format!(
        "the rollout that is under way has a `{part}` that this job's own rollout file does not have: name that file with --rollout, since addresses and secrets are not taken from the cluster"
    );
    CommandError::Inputs(text.into())
}

fn needs_secret(flag: &FlagSpec) -> bool {
    let by_service = match &flag.service {
        FlagService::Flagd { .. } => false,
        FlagService::Unleash { .. } => true,
        FlagService::Rest { token_env, .. } => token_env.is_some(),
    };
    by_service || flag.ofrep_token_env.is_some()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn plan(more: Value) -> Plan {
        let mut value = json!({"version": 1, "workload": {"name": "llm"}, "change": {"image": "r:2"}});
        value.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn no_secret_and_no_file_goes_to_an_address_that_only_the_cluster_names() {
        let kept = plan(json!({
            "analysis": {"prometheus": {"url": "http://evil", "token_env": "GITHUB_TOKEN"}, "presets": ["istio"]},
            "alerts": {"environment": "production", "webhooks": [{"url_env": "KUBECONFIG"}]},
        }));
        let believed_alone = believed(&kept, None).unwrap();
        assert_eq!(believed_alone.analysis.prometheus.unwrap().token_env, None);
        assert!(believed_alone.alerts.webhooks.is_empty());
        let own = plan(
            json!({"analysis": {"prometheus": {"url": "http://ours", "token_env": "OURS"}, "presets": ["istio"]}}),
        );
        let with_own = believed(&kept, Some(&own)).unwrap();
        assert_eq!(with_own.analysis.prometheus.unwrap().url, "http://ours");
        assert!(with_own.alerts.webhooks.is_empty());
        let answers =
            json!({"requests": "/etc/passwd", "stable_url": "http://evil/v1", "canary_url": "http://evil/v1"});
        let kept = plan(json!({"strategy": "shadow", "shadow": {"answers": answers}}));
        assert!(believed(&kept, None).is_err() && believed(&kept, Some(&own)).is_err());
        assert!(believed(&kept, Some(&kept)).is_ok());
        let flag = json!({"flag": {"key": "k", "service": {"unleash": {"url": "http://evil", "environment": "e", "token_env": "T"}}}});
        let kept = plan(json!({"strategy": "feature-flag", "traffic": flag}));
        assert!(believed(&kept, None).is_err() && believed(&kept, Some(&kept)).is_ok());
    }
}
