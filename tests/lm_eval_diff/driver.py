"""Runs lm-eval on tasks of a folder: `driver.py <port> <tokenizer folder> <tasks folder> <result> <max_length> <name>...`."""

import json
import os
import sys

from lm_eval import simple_evaluate
from lm_eval.tasks import TaskManager

if __name__ == "__main__":
    port, tokenizer, tasks, result, max_length, *names = sys.argv[1:]
    os.chdir(tasks)
    found = simple_evaluate(
        model="local-completions",
        model_args={
            "model": "lm-eval",
            "base_url": f"http://127.0.0.1:{port}/v1/completions",
            "tokenizer": tokenizer,
            "tokenizer_backend": "huggingface",
            "tokenized_requests": True,
            "max_length": int(max_length),
            "max_retries": 1,
        },
        tasks=names,
        task_manager=TaskManager(include_path=tasks, include_defaults=False),
    )
    kept = ("results", "groups", "group_subtasks", "versions", "n-shot", "higher_is_better", "n-samples")
    with open(result, "w") as file:
        json.dump({key: found[key] for key in kept}, file, default=float)
