//! Where a model of the policy computes: here, or in the program that has CUDA.

use std::sync::Arc;

use super::{EmbeddedModel, Engine, EngineError, RemoteError, RemoteModel};
use crate::eval::model::openai::Surroundings;
use crate::eval::model::{Device, EmbeddedSpec, Model, ModelBuildError};

/// Builds the model where the policy wants it.
pub(in crate::eval::model) fn build(
    name: &str,
    spec: &EmbeddedSpec,
    around: &Surroundings<'_>,
) -> Result<Arc<dyn Model>, ModelBuildError> {
    let here = |note: Option<String>| -> Result<Arc<dyn Model>, EngineError> {
        let engine = Engine::load_as(&around.folder.join(&spec.path), Device::Cpu, spec.dtype)?;
        Ok(Arc::new(EmbeddedModel::with_note(name, engine, note)))
    };
    let there = || RemoteModel::start(name, spec, Device::Cuda, around);
    match spec.device {
        Device::Cpu => Ok(here(None)?),
        Device::Cuda => {
            gpu(around).map_err(RemoteError::Missing)?;
            Ok(Arc::new(there()?))
        }
        Device::Auto => match gpu(around) {
            // A machine without a GPU is what most are: nothing to tell.
            Err(_) => Ok(here(None)?),
            Ok(()) => match there() {
                Ok(model) => Ok(Arc::new(model)),
                Err(error) => Ok(here(Some(format!("there is a GPU, and it is not used: {error}")))?),
            },
        },
    }
}

/// Whether this machine has a GPU that we may use.
#[cfg(feature = "programs")]
fn gpu(around: &Surroundings<'_>) -> Result<(), String> {
    if around.visible_devices == Some("") {
        return Err("no GPU was given to this job (CUDA_VISIBLE_DEVICES is empty)".to_owned());
    }
    match crate::gpu::devices() {
        Ok(_) => Ok(()),
        Err(error) => Err(format!("`device: cuda` needs a GPU, and there is none: {error}; or use `device: cpu`")),
    }
}

#[cfg(not(feature = "programs"))]
fn gpu(_: &Surroundings<'_>) -> Result<(), String> {
    Err("this build asks no GPU".to_owned())
}
