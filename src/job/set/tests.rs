use super::super::Job;
use super::super::check::parse;
use super::super::folder::load_folder;
use super::JobSet;
use crate::diagnostic::Problems;

const GOOD: &str = include_str!("../testdata/exam-history.toml");

fn job(cluster: &str, table: &str, blocked_by: &str) -> Job {
    let text = text(cluster, table, blocked_by);
    parse(&format!("jobs/{cluster}.toml"), &text).unwrap_or_else(|problems| panic!("{problems}"))
}

fn text(cluster: &str, table: &str, blocked_by: &str) -> String {
    GOOD.replacen("\"exam-history\"", &format!("\"{cluster}\""), 1)
        .replacen("\"public.exam_attempt\"", &format!("\"{table}\""), 1)
        .replacen("\"complaint\"", &format!("\"{blocked_by}\""), 1)
}

fn order(set: &JobSet) -> Vec<&str> {
    set.jobs().iter().map(|job| job.cluster.as_str()).collect()
}

#[test]
fn a_job_runs_before_those_whose_records_it_blocks() {
    let jobs = vec![
        job("learner", "learner", "enrolment"),
        job("request", "request", "complaint"),
        job("enrolment", "public.enrolment", "attempt"),
        job("attempt", "attempt", "complaint"),
    ];
    let set = JobSet::new("jobs", jobs).unwrap();
    assert_eq!(order(&set), ["request", "attempt", "enrolment", "learner"]);
}

#[test]
fn jobs_that_block_each_other_are_told() {
    let jobs = vec![
        job("a", "ta", "tb"),
        job("b", "tb", "tc"),
        job("c", "tc", "tb"),
    ];
    let problems = JobSet::new("jobs", jobs).unwrap_err();
    insta::assert_snapshot!(problems, @r#"
    jobs: the jobs block each other: b before c before b
      hint: one of their `blocks` references has to go
    "#);
}

#[test]
fn two_jobs_on_one_table_or_of_one_name_are_told() {
    let mut other = job("other", "exam_attempt", "x");
    other.file = "jobs/z.toml".into();
    let mut same_name = job("exam-history", "another", "x");
    same_name.file = "jobs/y.toml".into();
    let jobs = vec![
        job("exam-history", "public.exam_attempt", "x"),
        other,
        same_name,
    ];
    insta::assert_snapshot!(JobSet::new("jobs", jobs).unwrap_err(), @r#"
    jobs/y.toml: the cluster `exam-history` is already described in jobs/exam-history.toml
    jobs/z.toml: `exam_attempt` already has a stage `pseudonymize` in jobs/exam-history.toml
      hint: one table, one rule: put its purposes and stages into one file
    "#);
}

#[test]
fn two_jobs_that_delete_from_one_table_are_told() {
    let mut other = job("other", "exam_attempt", "x");
    for stage in &mut other.stages {
        stage.name.push_str("-differently");
    }
    let jobs = vec![job("exam-history", "public.exam_attempt", "x"), other];
    let problems = JobSet::new("jobs", jobs).unwrap_err();
    assert!(
        problems
            .to_string()
            .contains("already deletes records of `exam_attempt`")
    );
}

#[test]
fn jobs_are_selected_by_name_in_run_order() {
    let jobs = vec![
        job("learner", "learner", "enrolment"),
        job("enrolment", "enrolment", "x"),
    ];
    let set = JobSet::new("jobs", jobs).unwrap();
    let names = |names: &[&str]| -> Vec<String> { names.iter().map(|&name| name.into()).collect() };
    let selected = set.select(&names(&["learner", "enrolment"])).unwrap();
    assert_eq!(selected[0].cluster, "enrolment");
    assert_eq!(set.select(&[]).unwrap().len(), 2);
    let unknown = set
        .select(&names(&["lerner", "learner", "invoice"]))
        .unwrap_err();
    insta::assert_snapshot!(unknown, @r#"
    there is no job `lerner`
      hint: did you mean `learner`?
    there is no job `invoice`
      hint: known: `enrolment`, `learner`
    "#);
}

fn folder_with(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

fn told(result: Result<JobSet, Problems>, folder: &tempfile::TempDir) -> String {
    let folder = folder.path().display().to_string();
    result.unwrap_err().to_string().replace(&folder, "jobs")
}

#[test]
fn a_folder_is_read_in_the_order_of_its_file_names() {
    let folder = folder_with(&[
        ("b.toml", &text("b", "tb", "x")),
        ("a.toml", &text("a", "ta", "x")),
        ("README.md", "no job"),
    ]);
    assert_eq!(order(&load_folder(folder.path()).unwrap()), ["a", "b"]);
}

#[test]
fn an_empty_or_missing_folder_is_told() {
    let folder = folder_with(&[]);
    assert!(told(load_folder(folder.path()), &folder).contains("jobs: the folder holds no job"));
    let missing = folder.path().join("none");
    assert!(told(load_folder(&missing), &folder).contains("jobs/none: the folder cannot be read"));
}

#[test]
fn the_problems_of_all_files_are_told_at_once() {
    let bad = text("c", "tc", "x").replacen("Asia/Tokyo", "Asia/Tokio", 1);
    let folder = folder_with(&[
        ("a.toml", &text("a", "ta", "x")),
        ("b.toml", &text("a", "tb", "x")),
        ("c.toml", &bad),
        ("d.toml", "cluster = "),
    ]);
    let told = told(load_folder(folder.path()), &folder);
    for expected in [
        "jobs/b.toml: the cluster `a` is already described in jobs/a.toml",
        "jobs/c.toml:3:13: the time zone `Asia/Tokio` is unknown",
        "jobs/d.toml:1:11: this is not TOML",
    ] {
        assert!(told.contains(expected), "{told}");
    }
}
