//! Any service that takes a percentage by HTTP: `GET` and `PATCH` of one address, with a JSON pointer to the number. Where the
//! service names versions (`ETag`), a change is made only of the version that was read.
//! Sources: RFC 6901 (pointers), RFC 7396 (what is sent is a merge patch), RFC 9110 13.1.1 (`If-Match`).

use http::Method;
use serde_json::{Value, json};

use super::ask::{Answer, Form, Question, Service, below};
use super::{percent_of, wrong};
use crate::deliver::{Percent, Trouble};
use crate::trust::{Secret, Untrusted};

/// A flag behind an address.
pub(super) struct Rest {
    service: Service,
    url: reqwest::Url,
    pointer: String,
    /// The pointer's names, decoded.
    names: Vec<String>,
    words: String,
}

impl Rest {
    pub(super) fn new(
        client: &reqwest::Client,
        url: &str,
        pointer: &str,
        token: Option<Secret>,
    ) -> Result<Self, Trouble> {
        let rest = pointer.strip_prefix('/');
        let rest = rest.ok_or_else(|| wrong("`pointer` of `traffic.flag` begins with a slash, such as /percentage"))?;
        let names: Vec<String> = rest.split('/').map(|name| name.replace("~1", "/").replace("~0", "~")).collect();
        if names.iter().any(|name| name.is_empty() || name.bytes().all(|byte| byte.is_ascii_digit())) {
            // A merge patch replaces whole lists.
            return Err(wrong("`pointer` of `traffic.flag` leads through objects only, by names that are no numbers"));
        }
        let url = below(url, &[])?;
        let words = format!("flag at {}", url.host_str().unwrap_or("its address"));
        let service = Service::new(client, token.map(|token| (Form::Bearer, token)), &words);
        Ok(Self { service, url, pointer: pointer.to_owned(), names, words })
    }

    pub(super) fn name(&self) -> String {
        self.words.clone()
    }

    pub(super) async fn read(&self) -> Result<Percent, Trouble> {
        let answer = self.service.read(&self.url).await?;
        self.percent(&answer)
    }

    pub(super) async fn write(&self, before: Percent, wanted: Percent) -> Result<(), Trouble> {
        let seen = self.service.read(&self.url).await?;
        let now = self.percent(&seen)?;
        if now != before {
            return Err(self.foreign(now, before));
        }
        let body = self.names.iter().rev().fold(json!(wanted.get()), |inner, name| {
            let mut object = serde_json::Map::new();
            object.insert(name.clone(), inner);
            Value::Object(object)
        });
        let question = Question {
            // A weak name says nothing of the bytes: RFC 9110 has `If-Match` compare strong ones only.
            if_match: seen.etag.as_deref().filter(|etag| !etag.starts_with("W/")),
            is_final: |answer| answer.status == 409,
            ..Question::send(Method::PATCH, &self.url, Some(("application/json", &body)))
        };
        let answer = self.service.ask(&question).await?;
        match answer.status {
            200..=299 => Ok(()),
            409 | 412 => match self.read().await? {
                // An answer was lost, and what it told is there.
                now if now == wanted => Ok(()),
                now => Err(self.foreign(now, before)),
            },
            _ => Err(self.service.refused(&answer)),
        }
    }

    fn percent(&self, answer: &Answer) -> Result<Percent, Trouble> {
        let body = answer.json().ok_or_else(|| self.service.broken("its answer is not JSON"))?;
        let percent = body.pointer(&self.pointer).and_then(percent_of);
        percent.ok_or_else(|| wrong(&format!("{}: at {} stands no whole percentage", self.words, self.pointer)))
    }

    fn foreign(&self, now: Percent, before: Percent) -> Trouble {
        let text =
            format!("{} was changed meanwhile: it is at {} %, and was at {} %", self.words, now.get(), before.get());
        Trouble::Foreign(Untrusted::new(text))
    }
}
