//! The intent table, beside the journal.

use std::collections::BTreeMap;

use kigen_evidence::value::Value;

use super::Intent;
use super::facts::{self, OpenIntent};
use crate::database::session::{Row, SqlSession};
use crate::database::statement::{Statement, Values};
use crate::job::Operation;
use crate::store::error::StoreError;
use crate::store::sql::dialect::Dialect;
use crate::store::sql::pass::Pass;

/// Stores the intents of a batch, each only while the run's fence is open.
pub(in crate::store::sql) async fn store(
    session: &mut dyn SqlSession,
    pass: &Pass<'_>,
    intents: &[Intent],
) -> Result<(), StoreError> {
    for intent in intents {
        let (key, facts) = facts::write(pass.job(), &pass.stage().name, intent)?;
        let mut values = Values::default();
        let run = values.bind(&pass.order.run.run_id);
        let number = values.bind(intent.id);
        let target = values.bind(i64::from(pass.order.targets.own));
        let key = values.bind(key).to_string();
        let facts = values.bind(facts).to_string();
        let sql = format!(
            "insert into {} (run_id, intent_id, target, row_key, facts, created_at) \
             select {run}, {number}, {target}, {}, {}, {} from {} as f \
             where f.run_id = {run} and f.state = 'open'{}",
            pass.dialect.internal("intent"),
            pass.dialect.json(&key),
            pass.dialect.json(&facts),
            pass.dialect.now(),
            pass.dialect.internal("fence"),
            pass.dialect.lock_fence()
        );
        let statement = Statement::new(pass.doing("store an intent"), sql, values)
            .writing(pass.dialect.internal("intent"), Operation::Insert);
        if session.execute(&statement).await? != 1 {
            return Err(StoreError::FenceClosed {
                run: pass.order.run.run_id.clone(),
            });
        }
    }
    Ok(())
}

/// Drops an intent; false if another worker has dropped it, and so certified it, before.
pub(super) async fn drop_intent(
    session: &mut dyn SqlSession,
    dialect: &dyn Dialect,
    run_id: &str,
    intent: i64,
) -> Result<bool, StoreError> {
    let mut values = Values::default();
    let sql = format!(
        "delete from {} where run_id = {} and intent_id = {}",
        dialect.internal("intent"),
        values.bind(run_id),
        values.bind(intent)
    );
    let statement = Statement::new("drop an intent", sql, values)
        .writing(dialect.internal("intent"), Operation::Delete);
    Ok(session.execute(&statement).await? == 1)
}

/// The open intents of the pass's run and stage.
pub(in crate::store::sql) async fn open(
    session: &mut dyn SqlSession,
    pass: &Pass<'_>,
) -> Result<Vec<Intent>, StoreError> {
    let mut values = Values::default();
    let sql = format!(
        "select intent_id, {}, {} from {} where run_id = {} order by intent_id",
        pass.dialect.text_of("row_key"),
        pass.dialect.text_of("facts"),
        pass.dialect.internal("intent"),
        values.bind(&pass.order.run.run_id)
    );
    let statement = Statement::new(pass.doing("read the open intents"), sql, values);
    let mut intents = Vec::new();
    for row in session.query(&statement).await? {
        let [Value::Int(id), Value::Text(key), Value::Text(facts)] = row.as_slice() else {
            return Err(StoreError::Unusable("an intent cannot be read".to_owned()));
        };
        intents.extend(facts::read(
            pass.job(),
            &pass.stage().name,
            *id,
            key,
            facts,
        )?);
    }
    Ok(intents)
}

/// Every open intent of a run, of whatever job.
pub(super) async fn all(
    session: &mut dyn SqlSession,
    dialect: &dyn Dialect,
    run_id: &str,
) -> Result<Vec<OpenIntent>, StoreError> {
    let mut values = Values::default();
    let sql = format!(
        "select intent_id, {} from {} where run_id = {} order by intent_id",
        dialect.text_of("facts"),
        dialect.internal("intent"),
        values.bind(run_id)
    );
    let statement = Statement::new("read the open intents of a run", sql, values);
    let rows = session.query(&statement).await?;
    rows.iter()
        .map(|row| match row.as_slice() {
            [Value::Int(id), Value::Text(facts)] => facts::read_open(*id, facts),
            _ => Err(StoreError::Unusable("an intent cannot be read".to_owned())),
        })
        .collect()
}

/// How many intents of a run are open, in all its stages.
pub(in crate::store::sql) async fn open_intents(
    session: &mut dyn SqlSession,
    dialect: &dyn Dialect,
    run_id: &str,
) -> Result<i64, StoreError> {
    let mut values = Values::default();
    let sql = format!(
        "select count(*) from {} where run_id = {}",
        dialect.internal("intent"),
        values.bind(run_id)
    );
    let statement = Statement::new("count the open intents of a run", sql, values);
    number(&session.query(&statement).await?)
}

/// The open intents of a run by the cluster of their records, whether or not a job describes it.
pub(in crate::store::sql) async fn open_by_cluster(
    session: &mut dyn SqlSession,
    dialect: &dyn Dialect,
    run_id: &str,
) -> Result<BTreeMap<String, u64>, StoreError> {
    let mut values = Values::default();
    let sql = format!(
        "select {} from {} where run_id = {}",
        dialect.text_of("facts"),
        dialect.internal("intent"),
        values.bind(run_id)
    );
    let statement = Statement::new("read the open intents of a run", sql, values);
    let mut open = BTreeMap::new();
    for row in session.query(&statement).await? {
        let [Value::Text(facts)] = row.as_slice() else {
            return Err(StoreError::Unusable("an intent cannot be read".to_owned()));
        };
        *open.entry(facts::cluster(facts)?).or_default() += 1;
    }
    Ok(open)
}

/// The first number that no open intent of the run has.
pub(in crate::store::sql) async fn next_id(
    session: &mut dyn SqlSession,
    pass: &Pass<'_>,
) -> Result<i64, StoreError> {
    let mut values = Values::default();
    let sql = format!(
        "select coalesce(max(intent_id), 0) + 1 from {} where run_id = {}",
        pass.dialect.internal("intent"),
        values.bind(&pass.order.run.run_id)
    );
    let statement = Statement::new(pass.doing("number the intents"), sql, values);
    number(&session.query(&statement).await?)
}

/// The first number that no batch of the run's slice has in the journal: a batch that finishes
/// the intents of a killed run does not know how far that run came.
pub(super) async fn next_batch(
    session: &mut dyn SqlSession,
    dialect: &dyn Dialect,
    run_id: &str,
    slice: i64,
) -> Result<i64, StoreError> {
    let mut values = Values::default();
    let sql = format!(
        "select coalesce(max(batch), -1) + 1 from {} where run_id = {} and slice = {}",
        dialect.internal("journal"),
        values.bind(run_id),
        values.bind(slice)
    );
    let statement = Statement::new("number a batch", sql, values);
    number(&session.query(&statement).await?)
}

fn number(rows: &[Row]) -> Result<i64, StoreError> {
    match rows.first().map(Vec::as_slice) {
        Some([Value::Int(number)]) => Ok(*number),
        _ => Err(StoreError::Unusable(
            "a count of kigen's own tables has no number".to_owned(),
        )),
    }
}
