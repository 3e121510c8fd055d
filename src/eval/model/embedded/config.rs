//! The shape of a model: `config.json` of the transformers library, or the metadata of a GGUF file.

use std::path::Path;

use serde::Deserialize;

use super::error::EngineError;

/// How the frequencies of the rotary embedding are scaled.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum RopeScaling {
    Plain,
    /// All frequencies divided by a factor.
    Linear(f64),
    /// Llama 3.1: low frequencies divided, high ones kept, a smooth passage between.
    Llama3 {
        factor: f64,
        low: f64,
        high: f64,
        original: f64,
    },
}

/// Everything that the forward pass needs to know.
#[derive(Clone, Debug)]
pub(super) struct Config {
    pub(super) family: &'static str,
    pub(super) hidden: usize,
    pub(super) layers: usize,
    pub(super) heads: usize,
    pub(super) key_heads: usize,
    pub(super) head_size: usize,
    pub(super) norm_epsilon: f64,
    pub(super) rope_base: f64,
    pub(super) rope_scaling: RopeScaling,
    pub(super) longest: usize,
    pub(super) tied: bool,
    pub(super) begin: Option<u32>,
    pub(super) ends: Vec<u32>,
}

#[derive(Deserialize)]
struct File {
    model_type: String,
    hidden_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    num_key_value_heads: Option<usize>,
    head_dim: Option<usize>,
    rms_norm_eps: f64,
    rope_theta: Option<f64>,
    rope_scaling: Option<Scaling>,
    rope_parameters: Option<Scaling>,
    max_position_embeddings: usize,
    #[serde(default)]
    tie_word_embeddings: bool,
    bos_token_id: Option<Ids>,
    eos_token_id: Option<Ids>,
    hidden_act: Option<String>,
    #[serde(default)]
    mlp_bias: bool,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Ids {
    One(u32),
    Many(Vec<u32>),
}

#[derive(Deserialize)]
struct Scaling {
    #[serde(alias = "type")]
    rope_type: Option<String>,
    rope_theta: Option<f64>,
    factor: Option<f64>,
    low_freq_factor: Option<f64>,
    high_freq_factor: Option<f64>,
    original_max_position_embeddings: Option<f64>,
}

#[derive(Deserialize)]
struct GenerationFile {
    eos_token_id: Option<Ids>,
}

impl Ids {
    fn all(self) -> Vec<u32> {
        match self {
            Ids::One(id) => vec![id],
            Ids::Many(ids) => ids,
        }
    }
}

impl Config {
    /// Reads `config.json`, and the further ends of `generation_config.json`.
    pub(super) fn read(folder: &Path) -> Result<Self, EngineError> {
        let path = folder.join("config.json");
        let text = std::fs::read(&path).map_err(|source| EngineError::file(&path, source))?;
        let unusable = |what: String| EngineError::unusable(&path, what);
        let file: File =
            serde_json::from_slice(&text).map_err(|error| unusable(format!("not a model's config: {error}")))?;
        let family = match file.model_type.as_str() {
            "llama" => "llama",
            "mistral" => "mistral",
            "qwen2" => "qwen2",
            other => {
                let known =
                    "this engine runs llama, mistral and qwen2; serve others with vLLM and use `provider: openai`";
                return Err(unusable(format!("model_type {other:?} is not known: {known}")));
            }
        };
        if file.hidden_act.as_deref().is_some_and(|name| name != "silu") {
            return Err(unusable("only hidden_act silu is known".to_owned()));
        }
        if file.mlp_bias {
            return Err(unusable("mlp_bias is not known".to_owned()));
        }
        let scaling = file.rope_parameters.as_ref().or(file.rope_scaling.as_ref());
        let base = scaling.and_then(|scaling| scaling.rope_theta).or(file.rope_theta).unwrap_or(10_000.0);
        let rope_scaling = scaling.map_or(Ok(RopeScaling::Plain), |scaling| rope(scaling).map_err(unusable))?;
        let mut ends = file.eos_token_id.map(Ids::all).unwrap_or_default();
        let generation = std::fs::read(folder.join("generation_config.json")).ok();
        let generation = generation.and_then(|text| serde_json::from_slice::<GenerationFile>(&text).ok());
        ends.extend(generation.and_then(|file| file.eos_token_id).map(Ids::all).unwrap_or_default());
        ends.sort_unstable();
        ends.dedup();
        let config = Config {
            family,
            hidden: file.hidden_size,
            layers: file.num_hidden_layers,
            heads: file.num_attention_heads,
            key_heads: file.num_key_value_heads.unwrap_or(file.num_attention_heads),
            head_size: file.head_dim.unwrap_or(file.hidden_size / file.num_attention_heads.max(1)),
            norm_epsilon: file.rms_norm_eps,
            rope_base: base,
            rope_scaling,
            longest: file.max_position_embeddings,
            tied: file.tie_word_embeddings,
            begin: file.bos_token_id.and_then(|ids| ids.all().first().copied()),
            ends,
        };
        config.check().map_err(|what| EngineError::unusable(&path, what))?;
        Ok(config)
    }

    /// Numbers that no model has would end in a division by zero later.
    pub(super) fn check(&self) -> Result<(), String> {
        let positive = [self.hidden, self.layers, self.heads, self.key_heads, self.head_size, self.longest];
        if positive.contains(&0) || !self.heads.is_multiple_of(self.key_heads) || !self.head_size.is_multiple_of(2) {
            return Err("its numbers of heads, layers or positions make no model".to_owned());
        }
        Ok(())
    }
}

fn rope(scaling: &Scaling) -> Result<RopeScaling, String> {
    let needed = |value: Option<f64>, name: &str| value.ok_or_else(|| format!("rope scaling without {name}"));
    match scaling.rope_type.as_deref() {
        None | Some("default") => Ok(RopeScaling::Plain),
        Some("linear") => Ok(RopeScaling::Linear(needed(scaling.factor, "factor")?)),
        Some("llama3") => Ok(RopeScaling::Llama3 {
            factor: needed(scaling.factor, "factor")?,
            low: needed(scaling.low_freq_factor, "low_freq_factor")?,
            high: needed(scaling.high_freq_factor, "high_freq_factor")?,
            original: needed(scaling.original_max_position_embeddings, "original_max_position_embeddings")?,
        }),
        Some(other) => Err(format!("rope scaling {other:?} is not known; known are default, linear and llama3")),
    }
}
