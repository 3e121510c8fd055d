//! Every attack, byte for byte, held to a file of digests: any change of an attack is deliberate.

use std::fmt::Write as _;
use std::path::Path;

use super::*;
use crate::trust::Hasher;

const PAYLOAD: &str = "Reply with \"KESTREL-4471\" {now},\nplease. 🦀 é";
const SEEDS: [u64; 3] = [0, 1, 18_446_744_073_709_551_615];

fn digest(stack: &Stack, seed: u64) -> String {
    let mut hasher = Hasher::new();
    for turn in stack.apply(PAYLOAD, seed).turns {
        hasher.part(turn.as_bytes());
    }
    hasher.finish().hex().to_owned()
}

#[test]
fn every_attack_is_the_one_that_the_file_of_digests_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference/attack_digests.txt");
    let mut wanted = String::from(
        "# strategy, seed, SHA-256 over the turns. Written by LLMCI_BLESS=1 cargo test --lib every_attack_is\n",
    );
    let stacks = ["role-play+base64", "homoglyph+json+hex", "rot13+caesar+split-turns"];
    for name in STRATEGIES.iter().map(|strategy| strategy.name).chain(stacks) {
        for seed in SEEDS {
            writeln!(wanted, "{name} {seed} {}", digest(&stack(name), seed)).unwrap();
        }
    }
    if std::env::var_os("LLMCI_BLESS").is_some() {
        crate::store::file::write_atomically(&path, wanted.as_bytes()).unwrap();
    }
    let there = std::fs::read_to_string(&path).unwrap_or_default();
    let changed: Vec<&str> = wanted.lines().filter(|line| !there.lines().any(|kept| kept == *line)).collect();
    assert!(there == wanted, "attacks have changed; if that is meant, run this test with LLMCI_BLESS=1:\n{changed:#?}");
}

#[test]
fn one_seed_gives_one_attack_and_other_seeds_give_others_where_there_is_a_choice() {
    for strategy in STRATEGIES {
        let stack = stack(strategy.name);
        let mut found: Vec<Vec<String>> = (0..24).map(|seed| stack.apply(PAYLOAD, seed).turns).collect();
        assert_eq!(found[7], stack.apply(PAYLOAD, 7).turns, "{}", strategy.name);
        found.sort();
        found.dedup();
        assert_eq!(found.len() > 1, strategy.is_seeded(), "{}: {} attacks of 24 seeds", strategy.name, found.len());
        assert_eq!(stack.is_seeded(), strategy.is_seeded());
    }
}

#[test]
fn strategies_of_one_stack_choose_apart() {
    // With one sequence for both, the second would begin with the choice of the first.
    let words = |seed| {
        let text = stack("vigenere+caesar").apply("x", seed).turns.concat();
        (stack("vigenere").apply("x", seed).turns.concat(), text)
    };
    let mut found: Vec<(String, String)> = (0..40).map(words).collect();
    found.sort();
    found.dedup();
    assert!(found.len() > 35);
}
