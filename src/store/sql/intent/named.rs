//! Which objects the rows of a batch name, and which of these other rows name too.

use std::collections::{BTreeMap, BTreeSet};

use kigen_evidence::value::Value;

use super::{Address, store_of, takes_part};
use crate::database::dialect::quote;
use crate::database::session::{Row, SqlSession};
use crate::database::statement::{Statement, Values};
use crate::guard::{self, Guard};
use crate::store::error::StoreError;
use crate::store::objects::{KeyError, ObjectKey};
use crate::store::sql::catalog::{ColumnFacts, ColumnType};
use crate::store::sql::dependents::Found;
use crate::store::sql::elsewhere::Elsewhere;
use crate::store::sql::pass::{Pass, value_at};
use crate::store::sql::rule_sql::missing;
use crate::store::sql::survey::count;

/// The objects that one record names, each with the first link that leads to it; an error if the
/// record names one that no store can have.
pub(in crate::store::sql) type Names = Result<BTreeMap<Address, usize>, KeyError>;

/// Every place in the rows of a batch that names an object.
pub(in crate::store::sql) struct ObjectReferences(Vec<Mention>);

struct Mention {
    /// Index of the record in the batch.
    record: usize,
    link: usize,
    value: Value,
    address: Result<Address, KeyError>,
}

