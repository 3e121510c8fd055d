//! What a checkout brings: whoever writes a pull request can commit files, links and submodules, and none of them may be what judges it.
//! The one way to ask that. Kept out: what follows from it (`base`, `prior`).

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ffi::{OsStr, OsString};
use std::io::ErrorKind;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};

use super::git::git;

/// Links that may lead to one another, as Linux has it. Source: path_resolution(7).
const MOST_LINKS: usize = 40;

/// Who has put there what is at a path.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Whose {
    /// It is in no checkout.
    Elsewhere,
    /// It is in a checkout, and git does not know it: an earlier step has made it.
    Step,
    /// These checkouts, by their tops, bring it: the thing itself, something in it, or a link or another repository on the way to it.
    Checkouts(BTreeSet<PathBuf>),
}

/// Remembers what git has said of folders and their checkouts.
#[derive(Default)]
pub(super) struct Tracked {
    tops: BTreeMap<PathBuf, Option<PathBuf>>,
    names: BTreeMap<PathBuf, BTreeSet<PathBuf>>,
}

impl Tracked {
    /// Whose a path is, as the system follows it and as programs do that fold `..` first. What cannot be told is an error.
    pub(super) fn whose(&mut self, path: &Path) -> Result<Whose, String> {
        let path = std::path::absolute(path).map_err(|error| format!("the path cannot be followed: {error}"))?;
        let plain = folded(&path);
        let mut by = BTreeSet::new();
        let followed = self.along(&path, &mut by)?;
        if plain != path {
            self.along(&plain, &mut by)?;
        }
        match (by.is_empty(), followed) {
            (false, _) => Ok(Whose::Checkouts(by)),
            (true, Some(_)) => Ok(Whose::Step),
            (true, None) => Ok(Whose::Elsewhere),
        }
    }

    /// Goes along a path as the system does, and asks at every name on the way. Gives the checkout in which it ends.
    fn along(&mut self, path: &Path, by: &mut BTreeSet<PathBuf>) -> Result<Option<PathBuf>, String> {
        let (mut at, mut links) = (PathBuf::from("/"), 0);
        let mut rest = parts(path);
        while let Some(part) = rest.pop_front() {
            if part == ".." {
                at.pop();
                continue;
            }
            let place = at.join(&part);
            if let Some(top) = self.top_of(&at)?
                && self.names_of(&top)?.contains(&place)
            {
                by.insert(top);
            }
            match std::fs::read_link(&place) {
                Ok(target) => {
                    links += 1;
                    if links > MOST_LINKS {
                        return Err(format!("{} leads through more than {MOST_LINKS} links", path.display()));
                    }
                    if target.is_absolute() {
                        at = PathBuf::from("/");
                    }
                    let mut ahead = parts(&target);
                    ahead.append(&mut rest);
                    rest = ahead;
                }
                // No link, or nothing at all.
                Err(error)
                    if matches!(
                        error.kind(),
                        ErrorKind::InvalidInput | ErrorKind::NotFound | ErrorKind::NotADirectory
                    ) =>
                {
                    at = place;
                }
                Err(error) => return Err(format!("{} cannot be followed: {error}", path.display())),
            }
        }
        let top = self.top_of(&at)?;
        if let Some(top) = &top {
            // What is within a folder stands directly behind it.
            let next = self.names_of(top)?.range(at.clone()..).next();
            if next.is_some_and(|name| name.starts_with(&at)) {
                by.insert(top.clone());
            }
        }
        Ok(top)
    }

    /// The checkout that a folder without links in its path is in, the innermost one; of a thing that is none, its folder's.
    fn top_of(&mut self, folder: &Path) -> Result<Option<PathBuf>, String> {
        if let Some(known) = self.tops.get(folder) {
            return Ok(known.clone());
        }
        let there = folder.ancestors().find(|above| above.is_dir()).unwrap_or(Path::new("/"));
        let top = git(there, &["rev-parse", "--show-toplevel"])?.map(|bytes| path_of(line(&bytes)));
        // Git says the same of no checkout and of one that it cannot read. What it keeps for itself is in none.
        let own = there.iter().any(|part| part == ".git");
        if top.is_none() && !own && there.ancestors().any(|above| above.join(".git").symlink_metadata().is_ok()) {
            return Err(format!("{} is in a checkout that git cannot tell about", there.display()));
        }
        for between in there.ancestors().take_while(|above| top.as_ref().is_some_and(|top| above.starts_with(top))) {
            self.tops.insert(between.to_owned(), top.clone());
        }
        self.tops.insert(folder.to_owned(), top.clone());
        Ok(top)
    }

    /// All that git tracks in a checkout; another repository in it is one name.
    fn names_of(&mut self, top: &Path) -> Result<&BTreeSet<PathBuf>, String> {
        if !self.names.contains_key(top) {
            let listed = git(top, &["ls-files", "-z"])?;
            let listed = listed.ok_or_else(|| format!("git does not list the files of {}", top.display()))?;
            let names = listed.split(|byte| *byte == 0).filter(|name| !name.is_empty());
            self.names.insert(top.to_owned(), names.map(|name| top.join(OsStr::from_bytes(name))).collect());
        }
        self.names.get(top).ok_or_else(|| "a list of files is lost".to_owned())
    }
}

/// A path without `..`, as if none of its folders were a link.
pub(super) fn folded(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if matches!(plain.components().next_back(), Some(Component::Normal(_))) => {
                plain.pop();
            }
            // Above the root is the root.
            Component::ParentDir if plain.has_root() => {}
            Component::ParentDir | Component::Normal(_) | Component::RootDir | Component::Prefix(_) => plain.push(part),
        }
    }
    plain
}

