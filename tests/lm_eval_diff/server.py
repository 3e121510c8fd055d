"""A completions endpoint over a tiny Llama model: `server.py <model folder>`, which prints its port.

Echoed log-probabilities and greedy text, from text or from token ids, computed in float64 by the few lines below. `GET /seen`
gives what each client (the `model` of its requests) has asked for. Nothing of a tested program is used.
"""

import json
import pathlib
import struct
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy
from tokenizers import Tokenizer


class Model:
    def __init__(self, folder):
        folder = pathlib.Path(folder)
        self.config = json.loads((folder / "config.json").read_text())
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.weights = dict(tensors((folder / "model.safetensors").read_bytes()))
        self.end = self.config["eos_token_id"]
        self.known = {}

    def logits(self, tokens):
        """(tokens, vocabulary): what is predicted behind each token."""
        key = tuple(tokens)
        if key not in self.known:
            self.known[key] = self.forward(numpy.array(tokens))
        return self.known[key]

    def forward(self, tokens):
        c, w = self.config, self.weights
        heads, groups, size = c["num_attention_heads"], c["num_key_value_heads"], c["head_dim"]
        count = len(tokens)
        # One more than the model has positions for: the last token of an echoed prompt is predicted, and what it predicts is not read.
        if count > c["max_position_embeddings"] + 1:
            raise ValueError(f"{count} tokens are too many")
        base = c["rope_parameters"]["rope_theta"]
        angles = numpy.outer(numpy.arange(count), base ** (-numpy.arange(0, size, 2) / size))
        cos, sin = numpy.cos(angles), numpy.sin(angles)

        def turned(rows):
            left, right = rows[..., : size // 2], rows[..., size // 2 :]
            return numpy.concatenate([left * cos - right * sin, right * cos + left * sin], axis=-1)

        def norm(rows, weight):
            return rows / numpy.sqrt((rows**2).mean(-1, keepdims=True) + c["rms_norm_eps"]) * weight

        hidden = numpy.triu(numpy.full((count, count), -numpy.inf), 1)
        rows = w["model.embed_tokens.weight"][tokens]
        for number in range(c["num_hidden_layers"]):
            def part(name, number=number):
                return w[f"model.layers.{number}.{name}.weight"]

            def split(rows, name, heads):
                return (rows @ part(f"self_attn.{name}_proj").T).reshape(count, heads, size).swapaxes(0, 1)

            normed = norm(rows, part("input_layernorm"))
            query = turned(split(normed, "q", heads))
            key = numpy.repeat(turned(split(normed, "k", groups)), heads // groups, axis=0)
            value = numpy.repeat(split(normed, "v", groups), heads // groups, axis=0)
            scores = query @ key.swapaxes(1, 2) / numpy.sqrt(size) + hidden
            scores = numpy.exp(scores - scores.max(-1, keepdims=True))
            mixed = (scores / scores.sum(-1, keepdims=True)) @ value
            rows = rows + mixed.swapaxes(0, 1).reshape(count, heads * size) @ part("self_attn.o_proj").T
            normed = norm(rows, part("post_attention_layernorm"))
            gate = normed @ part("mlp.gate_proj").T
            rows = rows + (gate / (1 + numpy.exp(-gate)) * (normed @ part("mlp.up_proj").T)) @ part("mlp.down_proj").T
        head = w["model.embed_tokens.weight"] if c["tie_word_embeddings"] else w["lm_head.weight"]
        return norm(rows, w["model.norm.weight"]) @ head.T

    def log_probs(self, tokens):
        logits = self.logits(tokens)
        top = logits.max(-1, keepdims=True)
        return logits - top - numpy.log(numpy.exp(logits - top).sum(-1, keepdims=True))

    def text(self, tokens):
        return self.tokenizer.decode(tokens, skip_special_tokens=True)

    def echoed(self, tokens):
        """The prompt's tokens and one more, in the form of the protocol."""
        log_probs = self.log_probs(tokens)
        tokens = [*tokens, int(log_probs[-1].argmax())]
        values, top, offsets = [None], [None], [0]
        for place in range(1, len(tokens)):
            row = log_probs[place - 1]
            best = int(row.argmax())
            values.append(float(row[tokens[place]]))
            top.append({self.tokenizer.id_to_token(best): float(row[best])})
            offsets.append(len(self.text(tokens[:place])))
        told = {"tokens": [self.tokenizer.id_to_token(token) for token in tokens], "token_logprobs": values}
        return {"text": self.text(tokens), "finish_reason": "length", "logprobs": {**told, "top_logprobs": top, "text_offset": offsets}}

    def generated(self, tokens, most, stops):
        said = []
        while len(said) < most and len(tokens) + len(said) < self.config["max_position_embeddings"]:
            token = int(self.logits([*tokens, *said])[-1].argmax())
            if token == self.end:
                return {"text": self.text(said), "finish_reason": "stop", "logprobs": None}
            said.append(token)
            text = self.text(said)
            places = [text.find(stop) for stop in stops if stop and stop in text]
            if places:
                return {"text": text[: min(places)], "finish_reason": "stop", "logprobs": None}
        return {"text": self.text(said), "finish_reason": "length", "logprobs": None}


def tensors(data):
    """Of a safetensors file with numbers of 16 or 32 bits."""
    (length,) = struct.unpack("<Q", data[:8])
    for name, entry in json.loads(data[8 : 8 + length]).items():
        if name != "__metadata__":
            start, end = entry["data_offsets"]
            kind = {"F16": "<f2", "F32": "<f4"}[entry["dtype"]]
            numbers = numpy.frombuffer(data[8 + length + start : 8 + length + end], kind)
            yield name, numbers.astype(numpy.float64).reshape(entry["shape"])


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def reply(self, status, value):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        with LOCK:
            self.reply(200, {client: [json.loads(one) for one in sorted(seen)] for client, seen in SEEN.items()})

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        prompts = asked["prompt"]
        if isinstance(prompts, str) or isinstance(prompts[0], int):
            prompts = [prompts]
        choices = []
        with LOCK:
            try:
                for index, prompt in enumerate(prompts):
                    echo = bool(asked.get("echo"))
                    SEEN.setdefault(asked["model"], set()).add(json.dumps([echo, asked["max_tokens"], prompt]))
                    tokens = MODEL.tokenizer.encode(prompt, add_special_tokens=False).ids if isinstance(prompt, str) else prompt
                    stops = asked.get("stop") or []
                    choice = MODEL.echoed(tokens) if echo else MODEL.generated(tokens, asked["max_tokens"], stops)
                    choices.append({"index": index, **choice})
            except ValueError as error:
                return self.reply(400, {"error": {"message": str(error)}})
        return self.reply(200, {"object": "text_completion", "model": asked["model"], "choices": choices})


if __name__ == "__main__":
    LOCK, SEEN, MODEL = threading.Lock(), {}, Model(sys.argv[1])
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(server.server_address[1], flush=True)
    server.serve_forever()
