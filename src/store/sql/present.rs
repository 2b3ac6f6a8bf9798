//! Everything that is present of a cluster, shown as evidence may know it.

use jiff::Timestamp;
use jiff::civil::Date;
use kigen_evidence::leaf::RunKey;
use kigen_evidence::value::RecordKey;

use super::backend::{Backend, tables_of};
use super::batch::adopt;
use super::batch_range::{self, Window, find_window};
use super::columns::Tables;
use super::dependents::{self, Found};
use super::objects_walk::next_rows;
use super::pass::Pass;
use super::recalled::Recalled;
use super::rule_sql::StageText;
use super::{orphans, survey};
use crate::database::session::{Access, Row, SqlSession};
use crate::database::statement::Statement;
use crate::job::Job;
use crate::store::error::StoreError;
use crate::store::order::StageWork;
use crate::store::{
    AnnouncedClients, BackAgain, PresentBatch, PresentRow, PresentSink, Recall, RemovedKeys,
    RemovedTable, RunContext, StageTargets, Survey, TokenKey,
};

/// Records that are read at a time.
pub(super) const RECORDS_AT_A_TIME: u32 = 4096;

/// Rows that go with records that are shown at a time; more than go with most of them.
const ROWS_AT_A_TIME: usize = 65_536;

/// Shows everything present of the cluster of `job`, in one snapshot.
pub(super) async fn present(
    backend: &dyn Backend,
    job: &Job,
    tokens: &TokenKey,
    sink: PresentSink<'_>,
) -> Result<(), StoreError> {
    let mut session = backend.session().await?;
    session.begin(Access::Read).await?;
    let tables = tables_of(backend, &mut *session, job).await?;
    let run = reader(tokens);
    let work = looking(job, &run);
    let pass = everything(backend, &tables, &work)?;
    let total = count(&mut *session, job, &tables).await?;
    let mut last = None;
    loop {
        let statement = next_rows(&pass, last.as_ref(), RECORDS_AT_A_TIME);
        let rows = adopt(&pass, session.query(&statement).await?);
        let Some(row) = rows.last() else {
            break;
        };
        let next = pass.key_of(row);
        batch_range::goes_on(&pass, last.as_ref(), Some(&next))?;
        last = Some(next);
        let progress = PresentBatch {
            total,
            done: rows.len() as u64,
            ..PresentBatch::default()
        };
        show(&mut *session, &pass, &rows, progress, sink).await?;
    }
    orphans::find(&mut *session, &pass, sink).await?;
    Ok(session.rollback().await?)
}

/// Shows the records with a key of `removed`, unless rows that went with records are there again.
pub(super) async fn present_among(
    backend: &dyn Backend,
    job: &Job,
    tokens: &TokenKey,
    removed: &RemovedKeys,
    sink: PresentSink<'_>,
) -> Result<bool, StoreError> {
    let mut session = backend.session().await?;
    session.begin(Access::Read).await?;
    let tables = tables_of(backend, &mut *session, job).await?;
    let run = reader(tokens);
    let work = looking(job, &run);
    let pass = everything(backend, &tables, &work)?;
    let progress = |done| PresentBatch {
        total: removed.all(),
        done,
        ..PresentBatch::default()
    };
    let mut own = Vec::new();
    for (table, parts) in removed.tables() {
        let RemovedTable::GoesWith(index) = table else {
            own.extend(parts);
            continue;
        };
        for part in parts {
            if dependents::is_any_there(&mut *session, &pass, index, part).await? {
                session.rollback().await?;
                return Ok(false);
            }
            sink(progress(part.keys()))?;
        }
    }
    for part in own {
        let keys = part.unpack(pass.key_columns.len());
        let window = Window::Keys(keys.into_iter().map(RecordKey::new).collect());
        let rows = adopt(&pass, session.query(&find_window(&pass, &window)).await?);
        if rows.is_empty() {
            sink(progress(part.keys()))?;
            continue;
        }
        show(&mut *session, &pass, &rows, progress(part.keys()), sink).await?;
    }
    session.rollback().await?;
    Ok(true)
}

