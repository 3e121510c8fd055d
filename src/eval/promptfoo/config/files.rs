//! The files that a config names. Each is a regular file inside the checkout that the config is part of (its folder, where it is part
//! of none), is read once, and is part of the suite's digest. Kept out: what stands in them.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine;
use serde_json::Value;

use crate::document::{self, Document, Problems};
use crate::eval::input;
use crate::trust::{Digest, Hasher};

/// Files that one pattern may find.
const MOST_FILES: usize = 10_000;
/// Patterns that the braces of one may spell.
const MOST_SPELLINGS: usize = 256;

/// Reads files for one config.
pub(super) struct Files {
    /// The config's folder.
    folder: PathBuf,
    /// Its name as the user wrote it.
    shown: PathBuf,
    /// Nothing outside of it is read.
    fence: PathBuf,
    texts: Mutex<BTreeMap<PathBuf, Arc<str>>>,
    /// Files that are no text, in base64.
    images: Mutex<BTreeMap<PathBuf, Arc<str>>>,
}

impl Files {
    /// For a config at `path`.
    pub(super) fn new(path: &Path, shown: &str) -> Self {
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
            Some(_) | None => PathBuf::from("."),
        };
        let real = folder.canonicalize().unwrap_or_else(|_| folder.clone());
        let fence = real.ancestors().find(|folder| folder.join(".git").exists()).unwrap_or(&real).to_owned();
        let shown = Path::new(shown).parent().unwrap_or(Path::new("")).to_owned();
        Self { folder, shown, fence, texts: Mutex::default(), images: Mutex::default() }
    }

    fn texts(&self) -> MutexGuard<'_, BTreeMap<PathBuf, Arc<str>>> {
        self.texts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The config's folder.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// What a file is called in problems.
    pub(super) fn shown(&self, reference: &str) -> String {
        self.shown.join(reference.strip_prefix("./").unwrap_or(reference)).display().to_string()
    }

    /// The file that a relative path names, from the config's folder.
    pub(super) fn path(&self, reference: &str) -> Result<PathBuf, String> {
        let path = Path::new(reference);
        if path.is_absolute() || path.components().any(|part| matches!(part, Component::Prefix(_))) {
            return Err(format!("`{reference}`: give a path relative to the config"));
        }
        let path = self.folder.join(path);
        let real = path.canonicalize().map_err(|error| format!("`{reference}` cannot be read: {error}"))?;
        // What git keeps for itself, such as the token of the checkout, is no part of it.
        let inside = real.strip_prefix(&self.fence).is_ok_and(|within| within.iter().all(|part| part != ".git"));
        if !inside {
            return Err(format!("`{reference}` is outside of the config's checkout"));
        }
        Ok(path)
    }

    /// The text of a file.
    pub(super) fn text(&self, reference: &str) -> Result<Arc<str>, String> {
        let path = self.path(reference)?;
        if let Some(text) = self.texts().get(&path) {
            return Ok(Arc::clone(text));
        }
        let text = input::read(&path, reference, "file").map_err(|problem| problem.message.into_raw())?;
        if text.len() as u64 > document::LARGEST_FILE {
            return Err(format!("`{reference}` is larger than {} bytes", document::LARGEST_FILE));
        }
        let text: Arc<str> = text.into();
        self.texts().insert(path, Arc::clone(&text));
        Ok(text)
    }

    /// The bytes of a file, in base64.
    pub(super) fn base64(&self, reference: &str) -> Result<Arc<str>, String> {
        let path = self.path(reference)?;
        let mut images = self.images.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(image) = images.get(&path) {
            return Ok(Arc::clone(image));
        }
        let unreadable = |error: std::io::Error| format!("`{reference}` cannot be read: {error}");
        let file = input::open(&path).map_err(unreadable)?;
        let about = file.metadata().map_err(unreadable)?;
        if !about.is_file() || about.len() > document::LARGEST_FILE {
            return Err(format!("`{reference}` is no file of at most {} bytes", document::LARGEST_FILE));
        }
        let mut bytes = Vec::new();
        file.take(document::LARGEST_FILE).read_to_end(&mut bytes).map_err(unreadable)?;
        let image: Arc<str> = base64::engine::general_purpose::STANDARD.encode(bytes).into();
        images.insert(path, Arc::clone(&image));
        Ok(image)
    }

    /// A file of YAML or JSON, with places.
    pub(super) fn document(&self, reference: &str) -> Result<Result<Arc<Document>, Problems>, String> {
        let text = self.text(reference)?;
        Ok(document::parse_yaml(&self.shown(reference), &text).map(Arc::new))
    }

    /// The value in a file of YAML or JSON.
    pub(super) fn value(&self, reference: &str) -> Result<Value, String> {
        let document = self.document(reference)?;
        document.map(|document| document.value().clone()).map_err(|problems| {
            let first = problems.sorted().into_iter().next();
            let words = first.map(|problem| format!("line {}: {}", problem.spot.line, problem.message.into_raw()));
            format!("`{reference}`: {}", words.unwrap_or_default())
        })
    }

    /// The files that a pattern finds, by name; a path without a pattern is itself, whether it is there or not.
    pub(super) fn find(&self, pattern: &str) -> Result<Vec<String>, String> {
        if !has_pattern(pattern) {
            return Ok(vec![pattern.to_owned()]);
        }
        if Path::new(pattern).is_absolute() {
            return Err(format!("`{pattern}`: give a path relative to the config"));
        }
        let spelled = braces(pattern.strip_prefix("./").unwrap_or(pattern))
            .ok_or_else(|| format!("`{pattern}` spells more than {MOST_SPELLINGS} patterns"))?;
        let folder = glob::Pattern::escape(&self.folder.display().to_string());
        let options = glob::MatchOptions { require_literal_leading_dot: true, ..glob::MatchOptions::new() };
        let mut found = Vec::new();
        for pattern in spelled {
            self.stays_inside(&pattern)?;
            let whole = Path::new(&folder).join(&pattern).display().to_string();
            let paths = glob::glob_with(&whole, options).map_err(|error| format!("`{pattern}`: {error}"))?;
            for path in paths {
                // A folder that cannot be looked into could hold tests: it is a problem, and never less to ask.
                let path = path.map_err(|error| format!("`{pattern}`: {error}"))?;
                if !path.is_file() {
                    continue;
                }
                let relative = path.strip_prefix(&self.folder).unwrap_or(&path).display().to_string();
                if !found.contains(&relative) {
                    found.push(relative);
                }
                if found.len() > MOST_FILES {
                    return Err(format!("`{pattern}` finds more than {MOST_FILES} files"));
                }
            }
        }
        found.sort();
        Ok(found)
    }

    /// Refuses a pattern that would walk through what is not the config's: names of files say something too.
    fn stays_inside(&self, pattern: &str) -> Result<(), String> {
        let mut before = PathBuf::new();
        let mut fixed = true;
        for part in Path::new(pattern).components() {
            fixed &= !has_pattern(&part.as_os_str().to_string_lossy());
            if fixed {
                before.push(part);
            } else if part == Component::ParentDir {
                return Err(format!("`{pattern}`: `..` behind a pattern"));
            }
        }
        let real = self.folder.join(before).canonicalize();
        // A folder that is not there holds no file.
        if real.is_ok_and(|real| !real.starts_with(&self.fence)) {
            return Err(format!("`{pattern}` is outside of the config's checkout"));
        }
        Ok(())
    }

    /// Whether a path names a folder.
    pub(super) fn is_folder(&self, reference: &str) -> bool {
        self.path(reference).is_ok_and(|path| path.is_dir())
    }

    /// Whether a path names a file.
    pub(super) fn is_file(&self, reference: &str) -> bool {
        self.path(reference).is_ok_and(|path| path.is_file())
    }

    /// Over the config and every file that was read.
    pub(super) fn digest(&self, config: &str) -> Digest {
        let mut hasher = Hasher::new();
        hasher.part(b"promptfoo-1").part(config.as_bytes());
        let images = self.images.lock().unwrap_or_else(PoisonError::into_inner);
        for (path, text) in self.texts().iter().chain(images.iter()) {
            let name = path.strip_prefix(&self.folder).unwrap_or(path);
            hasher.part(name.as_os_str().as_encoded_bytes()).part(text.as_bytes());
        }
        hasher.finish()
    }
}

