//! How far the running stage has come: a bar for a person at a terminal, log lines otherwise.
//!
//! The bar and the log share the standard error; whoever writes there while a bar may be shown does
//! it through [`Progress::above`], as [`LogWriter`] does, so that neither tears the other.

use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{
    HumanCount, HumanDuration, MultiProgress, ProgressBar, ProgressDrawTarget, ProgressFinish,
    ProgressStyle,
};
use tracing_subscriber::fmt::MakeWriter;

use self::meter::{Meter, Reading};

mod meter;

const TEMPLATE: &str = "{prefix} {wide_bar} {human_pos}/{human_len} {per_sec} ETA {eta}";

/// How often the bar is redrawn while nothing advances: often enough to look alive.
const REDRAW: Duration = Duration::from_millis(250);

/// Steps that take less leave no line.
const WORTH_A_LINE: Duration = Duration::from_secs(1);

/// Shows the progress of one stage after the other. Clones show on the same place.
#[derive(Clone, Debug)]
pub struct Progress {
    /// `None`: progress goes to the log.
    bars: Option<MultiProgress>,
    stage: Arc<Mutex<Option<Stage>>>,
}

#[derive(Debug)]
struct Stage {
    meter: Meter,
    bar: Option<ProgressBar>,
    /// It ends without a line if it took less.
    silent_below: Duration,
}

impl Progress {
    /// A bar if the standard error is a terminal, otherwise lines in the log.
    pub fn on_stderr() -> Self {
        if io::stderr().is_terminal() {
            return Self::drawn_on(ProgressDrawTarget::stderr());
        }
        Self::in_log()
    }

    /// Lines in the log, at level `info`: one every 5 seconds at most, and one at the end.
    pub fn in_log() -> Self {
        Self::with(None)
    }

    /// A bar on `target`.
    pub fn drawn_on(target: ProgressDrawTarget) -> Self {
        Self::with(Some(MultiProgress::with_draw_target(target)))
    }

    fn with(bars: Option<MultiProgress>) -> Self {
        Self {
            bars,
            stage: Arc::default(),
        }
    }

    /// Begins a stage of `total` records; `label` names cluster and stage. A stage still running
    /// ends here.
    pub fn start(&self, total: u64, label: &str) {
        self.begin(total, label, Duration::ZERO);
    }

    /// Begins a step whose result is told elsewhere: if it takes less than a second, no line is left
    /// of it. `total` counts whatever [`Progress::advance`] is told of.
    pub fn step(&self, total: u64, label: &str) {
        self.begin(total, label, WORTH_A_LINE);
    }

    fn begin(&self, total: u64, label: &str, silent_below: Duration) {
        self.finish();
        let bar = self.bars.as_ref().map(|bars| shown_on(bars, total, label));
        let meter = Meter::new(total, label, Instant::now());
        *self.lock() = Some(Stage {
            meter,
            bar,
            silent_below,
        });
    }

    /// Counts `n` records more. Without a running stage nothing happens.
    pub fn advance(&self, n: u64) {
        let Some(reading) = self.count(n) else {
            return;
        };
        tracing::info!(
            label = reading.label,
            done = reading.done,
            total = reading.total,
            per_second = reading.per_second(),
            seconds_left = reading.seconds_left(),
            "progress"
        );
    }

    /// Ends the running stage: the bar makes place for one line. Without one nothing happens.
    pub fn finish(&self) {
        let ended = self.lock().take();
        let Some(stage) = ended else {
            return;
        };
        let reading = stage.meter.read(Instant::now());
        let is_silent = reading.elapsed < stage.silent_below;
        let (Some(bars), Some(bar)) = (&self.bars, stage.bar) else {
            if !is_silent {
                log_end(&reading);
            }
            return;
        };
        bar.finish_and_clear();
        bars.remove(&bar);
        if is_silent {
            return;
        }
        if bars.println(end_line(&reading)).is_err() {
            // The terminal is gone; what was to be seen there is at least in the log.
            log_end(&reading);
        }
    }

    /// Runs `write` while the bar is hidden: what it writes to the terminal stays above the bar.
    /// Must be short, and must not call other methods of this type.
    pub fn above<R>(&self, write: impl FnOnce() -> R) -> R {
        above(self.bars.as_ref(), write)
    }

    /// Counts, and returns what is to be logged now.
    fn count(&self, n: u64) -> Option<Reading> {
        let mut stage = self.lock();
        let stage = stage.as_mut()?;
        let reading = stage.meter.advance(n, Instant::now());
        match &stage.bar {
            Some(bar) => {
                bar.inc(n);
                None
            }
            None => reading,
        }
    }

    /// A thread that panicked while counting leaves a count that is still good enough to show.
    fn lock(&self) -> MutexGuard<'_, Option<Stage>> {
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn above<R>(bars: Option<&MultiProgress>, write: impl FnOnce() -> R) -> R {
    match bars {
        Some(bars) => bars.suspend(write),
        None => write(),
    }
}

fn shown_on(bars: &MultiProgress, total: u64, label: &str) -> ProgressBar {
    let style = ProgressStyle::with_template(TEMPLATE).unwrap_or_else(|_| bar_without_rate());
    // A run that fails leaves no bar behind that seems to go on.
    let bar = ProgressBar::new(total).with_finish(ProgressFinish::AndClear);
    let bar = bars.add(bar.with_style(style).with_prefix(label.to_owned()));
    bar.tick();
    bar.enable_steady_tick(REDRAW);
    bar
}

/// Takes the place of [`TEMPLATE`] should indicatif ever refuse it.
fn bar_without_rate() -> ProgressStyle {
    ProgressStyle::default_bar()
}

fn end_line(reading: &Reading) -> String {
    format!(
        "{}: {} of {} in {:#}, {}/s",
        reading.label,
        HumanCount(reading.done),
        HumanCount(reading.total),
        HumanDuration(reading.elapsed),
        HumanCount(reading.per_second()),
    )
}

fn log_end(reading: &Reading) {
    tracing::info!(
        label = reading.label,
        done = reading.done,
        total = reading.total,
        per_second = reading.per_second(),
        seconds = reading.elapsed.as_secs_f64(),
        "progress: stage ended"
    );
}

/// Writes log lines to the standard error, above the bar if there is one.
///
/// It knows the place of the bars, but keeps none of them: the log outlives every stage, and a
/// stage that is dropped takes its bar with it.
#[derive(Clone, Debug)]
pub struct LogWriter {
    bars: Option<MultiProgress>,
}

impl LogWriter {
    /// A writer that respects the bar of `progress`.
    pub fn above(progress: &Progress) -> Self {
        Self {
            bars: progress.bars.clone(),
        }
    }
}

impl Write for LogWriter {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        above(self.bars.as_ref(), || io::stderr().lock().write(line))
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().lock().flush()
    }
}

impl<'a> MakeWriter<'a> for LogWriter {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[cfg(test)]
mod tests;