/// The work of a look, which removes nothing.
fn looking<'a>(job: &'a Job, run: &'a RunContext) -> StageWork<'a> {
    StageWork {
        job,
        stage: 0,
        as_of: Date::MIN,
        run,
        targets: StageTargets::default(),
        max_records: 0,
        max_rows: 0,
        surveyed: Survey::default(),
        pass: 0,
        recall: Some(&Nobody),
    }
}

/// A pass over all records that have a key: also what another row keeps is there.
fn everything<'a>(
    backend: &'a dyn Backend,
    tables: &'a Tables,
    work: &'a StageWork<'a>,
) -> Result<Pass<'a>, StoreError> {
    tables.own(work.job)?;
    let mut pass = Pass::prepare(backend.dialect(), tables, work)?;
    pass.due = named(&pass);
    Ok(pass)
}

/// Shows records with the rows that go with them, beside what is done with them: in one batch, or in further ones for more rows.
async fn show(
    session: &mut dyn SqlSession,
    pass: &Pass<'_>,
    rows: &[Row],
    progress: PresentBatch,
    sink: PresentSink<'_>,
) -> Result<(), StoreError> {
    let recalled = recalled(pass)?;
    let total = progress.total;
    let mut batch = PresentBatch {
        records: rows.iter().map(|row| recalled.record(pass, row)).collect(),
        ..progress
    };
    let mut take = |row: PresentRow| {
        if batch.rows.len() == ROWS_AT_A_TIME {
            let records = batch.records.clone();
            sink(std::mem::take(&mut batch))?;
            batch.total = total;
            batch.records = records;
            batch.records_again = true;
        }
        batch.rows.push(row);
        Ok(())
    };
    dependents::show(session, pass, rows, &mut take).await?;
    sink(batch)
}

/// How many records there are.
async fn count(
    session: &mut dyn SqlSession,
    job: &Job,
    tables: &Tables,
) -> Result<u64, StoreError> {
    let sql = format!("select count(*) from {} as t", tables.sql(&job.table));
    let doing = format!("count the records of `{}`", job.cluster);
    let statement = Statement::plain(doing, sql);
    let rows = session.query(&statement).await?;
    let first = rows.first().and_then(|row| row.first());
    let count = first.and_then(survey::count);
    count.ok_or_else(|| StoreError::Unusable("the store counts in no numbers".to_owned()))
}

fn named(pass: &Pass<'_>) -> String {
    let text = StageText {
        dialect: pass.dialect,
        job: pass.job(),
        stage: pass.stage(),
        tables: pass.tables,
    };
    text.named()
}

/// What was read, as evidence may know it.
pub(super) fn batch(
    pass: &Pass<'_>,
    rows: &[Row],
    found: &[Found<'_>],
) -> Result<PresentBatch, StoreError> {
    let recalled = recalled(pass)?;
    let mut batch = PresentBatch {
        records: rows.iter().map(|row| recalled.record(pass, row)).collect(),
        ..PresentBatch::default()
    };
    for part in found {
        let rows = part
            .keys()
            .zip(&part.owners)
            .map(|(key, owner)| PresentRow {
                reference: part.index(),
                key: key.to_vec(),
                owner: *owner,
            });
        batch.rows.extend(rows);
    }
    Ok(batch)
}

pub(super) fn recalled<'p>(pass: &'p Pass<'_>) -> Result<&'p Recalled<'p>, StoreError> {
    let recalled = pass.recalled.as_ref();
    recalled.ok_or_else(|| StoreError::Unusable("nobody knows the rows of the pass".to_owned()))
}

/// A look makes no evidence, so it has no run; only the tokens are needed.
fn reader(tokens: &TokenKey) -> RunContext {
    RunContext {
        run_id: String::new(),
        run_key: RunKey::from_bytes([0; 32]),
        token_key: tokens.clone(),
        started_at: Timestamp::UNIX_EPOCH,
        announced: AnnouncedClients::not_asked_for(),
    }
}

/// Picks nothing: what is shown is judged by who looks at it.
struct Nobody;

impl Recall for Nobody {
    fn back(&self, batch: &PresentBatch, _stage: usize) -> Result<BackAgain, StoreError> {
        Ok(BackAgain {
            records: vec![false; batch.records.len()],
            rows: vec![false; batch.rows.len()],
        })
    }
}