impl ObjectReferences {
    /// Reads the mentions in `rows` and in what was found to go with them.
    pub(in crate::store::sql) fn of(
        pass: &Pass<'_>,
        rows: &[Row],
        found: &[Found<'_>],
    ) -> Result<Self, StoreError> {
        let job = pass.job();
        let mut mentions = Self(Vec::new());
        for (link, object) in job.objects.iter().enumerate() {
            if !takes_part(job, pass.stage(), object) {
                continue;
            }
            let column = &object.key_column;
            let Some(named) = &object.table else {
                let at = pass.selected(column);
                let at = at.ok_or_else(|| missing(&job.table.to_string(), column))?;
                for (record, row) in rows.iter().enumerate() {
                    mentions.add(pass, record, link, value_at(row, at));
                }
                continue;
            };
            for part in found.iter().filter(|part| &part.reference.table == named) {
                let at = part.position(column);
                let at = at.ok_or_else(|| missing(&named.to_string(), column))?;
                for (record, row) in part.owners.iter().zip(&part.rows) {
                    mentions.add(pass, *record, link, value_at(row, at));
                }
            }
        }
        Ok(mentions)
    }

    fn add(&mut self, pass: &Pass<'_>, record: usize, link: usize, value: Value) {
        let job = pass.job();
        let object = &job.objects[link];
        let named = object.table.as_ref().unwrap_or(&job.table);
        let facts = pass.tables.column(named, &object.key_column);
        let Some(key) = facts.and_then(|facts| key_in(&value, facts)) else {
            return;
        };
        let store = store_of(pass.job(), link);
        self.0.push(Mention {
            record,
            link,
            value,
            address: key.map(|key| Address { store, key }),
        });
    }

    /// What each of the batch's `records` names.
    pub(in crate::store::sql) fn by_record(&self, records: usize) -> Vec<Names> {
        let mut names: Vec<Names> = (0..records).map(|_| Ok(BTreeMap::new())).collect();
        for mention in &self.0 {
            let Some(known) = names.get_mut(mention.record) else {
                continue;
            };
            match &mention.address {
                Err(error) => *known = Err(*error),
                Ok(address) => {
                    if let Ok(named) = known {
                        named.entry(address.clone()).or_insert(mention.link);
                    }
                }
            }
        }
        names
    }
}

/// The key that a column holds; `None` if the row names no object. An empty text is what null is: a
/// column that may not be null holds it where there is no file.
///
/// The padding of `character(n)` is no part of a key.
pub(in crate::store::sql) fn key_in(
    value: &Value,
    column: &ColumnFacts,
) -> Option<Result<ObjectKey, KeyError>> {
    match value {
        Value::Bytes(_) => Some(Err(KeyError::Unwritable)),
        Value::Null
        | Value::Bool(_)
        | Value::Int(_)
        | Value::Text(_)
        | Value::Uuid(_)
        | Value::Instant(_)
        | Value::Local(_)
        | Value::Decimal(_) => {
            let text = value.store_text()?;
            let text = if column.is_padded() {
                text.trim_end_matches(' ')
            } else {
                text.as_str()
            };
            (!text.is_empty()).then(|| ObjectKey::parse(text))
        }
    }
}

/// Those of `addresses` that rows beside the ones of `going` name too: such an object stays, and
/// goes with the last row that names it.
pub(in crate::store::sql) async fn named_by_staying_rows(
    session: &mut dyn SqlSession,
    pass: &Pass<'_>,
    mentions: &ObjectReferences,
    going: &BTreeSet<usize>,
    addresses: &BTreeSet<Address>,
) -> Result<BTreeSet<Address>, StoreError> {
    let mut shared = BTreeSet::new();
    for link in 0..pass.job().objects.len() {
        let store = store_of(pass.job(), link);
        let mut values: BTreeMap<&Value, (&Address, u64)> = BTreeMap::new();
        for mention in &mentions.0 {
            let Ok(address) = &mention.address else {
                continue;
            };
            if address.store != store || !addresses.contains(address) {
                continue;
            }
            let (_, own) = values.entry(&mention.value).or_insert((address, 0));
            *own += u64::from(mention.link == link && going.contains(&mention.record));
        }
        if values.is_empty() {
            continue;
        }
        let object = &pass.job().objects[link];
        let named = object.table.as_ref().unwrap_or(&pass.job().table);
        let facts = pass.tables.column(named, &object.key_column);
        let facts = facts.ok_or_else(|| missing(&named.to_string(), &object.key_column))?;
        let asked: Vec<&Value> = values.keys().copied().collect();
        for row in session.query(&how_often(pass, link, &asked)?).await? {
            let found = row.get(1).and_then(count);
            let key = row.first().and_then(|value| key_in(value, facts));
            let known = values
                .values()
                .find(|(address, _)| key.as_ref() == Some(&Ok(address.key.clone())));
            if let (Some((address, own)), Some(found)) = (known, found)
                && found > *own
            {
                shared.insert((*address).clone());
            }
        }
    }
    if guard::stands(Guard::ObjectsOfOtherJobs) {
        for elsewhere in &pass.elsewhere {
            named_elsewhere(session, pass, elsewhere, addresses, &mut shared).await?;
        }
    }
    Ok(shared)
}

/// Adds those of `addresses` that rows of another job name.
async fn named_elsewhere(
    session: &mut dyn SqlSession,
    pass: &Pass<'_>,
    elsewhere: &Elsewhere,
    addresses: &BTreeSet<Address>,
    shared: &mut BTreeSet<Address>,
) -> Result<(), StoreError> {
    let mut asked: BTreeMap<Value, &Address> = BTreeMap::new();
    for address in addresses {
        let is_there = elsewhere.store == address.store;
        if let Some(key) = is_there
            .then(|| elsewhere.change.of(address.key.as_str()))
            .flatten()
        {
            asked.insert(Value::Text(key), address);
        }
    }
    if asked.is_empty() {
        return Ok(());
    }
    let facts = &elsewhere.column;
    let mut column = format!("t.{}", quote(&facts.name));
    // Keys in a column of another type are compared as text.
    let text = ColumnFacts {
        column_type: ColumnType::Text { characters: None },
        type_name: "text".to_owned(),
        ..facts.clone()
    };
    let typed = if matches!(facts.column_type, ColumnType::Text { .. }) {
        facts
    } else {
        column = pass.dialect.text_of(&column);
        &text
    };
    let rows: Vec<&[Value]> = asked.keys().map(std::slice::from_ref).collect();
    let mut values = Values::default();
    let sql = format!(
        "select distinct {} from {} as t where {column} in (select c0 from {})",
        pass.dialect.readable(&column, typed),
        pass.tables.sql(&elsewhere.table),
        pass.dialect.rows("u", &[typed], &rows, &mut values)
    );
    let doing = pass.doing(&format!("ask who names an object in `{}`", elsewhere.table));
    for row in session.query(&Statement::new(doing, sql, values)).await? {
        let text = row.first().and_then(Value::store_text);
        let text = text.map(|text| Value::Text(text.trim_end_matches(' ').to_owned()));
        let known = asked.iter().find(|(key, _)| match (key, &text) {
            (Value::Text(key), Some(Value::Text(text))) => key.trim_end_matches(' ') == text,
            _ => false,
        });
        if let Some((_, address)) = known {
            shared.insert((*address).clone());
        }
    }
    Ok(())
}

/// Counts the rows of link `link` by the object that they name.
fn how_often(pass: &Pass<'_>, link: usize, keys: &[&Value]) -> Result<Statement, StoreError> {
    let link = &pass.job().objects[link];
    let named = link.table.as_ref().unwrap_or(&pass.job().table);
    let facts = pass.tables.column(named, &link.key_column);
    let facts = facts.ok_or_else(|| missing(&named.to_string(), &link.key_column))?;
    let column = format!("t.{}", quote(&link.key_column));
    let rows: Vec<&[Value]> = keys.iter().map(|key| std::slice::from_ref(*key)).collect();
    let mut values = Values::default();
    let sql = format!(
        "select {}, count(*) from {} as t where {column} in (select c0 from {}) group by {column}",
        pass.dialect.readable(&column, facts),
        pass.tables.sql(named),
        pass.dialect.rows("u", &[facts], &rows, &mut values)
    );
    let doing = pass.doing(&format!("count who names an object in `{named}`"));
    Ok(Statement::new(doing, sql, values))
}
