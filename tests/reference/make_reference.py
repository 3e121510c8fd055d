"""Records what the transformers library says of the small models, for tests/embedded.rs.

    python make_reference.py            (packages: examples/quickstart/train/requirements.txt)

Weights are read as stored and computed in float32 on one CPU thread. Log-likelihoods split tokens as lm-evaluation-harness
0.4 does; generations are greedy. Also makes the fixtures of tests/fixtures/models: a tiny Qwen2, a tiny sharded Llama with
grouped heads and Llama 3 frequencies, and GGUF files of the quickstart's good model (float16 and Q8_0).
"""

import json
import pathlib
import platform
import sys

import gguf
import numpy
import tokenizers
import torch
import transformers

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
QUICKSTART = ROOT / "examples" / "quickstart"
FIXTURES = HERE.parent / "fixtures" / "models"
sys.path.insert(0, str(QUICKSTART / "train"))
import corpus  # noqa: E402

VERSIONS = {"python": platform.python_version(), "torch": torch.__version__, "transformers": transformers.__version__,
            "tokenizers": tokenizers.__version__, "numpy": numpy.__version__}


def load(folder):
    model = transformers.LlamaForCausalLM if "qwen" not in folder.name else transformers.Qwen2ForCausalLM
    return model.from_pretrained(folder, dtype=torch.float32).eval(), tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))


def pair(tokenizer, prefix, context, continuation):
    if not context:
        return [prefix], tokenizer.encode(continuation).ids
    kept = context.rstrip()
    whole = tokenizer.encode(kept + context[len(kept):] + continuation).ids
    head = tokenizer.encode(kept).ids
    return (whole[:len(head)], whole[len(head):]) if head else ([prefix], whole)


@torch.no_grad()
def likelihood(model, tokenizer, prefix, context, continuation):
    head, tail = pair(tokenizer, prefix, context, continuation)
    logits = model(torch.tensor([(head + tail)[:-1]])).logits[0, -len(tail):]
    logs = torch.log_softmax(logits.double(), -1)
    each = [logs[index, token].item() for index, token in enumerate(tail)]
    greedy = all(logits[index].argmax().item() == token for index, token in enumerate(tail))
    return {"context": context, "continuation": continuation, "sum": sum(each), "token_log_probs": each, "is_greedy": greedy}


@torch.no_grad()
def generation(model, tokenizer, end, prompt, most):
    tokens = tokenizer.encode(prompt).ids
    new = []
    while len(new) < most:
        token = model(torch.tensor([tokens + new])).logits[0, -1].argmax().item()
        new.append(token)
        if token == end:
            break
    text = tokenizer.decode([token for token in new if token != end])
    return {"prompt": prompt, "max_tokens": most, "tokens": new, "text": text}


