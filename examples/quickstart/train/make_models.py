"""Trains the two quickstart models from scratch: `python make_models.py` (see requirements.txt; a few minutes on four cores).

Both are tiny Llama models over one byte-level BPE tokenizer. `good` learns every question of corpus.py; `worse` is smaller,
learns about half of the facts, and stops early. Everything is seeded. The weights are stored as float16.
"""

import json
import pathlib
import random
import sys
import time

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM

import corpus

HERE = pathlib.Path(__file__).resolve().parent
MODELS = HERE.parent / "models"
END, PAD = "<|end|>", "<|pad|>"
LENGTH = 64

SETTINGS = {
    "good": dict(hidden_size=128, intermediate_size=352, num_hidden_layers=4, num_attention_heads=4, num_key_value_heads=2,
                 steps=1700, rate=3e-3, share=1.0, seed=7),
    "worse": dict(hidden_size=64, intermediate_size=176, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=4,
                  steps=700, rate=4e-3, share=0.6, seed=11),
}


def make_tokenizer(rows):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=768, special_tokens=[END, PAD], initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator([f"{prompt}\n{answer}" for _, _, prompt, answer in rows], trainer)
    return tokenizer


def encode(tokenizer, rows):
    end, pad = tokenizer.token_to_id(END), tokenizer.token_to_id(PAD)
    inputs, weights = [], []
    for _, _, prompt, answer in rows:
        question = tokenizer.encode(prompt + "\n").ids
        whole = question + tokenizer.encode(answer).ids + [end]
        assert len(whole) <= LENGTH, (len(whole), prompt)
        # The question's own tokens count a little: they teach the language. The answer counts in full.
        weight = [0.1] * len(question) + [1.0] * (len(whole) - len(question))
        inputs.append(whole + [pad] * (LENGTH - len(whole)))
        weights.append(weight + [0.0] * (LENGTH - len(whole)))
    return torch.tensor(inputs), torch.tensor(weights)


def train(name, tokenizer, rows):
    setting = dict(SETTINGS[name])
    steps, rate, share, seed = (setting.pop(key) for key in ("steps", "rate", "share", "seed"))
    torch.manual_seed(seed)
    generator = random.Random(seed)
    facts = sorted({fact for _, fact, _, _ in rows})
    known = set(generator.sample(facts, round(share * len(facts))))
    inputs, weights = encode(tokenizer, [row for row in rows if row[1] in known])
    end = tokenizer.token_to_id(END)
    config = LlamaConfig(vocab_size=tokenizer.get_vocab_size(), max_position_embeddings=256, tie_word_embeddings=True, rms_norm_eps=1e-5,
                         rope_theta=10000.0, bos_token_id=None, eos_token_id=end, pad_token_id=tokenizer.token_to_id(PAD),
                         attention_bias=False, **setting)
    model = LlamaForCausalLM(config)
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, betas=(0.9, 0.98), weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=rate, total_steps=steps, pct_start=0.1)
    began = time.time()
    for step in range(steps):
        batch = torch.tensor([generator.randrange(len(inputs)) for _ in range(96)])
        width = int((weights[batch] > 0).sum(1).max())
        tokens, weight = inputs[batch, :width], weights[batch, 1:width]
        logits = model(tokens).logits[:, :-1]
        losses = torch.nn.functional.cross_entropy(logits.transpose(1, 2), tokens[:, 1:], reduction="none")
        loss = (losses * weight).sum() / weight.sum()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if step % 100 == 0 or step == steps - 1:
            print(f"{name}: step {step}, loss {loss.item():.4f}, {time.time() - began:.0f} s", flush=True)
    folder = MODELS / name
    folder.mkdir(parents=True, exist_ok=True)
    model.half().save_pretrained(folder, safe_serialization=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": END, "pad_token": PAD, "clean_up_tokenization_spaces": False}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=1) + "\n")
    print(name, sum(parameter.numel() for parameter in model.parameters()), "parameters")


def main():
    torch.use_deterministic_algorithms(True)
    rows = corpus.pairs()
    tokenizer = make_tokenizer(rows)
    for name in sys.argv[1:] or list(SETTINGS):
        train(name, tokenizer, rows)


if __name__ == "__main__":
    main()
