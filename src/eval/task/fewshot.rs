//! Which examples stand in front of which question. Source: lm-eval 0.4.13, `api/samplers.py`: one generator, seeded once, draws for
//! one document after the other, so that a document's examples depend on those of all before it.

use serde_json::{Map, Value};

use super::spec::Sampler;
use crate::stats::Mersenne;

/// `fewshot_random_seed` of lm-eval.
const SEED: u64 = 1234;
/// Examples of all questions together.
const MOST: usize = 50_000_000;

/// For each question, the examples' places in the pool. With `without_itself` a question is no example of its own.
pub(super) fn drawn(
    pool: &[Map<String, Value>],
    questions: &[Map<String, Value>],
    count: usize,
    sampler: Sampler,
    without_itself: bool,
) -> Result<Vec<Vec<usize>>, String> {
    if count == 0 {
        return Ok(vec![Vec::new(); questions.len()]);
    }
    if count.saturating_mul(questions.len()) > MOST {
        return Err(format!("{count} examples in front of each of {} questions are more than {MOST}", questions.len()));
    }
    let few =
        || format!("{count} examples are asked for, and there are too few rows to draw them from ({})", pool.len());
    let mut generator = Mersenne::new(SEED);
    let mut all = Vec::with_capacity(questions.len());
    for question in questions {
        let is_itself = |place: &usize| without_itself && pool.get(*place) == Some(question);
        let drawn: Vec<usize> = match sampler {
            Sampler::First => (0..pool.len()).filter(|place| !is_itself(place)).take(count).collect(),
            Sampler::Random if !without_itself => generator.sample(pool.len(), count).ok_or_else(few)?,
            Sampler::Random => {
                let drawn = generator.sample(pool.len(), count + 1).ok_or_else(few)?;
                let others: Vec<usize> = drawn.into_iter().filter(|place| !is_itself(place)).take(count).collect();
                if others.len() < count {
                    // More than one row is equal to the question: lm-eval draws once more from all others.
                    let rest: Vec<usize> = (0..pool.len()).filter(|place| !is_itself(place)).collect();
                    let drawn = generator.sample(rest.len(), count).ok_or_else(few)?;
                    drawn.into_iter().filter_map(|place| rest.get(place).copied()).collect()
                } else {
                    others
                }
            }
        };
        if drawn.len() < count {
            return Err(few());
        }
        all.push(drawn);
    }
    Ok(all)
}
