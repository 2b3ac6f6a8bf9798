use super::parse;
use crate::diagnostic::Problems;
use crate::job::explain;

mod broken_files;

const GOOD: &str = include_str!("../testdata/exam-history.toml");

fn problems_of(text: &str) -> Problems {
    parse("jobs/exam-history.toml", text)
        .err()
        .unwrap_or_default()
}

#[test]
fn a_good_file_becomes_a_job() {
    let job = parse("jobs/exam-history.toml", GOOD).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(job.cluster, "exam-history");
    assert_eq!(job.limit.batch_size, 5000);
    assert_eq!(job.stages.len(), 2);
    assert_eq!(job.examples.len(), 5);
    assert_eq!(job.references[0].stages, ["delete"]);
    assert_eq!(job.sha256.len(), 64);
}

#[test]
fn a_stage_without_purpose_is_told() {
    let start = GOOD.find("[[stage.purpose]]\nname = \"archive\"").unwrap();
    let end = GOOD[start..].find("[[example]]").unwrap() + start;
    let text = format!("{}{}", &GOOD[..start], &GOOD[end..]);
    let problems = problems_of(&text);
    assert_eq!(problems.0.len(), 1, "{problems}");
    assert_eq!(problems.0[0].message, "the key `purpose` is missing");
    assert_eq!(problems.0[0].path, "stage[1].purpose");
}

#[test]
fn references_in_a_circle_are_told_once() {
    let text = GOOD.replacen(
        "[[object]]",
        "[[reference]]\ntable = \"note\"\nof = \"exam_answer\"\non = { answer_id = \"answer_id\" }\n\
         on-dispose = \"goes-with\"\nkey = [\"note_id\"]\n[reference.columns]\n\
         not-personal = [\"note_id\", \"answer_id\"]\n\n[[object]]",
        1,
    );
    assert_eq!(problems_of(&text), Problems::default());
    let circle = text
        .replacen(
            "table = \"exam_answer\"\n",
            "table = \"exam_answer\"\nof = \"note\"\n",
            1,
        )
        .replacen(
            "on = { attempt_id = \"attempt_id\" }",
            "on = { attempt_id = \"note_id\" }",
            1,
        );
    let problems = problems_of(&circle);
    let told: Vec<&str> = problems
        .0
        .iter()
        .map(|problem| problem.message.as_str())
        .collect();
    assert_eq!(
        told,
        ["the references form a cycle: exam_answer of note of exam_answer"]
    );
}

#[test]
fn a_period_of_zero_needs_the_word_at_once() {
    let zero = GOOD.replacen("period = \"P10Y\"", "period = \"P0D\"", 1);
    let told = problems_of(&zero).to_string();
    assert!(told.contains("`P0D` is a period of zero"), "{told}");
    let at_once = zero.replacen("period = \"P0D\"", "period = \"P0D\"\nat-once = true", 1);
    let told = problems_of(&at_once).to_string();
    assert!(!told.contains("period of zero"), "{told}");
    let counted = at_once.replacen(
        "at-once = true",
        "at-once = true\nfirst-day = \"counted\"",
        1,
    );
    let told = problems_of(&counted).to_string();
    assert!(
        told.contains("no first day that could be counted"),
        "{told}"
    );
}

#[test]
fn a_stage_that_comes_too_late_is_told() {
    let text = GOOD.replacen("period = \"P10Y\"", "period = \"P11M\"", 1);
    let told = problems_of(&text).to_string();
    assert!(
        told.contains("stage `pseudonymize` is never reached: `delete`"),
        "{told}"
    );
    let text = GOOD.replacen("period = \"P10Y\"", "period = \"P365D\"", 1);
    let told = problems_of(&text).to_string();
    assert!(!told.contains("never reached"), "{told}");
}

#[test]
fn pseudonymized_data_without_a_later_delete_is_told() {
    let start = GOOD.find("[[stage]]\nname = \"delete\"").unwrap();
    let end = GOOD[start..].find("[[example]]").unwrap() + start;
    let last = GOOD.find("[[example]]\nstage = \"delete\"").unwrap();
    let text = format!("{}{}", &GOOD[..start], &GOOD[end..last]);
    let problems = problems_of(&text);
    assert_eq!(problems.0.len(), 1, "{problems}");
    assert!(
        problems.0[0]
            .message
            .contains("no stage deletes what `pseudonymize` pseudonymized")
    );
}

