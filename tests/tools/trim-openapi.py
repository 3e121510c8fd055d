"""Cuts GitHub's OpenAPI description down to the paths that llmci uses: the whole one takes a judge a minute to read.

Usage: trim-openapi.py FULL.json OUT.json. Nothing in the schemas that are kept is changed.
"""

import json
import sys

PATHS = [
    "/user",
    "/repos/{owner}/{repo}",
    "/repos/{owner}/{repo}/issues/{issue_number}/comments",
    "/repos/{owner}/{repo}/issues/comments/{comment_id}",
    "/repos/{owner}/{repo}/check-runs",
    "/repos/{owner}/{repo}/check-runs/{check_run_id}",
    "/repos/{owner}/{repo}/commits/{ref}/check-runs",
    "/repos/{owner}/{repo}/statuses/{sha}",
    "/repos/{owner}/{repo}/deployments",
    "/repos/{owner}/{repo}/deployments/{deployment_id}/statuses",
]

# Refusals that GitHub's guides describe for every request (missing rights, rate limits) and that the description names for
# a few only. A judge would call them unknown. What is described already is left as it is.
REFUSALS = ["401", "403", "404", "422", "429"]
REFUSAL = {
    "description": "Refused",
    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/basic-error"}}},
}
# GraphQL has a schema language of its own; here only the envelope is judged.
GRAPHQL = {
    "post": {
        "operationId": "graphql",
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": {
                        "type": "object",
                        "required": ["query"],
                        "properties": {"query": {"type": "string"}, "variables": {"type": "object"}},
                        "additionalProperties": False,
                    }
                }
            },
        },
        "responses": {
            "200": {"description": "Answer", "content": {"application/json": {"schema": {"type": "object"}}}}
        },
    }
}


def references(value, found):
    """Adds every local reference below a value."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == "$ref" and isinstance(inner, str):
                found.add(inner)
            else:
                references(inner, found)
    elif isinstance(value, list):
        for inner in value:
            references(inner, found)


def strip_examples(value):
    """Examples judge nothing, and are most of the bytes."""
    if isinstance(value, dict):
        return {
            key: strip_examples(inner)
            for key, inner in value.items()
            if not (key in ("examples", "x-github", "x-webhooks") and isinstance(inner, (dict, list)))
        }
    if isinstance(value, list):
        return [strip_examples(inner) for inner in value]
    return value


def main():
    source, target = sys.argv[1:3]
    with open(source, encoding="utf-8") as file:
        full = strip_examples(json.load(file))
    kept = {"openapi": full["openapi"], "info": full["info"], "paths": {}, "components": {}}
    # GitHub's server has no path of its own; an Enterprise server's has, and is the proxy's business.
    kept["servers"] = [{"url": "https://api.github.com"}]
    for path in PATHS:
        kept["paths"][path] = full["paths"][path]
        for method, operation in kept["paths"][path].items():
            if method in ("get", "post", "patch", "delete"):
                for status in REFUSALS:
                    operation["responses"].setdefault(status, REFUSAL)
    kept["paths"]["/graphql"] = GRAPHQL
    done, open_ones = set(), set()
    references(kept["paths"], open_ones)
    while open_ones:
        reference = open_ones.pop()
        done.add(reference)
        _, section, kind, name = reference.split("/", 3)
        component = full[section][kind][name]
        kept["components"].setdefault(kind, {})[name] = component
        found = set()
        references(component, found)
        open_ones |= found - done
    with open(target, "w", encoding="utf-8") as file:
        json.dump(kept, file)


if __name__ == "__main__":
    main()
