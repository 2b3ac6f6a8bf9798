//! One line per broken file: what was written for what, what is told, and at which line.

use super::{GOOD, problems_of};

/// One broken file: the good one with `from` replaced by `to` (the first time it occurs).
struct Case {
    name: &'static str,
    from: &'static str,
    to: &'static str,
    /// A part of the message or hint.
    expected: &'static str,
    /// How the line begins at which the problem points.
    line: &'static str,
}

const fn case(
    name: &'static str,
    from: &'static str,
    to: &'static str,
    expected: &'static str,
    line: &'static str,
) -> Case {
    Case {
        name,
        from,
        to,
        expected,
        line,
    }
}

fn break_it(case: &Case) -> String {
    assert!(
        GOOD.contains(case.from),
        "{}: nothing to replace",
        case.name
    );
    GOOD.replacen(case.from, case.to, 1)
}

/// Checks that each case has its problem, at its line, and no other problem.
fn all_are_told(cases: &[Case]) {
    check_cases(cases, false);
}

/// Checks that each case has its problem, at its line; what follows from it may be told too.
fn all_are_told_among_others(cases: &[Case]) {
    check_cases(cases, true);
}

fn check_cases(cases: &[Case], others_allowed: bool) {
    let mut failures = Vec::new();
    for case in cases {
        let text = break_it(case);
        let problems = problems_of(&text);
        let is_told = problems.0.iter().any(|problem| {
            let line = problem
                .line
                .and_then(|line| text.lines().nth(line as usize - 1));
            problem.to_string().contains(case.expected)
                && line.is_some_and(|line| line.trim_start().starts_with(case.line))
        });
        if !is_told || (problems.0.len() != 1 && !others_allowed) {
            failures.push(format!("{}:\n{problems}", case.name));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

#[test]
#[rustfmt::skip]
fn the_structure_of_a_file_is_told_with_near_misses() {
    all_are_told(&[
        case("unknown key", "owner =", "ownr = 1\nowner =", "did you mean `owner`?", "ownr"),
        case("unknown key below", "max-persons", "batch-siz = 1\nmax-persons", "did you mean `batch-size`?", "batch-siz"),
        case("unknown key without near miss", "period = \"P1Y\"", "period = \"P1Y\"\nkeep = 1", "unknown key `keep`", "keep"),
        case("missing key", "owner = \"learning records team\"\n", "", "the key `owner` is missing", "cluster"),
        case("missing period", "period = \"P1Y\"\n", "", "the key `period` is missing", "[[stage.purpose]]"),
        case("missing starting point", "starts-at = \"course_ended_on\"\n", "", "the key `starts-at` is missing", "[[stage.purpose]]"),
        case("missing limit", "max-percent = 5\n", "", "the key `max-percent` is missing", "[limit]"),
        case("wrong type", "max-records = 50_000", "max-records = \"many\"", "must be a whole number, not text", "max-records"),
        case("number for text", "version = \"2024-04-01\"", "version = 3", "put it in quotes", "version"),
        case("table for array", "[[object]]", "[object]", "write `[[object]]`", "[object]"),
        case("unknown word", "on-dispose = \"goes-with\"", "on-dispose = \"goes-wiht\"", "did you mean `goes-with`?", "on-dispose"),
        case("records of zero", "max-records = 50_000", "max-records = 0", "at least 1", "max-records"),
        case("persons of zero", "max-persons = 1000", "max-persons = 0", "at least 1", "max-persons"),
        case("percent of zero", "max-percent = 5", "max-percent = 0", "more than 0", "max-percent"),
        case("percent over 100", "max-percent = 5", "max-percent = 101", "at most 100", "max-percent"),
        case("batch too large", "max-persons", "batch-size = 10001\nmax-persons", "at most 10000", "batch-size"),
        case("number too large", "max-persons = 1000", "max-persons = 99999999999999999999", "too large", "max-persons"),
        case("empty key", "key = [\"attempt_id\"]", "key = []", "must not be empty", "key"),
        case("no TOML", "owner = \"learning", "owner = learning", "this is not TOML", "owner"),
    ]);
}

#[test]
#[rustfmt::skip]
fn the_head_of_a_file_is_checked() {
    all_are_told(&[
        case("cluster not kebab", "\"exam-history\"", "\"Exam History\"", "write `exam-history`", "cluster"),
        case("owner empty", "\"learning records team\"", "\" \"", "must not be empty", "owner"),
        case("zone unknown", "Asia/Tokyo", "Asia/Tokio", "did you mean `Asia/Tokyo`?", "time-zone"),
        case("zone misspelt", "Asia/Tokyo", "asia/tokyo", "did you mean `Asia/Tokyo`?", "time-zone"),
        case("schedule without seconds", "0 30 2 * * *", "30 2 * * *", "write `0 30 2 * * *`", "schedule"),
        case("schedule of words", "0 30 2 * * *", "every night", "not a cron expression with seconds", "schedule"),
        case("schedule with a numbered weekday", "0 30 2 * * *", "0 30 2 * * 1", "by number", "schedule"),
        case("schedule that never comes", "0 30 2 * * *", "0 30 2 30 2 *", "never comes", "schedule"),
        case("clause changed", "[store]", "text-sha256 = \"00\"\n[store]", "the rule counts as unreviewed", "text-sha256"),
        case("table name", "public.exam_attempt", "a.b.c", "cannot be the name", "table"),
        case("table name with open quote", "\"public.exam_attempt\"", "'\"exam'", "cannot be the name", "table"),
        case("client of both", "column = \"client_id\"", "column = \"client_id\"\nname = \"own\"", "exactly one of", "[client]"),
        case("client of neither", "column = \"client_id\"", "", "exactly one of", "[client]"),
        case("subject not personal", "column = \"learner_id\"", "column = \"score\"", "names a person", "column"),
        case("column in two classes", "free-text = [\"remarks\"]", "free-text = [\"remarks\", \"module\"]", "already has the class `quasi-identifier`", "free-text"),
        case("key without class", "key = [\"attempt_id\"]", "key = [\"atempt_id\"]", "did you mean `attempt_id`?", "key"),
        case("key twice", "key = [\"attempt_id\"]", "key = [\"attempt_id\", \"attempt_id\"]", "a second key column", "key"),
        case("subject without class", "column = \"learner_id\"", "column = \"person\"", "add it to one of the lists of [columns]", "column"),
        case("client without class", "column = \"client_id\"", "column = \"client\"", "has no class in [columns]", "column"),
    ]);
}

#[test]
#[rustfmt::skip]
fn joins_references_and_objects_are_checked() {
    all_are_told(&[
        case("later join", "on = { learner_id = \"learner_id\", module", "on = { learner_id = \"learner.id\", module", "`learner` is unknown", "on"),
        case("join on unknown column", "module = \"module\"", "module = \"modul\"", "did you mean `module`?", "on"),
        case("join on nothing", "on = { learner_id = \"enrolment.learner_id\" }", "on = {}", "no columns are matched", "on"),
        case("reference on unknown column", "on = { attempt_id = \"attempt_id\" }\non-dispose = \"blocks\"", "on = { attempt_id = \"atempt_id\" }\non-dispose = \"blocks\"", "did you mean `attempt_id`?", "on"),
        case("goes-with without key", "key = [\"answer_id\"]\n", "", "needs its `key`", "[[reference]]"),
        case("goes-with key without class", "key = [\"answer_id\"]", "key = [\"id\"]", "[reference.columns] of `exam_answer`", "key"),
        case("blocks with key", "on-dispose = \"blocks\"", "on-dispose = \"blocks\"\nkey = [\"id\"]", "belongs to `goes-with` only", "key"),
        case("of unknown", "table = \"complaint\"", "table = \"complaint\"\nof = \"exam_anser\"", "did you mean `exam_answer`?", "of"),
        case("of own", "table = \"complaint\"", "table = \"complaint\"\nof = \"public.exam_attempt\"", "leave `of` out", "of"),
        case("reference stage", "on-dispose = \"blocks\"", "on-dispose = \"blocks\"\nstages = [\"delet\"]", "did you mean `delete`?", "stages"),
        case("object table", "store = \"scans\"\ntable = \"exam_answer\"", "store = \"scans\"\ntable = \"complaint\"", "is no goes-with reference", "table"),
        case("object key", "key-column = \"scan_key\"", "key-column = \"scan\"", "has no class in [reference.columns]", "key-column"),
    ]);
}

#[test]
#[rustfmt::skip]
fn periods_and_purposes_are_checked() {
    all_are_told(&[
        case("no period", "period = \"P1Y\"", "period = \"1 year\"", "is not an ISO 8601 period", "period"),
        case("negative", "period = \"P1Y\"", "period = \"-P1Y\"", "is negative", "period"),
        case("mixed", "period = \"P1Y\"", "period = \"P1Y3D\"", "mixes months or years with weeks or days", "period"),
        case("zero years", "period = \"P1Y\"", "period = \"P0Y\"", "write `P0D`", "period"),
        case("zero weeks", "period = \"P1Y\"", "period = \"P0W\"", "write `P0D`", "period"),
        case("at once beside a period", "period = \"P1Y\"", "period = \"P1Y\"\nat-once = true", "contradicts the period", "at-once"),
        case("starts at unknown join", "starts-at = \"learner.rel", "starts-at = \"lerner.rel", "did you mean `learner`?", "starts-at"),
        case("starts at unclassified", "starts-at = \"course_ended_on\"", "starts-at = \"ended_on\"", "has no class", "starts-at"),
        case("condition on unknown join", "column = \"enrolment.final_result\"", "column = \"enrolement.final_result\"", "did you mean `enrolment`?", "applies-when"),
        case("condition of both", "in = [\"Fail\", \"Withdrawn\"]", "in = [\"Fail\"], not-in = [\"Pass\"]", "exactly one of `in` and `not-in`", "applies-when"),
        case("zone of starting point", "period = \"P1Y\"", "period = \"P1Y\"\nstarts-at-zone = \"UTZ\"", "is unknown", "starts-at-zone"),
        case("zone and seconds", "period = \"P1Y\"", "period = \"P1Y\"\nstarts-at-zone = \"UTC\"\nstarts-at-format = \"unix-seconds\"", "contradicts `starts-at-format`", "starts-at-zone"),
    ]);
}

#[test]
#[rustfmt::skip]
fn names_are_told_beside_what_follows_from_them() {
    all_are_told_among_others(&[
        case("join name", "name = \"learner\"\ntable", "name = \"enrolment\"\ntable", "a second join is called", "name"),
        case("own table goes with itself", "table = \"exam_answer\"\non", "table = \"public.exam_attempt\"\non", "cannot go with its records", "table"),
        case("purpose twice", "name = \"screening\"", "name = \"course\"", "a second purpose is called `course`", "name"),
        case("purpose not kebab", "name = \"archive\"", "name = \"Archive\"", "write `archive`", "name"),
        case("condition without values", "in = [\"Fail\", \"Withdrawn\"]", "in = []", "decides nothing", "applies-when"),
        case("stage twice", "name = \"delete\"\ndisposal", "name = \"pseudonymize\"\ndisposal", "a second stage is called `pseudonymize`", "name"),
    ]);
}

#[test]
#[rustfmt::skip]
fn changes_are_checked() {
    all_are_told(&[
        case("change twice", "column = \"submitted_on\"", "column = \"remarks\"", "a second change of a column is called `remarks`", "column"),
        case("change of key", "column = \"submitted_on\"", "column = \"attempt_id\"", "is a key column", "column"),
        case("change of marker", "column = \"submitted_on\"", "column = \"pseudonymized_on\"", "is the marker", "column"),
        case("change of client", "column = \"submitted_on\"", "column = \"client_id\"", "names the client", "column"),
        case("change unclassified", "column = \"submitted_on\"", "column = \"submited_on\"", "did you mean `submitted_on`?", "column"),
        case("token without context", "context = \"learner\"\n", "", "needs `context`", "[[stage.change]]"),
        case("token with text", "context = \"learner\"", "context = \"learner\"\ntext = \"x\"", "`text` does not belong", "text"),
        case("half a range", "range-min = 1_000_000_000_000\n", "", "need both", "[[stage.change]]"),
        case("range reversed", "range-min = 1_000_000_000_000", "range-min = 9_000_000_000_000_000", "must be greater", "range-max"),
        case("range too narrow", "range-max = 8_999_999_999_999_999", "range-max = 1_000_000_000_001", "2 tokens are too few", "range-max"),
        case("text without text", "text = \"削除済み\"\n", "", "needs `text`", "[[stage.change]]"),
        case("generalize without to", "to = \"fiscal-year\"\n", "", "needs `to`", "[[stage.change]]"),
        case("postal prefix", "to = \"fiscal-year\"", "to = \"postal-prefix\"", "needs `characters`", "[[stage.change]]"),
        case("band", "to = \"fiscal-year\"", "to = \"band\"", "needs `width`", "[[stage.change]]"),
        case("month with width", "to = \"fiscal-year\"", "to = \"month\"\nwidth = 5", "`width` does not belong", "width"),
        case("change in delete", "name = \"delete\"\ndisposal = \"delete\"", "name = \"delete\"\ndisposal = \"delete\"\nchange = [{ column = \"score\", strategy = \"null\" }]", "changes no columns", "change"),
        case("marker in delete", "name = \"delete\"\ndisposal = \"delete\"", "name = \"delete\"\ndisposal = \"delete\"\nmarker-column = \"score\"", "needs no marker", "marker-column"),
        case("marker without class", "marker-column = \"pseudonymized_on\"", "marker-column = \"marked_on\"", "has no class", "marker-column"),
    ]);
}

#[test]
#[rustfmt::skip]
fn a_claim_of_pseudonymization_that_leaves_a_person_readable_is_refused() {
    all_are_told(&[
        case("name unchanged", "direct-identifier = [\"learner_name\"]", "direct-identifier = [\"learner_name\", \"email\"]", "leaves `email` (direct-identifier) as it is", "[[stage]]"),
        case("code unchanged", "free-text = [\"remarks\"]", "free-text = [\"remarks\"]\nidentification-code = [\"passport\"]", "leaves `passport` (identification-code)", "[[stage]]"),
        case("financial unchanged", "free-text = [\"remarks\"]", "free-text = [\"remarks\"]\nfinancial = [\"card\"]", "leaves `card` (financial)", "[[stage]]"),
        case("text unchanged", "free-text = [\"remarks\"]", "free-text = [\"remarks\", \"note\"]", "leaves `note` (free-text)", "[[stage]]"),
        case("name cut", "column = \"learner_name\"\nstrategy = \"null\"", "column = \"learner_name\"\nstrategy = \"truncate\"\ncharacters = 1", "`truncate` keeps a part of `learner_name`", "strategy"),
        case("text as token", "strategy = \"text\"\ntext = \"削除済み\"", "strategy = \"token\"\ncontext = \"x\"", "`token` keeps a part of `remarks`", "strategy"),
    ]);
}

#[test]
#[rustfmt::skip]
fn stages_are_checked_together() {
    all_are_told(&[
        case("later stage reads a changed column", "column = \"submitted_on\"\nstrategy = \"generalize\"\nto = \"fiscal-year\"", "column = \"course_ended_on\"\nstrategy = \"generalize\"\nto = \"year\"", "reads `course_ended_on` by way of `course_ended_on`, which stage `pseudonymize`", "starts-at"),
        case("reference by a changed column", "on = { attempt_id = \"attempt_id\" }\non-dispose = \"blocks\"", "on = { learner_id = \"learner_id\" }\non-dispose = \"blocks\"", "rows of `complaint` are found by `learner_id`", "on"),
    ]);
}

#[test]
#[rustfmt::skip]
fn examples_are_run_through_the_rule() {
    all_are_told(&[
        case("unknown stage", "[[example]]\n", "[[example]]\nstage = \"delet\"\nas-of = \"2025-01-01\"\nexpect = \"retain\"\n[[example]]\n", "did you mean `delete`?", "stage"),
        case("no day", "as-of = 2025-03-01", "as-of = \"2025-02-30\"", "is no day of the calendar", "as-of"),
        case("unknown purpose", "course = \"2024-02-28\"", "course = \"2024-02-28\"\nscrening = \"2024-01-01\"", "did you mean `screening`?", "screning"),
        case("unknown value", "\"enrolment.final_result\" = \"Pass\"", "\"enrolment.final_result\" = \"Pass\"\nscore = \"1\"", "no condition of stage `pseudonymize` reads `score`", "score"),
        case("reason beside dispose", "expect = \"dispose\"", "expect = \"dispose\"\nreason = \"undatable\"", "but `dispose` is expected", "reason"),
        case("wrong reason", "reason = \"undatable\"", "reason = \"not-expired\"", "expects `retain` (`not-expired`), but the rule decides `retain` (`undatable`)", "expect"),
        case("contradiction", "as-of = \"2034-03-01\"", "as-of = \"2034-02-27\"", "2034-02-28 is the last day kept, 2034-03-01 the first day due", "expect"),
        case("dispose not on the border", "as-of = \"2034-03-01\"", "as-of = \"2034-03-02\"", "`retain` as of 2034-02-28, `dispose` as of 2034-03-01", "[[stage]]"),
        case("retain not on the border", "as-of = \"2034-02-28\"", "as-of = \"2034-02-27\"", "no `retain` example of stage `delete` is as of the last day kept", "[[stage]]"),
        case("no dispose", "as-of = 2025-03-01\nexpect = \"dispose\"\n[example.starts]\ncourse = 2024-02-28", "as-of = 2025-02-28\nexpect = \"retain\"\n[example.starts]\ncourse = 2024-02-28", "has no example that expects `dispose`", "[[stage]]"),
    ]);
}
