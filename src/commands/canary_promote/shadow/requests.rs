//! The requests that both sides are asked: JSON lines, such as a gateway's log. A sample is taken by a hash of each line, so
//! that the same file and seed give the same sample.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use serde_json::Value;

use crate::deliver::Percent;
use crate::document::{Problem, Problems, Spot, parse_json_line};
use crate::eval::{ChatMessage, Prompt, Role};
use crate::trust::Hasher;

/// The longest line, in bytes.
const LONGEST_LINE: u64 = 1024 * 1024;
/// Lines that are read.
const MOST_LINES: u32 = 1_000_000;
/// Requests that are kept.
const MOST_KEPT: usize = 20_000;
/// Bytes of all requests that are kept.
const MOST_BYTES: usize = 128 * 1024 * 1024;
/// Models that lines may name.
const MOST_MODELS: usize = 16;
/// Faulty lines that are shown.
const MOST_SHOWN: usize = 20;
/// Tokens of an answer, where the line says nothing, and at most.
const TOKENS: u32 = 512;
const MOST_TOKENS: u32 = 4096;

/// A request that both sides are asked.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Asked {
    /// The model's name.
    pub model: String,
    /// What is asked.
    pub request: Prompt,
    /// Most tokens of an answer.
    pub max_tokens: u32,
}

/// The sample of a file. Each faulty line is refused with its place, whether it is in the sample or not.
pub(super) fn read_requests(
    path: &Path,
    shown: &str,
    model: Option<&str>,
    share: Percent,
    seed: u64,
) -> Result<Vec<Asked>, Problems> {
    let unreadable = |error: std::io::Error| Problem::of_file(shown, format!("the requests cannot be read: {error}"));
    let mut reader = BufReader::new(File::open(path).map_err(unreadable)?);
    let (mut kept, mut problems, mut number, mut bytes) = (Vec::new(), Problems::none(), 0_u32, 0_usize);
    let mut line = Vec::new();
    loop {
        line.clear();
        if reader.by_ref().take(LONGEST_LINE + 1).read_until(b'\n', &mut line).map_err(unreadable)? == 0 {
            break;
        }
        number += 1;
        let spot = Spot { line: number, column: 1 };
        if line.len() as u64 > LONGEST_LINE {
            return Err(Problem::new(shown, spot, format!("the line is longer than {LONGEST_LINE} bytes")).into());
        }
        if number > MOST_LINES {
            return Err(Problem::new(shown, spot, format!("the file has more than {MOST_LINES} lines")).into());
        }
        if line.trim_ascii().is_empty() {
            continue;
        }
        match request(shown, number, &line, model) {
            Ok(asked) if drawn(&line, seed) < share.share() && kept.len() < MOST_KEPT => {
                bytes = bytes.saturating_add(line.len());
                if bytes > MOST_BYTES {
                    return Err(
                        Problem::new(shown, spot, format!("the sample is larger than {MOST_BYTES} bytes")).into()
                    );
                }
                kept.push(asked);
            }
            Ok(_) => {}
            Err(problem) => problems.push(problem),
        }
        if problems.len() >= MOST_SHOWN {
            break;
        }
    }
    let mut models: Vec<&str> = kept.iter().map(|asked: &Asked| asked.model.as_str()).collect();
    models.sort_unstable();
    models.dedup();
    if models.len() > MOST_MODELS {
        problems.push(
            Problem::of_file(shown, format!("the requests name {} models", models.len()))
                .help("compare one model's requests"),
        );
    }
    if problems.is_empty() && kept.is_empty() {
        let problem = Problem::of_file(shown, format!("no request is in the sample of {} %", share.get()));
        problems.push(problem.help("give more requests, or raise `shadow.sample`"));
    }
    problems.or(kept)
}

/// Where a line lies between 0 and 1.
fn drawn(line: &[u8], seed: u64) -> f64 {
    let digest = Hasher::new().part(b"shadow-1").part(&seed.to_le_bytes()).part(line.trim_ascii()).clone().finish();
    let number = digest.hex().get(..8).and_then(|hex| u32::from_str_radix(hex, 16).ok()).unwrap_or(u32::MAX);
    f64::from(number) / (f64::from(u32::MAX) + 1.0)
}

