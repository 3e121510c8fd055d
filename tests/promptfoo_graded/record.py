#!/usr/bin/env python3
"""Records what promptfoo says of judges' replies, of vectors and of Python's results: `recorded.jsonl`.

    PROMPTFOO=/path/to/promptfoo tests/promptfoo_graded/record.py > tests/promptfoo_graded/recorded.jsonl

The judge is a server of this script's: it replies with what stands behind `SAY:` in a `rubricPrompt`.
"""

import http.server
import json
import os
import subprocess
import sys
import tempfile
import threading


class Judge(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers.get("content-length", 0))) or b"{}")
        if "input" in body:
            text = body["input"] if isinstance(body["input"], str) else body["input"][0]
            vector = [text.lower().count("paris"), text.lower().count("rome"), 0.1]
            reply = {"data": [{"embedding": vector, "index": 0}], "usage": {"prompt_tokens": 1, "total_tokens": 1}}
        else:
            said = body["messages"][-1]["content"].split("SAY:", 1)[1]
            message = {"role": "assistant", "content": said}
            reply = {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}], "usage": {}}
        text = json.dumps(reply).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


def cases():
    def case(kind, output="It is Paris.", say=None, first=None, form=lambda first, say: say, options=None, vars=None, **more):
        if say is not None:
            more["rubricPrompt"] = form(f"SAY:{first}", f"SAY:{say}")
        return {"assertion": {"type": kind, **more}, "vars": dict(vars or {}), "options": options or {}, "output": output}

    verdicts = [
        '{"pass": true, "score": 0.8, "reason": "r"}', '{"pass": false, "score": 0.8, "reason": "r"}', '{"pass": true}',
        '{"pass": "yes", "score": "0.4"}', '{"pass": "no"}', '{"pass": true, "score": 1.5, "reason": "r"}', '{"score": 0.6}', '{}',
        'Well, {"pass": true, "score": 0.3} it is', '```json\n{"pass": true, "score": 0.9}\n```', 'nothing', '{"pass": true',
        '{"pass": false, "score": 0} or {"pass": true, "score": 1}', '{"pass": null, "score": 0.9}', '{"pass": 1, "score": 1}',
        '{"pass": true, "score": -1}', '{"pass": true, "score": null}', "{'pass': true, 'score': 1}", '[{"pass": true}]',
    ]
    for say in verdicts:
        yield case("llm-rubric", say=say, value="x")
        yield case("llm-rubric", say=say, value="x", threshold=0.5)
        yield case("not-llm-rubric", say=say, value="x")
    marks = [
        '{"score": 7, "reason": "r"}', '{"score": 6.9, "reason": "r"}', '{"score": "8", "reason": "r"}', '{"score": 11, "reason": "r"}',
        '{"score": 7}', '{"reason": "r"}', 'well {"score": 10, "reason": "r"} so', '{"score": null, "reason": "r"}', "7",
    ]

    def grading(first, say):
        return {"steps": first, "evaluate": say}

    for say in marks:
        for kind in ["g-eval", "not-g-eval"]:
            yield case(kind, say=say, first='{"steps": ["a", "b"]}', form=grading, value="x")
        yield case("g-eval", say=say, first='{"steps": ["a"]}', form=grading, value=["x", "y"], threshold=0.75)
    for first in ['{"steps": []}', "no steps", '{"steps": [""]}', '{"steps": "a"}']:
        yield case("g-eval", say='{"score": 9, "reason": "r"}', first=first, form=grading, value="x")
    letters = ["A", "B", "C", "D", "E", "a"]
    scores = [None, {"subset": 0.5, "superset": 0, "agree": 0.9, "disagree": 0.1, "differButFactual": 0}]
    for options in scores:
        for letter in letters:
            for say in [json.dumps({"category": letter, "reason": "r"}), f"({letter}) because", f"{letter}) because"]:
                yield case("factuality", say=say, value="Paris", options={"factuality": options} if options else None)
    for say in ['{"category": "F"}', "no category", '{"category": 1}', ""]:
        yield case("model-graded-factuality", say=say or " ", value="Paris")
    for say in ["Y", "N", "It does. Y", "It does not: N", "Yes", "N\n", "Y  ", "perhaps"]:
        yield case("model-graded-closedqa", say=say, value="x")
    for say in ["1. A. [Attributed]\n2. B. [Not Attributed]", "a [attributed]", "nothing", "1. A. [Not Attributed]"]:
        for threshold in [None, 0.5, 0.6]:
            more = {} if threshold is None else {"threshold": threshold}
            yield case("context-recall", say=say, value="a. b.", vars={"context": "c"}, **more)
    contexts = ["One. Two. Three.", "One\nTwo", ["a chunk. of two", "another"], "1. One. 2. Two."]
    for context in contexts:
        for say in ["One.", "One. Two.", "One.\nTwo.", "Insufficient Information", "a b c\nd\nd\ne"]:
            # promptfoo expands a var that is a list into several tests, unless it is told not to.
            yield case("context-relevance", say=say, vars={"context": context, "query": "q"}, threshold=0.5, options={"disableVarExpansion": True})
    for say in [
        "Final verdict for each statement in order: Yes. No.", "1. verdict: yes\n2. verdict: no", "verdict: yes", "fine",
        "final verdict for each statement in order: yes. yes. yes.", "final verdict for each statement in order:",
        "verdict: yes verdict: yes verdict: yes verdict: no",
    ]:
        yield case("context-faithfulness", say=say, first="s1\ns2", form=lambda first, say: [first, say], vars={"context": "c", "query": "q"}, threshold=0.4)
    for say in ['{"verdict": "yes"}', '{"verdict": "no", "reason": "r"}', '{"verdict": "maybe"}', "yes"]:
        for kind in ["conversation-relevance", "not-conversation-relevance"]:
            yield case(kind, say=say)
    for kind in ["similar", "similar:cosine", "similar:dot", "similar:euclidean", "not-similar", "not-similar:euclidean"]:
        for value in ["paris", "rome", "paris rome", ["rome", "paris"], ["rome", "rome rome"], "neither"]:
            for threshold in [None, 0.5, 1.0]:
                more = {} if threshold is None else {"threshold": threshold}
                yield case(kind, value=value, **more)
    results = [
        "True", "False", "0", "0.3", "1", "-1", "'true'", "'FALSE'", "'0.7'", "'0.7 points'", "'x'", "None", "[]", "{}",
        "{'pass': True, 'score': 0.4, 'reason': 'r'}", "{'pass_': False, 'score': 0.9, 'reason': 'r'}", "{'pass': True}",
        "{'pass': True, 'score': 1, 'reason': None}", "'{\"pass\": true, \"score\": 0.5, \"reason\": \"r\"}'", "'{bad'", "1 / 0",
        "output == 'It is Paris.'", "context['vars']['n'] == 3", "float('inf')", "if True:\n    return 0.25\nreturn 1",
        "{'pass': True, 'score': 0.4, 'reason': 'r', 'named_scores': {'a': 0.5}}",
    ]
    for value in results:
        yield case("python", value=value, vars={"n": 3})
        yield case("not-python", value=value, vars={"n": 3})
        yield case("python", value=value, vars={"n": 3}, threshold=0.5)


