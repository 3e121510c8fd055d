//! The report as one static page: no script, nothing loaded, readable without colour, on light and dark. Everything that
//! is not written here goes through the sink as entities.

mod safety;

use crate::gate::Verdict;
use crate::report::changes::{in_order, word as kind};
use crate::report::headline::headline;
use crate::report::layout::{capital, duration, heading, signs};
use crate::report::rows::{early_stop, servers, word};
use crate::report::safety::{defanged, is_silent};
use crate::report::table::{Line, power, table};
use crate::report::{FailedSample, Gpu, Report, Sink};
use crate::trust::Untrusted;

/// Characters of a sentence of our own.
const SENTENCE: usize = 1000;
/// Characters of somebody else's text; a report quotes fewer.
const QUOTE: usize = 2000;

const STYLE: &str = "\
:root{color-scheme:light dark;--line:#8886;--soft:#8882;--pass:#1a7f37;--fail:#cf222e;--open:#9a6700}\
@media(prefers-color-scheme:dark){:root{--pass:#57ab5a;--fail:#f47067;--open:#daaa3f}}\
body{font:16px/1.5 system-ui,sans-serif;max-width:64rem;margin:2rem auto;padding:0 1rem}\
h1{font-size:1.5rem;line-height:1.3;border-left:.4rem solid;padding-left:.8rem}h2{font-size:1.15rem;margin-top:2rem}\
.pass{color:var(--pass)}.fail,.error{color:var(--fail)}.inconclusive{color:var(--open)}\
.scroll{overflow-x:auto}table{border-collapse:collapse;width:100%}th,td{padding:.35rem .6rem;border-bottom:1px solid var(--line);text-align:left}\
th{white-space:nowrap}.number{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}td:last-child{font-weight:600;white-space:nowrap}td.number:last-child{font-weight:400}\
pre{white-space:pre-wrap;overflow-wrap:anywhere;background:var(--soft);padding:.6rem;border-radius:.3rem;margin:.3rem 0}\
code{overflow-wrap:anywhere}summary{cursor:pointer;padding:.2rem 0}details{border-bottom:1px solid var(--line)}\
dl{display:grid;grid-template-columns:max-content 1fr;gap:.2rem 1rem}dt{opacity:.75}dd{margin:0;overflow-wrap:anywhere}";

/// Writes elements; what is opened is closed by the function that opened it.
struct Page<'a> {
    text: String,
    sink: &'a Sink,
}

/// The text of `report.html`.
pub fn html(report: &Report, sink: &Sink) -> String {
    let report = &*defanged(report);
    let mut page = Page { text: String::new(), sink };
    let title = format!("{}: {}", report.program, report.verdict.word());
    page.raw("<!doctype html>\n<html lang=en>\n<head>\n<meta charset=utf-8>\n");
    page.raw("<meta http-equiv=Content-Security-Policy content=\"default-src 'none'; style-src 'unsafe-inline'\">\n");
    page.raw("<meta name=viewport content=\"width=device-width, initial-scale=1\">\n<meta name=referrer content=no-referrer>\n");
    page.element("title", None, |page| page.own(&title));
    page.raw("<style>");
    page.raw(STYLE);
    page.raw("</style>\n</head>\n<body>\n<main>\n");
    page.top(report);
    page.gate_changes(report);
    if let Some(safety) = &report.safety {
        page.attacks(report, safety);
    }
    page.metrics(report);
    page.rules(report);
    page.changes(report);
    page.samples(report);
    page.about(report);
    page.raw("</main>\n</body>\n</html>\n");
    sink.whole(&page.text)
}

/// A device, and what is known of it.
fn device(gpu: &Gpu) -> String {
    let fact = |name: &str, text: &Option<Untrusted>| {
        text.as_ref().map(|text| format!(", {name} {}", text.raw())).unwrap_or_default()
    };
    let (driver, clocks) = (fact("driver", &gpu.driver), fact("clocks", &gpu.clocks));
    format!("{} ({}{driver}{clocks})", gpu.name.raw(), gpu.uuid_digest.short())
}

