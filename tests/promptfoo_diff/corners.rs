//! Configs by hand for what a generator rarely meets: each says one thing about how promptfoo reads or judges.

/// A claim's name, and its files; the first is the config.
pub(crate) type Corner = (&'static str, &'static [(&'static str, &'static str)]);

macro_rules! corner {
    ($name:literal, $config:literal $(, $file:literal => $text:literal)*) => {
        ($name, &[("promptfooconfig.yaml", concat!("providers: [echo]\n", $config)) $(, ($file, $text))*] as &'static [(&'static str, &'static str)])
    };
}

/// All of them.
pub(crate) const CORNERS: &[Corner] = &[
    corner!(
        "a set of weight 0 still fails the test",
        r#"
prompts: ["{{x}}"]
tests:
  - vars: {x: hello}
    assert:
      - {type: contains, value: ell}
      - {type: assert-set, weight: 0, assert: [{type: contains, value: zzz}]}
"#
    ),
    corner!(
        "where all weights are 0 the score is 0 and the test passes",
        r#"
prompts: ["{{x}}"]
tests:
  - vars: {x: hello}
    assert:
      - {type: contains, value: zzz, weight: 0, metric: m}
      - {type: contains, value: ell, weight: 0, metric: m}
"#
    ),
    corner!(
        "a threshold of 0 lets any failure pass, and one above the score fails a test without a failure",
        r#"
prompts: ["{{x}}"]
tests:
  - {vars: {x: a}, threshold: 0, assert: [{type: equals, value: b}]}
  - {vars: {x: b}, threshold: 0.9, assert: [{type: javascript, value: "0.5"}]}
  - {vars: {x: c}, threshold: 0.5, assert: [{type: javascript, value: "0.5"}, {type: equals, value: d, weight: 0}]}
  - {vars: {x: d}}
  - {vars: {x: e}, threshold: 0.5}
"#
    ),
    corner!(
        "metrics of a set's children count with the set's weight",
        r#"
prompts: ["{{x}}"]
tests:
  - vars: {x: hello}
    assert:
      - {type: contains, value: ell, metric: m, weight: 2}
      - type: assert-set
        weight: 3
        metric: m
        threshold: 0.2
        assert:
          - {type: contains, value: zzz, metric: m}
          - {type: contains, value: h, metric: n, weight: 2}
          - {type: javascript, value: "0.25", metric: n}
"#
    ),
    corner!(
        "a metric is a template, and one that renders to nothing is none",
        r#"
prompts: ["{{x}}"]
tests:
  - vars: {x: hello, kind: tone}
    assert:
      - {type: contains, value: ell, metric: "a_{{kind}}"}
      - {type: contains, value: ell, metric: "{{missing}}"}
"#
    ),
    corner!(
        "named scores of a script join those of the test",
        r#"
prompts: ["{{x}}"]
tests:
  - vars: {x: hello}
    assert:
      - {type: javascript, value: "({pass: true, score: 0.5, reason: 'r', namedScores: {a: 0.25, b: 1}})", metric: a, weight: 2}
      - {type: contains, value: zzz, metric: b}
"#
    ),
    corner!(
        "numbers, truth values and null as values of text assertions",
        r#"
prompts: ["{{x}}"]
tests:
  - {vars: {x: "4.50"}, assert: [{type: contains, value: 4.5}]}
  - {vars: {x: "true"}, assert: [{type: equals, value: true}]}
  - {vars: {x: "5"}, assert: [{type: equals, value: 5}]}
  - {vars: {x: "1e21"}, assert: [{type: equals, value: 1.0e+21}]}
  - {vars: {x: "0.1"}, assert: [{type: contains, value: 0.10}]}
  - {vars: {x: "true"}, assert: [{type: contains-any, value: [true, 3]}]}
"#
    ),
    corner!(
        "an empty output",
        r#"
prompts: ["{{x}}"]
tests:
  - {vars: {x: ""}, assert: [{type: is-refusal}]}
  - {vars: {x: ""}, assert: [{type: not-is-refusal}]}
  - {vars: {x: ""}, assert: [{type: word-count, value: 0}]}
  - {vars: {x: ""}, assert: [{type: is-json}]}
  - {vars: {x: ""}, assert: [{type: not-contains, value: a}]}
  - {vars: {x: ""}, assert: [{type: levenshtein, value: abc}]}
  - {vars: {x: ""}, assert: [{type: rouge-n, value: abc}]}
  - {vars: {x: ""}, assert: [{type: javascript, value: "output.length === 0"}]}
"#
    ),
    corner!(
        "an object as output of a transform",
        r#"
prompts: ["{{x}}"]
defaultTest: {options: {transform: "JSON.parse(output)"}}
tests:
  - vars: {x: '{"b": 1, "a": [1, 2.50, null, "ä"]}'}
    assert:
      - {type: contains, value: '"a":[1,2.5,null,"ä"]'}
      - {type: equals, value: {a: [1, 2.5, null, ä], b: 1}}
      - {type: is-json, value: {required: [b]}}
      - {type: javascript, value: "output.a.length === 4"}
      - {type: regex, value: '^\{"b":1'}
  - {vars: {x: '"text"'}, assert: [{type: equals, value: text}]}
  - {vars: {x: "7"}, assert: [{type: equals, value: "7"}, {type: javascript, value: "output === 7"}]}
  - {vars: {x: "true"}, assert: [{type: equals, value: "true"}, {type: is-refusal}]}
"#
    ),
    corner!(
        "transforms in their order: provider, test, assertion",
        r#"
prompts: ["{{x}}"]
defaultTest: {options: {transform: "output + 'd'"}}
tests:
  - vars: {x: a}
    assert: [{type: equals, value: ad}, {type: equals, value: ad!, transform: "output + '!'"}, {type: javascript, value: "output === 'adx'", transform: "output + context.vars.x.replace('a', 'x')"}]
  - vars: {x: b}
    options: {transform: "output + 't'"}
    assert: [{type: equals, value: bt}]
  - vars: {x: c}
    options: {transform: "const y = output + 'm';\nreturn y + 'n';"}
    assert: [{type: equals, value: cmn}]
  - vars: {x: d}
    options: {transform: "undefined"}
    assert: [{type: equals, value: d}]
  - vars: {x: e}
    options: {transform: "null"}
    assert: [{type: equals, value: e}]
"#
    ),
    corner!(
        "variables of every type in a prompt",
        r#"
prompts: ["{{o.name}} {{o}} {{l}} {{n}} {{t}} {{z}} {{f}} {{missing}} {{s.length}}"]
tests:
  - {vars: {o: {name: Ann, age: 3}, l: [1, 2, 3], n: 5, t: true, z: null, f: 2.50, s: four}, assert: [{type: contains, value: Ann}]}
  - {vars: {o: {name: Ann}, l: [{a: 1}, {a: 2}], n: 5.0, t: false, z: ~, f: 1.0e-7, s: ""}, assert: [{type: contains, value: Ann}]}
"#
    ),
    corner!(
        "arrays of texts are combined, arrays of others are not",
        r#"
prompts: ["{{a}} {{b}} {{c}}"]
tests:
  - {vars: {a: [x, y], b: [1, 2], c: [p, q]}, assert: [{type: contains, value: x}]}
  - {vars: {a: [x, y], b: u, c: v}, options: {disableVarExpansion: true}, assert: [{type: contains, value: x}]}
  - {vars: {a: [x, 2], b: [2, x], c: v}, assert: [{type: contains, value: x}]}
"#
    ),
    corner!(
        "a template in a variable sees the others",
        r#"
prompts: ["{{a}}|{{b}}|{{c}}"]
tests:
  - {vars: {a: "{{b}}!", b: "{{c}}?", c: end}, assert: [{type: contains, value: end}]}
  - {vars: {a: "{{missing}} x", b: "{{ 1 + 2 }}", c: "{% if true %}yes{% endif %}"}, assert: [{type: contains, value: x}]}
  - {vars: {a: "line\n", b: "two\n\n", c: " s "}, assert: [{type: contains, value: line}]}
"#
    ),
    corner!(
        "filters, tests and blocks of templates",
        r#"
prompts:
  - "{{ s | upper }} {{ s | title }} {{ s | replace('a', 'b') }} {{ n | round }} {{ o | dump }} {{ s | length }}"
  - "{% for i in l %}{{ loop.index }}:{{ i }}{% if not loop.last %};{% endif %}{% else %}none{% endfor %} {{ 'a' if n > 2 else 'b' }} {% set q = 3 %}{{ q * 2 }} {{ n // 2 }} {{ n % 2 }} {{ s ~ n }}"
  - "{# note #}{%- if s == 'banana' and n -%} yes {%- endif -%} {% raw %}{{ x }}{% endraw %} {{ missing | default('d') }} {{ s[0] }} {{ o['k'] }} {{ l | length }}"
  - "{{ s.toUpperCase() }} {{ s.slice(0, 3) }} {{ l.length }} {{ s | capitalize }} {{ ' x ' | trim }} {{ s | truncate(3) }} {{ 3.14159 | round(2) }} {{ s | indent }} {{ '<b>' | escape }} {{ '<b>' }}"
tests:
  - {vars: {l: {a: 1}, s: banana, n: 3.5, o: {k: v}}, assert: [{type: contains, value: banana}]}
  - {vars: {s: "b a", n: 2, o: {k: [1]}}, options: {disableVarExpansion: true}, assert: [{type: contains, value: b}]}
"#
    ),
    corner!(
        "lists in templates",
        r#"
prompts:
  - "{{ l | join(', ') }} {{ l | first }} {{ l | last }} {{ l | sort | join }} {{ l | reverse | join('-') }} {{ l | length }} {{ l.length }}"
  - "{% for i in l %}{{ loop.index }}:{{ i }}{% if not loop.last %};{% endif %}{% else %}none{% endfor %}"
  - "{% for k, v in o %}{{ k }}={{ v }} {% endfor %}{{ l[1] }} {% if 'b' in l %}in{% endif %}"
tests:
  - {vars: {l: [c, a, b], o: {k: v, m: 2}}, options: {disableVarExpansion: true}, assert: [{type: contains, value: b}]}
"#
    ),
    corner!(
        "a prompt that is JSON keeps its form whatever its variables hold",
        r#"
prompts:
  - '[{"role": "user", "content": "{{x}}"}, {"n": 1.50, "b": [true, null]}]'
  - '{"messages": [{"content": "a {{x}} b {{n}} {{o}}"}]}'
tests:
  - {vars: {x: 'say "hi"', n: 3, o: {k: 1}}, assert: [{type: is-json}, {type: contains, value: 'say \"hi\"'}]}
  - {vars: {x: "two\nlines\\", n: 3, o: [1]}, assert: [{type: is-json}]}
"#
    ),
    corner!("prompts in files of every form", r#"
prompts: [file://a.txt, file://b.json, file://c.jsonl, file://d.yaml, file://e.csv, file://f.md, file://g.j2]
tests:
  - {vars: {x: ham}, assert: [{type: contains, value: ham}]}
"#,
        "a.txt" => "one {{x}}\n---\ntwo {{x}}\n---\n\n",
        "b.json" => "[{\"role\": \"user\", \"content\": \"b {{x}}\"}]",
        "c.jsonl" => "[{\"role\": \"user\", \"content\": \"c1 {{x}}\"}]\n[{\"role\": \"user\", \"content\": \"c2 {{x}}\"}]\n",
        "d.yaml" => "- role: system\n  content: d\n- role: user\n  content: \"{{x}}\"\n",
        "e.csv" => "prompt,label\n\"e1 {{x}}, yes\",first\ne2 {{x}},second\n",
        "f.md" => "# F\n\n{{x}}\n---\nmore\n",
        "g.j2" => "g {{ x | upper }}\n"),
    corner!("values in files", r#"
prompts: ["{{x}}"]
tests:
  - {vars: {x: "a, b"}, assert: [{type: contains-all, value: file://list.txt}]}
  - {vars: {x: '{"k": 1}'}, assert: [{type: is-json, value: file://schema.yaml}, {type: equals, value: file://value.json}]}
  - {vars: {x: "seen {{y}}", y: 1}, assert: [{type: contains, value: file://template.txt}]}
  - {vars: {x: hello}, assert: [{type: equals, value: file://text.txt}]}
  - {vars: {x: hello}, assert: [{type: contains-any, value: [file://text.txt, zzz]}]}
  - {vars: {x: hello}, assert: [{type: contains, value: file://value.js}]}
"#,
        "list.txt" => "a, b",
        "schema.yaml" => "type: object\nrequired: [k]\n",
        "value.json" => "{\"k\": 1}",
        "template.txt" => "{{y}}",
        "text.txt" => "hello\n",
        "value.js" => "module.exports = (output, context) => output.slice(1, 3);\n"),
    corner!("scripts in files", r#"
prompts: ["{{x}}"]
tests:
  - {vars: {x: hello}, assert: [{type: javascript, value: file://a.js}]}
  - {vars: {x: hello}, assert: [{type: javascript, value: "file://b.js:named", config: {least: 3}}]}
  - {vars: {x: hello}, assert: [{type: javascript, value: file://c.mjs, threshold: 0.9}]}
  - {vars: {x: hello}, options: {transform: file://t.js}, assert: [{type: equals, value: hello from t}]}
  - {vars: {x: hello}, assert: [{type: not-javascript, value: file://a.js}]}
  - {vars: {x: hello}, assert: [{type: javascript, value: file://d.cjs}]}
"#,
        "a.js" => "module.exports = (output, context) => ({ pass: output === context.vars.x, score: 0.75, reason: 'same' });\n",
        "b.js" => "module.exports = { named: async (output, { config, prompt }) => output.length >= config.least && prompt === 'hello' };\n",
        "c.mjs" => "export default function (output) { return 0.8; }\n",
        "d.cjs" => "const check = (output) => { throw new Error('no'); };\nmodule.exports = check;\n",
        "t.js" => "module.exports = (output, context) => `${output} from t`;\n"),
    corner!(
        "the default test, and what a test takes from it",
        r#"
prompts: ["{{x}} {{y}}"]
defaultTest:
  vars: {y: default}
  threshold: 0.5
  assert: [{type: contains, value: "{{y}}", metric: d}]
  options: {transform: "output + '.'"}
tests:
  - {vars: {x: a}, assert: [{type: contains, value: zzz}]}
  - {vars: {x: b, y: own}, threshold: 1, assert: [{type: contains, value: own.}]}
  - {vars: {x: c}, options: {disableDefaultAsserts: true}, assert: [{type: contains, value: c}]}
  - {vars: {x: d}}
  - {vars: {x: e}, options: {prefix: "> ", suffix: " <"}, assert: [{type: starts-with, value: ">"}]}
"#
    ),
    corner!("a default test in a file", r#"
prompts: ["{{x}}"]
defaultTest: file://default.yaml
tests: [{vars: {x: a}}, {vars: {x: b}, assert: [{type: equals, value: b}]}]
"#, "default.yaml" => "assert:\n  - {type: equals, value: a}\n"),
    corner!(
        "scenarios",
        r#"
prompts: ["{{x}} {{y}}"]
defaultTest: {assert: [{type: contains, value: b}]}
scenarios:
  - config:
      - {vars: {x: a}, assert: [{type: contains, value: a}]}
      - {vars: {x: b}, threshold: 0.3}
    tests:
      - {vars: {y: one}, assert: [{type: contains, value: one}]}
      - {vars: {y: two, x: own}}
tests:
  - {vars: {x: t, y: u}}
"#
    ),
    corner!(
        "prompts and providers chosen by a test",
        r#"
prompts: [{raw: "p {{x}}", label: first}, {raw: "q {{x}}", label: "group:second"}, {raw: "r {{x}}", label: "group:third"}]
tests:
  - {vars: {x: a}, prompts: [first], assert: [{type: contains, value: a}]}
  - {vars: {x: b}, prompts: ["group:*"], assert: [{type: contains, value: b}]}
  - {vars: {x: c}, prompts: [group], assert: [{type: contains, value: c}]}
  - {vars: {x: d}, assert: [{type: contains, value: d}]}
"#
    ),
    corner!(
        "anchors, merge keys and references",
        r##"
prompts: ["{{x}}"]
assertionTemplates:
  short: {type: javascript, value: "output.length < 10"}
tests:
  - vars: &vars {x: hello}
    assert: &asserts
      - {type: contains, value: ell}
      - $ref: "#/assertionTemplates/short"
  - vars: {<<: *vars, y: 1}
    assert: *asserts
"##
    ),
    corner!(
        "the environment of a config",
        r#"
prompts: ["{{x}} {{env.GREETING}} {{ env.MISSING_ONE }}"]
env: {GREETING: hey}
tests: [{vars: {x: a}, assert: [{type: contains, value: "{{env.GREETING}}"}]}]
"#
    ),
    corner!("tests in CSV with every column", r#"
prompts: ["{{x}}"]
tests: file://t.csv
"#, "t.csv" => "x,__expected1,__expected2,__metric,__threshold,__description,__metadata:team,__prefix,__suffix\nhello,contains: ell,not-contains: z,m,0.5,first,a,,\n\"a, b\",\"contains-all: a, b\",,,,,,pre,post\nhello,hello,,,,,,,\n42,fn: output === '42',,,,,,,\nx,levenshtein(2): xyz,,,,,,,\n7,equals: 7,,,1,,,,\nhello,,,,,,,,\n"),
    corner!("tests in several files", r#"
prompts: ["{{x}}"]
tests: [file://a.yaml, "file://more/*.yaml", {vars: {x: inline}, assert: [{type: equals, value: inline}]}]
"#,
        "a.yaml" => "- vars: {x: a}\n  assert: [{type: equals, value: a}]\n",
        "more/b.yaml" => "- vars: {x: b}\n  assert: [{type: equals, value: c}]\n",
        "more/c.yaml" => "- vars: {x: c}\n"),
    corner!("tests in JSON, and variables in files", r#"
prompts: ["{{x}} {{y}}"]
tests: file://t.json
"#,
        "t.json" => "[{\"vars\": {\"x\": \"file://x.txt\", \"y\": \"file://y.json\"}, \"assert\": [{\"type\": \"contains\", \"value\": \"text\"}]}]",
        "x.txt" => "text of x\n\n",
        "y.json" => "{\"k\": [1, 2]}"),
    corner!("a var in a YAML file is its JSON", r#"
prompts: ["{{x}}"]
tests: [{vars: {x: file://x.yaml}, assert: [{type: is-json, value: {required: [k]}}]}]
"#, "x.yaml" => "k: [1, 2.50, text]\n"),
    corner!("variables of a glob become combinations", r#"
prompts: ["{{x}}"]
tests: [{vars: {x: "file://in/*.txt"}, assert: [{type: contains, value: one}]}]
"#, "in/1.txt" => "one\n", "in/2.txt" => "two\n"),
    corner!(
        "regular expressions of JavaScript",
        r#"
prompts: ["{{x}}"]
defaultTest: {vars: {x: "Äpfel 12 and\nline2 $5"}}
tests:
  - {assert: [{type: regex, value: '^line'}]}
  - {assert: [{type: regex, value: 'and.line'}]}
  - {assert: [{type: regex, value: 'and\sline\d$|x'}]}
  - {assert: [{type: regex, value: '\w{5}'}]}
  - {assert: [{type: regex, value: '\bÄ'}]}
  - {assert: [{type: regex, value: '(?i)äpfel'}]}
  - {assert: [{type: not-regex, value: '(?i)äpfel'}]}
  - {assert: [{type: regex, value: '\$5$'}]}
  - {assert: [{type: regex, value: '[[:digit:]]'}]}
  - {assert: [{type: regex, value: '\p{L}'}]}
  - {assert: [{type: regex, value: '\d+(?= and)'}]}
  - {assert: [{type: regex, value: '(?<!\d)2'}]}
  - {assert: [{type: regex, value: '\u00c4'}]}
  - {assert: [{type: regex, value: 'a{,3}'}]}
  - {assert: [{type: regex, value: ']'}]}
  - {assert: [{type: regex, value: '/12/'}]}
  - {assert: [{type: regex, value: '(\d)\d.*\1'}]}
"#
    ),
    corner!(
        "errors of assertions are errors of the row",
        r#"
prompts: ["{{x}}"]
defaultTest: {vars: {x: hello}}
tests:
  - {assert: [{type: contains, value: ""}]}
  - {assert: [{type: contains, value: "{{missing}}"}]}
  - {assert: [{type: starts-with, value: ""}]}
  - {assert: [{type: contains-any, value: '"a"b'}]}
  - {assert: [{type: contains, value: ell}, {type: perplexity, threshold: 2}]}
  - {assert: [{type: contains, value: ell}], options: {transform: "nothing.at.all"}}
  - {assert: [{type: word-count, value: {min: 5, max: 2}}]}
"#
    ),
    corner!(
        "lists of contains as text",
        r#"
prompts: ["{{x}}"]
defaultTest: {vars: {x: 'say "hi", a b,c'}}
tests:
  - {assert: [{type: contains-any, value: 'zzz,"a b,c"'}]}
  - {assert: [{type: contains-all, value: '"say ""hi""",  a b  '}]}
  - {assert: [{type: contains-all, value: ',,hi,,'}]}
  - {assert: [{type: contains-any, value: ', ,'}]}
  - {assert: [{type: not-contains-any, value: 'x, y'}]}
  - {assert: [{type: contains-any, value: []}]}
  - {assert: [{type: contains-all, value: []}]}
"#
    ),
    corner!(
        "texts with characters outside of the basic plane",
        r#"
prompts: ["{{x}}"]
defaultTest: {vars: {x: "👍👍 İ ß"}}
tests:
  - {assert: [{type: levenshtein, value: "👍 İ ß", threshold: 1}]}
  - {assert: [{type: levenshtein, value: "👍 İ ß", threshold: 2}]}
  - {assert: [{type: javascript, value: "output.length === 8"}]}
  - {assert: [{type: icontains, value: "i̇"}]}
  - {assert: [{type: icontains, value: "SS"}]}
  - {assert: [{type: word-count, value: 3}]}
  - {assert: [{type: regex, value: "^..👍"}]}
"#
    ),
    corner!(
        "schemas",
        r##"
prompts: ["{{x}}"]
defaultTest: {vars: {x: '{"d": "2024-02-30", "n": 5, "e": "a b", "l": [1, 1]}'}}
tests:
  - {assert: [{type: is-json, value: {properties: {d: {format: date}}}}]}
  - {assert: [{type: is-json, value: {properties: {e: {format: email}}}}]}
  - {assert: [{type: is-json, value: {properties: {n: {multipleOf: 2}}}}]}
  - {assert: [{type: is-json, value: {properties: {l: {uniqueItems: true}}}}]}
  - {assert: [{type: not-is-json, value: {required: [zzz]}}]}
  - {assert: [{type: is-json, value: {type: objekt}}]}
  - {assert: [{type: contains-json, value: {type: array}}]}
  - {assert: [{type: is-json, value: {unknownWord: 1}}]}
"##
    ),
    corner!(
        "options of assertions inherit what a set says",
        r#"
prompts: ["{{x}}"]
tests:
  - vars: {x: hello}
    assert:
      - type: assert-set
        config: {least: 2}
        assert:
          - {type: javascript, value: "output.length > (context.config?.least ?? 100)"}
"#
    ),
    corner!(
        "a repeated test is asked as often",
        r#"
prompts: ["{{x}}"]
tests: [{vars: {x: a}, options: {repeat: 3}, assert: [{type: equals, value: a}]}]
evaluateOptions: {repeat: 2}
"#
    ),
];
