//! flagd's definition of one flag as text: which share of the users gets the new variant, and the same text with another share.
//! Only the flag's `targeting` changes: every other byte of the file stays as its owner wrote it.
//! Source: open-feature/flagd-schemas at 005112a, `json/flags.json` and `json/targeting.json` (`fractional`: an optional first
//! expression to bucket by, then pairs of variant and weight), flagd.dev, "Fractional Operation Specification" (a pair without
//! a weight has 1; weights are relative).

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::deliver::Percent;
use crate::trust::{Digest, clean};

/// The names of both variants.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Variants {
    /// Of the new version.
    pub(super) on: String,
    /// Of the old version.
    pub(super) off: String,
}

#[derive(Deserialize)]
struct File<'a> {
    #[serde(borrow)]
    flags: BTreeMap<Cow<'a, str>, &'a RawValue>,
}

/// What a file says of a flag.
#[derive(Debug)]
pub(super) struct Flag<'a> {
    text: &'a str,
    /// The flag's own text.
    own: &'a str,
    targeting: Option<&'a str>,
    /// The expression to bucket by, as its owner wrote it.
    bucket: Option<Value>,
    share: Percent,
}

impl<'a> Flag<'a> {
    /// Finds a flag and reads its share; what is no plain split between the two variants is refused in words.
    pub(super) fn read(text: &'a str, key: &str, variants: &Variants) -> Result<Self, String> {
        let file: File<'a> = serde_json::from_str(text)
            .map_err(|error| format!("it is no JSON with `flags` as an object: {}", clean(&error.to_string())))?;
        let own = file.flags.get(key).ok_or("there is no such flag in it")?.get();
        let fields: BTreeMap<Cow<'a, str>, &'a RawValue> =
            serde_json::from_str(own).map_err(|_| "the flag is no object")?;
        let field = |name: &str| fields.get(name).map(|raw| raw.get());
        let value = |name: &str| field(name).and_then(|raw| serde_json::from_str::<Value>(raw).ok());
        match value("state") {
            Some(Value::String(state)) if state == "ENABLED" => {}
            _ => return Err("its `state` is not ENABLED: nobody gets a variant of it".to_owned()),
        }
        let known = value("variants");
        for name in [&variants.on, &variants.off] {
            if known.as_ref().and_then(|known| known.get(name)).is_none() {
                return Err(format!("it has no variant `{}`", clean(name)));
            }
        }
        if variants.on == variants.off {
            return Err("`on` and `off` are one variant".to_owned());
        }
        match value("defaultVariant") {
            None | Some(Value::Null) => {}
            Some(Value::String(default)) if default == variants.off => {}
            Some(_) => return Err(format!("its `defaultVariant` is not `{}`", clean(&variants.off))),
        }
        let targeting = field("targeting");
        let (bucket, share) = match value("targeting") {
            None => (None, Percent::ZERO),
            Some(Value::Object(rule)) if rule.is_empty() => (None, Percent::ZERO),
            Some(rule) => fractional(&rule, variants)?,
        };
        Ok(Self { text, own, targeting, bucket, share })
    }

    /// The share of the users that gets the new variant.
    pub(super) fn share(&self) -> Percent {
        self.share
    }

    /// A digest of what the flag says, by which a foreign edit is seen; how it is spaced is nobody's concern.
    pub(super) fn digest(&self) -> String {
        let value = serde_json::from_str::<Value>(self.own);
        let text = value.map_or_else(|_| self.own.to_owned(), |value| value.to_string());
        Digest::of(text.as_bytes()).short().to_owned()
    }

    /// The file with another share.
    pub(super) fn with(&self, share: Percent, variants: &Variants) -> Option<String> {
        let pairs = [json!([variants.on, share.get()]), json!([variants.off, share.rest().get()])];
        let arguments: Vec<Value> = self.bucket.iter().cloned().chain(pairs).collect();
        let rule = json!({"fractional": arguments}).to_string();
        let (from, to, put) = match self.targeting {
            Some(old) => {
                let from = place(self.text, old)?;
                (from, from + old.len(), rule)
            }
            None => {
                // After the flag's opening brace. It has fields: `state` was one of them.
                let from = place(self.text, self.own)? + 1;
                (from, from, format!("\"targeting\": {rule}, "))
            }
        };
        Some(format!("{}{put}{}", self.text.get(..from)?, self.text.get(to..)?))
    }
}

/// Where a part of a text begins in it.
fn place(text: &str, part: &str) -> Option<usize> {
    let place = part.as_ptr().addr().checked_sub(text.as_ptr().addr())?;
    (text.get(place..place + part.len())? == part).then_some(place)
}

