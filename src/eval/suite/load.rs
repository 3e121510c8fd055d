//! Reads a suite's files and checks every case in them; all problems are found at once.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher as _};
use std::io::{BufRead, BufReader, Read};
use std::path::{Component, Path};
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::build::{self, Fault, Frame};
use super::lines::{At, Lines, hash_of, parse};
use super::recognise::{Form, recognise};
use super::spec::{CaseSpec, CasesSpec, Defaults, HeadLine, SuiteFile};
use super::{Around, CaseHead, Source, Suite};
use crate::document::{self, Document, Problem, Problems, Spot};
use crate::eval::input;
use crate::eval::run::cluster_number;
use crate::eval::{promptfoo, task};
use crate::trust::Hasher;

/// Problems after which the rest is only counted.
const MOST_PROBLEMS: usize = 100;
/// The longest line of a JSONL file, in bytes.
const LONGEST_LINE: u64 = 16 * 1024 * 1024;

/// Reads the suites of the file at `path`, in our form or another tool's; `shown` is what the user calls it. Only a group of
/// tasks holds more than one.
pub fn load(path: &Path, shown: &str, around: Around<'_>) -> Result<Vec<Suite>, Problems> {
    if is_lines(path) {
        return Suite::load(path, shown).map(|suite| vec![suite]);
    }
    let text = input::read(path, shown, "suite")?;
    // Tags such as `!function` are another tool's, and refused by name there.
    let form = document::parse_tagged_yaml(shown, &text).map_or(Form::Own, |document| recognise(&document));
    let mut suites = match form {
        Form::Own | Form::Recorded => vec![Suite::load(path, shown)?],
        Form::Promptfoo => vec![promptfoo::load(path, shown, around)?],
        Form::Task => task::load(path, shown, around)?,
    };
    let listed: Arc<str> = shown.into();
    for suite in &mut suites {
        suite.listed = Some(Arc::clone(&listed));
        suite.form = form;
    }
    Ok(suites)
}

fn is_lines(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "jsonl" || extension == "ndjson")
}

impl Suite {
    /// Reads the suite of our own form at `path`; `shown` is what the user calls it.
    pub fn load(path: &Path, shown: &str) -> Result<Suite, Problems> {
        if is_lines(path) {
            let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
            return load_lines(path, shown, Named::ByHeadOr(name), Hasher::new());
        }
        let text = input::read(path, shown, "suite")?;
        let document = document::parse_yaml(shown, &text)?;
        let file: SuiteFile = document::decode(&document)?;
        check_name(&file.name).map_err(|why| document.problem("/name", why))?;
        let mut hasher = Hasher::new();
        hasher.part(text.as_bytes());
        match file.cases {
            CasesSpec::Listed(cases) => load_listed(&document, file.name, file.defaults, cases, hasher),
            CasesSpec::Path(beside) => {
                if !is_below(&beside) {
                    let problem = document.problem("/cases", "the cases are in a file beside the suite, or below it");
                    return Err(problem.help("give a relative path without `..`, such as `cases: cases.jsonl`").into());
                }
                let folder = path.parent().unwrap_or(Path::new(""));
                let shown = Path::new(shown).parent().unwrap_or(Path::new("")).join(&beside).display().to_string();
                load_lines(&folder.join(&beside), &shown, Named::Given(file.name, Box::new(file.defaults)), hasher)
            }
        }
    }
}

/// The file of cases that a suite's text names beside itself; none where it has none, or cannot be read.
pub fn cases_beside(path: &str, text: &[u8]) -> Option<String> {
    let document = document::parse_yaml(path, std::str::from_utf8(text).ok()?).ok()?;
    match document::decode::<SuiteFile>(&document).ok()?.cases {
        CasesSpec::Path(beside) => Some(beside).filter(|beside| is_below(beside)),
        CasesSpec::Listed(_) => None,
    }
}

fn is_below(path: &str) -> bool {
    let mut parts = Path::new(path).components();
    parts.all(|part| matches!(part, Component::Normal(_) | Component::CurDir)) && !path.contains("://")
}

enum Named {
    Given(String, Box<Defaults>),
    ByHeadOr(String),
}

