//! Tasks become the requests that lm-eval makes of them, and what cannot be followed is refused with its line.

use std::path::Path;

use crate::eval::case::Grading;
use crate::eval::request::{Prompt, Request};
use crate::eval::suite::{Around, Asked, Suite};

use super::{Expected, load};

pub(super) fn loaded(folder: &Path, file: &str) -> Result<Vec<Suite>, String> {
    let around = Around { environment: &|_| None, asked: Asked::Policy, judge: None, working: None, chat: None };
    load(&folder.join(file), file, around).map_err(|problems| {
        let lines = problems.sorted().into_iter().map(|problem| problem.render(&|text| text.raw().to_owned()));
        lines.collect::<Vec<_>>().join("\n")
    })
}

fn with(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        crate::store::file::write_atomically(&path, text.as_bytes()).unwrap();
    }
    folder
}

const ROWS: &str = r#"{"q": "2+2?", "choices": ["3", "4"], "answer": 1}
{"q": "1+1?", "choices": ["2", "5"], "answer": 0}
"#;
const CHOICE: &str = "task: sums
dataset_path: json
dataset_kwargs: {data_files: {test: rows.jsonl}}
output_type: multiple_choice
test_split: test
doc_to_text: \"Q: {{q}}\\nA:\"
doc_to_choice: choices
doc_to_target: answer
metadata: {version: 1.0}
";

#[test]
fn a_multiple_choice_task_ranks_its_choices_behind_the_delimiter() {
    let folder = with(&[("task.yaml", CHOICE), ("rows.jsonl", ROWS)]);
    let suites = loaded(folder.path(), "task.yaml").unwrap();
    let [suite] = suites.as_slice() else { panic!("one suite") };
    let case = suite.case(0).unwrap();
    let Request::RankChoices(rank) = &case.request else { panic!("a ranking") };
    assert_eq!(rank.prompt, Prompt::Text("Q: 2+2?\nA:".to_owned()));
    assert_eq!(rank.continuations, [" 3", " 4"]);
    let Grading::Task(doc) = &case.grading else { panic!("a task") };
    assert_eq!(doc.expected, Expected::Choice(1));
    assert_eq!(suite.heads().len(), 2);
    let names: Vec<&str> = suite.declared().iter().map(|declared| declared.name.as_str()).collect();
    assert_eq!(names, ["acc", "acc_norm"]);
}

#[test]
fn a_generation_task_stops_at_its_texts() {
    let task = "task: words\ndataset_path: json\ndataset_kwargs: {data_files: rows.jsonl}\ntest_split: train\n\
                doc_to_text: '{{q}}'\ndoc_to_target: '{{answer}}'\ngeneration_kwargs: {until: [\"\\n\"], max_gen_toks: 8}\nrepeats: 3\n";
    let folder = with(&[("task.yaml", task), ("rows.jsonl", ROWS)]);
    let suites = loaded(folder.path(), "task.yaml").unwrap();
    let case = suites.first().unwrap().case(1).unwrap();
    let Request::Generate(generate) = &case.request else { panic!("a generation") };
    assert_eq!(
        (generate.stop.as_slice(), generate.max_tokens, generate.temperature),
        (["\n".to_owned()].as_slice(), 8, 0.0)
    );
    assert_eq!(case.dialogue, crate::eval::dialogue::Dialogue::Repeated(3));
    let Grading::Task(doc) = &case.grading else { panic!("a task") };
    assert_eq!(doc.expected, Expected::Text("0".to_owned()));
}