/// A plain split between the two variants: its expression to bucket by, and the new one's share.
fn fractional(rule: &Value, variants: &Variants) -> Result<(Option<Value>, Percent), String> {
    let foreign = || {
        "its `targeting` is more than one `fractional` of the two variants: somebody else's rule is not changed"
            .to_owned()
    };
    let rule = rule.as_object().filter(|rule| rule.len() == 1).ok_or_else(foreign)?;
    let mut arguments = rule.get("fractional").and_then(Value::as_array).ok_or_else(foreign)?.as_slice();
    let bucket = match arguments {
        [first, rest @ ..] if first.is_object() => {
            arguments = rest;
            Some(first.clone())
        }
        _ => None,
    };
    let weight = |pair: &Value| -> Option<(String, f64)> {
        match pair.as_array()?.as_slice() {
            [name] => Some((name.as_str()?.to_owned(), 1.0)),
            [name, weight] => Some((name.as_str()?.to_owned(), weight.as_f64().filter(|weight| *weight >= 0.0)?)),
            _ => None,
        }
    };
    let [first, second] = arguments else { return Err(foreign()) };
    let pairs = [weight(first).ok_or_else(foreign)?, weight(second).ok_or_else(foreign)?];
    let of = |wanted: &str| pairs.iter().find(|(name, _)| name == wanted).map(|(_, weight)| *weight);
    let (on, off) = (of(&variants.on).ok_or_else(foreign)?, of(&variants.off).ok_or_else(foreign)?);
    let share = on / (on + off);
    let percent = Percent::nearest(share);
    // Without any weight, or with one between two percents, nobody can say what is served.
    if (percent.share() - share).abs().le(&1e-9) {
        Ok((bucket, percent))
    } else {
        Err("the weights of its `fractional` are no whole percentage".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn variants() -> Variants {
        Variants { on: "new".to_owned(), off: "old".to_owned() }
    }

    fn file(targeting: &str) -> String {
        format!(
            "{{\n  \"$schema\": \"https://flagd.dev/schema/v0/flags.json\",\n  \"flags\": {{\n    \"other\": {{\"state\": \"ENABLED\", \
             \"variants\": {{\"a\": 1e400, \"b\": 12345678901234567890123}}, \"defaultVariant\": \"a\"}},\n    \"model\": {{ \"state\": \"ENABLED\",\
             \n      \"variants\": {{\"new\": \"v2\", \"old\": \"v1\"}}, \"defaultVariant\": \"old\"{targeting} }}\n  }}\n}}\n"
        )
    }

    #[test]
    fn only_the_targeting_of_our_flag_changes() {
        let bucketed = r#", "targeting": {"fractional": [{"var": "email"}, ["old", 3], ["new", 1]]}"#;
        for (targeting, before) in [("", 0), (", \"targeting\": { }", 0), (bucketed, 25)] {
            let text = file(targeting);
            let flag = Flag::read(&text, "model", &variants()).unwrap();
            assert_eq!(flag.share().get(), before, "{targeting}");
            let changed = flag.with(Percent::new(10).unwrap(), &variants()).unwrap();
            let again = Flag::read(&changed, "model", &variants()).unwrap();
            assert_eq!(again.share().get(), 10, "{changed}");
            assert_ne!(again.digest(), flag.digest());
            assert_eq!(
                changed.contains("email"),
                targeting.contains("email"),
                "the users' buckets stay theirs: {changed}"
            );
            // Numbers that no reader of JSON keeps stand there as they were written.
            let other = "\"variants\": {\"a\": 1e400, \"b\": 12345678901234567890123}";
            assert!(changed.contains(other) && changed.ends_with("}\n  }\n}\n"), "{changed}");
            let (prefix, _) = text.split_once("\"model\"").unwrap();
            assert!(changed.starts_with(prefix), "{changed}");
        }
    }

    #[test]
    fn rules_of_somebody_else_are_refused() {
        for targeting in [
            r#"{"if": [{"var": "beta"}, "new", "old"]}"#,
            r#"{"fractional": [["new", 50], ["old", 25], ["third", 25]]}"#,
            r#"{"fractional": [["new", 50], ["third", 50]]}"#,
            r#"{"fractional": [["new", 50], ["new", 50]]}"#,
            r#"{"fractional": [["new", 1], ["old", 2]]}"#,
            r#"{"fractional": [["new", 0], ["old", 0]]}"#,
            r#"{"fractional": [["new", -1], ["old", 2]]}"#,
            r#"{"fractional": [["new", "50"], ["old", "50"]]}"#,
            r#"{"fractional": []}"#,
            r#"{"fractional": [["new", 50], ["old", 50]], "if": []}"#,
            r#"{"$ref": "shared"}"#,
            "null",
            "[]",
            "\"new\"",
        ] {
            let text = file(&format!(", \"targeting\": {targeting}"));
            assert!(Flag::read(&text, "model", &variants()).is_err(), "{targeting}");
        }
    }

    #[test]
    fn a_flag_that_is_off_or_unknown_or_begins_with_everybody_is_refused() {
        let text = file("");
        for (from, to) in [
            ("\"model\"", "\"modal\""),
            ("\"model\": { \"state\": \"ENABLED\"", "\"model\": { \"state\": \"DISABLED\""),
            ("\"new\": \"v2\"", "\"newer\": \"v2\""),
            ("\"defaultVariant\": \"old\"", "\"defaultVariant\": \"new\""),
            ("\"flags\": {", "\"flags\": 1, \"x\": {"),
        ] {
            let changed = text.replacen(from, to, 1);
            assert_ne!(changed, text, "{from}");
            assert!(Flag::read(&changed, "model", &variants()).is_err(), "{changed}");
        }
        assert!(Flag::read("", "model", &variants()).is_err());
    }

    proptest! {
        #[test]
        fn every_share_that_is_written_is_read_again(one in 0_u8..=100, two in 0_u8..=100) {
            let text = file("");
            let first = Flag::read(&text, "model", &variants()).unwrap().with(Percent::new(one).unwrap(), &variants()).unwrap();
            let flag = Flag::read(&first, "model", &variants()).unwrap();
            prop_assert_eq!(flag.share().get(), one);
            let second = flag.with(Percent::new(two).unwrap(), &variants()).unwrap();
            prop_assert_eq!(Flag::read(&second, "model", &variants()).unwrap().share().get(), two);
        }
    }
}
