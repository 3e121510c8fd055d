//! `llmci release-tree`: the files of the commit behind a release's tags. `org/llmci/eval-gate@v1` looks for `eval-gate/action.yml`
//! at the root, GitLab's catalogue looks for `templates/`, and `image:` of an action takes no expression: so the tree is written
//! from the project's own files, with every image named by its digest. Kept out: how it is committed (`release.yml`).

use std::path::{Path, PathBuf};

use clap::Args;

use super::spec::IMAGE_FROM_SOURCE;
use crate::commands::{CommandError, Exit, Outcome};
use crate::store::file::{make_folder, write_atomically};
use crate::trust::Untrusted;

/// Where the image lies, without a tag.
const IMAGE: &str = "ghcr.io/org/llmci";
/// Where the source lies.
const SOURCE: &str = "https://github.com/org/llmci";
/// The workflows that others may call; the project's own stay at home. They name our actions as `$/actions/...`, which is the
/// commit that the workflow itself is of, so nothing in them is rewritten.
const WORKFLOWS: [&str; 2] = [".github/workflows/llm-ci.yml", ".github/workflows/model-evaluation.yml"];

/// The inputs of `llmci release-tree`.
#[derive(Args, Clone, Debug)]
pub struct ReleaseTreeArgs {
    /// The version, as in v1.2.3
    #[arg(long, value_name = "VERSION")]
    pub version: String,
    /// The digest of the image, sha256:...
    #[arg(long, value_name = "DIGEST")]
    pub digest: String,
    /// The checksums of the plain programs, as sha256sum writes them, for the setup action
    #[arg(long, value_name = "FILE")]
    pub checksums: Option<PathBuf>,
    /// An empty folder, or one that is not there
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// The project's folder
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub root: PathBuf,
}

/// A file by its path in the tree, with `/` between folders.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Entry {
    path: String,
    text: String,
    mode: Mode,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Mode {
    Plain,
    Executable,
}

/// What a release is called.
struct Release {
    version: String,
    digest: String,
}

/// Writes the tree.
pub(super) fn run(args: &ReleaseTreeArgs) -> Result<Outcome, CommandError> {
    let release = Release::new(&args.version, &args.digest).map_err(|why| CommandError::Inputs(Untrusted::new(why)))?;
    if std::fs::read_dir(&args.out).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(CommandError::Inputs(Untrusted::new(format!("{}: the folder is not empty", args.out.display()))));
    }
    let mut sources = sources(&args.root)?;
    if let Some(place) = &args.checksums {
        let entry = read(place, "actions/setup/SHA256SUMS")?;
        sources.push(entry);
    }
    let files = release.tree(&sources).map_err(|why| CommandError::Inputs(Untrusted::new(why)))?;
    for file in &files {
        write(&args.out.join(&file.path), file)?;
    }
    let text = files.iter().map(|file| format!("{}\n", file.path)).collect();
    Ok(Outcome { exit: Exit::Pass, report: None, rollout: None, text })
}

impl Release {
    fn new(version: &str, digest: &str) -> Result<Self, String> {
        let parts = version.strip_prefix('v').map(|rest| rest.split('.').collect::<Vec<_>>()).unwrap_or_default();
        let number = |part: &&str| part.parse::<u32>().is_ok_and(|number| number.to_string() == **part);
        if parts.len() != 3 || !parts.iter().all(number) {
            return Err(format!("--version: {version:?} is no version; it looks like v1.2.3"));
        }
        let digit = |letter: u8| letter.is_ascii_digit() || (b'a'..=b'f').contains(&letter);
        let hex = digest.strip_prefix("sha256:").filter(|hex| hex.len() == 64 && hex.bytes().all(digit));
        let hex = hex.ok_or_else(|| format!("--digest: {digest:?} is no digest; it is sha256: and 64 digits"))?;
        Ok(Self { version: version.to_owned(), digest: format!("sha256:{hex}") })
    }

    /// The whole tree, from the project's files. Nothing in it names an image by a tag, or a file that is not in it.
    fn tree(&self, sources: &[Entry]) -> Result<Vec<Entry>, String> {
        let mut tree = Vec::new();
        for source in sources {
            let text = self.rewritten(source)?;
            let mut add = |path: String| tree.push(Entry { path, text: text.clone(), mode: source.mode });
            add(source.path.clone());
            if let Some(name) = source.path.strip_prefix("actions/") {
                add(name.to_owned());
            }
            if let Some(name) = source.path.strip_prefix("gitlab-templates/") {
                add(format!("templates/{name}"));
            }
        }
        tree.sort_by(|left, right| left.path.cmp(&right.path));
        Ok(tree)
    }

