//! What is kept of a run: one line that names it, and its journal behind it. The digest finds damage, not forgery: whoever may
//! write to the store is trusted, as with the cache.

use serde::{Deserialize, Serialize};

use crate::trust::Digest;

/// The largest journal that is kept, in bytes.
pub(super) const LARGEST: u64 = 500 * 1024 * 1024;
/// The longest first line, in bytes.
const LONGEST_HEAD: usize = 1024;
/// The form's own version.
const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    checkpoint: u32,
    /// The run.
    key: Digest,
    /// The process that wrote it.
    owner: String,
    /// Bytes of the journal.
    bytes: u64,
    /// Of the journal.
    digest: Digest,
}

/// The value of a journal.
pub(super) fn seal(key: &Digest, owner: &str, journal: &[u8]) -> Vec<u8> {
    let head = Head {
        checkpoint: VERSION,
        key: key.clone(),
        owner: owner.to_owned(),
        bytes: journal.len() as u64,
        digest: Digest::of(journal),
    };
    // Such a head is always JSON; an empty one would be refused by `open`.
    let mut value = serde_json::to_vec(&head).unwrap_or_default();
    value.push(b'\n');
    value.extend_from_slice(journal);
    value
}

/// The journal in a value, where all of it is as it was written, and of this run.
pub(super) fn open<'a>(value: &'a [u8], key: &Digest) -> Result<&'a [u8], String> {
    let (head, journal) = split(value).ok_or("it is damaged (no head)")?;
    if head.checkpoint != VERSION {
        return Err("it is of another version".to_owned());
    }
    if head.key != *key {
        return Err("it is another run's".to_owned());
    }
    if head.bytes != journal.len() as u64 || head.digest != Digest::of(journal) {
        return Err("it is damaged (its digest is another)".to_owned());
    }
    Ok(journal)
}

/// Who wrote a value; none where that cannot be told.
pub(super) fn owner(value: &[u8]) -> Option<String> {
    split(value).map(|(head, _)| head.owner)
}

fn split(value: &[u8]) -> Option<(Head, &[u8])> {
    let end = value.iter().take(LONGEST_HEAD).position(|byte| *byte == b'\n')?;
    let (head, journal) = value.split_at_checked(end)?;
    Some((serde_json::from_slice(head).ok()?, journal.get(1..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_changed_or_missing_byte_is_found() {
        let (key, journal) = (Digest::of(b"run"), b"{\"journal\":1}\n{\"slot\":0}\n");
        let value = seal(&key, "me", journal);
        assert_eq!(open(&value, &key).unwrap(), journal);
        assert_eq!(owner(&value).as_deref(), Some("me"));
        assert!(open(&value, &Digest::of(b"other")).unwrap_err().contains("another run's"));
        for at in 0..value.len() {
            let mut bent = value.clone();
            bent[at] ^= 1;
            // The owner is a name and nothing more: it says nothing of the samples.
            let owners = owner(&bent).is_some_and(|name| name != "me");
            assert!(open(&bent, &key).is_err() || owners, "byte {at}");
            assert!(open(&value[..at], &key).is_err(), "cut at {at}");
        }
    }
}