#[test]
fn without_examples_the_hint_shows_the_border() {
    let text = &GOOD[..GOOD.find("[[example]]\nstage = \"delete\"").unwrap()];
    let problems = problems_of(text);
    let hint = problems.0[0].hint.as_deref().unwrap_or_default();
    assert_eq!(problems.0.len(), 2, "{problems}");
    assert_eq!(
        hint,
        "with all starting points on 2024-02-28: `retain` as of 2034-02-28, `dispose` as of 2034-03-01"
    );
}

#[test]
fn ten_different_problems_are_told_at_once() {
    let text = GOOD
        .replacen("Asia/Tokyo", "Asia/Tokio", 1)
        .replacen("0 30 2 * * *", "every night", 1)
        .replacen("key = [\"attempt_id\"]", "key = [\"atempt_id\"]", 1)
        .replacen("column = \"client_id\"", "", 1)
        .replacen(
            "free-text = [\"remarks\"]",
            "free-text = [\"remarks\", \"module\"]",
            1,
        )
        .replacen(
            "on = { learner_id = \"enrolment.learner_id\" }",
            "on = { learner_id = \"later.id\" }",
            1,
        )
        .replacen("period = \"P1Y\"", "period = \"P0Y\"", 1)
        .replacen(
            "strategy = \"null\"",
            "strategy = \"truncate\"\ncharacters = 1",
            1,
        )
        .replacen("to = \"fiscal-year\"", "to = \"band\"", 1)
        .replacen("as-of = \"2034-03-01\"", "as-of = \"2034-02-27\"", 1);
    let problems = problems_of(&text);
    assert_eq!(problems.0.len(), 10, "{problems}");
    insta::assert_snapshot!(problems, @r#"
    jobs/exam-history.toml:3:13: the time zone `Asia/Tokio` is unknown
        3 | time-zone = "Asia/Tokio"
          |             ^^^^^^^^^^^^
      hint: did you mean `Asia/Tokyo`?
    jobs/exam-history.toml:4:12: `every night` is not a cron expression with seconds
        4 | schedule = "every night"
          |            ^^^^^^^^^^^^^
      hint: second minute hour day-of-month month day-of-week: `0 30 2 * * *` is 02:30 every night
    jobs/exam-history.toml:18:8: the column `atempt_id` has no class in [columns]
       18 | key = ["atempt_id"]
          |        ^^^^^^^^^^^
      hint: did you mean `attempt_id`?
    jobs/exam-history.toml:24:1: the client needs exactly one of `name` and `column`
       24 | [client]
          | ^^^^^^^^
      hint: `name` if all records are kept for one client, `column` if a column of the table names it
    jobs/exam-history.toml:30:25: `module` already has the class `quasi-identifier`
       30 | free-text = ["remarks", "module"]
          |                         ^^^^^^^^
    jobs/exam-history.toml:46:21: `later.id` names no join: `later` is unknown
       46 | on = { learner_id = "later.id" }
          |                     ^^^^^^^^^^
      hint: known: `enrolment`
    jobs/exam-history.toml:77:10: `P0Y` is a period of zero
       77 | period = "P0Y"
          |          ^^^^^
      hint: write `P0D` beside `at-once = true` if the record is due the next day
    jobs/exam-history.toml:95:12: `truncate` keeps a part of `learner_name` (direct-identifier): that is no pseudonymization
       95 | strategy = "truncate"
          |            ^^^^^^^^^^
      hint: `null`, `text` or `token` replace it
    jobs/exam-history.toml:103:1: the strategy `generalize` needs `width` here
      103 | [[stage.change]]
          | ^^^^^^^^^^^^^^^^
    jobs/exam-history.toml:157:10: the example expects `dispose`, but the rule decides `retain` (`not-expired`)
      157 | expect = "dispose"
          |          ^^^^^^^^^
      hint: purpose `archive` ends last: 2034-02-28 is the last day kept, 2034-03-01 the first day due
    "#);
}

#[test]
fn slips_of_structure_are_told_all_at_once() {
    let text = GOOD
        .replacen("owner =", "ownr =", 1)
        .replacen("max-percent = 5", "max-percent = \"five\"", 1)
        .replacen("[[object]]", "[object]", 1)
        .replacen("disposal = \"delete\"", "disposal = \"erase\"", 1)
        .replacen("reason = \"undatable\"", "reason = \"undateable\"", 1);
    insta::assert_snapshot!(problems_of(&text), @r#"
    jobs/exam-history.toml:1:1: the key `owner` is missing
    jobs/exam-history.toml:2:1: unknown key `ownr`
        2 | ownr = "learning records team"
          | ^^^^
      hint: did you mean `owner`?
    jobs/exam-history.toml:35:15: this must be a number, not text
       35 | max-percent = "five"
          |               ^^^^^^
    jobs/exam-history.toml:63:1: this must be an array, not a table
       63 | [object]
          | ^^^^^^^^
      hint: write `[[object]]` in place of `[object]`
    jobs/exam-history.toml:109:12: `erase` is none of `pseudonymize`, `delete`
      109 | disposal = "erase"
          |            ^^^^^^^
    jobs/exam-history.toml:140:10: `undateable` is none of `not-expired`, `undatable`, `starts-in-future`
      140 | reason = "undateable"
          |          ^^^^^^^^^^^^
      hint: did you mean `undatable`?
    "#);
}

#[test]
fn several_slips_of_syntax_are_told_at_once() {
    let text = "cluster = exam\nowner = \"a\nb\"\ntitle = [\n";
    insta::assert_snapshot!(problems_of(text), @r#"
    jobs/exam-history.toml:1:11: this is not TOML: string values must be quoted, expected literal string
        1 | cluster = exam
          |           ^^^^
    jobs/exam-history.toml:2:11: this is not TOML: invalid basic string, expected `"`
        2 | owner = "a
          |           ^
    jobs/exam-history.toml:3:3: this is not TOML: key with no value, expected `=`
        3 | b"
          |   ^
    jobs/exam-history.toml:4:10: this is not TOML: unclosed array, expected `]`
        4 | title = [
          |          ^
    "#);
}

#[test]
fn a_job_is_said_in_words() {
    let job = parse("jobs/exam-history.toml", GOOD).unwrap();
    insta::assert_snapshot!(explain(&job), @r#"
    exam-history (Exam history, 受験履歴)

    Stage `pseudonymize`: a record of `public.exam_attempt` is pseudonymized once all these purposes have ended (days in Asia/Tokyo):
    - `course`: 1 year from the end of the transaction (`course_ended_on`)
    - `screening`: 3 years from the end of the relationship (`learner.relationship_ended_on`); only where `enrolment.final_result` is one of “Fail”, “Withdrawn” or null

    段階「pseudonymize」: 「受験履歴」の記録は、次の利用目的がすべて終了した後、仮名加工する（暦日は Asia/Tokyo による）。
    - course: 取引の終了（course_ended_on）から1年間（初日不算入）
    - screening: 契約関係の終了（learner.relationship_ended_on）から3年間（初日不算入）。enrolment.final_result が「Fail」「Withdrawn」のいずれかであるか、空である記録に限る

    Stage `delete`: a record of `public.exam_attempt` is deleted once all these purposes have ended (days in Asia/Tokyo):
    - `archive`: 10 years from the end of the transaction (`course_ended_on`)

    段階「delete」: 「受験履歴」の記録は、次の利用目的がすべて終了した後、消去する（暦日は Asia/Tokyo による）。
    - archive: 取引の終了（course_ended_on）から10年間（初日不算入）
    "#);
}

#[test]
fn the_schema_describes_the_file_for_editors() {
    let schema = crate::job::schema();
    assert_eq!(schema["title"], "kigen job");
    assert_eq!(schema["additionalProperties"], false);
    assert_eq!(
        schema["$defs"]["Stage"]["properties"]["disposal"]["$ref"],
        "#/$defs/Disposal"
    );
    assert!(!schema.to_string().contains("null\"]"), "TOML has no null");
}
