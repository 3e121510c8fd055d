//! The forward pass of a batch: rows of one length behind one shared context, each a tree of branches.
//!
//! The context's keys and values are the same for all rows, so that its part of the attention is one large product; the row's own
//! part has its mask. Both parts are joined by their sums, as if there had been one softmax over them.

use candle_core::{D, Tensor};

use super::super::config::Config;
use super::super::error::EngineError;
use super::super::forward::{Layer, Network};
use super::prefix::Prefix;
use super::row::Row;

/// Logits that are computed at once, at most.
const MOST_LOGITS: usize = 1 << 26;

/// Rows as the network is given them: `count` times `length` of everything.
struct Input {
    count: usize,
    length: usize,
    ids: Vec<u32>,
    positions: Vec<u32>,
    /// 0 for the trunk and for padding, 1 and more for branches.
    branches: Vec<f32>,
}

impl Input {
    /// Rows without the tokens that the context stands for, filled up at their ends: no token sees what is behind it.
    fn new(rows: &[&Row], known: usize) -> Self {
        let length = rows.iter().map(|row| row.tokens() - known).max().unwrap_or(0);
        let size = rows.len() * length;
        let mut input = Input {
            count: rows.len(),
            length,
            ids: Vec::with_capacity(size),
            positions: Vec::with_capacity(size),
            branches: Vec::with_capacity(size),
        };
        for (number, row) in rows.iter().enumerate() {
            for (position, id) in row.trunk.iter().enumerate().skip(known) {
                input.push(*id, position, 0);
            }
            for (branch, tokens) in row.branches.iter().enumerate() {
                for (offset, id) in tokens.iter().enumerate() {
                    input.push(*id, row.trunk.len() + offset, branch + 1);
                }
            }
            while input.ids.len() < (number + 1) * length {
                input.push(0, 0, 0);
            }
        }
        input
    }

    #[expect(clippy::cast_precision_loss, reason = "a row has at most some thousand branches")]
    fn push(&mut self, id: u32, position: usize, branch: usize) {
        self.ids.push(id);
        self.positions.push(u32::try_from(position).unwrap_or(u32::MAX));
        self.branches.push(branch as f32);
    }
}

/// What every layer of one pass is given.
struct Frame {
    count: usize,
    length: usize,
    /// (rows, length, head size / 2)
    cos: Tensor,
    sin: Tensor,
    /// 0 where a token (second to last) sees another (last), minus infinity elsewhere: (1, rows, 1, length, length).
    mask: Tensor,
}

/// The log-probability of a wanted token, and whether it is the likeliest.
pub(super) type Scored = (f64, bool);

impl Network {
    /// The wanted tokens of rows behind a context, in the order of the rows.
    pub(super) fn score(&self, rows: &[&Row], prefix: Option<&Prefix>) -> Result<Vec<Scored>, EngineError> {
        let known = prefix.map_or(0, |prefix| prefix.tokens.len());
        let input = Input::new(rows, known);
        let (mut places, mut targets) = (Vec::new(), Vec::new());
        for (number, row) in rows.iter().enumerate() {
            for wanted in row.wanted.iter().flat_map(|(_, wanted)| wanted) {
                places.push(u32::try_from(number * input.length + wanted.at - known).unwrap_or(u32::MAX));
                targets.push(wanted.token);
            }
        }
        let (states, _) = self.pass(&input, prefix, false)?;
        let mut scored = Vec::with_capacity(targets.len());
        let most = (MOST_LOGITS / self.vocabulary().max(1)).max(1);
        for (places, targets) in places.chunks(most).zip(targets.chunks(most)) {
            let places = Tensor::new(places, &self.device)?;
            self.score_states(&states.index_select(&places, 0)?, targets, &mut scored)?;
        }
        Ok(scored)
    }

    fn score_states(&self, states: &Tensor, targets: &[u32], scored: &mut Vec<Scored>) -> Result<(), EngineError> {
        let logits = self.logits(states)?;
        let ids = Tensor::new(targets, &self.device)?.unsqueeze(1)?;
        let wanted = logits.gather(&ids, 1)?.squeeze(1)?.to_vec1::<f32>()?;
        let sums = log_sums(&logits, &candle_nn::ops::softmax_last_dim(&logits)?)?.flatten_all()?.to_vec1::<f32>()?;
        let best = logits.argmax(D::Minus1)?.to_vec1::<u32>()?;
        for (((wanted, sum), best), target) in wanted.iter().zip(&sums).zip(&best).zip(targets) {
            scored.push((f64::from(*wanted) - f64::from(*sum), best == target));
        }
        Ok(())
    }

    /// A context that goes on from another one.
    pub(super) fn extend(&self, prefix: Option<Prefix>, tokens: &[u32]) -> Result<Prefix, EngineError> {
        let known = prefix.as_ref().map_or(0, |prefix| prefix.tokens.len());
        let row = Row { trunk: tokens.to_vec(), branches: Vec::new(), wanted: Vec::new() };
        let (_, own) = self.pass(&Input::new(&[&row], known), prefix.as_ref(), true)?;
        let layers = match prefix {
            None => own,
            Some(prefix) => {
                let joined = prefix.layers.iter().zip(&own).map(|((keys, values), (more_keys, more_values))| {
                    Ok((Tensor::cat(&[keys, more_keys], 1)?, Tensor::cat(&[values, more_values], 1)?))
                });
                joined.collect::<candle_core::Result<_>>()?
            }
        };
        Ok(Prefix { tokens: tokens.to_vec(), layers })
    }