impl Page<'_> {
    fn raw(&mut self, fixed: &'static str) {
        self.text.push_str(fixed);
    }

    fn own(&mut self, sentence: &str) {
        self.quoted(&Untrusted::new(sentence), SENTENCE);
    }

    fn quoted(&mut self, text: &Untrusted, most: usize) {
        self.text.push_str(&self.sink.html(text, most));
    }

    fn element(&mut self, name: &'static str, class: Option<&'static str>, inside: impl FnOnce(&mut Self)) {
        self.text.push('<');
        self.text.push_str(name);
        if let Some(class) = class {
            self.text.push_str(" class=");
            self.text.push_str(class);
        }
        self.text.push('>');
        inside(self);
        self.text.push_str("</");
        self.text.push_str(name);
        self.text.push_str(">\n");
    }

    fn top(&mut self, report: &Report) {
        let decided = headline(report);
        let words = format!("{}: {}. {}", report.program, report.verdict.word(), decided.text);
        self.element("h1", Some(report.verdict.word()), |page| page.own(&words));
        if let Some(sentence) = decided.sentence {
            self.element("p", None, |page| page.own(&sentence));
        }
        if let Some(saved) = early_stop(&report.run) {
            self.element("p", None, |page| page.own(&capital(&saved)));
        }
        for note in report.comparison.iter().flat_map(|comparison| &comparison.notes) {
            self.element("p", None, |page| {
                page.element("strong", None, |page| page.own("Note"));
                page.quoted(note, QUOTE);
            });
        }
    }

    fn gate_changes(&mut self, report: &Report) {
        if report.gate_changes.is_empty() {
            return;
        }
        self.raw("<h2>The pull request changes its own gate</h2>\n");
        self.element("ul", None, |page| {
            for change in in_order(report) {
                page.element("li", None, |page| {
                    page.element("strong", None, |page| page.own(kind(change.kind)));
                    page.element("code", None, |page| page.quoted(&change.place, 200));
                    page.quoted(&change.what, QUOTE);
                });
            }
        });
    }

    fn metrics(&mut self, report: &Report) {
        let table = table(report);
        if table.lines.is_empty() {
            return;
        }
        self.raw("<h2>Metrics</h2>\n");
        let head: Vec<&str> = table.head.to_vec();
        self.judged_table(&head, table.right, &table.lines);
    }

    /// A table whose last column is the verdict.
    fn judged_table(&mut self, head: &[&str], right: &[usize], lines: &[Line]) {
        let class = |at: usize| right.contains(&at).then_some("number");
        self.raw("<div class=scroll><table>\n<thead><tr>");
        for (at, name) in head.iter().enumerate() {
            self.element("th", class(at), |page| page.own(&heading(name)));
        }
        self.raw("</tr></thead>\n<tbody>\n");
        for line in lines {
            self.element("tr", None, |page| page.line(line, &class));
        }
        self.raw("</tbody>\n</table></div>\n");
    }

    fn line(&mut self, line: &Line, class: &dyn Fn(usize) -> Option<&'static str>) {
        for (at, cell) in line.cells.iter().enumerate() {
            self.element("td", class(at), |page| page.own(&signs(cell)));
        }
        let verdict = line.verdict.map_or("", Verdict::word);
        self.element("td", line.verdict.map(|_| verdict), |page| page.own(line.word()));
    }

    fn rules(&mut self, report: &Report) {
        self.raw("<h2>Rules in words</h2>\n");
        self.element("ul", None, |page| {
            for reason in &report.reasons {
                page.element("li", None, |page| {
                    page.element("strong", Some(reason.verdict.word()), |page| page.own(word(reason.verdict)));
                    page.own(&reason.text);
                });
            }
            for row in report.comparison.iter().flat_map(|comparison| &comparison.rows) {
                page.element("li", None, |page| page.own(&power(row)));
            }
        });
    }

    fn changes(&mut self, report: &Report) {
        let Some(comparison) = &report.comparison else { return };
        for (title, cases, count) in [
            ("newly failing", &comparison.newly_failing, comparison.newly_failing_count),
            ("newly passing", &comparison.newly_passing, comparison.newly_passing_count),
        ] {
            if cases.is_empty() {
                continue;
            }
            self.element("h2", None, |page| page.own(&format!("{} of {count} {title} cases", cases.len())));
            self.element("ul", None, |page| {
                for case in cases {
                    page.element("li", None, |page| {
                        page.element("code", None, |page| page.quoted(&case.case, 200));
                        page.own(&format!(
                            "{}: passed {:.2} before, {:.2} now",
                            case.suite, case.baseline, case.candidate
                        ));
                    });
                }
            });
        }
    }

    fn samples(&mut self, report: &Report) {
        if report.failed_samples.is_empty() {
            return;
        }
        let counts = &report.counts;
        let bad = counts.failed + counts.unscored + counts.errors;
        let shown = report.failed_samples.len();
        let title = match report.comparison {
            Some(_) => format!("{shown} newly failing samples"),
            None => format!("{shown} of {bad} samples that did not pass"),
        };
        self.element("h2", None, |page| page.own(&title));
        for sample in &report.failed_samples {
            self.element("details", None, |page| page.sample(sample));
        }
    }

    fn sample(&mut self, sample: &FailedSample) {
        self.element("summary", None, |page| {
            page.element("strong", None, |page| page.own(&sample.status));
            page.element("code", None, |page| page.quoted(&sample.case, 200));
            page.quoted(&sample.why, QUOTE);
        });
        let place = format!("{}:{}, repeat {}", sample.path.raw(), sample.line, sample.repeat);
        self.element("p", None, |page| page.element("code", None, |page| page.own(&place)));
        if is_silent(sample) {
            return;
        }
        for (name, text) in [("Prompt", &sample.prompt), ("Answer", &sample.completion)] {
            self.element("div", None, |page| page.own(name));
            self.element("pre", None, |page| page.quoted(text, QUOTE));
        }
    }

    fn about(&mut self, report: &Report) {
        let Report { model, suite, counts, timing, host, run, .. } = report;
        let text = |text: &Option<Untrusted>| text.as_ref().map(|text| text.raw().to_owned());
        let gpus = match host.gpus.as_deref() {
            None => "unknown".to_owned(),
            Some([]) => "none".to_owned(),
            Some(gpus) => gpus.iter().map(device).collect::<Vec<_>>().join(", "),
        };
        let mut facts = vec![
            ("Repository", text(&host.repository)),
            ("Commit", text(&host.commit)),
            ("Branch", text(&host.reference)),
            ("Run", text(&host.run_url)),
            ("Model", Some(format!("{} ({}), {}", model.name, model.provider, model.digest))),
            ("Described as", Some(model.description.raw().to_owned()).filter(|text| !text.is_empty())),
            ("Suite", Some(format!("{}, {}", suite.name, suite.digest))),
            ("Policy", Some(report.policy_digest.to_string())),
        ];
        facts.extend(servers(run).into_iter().map(|server| ("Server", Some(server))));
        for side in report.comparison.iter().flat_map(|comparison| &comparison.sides) {
            let commit = side.commit.as_ref().map(|commit| format!(", commit {}", commit.raw())).unwrap_or_default();
            let name = if side.role == "anchor" { "Anchor" } else { "Baseline" };
            facts.push((name, Some(format!("{}{commit}, {}", side.address.raw(), side.digest))));
        }
        let counted = format!(
            "{} of {} cases: {} passed, {} failed, {} unscored, {} in error; {} cached, {} resumed",
            counts.samples,
            counts.cases,
            counts.passed,
            counts.failed,
            counts.unscored,
            counts.errors,
            counts.cached,
            counts.resumed
        );
        facts.extend([
            ("Samples", Some(counted)),
            ("Tokens", Some(format!("{} of prompts, {} of answers", run.prompt_tokens, run.completion_tokens))),
            ("Seed", Some(report.seed.to_string())),
            ("Began", Some(timing.started_at.clone())),
            ("Took", Some(duration(timing.seconds))),
            ("GPU", Some(gpus)),
            ("Cost", run.cost_usd.map(|cost| format!("{cost:.4} USD"))),
            ("Program", Some(format!("{} {}", report.program, report.program_version))),
        ]);
        self.raw("<h2>About this run</h2>\n");
        self.element("dl", None, |page| {
            for (name, value) in facts.iter().filter_map(|(name, value)| Some((name, value.as_ref()?))) {
                page.element("dt", None, |page| page.own(name));
                page.element("dd", None, |page| page.own(value));
            }
        });
    }
}
