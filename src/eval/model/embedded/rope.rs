//! The rotary embedding's tables: cosine and sine of every position and frequency.

use candle_core::{Device, Tensor};

use super::config::{Config, RopeScaling};
use super::error::EngineError;

/// Cosines and sines, each (positions, head size / 2).
pub(super) struct Rope {
    cos: Tensor,
    sin: Tensor,
}

impl Rope {
    /// Makes the tables for every position that the model knows.
    pub(super) fn new(config: &Config, device: &Device) -> Result<Self, EngineError> {
        let frequencies = frequencies(config);
        let positions = config.longest;
        let mut angles = Vec::with_capacity(positions * frequencies.len());
        for position in 0..positions {
            // In f32, as the transformers library computes them: the reference values depend on it.
            #[expect(clippy::cast_precision_loss, reason = "positions are far below 2^24")]
            let position = position as f32;
            angles.extend(frequencies.iter().map(|frequency| position * frequency));
        }
        let angles = Tensor::from_vec(angles, (positions, frequencies.len()), device)?;
        Ok(Self { cos: angles.cos()?, sin: angles.sin()? })
    }

    /// Cosines and sines of the positions of rows: (rows * length) -> (rows, length, head size / 2).
    pub(super) fn at(
        &self,
        positions: &Tensor,
        (count, length): (usize, usize),
    ) -> Result<(Tensor, Tensor), EngineError> {
        let of = |table: &Tensor| table.index_select(positions, 0)?.reshape((count, length, ()));
        Ok((of(&self.cos)?, of(&self.sin)?))
    }

    /// Turns queries or keys (1, heads, tokens, head size) that begin at a position.
    pub(super) fn apply(&self, vectors: &Tensor, start: usize) -> Result<Tensor, EngineError> {
        let tokens = vectors.dim(2)?;
        let (cos, sin) = (self.cos.narrow(0, start, tokens)?, self.sin.narrow(0, start, tokens)?);
        Ok(candle_nn::rotary_emb::rope(&vectors.contiguous()?, &cos, &sin)?)
    }
}

/// Source of the Llama 3 scaling: transformers, `modeling_rope_utils._compute_llama3_parameters`.
#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "the reference computes in f32")]
fn frequencies(config: &Config) -> Vec<f32> {
    let plain = (0..config.head_size / 2)
        .map(|index| 1.0 / (config.rope_base as f32).powf(2.0 * index as f32 / config.head_size as f32));
    match config.rope_scaling {
        RopeScaling::Plain => plain.collect(),
        RopeScaling::Linear(factor) => plain.map(|frequency| frequency / factor as f32).collect(),
        RopeScaling::Llama3 { factor, low, high, original } => plain
            .map(|frequency| {
                let wavelength = 2.0 * std::f64::consts::PI / f64::from(frequency);
                if wavelength < original / high {
                    frequency
                } else if wavelength > original / low {
                    frequency / factor as f32
                } else {
                    let smooth = ((original / wavelength - low) / (high - low)) as f32;
                    (1.0 - smooth) * frequency / factor as f32 + smooth * frequency
                }
            })
            .collect(),
    }
}
