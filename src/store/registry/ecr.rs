//! Amazon's registry. Credentials and region come from where every AWS tool looks for them.

use std::time::Duration;

use aws_config::timeout::TimeoutConfig;
use aws_sdk_ecr::error::DisplayErrorContext;
use aws_sdk_ecr::types::ImageIdentifier;

use crate::trust::Untrusted;

/// An image of the registry: `[registry/]repository:tag`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EcrImage {
    repository: String,
    tag: String,
}

/// What the registry says of an image.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ImageFacts {
    /// `sha256:...`, what the tag points at now.
    pub digest: Untrusted,
    /// The state of the scan and its findings by severity, where there was one.
    pub scan: Option<Untrusted>,
}

/// Why there are no facts.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// The text names no image.
    #[error("{0:?} names no image: give repository:tag")]
    Name(String),
    /// The registry did not answer, or knows no such image.
    #[error("the registry knows no such image, or did not answer")]
    Unanswered(Untrusted),
}

impl EcrImage {
    /// Reads `repository:tag`, with or without the registry's host name before it.
    pub fn parse(text: &str) -> Result<Self, RegistryError> {
        let name = || RegistryError::Name(text.to_owned());
        let (path, tag) = text.rsplit_once(':').ok_or_else(name)?;
        let repository = match path.split_once('/') {
            Some((host, rest)) if host.contains('.') => rest,
            Some(_) | None => path,
        };
        if repository.is_empty() || tag.is_empty() || tag.contains('/') {
            return Err(name());
        }
        Ok(Self { repository: repository.to_owned(), tag: tag.to_owned() })
    }

    /// Asks the registry what the tag points at.
    pub async fn facts(&self) -> Result<ImageFacts, RegistryError> {
        let timeouts = TimeoutConfig::builder().operation_timeout(Duration::from_secs(30)).build();
        let config = aws_config::defaults(aws_config::BehaviorVersion::latest()).timeout_config(timeouts).load().await;
        let client = aws_sdk_ecr::Client::new(&config);
        let id = ImageIdentifier::builder().image_tag(&self.tag).build();
        let answer = client.describe_images().repository_name(&self.repository).image_ids(id).send().await;
        let answer =
            answer.map_err(|error| RegistryError::Unanswered(DisplayErrorContext(&error).to_string().into()))?;
        let details = answer.image_details().first();
        let digest = details.and_then(|details| details.image_digest());
        let digest = digest.ok_or_else(|| RegistryError::Unanswered("an answer without a digest".into()))?;
        let scan = details.and_then(|details| {
            let state = details.image_scan_status()?.status()?.as_str().to_owned();
            let counts = details.image_scan_findings_summary().and_then(|summary| summary.finding_severity_counts());
            let mut counts: Vec<String> = counts
                .into_iter()
                .flatten()
                .map(|(severity, count)| format!("{} {count}", severity.as_str()))
                .collect();
            counts.sort();
            Some(Untrusted::new(format!("{state} {}", counts.join(", "))))
        });
        Ok(ImageFacts { digest: digest.into(), scan })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_named_with_or_without_its_registry() {
        let plain = EcrImage { repository: "team/server".to_owned(), tag: "v1".to_owned() };
        for text in ["team/server:v1", "123.dkr.ecr.eu-west-1.amazonaws.com/team/server:v1"] {
            assert_eq!(EcrImage::parse(text).unwrap(), plain, "{text}");
        }
        for text in ["", "server", "host.com:5000/server", ":v1", "server:"] {
            assert!(EcrImage::parse(text).is_err(), "{text}");
        }
    }
}
