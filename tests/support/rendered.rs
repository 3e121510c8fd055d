//! What a host makes of our Markdown, after its parser and before its own filters: which elements there are, and what the
//! filters (mentions, references, commits, commands) would find. Both hosts look at text nodes with their entities decoded,
//! and leave `code` and `pre` alone. Sources: gitlabhq `lib/banzai/filter`, GitHub's html-pipeline.

use std::sync::LazyLock;

use comrak::{Options, markdown_to_html};
use regex::Regex;

/// Everything in a rendered body that is not ours or that a filter would act on.
pub fn acting(markdown: &str) -> Vec<String> {
    let mut options = Options::default();
    options.extension.table = true;
    options.extension.autolink = true;
    options.extension.strikethrough = true;
    options.extension.tasklist = true;
    options.extension.footnotes = true;
    options.extension.alerts = true;
    options.extension.math_dollars = true;
    options.extension.math_code = true;
    options.extension.description_lists = true;
    options.render.r#unsafe = true;
    judge(&markdown_to_html(markdown, &options))
}

static TAG: LazyLock<Regex> = LazyLock::new(|| Regex::new(r#"<(/?)([A-Za-z][\w-]*)([^<>]*)>"#).unwrap());
static NUMBER: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"&#(\d+);").unwrap());
static FILTERS: LazyLock<[(&str, Regex); 8]> = LazyLock::new(|| {
    [
        ("a mention", r"@[A-Za-z0-9_]"),
        ("a reference", r"(^|[^&\w])[#!~$]\w|\b[A-Za-z]+[-#]\d"),
        ("a milestone", r#"%["\w]"#),
        ("a commit", r"\b[0-9]*[a-f][0-9a-f]*\b"),
        ("an address", r"(?i)://|www\."),
        ("an emoji", r":[a-z_0-9+-]+:"),
        ("a command", r"(?m)^\s*/[A-Za-z_]"),
        ("a label of GitLab", r"\[[a-z_]+:|\[\[|\{[+-]"),
    ]
    .map(|(what, pattern)| (what, Regex::new(pattern).unwrap()))
});

/// The HTML's elements and texts.
fn judge(html: &str) -> Vec<String> {
    let own = [
        "h3", "p", "ul", "li", "table", "thead", "tbody", "tr", "th", "td", "details", "summary", "pre", "code", "sub",
        "strong", "a",
    ];
    let mut found = Vec::new();
    let (mut shielded, mut end) = (0, 0);
    let check = |text: &str, shielded: i32, found: &mut Vec<String>| {
        if shielded > 0 {
            return;
        }
        let text = decode(text);
        for (what, pattern) in &*FILTERS {
            let acts = pattern.find_iter(&text).find(|hit| *what != "a commit" || hit.as_str().len() >= 7);
            if let Some(hit) = acts {
                found.push(format!("{what}: {:?}", hit.as_str()));
            }
        }
    };
    for part in TAG.captures_iter(html) {
        let whole = part.get(0).unwrap();
        check(&html[end..whole.start()], shielded, &mut found);
        end = whole.end();
        let (closes, name, rest) = (&part[1] == "/", &part[2], &part[3]);
        if !own.contains(&name) {
            found.push(format!("the element {name}"));
        }
        let allowed = match name {
            "a" => closes || rest.starts_with(" href=\"https://git.example/"),
            "th" | "td" => rest.is_empty() || rest == " align=\"right\"",
            _ => rest.is_empty(),
        };
        if !allowed {
            found.push(format!("{name} with {rest}"));
        }
        if ["pre", "code", "a"].contains(&name) {
            shielded += if closes { -1 } else { 1 };
        }
    }
    check(&html[end..], shielded, &mut found);
    if shielded != 0 {
        found.push("code that stays open".to_owned());
    }
    found
}

fn decode(text: &str) -> String {
    let text = NUMBER.replace_all(text, |hit: &regex::Captures<'_>| {
        hit[1].parse().ok().and_then(char::from_u32).map(String::from).unwrap_or_default()
    });
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&")
}
