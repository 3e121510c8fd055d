//! Our own form of a file of probes.

use std::sync::Arc;

use super::LoadOptions;
use super::build::Frame;
use super::expand::{self, Fault, fault};
use super::gather::{Added, Gathered, MOST_PROBES};
use super::spec::{ProbeDefaults, ProbeFile, ProbeSpec};
use crate::document::{self, Problems};
use crate::eval::redteam::probe::ProbeSuite;
use crate::eval::request::Role;

/// The most text that the probes of one `vary` have, in bytes.
const MOST_TEXT: usize = 256 * 1024 * 1024;

/// Reads probes from YAML.
pub(in crate::eval::redteam) fn parse(
    text: &str,
    shown: &Arc<str>,
    options: &LoadOptions,
) -> Result<ProbeSuite, Problems> {
    let document = document::parse_yaml(shown, text)?;
    let file: ProbeFile = document::decode(&document)?;
    let frame = Frame { shown, defaults: &file.defaults, hazard: options.hazard, detect: &options.detect };
    let mut gathered = Gathered::new(shown, MOST_PROBES);
    'probes: for (index, spec) in file.probes.iter().enumerate() {
        let pointer = format!("/probes/{index}");
        let spot = document.spot(&pointer);
        let place = |found: &Fault| {
            let problem = document.problem(&format!("{pointer}{}", found.field), found.message.clone());
            found.help.iter().fold(problem, |problem, help| problem.help(help.clone()))
        };
        if expand::count(spec) > MOST_PROBES {
            let message = format!("the lists of `vary` make more than {MOST_PROBES} probes");
            gathered.report(place(&fault("/vary", message)));
            continue;
        }
        let spec = with_defaults(spec, &file.defaults);
        if expand::weight(&spec) > MOST_TEXT {
            gathered
                .report(place(&fault("/vary", format!("its probes would have more than {MOST_TEXT} bytes of text"))));
            continue;
        }
        let made = match expand::expand(&spec) {
            Ok(made) => made,
            Err(faults) => {
                faults.iter().for_each(|found| gathered.report(place(found)));
                continue;
            }
        };
        for probe in made {
            match gathered.add(probe, spot, &frame, &place) {
                Added::Fine => {}
                // What is wrong with one probe of a `vary` is, most often, wrong with all of them.
                Added::Faulty => break,
                Added::Full => break 'probes,
            }
        }
    }
    gathered.finish(&file.name)
}

/// The defaults in which slots of `vary` may stand, put into the probe before they are replaced.
fn with_defaults(spec: &ProbeSpec, defaults: &ProbeDefaults) -> ProbeSpec {
    let mut spec = spec.clone();
    let own = spec.messages.iter().flatten().any(|message| message.role == Role::System);
    if spec.system.is_none() && !own {
        spec.system.clone_from(&defaults.system);
    }
    if spec.detect.is_empty() {
        spec.detect.clone_from(&defaults.detect);
    }
    spec
}
