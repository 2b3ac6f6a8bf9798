//! A pass that removes what was removed before and is there again.
//!
//! The table is read in key order without a lock. What evidence knows is locked, known again and
//! removed as a batch of any run is; rows that came back without their record go alone.

use kigen_evidence::value::RecordKey;

use super::backend::Backend;
use super::batch::{self, Batch, adopt};
use super::batch_range::{self, Window};
use super::dependents::{self, Found, Look};
use super::effects;
use super::intent::Retry;
use super::objects_walk::next_rows;
use super::pass::Pass;
use super::present::{self, RECORDS_AT_A_TIME, recalled};
use super::worker::{Shared, Worker};
use crate::database::session::{Access, Row, SqlSession};
use crate::store::error::StoreError;
use crate::store::{PassOutcome, RunControl};

/// Walks the table once.
pub(crate) async fn walk(
    backend: &dyn Backend,
    pass: &Pass<'_>,
    control: &dyn RunControl,
) -> PassOutcome {
    let shared = Shared::of(pass);
    match Worker::open(backend, pass, &shared, 0, control).await {
        Ok(mut worker) => {
            let ended = run(&mut worker).await;
            worker.end(ended)
        }
        Err(error) => shared.stopped(error),
    }
}

/// What came back of some records of the table.
struct Back {
    /// The key up to which the table was read.
    last: RecordKey,
    records: Vec<RecordKey>,
    /// Records that stay, and with which a row came back.
    with_rows: Vec<RecordKey>,
}

async fn run(worker: &mut Worker<'_, '_>) -> Result<(), StoreError> {
    let mut last = None;
    while !worker.is_to_end().await {
        let Some(back) = look(&mut *worker.session, worker.pass, last.as_ref()).await? else {
            return Ok(());
        };
        let size = usize::try_from(worker.pace.records()).unwrap_or(usize::MAX);
        for keys in back.records.chunks(size) {
            worker.dispose(Window::Keys(keys.to_vec())).await?;
        }
        for keys in back.with_rows.chunks(size) {
            dispose_rows(worker, Window::Keys(keys.to_vec())).await?;
        }
        last = Some(back.last);
    }
    Ok(())
}

async fn dispose_rows(worker: &mut Worker<'_, '_>, window: Window) -> Result<(), StoreError> {
    let mut patience = Retry::new();
    loop {
        effects::begin(&mut *worker.session).await?;
        let error = match rows_in_transaction(worker, &window).await {
            Ok(done) => match worker.session.commit().await {
                Ok(()) => {
                    worker.add(done);
                    return Ok(());
                }
                // What went is not met again, and has its evidence.
                Err(error) => {
                    patience.wait_after(error.into()).await?;
                    continue;
                }
            },
            Err(error) => error,
        };
        // If even this fails, the transaction ends with its connection; the cause comes first.
        match worker.session.rollback().await {
            Ok(()) | Err(_) => patience.wait_after(error).await?,
        }
    }
}

/// Removes the rows that came back while their records stay.
async fn rows_in_transaction(
    worker: &mut Worker<'_, '_>,
    window: &Window,
) -> Result<Batch, StoreError> {
    let (pass, session) = (worker.pass, &mut *worker.session);
    let rows = batch::lock_and_read(session, pass, window, usize::MAX).await?;
    let rows = rows.rows;
    let mut found = dependents::find_all(session, pass, &rows, Look::AllLocked).await?;
    let back = rows_back(pass, &rows, &found)?;
    let mut back = back.into_iter();
    for part in &mut found {
        part.retain(|| back.next() == Some(true));
    }
    let mut proof = worker.evidence.batch(worker.shared.next_batch(pass));
    let others = dependents::remove_alone(session, pass, &rows, &found, &mut proof).await?;
    batch::certify_rows(session, pass, &proof).await?;
    Ok(Batch {
        disposed: others.gone.values().sum(),
        gone_with: others.gone,
        unlinked: others.unlinked,
        effects: effects::settle(session, pass).await?,
        ..Batch::default()
    })
}

/// Reads the next records of the table; `None` at its end.
async fn look(
    session: &mut dyn SqlSession,
    pass: &Pass<'_>,
    after: Option<&RecordKey>,
) -> Result<Option<Back>, StoreError> {
    session.begin(Access::Read).await?;
    let statement = next_rows(pass, after, RECORDS_AT_A_TIME);
    let rows = adopt(pass, session.query(&statement).await?);
    let found = dependents::find_all(session, pass, &rows, Look::All).await?;
    session.rollback().await?;
    let Some(row) = rows.last() else {
        return Ok(None);
    };
    let last = pass.key_of(row);
    batch_range::goes_on(pass, after, Some(&last))?;
    let batch = present::batch(pass, &rows, &found)?;
    let back = recalled(pass)?.by().back(&batch, pass.order.stage)?;
    let records = back.records;
    let mut with_rows = vec![false; rows.len()];
    for (row, back) in batch.rows.iter().zip(back.rows) {
        with_rows[row.owner] |= back && !records[row.owner];
    }
    let keys = |chosen: &[bool]| {
        let rows = rows.iter().zip(chosen);
        let chosen = rows.filter(|(_, chosen)| **chosen);
        chosen.map(|(row, _)| pass.key_of(row)).collect()
    };
    Ok(Some(Back {
        records: keys(&records),
        with_rows: keys(&with_rows),
        last,
    }))
}

fn rows_back(pass: &Pass<'_>, rows: &[Row], found: &[Found<'_>]) -> Result<Vec<bool>, StoreError> {
    let batch = present::batch(pass, rows, found)?;
    Ok(recalled(pass)?.by().back(&batch, pass.order.stage)?.rows)
}