def requests(count):
    rows = corpus.pairs()
    step = max(1, len(rows) // count)
    for index, (_, _, prompt, answer) in enumerate(rows[::step][:count]):
        other = rows[(index * 37 + 11) % len(rows)][3]
        yield prompt + "\n", answer
        yield prompt + "\n", other
    yield "", "What is the capital of France?"
    yield "The capital of Österreich — «Wien» ✓ ", "日本語 text"
    yield "word  ", "  spaced"
    yield ("List exactly 3 colors. " * 30).strip() + "\n", "red"


def record(folder, name, count, generations):
    model, tokenizer = load(folder)
    end = model.config.eos_token_id
    prefix = model.config.bos_token_id if model.config.bos_token_id is not None else end
    prompts = [row[2] + "\n" for row in corpus.pairs()]
    prompts = prompts[::max(1, len(prompts) // generations)][:generations]
    value = {
        "made_by": "tests/reference/make_reference.py",
        "versions": VERSIONS,
        "model": str(folder.relative_to(ROOT)),
        "likelihoods": [likelihood(model, tokenizer, prefix, *request) for request in requests(count)],
        "generations": [generation(model, tokenizer, end, prompt, 24) for prompt in prompts],
    }
    (HERE / f"{name}.json").write_text(json.dumps(value, ensure_ascii=False, indent=0) + "\n")
    print(name, len(value["likelihoods"]), "likelihoods,", len(value["generations"]), "generations")


def fixture(name, make, **save):
    folder = FIXTURES / name
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(5)
    model = make()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 1:
                parameter.add_(torch.randn_like(parameter) * 0.1)
            else:
                parameter.normal_(0, 0.2)
    model.to(torch.bfloat16).save_pretrained(folder, **save)
    (folder / "tokenizer.json").write_text((QUICKSTART / "models" / "good" / "tokenizer.json").read_text())


def make_fixtures(vocabulary):
    shape = dict(vocab_size=vocabulary, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
                 num_key_value_heads=2, max_position_embeddings=512, bos_token_id=None, eos_token_id=0)
    fixture("tiny-qwen2", lambda: transformers.Qwen2ForCausalLM(transformers.Qwen2Config(tie_word_embeddings=False, rope_theta=1e6, **shape)))
    llama3 = dict(rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=64)
    fixture("tiny-llama-sharded", lambda: transformers.LlamaForCausalLM(transformers.LlamaConfig(
        tie_word_embeddings=False, rope_theta=5e5, rope_scaling=llama3, **shape)), max_shard_size="60KB")


def permute(weight, heads):
    return weight.reshape(heads, 2, weight.shape[0] // heads // 2, weight.shape[1]).swapaxes(1, 2).reshape(weight.shape)


def make_gguf(name, kind):
    model, tokenizer = load(QUICKSTART / "models" / "good")
    config, path = model.config, FIXTURES / f"{name}.gguf"
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(10000.0)
    definition = json.loads(tokenizer.to_str())
    special = {token["content"] for token in definition["added_tokens"]}
    tokens = [token for token, _ in sorted(tokenizer.get_vocab().items(), key=lambda item: item[1])]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types([gguf.TokenType.CONTROL if token in special else gguf.TokenType.NORMAL for token in tokens])
    writer.add_token_merges([" ".join(merge) for merge in definition["model"]["merges"]])
    writer.add_eos_token_id(config.eos_token_id)
    names = {"self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output",
             "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down", "input_layernorm": "attn_norm",
             "post_attention_layernorm": "ffn_norm"}
    top = {"model.embed_tokens.weight": "token_embd.weight", "model.norm.weight": "output_norm.weight"}
    state = model.state_dict()
    for key, tensor in list(state.items()):
        if key == "lm_head.weight":
            continue
        data = tensor.float().numpy()
        if key in top:
            target = top[key]
        else:
            _, _, number, rest = key.split(".", 3)
            part, ending = rest.rsplit(".", 1)
            target = f"blk.{number}.{names[part]}.{ending}"
            data = permute(data, config.num_attention_heads) if part.endswith("q_proj") else data
            data = permute(data, config.num_key_value_heads) if part.endswith("k_proj") else data
        if data.ndim == 1:
            writer.add_tensor(target, data)
        elif kind == "f16":
            writer.add_tensor(target, data.astype(numpy.float16))
        else:
            packed = gguf.quants.quantize(data, gguf.GGMLQuantizationType.Q8_0)
            writer.add_tensor(target, packed, raw_dtype=gguf.GGMLQuantizationType.Q8_0)
            plain = gguf.quants.dequantize(gguf.quants.quantize(tensor.float().numpy(), gguf.GGMLQuantizationType.Q8_0), gguf.GGMLQuantizationType.Q8_0)
            tensor.copy_(torch.tensor(plain))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return model, tokenizer


def record_gguf(name, model, tokenizer):
    end = model.config.eos_token_id
    prompts = [row[2] + "\n" for row in corpus.pairs()][::60][:20]
    value = {"made_by": "tests/reference/make_reference.py", "versions": VERSIONS, "model": f"tests/fixtures/models/{name}.gguf",
             "likelihoods": [likelihood(model, tokenizer, end, *request) for request in requests(10)],
             "generations": [generation(model, tokenizer, end, prompt, 16) for prompt in prompts]}
    (HERE / f"{name}.json").write_text(json.dumps(value, ensure_ascii=False, indent=0) + "\n")


def main():
    torch.set_num_threads(1)
    record(QUICKSTART / "models" / "good", "quickstart_good", 120, 110)
    record(QUICKSTART / "models" / "worse", "quickstart_worse", 40, 40)
    make_fixtures(tokenizers.Tokenizer.from_file(str(QUICKSTART / "models" / "good" / "tokenizer.json")).get_vocab_size())
    record(FIXTURES / "tiny-qwen2", "tiny_qwen2", 15, 10)
    record(FIXTURES / "tiny-llama-sharded", "tiny_llama_sharded", 15, 10)
    for name, kind in (("tiny-llama-f16", "f16"), ("tiny-llama-q8", "q8")):
        model, tokenizer = make_gguf(name, kind)
        record_gguf(name, model, tokenizer)


if __name__ == "__main__":
    main()
