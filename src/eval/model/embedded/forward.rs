//! The forward pass of Llama and its relatives, with a cache of keys and values. Every position's logits can be had, which
//! log-likelihoods need.

use candle_core::{D, DType, Device, Tensor};

use super::config::Config;
use super::error::EngineError;
use super::rope::Rope;
use super::weights::Weights;
#[cfg(feature = "cuda")]
use crate::gpu::product;

/// A linear map; the bias is there in Qwen2's attention. What goes in and comes out is f32.
pub(super) struct Linear {
    /// Transposed and contiguous: the product with a few rows reads it in order. f32, or on a GPU the type of the model's weights.
    weight: Tensor,
    bias: Option<Tensor>,
}

impl Linear {
    fn take(
        weights: &mut Weights,
        name: &str,
        (outputs, inputs): (usize, usize),
        dtype: DType,
    ) -> Result<Self, EngineError> {
        let weight = weights.take(&format!("{name}.weight"), &[outputs, inputs])?;
        let bias = weights.take_if_there(&format!("{name}.bias"), &[outputs])?;
        Ok(Self { weight: rounded(&weight, dtype)?.t()?.contiguous()?, bias })
    }

    /// (tokens, inputs) -> (tokens, outputs)
    pub(super) fn apply(&self, rows: &Tensor) -> Result<Tensor, EngineError> {
        let product = match self.weight.dtype() {
            DType::F32 => rows.matmul(&self.weight)?,
            narrow => {
                let count = rows.dim(0)?;
                let both = product(&parts(rows, narrow)?, &self.weight)?;
                (both.narrow(0, 0, count)? + both.narrow(0, count, count)?)?
            }
        };
        match &self.bias {
            Some(bias) => Ok(product.broadcast_add(bias)?),
            None => Ok(product),
        }
    }
}

/// A weight with no more digits than a type has: of that type on a GPU, where memory is scarce, and of f32 on the CPU.
fn rounded(weight: &Tensor, dtype: DType) -> candle_core::Result<Tensor> {
    let weight = weight.to_dtype(dtype)?;
    if weight.device().is_cuda() { Ok(weight) } else { weight.to_dtype(DType::F32) }
}

/// What numbers of f32 are in a type of two bytes, and below that what is missing of them: (rows, n) -> (2 rows, n). Both together
/// keep 16 binary digits of a number in bf16 and 22 in f16. A number that is too large for f16 is infinite in it.
fn parts(rows: &Tensor, dtype: DType) -> candle_core::Result<Tensor> {
    let high = rows.to_dtype(dtype)?;
    let low = (rows - high.to_dtype(DType::F32)?)?.to_dtype(dtype)?;
    Tensor::cat(&[high, low], 0)?.contiguous()
}

#[cfg(not(feature = "cuda"))]
fn product(_: &Tensor, _: &Tensor) -> candle_core::Result<Tensor> {
    Err(candle_core::Error::Msg("this build has f32 only".to_owned()))
}

pub(super) struct Layer {
    pub(super) before_attention: Tensor,
    pub(super) query: Linear,
    pub(super) key: Linear,
    pub(super) value: Linear,
    pub(super) output: Linear,
    before_mlp: Tensor,
    gate: Linear,
    up: Linear,
    down: Linear,
}

/// Keys and values of the tokens so far. A clone shares them: it costs nothing until it grows.
#[derive(Clone)]
pub(super) struct Cache {
    layers: Vec<Option<(Tensor, Tensor)>>,
    tokens: usize,
}

impl Cache {
    /// Tokens that are in it.
    pub(super) fn tokens(&self) -> usize {
        self.tokens
    }
}

/// A model's layers.
pub(super) struct Network {
    embedding: Tensor,
    pub(super) layers: Vec<Layer>,
    last_norm: Tensor,
    head: Linear,
    pub(super) rope: Rope,
    pub(super) config: Config,
    pub(super) device: Device,
}

