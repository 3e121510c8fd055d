//! GGUF files: weights of any type that the tensor library can spell out in f32, and a byte-level BPE tokenizer.
//! Source of names and layout: llama.cpp, `gguf-py/gguf/constants.py` and `convert_hf_to_gguf.py`.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use candle_core::quantized::gguf_file::{Content, Value};
use candle_core::{Device, Tensor};
use serde_json::json;
use tokenizers::Tokenizer;

use super::config::{Config, RopeScaling};
use super::error::EngineError;
use super::tokenizer::Text;
use super::weights::Weights;

/// A token that is no text (`LLAMA_TOKEN_TYPE_CONTROL`).
const CONTROL: i64 = 3;

struct Reader<'a> {
    path: &'a Path,
    content: &'a Content,
    family: &'static str,
}

/// Reads weights, shape and tokenizer.
pub(super) fn read(path: &Path, device: &Device) -> Result<(Weights, Config, Text), EngineError> {
    let file = File::open(path).map_err(|source| EngineError::file(path, source))?;
    let mut file = BufReader::new(file);
    let content = Content::read(&mut file)
        .map_err(|error| EngineError::unusable(path, format!("not a whole GGUF file: {error}")))?;
    let architecture = content.metadata.get("general.architecture").and_then(text).unwrap_or_default();
    let family = match architecture {
        "llama" => "llama",
        "qwen2" => "qwen2",
        other => {
            let what = format!("the architecture {other:?} is not known; this engine runs llama and qwen2 from GGUF");
            return Err(EngineError::unusable(path, what));
        }
    };
    let reader = Reader { path, content: &content, family };
    let config = reader.config()?;
    let words = reader.tokenizer()?;
    let mut tensors = BTreeMap::new();
    for name in content.tensor_infos.keys() {
        let Some(known) = reader.tensor_name(name)? else { continue };
        let tensor = content
            .tensor(&mut file, name, device)
            .and_then(|tensor| tensor.dequantize(device))
            .map_err(|error| EngineError::unusable(path, format!("the tensor {name} cannot be read: {error}")))?;
        tensors.insert(known.clone(), reader.in_order(&known, tensor, &config)?);
    }
    Ok((Weights::new(path, tensors), config, words))
}

fn text(value: &Value) -> Option<&str> {
    value.to_string().ok().map(String::as_str)
}

fn whole(value: &Value) -> Option<u64> {
    match value {
        Value::U8(n) => Some(u64::from(*n)),
        Value::U16(n) => Some(u64::from(*n)),
        Value::U32(n) => Some(u64::from(*n)),
        Value::U64(n) => Some(*n),
        Value::I8(n) => u64::try_from(*n).ok(),
        Value::I16(n) => u64::try_from(*n).ok(),
        Value::I32(n) => u64::try_from(*n).ok(),
        Value::I64(n) => u64::try_from(*n).ok(),
        Value::F32(_) | Value::F64(_) | Value::Bool(_) | Value::String(_) | Value::Array(_) => None,
    }
}

