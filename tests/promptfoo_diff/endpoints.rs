//! Configs that only an endpoint can tell about: why an answer ended, how sure it was.

/// Configs that ask the endpoint `BASE`, which answers with what it is asked: the last message is the choice that comes back.
pub(crate) const ENDPOINTS: &[(&str, &str)] = &[
    (
        "why an answer ended",
        r#"
prompts: ["answer with {{choice}}"]
providers: [{id: "openai:chat:m", config: {apiBaseUrl: BASE}}]
tests:
  - vars: {choice: '{"message": {"role": "assistant", "content": "all"}, "finish_reason": "stop"}'}
    assert: [{type: finish-reason, value: STOP}, {type: equals, value: all}]
  - vars: {choice: '{"message": {"role": "assistant", "content": "cut"}, "finish_reason": "length"}'}
    assert: [{type: finish-reason, value: stop}]
  - vars: {choice: '{"message": {"role": "assistant", "content": "cut off"}, "finish_reason": "length"}'}
    assert: [{type: not-finish-reason, value: stop}, {type: finish-reason, value: length}]
"#,
    ),
    (
        "how sure an answer was",
        r#"
prompts: ["answer with {{choice}}"]
providers: [{id: "openai:chat:m", config: {apiBaseUrl: BASE, passthrough: {logprobs: true}}}]
defaultTest:
  vars: {choice: '{"message": {"role": "assistant", "content": "ab"}, "finish_reason": "stop", "logprobs": {"content": [{"token": "a", "logprob": -0.5}, {"token": "b", "logprob": -1.25}]}}'}
tests:
  - {assert: [{type: perplexity, threshold: 2}]}
  - {assert: [{type: perplexity, threshold: 3}]}
  - {assert: [{type: perplexity}]}
  - {assert: [{type: not-perplexity, threshold: 2}]}
  - {assert: [{type: perplexity-score, threshold: 0.2, metric: sure}]}
  - {assert: [{type: perplexity-score, threshold: 0.9}]}
  - {assert: [{type: not-perplexity-score, threshold: 0.9}]}
  - {assert: [{type: latency, threshold: 600000}]}
"#,
    ),
];
