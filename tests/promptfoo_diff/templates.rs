//! Templates of prompts: expressions, filters and blocks of nunjucks over the variables of a test.

use super::dice::Dice;

/// A prompt of a few parts; it always holds the answer, `out`, somewhere.
pub(crate) fn prompt(dice: &mut Dice) -> String {
    let count = 1 + dice.below(3);
    let mut parts: Vec<String> = (0..count).map(|_| part(dice, 2)).collect();
    parts.insert(dice.below(parts.len() + 1), "{{out}}".to_owned());
    let prompt = parts.join(dice.pick(&[" ", "\n", " | "]));
    // promptfoo takes one line with a stroke in it for the name of a file.
    if prompt.contains('/') && !prompt.contains('\n') { format!("{prompt}\n{{{{topic}}}}") } else { prompt }
}

fn part(dice: &mut Dice, depth: usize) -> String {
    if depth == 0 {
        return match dice.below(3) {
            0 => dice.one(&["plain", "a  b", "x.", "{ }", "5%"]).to_owned(),
            _ => shown(dice),
        };
    }
    let inner = |dice: &mut Dice| part(dice, depth - 1);
    match dice.below(12) {
        0 => format!("{{% if {} %}}{}{{% else %}}{}{{% endif %}}", condition(dice), inner(dice), inner(dice)),
        1 => format!(
            "{{% if {} %}}{}{{% elif {} %}}{}{{% endif %}}",
            condition(dice),
            inner(dice),
            condition(dice),
            inner(dice)
        ),
        2 => format!("{{% for item in {} %}}{}{{% endfor %}}", list(dice), in_loop(dice)),
        3 => format!("{{% for item in {} %}}{{{{ item }}}}{{% else %}}{}{{% endfor %}}", list(dice), inner(dice)),
        4 => format!("{{% for key, value in about %}}{{{{ key }}}}={{{{ value }}}};{{% endfor %}}{}", inner(dice)),
        5 => format!("{{% set held = {} %}}{{{{ held }}}}{}", expression(dice, 1), inner(dice)),
        6 => format!("a {{%- if {} -%}} {} {{%- endif -%}} z", condition(dice), inner(dice)),
        7 => format!("{{# {} #}}{}", "a note", inner(dice)),
        8 => format!("{{% raw %}}{{{{ kept }}}}{{% endraw %}}{}", inner(dice)),
        9 => format!("{{{{- {} -}}}}", expression(dice, 1)),
        _ => shown(dice),
    }
}

fn shown(dice: &mut Dice) -> String {
    format!("{{{{ {} }}}}", expression(dice, 2))
}

fn in_loop(dice: &mut Dice) -> String {
    dice.one(&[
        "{{ loop.index }}:{{ item }} ",
        "{{ item }}{% if not loop.last %}, {% endif %}",
        "{{ loop.index0 }}/{{ loop.length }}",
        "{% if loop.first %}[{% endif %}{{ item }}",
        "{{ loop.revindex }}{{ item | upper }}",
    ])
    .to_owned()
}

fn list(dice: &mut Dice) -> String {
    dice.one(&["numbers", "[1, 'two', 3.5]", "topic.split('o')", "[]", "numbers | reverse", "numbers | sort"])
        .to_owned()
}

fn text(dice: &mut Dice, depth: usize) -> String {
    if depth == 0 {
        return dice.one(&["topic", "shout", "'A b c'", "\"it's\"", "about.name"]).to_owned();
    }
    let inner = text(dice, depth - 1);
    let filter = dice.pick(&[
        "upper",
        "lower",
        "title",
        "capitalize",
        "trim",
        "replace('o', '0')",
        "replace('', '-')",
        "truncate(4)",
        "truncate(6, true, '..')",
        "default('d')",
        "escape",
        "safe",
        "reverse",
        "first",
        "last",
        "urlencode",
        "string",
        "indent(2)",
        "center(12)",
        "wordcount",
        "striptags",
        "nl2br",
    ]);
    match dice.below(4) {
        0 => format!("{inner} ~ {}", text(dice, 0)),
        1 => format!("({inner}){}", dice.pick(&[".length", ".toUpperCase()", "[0]", ".slice(1, 3)", ".indexOf('o')"])),
        _ => format!("{inner} | {filter}"),
    }
}

fn number(dice: &mut Dice, depth: usize) -> String {
    if depth == 0 {
        return dice.one(&["count", "3", "2.5", "numbers.length", "about.age", "numbers[1]", "-1"]).to_owned();
    }
    let (one, other) = (number(dice, depth - 1), number(dice, 0));
    match dice.below(9) {
        0 => format!("{one} + {other}"),
        1 => format!("{one} - {other}"),
        2 => format!("{one} * {other}"),
        3 => format!("({one}) / 4"),
        4 => format!("({one}) // 2"),
        5 => format!("({one}) % 3"),
        6 => format!("2 ** {other}"),
        7 => format!("({one}) | round({})", dice.pick(&["", "1", "0, 'floor'", "0, 'ceil'"])),
        _ => format!("({one}) | {}", dice.pick(&["abs", "int", "float"])),
    }
}

fn condition(dice: &mut Dice) -> String {
    match dice.below(12) {
        0 => format!("{} > {}", number(dice, 1), number(dice, 0)),
        1 => format!("topic == '{}'", dice.pick(&["food", "travel"])),
        2 => "topic in ['food', 'code']".to_owned(),
        3 => "missing".to_owned(),
        4 => "not missing and count".to_owned(),
        5 => "missing is defined or topic is defined".to_owned(),
        6 => "count is odd".to_owned(),
        7 => "numbers".to_owned(),
        8 => "'oo' in topic".to_owned(),
        9 => "yes and not no".to_owned(),
        10 => "count != 3 and (topic < 'g')".to_owned(),
        _ => "nothing is null or about and 'name' in about".to_owned(),
    }
}

fn expression(dice: &mut Dice, depth: usize) -> String {
    match dice.below(12) {
        0 => format!(
            "numbers | {}",
            dice.pick(&["join(', ')", "first", "last", "length", "sum", "reverse | join", "sort | join('-')", "dump"])
        ),
        1 => format!("about | {}", dice.pick(&["dump", "length", "dump(2)"])),
        2 => format!("'yes' if {} else {}", condition(dice), text(dice, 0)),
        3 => format!("'yes' if {}", condition(dice)),
        4 => condition(dice),
        5 => dice
            .one(&["nothing", "missing", "missing.deeper", "about['name']", "numbers", "yes", "no", "about.none"])
            .to_owned(),
        6 | 7 => number(dice, depth),
        _ => text(dice, depth),
    }
}
