//! What every order needs: the cluster, the clock, the plan with its namespace, the lock, and who is told.

use std::sync::Arc;
use std::time::Duration;

use super::args::{CanaryPromoteArgs, Order};
use super::load::load;
use super::owner::owner;
use super::trust;
use crate::cluster::{Claim, Cluster, Contender, Guard, LEASE, Turn};
use crate::commands::cluster::connect;
use crate::commands::{CommandError, Context};
use crate::deliver::alert::Channels;
use crate::deliver::begin;
use crate::deliver::clock::Clock;
use crate::deliver::plan::{Plan, Purpose, StrategyName};
use crate::deliver::probe::presets;
use crate::deliver::state::{Moment, Owner, State};
use crate::deliver::store::{Kept, Store};
use crate::deliver::traffic::{Router, flag};
use crate::deliver::workload::Names;
use crate::deliver::{Split, Trouble, drive};
use crate::net;
use crate::trust::{Secret, Untrusted};

/// What came of asking for the lock.
pub(super) enum Taken {
    /// It is ours.
    Ours(Guard),
    /// Somebody else has it, and is alive: who.
    Held(Untrusted),
}

/// An order with everything that it needs.
pub(super) struct Session<'a> {
    pub(super) context: &'a Context,
    pub(super) args: &'a CanaryPromoteArgs,
    pub(super) order: Order,
    /// The plan of the file and the inputs. A rollout that is under way has its own.
    pub(super) plan: Plan,
    pub(super) cluster: Cluster,
    pub(super) clock: Clock,
    pub(super) owner: Owner,
}

impl<'a> Session<'a> {
    /// Reads the plan and finds the cluster. A first question sets the clock.
    pub(super) async fn open(
        args: &'a CanaryPromoteArgs,
        order: Order,
        purpose: Purpose,
        context: &'a Context,
    ) -> Result<Self, CommandError> {
        let plan = presets::expand(&load(args, purpose)?);
        let cluster = connect(args.kubeconfig.as_deref(), plan.workload.context.clone(), context).await?;
        let mut plan = plan;
        let namespace = plan.workload.namespace.get_or_insert_with(|| cluster.namespace().to_owned()).clone();
        let owner = owner(context)?;
        // The clock is the API server's; whatever this answers, it tells the time.
        let place = crate::cluster::CONFIG_MAP.at(&namespace, &format!("llmci-{}", plan.workload.name));
        cluster.find(&place).await.map_err(|error| command_error(error.into()))?;
        let time = cluster.server_time();
        let time = time.ok_or_else(|| CommandError::Environment("the API server tells no time".into()))?;
        Ok(Self { context, args, order, plan, cluster, clock: Clock::real(Moment(time)), owner })
    }

    /// The state in the cluster, where there is one.
    pub(super) async fn state(&self) -> Result<Option<Kept>, CommandError> {
        self.store().read().await.map_err(command_error)
    }

    /// The plan of a rollout in the cluster, as far as it is believed.
    pub(super) fn believed(&self, kept: &Plan) -> Result<Plan, CommandError> {
        let own = self.args.rollout.exists().then_some(&self.plan);
        trust::believed(kept, own)
    }

    /// The place of the state.
    pub(super) fn store(&self) -> Store<'_> {
        Store::new(&self.cluster, self.plan.workload.namespace(), &self.plan.workload.name)
    }

    /// Takes the lock of the workload. Somebody who keeps it for longer than a dead holder could is alive.
    pub(super) async fn lock(&self) -> Result<Taken, CommandError> {
        let workload = &self.plan.workload;
        let lasts = Duration::try_from_secs_f64(self.plan.patience.lock_seconds).unwrap_or(Duration::from_secs(30));
        let claim = Claim {
            place: LEASE.at(workload.namespace(), &format!("llmci-{}", workload.name)),
            holder: self.owner.run.clone(),
            url: self.owner.url.clone(),
            duration: lasts,
            metadata: serde_json::Value::Null,
        };
        let mut contender = Contender::new(&self.cluster, claim);
        match contender.acquire(lasts.mul_f64(1.5), &self.context.cancel).await {
            Ok(Turn::Mine(guard)) => Ok(Taken::Ours(guard)),
            Ok(Turn::Theirs(other)) => {
                let page = other.url.map_or_else(|| "its page is not known".to_owned(), Untrusted::into_raw);
                let (name, holder) = (&workload.name, other.holder.into_raw());
                Ok(Taken::Held(format!("another promoter holds `{name}`: {holder} ({page})").into()))
            }
            Err(error) => Err(command_error(error.into())),
        }
    }

    /// The same where nothing can be done without it.
    pub(super) async fn lock_or_stop(&self) -> Result<Guard, CommandError> {
        match self.lock().await? {
            Taken::Ours(guard) => Ok(guard),
            Taken::Held(why) => Err(CommandError::Environment(why)),
        }
    }

    /// The router of a flag, which needs secrets; none for other strategies.
    pub(super) fn flag(&self, plan: &Plan) -> Result<Option<Arc<dyn Router>>, CommandError> {
        if plan.strategy != StrategyName::FeatureFlag {
            return Ok(None);
        }
        let plan = &self.believed(plan)?;
        let client = net::client(&net::ClientOptions::default()).map_err(|error| CommandError::environment(&error))?;
        let router = flag::router(plan, &self.cluster, &client, &|name| self.secret(name)).map_err(command_error)?;
        Ok(Some(Arc::from(router)))
    }

    /// What splits the traffic of a rollout that was begun, as it is now.
    pub(super) async fn split(&self, state: &State) -> Option<Split> {
        let flag = self.flag(&state.plan).ok()?;
        let names = Names::in_state(state);
        let router = begin::router_of(&self.cluster, &state.plan, &names, flag).await.ok()?;
        router.split().await.ok()
    }

    /// Who is told.
    pub(super) fn channels(&self, plan: &Plan) -> Channels {
        Channels::open(&plan.alerts, &|name| self.secret(name), &self.context.redactor)
    }

    /// A secret by its variable; the redactor knows it from then on.
    pub(super) fn secret(&self, name: &str) -> Option<Secret> {
        let secret = self.context.environment.get(name).map(Secret::new)?;
        self.context.redactor.learn([&secret]);
        self.context.host.mask(std::slice::from_ref(&secret));
        Some(secret)
    }
}

/// A trouble as an exit code: a plan that does not fit is an input, everything else is outside.
pub(super) fn command_error(trouble: Trouble) -> CommandError {
    let text = Untrusted::new(drive::words(&trouble));
    match trouble {
        Trouble::Plan(_) => CommandError::Inputs(text),
        Trouble::Cluster(_) | Trouble::Foreign(_) | Trouble::Held(_) | Trouble::Beside(_) | Trouble::Cancelled => {
            CommandError::Environment(text)
        }
    }
}