/// What all ways of loading share: ids seen, tags interned, problems counted.
struct Checker {
    ids: HashSet<u128>,
    tags: BTreeSet<Arc<[String]>>,
    heads: Vec<CaseHead>,
    judges: BTreeMap<String, Spot>,
    problems: Problems,
    suppressed: usize,
}

impl Checker {
    fn new() -> Self {
        Self {
            ids: HashSet::new(),
            tags: BTreeSet::new(),
            heads: Vec::new(),
            judges: BTreeMap::new(),
            problems: Problems::none(),
            suppressed: 0,
        }
    }

    fn report(&mut self, problem: Problem) {
        if self.problems.len() < MOST_PROBLEMS {
            self.problems.push(problem);
        } else {
            self.suppressed += 1;
        }
    }

    fn case(&mut self, spec: &CaseSpec, spot: Spot, frame: &Frame<'_>, place: &dyn Fn(&Fault) -> Problem) {
        if !self.ids.insert(id_hash(&spec.id)) {
            let fault =
                Fault { field: "/id".to_owned(), message: format!("the id `{}` is there twice", spec.id), help: None };
            self.report(place(&fault));
        }
        match build::case(spec, spot, frame, build::Purpose::Check) {
            Ok(case) => {
                for judge in case.assertions.iter().flat_map(|assertion| assertion.scorer.judges()) {
                    self.judges.entry(judge.to_owned()).or_insert(spot);
                }
                let tags: Arc<[String]> = case.tags.into();
                let tags = match self.tags.get(&tags) {
                    Some(known) => Arc::clone(known),
                    None => {
                        self.tags.insert(Arc::clone(&tags));
                        tags
                    }
                };
                let cluster = case.cluster.as_deref().map(cluster_number);
                self.heads.push(CaseHead { level: case.level, tags, repeats: case.repeats, cluster });
            }
            Err(faults) => faults.iter().for_each(|fault| self.report(place(fault))),
        }
    }

    fn finish(mut self, shown: &str) -> Result<(Vec<CaseHead>, BTreeMap<String, Spot>), Problems> {
        if self.suppressed > 0 {
            self.problems.push(Problem::of_file(shown, format!("and {} more problems", self.suppressed)));
        }
        if self.problems.is_empty() && self.heads.is_empty() {
            self.problems.push(Problem::of_file(shown, "the suite has no case"));
        }
        self.problems.or((self.heads, self.judges))
    }
}

fn load_listed(
    document: &Document,
    name: String,
    defaults: Defaults,
    cases: Vec<CaseSpec>,
    hasher: Hasher,
) -> Result<Suite, Problems> {
    let (name, shown): (Arc<str>, Arc<str>) = (name.into(), document.path().into());
    let frame = Frame { suite: &name, path: &shown, defaults: &defaults };
    let mut checker = Checker::new();
    let mut listed = Vec::with_capacity(cases.len());
    for (index, spec) in cases.into_iter().enumerate() {
        let pointer = format!("/cases/{index}");
        let spot = document.spot(&pointer);
        let place = |fault: &Fault| {
            let problem = document.problem(&format!("{pointer}{}", fault.field), fault.message.clone());
            fault.help.iter().fold(problem, |problem, help| problem.help(help.clone()))
        };
        checker.case(&spec, spot, &frame, &place);
        listed.push((spec, spot));
    }
    let (heads, judges) = checker.finish(&shown)?;
    let source = Source::Listed(listed);
    Ok(Suite::read(name, shown, hasher.finish(), (heads, judges), defaults, source))
}

