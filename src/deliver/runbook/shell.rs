//! Text for a shell and for Markdown. Whatever comes from a cluster or a plan may hold anything: a word with a letter that a
//! shell could read stands in single quotes, and a block of code ends nowhere but where it should.

use crate::trust::clean;

/// One word of a command.
pub(super) fn quoted(word: &str) -> String {
    let word = clean(word);
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_./:=@%+,-".contains(&byte);
    // A word that begins with a hyphen would be an option, wherever it stands.
    if !word.is_empty() && word.bytes().all(plain) {
        word.into_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

/// A command of words.
pub(super) fn command(words: &[&str]) -> String {
    words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ")
}

/// The value of a variable, within double quotes. What is no name of a variable is none.
pub(super) fn variable(name: &str) -> String {
    let good = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let begins = name.bytes().next().is_some_and(|byte| !byte.is_ascii_digit());
    if good && begins { format!("${name}") } else { "THE-TOKEN".to_owned() }
}

/// One part of an address's path.
pub(super) fn encoded(part: &str) -> String {
    let keep = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    part.bytes().map(|byte| if keep(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

/// A block of code whose fence is longer than every run of backticks in it.
pub(super) fn block(language: &str, lines: &[String]) -> String {
    let text = lines.join("\n");
    let longest = text.split(|letter| letter != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    format!("{fence}{language}\n{text}\n{fence}\n")
}

/// Text within a line: code, whose every letter that could mean anything to Markdown or HTML is an entity.
pub(super) fn code(text: &str) -> String {
    let inner: String = clean(text)
        .chars()
        .map(|letter| match letter {
            '\n' | '\t' => " ".to_owned(),
            letter if letter.is_ascii_alphanumeric() || letter == ' ' || !letter.is_ascii() => letter.to_string(),
            letter if "./:,-".contains(letter) => letter.to_string(),
            letter => format!("&#{};", u32::from(letter)),
        })
        .collect();
    format!("<code>{}</code>", if inner.trim().is_empty() { "none" } else { &inner })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_word_reaches_a_command_as_it_was(words in proptest::collection::vec("[ -~\n]{0,12}", 1..4)) {
            let mut all = vec!["printf", "%s\\0"];
            all.extend(words.iter().map(String::as_str));
            let output = std::process::Command::new("sh").arg("-c").arg(command(&all)).output().unwrap();
            let wanted: String = words.iter().map(|word| format!("{word}\0")).collect();
            prop_assert_eq!(String::from_utf8(output.stdout).unwrap(), wanted);
        }
    }

    #[test]
    fn no_text_ends_a_block_or_begins_a_tag() {
        let shown = block("sh", &["echo '````'".to_owned(), "```".to_owned()]);
        assert!(shown.starts_with("`````sh\n") && shown.ends_with("\n`````\n"), "{shown}");
        let shown = code("a|b`</code><b>@team #1\n[x](y)");
        assert!(!shown.contains(['|', '`', '@', '#', '[', '\n']) || shown.contains("&#"), "{shown}");
        assert_eq!(shown.matches('<').count(), 2, "{shown}");
    }
}
