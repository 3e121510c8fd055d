"""The peer of benches/paired.rs: two samples.jsonl read, paired and compared with scipy and statsmodels.

Usage: paired_peer.py READER BASELINE CANDIDATE, where READER is orjson or json (line by line, only the fields that are needed are
kept) or pandas (read_json of the whole file). Pairs by suite, case, repeat, prompt and expected answer. Computes the counts of
changed cases, McNemar's exact p, the t interval of the differences, Wilson's interval of each side and Newcombe's of the
difference. It hashes nothing and writes no report.
"""

import json
import sys

import numpy
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint


def by_line(parse, path):
    side = {}
    with open(path, "rb") as lines:
        for line in lines:
            sample = parse(line)
            key = (sample["suite"], sample["case"], sample["repeat"])
            if key in side:
                raise SystemExit(f"{path}: {key} is there twice")
            side[key] = (sample["prompt_digest"], sample["expected_digest"], sample["score"])
    return side


def pair_by_line(parse, baseline, candidate):
    one, two = by_line(parse, baseline), by_line(parse, candidate)
    before, after = [], []
    for key, (prompt, expected, score) in one.items():
        other = two.get(key)
        if other is not None and other[:2] == (prompt, expected):
            before.append(score)
            after.append(other[2])
    return numpy.array(before), numpy.array(after)


def pair_by_pandas(baseline, candidate):
    import pandas

    keys = ["suite", "case", "repeat", "prompt_digest", "expected_digest"]
    one, two = (pandas.read_json(path, lines=True)[[*keys, "score"]] for path in (baseline, candidate))
    both = one.merge(two, on=keys, suffixes=("_before", "_after"), validate="one_to_one")
    return both["score_before"].to_numpy(), both["score_after"].to_numpy()


def main():
    reader, baseline, candidate = sys.argv[1:]
    if reader == "pandas":
        before, after = pair_by_pandas(baseline, candidate)
    elif reader == "orjson":
        import orjson

        before, after = pair_by_line(orjson.loads, baseline, candidate)
    else:
        before, after = pair_by_line(json.loads, baseline, candidate)
    up = int(((before == 0) & (after == 1)).sum())
    down = int(((before == 1) & (after == 0)).sum())
    n = len(before)
    table = [[int(((before == 1) & (after == 1)).sum()), down], [up, int(((before == 0) & (after == 0)).sum())]]
    paired = stats.ttest_rel(after, before).confidence_interval(0.95)
    right = [int(before.sum()), int(after.sum())]
    newcombe = confint_proportions_2indep(right[1], n, right[0], n, method="newcomb", compare="diff")
    found = {
        "n": n,
        "up": up,
        "down": down,
        "mcnemar_p": float(mcnemar(table, exact=True).pvalue),
        "t": [float(paired.low), float(paired.high)],
        "wilson": [[float(end) for end in proportion_confint(count, n, method="wilson")] for count in right],
        "newcombe": [float(end) for end in newcombe],
    }
    print(json.dumps(found))


main()
