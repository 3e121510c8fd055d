//! Suites: from files to cases. A suite of JSON lines is never held in memory: each line is checked once, and read again
//! when its case is drawn.

mod build;
mod filter;
mod lines;
mod load;
mod recognise;
mod spec;
mod template;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::document::{Problem, Spot};
use crate::eval::case::{Case, Level};
use crate::eval::model::ModelSpec;
use crate::eval::task::TaskChat;
use crate::gate::Declared;
use crate::trust::Digest;

pub use filter::Filter;
pub use load::{cases_beside, load};
pub use recognise::Form;
pub use spec::{CaseSpec, CasesSpec, Defaults, SuiteFile, schemas};

/// What is kept of each case: enough to filter and to count.
#[derive(Clone, Debug)]
pub struct CaseHead {
    /// Its level.
    pub level: Level,
    /// Its tags; cases with the same tags share them.
    pub tags: Arc<[String]>,
    /// Its samples, at least 1.
    pub repeats: u32,
    /// Its cluster's name, hashed: the cases of a cluster are asked, and judged, together.
    pub cluster: Option<u64>,
}

/// A suite that has been read and checked.
pub struct Suite {
    name: Arc<str>,
    shown: Arc<str>,
    listed: Option<Arc<str>>,
    form: Form,
    digest: Digest,
    heads: Vec<CaseHead>,
    defaults: Defaults,
    judges: BTreeMap<String, Spot>,
    models: BTreeMap<String, OwnModel>,
    declared: Vec<Declared>,
    notes: Vec<Problem>,
    stands_for: Option<u64>,
    data: Vec<PathBuf>,
    source: Source,
}

/// A model that a suite of another tool names itself.
#[derive(Clone, Debug)]
pub struct OwnModel {
    /// How it is reached.
    pub spec: ModelSpec,
    /// Where it stands in the suite.
    pub spot: Spot,
}

/// What is around a suite when it is read.
#[derive(Clone, Copy)]
pub struct Around<'a> {
    /// The environment, for suites that look into it.
    pub environment: &'a dyn Fn(&str) -> Option<String>,
    /// Who is asked.
    pub asked: Asked,
    /// The policy's model that judges where a suite of another tool says only that a model judges.
    pub judge: Option<&'a str>,
    /// The folder from which a task's data is sought first, as lm-eval seeks it from where it runs; none for where this process runs.
    pub working: Option<&'a Path>,
    /// How tasks of lm-eval are put to a model; none for lm-eval's own default, one text.
    pub chat: Option<&'a TaskChat>,
}

/// Who answers the cases of a suite that names models itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Asked {
    /// The models that it names.
    Own,
    /// The policy's model under test, in the place of all of them.
    Policy,
}

/// Makes cases that stand in no file as they are asked: attacks.
pub trait CaseSource: Send + Sync {
    /// Makes one case, the same at every call.
    fn case(&self, index: usize) -> Result<Case, Problem>;
}

/// A suite whose cases are made when they are drawn.
pub struct Made {
    /// Unique in the run.
    pub name: Arc<str>,
    /// What the user calls it.
    pub shown: Arc<str>,
    /// Over everything that defines the cases.
    pub digest: Digest,
    /// One entry a case.
    pub heads: Vec<CaseHead>,
    /// The models that its cases ask besides the one under test, and where the first mention of each stands.
    pub judges: BTreeMap<String, Spot>,
    /// The models that it names itself, by the keys that its cases and graders use.
    pub models: BTreeMap<String, OwnModel>,
    /// Metrics that it brings along.
    pub declared: Vec<Declared>,
    /// What is no error, and surely not what its author wanted.
    pub notes: Vec<Problem>,
    /// Makes the cases.
    pub source: Box<dyn CaseSource>,
}

enum Source {
    /// A YAML list: the cases as written, and where each stands.
    Listed(Vec<(CaseSpec, Spot)>),
    /// A file of JSON lines.
    Lines(lines::Lines),
    /// Made when they are drawn.
    Made(Box<dyn CaseSource>),
}

