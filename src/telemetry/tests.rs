use std::io::Write;
use std::sync::{Arc, Mutex};

use serde_json::Value;

use super::*;

/// Keeps what is written.
#[derive(Clone, Default)]
struct Page(Arc<Mutex<Vec<u8>>>);

impl Write for Page {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(line)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Page {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

/// What is logged of the events in `events`.
fn logged(format: LogFormat, filter: &str, colours: bool, events: impl FnOnce()) -> String {
    let page = Page::default();
    let filter = LogFilter::parse(filter).unwrap();
    let subscriber = subscriber(format, &filter, colours, page.clone());
    tracing::subscriber::with_default(subscriber, events);
    let written = page.0.lock().unwrap().clone();
    String::from_utf8(written).unwrap()
}

fn one_of_each_crate() {
    tracing::debug!(target: "kigen::store", "own debug");
    tracing::debug!(target: "kigen::run", "own other debug");
    tracing::info!(target: "kigen::run", "own info");
    tracing::error!(target: "sqlx::query", "select secret");
    tracing::warn!(target: "sqlx::postgres::notice", "trigger said a name");
    tracing::warn!(target: "aws_smithy_runtime::client", "foreign warning");
    tracing::info!(target: "aws_sdk_s3", "request with an object's key");
    tracing::debug!(target: "hyper_util::client", "request");
    tracing::trace!(target: "h2::codec", "frame");
}

fn messages(log: &str) -> Vec<String> {
    log.lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .map(|event| event["message"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn other_crates_are_capped_at_warnings_and_sqlx_says_nothing() {
    for filter in ["trace", "trace,kigen=trace"] {
        let log = logged(LogFormat::Json, filter, false, one_of_each_crate);
        assert_eq!(
            messages(&log),
            [
                "own debug",
                "own other debug",
                "own info",
                "foreign warning"
            ]
        );
    }
}

#[test]
fn without_a_setting_the_level_is_info() {
    let log = logged(LogFormat::Json, "", false, one_of_each_crate);

    assert_eq!(messages(&log), ["own info", "foreign warning"]);
}

#[test]
fn one_module_can_say_more_than_the_others() {
    let filter = "error, kigen::store=debug";
    let log = logged(LogFormat::Json, filter, false, one_of_each_crate);

    assert_eq!(messages(&log), ["own debug"]);
}

#[test]
fn a_json_line_holds_time_level_target_message_fields_and_spans() {
    let log = logged(LogFormat::Json, "info", true, || {
        let span = tracing::info_span!("run", run.id = "0195f…");
        let _inside = span.enter();
        tracing::info!(target: "kigen::run", { job.name = "exam-history", disposed = 500 }, "batch 完了");
    });

    let event: Value = serde_json::from_str(&log).unwrap();
    let time = event["timestamp"].as_str().unwrap();
    assert!(time.parse::<jiff::Timestamp>().is_ok(), "{time}");
    assert_eq!(time.len(), "2025-04-01T00:00:00.000Z".len());
    assert_eq!(event["level"], "INFO");
    assert_eq!(event["target"], "kigen::run");
    assert_eq!(event["message"], "batch 完了");
    assert_eq!(event["job.name"], "exam-history");
    assert_eq!(event["disposed"], 500);
    assert_eq!(event["spans"][0]["name"], "run");
    assert_eq!(event["spans"][0]["run.id"], "0195f…");
}

#[test]
fn colours_are_in_human_lines_only_where_wanted_and_never_in_json() {
    let event = || tracing::info!(target: "kigen::run", { job.name = "learner" }, "started");
    let escape = '\u{1b}';

    assert!(logged(LogFormat::Human, "info", true, event).contains(escape));
    assert!(!logged(LogFormat::Human, "info", false, event).contains(escape));
    assert!(!logged(LogFormat::Json, "info", true, event).contains(escape));
}

#[test]
fn a_human_line_reads_time_level_target_message_fields() {
    let log = logged(LogFormat::Human, "info", false, || {
        tracing::warn!(target: "kigen::run", { job.name = "learner" }, "limit exceeded");
    });

    let (time, rest) = log.split_once(' ').unwrap();
    assert!(time.parse::<jiff::Timestamp>().is_ok(), "{time}");
    assert_eq!(
        rest.trim(),
        "WARN kigen::run: limit exceeded job.name=\"learner\""
    );
}

#[test]
fn a_misspelt_level_is_refused() {
    assert_eq!(
        LogFilter::parse("inof").unwrap_err().to_string(),
        "the log level `inof` is unknown\n\
         hint: `off`, `error`, `warn`, `info`, `debug` or `trace`"
    );
    assert!(LogFilter::parse("kigen::store=loud").is_err());
}

#[test]
fn another_crate_cannot_be_made_to_say_more() {
    for target in ["sqlx", "aws_sdk_s3", "kigenx", ""] {
        let error = LogFilter::parse(&format!("info,{target}=debug")).unwrap_err();
        assert_eq!(
            error,
            TelemetryError::ForeignTarget {
                target: target.to_owned()
            }
        );
    }
}
