//! Providers of promptfoo 0.121.20 that answer at OpenAI's protocol: where, and with which key. Anthropic, Google and Cohere have such an
//! endpoint beside their own. Kept out: the settings of a request (`providers`).

/// An endpoint.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Endpoint {
    /// What stands before the first `:` of the provider.
    pub name: &'static str,
    /// Up to the part that the protocol appends.
    pub base_url: &'static str,
    /// The variable that may give another address, and what is appended to it.
    pub base_env: Option<(&'static str, &'static str)>,
    /// The variable that holds the key.
    pub key_env: Option<&'static str>,
    /// Whether a key is needed: an endpoint on one's own machine has none.
    pub kinds: &'static [&'static str],
}

const NONE: &[&str] = &[];
const CHAT: &[&str] = &["chat", "completion", "embedding", "embeddings"];
const OPENAI: &[&str] = &["chat", "completion", "embedding", "embeddings", "responses"];

const fn remote(
    name: &'static str,
    base_url: &'static str,
    key: &'static str,
    kinds: &'static [&'static str],
) -> Endpoint {
    Endpoint { name, base_url, base_env: None, key_env: Some(key), kinds }
}

/// All of them.
pub(super) const ENDPOINTS: &[Endpoint] = &[
    Endpoint {
        name: "openai",
        base_url: "https://api.openai.com/v1",
        base_env: Some(("OPENAI_BASE_URL", "")),
        key_env: Some("OPENAI_API_KEY"),
        kinds: OPENAI,
    },
    Endpoint {
        name: "ollama",
        base_url: "http://localhost:11434/v1",
        base_env: Some(("OLLAMA_BASE_URL", "/v1")),
        key_env: None,
        kinds: CHAT,
    },
    Endpoint {
        name: "localai",
        base_url: "http://localhost:8080/v1",
        base_env: Some(("LOCALAI_BASE_URL", "")),
        key_env: None,
        kinds: CHAT,
    },
    Endpoint {
        name: "llama",
        base_url: "http://localhost:8080/v1",
        base_env: Some(("LLAMA_BASE_URL", "/v1")),
        key_env: None,
        kinds: NONE,
    },
    Endpoint {
        name: "litellm",
        base_url: "http://0.0.0.0:4000",
        base_env: Some(("LITELLM_BASE_URL", "")),
        key_env: Some("LITELLM_API_KEY"),
        kinds: CHAT,
    },
    remote("anthropic", "https://api.anthropic.com/v1", "ANTHROPIC_API_KEY", &["messages", "completion"]),
    remote("google", "https://generativelanguage.googleapis.com/v1beta/openai", "GOOGLE_API_KEY", NONE),
    remote("cohere", "https://api.cohere.ai/compatibility/v1", "COHERE_API_KEY", NONE),
    remote("groq", "https://api.groq.com/openai/v1", "GROQ_API_KEY", &["responses"]),
    remote("togetherai", "https://api.together.xyz/v1", "TOGETHER_API_KEY", CHAT),
    remote("fireworks", "https://api.fireworks.ai/inference/v1", "FIREWORKS_API_KEY", CHAT),
    remote("openrouter", "https://openrouter.ai/api/v1", "OPENROUTER_API_KEY", NONE),
    remote("deepseek", "https://api.deepseek.com/v1", "DEEPSEEK_API_KEY", NONE),
    remote("mistral", "https://api.mistral.ai/v1", "MISTRAL_API_KEY", &["embedding", "embeddings"]),
    remote("perplexity", "https://api.perplexity.ai", "PERPLEXITY_API_KEY", NONE),
    remote("cerebras", "https://api.cerebras.ai/v1", "CEREBRAS_API_KEY", NONE),
    remote("xai", "https://api.x.ai/v1", "XAI_API_KEY", &["responses"]),
    remote("github", "https://models.github.ai/inference", "GITHUB_TOKEN", NONE),
    remote("nscale", "https://inference.api.nscale.com/v1", "NSCALE_SERVICE_TOKEN", CHAT),
    remote("novita", "https://api.novita.ai/openai/v1", "NOVITA_API_KEY", CHAT),
    remote("moonshot", "https://api.moonshot.ai/v1", "MOONSHOT_API_KEY", NONE),
    remote("minimax", "https://api.minimax.io/v1", "MINIMAX_API_KEY", NONE),
    remote("ai21", "https://api.ai21.com/studio/v1", "AI21_API_KEY", NONE),
    remote("llamaapi", "https://api.llama.com/compat/v1", "LLAMA_API_KEY", CHAT),
    remote("alibaba", "https://dashscope-intl.aliyuncs.com/compatible-mode/v1", "DASHSCOPE_API_KEY", CHAT),
    remote("hyperbolic", "https://api.hyperbolic.xyz/v1", "HYPERBOLIC_API_KEY", NONE),
    remote("nvidia", "https://integrate.api.nvidia.com/v1", "NVIDIA_API_KEY", CHAT),
    remote("voyage", "https://api.voyageai.com/v1", "VOYAGE_API_KEY", NONE),
];

/// The endpoint of a provider's id, the kind that it names, and the model behind that.
pub(super) fn endpoint_of(id: &str) -> Option<(Endpoint, Option<&str>, &str)> {
    let (name, rest) = id.split_once(':')?;
    let endpoint = ENDPOINTS.iter().find(|endpoint| endpoint.name == name).copied()?;
    match rest.split_once(':') {
        Some((kind, model)) if endpoint.kinds.contains(&kind) => Some((endpoint, Some(kind), model)),
        // `openai:chat` takes its model from the config.
        None if endpoint.kinds.contains(&rest) => Some((endpoint, Some(rest), "")),
        Some(_) | None => Some((endpoint, None, rest)),
    }
}