def main():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Judge)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    base = f"http://127.0.0.1:{server.server_address[1]}/v1"
    config = {"apiBaseUrl": base, "apiKey": "none"}
    judge = {
        "text": {"id": "openai:chat:judge", "config": config},
        "embedding": {"id": "openai:embedding:vectors", "config": config},
    }
    all_cases = list(cases())
    tests = []
    for number, case in enumerate(all_cases):
        tests.append(
            {
                "vars": {**case["vars"], "output_": case["output"], "number": number},
                "options": {**case["options"], "provider": judge, "transform": "context.vars.output_"},
                "assert": [case["assertion"]],
            }
        )
    with tempfile.TemporaryDirectory() as folder:
        path, out = os.path.join(folder, "config.json"), os.path.join(folder, "out.json")
        with open(path, "w") as file:
            json.dump({"prompts": ["What is the capital?"], "providers": ["echo"], "tests": tests}, file)
        environment = {
            **os.environ,
            "PROMPTFOO_CONFIG_DIR": folder,
            "PROMPTFOO_DISABLE_TELEMETRY": "1",
            "PROMPTFOO_DISABLE_UPDATE": "1",
            "PROMPTFOO_DISABLE_REMOTE_GENERATION": "1",
        }
        command = [os.environ["PROMPTFOO"], "eval", "-c", path, "--no-cache", "-o", out, "--no-progress-bar", "--no-table"]
        subprocess.run(command, env=environment, stdout=sys.stderr, stderr=sys.stderr)
        with open(out) as file:
            results = json.load(file)["results"]["results"]
    assert len(results) == len(all_cases), (len(results), len(all_cases))
    for result in sorted(results, key=lambda result: result["vars"]["number"]):
        case = all_cases[result["vars"]["number"]]
        graded = result.get("gradingResult")
        verdict = {"pass": graded["pass"], "score": graded["score"], "reason": graded["reason"][:120]} if graded else None
        print(json.dumps({**case, "promptfoo": verdict, "error": result.get("error") if graded is None else None}))


if __name__ == "__main__":
    main()