impl Network {
    /// Puts the weights in their places; what does not fit is an error. Embedding, head and the layers' products have weights that
    /// are rounded to `dtype`; what goes through them is computed in f32, or with 16 or more binary digits and sums of f32.
    pub(super) fn new(
        mut weights: Weights,
        config: Config,
        device: &Device,
        dtype: DType,
    ) -> Result<Self, EngineError> {
        let Config { hidden, heads, key_heads, head_size, .. } = config;
        let vocabulary = weights.rows("model.embed_tokens.weight").unwrap_or(0);
        let embedding = weights.take("model.embed_tokens.weight", &[vocabulary, hidden])?;
        let embedding = rounded(&embedding, dtype)?;
        let mut layers = Vec::with_capacity(config.layers);
        for number in 0..config.layers {
            let name = |part: &str| format!("model.layers.{number}.{part}");
            let inner = weights.rows(&name("mlp.gate_proj.weight")).unwrap_or(0);
            layers.push(Layer {
                before_attention: weights.take(&name("input_layernorm.weight"), &[hidden])?,
                query: Linear::take(&mut weights, &name("self_attn.q_proj"), (heads * head_size, hidden), dtype)?,
                key: Linear::take(&mut weights, &name("self_attn.k_proj"), (key_heads * head_size, hidden), dtype)?,
                value: Linear::take(&mut weights, &name("self_attn.v_proj"), (key_heads * head_size, hidden), dtype)?,
                output: Linear::take(&mut weights, &name("self_attn.o_proj"), (hidden, heads * head_size), dtype)?,
                before_mlp: weights.take(&name("post_attention_layernorm.weight"), &[hidden])?,
                gate: Linear::take(&mut weights, &name("mlp.gate_proj"), (inner, hidden), dtype)?,
                up: Linear::take(&mut weights, &name("mlp.up_proj"), (inner, hidden), dtype)?,
                down: Linear::take(&mut weights, &name("mlp.down_proj"), (hidden, inner), dtype)?,
            });
        }
        let last_norm = weights.take("model.norm.weight", &[hidden])?;
        let own = weights.take_if_there("lm_head.weight", &[vocabulary, hidden])?;
        let head = match own {
            Some(head) if !config.tied => rounded(&head, dtype)?,
            Some(_) => embedding.clone(),
            None if config.tied => embedding.clone(),
            None => rounded(&weights.take("lm_head.weight", &[vocabulary, hidden])?, dtype)?,
        };
        let head = Linear { weight: head.t()?.contiguous()?, bias: None };
        let rope = Rope::new(&config, device)?;
        Ok(Self { embedding, layers, last_norm, head, rope, config, device: device.clone() })
    }

    /// Tokens in the vocabulary.
    pub(super) fn vocabulary(&self) -> usize {
        self.embedding.dim(0).unwrap_or(0)
    }

    /// A cache without tokens.
    pub(super) fn cache(&self) -> Cache {
        Cache { layers: vec![None; self.layers.len()], tokens: 0 }
    }

    /// Runs tokens behind those of the cache, and gives the logits of the last `wanted` of them: (wanted, vocabulary).
    pub(super) fn forward(&self, tokens: &[u32], cache: &mut Cache, wanted: usize) -> Result<Tensor, EngineError> {
        let count = tokens.len();
        let rows = self.rows(tokens, cache)?;
        let wanted = wanted.clamp(1, count);
        self.logits(&rows.narrow(0, count - wanted, wanted)?)
    }

    /// The logits of states behind the last layer: (rows, hidden) -> (rows, vocabulary).
    pub(super) fn logits(&self, rows: &Tensor) -> Result<Tensor, EngineError> {
        self.head.apply(&self.norm(rows, &self.last_norm)?)
    }

    /// The states before the first layer: (tokens) -> (tokens, hidden).
    pub(super) fn embed(&self, ids: &Tensor) -> Result<Tensor, EngineError> {
        Ok(self.embedding.index_select(ids, 0)?.to_dtype(DType::F32)?)
    }

    /// What a layer's second half adds to the states: (tokens, hidden) -> (tokens, hidden).
    pub(super) fn mlp(&self, layer: &Layer, rows: &Tensor) -> Result<Tensor, EngineError> {
        let normed = self.norm(rows, &layer.before_mlp)?;
        let gated = (candle_nn::ops::silu(&layer.gate.apply(&normed)?)? * layer.up.apply(&normed)?)?;
        layer.down.apply(&gated)
    }

    /// The mean of the last hidden states, behind the last norm, of tokens that nothing precedes: (hidden).
    pub(super) fn mean_state(&self, tokens: &[u32]) -> Result<Tensor, EngineError> {
        let rows = self.rows(tokens, &mut self.cache())?;
        Ok(self.norm(&rows, &self.last_norm)?.mean(0)?)
    }

    /// Whether so many tokens have a position.
    pub(super) fn check_positions(&self, tokens: usize) -> Result<(), EngineError> {
        if tokens > self.config.longest {
            let text = format!("{tokens} tokens; the model has {} positions", self.config.longest);
            return Err(EngineError::Unsuitable(text.into()));
        }
        Ok(())
    }

    /// The states behind the last layer: (tokens, hidden).
    fn rows(&self, tokens: &[u32], cache: &mut Cache) -> Result<Tensor, EngineError> {
        let start = cache.tokens;
        let count = tokens.len();
        self.check_positions(start + count)?;
        let ids = Tensor::new(tokens, &self.device)?;
        let mut rows = self.embed(&ids)?;
        let mask = if count > 1 { Some(self.mask(count, start)?) } else { None };
        for (layer, kept) in self.layers.iter().zip(&mut cache.layers) {
            let attended =
                self.attend(layer, &self.norm(&rows, &layer.before_attention)?, kept, start, mask.as_ref())?;
            rows = (rows + attended)?;
            rows = (&rows + self.mlp(layer, &rows)?)?;
        }
        cache.tokens = start + count;
        Ok(rows)
    }

    #[expect(clippy::cast_possible_truncation, reason = "the library takes the epsilon as f32")]
    pub(super) fn norm(&self, rows: &Tensor, weight: &Tensor) -> Result<Tensor, EngineError> {
        Ok(candle_nn::ops::rms_norm(&rows.contiguous()?, weight, self.config.norm_epsilon as f32)?)
    }

