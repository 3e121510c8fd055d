//! The words of `provider`, for those who read them back from a report.

use super::own::SUITE;

/// Every word that [`super::ModelIdentity::provider`] can have: those of [`super::ModelSpec`], and the suites' own.
const PROVIDERS: [&str; 8] = ["openai", "embedded", "replay", "echo", "http", "exec", "server", SUITE];

/// The provider of this word; none where there is no such provider.
pub fn provider(word: &str) -> Option<&'static str> {
    PROVIDERS.into_iter().find(|known| *known == word)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::eval::model::ModelSpec;

    /// Collects the names of the words' types, and then what they stand for.
    fn words(schema: &Value) -> Vec<String> {
        let definitions = schema["$defs"].as_object().unwrap();
        let of = |name: &str| {
            let text = definitions[name].to_string();
            let word = name.strip_suffix("Word").unwrap().to_lowercase();
            assert!(text.contains(&format!("\"{word}\"")), "{name} is no `{word}`: {text}");
            word
        };
        definitions.keys().filter(|name| name.ends_with("Word")).map(|name| of(name)).collect()
    }

    #[test]
    fn every_word_of_the_policys_schema_is_read_back() {
        let schema = serde_json::to_value(schemars::schema_for!(ModelSpec)).unwrap();
        let mut found = words(&schema);
        found.push(SUITE.to_owned());
        found.sort();
        let mut known = PROVIDERS.map(str::to_owned).to_vec();
        known.sort();
        assert_eq!(found, known);
        assert_eq!((provider("server"), provider("Server"), provider("")), (Some("server"), None, None));
    }
}