#[test]
fn rouge_is_a_metric_of_each_kind() {
    let names = |metric: &str| -> Vec<String> {
        let task = format!(
            "task: words\ndataset_path: json\ndataset_kwargs: {{data_files: rows.jsonl}}\ntest_split: train\noutput_type: generate_until\n\
             doc_to_text: '{{{{q}}}}'\ndoc_to_target: '{{{{answer}}}}'\nmetric_list: [{{{metric}}}]\n"
        );
        let folder = with(&[("task.yaml", &task), ("rows.jsonl", ROWS)]);
        let suites = loaded(folder.path(), "task.yaml").unwrap();
        let case = suites.first().unwrap().case(1).unwrap();
        let Grading::Task(doc) = &case.grading else { panic!("a task") };
        doc.task.metrics.iter().map(|metric| format!("{} {}", metric.name, metric.aggregation)).collect()
    };
    assert_eq!(names("metric: rouge"), ["rouge1 mean", "rouge2 mean", "rougeL mean", "rougeLsum mean"]);
    let some = "metric: rouge, rouge_types: [rougeL, rouge3], aggregation: median";
    assert_eq!(names(some), ["rougeL median", "rouge3 median"]);
}

#[test]
fn what_needs_python_or_is_unknown_is_refused_with_its_line() {
    let table = [
        ("process_docs: !function utils.docs\n", "task.yaml:10:25", "`!function utils.docs` needs Python"),
        ("doc_to_txt: x\n", "task.yaml:10:1", "did you mean `doc_to_text`?"),
        ("class: !function task.Task\n", "task.yaml:10:18", "harness: lm_eval"),
        ("metric_list: [{metric: meteor}]\n", "task.yaml:10:14", "`meteor` is not one"),
        ("metric_list: [{metric: rouge, use_stemmer: true}]\n", "task.yaml:10:14", "`use_stemmer` of rouge is false"),
        ("metric_list: [{metric: rouge, rouge_types: [rouge0]}]\n", "task.yaml:10:14", "`rouge1` to `rouge9`"),
        ("filter_list: [{name: a, filter: [{function: custom}]}]\n", "task.yaml:10:14", "`custom` is not one"),
        ("doc_to_image: [x]\n", "task.yaml:10:1", "needs what only lm_eval itself has"),
        ("num_fewshot: 9\n", "task.yaml:10:14", "too few rows"),
        ("generation_kwargs: {beams: 2}\n", "task.yaml:10:20", "`beams`"),
    ];
    for (line, place, words) in table {
        let folder = with(&[("task.yaml", &format!("{CHOICE}{line}")), ("rows.jsonl", ROWS)]);
        let problem = loaded(folder.path(), "task.yaml").err().unwrap();
        assert!(problem.contains(place) && problem.contains(words), "{line}: {problem}");
    }
}

#[test]
fn a_group_is_a_suite_a_task_with_the_groups_name_as_tag() {
    let group = "group: all\nnum_fewshot: 1\ntask:\n  - sums\n  - task: more\n    include: x\n";
    let group = group.replace(
        "    include: x\n",
        "    dataset_path: json\n    dataset_kwargs: {data_files: {test: rows.jsonl}}\n    \
        test_split: test\n    doc_to_text: q\n    doc_to_target: '{{answer}}'\n",
    );
    let included = format!("include: base\n{}", "task: sums\ndescription: 'Sums. '\n");
    let folder = with(&[
        ("group.yaml", &group),
        ("below/sums.yaml", &included),
        ("below/base", CHOICE),
        ("rows.jsonl", ROWS),
        ("below/rows.jsonl", ROWS),
    ]);
    let suites = loaded(folder.path(), "group.yaml").unwrap();
    let names: Vec<&str> = suites.iter().map(|suite| suite.name().as_ref()).collect();
    assert_eq!(names, ["sums", "all.more"]);
    let case = suites.first().unwrap().case(0).unwrap();
    assert_eq!(case.tags, ["all"]);
    let Prompt::Text(text) = case.request.prompt() else { panic!("a text") };
    assert!(text.starts_with("Sums. Q: ") && text.ends_with("Q: 2+2?\nA:"), "{text}");
}

#[test]
fn a_file_that_includes_itself_is_refused() {
    let folder = with(&[("task.yaml", "include: task.yaml\ntask: x\n")]);
    assert!(loaded(folder.path(), "task.yaml").err().unwrap().contains("includes itself"));
}