fn request(shown: &str, number: u32, line: &[u8], model: Option<&str>) -> Result<Asked, Problem> {
    let wrong = |message: &str| Problem::new(shown, Spot { line: number, column: 1 }, message);
    let text = std::str::from_utf8(line).map_err(|_| wrong("the line is not UTF-8"))?;
    let document = parse_json_line(shown, number, text)?;
    let value = document.value();
    let fields = value.as_object().ok_or_else(|| wrong("the line is not a JSON object"))?;
    let named = match (fields.get("model"), model) {
        (Some(Value::String(named)), _) if !named.is_empty() => named.clone(),
        (None, Some(model)) => model.to_owned(),
        (None, None) => return Err(wrong("the line names no model").help("set `shadow.answers.model`")),
        (Some(_), _) => return Err(wrong("`model` is not the name of a model")),
    };
    let request = match (fields.get("messages"), fields.get("prompt")) {
        (Some(Value::Array(messages)), None) if !messages.is_empty() => {
            let messages: Option<Vec<ChatMessage>> = messages.iter().map(message).collect();
            let refused = || {
                wrong("a message is not text of `system`, `user` or `assistant`")
                    .help("requests with images, tools or other roles cannot be compared: leave them out")
            };
            Prompt::Chat(messages.ok_or_else(refused)?)
        }
        (None, Some(Value::String(prompt))) if !prompt.is_empty() => Prompt::Text(prompt.clone()),
        _ => {
            let help = "a line is a request of OpenAI's protocol: {\"messages\": [...]} or {\"prompt\": \"...\"}";
            return Err(wrong("the line has neither messages nor a prompt, or both").help(help));
        }
    };
    let tokens = fields.get("max_completion_tokens").or_else(|| fields.get("max_tokens"));
    let max_tokens = match tokens {
        None | Some(Value::Null) => TOKENS,
        Some(tokens) => match tokens.as_u64().and_then(|tokens| u32::try_from(tokens).ok()) {
            Some(tokens) if tokens > 0 => tokens.min(MOST_TOKENS),
            Some(_) | None => return Err(wrong("`max_tokens` is not a number of tokens")),
        },
    };
    Ok(Asked { model: named, request, max_tokens })
}

fn message(value: &Value) -> Option<ChatMessage> {
    let role = match value.get("role")?.as_str()? {
        "system" => Role::System,
        "user" => Role::User,
        "assistant" => Role::Assistant,
        _ => return None,
    };
    if value.get("tool_calls").is_some_and(|calls| !calls.is_null()) {
        return None;
    }
    Some(ChatMessage { role, content: value.get("content")?.as_str()?.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn read(text: &[u8], share: u8, seed: u64) -> Result<Vec<Asked>, Vec<String>> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text).unwrap();
        read_requests(file.path(), "log.jsonl", Some("m"), Percent::new(share).unwrap(), seed).map_err(|problems| {
            problems.sorted().iter().map(|problem| problem.render(&|text| text.raw().to_owned())).collect()
        })
    }

    #[test]
    fn hostile_lines_are_refused_with_their_place() {
        let good = "{\"prompt\": \"hi\", \"stream\": true}\n";
        for (line, part) in [
            ("{", "not JSON"),
            ("[]", "not a JSON object"),
            ("{\"prompt\": \"a\", \"prompt\": \"b\"}", "twice"),
            ("{}", "neither messages nor a prompt"),
            ("{\"messages\": []}", "neither messages nor a prompt"),
            ("{\"prompt\": \"a\", \"messages\": [{\"role\": \"user\", \"content\": \"b\"}]}", "or both"),
            ("{\"messages\": [{\"role\": \"tool\", \"content\": \"b\"}]}", "cannot be compared"),
            ("{\"messages\": [{\"role\": \"user\", \"content\": [{\"type\": \"image_url\"}]}]}", "cannot be compared"),
            ("{\"prompt\": \"a\", \"max_tokens\": -1}", "number of tokens"),
            ("{\"prompt\": \"a\", \"model\": 7}", "name of a model"),
            ("{\"prompt\": [1, 2]}", "neither messages nor a prompt"),
        ] {
            let found = read(format!("{good}\n{line}\n{good}").as_bytes(), 100, 0).unwrap_err();
            assert!(
                found.len() == 1 && found[0].starts_with("log.jsonl:3:") && found[0].contains(part),
                "{line}: {found:?}"
            );
        }
        assert!(read(b"{\"prompt\": \"\xff\"}\n", 100, 0).unwrap_err()[0].contains("not UTF-8"));
        let long = format!("{{\"prompt\": \"{}\"}}", "a".repeat(1024 * 1024));
        assert!(read(long.as_bytes(), 100, 0).unwrap_err()[0].contains("longer than"));
        assert!(read(b"", 100, 0).unwrap_err()[0].contains("no request is in the sample"));
        assert_eq!(read("{\n".repeat(500).as_bytes(), 100, 0).unwrap_err().len(), MOST_SHOWN);
    }

    #[test]
    fn a_sample_is_the_same_for_the_same_seed_and_about_as_large_as_asked() {
        let lines: String = (0..2000).map(|number| format!("{{\"prompt\": \"q{number}\"}}\n")).collect();
        let sample = |share, seed| read(lines.as_bytes(), share, seed).unwrap();
        assert_eq!(sample(10, 1), sample(10, 1));
        assert_ne!(sample(10, 1), sample(10, 2));
        assert!((140..260).contains(&sample(10, 1).len()));
        assert_eq!(sample(100, 1).len(), 2000);
    }
}
