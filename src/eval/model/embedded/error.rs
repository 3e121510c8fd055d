//! Why a model could not be loaded or asked.

use crate::trust::Untrusted;

/// What went wrong inside the engine, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// A file could not be read.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The folder or file holds no model that this engine can run.
    #[error("{path}: {what}")]
    Unusable {
        /// The folder or file.
        path: String,
        /// What is missing or wrong, and what to do; may quote the file.
        what: String,
    },
    /// The request does not fit the model.
    #[error("the request does not fit the model")]
    Unsuitable(Untrusted),
    /// The computation failed.
    #[error("the computation failed: {0}")]
    Compute(String),
    /// The device's memory is too small for the model or the request.
    #[error("the device has no memory left: {0}")]
    Memory(String),
    /// The deadline or a cancellation came first.
    #[error("stopped")]
    Stopped,
}

impl EngineError {
    pub(super) fn unusable(path: &std::path::Path, what: impl Into<String>) -> Self {
        EngineError::Unusable { path: path.display().to_string(), what: what.into() }
    }

    pub(super) fn file(path: &std::path::Path, source: std::io::Error) -> Self {
        EngineError::File { path: path.display().to_string(), source }
    }
}

impl From<candle_core::Error> for EngineError {
    fn from(error: candle_core::Error) -> Self {
        let text = error.to_string();
        // CUDA and cuBLAS say so in these words.
        let full = ["OUT_OF_MEMORY", "out of memory", "ALLOC_FAILED"].iter().any(|words| text.contains(words));
        if full { EngineError::Memory(text) } else { EngineError::Compute(text) }
    }
}