    /// States behind the last layer, (rows * length, hidden), and the first row's keys and values where they are to be kept.
    fn pass(
        &self,
        input: &Input,
        prefix: Option<&Prefix>,
        keep: bool,
    ) -> Result<(Tensor, Vec<(Tensor, Tensor)>), EngineError> {
        let frame = self.frame(input)?;
        let mut states = self.embed(&Tensor::new(input.ids.as_slice(), &self.device)?)?;
        let mut kept = Vec::new();
        for (number, layer) in self.layers.iter().enumerate() {
            let before = prefix.and_then(|prefix| prefix.layers.get(number));
            let normed = self.norm(&states, &layer.before_attention)?;
            let (attended, own) = self.attend_rows(layer, &normed, &frame, before)?;
            states = (states + attended)?;
            states = (&states + self.mlp(layer, &states)?)?;
            if keep {
                kept.push((own.0.squeeze(1)?, own.1.squeeze(1)?));
            }
        }
        Ok((states, kept))
    }

    fn frame(&self, input: &Input) -> Result<Frame, EngineError> {
        let Input { count, length, .. } = *input;
        let (cos, sin) = self.rope.at(&Tensor::new(input.positions.as_slice(), &self.device)?, (count, length))?;
        let branches = Tensor::from_slice(&input.branches, (count, length), &self.device)?;
        let (mine, theirs) = (branches.unsqueeze(2)?, branches.unsqueeze(1)?);
        // A token sees the trunk and its own branch, as far as they stand before it.
        let trunk = theirs.eq(0_f32)?.broadcast_as((count, length, length))?;
        let seen = (mine.broadcast_eq(&theirs)? + trunk)?.gt(0_u8)?;
        let places = Tensor::arange(0_u32, u32::try_from(length).unwrap_or(u32::MAX), &self.device)?;
        let earlier = places.unsqueeze(1)?.broadcast_ge(&places.unsqueeze(0)?)?;
        let seen = seen.broadcast_mul(&earlier)?;
        let shape = (count, length, length);
        let zero = Tensor::zeros(shape, candle_core::DType::F32, &self.device)?;
        let never = Tensor::full(f32::NEG_INFINITY, shape, &self.device)?;
        let mask = seen.where_cond(&zero, &never)?.reshape((1, count, 1, length, length))?;
        Ok(Frame { count, length, cos, sin, mask })
    }

    /// Attention of all rows, with keys and values (key heads, rows, length, head size) of their own tokens.
    fn attend_rows(
        &self,
        layer: &Layer,
        states: &Tensor,
        frame: &Frame,
        before: Option<&(Tensor, Tensor)>,
    ) -> Result<(Tensor, (Tensor, Tensor)), EngineError> {
        let Config { heads, key_heads, head_size, .. } = self.config;
        let Frame { count, length, .. } = *frame;
        let group = heads / key_heads;
        let split = |rows: Tensor, heads: usize| rows.reshape((count, length, heads, head_size));
        let turn = |rows: Tensor| candle_nn::rotary_emb::rope_thd(&rows, &frame.cos, &frame.sin);
        let by_head = |rows: Tensor| rows.permute((2, 0, 1, 3))?.contiguous();
        let scale = 1.0 / f64::from(u32::try_from(head_size).unwrap_or(u32::MAX)).sqrt();
        let query = (turn(split(layer.query.apply(states)?, heads)?)? * scale)?;
        let key = by_head(turn(split(layer.key.apply(states)?, key_heads)?)?)?;
        let value = by_head(split(layer.value.apply(states)?, key_heads)?)?;
        // Query heads that share a key head stand together: (key heads, rows, group * length, head size).
        let query = query.reshape((count, length, key_heads, group, head_size))?.permute((2, 0, 3, 1, 4))?;
        let query = query.contiguous()?.reshape((key_heads, count, group * length, head_size))?;
        let scores = query.matmul(&key.t()?)?.reshape((key_heads, count, group, length, length))?;
        let scores = scores.broadcast_add(&frame.mask)?.reshape((key_heads, count, group * length, length))?;
        let weights = candle_nn::ops::softmax_last_dim(&scores)?;
        let mut mixed = weights.matmul(&value)?;
        if let Some((keys, values)) = before {
            let flat = (key_heads, count * group * length, ());
            let far = query.reshape(flat)?.matmul(&keys.contiguous()?.t()?)?;
            let far_weights = candle_nn::ops::softmax_last_dim(&far)?;
            let far_mixed = far_weights.matmul(&values.contiguous()?)?;
            let (near_sums, far_sums) = (log_sums(&scores, &weights)?, log_sums(&far, &far_weights)?);
            let near = mixed.reshape(flat)?;
            // The share of the context in the whole sum.
            let share = candle_nn::ops::sigmoid(&(far_sums - near_sums.reshape(flat)?)?)?;
            let joined = (&near + (far_mixed - &near)?.broadcast_mul(&share)?)?;
            mixed = joined.reshape((key_heads, count, group * length, head_size))?;
        }
        let joined = mixed.reshape((key_heads, count, group, length, head_size))?.permute((1, 3, 0, 2, 4))?;
        let joined = joined.contiguous()?.reshape((count * length, heads * head_size))?;
        Ok((layer.output.apply(&joined)?, (key, value)))
    }
}

/// The logarithm of the sum of exponentials along the last dimension, which stays with size 1. The softmax of the largest score is
/// the inverse of that sum beside it, so that no further pass over exponentials is needed.
fn log_sums(scores: &Tensor, softmax: &Tensor) -> candle_core::Result<Tensor> {
    scores.max_keepdim(D::Minus1)? - softmax.max_keepdim(D::Minus1)?.log()?
}
