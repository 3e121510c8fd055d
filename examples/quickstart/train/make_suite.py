"""Writes facts.jsonl: questions of corpus.py as cases, some to be answered, some to be chosen by likelihood. Seeded."""

import json
import pathlib
import random

import corpus

HERE = pathlib.Path(__file__).resolve().parent
GENERATED = {"capital": 40, "opposite": 20, "color": 12, "day-after": 7, "month-after": 10, "sum": 24, "difference": 12, "plural": 10,
             "unit": 8, "german": 8, "number-digit": 6, "json": 6}
CHOSEN = {"capital": 30, "country": 10, "opposite": 12, "sound": 8, "color": 8}
TAGS = {"capital": "geography", "country": "geography", "sum": "arithmetic", "difference": "arithmetic", "unit": "arithmetic",
        "number-digit": "arithmetic", "json": "format", "opposite": "words", "plural": "words", "german": "words", "color": "colors"}
SCHEMA = {"type": "object", "required": ["name", "age"], "properties": {"name": {"type": "string"}, "age": {"type": "integer"}}}


def assertion(group, answer):
    if group in ("sum", "difference", "unit", "number-digit"):
        return {"type": "numeric", "value": int(answer)}
    if group == "json":
        return {"type": "is-json", "value": SCHEMA}
    if group == "german":
        return {"type": "levenshtein", "value": answer, "threshold": 1}
    if group == "plural":
        return {"type": "regex", "value": f"^{answer}$"}
    if group == "capital":
        return {"type": "icontains", "value": "{{ expected }}"}
    return {"type": "equals", "value": "{{ expected }}"}


def main():
    generator = random.Random(3)
    rows = [row for row in corpus.pairs() if row[2] not in corpus.SMOKE.values()]
    cases = []
    for group, count in GENERATED.items():
        of_group = [row for row in rows if row[0] == group]
        for number, (_, fact, prompt, answer) in enumerate(sorted(generator.sample(of_group, min(count, len(of_group))))):
            cases.append({"id": f"{fact}-{number}", "tags": [TAGS.get(group, "calendar")], "cluster": fact, "vars": {"question": prompt},
                          "expected": answer, "assertions": [assertion(group, answer)]})
    for group, count in CHOSEN.items():
        of_group = [row for row in rows if row[0] == group]
        answers = sorted({row[3] for row in of_group})
        for number, (_, fact, prompt, answer) in enumerate(sorted(generator.sample(of_group, min(count, len(of_group))))):
            choices = generator.sample([other for other in answers if other != answer], 3) + [answer]
            generator.shuffle(choices)
            cases.append({"id": f"choose-{fact}-{number}", "tags": [TAGS.get(group, "animals"), "choice"], "cluster": fact,
                          "vars": {"question": prompt}, "expected": answer,
                          "assertions": [{"type": "choice", "choices": choices, "answer": "{{ expected }}", "delimiter": ""}]})
    path = HERE.parent / "facts.jsonl"
    path.write_text("".join(json.dumps(case, ensure_ascii=False) + "\n" for case in cases))
    print(path.name, len(cases), "cases")


if __name__ == "__main__":
    main()