fn load_lines(path: &Path, shown: &str, named: Named, mut hasher: Hasher) -> Result<Suite, Problems> {
    let file = input::open(path).map_err(|error| unreadable(shown, &error))?;
    let kind = file.metadata().map_err(|error| unreadable(shown, &error))?;
    if !kind.is_file() {
        return Err(Problem::of_file(shown, "not a regular file").into());
    }
    let shown: Arc<str> = shown.into();
    let (mut name, mut defaults, mut head_allowed) = match named {
        Named::Given(name, defaults) => (name, *defaults, false),
        Named::ByHeadOr(name) => (name, Defaults::default(), true),
    };
    let mut bytes_digest = Sha256::new();
    let mut reader = BufReader::with_capacity(1 << 18, file.try_clone().map_err(|error| unreadable(&shown, &error))?);
    let (mut bytes, mut offset, mut number) = (Vec::new(), 0_u64, 0_u32);
    let mut checker = Checker::new();
    let mut places = Vec::new();
    let mut suite_name: Arc<str> = name.clone().into();
    loop {
        bytes.clear();
        let read = (&mut reader)
            .take(LONGEST_LINE)
            .read_until(b'\n', &mut bytes)
            .map_err(|error| unreadable(&shown, &error))?;
        if read == 0 {
            break;
        }
        number += 1;
        bytes_digest.update(&bytes);
        let start = offset;
        offset += read as u64;
        let spot = Spot { line: number, column: 1 };
        let Ok(text) = std::str::from_utf8(&bytes) else {
            checker.report(Problem::new(&shown, spot, "not UTF-8"));
            continue;
        };
        if read as u64 == LONGEST_LINE {
            checker.report(Problem::new(&shown, spot, format!("a line of more than {LONGEST_LINE} bytes")));
            break;
        }
        let mark = if number == 1 && text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
        let trimmed = text.get(mark..).unwrap_or_default().trim();
        if trimmed.is_empty() {
            continue;
        }
        if std::mem::take(&mut head_allowed) && trimmed.starts_with("{\"suite\"") {
            let document = document::parse_json_line(&shown, number, trimmed)?;
            let head: HeadLine = document::decode(&document)?;
            (name, defaults) = (head.suite.name, head.suite.defaults);
            suite_name = name.clone().into();
            continue;
        }
        match parse(&shown, number, trimmed) {
            Ok(spec) => {
                let place = |fault: &Fault| {
                    let field = fault.field.trim_start_matches('/');
                    let before = if field.is_empty() { String::new() } else { format!("{field}: ") };
                    let problem = Problem::new(&shown, spot, format!("{before}{}", fault.message));
                    fault.help.iter().fold(problem, |problem, help| problem.help(help.clone()))
                };
                let frame = Frame { suite: &suite_name, path: &shown, defaults: &defaults };
                checker.case(&spec, spot, &frame, &place);
                let begin = trimmed.as_ptr() as usize - bytes.as_ptr() as usize;
                let length = u32::try_from(trimmed.len()).unwrap_or(u32::MAX);
                places.push(At {
                    offset: start + begin as u64,
                    length,
                    line: number,
                    hash: hash_of(trimmed.as_bytes()),
                });
            }
            Err(problems) => problems.sorted().into_iter().for_each(|problem| checker.report(problem)),
        }
    }
    check_name(&name).map_err(|why| {
        let help = "give it one in the file's first line: {\"suite\": {\"name\": \"...\"}}";
        Problem::of_file(&shown, format!("{why}; {name:?} is none")).help(help)
    })?;
    let (heads, judges) = checker.finish(&shown)?;
    hasher.part(&bytes_digest.finalize());
    let source = Source::Lines(Lines { file, shown: Arc::clone(&shown), places });
    Ok(Suite::read(suite_name, shown, hasher.finish(), (heads, judges), defaults, source))
}

fn check_name(name: &str) -> Result<(), String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    if (1..=100).contains(&name.len()) && name.chars().all(allowed) {
        Ok(())
    } else {
        Err("a suite's name has 1 to 100 letters, digits, `_`, `.` or `-`".to_owned())
    }
}

fn unreadable(shown: &str, error: &std::io::Error) -> Problem {
    Problem::of_file(shown, format!("the suite cannot be read: {error}"))
}

/// 128 bits of two hashes with different beginnings: two of a million ids meet with a chance of less than one in 10^26, and
/// a suite that brings two together on purpose is refused, not passed.
fn id_hash(id: &str) -> u128 {
    let half = |seed: u8| {
        let mut hasher = DefaultHasher::new();
        seed.hash(&mut hasher);
        id.hash(&mut hasher);
        hasher.finish()
    };
    u128::from(half(1)) << 64 | u128::from(half(2))
}