impl Suite {
    /// A suite of our own form.
    fn read(
        name: Arc<str>,
        shown: Arc<str>,
        digest: Digest,
        (heads, judges): (Vec<CaseHead>, BTreeMap<String, Spot>),
        defaults: Defaults,
        source: Source,
    ) -> Self {
        let (models, declared, notes) = (BTreeMap::new(), Vec::new(), Vec::new());
        let (listed, form, stands_for, data) = (None, Form::Own, None, Vec::new());
        Self {
            name,
            shown,
            listed,
            form,
            digest,
            heads,
            defaults,
            judges,
            models,
            declared,
            notes,
            stands_for,
            data,
            source,
        }
    }

    /// A suite of cases that stand in no file as they are asked.
    pub fn made(made: Made) -> Self {
        let Made { name, shown, digest, heads, judges, models, declared, notes, source } = made;
        let read = Self::read(name, shown, digest, (heads, judges), Defaults::default(), Source::Made(source));
        Self { models, declared, notes, ..read }
    }

    /// A suite of which every sample is there already: nobody is asked.
    pub fn recorded(made: Made) -> Self {
        Self { form: Form::Recorded, ..Self::made(made) }
    }

    /// The same, where its samples are not there and only what so many of them came to.
    #[must_use]
    pub fn standing_for(self, samples: u64) -> Self {
        Self { stands_for: Some(samples), ..self }
    }

    /// How many samples its one case stands for, where it does.
    pub fn stands_for(&self) -> Option<u64> {
        self.stands_for
    }

    /// The samples that its results are of.
    pub fn samples(&self) -> u64 {
        self.stands_for.unwrap_or_else(|| self.heads.iter().map(|head| u64::from(head.repeats)).sum())
    }

    /// The same suite, whose cases come from these files besides its own.
    pub fn with_data(self, data: Vec<PathBuf>) -> Self {
        Self { data, ..self }
    }

    /// Files of data that its cases come from, as they are opened; those of promptfoo's configs and of our own form, which are always
    /// below or beside the suite, are not listed.
    pub fn data(&self) -> &[PathBuf] {
        &self.data
    }

    /// `name:` of the suite.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// The file as the user named it.
    pub fn shown_path(&self) -> &str {
        &self.shown
    }

    /// The file that the policy or the command line lists: a group of tasks is listed once, and holds several suites.
    pub fn listed_as(&self) -> &str {
        self.listed.as_deref().unwrap_or(&self.shown)
    }

    /// The tool that its file was written for.
    pub fn form(&self) -> Form {
        self.form
    }

    /// Over every byte that defines its cases.
    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    /// One entry a case, in the order of the file.
    pub fn heads(&self) -> &[CaseHead] {
        &self.heads
    }

    /// The judges that its assertions ask, and where the first of each stands.
    pub fn judges(&self) -> &BTreeMap<String, Spot> {
        &self.judges
    }

    /// The models that the suite names itself, by key.
    pub fn models(&self) -> &BTreeMap<String, OwnModel> {
        &self.models
    }

    /// Metrics that the suite brings along, and which way they are better.
    pub fn declared(&self) -> &[Declared] {
        &self.declared
    }

    /// What is no error, and surely not what the suite's author wanted.
    pub fn notes(&self) -> &[Problem] {
        &self.notes
    }

    /// Builds one case. It was checked when the suite was read, so a problem here means that its file has changed since.
    pub fn case(&self, index: usize) -> Result<Case, Problem> {
        let (spec, spot, path) = match &self.source {
            Source::Listed(cases) => {
                let (spec, spot) = cases.get(index).ok_or_else(|| self.gone(index))?;
                return self.built(spec, *spot, &self.shown);
            }
            Source::Lines(lines) => {
                let (spec, line) = lines.read(index)?;
                (spec, Spot { line, column: 1 }, lines.shown())
            }
            Source::Made(source) => return source.case(index),
        };
        self.built(&spec, spot, path)
    }

    fn built(&self, spec: &CaseSpec, spot: Spot, path: &Arc<str>) -> Result<Case, Problem> {
        let frame = build::Frame { suite: &self.name, path, defaults: &self.defaults };
        build::case(spec, spot, &frame, build::Purpose::Draw).map_err(|faults| {
            let message = faults.into_iter().next().map(|fault| fault.message).unwrap_or_default();
            Problem::new(path, spot, message)
        })
    }

    fn gone(&self, index: usize) -> Problem {
        Problem::of_file(&self.shown, format!("the suite has no case number {index}"))
    }
}
