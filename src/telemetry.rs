//! The log: one line per event on the standard error, for people or as JSON.
//!
//! It holds no personal data. kigen's own events see to that themselves; other crates' events may
//! quote statements, notices of a server or requests, so they are capped here, and no setting lifts
//! the cap. `docs/LOGGING.md` lists the fields.

use std::fmt;
use std::io::{self, IsTerminal};

use tracing::level_filters::LevelFilter;
use tracing::{Level, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry};

use crate::clock;
use crate::config::LogFormat;
use crate::progress::{LogWriter, Progress};

/// The crate's own name: the first part of the target of its events.
const OWN: &str = "kigen";

/// What other crates may log at most.
const CAP: LevelFilter = LevelFilter::WARN;

/// Crates whose warnings may hold personal data: sqlx quotes slow statements, and hands on the
/// notices of a server, whose triggers may say anything. Their errors come back as results.
const SILENT: [&str; 1] = ["sqlx"];

/// Which events are logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogFilter {
    level: LevelFilter,
    /// kigen's modules with levels of their own.
    modules: Vec<(String, LevelFilter)>,
}

/// A log that cannot be started.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TelemetryError {
    #[error(
        "the log level `{level}` is unknown\nhint: `off`, `error`, `warn`, `info`, `debug` or `trace`"
    )]
    UnknownLevel { level: String },
    #[error(
        "the log level of `{target}` cannot be set\n\
         hint: name a module of kigen such as `kigen::store`; others may log personal data"
    )]
    ForeignTarget { target: String },
    #[error("the log was started before")]
    AlreadyStarted,
}

impl Default for LogFilter {
    /// Level `info`.
    fn default() -> Self {
        Self {
            level: LevelFilter::INFO,
            modules: Vec::new(),
        }
    }
}

impl LogFilter {
    /// Reads a list such as `info,kigen::store=debug`: a level for all, and levels for modules of
    /// kigen. Without a level for all it is `info`.
    pub fn parse(text: &str) -> Result<Self, TelemetryError> {
        let mut filter = Self::default();
        for part in text.split(',').map(str::trim) {
            if part.is_empty() {
                continue;
            }
            match part.split_once('=') {
                None => filter.level = level(part)?,
                Some((target, name)) => filter.modules.push((own(target)?, level(name)?)),
            }
        }
        Ok(filter)
    }

    fn targets(&self) -> Targets {
        let others = self.level.min(CAP);
        let silent = SILENT.map(|name| (name, LevelFilter::OFF));
        Targets::new()
            .with_default(others)
            .with_targets(silent)
            .with_target(OWN, self.level)
            .with_targets(self.modules.iter().cloned())
    }
}

fn level(name: &str) -> Result<LevelFilter, TelemetryError> {
    match name.trim().to_ascii_lowercase().as_str() {
        "off" => Ok(LevelFilter::OFF),
        "error" => Ok(Level::ERROR.into()),
        "warn" => Ok(Level::WARN.into()),
        "info" => Ok(Level::INFO.into()),
        "debug" => Ok(Level::DEBUG.into()),
        "trace" => Ok(Level::TRACE.into()),
        _ => Err(TelemetryError::UnknownLevel {
            level: name.trim().to_owned(),
        }),
    }
}

/// Checks that `target` is kigen itself or one of its modules.
fn own(target: &str) -> Result<String, TelemetryError> {
    let target = target.trim();
    let inside = target.strip_prefix(OWN);
    if inside.is_some_and(|rest| rest.is_empty() || rest.starts_with("::")) {
        return Ok(target.to_owned());
    }
    Err(TelemetryError::ForeignTarget {
        target: target.to_owned(),
    })
}

/// Starts the log for the whole process, once.
///
/// Lines go to the standard error, above the bar of `progress`. There are colours only where people
/// read: in the human format, on a terminal, and if `colours` are wanted (not so if `NO_COLOR` is
/// set).
pub fn start(
    format: LogFormat,
    filter: &LogFilter,
    colours: bool,
    progress: &Progress,
) -> Result<(), TelemetryError> {
    let colours = colours && io::stderr().is_terminal();
    subscriber(format, filter, colours, LogWriter::above(progress))
        .try_init()
        .map_err(|_| TelemetryError::AlreadyStarted)
}

fn subscriber<W>(
    format: LogFormat,
    filter: &LogFilter,
    colours: bool,
    writer: W,
) -> impl Subscriber + Send + Sync + use<W>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let lines = tracing_subscriber::fmt::layer()
        .with_timer(Now)
        .with_writer(writer);
    let lines = match format {
        LogFormat::Human => lines.with_ansi(colours).boxed(),
        LogFormat::Json => lines
            .with_ansi(false)
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .with_span_list(true)
            .boxed(),
    };
    Registry::default().with(lines.with_filter(filter.targets()))
}

/// The moment of an event: UTC, with milliseconds.
struct Now;

impl FormatTime for Now {
    fn format_time(&self, w: &mut Writer<'_>) -> fmt::Result {
        write!(w, "{:.3}", clock::now())
    }
}

#[cfg(test)]
mod tests;