fn parts(path: &Path) -> VecDeque<OsString> {
    let named = |part: Component<'_>| matches!(part, Component::Normal(_) | Component::ParentDir);
    path.components().filter(|part| named(*part)).map(|part| part.as_os_str().to_owned()).collect()
}

/// A name may end with any byte but the one that git ends its answer with.
fn line(bytes: &[u8]) -> &[u8] {
    bytes.strip_suffix(b"\n").unwrap_or(bytes)
}

fn path_of(bytes: &[u8]) -> PathBuf {
    PathBuf::from(OsString::from_vec(bytes.to_vec()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn run(folder: &Path, arguments: &[&str]) {
        crate::commands::git::made(folder, arguments);
    }

    /// A checkout of these files, all of which git knows.
    fn checkout(top: &Path, files: &[&str]) {
        for file in files {
            let place = top.join(file);
            std::fs::create_dir_all(place.parent().unwrap()).unwrap();
            std::fs::File::create(place).unwrap();
        }
        run(top, &["init", "-q"]);
        run(top, &["add", "."]);
        run(top, &["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "--allow-empty", "-m", "x"]);
    }

    /// A word for who has put it there.
    fn whose(path: &Path) -> &'static str {
        match Tracked::default().whose(path).unwrap() {
            Whose::Elsewhere => "elsewhere",
            Whose::Step => "a step",
            Whose::Checkouts(_) => "a checkout",
        }
    }

    #[test]
    fn files_folders_links_and_what_is_behind_them_are_a_checkouts_where_git_knows_any_part() {
        let folder = tempfile::tempdir().unwrap();
        let (top, outside) = (folder.path().join("top"), folder.path().join("outside"));
        for made in [&top, &outside.join("deep")] {
            std::fs::create_dir_all(made).unwrap();
        }
        symlink(outside.join("deep"), top.join("away")).unwrap();
        symlink("away", top.join("again")).unwrap();
        checkout(&top, &["kept/ab/cd", "file"]);
        for made in ["free/ab", "kept/made", "away/x"] {
            std::fs::create_dir_all(top.join(made)).unwrap();
        }
        symlink("kept", top.join("untracked-link")).unwrap();
        symlink("../../outside/deep", top.join("free/jump")).unwrap();
        symlink(&top, outside.join("in")).unwrap();
        for (path, expected) in [
            ("top", "a checkout"),
            ("top/kept", "a checkout"),
            ("top/kept/ab/cd", "a checkout"),
            ("top/kept/made", "a step"),
            ("top/free", "a step"),
            ("top/free/not-there/at-all", "a step"),
            // Behind a link that is committed, wherever that leads, and behind one that leads to what is.
            ("top/away", "a checkout"),
            ("top/away/x", "a checkout"),
            ("top/again/x/y", "a checkout"),
            ("top/untracked-link/made", "a step"),
            ("top/untracked-link/ab", "a checkout"),
            ("outside/in/file", "a checkout"),
            ("outside/in/free", "a step"),
            // `..` behind a link is not where it seems to be, and some programs take it for that.
            ("top/away/../deep/x", "a checkout"),
            ("outside/in/../top/free/../file", "a checkout"),
            ("top/free/jump/../../kept/ab", "a checkout"),
            ("top/free/../kept/ab", "a checkout"),
            ("outside/deep/../in/file", "a checkout"),
            ("outside/deep", "elsewhere"),
            ("outside/not-there", "elsewhere"),
        ] {
            assert_eq!(whose(&folder.path().join(path)), expected, "{path}");
        }
    }

    #[test]
    fn another_repository_is_a_checkouts_as_a_submodule_and_in_itself() {
        let folder = tempfile::tempdir().unwrap();
        let (top, inner) = (folder.path().join("top"), folder.path().join("top/vendor/inner"));
        std::fs::create_dir_all(&inner).unwrap();
        checkout(&inner, &["kept/ab"]);
        std::fs::create_dir_all(inner.join("free")).unwrap();
        run(folder.path(), &["init", "-q", "top"]);
        // A clone that a step has made beside the checkout's own files.
        assert_eq!(whose(&top.join("vendor")), "a step");
        assert_eq!(Tracked::default().whose(&inner.join("kept")), Ok(Whose::Checkouts([inner.clone()].into())));
        assert_eq!(whose(&inner.join("free")), "a step");
        // As a submodule all of it is chosen by who commits its number.
        run(&top, &["add", "vendor/inner"]);
        for path in ["kept/ab", "free", ""] {
            assert_eq!(whose(&inner.join(path)), "a checkout", "{path}");
        }
        assert_eq!(Tracked::default().whose(&inner.join("kept")), Ok(Whose::Checkouts([top, inner].into())));
    }

    #[test]
    fn a_name_that_is_no_text_is_known_and_what_git_cannot_tell_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let odd = folder.path().join(OsStr::from_bytes(b"odd\xff"));
        std::fs::File::create(&odd).unwrap();
        checkout(folder.path(), &["plain"]);
        assert_eq!(whose(&odd), "a checkout");
        symlink("round", folder.path().join("round")).unwrap();
        assert!(Tracked::default().whose(&folder.path().join("round")).unwrap_err().contains("links"));
        std::fs::remove_file(folder.path().join(".git/HEAD")).unwrap();
        assert!(Tracked::default().whose(&odd).unwrap_err().contains("git cannot tell"));
    }

    #[test]
    fn dots_are_folded_and_never_lead_above_the_root() {
        for (path, expected) in [
            ("/a/../b/./c", "/b/c"),
            ("/../../a", "/a"),
            ("../a/../../b", "../../b"),
            ("a/..", ""),
            ("/a/b/../..", "/"),
        ] {
            assert_eq!(folded(Path::new(path)), PathBuf::from(expected), "{path}");
        }
    }
}
