//! Round trips of every notation over arbitrary Unicode, and published or independently made values.

use proptest::prelude::*;
use proptest::strategy::Strategy;

use super::{SIMPLE, notations, stack};
use crate::eval::redteam::decode;
use crate::eval::redteam::strategy::key::Key;
use crate::stats::Generator;

/// Any characters at all, with those that notations treat in a way of their own more often than chance would have it.
fn texts() -> impl Strategy<Value = String> {
    let special = "aeioust013457AEIO-=%&;#\\u<~>!.,/() \n\r\tz⠁⠠⠼⠈ɐᵃЀаοΑ\u{200b}\u{2060}\u{202e}\u{202d}\u{202c}\u{e0041}\u{fe0f}\u{310}𝐀ａ　";
    let special: Vec<char> = special.chars().collect();
    let letter = prop_oneof![any::<char>(), prop::sample::select(special), prop::char::range(' ', '~')];
    prop::collection::vec(letter, 0..120).prop_map(|letters| letters.into_iter().collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn every_notation_gives_back_what_it_keeps(text in texts(), seed in any::<u64>()) {
        for notation in notations() {
            let attack = stack(notation.name).apply(&text, seed).turns.concat();
            let read = decode(notation.name, seed, &attack);
            prop_assert_eq!(read, Some(notation.kept(&text)), "{}", notation.name);
        }
    }

    #[test]
    fn what_is_kept_once_is_kept_for_good(text in texts()) {
        for notation in notations() {
            let kept = notation.kept(&text);
            prop_assert_eq!(notation.kept(&kept), kept, "{}", notation.name);
        }
    }

    #[test]
    fn no_reader_breaks_over_a_text_that_is_in_no_notation(text in texts(), seed in any::<u64>()) {
        for notation in notations() {
            let _ = decode(notation.name, seed, &text);
        }
    }
}

fn written(name: &str, key: Key, text: &str) -> String {
    let notation = notations().find(|notation| notation.name == name).unwrap();
    let written = (notation.write)(text, key, &mut Generator::new(1));
    assert_eq!((notation.read)(&written, key), Some(notation.kept(text)), "{name}");
    written
}

#[test]
fn notations_agree_with_their_standards() {
    // RFC 4648 section 10; CPython's base64, quopri and binascii for what has no published value.
    let values = [
        ("base64", "foobar", "Zm9vYmFy"),
        ("base64", "fooba", "Zm9vYmE="),
        ("base64url", "~~~???>>é", "fn5-Pz8_Pj7DqQ"),
        ("base32", "", ""),
        ("base32", "f", "MY======"),
        ("base32", "fo", "MZXQ===="),
        ("base32", "foo", "MZXW6==="),
        ("base32", "foob", "MZXW6YQ="),
        ("base32", "fooba", "MZXW6YTB"),
        ("base32", "foobar", "MZXW6YTBOI======"),
        ("hex", "foobar é", "666f6f62617220c3a9"),
        ("base85", "Man is distinguished", "<~9jqo^BlbD-BleB1DJ+*+F(f,q~>"),
        ("base85", "\0\0\0\0ab", "<~z@:B~>"),
        ("binary", "Hi", "01001000 01101001"),
        ("rot13", "Why did the chicken?", "Jul qvq gur puvpxra?"),
        ("atbash", "Hello, World", "Svool, Dliow"),
        ("morse", "SOS, now", "... --- ... --..-- / -. --- .--"),
        ("braille", "Ab 10", "⠠⠁⠃ ⠼⠁⠼⠚"),
        ("nato", "Ok 7!", "Oscar kilo (space) seven !"),
        ("leetspeak", "Leet test", "l337 7357"),
        ("pig-latin", "Pig-latin is string art, hmm", "ig-Pay--atin-lay is-ay ing-stray art-ay, -hmmay"),
        ("url", "a b/é~", "a%20b%2F%C3%A9~"),
        ("uuencode", "Cat", "begin 644 text\n#0V%T\n`\nend"),
        ("html-entities", "<é🦀", "&#60;&#233;&#129408;"),
        ("unicode-escapes", "Aé🦀", "\\u0041\\u00e9\\ud83e\\udd80"),
        ("reversed", "abc", "cba"),
        ("char-spacing", "ab c", "a b   c"),
        ("upside-down", "Hello (you)", "(noʎ) ollǝɥ"),
        ("superscript", "a+B=2", "ᵃ⁺ᴮ⁼²"),
        ("bidi", "", "\u{202e}\u{202c}"),
        ("unicode-tags", "Az", "\u{e0041}\u{e007a}"),
        ("variation-selectors", "\u{f}\u{10}A", "\u{fe0f}\u{e0100}\u{e0131}"),
        ("full-width", "A z~", "\u{ff21}\u{3000}\u{ff5a}\u{ff5e}"),
    ];
    for (name, text, wanted) in values {
        // A seed may choose; these do not depend on it but for the empty line of `bidi`, which has two forms.
        let found = written(name, Key::None, text);
        assert!(found == wanted || name == "bidi", "{name}: {found}");
    }
    assert_eq!(written("caesar", Key::Shift(3), "xyz ABC"), "abc DEF");
    // The example of many textbooks: ATTACKATDAWN under LEMON.
    assert_eq!(written("vigenere", Key::Word("lemon"), "attack at dawn!"), "lxfopv ef rnhr!");
}

#[test]
fn lines_of_mail_stay_short() {
    let text = "é = word ".repeat(400);
    let mail = written("quoted-printable", Key::None, &text);
    assert!(mail.lines().all(|line| line.len() <= 76 && line.is_ascii()));
    let unix = written("uuencode", Key::None, &text);
    assert!(unix.lines().all(|line| line.len() <= 61 && line.is_ascii()));
}

#[test]
fn smuggled_letters_are_really_others_and_hidden_ones_are_not_seen() {
    for name in ["quoted-printable", "homoglyph", "zero-width", "zalgo", "math-alphanumeric", "full-width", "bidi"] {
        for seed in 0..30 {
            let attack = stack(name).apply(SIMPLE, seed).turns.concat();
            assert!(!attack.contains(SIMPLE), "{name}: {attack}");
            assert_ne!(stack(name).apply("o", seed).turns, ["o"], "{name}");
        }
    }
    for name in ["unicode-tags", "variation-selectors"] {
        let attack = stack(name).apply(SIMPLE, 1).turns.concat();
        assert!(!attack.contains("kestrel") && attack.chars().filter(char::is_ascii).count() < 120, "{attack}");
    }
}

#[test]
fn the_key_is_told_to_the_model() {
    for seed in 0..30 {
        let cipher = |name: &str| stack(name).apply(SIMPLE, seed).turns.concat();
        let caesar = cipher("caesar");
        let shift: u8 = caesar.split("moved ").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
        let inner = |text: &str| text.split_once("-----\n").unwrap().1.rsplit_once("\n-----").unwrap().0.to_owned();
        assert_eq!(inner(&caesar), written("caesar", Key::Shift(shift), SIMPLE));
        assert!(cipher("vigenere").contains(" The key is \""));
    }
}

#[test]
fn an_answer_that_is_in_the_notation_from_end_to_end_is_read_too() {
    assert_eq!(decode("base64", 0, "S0VTVFJFTA==").as_deref(), Some("KESTREL"));
    assert_eq!(decode("base64", 0, "no such thing!"), None);
    assert_eq!(decode("morse", 0, ".-.-.-.-.-.-"), None);
    assert_eq!(decode("role-play", 0, "x"), None);
    assert_eq!(decode("nonsense", 0, "x"), None);
}