impl Reader<'_> {
    fn unusable(&self, what: impl Into<String>) -> EngineError {
        EngineError::unusable(self.path, what)
    }

    fn get(&self, name: &str) -> Option<&Value> {
        self.content.metadata.get(name)
    }

    fn number(&self, name: &str) -> Option<usize> {
        let value = self.get(&format!("{}.{name}", self.family)).and_then(whole)?;
        usize::try_from(value).ok()
    }

    fn float(&self, name: &str) -> Option<f64> {
        self.get(&format!("{}.{name}", self.family)).and_then(|value| value.to_f32().ok()).map(f64::from)
    }

    fn config(&self) -> Result<Config, EngineError> {
        let needed = |name: &str| self.number(name).ok_or_else(|| self.unusable(format!("its metadata lack {name}")));
        let (hidden, heads) = (needed("embedding_length")?, needed("attention.head_count")?);
        let token = |name: &str| self.get(name).and_then(whole).and_then(|id| u32::try_from(id).ok());
        let scaling = self.get(&format!("{}.rope.scaling.type", self.family)).and_then(text);
        let rope_scaling = match scaling {
            None | Some("none") => RopeScaling::Plain,
            Some("linear") => RopeScaling::Linear(self.float("rope.scaling.factor").unwrap_or(1.0)),
            Some(other) => return Err(self.unusable(format!("rope scaling {other:?} is not known from GGUF"))),
        };
        if self.content.tensor_infos.contains_key("rope_freqs.weight") {
            return Err(self.unusable(
                "its rotary frequencies are stored as a tensor, which is not known; use the safetensors model",
            ));
        }
        let config = Config {
            family: self.family,
            hidden,
            layers: needed("block_count")?,
            heads,
            key_heads: self.number("attention.head_count_kv").unwrap_or(heads),
            head_size: self.number("attention.key_length").unwrap_or(hidden / heads.max(1)),
            norm_epsilon: self.float("attention.layer_norm_rms_epsilon").unwrap_or(1e-5),
            rope_base: self.float("rope.freq_base").unwrap_or(10_000.0),
            rope_scaling,
            longest: needed("context_length")?,
            tied: !self.content.tensor_infos.contains_key("output.weight"),
            begin: token("tokenizer.ggml.bos_token_id"),
            ends: token("tokenizer.ggml.eos_token_id").into_iter().collect(),
        };
        config.check().map_err(|what| self.unusable(what))?;
        Ok(config)
    }

    /// The name that the safetensors form of the model has; none for what is no weight.
    fn tensor_name(&self, name: &str) -> Result<Option<String>, EngineError> {
        let whole = match name {
            "token_embd.weight" => Some("model.embed_tokens.weight"),
            "output_norm.weight" => Some("model.norm.weight"),
            "output.weight" => Some("lm_head.weight"),
            _ => None,
        };
        if let Some(known) = whole {
            return Ok(Some(known.to_owned()));
        }
        let unknown = || self.unusable(format!("the tensor {name} is not known in a {} model", self.family));
        let (number, part) = name.strip_prefix("blk.").and_then(|rest| rest.split_once('.')).ok_or_else(unknown)?;
        let (part, kind) = part.rsplit_once('.').ok_or_else(unknown)?;
        let part = match part {
            "attn_norm" => "input_layernorm",
            "attn_q" => "self_attn.q_proj",
            "attn_k" => "self_attn.k_proj",
            "attn_v" => "self_attn.v_proj",
            "attn_output" => "self_attn.o_proj",
            "ffn_norm" => "post_attention_layernorm",
            "ffn_gate" => "mlp.gate_proj",
            "ffn_up" => "mlp.up_proj",
            "ffn_down" => "mlp.down_proj",
            _ => return Err(unknown()),
        };
        Ok(Some(format!("model.layers.{number}.{part}.{kind}")))
    }

    /// llama.cpp stores the rows of Llama's queries and keys with the two halves of each head interleaved.
    fn in_order(&self, name: &str, tensor: Tensor, config: &Config) -> Result<Tensor, EngineError> {
        let heads = match (self.family, name) {
            ("llama", name) if name.ends_with("q_proj.weight") => config.heads,
            ("llama", name) if name.ends_with("k_proj.weight") => config.key_heads,
            (_, _) => return Ok(tensor),
        };
        let (rows, columns) = tensor.dims2()?;
        if rows != heads * config.head_size {
            return Err(self.unusable(format!("the tensor {name} does not fit the heads")));
        }
        let split = tensor.reshape((heads, config.head_size / 2, 2, columns))?;
        Ok(split.transpose(1, 2)?.contiguous()?.reshape((rows, columns))?)
    }

    fn tokenizer(&self) -> Result<Text, EngineError> {
        let name = |key: &str| self.get(key).and_then(text).unwrap_or_default();
        let model = name("tokenizer.ggml.model");
        if model != "gpt2" {
            return Err(self.unusable(format!(
                "the tokenizer {model:?} is not known from GGUF, only gpt2 (byte-level BPE); use the safetensors model"
            )));
        }
        let strings = |key: &str| -> Result<Vec<&str>, EngineError> {
            let list = self.get(key).and_then(|value| value.to_vec().ok());
            let list = list.ok_or_else(|| self.unusable(format!("its metadata lack {key}")))?;
            list.iter()
                .map(|item| text(item).ok_or_else(|| self.unusable(format!("{key} holds something else than text"))))
                .collect()
        };
        let tokens = strings("tokenizer.ggml.tokens")?;
        let merges = strings("tokenizer.ggml.merges")?;
        let types = self.get("tokenizer.ggml.token_type").and_then(|value| value.to_vec().ok());
        let is_control = |index: usize| {
            let kind = types.and_then(|types| types.get(index)).and_then(|kind| kind.to_i32().ok());
            kind.map(i64::from) == Some(CONTROL)
        };
        let added: Vec<_> = tokens
            .iter()
            .enumerate()
            .filter(|(index, _)| is_control(*index))
            .map(|(id, content)| {
                json!({"id": id, "content": content, "special": true, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false})
            })
            .collect();
        let vocabulary: serde_json::Map<_, _> =
            tokens.iter().enumerate().map(|(id, token)| ((*token).to_owned(), json!(id))).collect();
        let merges: Vec<_> =
            merges.iter().filter_map(|merge| merge.split_once(' ')).map(|(left, right)| json!([left, right])).collect();
        let bytes = json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false});
        let pre = match name("tokenizer.ggml.pre") {
            "" | "default" | "gpt-2" => {
                json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true})
            }
            "llama-bpe" | "llama3" => split_at(LLAMA3, &bytes),
            "qwen2" => split_at(QWEN2, &bytes),
            other => {
                return Err(self.unusable(format!(
                    "the pre-tokenizer {other:?} is not known from GGUF; use the safetensors model"
                )));
            }
        };
        let whole = json!({
            "version": "1.0", "truncation": null, "padding": null, "added_tokens": added, "normalizer": null,
            "pre_tokenizer": pre, "post_processor": null, "decoder": bytes,
            "model": {"type": "BPE", "vocab": vocabulary, "merges": merges, "dropout": null, "unk_token": null,
                "continuing_subword_prefix": null, "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false,
                "ignore_merges": name("tokenizer.ggml.pre") == "llama-bpe"},
        });
        let tokenizer = Tokenizer::from_bytes(whole.to_string().as_bytes())
            .map_err(|error| self.unusable(format!("its tokenizer cannot be built: {error}")))?;
        let token = |key: &str| {
            let id = self.get(key).and_then(whole_index);
            id.and_then(|id| tokens.get(id)).map(|token| (*token).to_owned()).unwrap_or_default()
        };
        let template = self.get("tokenizer.chat_template").and_then(text).map(str::to_owned);
        Ok(Text::new(tokenizer, template, token("tokenizer.ggml.bos_token_id"), token("tokenizer.ggml.eos_token_id")))
    }
}

fn whole_index(value: &Value) -> Option<usize> {
    whole(value).and_then(|id| usize::try_from(id).ok())
}

/// The split that each family's own tokenizer.json has.
const LLAMA3: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const QWEN2: &str =
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

fn split_at(pattern: &str, bytes: &serde_json::Value) -> serde_json::Value {
    let split = json!({"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": false});
    json!({"type": "Sequence", "pretokenizers": [split, bytes]})
}
