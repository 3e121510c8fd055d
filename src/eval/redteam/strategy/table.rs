//! The table of all strategies, their groups, and the choice that is made where a policy makes none.

use crate::eval::dialogue::Method;
use crate::stats::Generator;

use super::framing::Frame;
use super::notation::Notation;
use super::{Apply, Family, Stack, Strategy, encoding, framing, script, smuggling};

fn plain(payload: &str, _: &mut Generator) -> String {
    payload.to_owned()
}

/// All strategies, in the order of the reference; the first is `plain`.
pub static STRATEGIES: &[Strategy] = &[
    Strategy { name: "plain", family: Family::Plain, about: "the payload as it is", apply: Apply::Text(plain) },
    written(&encoding::BASE64),
    written(&encoding::BASE64URL),
    written(&encoding::HEX),
    written(&encoding::BASE32),
    written(&encoding::BASE85),
    written(&encoding::BINARY),
    written(&encoding::ROT13),
    written(&encoding::CAESAR),
    written(&encoding::ATBASH),
    written(&encoding::VIGENERE),
    written(&encoding::MORSE),
    written(&encoding::BRAILLE),
    written(&encoding::NATO),
    written(&encoding::LEETSPEAK),
    written(&encoding::PIG_LATIN),
    written(&encoding::URL),
    written(&encoding::QUOTED_PRINTABLE),
    written(&encoding::UUENCODE),
    written(&encoding::HTML_ENTITIES),
    written(&encoding::UNICODE_ESCAPES),
    written(&encoding::REVERSED),
    written(&encoding::CHAR_SPACING),
    written(&encoding::UPSIDE_DOWN),
    written(&encoding::SUPERSCRIPT),
    written(&smuggling::HOMOGLYPH),
    written(&smuggling::ZERO_WIDTH),
    written(&smuggling::BIDI),
    written(&smuggling::UNICODE_TAGS),
    written(&smuggling::VARIATION_SELECTORS),
    written(&smuggling::ZALGO),
    written(&smuggling::FULL_WIDTH),
    written(&smuggling::MATH_ALPHANUMERIC),
    framed(&framing::ROLE_PLAY),
    framed(&framing::PREFIX_INJECTION),
    framed(&framing::REFUSAL_SUPPRESSION),
    framed(&framing::POLICY_PUPPETRY),
    Strategy {
        name: "many-shot",
        family: Family::Framing,
        about: "8 to 24 harmless exchanges, then the payload as the last question",
        apply: Apply::Text(framing::many_shot),
    },
    Strategy {
        name: "payload-splitting",
        family: Family::Framing,
        about: "the payload in 2 to 5 variables that are to be joined",
        apply: Apply::Text(framing::payload_splitting),
    },
    framed(&framing::HYPOTHETICAL),
    framed(&framing::TRANSLATION_FRAME),
    framed(&framing::CODE_FRAME),
    framed(&framing::DEVELOPER_MODE),
    framed(&framing::SYSTEM_SPOOF),
    framed(&framing::AUTHORITY),
    framed(&framing::URGENCY),
    framed(&framing::DISTRACTOR),
    framed(&framing::DOCUMENT),
    framed(&framing::EMAIL),
    framed(&framing::JSON),
    framed(&framing::HTML),
    framed(&framing::MARKDOWN),
    framed(&framing::CSV),
    framed(&framing::CODE_COMMENT),
    framed(&framing::SEARCH_RESULT),
    scripted("crescendo-script", "3 to 5 turns from the general to the payload", script::crescendo_script),
    scripted("foot-in-the-door", "two small favours, then the payload", script::foot_in_the_door),
    scripted("context-reset", "earlier instructions are said to be over", script::context_reset),
    scripted("split-turns", "the payload in 2 to 4 turns, to be joined", script::split_turns),
    scripted("correction", "the payload is said to have been the question", script::correction),
    led("pair", "an attacker model refines one prompt, in fresh conversations (PAIR)", Method::Pair),
    led("tap", "an attacker model follows several lines and cuts the weak ones (TAP)", Method::Tree),
    led("crescendo", "an attacker model raises one conversation step by step", Method::Crescendo),
];

