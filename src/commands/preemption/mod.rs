//! A machine that is taken away: the inputs, and who listens for the cloud's notice. A notice interrupts the run as a signal does.
//! Kept out: what is kept of the run (`commands::checkpoint`).

mod notice;

use clap::{Args, ValueEnum};

use super::{CommandError, Context, Interruption};
use crate::net::Metadata;
use crate::trust::Untrusted;
use notice::{Cloud, listen};

/// Whose notice is listened for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum NoticeFrom {
    /// Nobody's.
    Off,
    /// AWS: a spot instance's action.
    Aws,
    /// Google Cloud: a spot or preemptible VM's.
    Gcp,
}

/// Inputs about a machine that may be taken away.
#[derive(Args, Clone, Debug)]
pub struct PreemptionArgs {
    /// Whose notice that the machine is taken away stops the run: aws or gcp, by the machine's metadata service
    #[arg(long, value_enum, value_name = "CLOUD", default_value = "off")]
    pub preemption_notice: NoticeFrom,
    /// Where an interrupted run is kept, so that the same command goes on there on any machine: a folder, or s3://bucket/prefix (default: `run.checkpoint` of the policy, else nowhere)
    #[arg(long, value_name = "STORE")]
    pub checkpoint: Option<String>,
}

/// Begins to listen, where that is asked for. A service that does not answer is said once, and is no notice.
pub(crate) fn watch(args: &PreemptionArgs, context: &Context) -> Result<(), CommandError> {
    let (cloud, url) = match args.preemption_notice {
        NoticeFrom::Off => return Ok(()),
        NoticeFrom::Aws => {
            (Cloud::Aws, context.environment.get("AWS_EC2_METADATA_SERVICE_ENDPOINT").map(str::to_owned))
        }
        NoticeFrom::Gcp => {
            // Google's own libraries read a host here, and no URL.
            let host = context.environment.get("GCE_METADATA_HOST").filter(|host| *host != "metadata.google.internal");
            (Cloud::Gcp, host.map(|host| format!("http://{host}")))
        }
    };
    let url = url.unwrap_or_else(|| "http://169.254.169.254".to_owned());
    let service = Metadata::open(&url).map_err(|error| CommandError::Inputs(Untrusted::new(error.to_string())))?;
    let interrupter = context.interrupter.clone();
    tokio::spawn(async move {
        let stop = interrupter.token().clone();
        if let Some(words) = listen(cloud, &service, &stop).await {
            tracing::warn!("stopping: {words}; finished samples are kept");
            interrupter.interrupt(Interruption::Notice(words));
        }
    });
    Ok(())
}
