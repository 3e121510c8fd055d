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
        // What would be measured otherwise than its name says, or not at all.
        ("metric_list: [{metric: acc, aggregation: f1}]\n", "task.yaml:10:14", "the aggregation `f1` of `acc`"),
        ("metric_list: [{metric: f1, aggregation: mean}]\n", "task.yaml:10:14", "leave it out for lm-eval's own, `f1`"),
        ("metric_list: [{metric: acc}, {metric: acc}]\n", "task.yaml:10:14", "two metrics are called `acc`"),
        ("filter_list: [{name: a, filter: [{function: lowercase}]}]\n", "task.yaml:10:14", "asks for likelihoods"),
        (
            "filter_list: [{name: a b, filter: [{function: take_first}]}, {name: a_b, filter: [{function: take_first}]}]\n",
            "task.yaml:10:14",
            "two metrics are called `acc.a_b`",
        ),
        ("tag: [a, 5]\n", "task.yaml:10:6", "a list of texts"),
        (
            "fewshot_split: test\ndescription: \"{% for a in range(9999) %}{% for b in range(9999) %}{{q * 99}}{% endfor %}{% endfor %}\"\n",
            "task.yaml:1:7",
            "more than 8388608 bytes",
        ),
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

fn expected(suite: &Suite, index: usize) -> Expected {
    let Grading::Task(doc) = suite.case(index).unwrap().grading else { panic!("a task") };
    doc.expected
}

/// Source: lm-eval 0.4.13, `ConfigurableTask`: `multiple_target` is what the first document has.
#[test]
fn whether_there_are_several_right_answers_is_said_by_the_first_document() {
    let task = "task: words\ndataset_path: json\ndataset_kwargs: {data_files: rows.jsonl}\ntest_split: train\n\
                doc_to_text: '{{q}}'\ndoc_to_target: '{{answer}}'\n";
    let loaded_rows = |first: &str, second: &str| {
        let row = |answer: &str| format!("{}\n", serde_json::json!({"q": "?", "answer": answer}));
        let rows = format!("{}{}", row(first), row(second));
        let folder = with(&[("task.yaml", task), ("rows.jsonl", &rows)]);
        loaded(folder.path(), "task.yaml")
    };
    let rows = |first: &str, second: &str| {
        let suites = loaded_rows(first, second).unwrap();
        (expected(suites.first().unwrap(), 0), expected(suites.first().unwrap(), 1))
    };
    let (text, texts) = (
        |text: &str| Expected::Text(text.to_owned()),
        |texts: &[&str]| Expected::Texts(texts.iter().map(|text| (*text).to_owned()).collect()),
    );
    // An answer that looks like a list is one answer where the others are none: `1` is not right.
    assert_eq!(rows("5", "[1, 2]"), (text("5"), text("[1, 2]")));
    assert_eq!(rows("['a', 'b']", "['c']"), (texts(&["a", "b"]), texts(&["c"])));
    // lm-eval takes the letters of such a text for the right answers.
    assert!(loaded_rows("['a', 'b']", "word").err().unwrap().contains("the target is no list"));
}

/// Source: lm-eval 0.4.13: each of these ends its run.
#[test]
fn a_right_answer_that_is_no_choice_of_any_kind_is_refused() {
    let rows = |first: serde_json::Value, second: serde_json::Value, task: &str| {
        let row = |answer| format!("{}\n", serde_json::json!({"q": "?", "choices": ["x", "y"], "answer": answer}));
        let rows = format!("{}{}", row(first), row(second));
        let folder = with(&[("task.yaml", task), ("rows.jsonl", &rows)]);
        let suites = loaded(folder.path(), "task.yaml")?;
        Ok::<_, String>((expected(suites.first().unwrap(), 0), expected(suites.first().unwrap(), 1)))
    };
    use serde_json::{Value, json};
    // A table has an index as a float where a cell is empty.
    for (first, second) in [(json!(1.0), json!(0.0)), (json!(1), Value::Null), (json!(["x"]), json!(["y"]))] {
        let problem = rows(first, second, CHOICE).err().unwrap();
        assert!(problem.contains("is no index of a choice"), "{problem}");
    }
    assert_eq!(rows(json!("y"), json!("z"), CHOICE), Ok((Expected::Choice(1), Expected::None)));
    assert_eq!(rows(json!([0, 7]), json!([]), CHOICE), Ok((Expected::Choices(vec![0]), Expected::None)));
    let generated = CHOICE.replace("multiple_choice", "generate_until");
    assert_eq!(rows(json!(true), json!(false), &generated).map(|both| both.0), Ok(Expected::Text("y".to_owned())));
    assert!(rows(json!("x"), json!("y"), &generated).err().unwrap().contains("is no index of a choice"));
}

#[test]
fn groups_that_list_one_another_many_times_come_to_an_end() {
    let list = |name: &str| format!("[{}]", vec![name; 100].join(", "));
    let group = |name: &str, next: &str| format!("group: {name}\ntask: {}\n", list(next));
    let names = ["a", "b", "c", "d", "e", "f"];
    let mut files: Vec<(String, String)> =
        names.iter().zip(names.iter().skip(1)).map(|(one, two)| (format!("{one}.yaml"), group(one, two))).collect();
    files.push(("f.yaml".to_owned(), group("f", "sums")));
    files.push(("sums.yaml".to_owned(), CHOICE.to_owned()));
    files.push(("rows.jsonl".to_owned(), ROWS.to_owned()));
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let folder = with(&files);
    let problem = loaded(folder.path(), "a.yaml").err().unwrap();
    assert!(problem.contains("list more than 10000 entries"), "{problem}");
}

#[test]
fn a_task_with_a_tag_that_cannot_be_read_is_missed() {
    let tagged = format!("{CHOICE}tag: all\n");
    let other = tagged.replace("task: sums", "task: more");
    let files = [("group.yaml", "group: g\ntask: [all]\n"), ("rows.jsonl", ROWS), ("one.yaml", &tagged)];
    let suites = |second: &str, name: &str| {
        let folder = with(&[files.as_slice(), &[(name, second)]].concat());
        loaded(folder.path(), "group.yaml").map(|suites| suites.len())
    };
    assert_eq!(suites(&other, "two.yaml"), Ok(2));
    let problem = suites(&format!("{other}a: [\n"), "two.yaml").err().unwrap();
    assert!(problem.contains("two.yaml:"), "{problem}");
    let problem = suites("include: gone\ntask: more\n", "two.yaml").err().unwrap();
    assert!(problem.contains("there is no file"), "{problem}");
    // What has nothing to do with the tag may be anything.
    assert_eq!(suites("a: [\n", "two.yaml"), Ok(1));
}

#[test]
fn what_a_task_includes_is_listed_with_its_data() {
    let folder = with(&[("task.yaml", "include: base\ntask: x\n"), ("base", CHOICE), ("rows.jsonl", ROWS)]);
    let suites = loaded(folder.path(), "task.yaml").unwrap();
    let names: Vec<_> = suites.first().unwrap().data().iter().filter_map(|path| path.file_name()).collect();
    assert_eq!(names, ["rows.jsonl", "base"]);
    let folder = with(&[("task.yaml", "include: [base, 5]\ntask: x\n"), ("base", CHOICE), ("rows.jsonl", ROWS)]);
    assert!(loaded(folder.path(), "task.yaml").is_err());
}
