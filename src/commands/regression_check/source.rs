//! Where a side's files are: a folder, a file, a kept baseline, a commit.

use std::fs::File;
use std::io::{BufRead, BufReader, Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::commands::regression_check::kept::{KEPT, Kept};
use crate::commands::{CommandError, git};
use crate::document::{Problem, Spot};
use crate::eval::compare::Side;
use crate::report::Report;
use crate::trust::{Digest, Untrusted};

/// The largest report that is read, in bytes.
const LARGEST_REPORT: u64 = 64 * 1024 * 1024;

/// One side as it was found.
pub(crate) struct Found {
    /// As the user named it.
    pub address: String,
    /// Its samples; none where only a report is there.
    pub side: Option<Arc<Side>>,
    /// Its report, where there is one.
    pub report: Option<Report>,
    /// Over the samples, else over the report.
    pub digest: Digest,
    /// The file that the samples were read from, where it is one.
    pub samples_file: Option<PathBuf>,
    /// The file of its report, likewise.
    pub report_file: Option<PathBuf>,
}

impl Found {
    /// A file of it on this disk.
    pub(super) fn file(&self) -> Option<&Path> {
        self.report_file.as_deref().or(self.samples_file.as_deref())
    }
}

/// A place that holds files by name.
enum Place {
    Folder(PathBuf),
    Commit { reference: String, path: String },
}

/// Which files of a place are looked at.
struct Names {
    samples: Option<String>,
    report: Option<String>,
    kept: bool,
}

/// Finds and reads one side. `role` is a word for errors.
pub(crate) fn find(role: &str, address: &str) -> Result<Found, CommandError> {
    let wrong = |what: String| CommandError::Inputs(Untrusted::new(format!("the {role} {address}: {what}")));
    let (place, file) = place_of(address).map_err(wrong)?;
    let names = names_of(file);
    if names.kept
        && let Some(text) = place.read(KEPT).map_err(wrong)?
    {
        let kept: Kept = parse(&place.shown(KEPT), &text)?;
        if kept.samples.contains(['/', '\\']) || kept.version != 1 {
            return Err(wrong(format!("{KEPT} is of another version, or names a file outside its folder")));
        }
        let side = place.side(&kept.samples)?.ok_or_else(|| wrong(format!("{} is missing", kept.samples)))?;
        if side.digest != kept.digest {
            return Err(wrong(format!("{} holds not the samples that were kept; bless a baseline anew", kept.samples)));
        }
        let digest = side.digest.clone();
        let samples_file = place.file(&kept.samples);
        let side = Some(Arc::new(side));
        let report_file = place.file(KEPT);
        return Ok(Found { address: address.to_owned(), digest, side, report: kept.report, samples_file, report_file });
    }
    let side = match &names.samples {
        Some(name) => place.side(name)?,
        None => None,
    };
    let text = match &names.report {
        Some(name) => place.read(name).map_err(wrong)?.map(|text| (place.shown(name), text)),
        None => None,
    };
    let report: Option<Report> = text.as_ref().map(|(shown, text)| parse(shown, text)).transpose()?;
    let digest = match (&side, &text) {
        (Some(side), _) => side.digest.clone(),
        (None, Some((_, text))) => Digest::of(text),
        (None, None) => {
            return Err(wrong(format!("neither samples.jsonl, report.json nor {KEPT} is there; run eval-gate first")));
        }
    };
    let samples_file = names.samples.as_deref().and_then(|name| place.file(name));
    let side = side.map(Arc::new);
    let report_file = names.report.as_deref().filter(|_| report.is_some()).and_then(|name| place.file(name));
    Ok(Found { address: address.to_owned(), side, report, digest, samples_file, report_file })
}

/// The lines of a side's samples, and what they are called.
pub(crate) fn sample_lines(
    role: &str,
    address: &str,
) -> Result<(String, std::io::Lines<Box<dyn BufRead>>), CommandError> {
    let wrong = |what: String| CommandError::Inputs(Untrusted::new(format!("the {role} {address}: {what}")));
    let (place, file) = place_of(address).map_err(wrong)?;
    let name = names_of(file).samples.ok_or_else(|| wrong("not a file of samples".to_owned()))?;
    let lines = place.open(&name).map_err(wrong)?;
    let lines = lines.ok_or_else(|| wrong(format!("{name} is not there; run safety-gate first")))?;
    Ok((place.shown(&name), lines.lines()))
}

/// Finds several sides at once, since most of the time goes into reading samples. Of several errors the first one is told.
pub(super) fn find_all(places: &[(&str, &str)]) -> Result<Vec<Found>, CommandError> {
    std::thread::scope(|scope| {
        let readers: Vec<_> = places.iter().map(|(role, address)| scope.spawn(|| find(role, address))).collect();
        let joined = readers.into_iter().map(|reader| {
            reader.join().unwrap_or_else(|_| Err(CommandError::Bug("a reader of samples broke off".to_owned())))
        });
        joined.collect()
    })
}

/// The files of a whole folder, or the one that was named, with its fellow only under the names that a run gives them.
fn names_of(file: Option<String>) -> Names {
    let run = |name: &str| Some(name.to_owned());
    match file {
        None => Names { samples: run("samples.jsonl"), report: run("report.json"), kept: true },
        Some(file) if file == KEPT => Names { samples: None, report: None, kept: true },
        Some(file) if file == "samples.jsonl" || file == "report.json" => {
            Names { samples: run("samples.jsonl"), report: run("report.json"), kept: false }
        }
        Some(file) if file.ends_with(".jsonl") => Names { samples: Some(file), report: None, kept: false },
        Some(file) => Names { samples: None, report: Some(file), kept: false },
    }
}

/// The place of an address, and the one file of it that the user named.
fn place_of(address: &str) -> Result<(Place, Option<String>), String> {
    if let Some(rest) = address.strip_prefix("git:") {
        let parts = rest.split_once(':').filter(|(reference, path)| !reference.is_empty() && !path.is_empty());
        let (reference, path) = parts.ok_or("not git:REF:PATH")?;
        if reference.starts_with('-') {
            return Err("a reference does not begin with `-`".to_owned());
        }
        let path = path.trim_end_matches('/');
        let place = |path: &str| Place::Commit { reference: reference.to_owned(), path: path.to_owned() };
        return Ok(match path.rsplit_once('/') {
            Some((folder, file)) if is_file_name(file) => (place(folder), Some(file.to_owned())),
            None if is_file_name(path) => (place("."), Some(path.to_owned())),
            Some(_) | None => (place(path), None),
        });
    }
    if address.is_empty() || address.starts_with("s3://") {
        return Err("give a folder, a file, dir:PATH or git:REF:PATH (a bucket cannot hold a baseline yet)".to_owned());
    }
    let path = Path::new(address.strip_prefix("dir:").unwrap_or(address));
    if path.is_dir() {
        return Ok((Place::Folder(path.to_owned()), None));
    }
    let file = path.file_name().map(|name| name.to_string_lossy().into_owned());
    match file.filter(|file| path.is_file() && is_file_name(file)) {
        Some(file) => Ok((Place::Folder(path.parent().map(Path::to_owned).unwrap_or_default()), Some(file))),
        None if path.is_file() => Err("neither a .jsonl file of samples nor a .json report".to_owned()),
        None => Err("no such file or folder".to_owned()),
    }
}

fn is_file_name(file: &str) -> bool {
    file.ends_with(".json") || file.ends_with(".jsonl")
}

fn parse<T: serde::de::DeserializeOwned>(shown: &str, text: &[u8]) -> Result<T, CommandError> {
    serde_json::from_slice(text).map_err(|error| {
        let spot = Spot { line: u32::try_from(error.line()).unwrap_or(1).max(1), column: 1 };
        let problem = Problem::new(shown, spot, format!("not a report of this version: {error}"));
        CommandError::Problems(vec![problem.help("make it again with this version of the programs")])
    })
}

impl Place {
    fn shown(&self, name: &str) -> String {
        match self {
            Place::Folder(folder) => folder.join(name).display().to_string(),
            Place::Commit { reference, path } => format!("{reference}:{path}/{name}"),
        }
    }

    fn file(&self, name: &str) -> Option<PathBuf> {
        match self {
            Place::Folder(folder) => Some(folder.join(name)),
            Place::Commit { .. } => None,
        }
    }

    fn open(&self, name: &str) -> Result<Option<Box<dyn BufRead>>, String> {
        match self {
            Place::Folder(folder) => match File::open(folder.join(name)) {
                Ok(file) => Ok(Some(Box::new(BufReader::with_capacity(1 << 20, file)))),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(error.to_string()),
            },
            Place::Commit { reference, path } => {
                // A shallow checkout must not look like a missing file.
                if !git::has_commit(Path::new("."), reference)? {
                    return Err(format!("git knows no commit {reference} here (a shallow checkout? fetch it first)"));
                }
                let bytes = git::file_of(Path::new("."), reference, &format!("{path}/{name}"))?;
                Ok(bytes.map(|bytes| Box::new(Cursor::new(bytes)) as Box<dyn BufRead>))
            }
        }
    }

    fn read(&self, name: &str) -> Result<Option<Vec<u8>>, String> {
        let Some(file) = self.open(name)? else { return Ok(None) };
        let mut bytes = Vec::new();
        file.take(LARGEST_REPORT + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
        if bytes.len() as u64 > LARGEST_REPORT { Err(format!("{name} is larger than 64 MiB")) } else { Ok(Some(bytes)) }
    }

    fn side(&self, name: &str) -> Result<Option<Side>, CommandError> {
        let shown = self.shown(name);
        let failed = |what: String| CommandError::Inputs(Untrusted::new(format!("{shown}: {what}")));
        let Some(lines) = self.open(name).map_err(failed)? else { return Ok(None) };
        let side = Side::read(lines).map_err(|error| {
            let spot = Spot { line: error.line, column: 1 };
            CommandError::Problems(vec![Problem::new(&shown, spot, error.what)])
        })?;
        Ok(Some(side))
    }
}
