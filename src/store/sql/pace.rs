//! How much the next batch looks at, by what the last ones were like.

use std::time::Duration;

use super::batch::{Batch, MOST_BYTES};
use super::batch_range::Window;
use super::pass::Pass;

/// A batch that takes longer than this is followed by a smaller one: others wait for its locks.
const LONGEST_BATCH: Duration = Duration::from_millis(250);

/// A slow batch is never followed by one smaller than this: below it the commit takes the time,
/// not the records, and a busy disk would bring the pass to a stand.
const SMALLEST_BATCH: u32 = 250;

/// The most batches that the blocks of one window would hold if every record in them were due.
const MOST_BATCHES_IN_BLOCKS: f64 = 4.0;

/// Sizes the batches of one worker.
pub(super) struct Pace {
    /// The most rows of all tables in one transaction, as the job says.
    greatest: u32,
    /// The most that are quick enough.
    rows: u32,
    rows_per_record: f64,
    bytes_per_record: f64,
    due_per_block: f64,
    most_blocks: f64,
}

impl Pace {
    /// As the survey found the table, which has so many blocks.
    pub(super) fn new(pass: &Pass<'_>, blocks: u64) -> Self {
        let greatest = pass.job().limit.batch_size.max(1);
        let surveyed = &pass.order.surveyed;
        let blocks = float(blocks);
        let goes_with = super::evidence::gone_with(pass.job())
            .filter(|reference| reference.stages.contains(&pass.stage().name));
        Self {
            greatest,
            rows: greatest,
            rows_per_record: 1.0 + float(goes_with.count()),
            bytes_per_record: 0.0,
            due_per_block: float(surveyed.due.records.max(1)) / blocks.max(1.0),
            most_blocks: MOST_BATCHES_IN_BLOCKS * f64::from(greatest) * blocks
                / float(surveyed.total.max(1)),
        }
    }

    /// Records of the next batch.
    pub(super) fn records(&self) -> u32 {
        let mut records = f64::from(self.rows) / self.rows_per_record;
        if self.bytes_per_record > 0.0 {
            records = records.min(0.8 * float(MOST_BYTES) / self.bytes_per_record);
        }
        whole(records).try_into().unwrap_or(self.rows).max(1)
    }

    /// Blocks of the next window. Due records do not lie evenly: a little room is left.
    pub(super) fn blocks(&self) -> u64 {
        let records = f64::from(self.records());
        let records = (records - 3.0 * records.sqrt()).max(records / 2.0);
        whole((records / self.due_per_block).min(self.most_blocks)).max(1)
    }

    /// Takes in what a batch was like. What was dense or heavy is forgotten slowly.
    pub(super) fn saw(&mut self, window: &Window, batch: &Batch, took: Duration) {
        self.rows = if took > LONGEST_BATCH {
            (self.rows / 2).max(SMALLEST_BATCH.min(self.greatest))
        } else {
            self.rows
                .saturating_add(self.rows / 4 + 1)
                .min(self.greatest)
        };
        if let Window::Blocks(from, to) = window {
            let seen = float(batch.disposed) / float(to - from);
            self.due_per_block = seen.max(self.due_per_block / 2.0);
        }
        if batch.disposed > 0 {
            let records = float(batch.disposed);
            let (rows, bytes) = (float(batch.rows()), float(batch.bytes));
            self.rows_per_record = (rows / records).max(self.rows_per_record / 2.0).max(1.0);
            self.bytes_per_record = (bytes / records).max(self.bytes_per_record / 2.0);
        }
    }

    /// A window held more than a batch takes.
    pub(super) fn overflowed(&mut self, window: &Window) {
        match window {
            Window::Blocks(..) => self.due_per_block *= 2.0,
            Window::After { .. } | Window::Keys(_) => self.rows_per_record *= 2.0,
        }
    }
}

#[expect(
    clippy::cast_precision_loss,
    clippy::as_conversions,
    reason = "an estimate needs no more than 53 bits"
)]
fn float(number: impl TryInto<u64>) -> f64 {
    number.try_into().unwrap_or(u64::MAX) as f64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::as_conversions,
    reason = "a cast from float to integer saturates"
)]
fn whole(number: f64) -> u64 {
    number as u64
}
