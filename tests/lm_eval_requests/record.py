"""Records what lm-eval 0.4.13 asks for each task beside this file, into expected.json.

Run from this folder, with lm-eval 0.4.13 installed:  python record.py
"""

import glob
import json
import os

from lm_eval.tasks import TaskManager

os.chdir("tasks")
manager = TaskManager(include_path=".", include_defaults=False)
recorded = {}
for path in sorted(glob.glob("*.yaml")):
    name = path.removesuffix(".yaml")
    task = manager.load([name])["tasks"][name]
    task.set_fewshot_seed(seed=1234)
    task.build_all_requests()
    recorded[name] = [[item.doc_id, item.request_type, list(item.args)] for item in task.instances]
# The same tasks as chats: a template that writes the messages down says which they are.
FORMS = {
    "chat": {"apply_chat_template": True},
    "chat_turns": {"apply_chat_template": True, "fewshot_as_multiturn": True},
    "chat_system": {"apply_chat_template": True, "system_instruction": "Be brief."},
    "system": {"system_instruction": "Be brief."},
}


def written(messages, add_generation_prompt=True):
    return json.dumps(messages, ensure_ascii=False, separators=(",", ":"))


for form, options in FORMS.items():
    for path in sorted(glob.glob("*.yaml")):
        name = path.removesuffix(".yaml")
        if "gen_prefix" in open(path).read() and "apply_chat_template" in options:
            continue
        task = manager.load([name])["tasks"][name]
        task.set_fewshot_seed(seed=1234)
        template = {"chat_template": written} if "apply_chat_template" in options else {}
        task.build_all_requests(**options, **template)
        recorded[f"{name}@{form}"] = [[item.doc_id, item.request_type, list(item.args)] for item in task.instances]
parts = []
for name, rows in recorded.items():
    rows = ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    parts.append(f"{json.dumps(name)}: [\n{rows}\n]")
with open("../expected.json", "w") as out:
    out.write("{\n" + ",\n".join(parts) + "\n}\n")