    fn attend(
        &self,
        layer: &Layer,
        rows: &Tensor,
        kept: &mut Option<(Tensor, Tensor)>,
        start: usize,
        mask: Option<&Tensor>,
    ) -> Result<Tensor, EngineError> {
        let Config { heads, key_heads, head_size, .. } = self.config;
        let count = rows.dim(0)?;
        let split = |rows: Tensor, heads: usize| -> Result<Tensor, EngineError> {
            Ok(rows.reshape((1, count, heads, head_size))?.transpose(1, 2)?.contiguous()?)
        };
        let query = self.rope.apply(&split(layer.query.apply(rows)?, heads)?, start)?;
        let key = self.rope.apply(&split(layer.key.apply(rows)?, key_heads)?, start)?;
        let value = split(layer.value.apply(rows)?, key_heads)?;
        let (key, value) = match kept.take() {
            Some((keys, values)) => (Tensor::cat(&[&keys, &key], 2)?, Tensor::cat(&[&values, &value], 2)?),
            None => (key, value),
        };
        *kept = Some((key.clone(), value.clone()));
        // Query heads that share a key head stand together: (1, key heads, group * tokens, head size).
        let group = heads / key_heads;
        let query = query.reshape((1, key_heads, group * count, head_size))?;
        let scale = 1.0 / f64::from(u32::try_from(head_size).unwrap_or(u32::MAX)).sqrt();
        let scores = (query.matmul(&key.t()?.contiguous()?)? * scale)?;
        let scores = match mask {
            Some(mask) => {
                let all = scores.dim(D::Minus1)?;
                let spread = scores.reshape((key_heads, group, count, all))?.broadcast_add(mask)?;
                spread.reshape((1, key_heads, group * count, all))?
            }
            None => scores,
        };
        let weights = candle_nn::ops::softmax_last_dim(&scores)?;
        let mixed = weights.matmul(&value.contiguous()?)?.reshape((heads, count, head_size))?;
        let joined = mixed.transpose(0, 1)?.contiguous()?.reshape((count, heads * head_size))?;
        layer.output.apply(&joined)
    }

    /// No token sees a later one: (tokens, tokens so far + tokens).
    fn mask(&self, count: usize, start: usize) -> Result<Tensor, EngineError> {
        let width = start + count;
        let cells = (0..count)
            .flat_map(|row| (0..width).map(move |column| if column <= start + row { 0.0 } else { f32::NEG_INFINITY }));
        Ok(Tensor::from_iter(cells, &self.device)?.reshape((count, width))?.to_dtype(DType::F32)?)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use candle_core::{DType, Device, Tensor};

    use super::super::engine::Engine;
    use super::parts;
    use crate::eval::model::Device as Place;

    /// The head is linear: of the mean of the states it makes the mean of the logits, which are those of transformers.
    #[test]
    fn the_mean_of_the_last_states_is_what_the_head_makes_logits_of() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/quickstart/models/good");
        let engine = Engine::load(&path, Place::Cpu).unwrap();
        for text in ["a", "The capital of France is Paris.", "1 + 1 = 2\n"] {
            let tokens = engine.tokenizer().encode(text).unwrap();
            let network = engine.network();
            let logits = network.forward(&tokens, &mut network.cache(), tokens.len()).unwrap();
            let expected = logits.mean(0).unwrap().to_vec1::<f32>().unwrap();
            let state = network.mean_state(&tokens).unwrap().unsqueeze(0).unwrap();
            let found = network.head.apply(&state).unwrap().squeeze(0).unwrap().to_vec1::<f32>().unwrap();
            assert_eq!(found.len(), expected.len());
            assert!(found.iter().zip(&expected).all(|(found, expected)| (found - expected).abs() < 1e-3), "{text}");
            assert_eq!(engine.embedding(text).unwrap().len(), state.dim(1).unwrap());
        }
        assert!(engine.embedding("").is_err(), "an empty text has none");
    }

    #[test]
    fn two_numbers_of_two_bytes_keep_sixteen_digits() {
        let numbers: Vec<f32> = (1..2000_i16).map(|n| (f32::from(n) * 0.37).sin() * f32::from(n)).collect();
        let rows = Tensor::from_slice(&numbers, (1999, 1), &Device::Cpu).unwrap();
        for (dtype, bound) in [(DType::BF16, 2_f32.powi(-17)), (DType::F16, 2_f32.powi(-22))] {
            let both = parts(&rows, dtype).unwrap().to_dtype(DType::F32).unwrap();
            let sum = (both.narrow(0, 0, 1999).unwrap() + both.narrow(0, 1999, 1999).unwrap()).unwrap();
            let sum = sum.flatten_all().unwrap().to_vec1::<f32>().unwrap();
            let apart = sum.iter().zip(&numbers).map(|(sum, number)| ((sum - number) / number).abs());
            let far = apart.fold(0.0, f32::max);
            assert!(far <= bound && far > 0.0, "{dtype:?}: {far}");
        }
    }
}
