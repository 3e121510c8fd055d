//! Configs whose rows are compared with each other, and configs whose own command or endpoint is told more than the prompt.

/// Configs whose judge `BASE` chooses the answer that the criterion names by its number, or that has the word WINNER.
pub(crate) const COMPARED: &[(&str, &str)] = &[
    (
        "the judge chooses among prompts and providers",
        r#"
prompts: ["first {{x}}", "second {{x}}"]
providers: [echo, {id: echo, label: loud, transform: "output.toUpperCase()"}]
defaultTest: {options: {provider: {id: "openai:chat:judge", config: {apiBaseUrl: BASE}}}}
tests:
  - {vars: {x: a}, assert: [{type: select-best, value: "choose number {{n}}"}, {type: contains, value: first}]}
  - {vars: {x: b, n: 0}, assert: [{type: contains, value: first, metric: m}, {type: select-best, value: "choose number {{n}}"}]}
  - {vars: {x: c, n: 3}, assert: [{type: select-best, value: "choose number {{n}}", metric: best}]}
  - {vars: {x: d, n: 2}, threshold: 0.4, assert: [{type: contains, value: first}, {type: icontains, value: d}, {type: select-best, value: "choose number 2"}]}
"#,
    ),
    (
        "the judge is asked by a prompt of the config's own",
        r#"
prompts: ["{{x}} WINNER", "{{x}} loser", "{{x}} third"]
providers: [echo]
defaultTest:
  options:
    rubricPrompt: "By {{criteria}}: {% for output in outputs %}[{{ loop.index0 }}:{{ output }}]{% endfor %}"
    provider: {id: "openai:chat:judge", config: {apiBaseUrl: BASE}}
tests:
  - {vars: {x: a}, assert: [{type: select-best, value: "the word"}, {type: contains, value: a}]}
  - {vars: {x: b}, assert: [{type: select-best, value: "the word"}, {type: contains, value: c}]}
"#,
    ),
    (
        "the highest score of the other assertions wins, by mean, sum, weights and threshold",
        r#"
prompts: ["{{x}} one two three", "{{x}} one two", "{{x}} one"]
providers: [echo]
defaultTest:
  assert:
    - {type: contains, value: one}
    - {type: contains, value: two, weight: 3}
    - {type: javascript, value: "output.includes('three') ? 0.1 : 0.6"}
tests:
  - {vars: {x: a}, threshold: 0, assert: [{type: max-score}]}
  - {vars: {x: b}, threshold: 0, assert: [{type: max-score, value: {method: sum}}]}
  - {vars: {x: c}, threshold: 0, assert: [{type: max-score, value: {weights: {javascript: 0}}}]}
  - {vars: {x: d}, threshold: 0, assert: [{type: max-score, value: {weights: {contains: 0.5, javascript: 4}, threshold: 0.6}}]}
  - {vars: {x: e}, threshold: 0, assert: [{type: max-score, value: {threshold: 0.95}}]}
  - {vars: {x: f}, assert: [{type: max-score, value: {method: average}}]}
  - {vars: {x: g}, threshold: 0, assert: [{type: max-score}, {type: assert-set, assert: [{type: contains, value: three}, {type: contains, value: g}]}]}
  - {vars: {x: h}, threshold: 0, assert: [{type: not-contains, value: three, weight: 0}, {type: max-score, value: {weights: {not-contains: 9}}}]}
"#,
    ),
];

/// One number for a text, so that a score shows whether both sides have the same one.
const SCORE: &str = "{type: javascript, value: \"[...output].reduce((all, letter) => (all * 31 + letter.codePointAt(0)) % 99991, 7) / 99991\"}";

/// Configs whose provider `BASE` answers with what it is sent, or is the command `show.sh`, which answers with its last argument.
pub(crate) fn told(base: &str) -> Vec<(String, Vec<(String, String)>)> {
    let configs = [
        (
            "an endpoint is sent the vars that its body and address show",
            r#"
prompts: ["Say {{word}}", {raw: '[{"role": "user", "content": "{{word}}"}]', label: chat}]
providers:
  - {id: "BASE/a/{{town}}?n={{n}}&w={{word}}", label: json, config: {method: POST, body: {q: "{{prompt}}", in: "{{ town | upper }}", deep: [{n: "{{n}}"}], all: "{{ list | dump }}", none: "{{ nothing }}"}, transformResponse: "json.sent"}}
  - {id: "http", label: text, config: {url: BASE, method: POST, headers: {Content-Type: application/json}, body: '{"q": {{ prompt | dump }}, "town": "{{town}}", "n": {{n}} }', transformResponse: "json.sent"}}
  - {id: "http", label: plain, config: {url: BASE, method: POST, headers: {Content-Type: text/plain}, body: "{{prompt}} of {{town}} {% if n > 4 %}many{% endif %}", transformResponse: "json.sent"}}
defaultTest: {assert: [SCORE]}
tests:
  - {vars: {word: hello, town: Ulm, n: 5, list: [{a: 1}]}}
  - {vars: {word: "two \"words\"", town: "{{word}}", n: 4, list: [{b: "x"}]}}
"#,
        ),
        (
            "a command is given the vars, the prompt and the test",
            r#"
prompts: ["Say {{word}}", {raw: "b {{word}}", label: bee, config: {k: 1}}]
providers: [{id: "exec:/bin/sh show.sh", label: sh, config: {a: 1}}]
defaultTest: {assert: [SCORE]}
tests:
  - {description: d, vars: {word: hello, n: 5, list: [{a: 1}]}, metadata: {m: 1}}
  - {vars: {word: "{{n}}", n: "ä\n"}, options: {prefix: "p ", repeat: 2}}
"#,
        ),
    ];
    let show = "printf '%s' \"$3\" | python3 -c \"import json, sys\nsaid = json.load(sys.stdin)\nvars = {key: said['vars'][key] for key in said['vars'] if not key.startswith('__')}\nprint(json.dumps([vars, said['prompt']['raw'], said['prompt']['label'], said['prompt'].get('config'), said['test'].get('description'), said['test']['vars'], said['test']['metadata'], said['repeatIndex']]))\"\n";
    let files = |text: &str| {
        let config = text.replace("BASE", base).replace("SCORE", SCORE);
        vec![("promptfooconfig.yaml".to_owned(), config), ("show.sh".to_owned(), show.to_owned())]
    };
    configs.iter().map(|(name, text)| ((*name).to_owned(), files(text))).collect()
}