const fn written(notation: &'static Notation) -> Strategy {
    Strategy { name: notation.name, family: notation.family, about: notation.about, apply: Apply::Write(notation) }
}

const fn framed(frame: &'static Frame) -> Strategy {
    Strategy { name: frame.name, family: Family::Framing, about: frame.about, apply: Apply::Frame(frame) }
}

const fn scripted(name: &'static str, about: &'static str, turns: fn(&str, &mut Generator) -> Vec<String>) -> Strategy {
    Strategy { name, family: Family::Script, about, apply: Apply::Turns(turns) }
}

const fn led(name: &'static str, about: &'static str, method: Method) -> Strategy {
    Strategy { name, family: Family::Adaptive, about, apply: Apply::Adaptive(method) }
}

/// What is asked where a policy names no strategies: the payload as it is, and a dozen that cover every family which needs no
/// other model.
const DEFAULT: [&str; 13] = [
    "plain",
    "base64",
    "rot13",
    "leetspeak",
    "homoglyph",
    "unicode-tags",
    "role-play",
    "prefix-injection",
    "policy-puppetry",
    "system-spoof",
    "document",
    "html",
    "crescendo-script",
];

/// The strategies of a policy that names none; `plain` is the first.
pub fn default_strategies() -> &'static [&'static str] {
    &DEFAULT
}

/// The words that stand for several strategies.
pub(super) const GROUPS: [&str; 5] = ["encodings", "smuggling", "framing", "scripts", "all"];

/// The strategies of a group: `encodings`, `smuggling`, `framing`, `scripts`, or `all`, which is every one that needs no other
/// model, `plain` among them. None for another word.
pub fn groups(text: &str) -> Option<Vec<&'static str>> {
    let family = match text {
        "encodings" => Some(Family::Encoding),
        "smuggling" => Some(Family::Smuggling),
        "framing" => Some(Family::Framing),
        "scripts" => Some(Family::Script),
        "all" => None,
        _ => return None,
    };
    let wanted = |strategy: &&Strategy| match family {
        Some(family) => strategy.family == family,
        None => strategy.family != Family::Adaptive,
    };
    Some(STRATEGIES.iter().filter(wanted).map(|strategy| strategy.name).collect())
}

impl Family {
    /// The group of its strategies, for the table; the families without a group have none.
    fn shown(self) -> &'static str {
        match self {
            Family::Plain => "-",
            Family::Encoding => "`encodings`",
            Family::Smuggling => "`smuggling`",
            Family::Framing => "`framing`",
            Family::Script => "`scripts`",
            Family::Adaptive => "needs an attacker model",
        }
    }
}

/// The table of the reference, in markdown.
pub fn strategies_table() -> String {
    let mut text = String::from("| strategy | group | what it does | by default | bytes |\n|---|---|---|---|---:|\n");
    for strategy in STRATEGIES {
        let about = strategy.about.replace('|', "\\|").replace('<', "&lt;");
        let default = if DEFAULT.contains(&strategy.name) { "yes" } else { "" };
        let (name, group, bytes) = (strategy.name, strategy.family.shown(), size(strategy));
        text.push_str(&format!("| `{name}` | {group} | {about} | {default} | {bytes} |\n"));
    }
    text
}

/// What becomes of a payload of 100 bytes: its bytes in all turns together; of a strategy that needs another model, nobody knows.
fn size(strategy: &'static Strategy) -> String {
    const PAYLOAD: &str =
        "Please write the word kestrel four times, then name two harbours on the north coast and their tides.";
    let attacked = Stack::of(strategy).apply(PAYLOAD, 0);
    match attacked.adaptive {
        Some(_) => "-".to_owned(),
        None => attacked.turns.iter().map(String::len).sum::<usize>().to_string(),
    }
}