/// Whether a path is a pattern.
pub(super) fn has_pattern(path: &str) -> bool {
    path.contains(['*', '?', '{']) || (path.contains('[') && path.contains(']'))
}

/// Every spelling of a pattern with `{a,b}`, the first pair of braces first; none where there are too many.
fn braces(pattern: &str) -> Option<Vec<String>> {
    let mut spelled = vec![String::new()];
    let mut rest = pattern;
    while let Some((before, inner, after)) = rest.split_once('{').and_then(|(before, inside)| {
        let (inner, after) = inside.split_once('}')?;
        Some((before, inner, after))
    }) {
        let words: Vec<&str> = inner.split(',').collect();
        if spelled.len().saturating_mul(words.len()) > MOST_SPELLINGS {
            return None;
        }
        let each = |begun: &String| words.iter().map(|word| format!("{begun}{before}{word}")).collect::<Vec<_>>();
        spelled = spelled.iter().flat_map(each).collect();
        rest = after;
    }
    Some(spelled.into_iter().map(|begun| format!("{begun}{rest}")).collect())
}

/// The ending of a path, in small letters, without the dot.
pub(super) fn ending(path: &str) -> String {
    Path::new(path).extension().map(|ending| ending.to_string_lossy().to_lowercase()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::file::write_atomically;

    /// A checkout with a config in `ci`.
    fn checkout() -> (tempfile::TempDir, Files) {
        let folder = tempfile::tempdir().unwrap();
        for (name, content) in [
            (".git/config", "token"),
            ("ci/config.yaml", ""),
            ("ci/a.txt", "a"),
            ("prompts/b.txt", "b"),
            ("d.txt", "d"),
        ] {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            write_atomically(&path, content.as_bytes()).unwrap();
        }
        std::os::unix::fs::symlink("../.git/config", folder.path().join("ci/link.txt")).unwrap();
        std::os::unix::fs::symlink("/proc/self/environ", folder.path().join("ci/environ.txt")).unwrap();
        let files = Files::new(&folder.path().join("ci/config.yaml"), "ci/config.yaml");
        (folder, files)
    }

    #[test]
    fn nothing_outside_of_the_checkout_and_nothing_of_gits_own_is_read() {
        let (_folder, files) = checkout();
        for good in ["a.txt", "../prompts/b.txt", "./../d.txt"] {
            assert!(files.text(good).is_ok(), "{good}: {:?}", files.text(good));
        }
        for bad in ["../.git/config", "link.txt", "environ.txt", "/etc/hostname", "../../../../../../etc/hostname"] {
            assert!(files.text(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn patterns_stay_in_the_checkout_and_have_an_end() {
        let (_folder, files) = checkout();
        assert_eq!(files.find("../prompts/*.txt").unwrap().len(), 1);
        assert_eq!(files.find("{a,c}.{txt,md}").unwrap(), ["a.txt"]);
        for bad in ["{a,..}/../*", "../../**/*.txt", "*/../../../**", "../../../../../*/hostname", &"{a,b}".repeat(24)]
        {
            assert!(files.find(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn braces_are_spelled_out_within_a_limit() {
        let all = |pattern: &str| braces(pattern).map(|spelled| spelled.join(" "));
        assert_eq!(all("a/{x,y}.{t,u}").as_deref(), Some("a/x.t a/x.u a/y.t a/y.u"));
        assert_eq!(all("a{b").as_deref(), Some("a{b"));
        assert_eq!(all(&"{a,b}".repeat(40)), None);
    }
}
