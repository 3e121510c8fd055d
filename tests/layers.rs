//! The architecture, held to the code: who imports whom, how long files are, where `unsafe` may stand.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn sources(folder: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(root()).unwrap().display().to_string();
                found.push((name, std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    found.sort();
    assert!(found.len() > 50, "the sources were not found");
    found
}

fn room_of(name: &str) -> Option<String> {
    let rest = name.strip_prefix("src/")?;
    let room = rest.split_once('/').map_or(rest.trim_end_matches(".rs"), |(room, _)| room);
    Some(room.to_owned())
}

/// The table in the documentation of `src/lib.rs`: room -> rooms that it may import.
fn table() -> BTreeMap<String, BTreeSet<String>> {
    let text = std::fs::read_to_string(root().join("src/lib.rs")).unwrap();
    let mut rows: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in text.lines().filter_map(|line| line.strip_prefix("//! | [`")) {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let room = cells[0].trim_end_matches("`]").to_owned();
        let allowed = match cells[2] {
            "nothing" => BTreeSet::new(),
            "all above" => rows.keys().cloned().collect(),
            list => list.split(',').map(|name| name.trim().to_owned()).collect(),
        };
        rows.insert(room, allowed);
    }
    assert!(rows.len() >= 12, "the table was not found");
    rows
}

/// Rooms that a text names behind `crate::`, also in braces, and in braces within them.
fn imported(text: &str) -> BTreeSet<String> {
    let word = |text: &str| -> String {
        text.trim_start().chars().take_while(|letter| letter.is_ascii_alphanumeric() || *letter == '_').collect()
    };
    let mut rooms = BTreeSet::new();
    for (index, _) in text.match_indices("crate::") {
        let rest = &text[index + "crate::".len()..];
        let Some(list) = rest.strip_prefix('{') else {
            rooms.insert(word(rest));
            continue;
        };
        let mut depth = 0;
        rooms.insert(word(list));
        for (at, letter) in list.char_indices() {
            match letter {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => {
                    rooms.insert(word(&list[at + 1..]));
                }
                _ => {}
            }
        }
    }
    rooms.remove("");
    rooms
}

#[test]
fn imports_are_seen_in_braces_too() {
    let found = imported("use crate::gate::X; use crate::{net::{a, b}, store::c,\n    host}; crate::report::y()");
    let wanted = ["gate", "net", "store", "host", "report"];
    assert_eq!(found, wanted.iter().map(|room| (*room).to_owned()).collect());
}

#[test]
fn rooms_import_only_what_the_table_allows() {
    let table = table();
    let mut broken = Vec::new();
    for (name, text) in sources(&root().join("src")) {
        let Some(room) = room_of(&name).filter(|room| room != "lib" && room != "bin") else { continue };
        let allowed = table.get(&room).unwrap_or_else(|| panic!("{room} is not in the table of src/lib.rs"));
        for other in imported(&text).into_iter().filter(|other| *other != room && !allowed.contains(other)) {
            if table.contains_key(&other) {
                broken.push(format!("{name}: {room} may not import {other}"));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn files_are_short_and_say_what_they_hold() {
    let mut broken = Vec::new();
    for (name, text) in sources(&root().join("src")) {
        if text.lines().count() > 500 {
            broken.push(format!("{name}: more than 500 lines"));
        }
        if !text.starts_with("//!") {
            broken.push(format!("{name}: does not begin with //!"));
        }
        let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        if name.starts_with("src/bin/") && code.count() > 3 {
            broken.push(format!("{name}: more than three lines"));
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn what_is_dangerous_stays_in_its_room() {
    let mut broken = Vec::new();
    for (name, text) in sources(&root().join("src")) {
        for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//")) {
            let mut at = |what: &str| broken.push(format!("{name}:{}: {what}", number + 1));
            if (line.contains("unsafe ") || line.contains("unsafe{")) && !name.starts_with("src/gpu/") {
                at("unsafe outside gpu");
            }
            if (line.contains("Client::builder") || line.contains("Client::new("))
                && !name.starts_with("src/net/")
                && line.contains("reqwest")
            {
                at("an HTTP client outside net");
            }
            if line.contains("#[allow(") || line.contains("#![allow(") {
                at("allow instead of expect with a reason");
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn pure_rooms_have_no_clock_no_files_and_no_waiting() {
    for (name, text) in sources(&root().join("src")) {
        if !["stats", "gate", "report"].contains(&room_of(&name).unwrap().as_str()) || name.ends_with("tests.rs") {
            continue;
        }
        for word in ["std::fs", "std::env", "std::net", "SystemTime", "Instant", "async fn", "tokio::"] {
            assert!(!text.contains(word), "{name} uses {word}");
        }
    }
}

#[test]
fn generated_files_are_fresh() {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_llmci"))
        .args(["generate", "--check", "--root"])
        .arg(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
