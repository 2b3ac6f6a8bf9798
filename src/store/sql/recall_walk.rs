//! A pass that removes what was removed before and is there again.
//!
//! The table is read in key order without a lock. What evidence knows is locked, known again and
//! removed as a batch of any run is; rows that came back without their record go alone.

use super::backend::Backend;
use super::batch;
use super::batch::Batch;
use super::batch::BatchId;
use super::batch::Room;
use super::effects;
use super::evidence::EvidenceWriter;
use super::goes_with;
use super::goes_with::Found;
use super::intent::Patience;
use super::journal;
use super::objects_walk::adopt;
use super::objects_walk::next_rows;
use super::pass::Pass;
use super::present;
use super::present::RECORDS_AT_A_TIME;
use super::present::recalled;
use super::session::Access;
use super::session::Row;
use super::session::SqlSession;
use super::window::Window;
use super::window::find_window;
use crate::domain::value::RecordKey;
use crate::store::PassOutcome;
use crate::store::RunControl;
use crate::store::add_counts;
use crate::store::error::StoreError;
use crate::store::may_go_on;

/// Walks the table once.
pub(crate) async fn walk(
    backend: &dyn Backend,
    pass: &Pass<'_>,
    control: &dyn RunControl,
) -> PassOutcome {
    let mut worker = Worker {
        pass,
        control,
        evidence: EvidenceWriter::new(pass.order),
        room: Room::new(pass.order.max_records),
        batches: 0,
        outcome: PassOutcome::default(),
    };
    let ended = worker.run(backend).await;
    worker.outcome.stopped_by = ended.err();
    worker.outcome
}

struct Worker<'p, 'a> {
    pass: &'p Pass<'a>,
    control: &'p dyn RunControl,
    evidence: EvidenceWriter<'a>,
    room: Room,
    batches: i64,
    outcome: PassOutcome,
}

/// What came back of some records of the table.
struct Back {
    /// The key up to which the table was read.
    last: RecordKey,
    records: Vec<RecordKey>,
    /// Records that stay, and with which a row came back.
    with_rows: Vec<RecordKey>,
}

impl Worker<'_, '_> {
    async fn run(&mut self, backend: &dyn Backend) -> Result<(), StoreError> {
        let mut session = backend.session().await?;
        let mut last = None;
        let size = self.pass.job().limit.batch_size.max(1) as usize;
        while may_go_on(self.control).await {
            let Some(back) = look(&mut *session, self.pass, last.as_ref()).await? else {
                return Ok(());
            };
            for keys in back.records.chunks(size) {
                self.dispose(&mut *session, Window::Keys(keys.to_vec()))
                    .await?;
            }
            for keys in back.with_rows.chunks(size) {
                self.dispose_rows(&mut *session, Window::Keys(keys.to_vec()))
                    .await?;
            }
            last = Some(back.last);
        }
        Ok(())
    }

    fn next_batch(&mut self) -> BatchId {
        let batch = self.batches;
        self.batches += 1;
        BatchId {
            slice: i64::from(self.pass.order.pass),
            batch,
        }
    }

    async fn dispose(
        &mut self,
        session: &mut dyn SqlSession,
        window: Window,
    ) -> Result<(), StoreError> {
        let mut patience = Patience::new();
        loop {
            let id = self.next_batch();
            // The last try passes over what others have locked.
            let around_locks = patience.is_last();
            let (pass, evidence) = (self.pass, &mut self.evidence);
            let room = &self.room;
            let tried =
                batch::dispose(session, pass, evidence, &window, id, room, around_locks).await;
            match tried {
                Ok(done) => {
                    self.count(done);
                    return Ok(());
                }
                Err(error) => patience.wait_after(error).await?,
            }
        }
    }

    fn count(&mut self, done: Batch) {
        self.control.advanced(done.disposed);
        self.outcome.disposed += done.disposed;
        self.outcome.batches += 1;
        add_counts(&mut self.outcome.ended_by, done.ended_by);
        add_counts(&mut self.outcome.by_client, done.by_client);
        add_counts(&mut self.outcome.gone_with, done.gone_with);
        add_counts(&mut self.outcome.effects, done.effects);
    }

    async fn dispose_rows(
        &mut self,
        session: &mut dyn SqlSession,
        window: Window,
    ) -> Result<(), StoreError> {
        let mut patience = Patience::new();
        loop {
            effects::begin(session).await?;
            let error = match self.rows_in_transaction(session, &window).await {
                Ok(done) => {
                    session.commit().await?;
                    self.count(done);
                    return Ok(());
                }
                Err(error) => error,
            };
            // If even this fails, the transaction ends with its connection; the cause comes first.
            match session.rollback().await {
                Ok(()) | Err(_) => patience.wait_after(error).await?,
            }
        }
    }

    /// Removes the rows that came back while their records stay.
    async fn rows_in_transaction(
        &mut self,
        session: &mut dyn SqlSession,
        window: &Window,
    ) -> Result<Batch, StoreError> {
        let pass = self.pass;
        let rows = adopt(pass, session.query(&find_window(pass, window, true)).await?);
        let mut found = goes_with::find_all(session, pass, &rows, true).await?;
        let back = rows_back(pass, &rows, &found)?;
        let mut back = back.into_iter();
        for part in &mut found {
            part.retain(|| back.next() == Some(true));
        }
        let id = self.next_batch();
        let mut proof = self.evidence.batch(id);
        let gone_with = goes_with::remove_alone(session, pass, &rows, &found, &mut proof).await?;
        let clients = proof.groups.iter();
        let clients = clients.map(|group| (group.client.clone(), group.records));
        batch::all_are_announced(pass, &clients.collect())?;
        journal::insert(session, pass, &proof).await?;
        Ok(Batch {
            disposed: gone_with.values().sum(),
            effects: effects::settle(session, pass).await?,
            gone_with,
            ..Batch::default()
        })
    }
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
    let found = goes_with::find_all(session, pass, &rows, false).await?;
    session.rollback().await?;
    let Some(row) = rows.last() else {
        return Ok(None);
    };
    let last = pass.key_of(row);
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
