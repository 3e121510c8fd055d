//! How every program reaches a cluster: by a kubeconfig, whose secrets are known before anything is printed.

use crate::cluster::{Cluster, ClusterError, Connection};
use crate::commands::{CommandError, Context};

/// Reaches the cluster of `--kubeconfig`, a path or the text itself, in its context of this name.
pub(super) async fn connect(
    kubeconfig: Option<&str>,
    kube_context: Option<String>,
    context: &Context,
) -> Result<Cluster, CommandError> {
    let kubeconfig = match kubeconfig {
        None => None,
        // What could be the text itself is never taken for a path, which an error would quote.
        Some(text) if text.contains('\n') || text.trim_start().starts_with('{') || text.contains("apiVersion") => {
            Some(text.to_owned())
        }
        Some(path) => {
            let read = std::fs::read_to_string(path);
            Some(read.map_err(|error| CommandError::Inputs(format!("the file of --kubeconfig: {error}").into()))?)
        }
    };
    let connection = Connection {
        context: kube_context,
        kubeconfig,
        no_proxy: context.environment.get("NO_PROXY").or(context.environment.get("no_proxy")).map(str::to_owned),
    };
    let secrets = connection.secrets();
    context.redactor.learn(&secrets);
    context.host.mask(&secrets);
    let cluster = Cluster::connect(&connection).await.map_err(|error| trouble(&error))?;
    context.redactor.learn(cluster.secrets());
    context.host.mask(cluster.secrets());
    Ok(cluster)
}

/// A cluster that cannot be asked is outside of the inputs.
pub(super) fn trouble(error: &ClusterError) -> CommandError {
    CommandError::Environment(error.words())
}
