//! A loaded model: weights, tokenizer, and what is known of them.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use candle_core::{DType, Device as Target};

use super::config::Config;
use super::error::EngineError;
use super::forward::{Cache, Network};
use super::tokenizer::{CHAT_TEMPLATE, Text};
use super::weights::{Weights, files};
use super::{Device, Dtype, gguf};
use crate::eval::request::ChatMessage;
use crate::trust::{Digest, Hasher};

/// A model that this process runs itself. It may be asked from several threads at once.
pub struct Engine {
    network: Network,
    text: Text,
    config: Config,
    digest: Digest,
    description: String,
}

impl Engine {
    /// Loads a folder of safetensors with config.json and tokenizer.json, or a .gguf file.
    pub fn load(path: &Path, device: Device) -> Result<Self, EngineError> {
        Self::load_as(path, device, Dtype::F32)
    }

    /// The same with weights that are rounded to a type, on any device.
    pub fn load_as(path: &Path, device: Device, dtype: Dtype) -> Result<Self, EngineError> {
        let target = target(device)?;
        let (weights, config, text, parts) = if path.extension().is_some_and(|extension| extension == "gguf") {
            let (weights, config, text) = gguf::read(path, &target)?;
            (weights, config, text, vec![path.to_owned()])
        } else {
            if !path.is_dir() {
                return Err(EngineError::unusable(path, "no such folder, and no .gguf file"));
            }
            let mut parts = files(path)?;
            let config = Config::read(path)?;
            let text = Text::read(path)?;
            let side =
                ["config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json", CHAT_TEMPLATE];
            parts.extend(side.iter().map(|name| path.join(name)).filter(|path| path.is_file()));
            (Weights::read(path, &target)?, config, text, parts)
        };
        let digest = digest(&parts)?;
        let digest = placed(digest, &target, dtype);
        #[expect(clippy::cast_precision_loss, reason = "for people")]
        let millions = weights.parameters() as f64 / 1e6;
        let place = if target.is_cuda() { "cuda" } else { "cpu" };
        let description =
            format!("{}, {millions:.2} M parameters, {dtype} on {place}, {} positions", config.family, config.longest);
        let network = Network::new(weights, config.clone(), &target, type_of(dtype))?;
        Ok(Self { network, text, config, digest, description })
    }

    /// Over weights, config and tokenizer.
    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    /// For people.
    pub fn description(&self) -> &str {
        &self.description
    }

    /// Whether the model brings a form for chats.
    pub fn has_chat_form(&self) -> bool {
        self.text.has_chat_form()
    }

    /// A chat as the one text that the model continues.
    pub fn chat(&self, messages: &[ChatMessage]) -> Result<String, EngineError> {
        self.text.chat(messages)
    }

    pub(super) fn network(&self) -> &Network {
        &self.network
    }

    pub(super) fn tokenizer(&self) -> &Text {
        &self.text
    }

    pub(super) fn positions(&self) -> usize {
        self.config.longest
    }

    pub(super) fn is_end(&self, token: u32) -> bool {
        self.config.ends.contains(&token)
    }

    /// The token before a text that nothing precedes.
    pub(super) fn prefix_token(&self) -> Result<u32, EngineError> {
        let token = self.config.begin.or_else(|| self.config.ends.first().copied());
        token
            .ok_or_else(|| EngineError::Unsuitable("an empty context, and the model has no token to begin with".into()))
    }

    /// The mean of a text's last hidden states. A model that continues text was not made for it: its vectors are alike where words
    /// are, and say less of meanings than those of a model of embeddings.
    pub(super) fn embedding(&self, text: &str) -> Result<Vec<f64>, EngineError> {
        let tokens = self.tokenizer().encode(text)?;
        self.check_tokens(&tokens)?;
        if tokens.is_empty() {
            return Err(EngineError::Unsuitable("an empty text has no embedding".into()));
        }
        let state = self.network.mean_state(&tokens)?.to_vec1::<f32>()?;
        if state.iter().any(|number| !number.is_finite()) {
            return Err(EngineError::Compute("an embedding is not finite".to_owned()));
        }
        Ok(state.into_iter().map(f64::from).collect())
    }

    pub(super) fn last_logits(&self, tokens: &[u32], cache: &mut Cache) -> Result<Vec<f32>, EngineError> {
        self.check_tokens(tokens)?;
        Ok(self.network.forward(tokens, cache, 1)?.squeeze(0)?.to_vec1::<f32>()?)
    }

    pub(super) fn is_on_gpu(&self) -> bool {
        self.network.device.is_cuda()
    }

    pub(super) fn heads(&self) -> usize {
        self.config.heads
    }

    pub(super) fn check_positions(&self, tokens: usize) -> Result<(), EngineError> {
        self.network.check_positions(tokens)
    }

    pub(super) fn check_tokens(&self, tokens: &[u32]) -> Result<(), EngineError> {
        if let Some(token) = tokens.iter().find(|token| **token as usize >= self.network.vocabulary()) {
            let text =
                format!("the tokenizer knows the token {token}, the model has only {}", self.network.vocabulary());
            return Err(EngineError::Unsuitable(text.into()));
        }
        Ok(())
    }
}

fn target(device: Device) -> Result<Target, EngineError> {
    match device {
        Device::Cpu => Ok(Target::Cpu),
        Device::Auto if !cfg!(feature = "cuda") => Ok(Target::Cpu),
        Device::Auto => Ok(Target::new_cuda(0).unwrap_or(Target::Cpu)),
        Device::Cuda if !cfg!(feature = "cuda") => Err(EngineError::Compute(
            "this build computes on the CPU only; the build with --features cuda has CUDA".to_owned(),
        )),
        Device::Cuda => Ok(Target::new_cuda(0)?),
    }
}

/// Numbers of another device or type are not quite the same: they have a digest of their own.
fn placed(digest: Digest, target: &Target, dtype: Dtype) -> Digest {
    // How a GPU computes changes them as well: its part counts that.
    let place: &[u8] = match (target.is_cuda(), dtype) {
        (true, _) => b"cuda-2",
        (false, Dtype::F32) => return digest,
        (false, Dtype::Bf16 | Dtype::F16) => b"cpu",
    };
    let mut hasher = Hasher::new();
    hasher.part(digest.hex().as_bytes()).part(place).part(dtype.to_string().as_bytes());
    hasher.finish()
}

fn type_of(dtype: Dtype) -> DType {
    match dtype {
        Dtype::F32 => DType::F32,
        Dtype::Bf16 => DType::BF16,
        Dtype::F16 => DType::F16,
    }
}

fn digest(parts: &[PathBuf]) -> Result<Digest, EngineError> {
    let mut names: Vec<&PathBuf> = parts.iter().collect();
    names.sort();
    let mut hasher = Hasher::new();
    // How texts become tokens changes answers as weights do.
    hasher.part(b"embedded-2");
    let mut buffer = vec![0; 1 << 20];
    for path in names {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let mut file = File::open(path).map_err(|source| EngineError::file(path, source))?;
        let mut inner = Hasher::new();
        loop {
            let read = file.read(&mut buffer).map_err(|source| EngineError::file(path, source))?;
            if read == 0 {
                break;
            }
            inner.raw(buffer.get(..read).unwrap_or_default());
        }
        hasher.part(name.as_bytes()).part(inner.finish().hex().as_bytes());
    }
    Ok(hasher.finish())
}