    fn rewritten(&self, source: &Entry) -> Result<String, String> {
        let image = format!("{IMAGE}@{}", self.digest);
        let mut text = source.text.replace(&format!("{IMAGE}:v1"), &image);
        let once = |text: &str, from: &str, to: &str| -> Result<String, String> {
            match text.matches(from).count() {
                1 => Ok(text.replace(from, to)),
                count => Err(format!("{}: {from:?} is there {count} times, and not once", source.path)),
            }
        };
        if source.path.ends_with("/action.yml") && source.text.contains("using: docker") {
            text = once(&text, &format!("image: {IMAGE_FROM_SOURCE}\n"), &format!("image: docker://{image}\n"))?;
        }
        if source.path == "actions/setup/action.yml" {
            text = once(&text, "default: \"\" # version", &format!("default: \"{}\"", self.version))?;
        }
        if source.path == "README.md" {
            text = text.replace("](docs/", &format!("]({SOURCE}/blob/release/{}/docs/", self.version));
            for name in ["CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"] {
                text =
                    text.replace(&format!("]({name})"), &format!("]({SOURCE}/blob/release/{}/{name})", self.version));
            }
        } else if text.contains(&format!("{IMAGE}:"))
            || (source.path.ends_with("/action.yml") && text.contains("Dockerfile"))
        {
            return Err(format!("{}: an image is not named by its digest", source.path));
        }
        Ok(text)
    }
}

fn sources(root: &Path) -> Result<Vec<Entry>, CommandError> {
    let mut names: Vec<String> =
        ["README.md", "LICENSE"].iter().chain(&WORKFLOWS).map(|name| (*name).to_owned()).collect();
    for folder in ["actions", "gitlab-templates"] {
        list(root, folder, &mut names)?;
    }
    names.iter().map(|name| read(&root.join(name), name)).collect()
}

fn list(root: &Path, folder: &str, names: &mut Vec<String>) -> Result<(), CommandError> {
    let failed = |error: std::io::Error| CommandError::Inputs(Untrusted::new(format!("{folder}: {error}")));
    let mut entries: Vec<_> =
        std::fs::read_dir(root.join(folder)).map_err(failed)?.collect::<Result<_, _>>().map_err(failed)?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let name = format!("{folder}/{}", entry.file_name().to_string_lossy());
        let kind = entry.file_type().map_err(failed)?;
        if kind.is_dir() {
            list(root, &name, names)?;
        } else if kind.is_file() {
            names.push(name);
        } else {
            // A link that dangles fails "Set up job" for every user (actions/runner#1341).
            return Err(CommandError::Inputs(Untrusted::new(format!("{name}: neither a file nor a folder"))));
        }
    }
    Ok(())
}

fn read(place: &Path, name: &str) -> Result<Entry, CommandError> {
    use std::os::unix::fs::PermissionsExt;
    let failed = |error: std::io::Error| CommandError::Inputs(Untrusted::new(format!("{}: {error}", place.display())));
    let text = std::fs::read_to_string(place).map_err(failed)?;
    let executable = std::fs::metadata(place).map_err(failed)?.permissions().mode() & 0o100 != 0;
    Ok(Entry { path: name.to_owned(), text, mode: if executable { Mode::Executable } else { Mode::Plain } })
}

fn write(place: &Path, file: &Entry) -> Result<(), CommandError> {
    use std::os::unix::fs::PermissionsExt;
    let folder = place.parent().unwrap_or(place);
    make_folder(folder).map_err(|error| CommandError::environment(&error))?;
    write_atomically(place, file.text.as_bytes()).map_err(|error| CommandError::environment(&error))?;
    let mode = if file.mode == Mode::Executable { 0o755 } else { 0o644 };
    std::fs::set_permissions(place, std::fs::Permissions::from_mode(mode))
        .map_err(|error| CommandError::environment(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    fn release() -> Release {
        Release::new("v1.2.3", &format!("sha256:{HEX}")).unwrap()
    }

    fn entry(path: &str, text: &str) -> Entry {
        Entry { path: path.to_owned(), text: text.to_owned(), mode: Mode::Plain }
    }

    #[test]
    fn only_whole_versions_and_digests_are_taken() {
        for version in ["1.2.3", "v1.2", "v1.2.3-rc1", "v1.2.3.4", "v01.2.3", "v1.2.3\n", "v+1.2.3", ""] {
            assert!(Release::new(version, &format!("sha256:{HEX}")).is_err(), "{version:?}");
        }
        for digest in [HEX, "sha256:", "sha512:0", &format!("sha256:{}", &HEX[1..]), &format!("sha256:{HEX} ")] {
            assert!(Release::new("v1.2.3", digest).is_err(), "{digest:?}");
        }
    }

    #[test]
    fn an_action_is_there_twice_with_its_image_by_digest() {
        let action = "runs:\n  using: docker\n  image: ../../Dockerfile\n";
        let tree = release().tree(&[entry("actions/eval-gate/action.yml", action)]).unwrap();
        let wanted = format!("runs:\n  using: docker\n  image: docker://ghcr.io/org/llmci@sha256:{HEX}\n");
        assert_eq!(tree, [entry("actions/eval-gate/action.yml", &wanted), entry("eval-gate/action.yml", &wanted)]);
    }

    #[test]
    fn what_names_an_image_by_a_tag_is_refused() {
        for (path, text) in [
            ("actions/x/action.yml", "runs:\n  using: docker\n  image: docker://ghcr.io/org/llmci:latest\n"),
            ("gitlab-templates/x.yml", "image: ghcr.io/org/llmci:v2\n"),
            ("actions/x/action.yml", "runs:\n  using: docker\n  image: Dockerfile\n"),
        ] {
            assert!(release().tree(&[entry(path, text)]).is_err(), "{text}");
        }
    }
}
