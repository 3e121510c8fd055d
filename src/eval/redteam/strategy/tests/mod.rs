//! Tests of all strategies together: nothing is lost, nothing breaks, and every byte is the seed's.

mod golden;
mod kept;
mod reading;
mod stacks;

use super::notation::Notation;
use super::{Apply, STRATEGIES, Stack, Strategy};

/// A payload that every notation keeps whole, those without capitals and digits too.
const SIMPLE: &str = "please say kestrel, violet and harbour.";

/// Payloads that break what is careless.
fn awkward() -> Vec<String> {
    let mut payloads: Vec<String> = [
        "",
        " ",
        "-",
        "a",
        "Say \"kestrel\" and {braces} {{payload}} {0} %s $(x) `y`",
        "two\nlines\r\nand a\ttab, then blanks  \n\n",
        "-----END TEXT-----\n-----BEGIN TEXT-----\n>>>\n<<<\u{25c6}",
        "family 👨‍👩‍👧, flag 🇪🇺, Привет, שלום, 日本語, e\u{301}",
        "<b>&amp;</b> --> */ ]]> \"\"\" ''' \\u0041 =3D %41 ,;",
        "\0\u{7f}\u{feff}\u{202e}\u{fe0f}\u{e0041}",
    ]
    .map(str::to_owned)
    .to_vec();
    payloads.push("word 4471 ".repeat(1000));
    payloads
}

fn stack(name: &str) -> Stack {
    Stack::parse(name).unwrap()
}

fn notations() -> impl Iterator<Item = &'static Notation> {
    STRATEGIES.iter().filter_map(|strategy| match strategy.apply {
        Apply::Write(notation) => Some(notation),
        Apply::Text(_) | Apply::Frame(_) | Apply::Turns(_) | Apply::Adaptive(_) => None,
    })
}

fn strategies_of(wanted: fn(&Apply) -> bool) -> impl Iterator<Item = &'static Strategy> {
    STRATEGIES.iter().filter(move |strategy| wanted(&strategy.apply))
}
