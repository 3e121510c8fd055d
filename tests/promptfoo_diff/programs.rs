//! Configs by hand in which programs make prompts, vars, tests, filters and verdicts. What both sides render and judge must be the same.

use super::corners::Corner;

const JUDGED: &str = "module.exports = (output, context) => output.length > 3;\n";

/// All of them.
pub(crate) const PROGRAMS: &[Corner] = &[
    (
        "a prompt is what a function of JavaScript gives: a text, a chat, an object with settings, each a template again",
        &[
            (
                "promptfooconfig.yaml",
                r#"
providers: [{id: echo, label: one}]
prompts:
  - file://text.js
  - {id: "file://chat.cjs", label: chat, config: {tone: dry}}
  - file://several.js:second
  - file://module.mjs
  - "prompt*.js"
defaultTest: {options: {prefix: "before ", suffix: " after"}}
tests:
  - {vars: {topic: snow, other: "{{topic}}y"}, assert: [{type: contains, value: snow}]}
  - {vars: {topic: "ice\n", other: x}, assert: [{type: javascript, value: "output.length > 20"}]}
"#,
            ),
            (
                "text.js",
                "module.exports = async function ({ vars, provider }) { return `About ${vars.topic} {{other}} by ${provider.id}`; };\n",
            ),
            (
                "chat.cjs",
                "module.exports = ({ vars, provider, config }) => [{ role: 'system', content: provider.label + config.tone }, { role: 'user', content: vars.topic + ' {{ other }}' }];\n",
            ),
            (
                "several.js",
                "exports.first = () => 'no';\nexports.second = ({ vars }) => ({ prompt: { about: vars.other }, config: { temperature: 1 } });\n",
            ),
            ("module.mjs", "export default ({ vars }) => ({ text: `{{ topic | upper }} ${vars.other.length}` });\n"),
            ("prompt1.js", "module.exports = () => 'fixed {{ topic }}';\n"),
        ],
    ),
    (
        "a prompt is what a function of Python gives, or what a whole file prints",
        &[
            (
                "promptfooconfig.yaml",
                r#"
providers: [echo]
prompts:
  - file://p.py:one
  - file://p.py:Many.chat
  - {id: "file://p.py", label: whole}
tests:
  - {vars: {topic: snow}, assert: [{type: contains, value: snow}]}
"#,
            ),
            (
                "p.py",
                "import json\nimport sys\n\n\ndef one(context):\n    return f\"About {context['vars']['topic']} by {context['provider']['id']}\"\n\n\nclass Many:\n    @staticmethod\n    def chat(context):\n        return [{\"role\": \"user\", \"content\": context[\"vars\"][\"topic\"]}]\n\n\nif __name__ == \"__main__\":\n    print(\"printed\")\n    print(json.loads(sys.argv[1])[\"vars\"][\"topic\"])\n",
            ),
        ],
    ),
    (
        "a var is what a program gives, who sees the vars before it",
        &[
            (
                "promptfooconfig.yaml",
                r#"
providers: [echo]
prompts: ["{{question}} | {{ here }} | {{there}} | {{ later }}"]
tests:
  - vars: {question: "what?\n", here: file://here.js, there: file://there.py, later: file://text.txt}
    assert: [{type: contains, value: "what?"}, {type: javascript, value: "context.vars.there"}]
"#,
            ),
            (
                "here.js",
                "module.exports = (name, prompt, vars) => ({ output: ` ${name} of ${prompt.length} ${vars.question}${vars.later}` });\n",
            ),
            (
                "there.py",
                "def get_var(name, prompt, vars):\n    return {\"output\": \"  \" + name + vars[\"here\"] + \"\\n\"}\n",
            ),
            ("text.txt", " text \n"),
        ],
    ),
    (
        "tests are what programs give",
        &[
            (
                "promptfooconfig.yaml",
                r#"
providers: [echo]
prompts: ["{{x}}"]
defaultTest: {assert: [{type: javascript, value: "output.length"}]}
tests:
  - file://tests.js
  - file://tests.js:more
  - {path: "file://tests.js:made", config: {words: [a, bb], from: file://from.json}}
  - {path: "file://tests.py:made", config: {words: [c]}}
  - file://tests.py
  - {vars: {x: last}}
"#,
            ),
            (
                "tests.js",
                "module.exports = [{ vars: { x: 'one' }, assert: [{ type: 'contains', value: 'o' }] }, { vars: { x: 'two' }, threshold: 0.5 }];\nmodule.exports.more = async () => [{ vars: { x: ['three', 'four'] } }];\nmodule.exports.made = (config) => config.words.map((x) => ({ vars: { x }, assert: [{ type: 'equals', value: config.from.first }] }));\n",
            ),
            ("from.json", "{\"first\": \"a\"}"),
            (
                "tests.py",
                "def made(config):\n    return [{\"vars\": {\"x\": word}, \"assert\": [{\"type\": \"equals\", \"value\": word}]} for word in config[\"words\"]]\n\n\ndef generate_tests(config=None):\n    return [{\"vars\": {\"x\": \"of python\"}, \"assert\": [{\"type\": \"equals\", \"value\": \"x\"}]}]\n",
            ),
        ],
    ),
    (
        "all tests are what one program gives",
        &[
            ("promptfooconfig.yaml", "providers: [echo]\nprompts: ['{{x}}']\ntests: file://tests.mjs\n"),
            (
                "tests.mjs",
                "export default async () => [{ vars: { x: 'a' }, assert: [{ type: 'equals', value: 'a' }] }];\n",
            ),
        ],
    ),
    (
        "vars are transformed before they are combined",
        &[
            (
                "promptfooconfig.yaml",
                r#"
providers: [echo]
prompts: ["{{x}} {{y}} {{z}}"]
defaultTest:
  vars: {z: zed}
  options: {transformVars: "({ ...vars, y: vars.x + '!' })"}
tests:
  - {vars: {x: a}, assert: [{type: contains, value: a!}]}
  - vars: {x: b}
    options:
      transformVars: |
        const list = [vars.x, vars.z];
        return { y: list };
    assert: [{type: contains, value: zed}]
  - {vars: {x: c}, options: {transformVars: "file://t.py"}, assert: [{type: contains, value: c}]}
  - {vars: {x: d}, options: {transformVars: "file://t.js:named"}, assert: [{type: contains, value: named}]}
"#,
            ),
            ("t.py", "def get_transform(vars, context):\n    return {\"y\": vars[\"x\"] * 3}\n"),
            ("t.js", "module.exports = { named: (vars) => ({ ...vars, y: 'named ' + vars.z }) };\n"),
        ],
    ),
    (
        "filters of one's own are known in prompts and their vars, before those of the language",
        &[
            (
                "promptfooconfig.yaml",
                r#"
providers: [echo]
prompts: ["{{ x | shout }} {{ x | upper }} {{ n | add(2, 3) }} {% filter shout %}in {{ x }}{% endfilter %}", '{"a": "{{ x | shout }}"}']
nunjucksFilters: {shout: ./shout.js, upper: lower.js, add: filters/add.mjs}
tests:
  - {vars: {x: Word, n: 4, y: "{{ x | shout }}"}, assert: [{type: contains, value: "WORD!"}]}
"#,
            ),
            ("shout.js", "module.exports = (text) => text.toUpperCase() + '!';\n"),
            ("lower.js", "module.exports = function (text) { return text.toLowerCase(); };\n"),
            ("filters/add.mjs", "export default (first, second, third) => first + second + third;\n"),
        ],
    ),
    (
        "a scoring function has the last word",
        &[
            (
                "promptfooconfig.yaml",
                r#"
providers: [echo]
prompts: ["{{x}}"]
defaultTest:
  assertScoringFunction: file://score.js
  assert:
    - {type: contains, value: a, metric: first}
    - {type: javascript, value: "0.5", metric: second, weight: 2}
tests:
  - {vars: {x: a}}
  - {vars: {x: b}, threshold: 0.9}
  - {vars: {x: c}, assertScoringFunction: "file://score.js:named", assert: [{type: assert-set, metric: set, assert: [{type: equals, value: c, metric: first}]}]}
  - {vars: {x: d}, assertScoringFunction: "file://score.py"}
  - {vars: {x: e}, assertScoringFunction: "file://score.py:of"}
  - {vars: {x: f}, assertScoringFunction: "file://score.js:broken"}
  - {vars: {x: g}, assertScoringFunction: "file://score.js:nothing"}
  - {vars: {x: h}, assertScoringFunction: "file://func.js"}
"#,
            ),
            (
                "score.js",
                "module.exports = (scores, context) => ({ pass: scores.second >= (context?.threshold ?? 0.4), score: (scores.first + scores.second) / 2, reason: 'r' });\nmodule.exports.named = (scores, context) => ({ pass: context.componentResults.length === 4, score: scores.first, reason: 'r', namedScores: { mine: 0.25 } });\nmodule.exports.broken = () => { throw new Error('x'); };\nmodule.exports.nothing = () => 1;\n",
            ),
            (
                "score.py",
                "def func(scores, context):\n    return {\"pass\": scores[\"first\"] > 0, \"score\": scores[\"second\"], \"reason\": \"r\"}\n\n\ndef of(scores, context):\n    return {\"pass\": len(context[\"componentResults\"]) == 2, \"score\": 0.125, \"reason\": \"r\"}\n",
            ),
            ("func.js", "exports.func = (scores) => ({ pass: true, score: scores.second, reason: 'r' });\n"),
        ],
    ),
    (
        "images and sound are put into prompts in base64",
        &[
            (
                "promptfooconfig.yaml",
                r#"
providers: [echo]
prompts:
  - '[{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "{{image}}"}}, {"type": "input_audio", "input_audio": {"data": "{{sound}}"}}]}]'
  - "{{image}} {{drawing}}"
tests:
  - vars: {image: file://a.png, drawing: file://b.svg, sound: file://c.mp3}
    assert: [{type: javascript, value: "file://judged.js"}, {type: contains, value: "data:image/"}]
"#,
            ),
            ("a.png", "GIF87a...."),
            ("b.svg", "<svg/>"),
            ("c.mp3", "ID3 of no sound\n"),
            ("judged.js", JUDGED),
        ],
    ),
];
