//! The part of a table that one batch looks at: finding, locking and naming its rows.

use kigen_evidence::value::{RecordKey, Value};

use super::dialect::WalkKind;
use super::pass::Pass;
use crate::database::dialect::quote;
use crate::database::statement::{Arg, Statement, Values};
use crate::job::Operation;
use crate::store::error::StoreError;

/// The part of the table that one batch looks at.
#[derive(Clone, Debug)]
pub(crate) enum Window {
    /// Blocks from the first (included) to the second (excluded).
    Blocks(u64, u64),
    /// The next records in key order.
    After { key: Option<RecordKey>, limit: u32 },
    /// These records, wherever they lie.
    Keys(Vec<RecordKey>),
}

/// Whether a pass of this dialect goes by blocks.
pub(crate) fn by_blocks(pass: &Pass<'_>) -> bool {
    pass.dialect.walk() == WalkKind::Blocks
}

/// Deletes the due records of the window, where one statement suffices.
pub(crate) fn delete_window(pass: &Pass<'_>, window: &Window) -> Statement {
    let mut values = Values::default();
    let condition = window_condition(pass, window, &mut values);
    let sql = format!(
        "delete from {} as t where {condition} and {}{}",
        pass.tables.sql(&pass.job().table),
        pass.due,
        pass.dialect.returning(&pass.selection.list())
    );
    Statement::new(pass.doing("delete a batch"), sql, values)
        .writing(pass.tables.sql(&pass.job().table), Operation::Delete)
}

/// Locks the due records of the window that nobody else has locked, and names them by their keys.
pub(crate) fn lock_window(pass: &Pass<'_>, window: &Window) -> Statement {
    let keys = keys_window(pass, window);
    let mut lock = keys.followed_by(pass.dialect.lock_rows());
    lock.doing = pass.doing("lock a batch").into();
    lock
}

/// Names the due records of the window by their keys.
pub(crate) fn keys_window(pass: &Pass<'_>, window: &Window) -> Statement {
    select_window(pass, window, &pass.selection.key_list(), Some(&pass.due))
}

/// Finds the due records of the window.
pub(crate) fn find_window(pass: &Pass<'_>, window: &Window) -> Statement {
    select_window(pass, window, &pass.selection.list(), Some(&pass.due))
}

/// Reads the records of the window, due or not.
pub(crate) fn read_window(pass: &Pass<'_>, window: &Window) -> Statement {
    select_window(pass, window, &pass.selection.list(), None)
}

fn select_window(pass: &Pass<'_>, window: &Window, list: &str, due: Option<&str>) -> Statement {
    let mut values = Values::default();
    let mut condition = window_condition(pass, window, &mut values);
    if let Some(due) = due {
        condition = format!("{condition} and {due}");
    }
    let mut sql = format!("select {list} from {} where {condition}", pass.from);
    if let Window::After { limit, .. } = window {
        sql.push_str(&format!(
            " order by {} limit {limit}",
            own_key(pass).join(", ")
        ));
    }
    Statement::new(pass.doing("read a batch"), sql, values)
}

fn window_condition(pass: &Pass<'_>, window: &Window, values: &mut Values) -> String {
    let key = own_key(pass);
    match window {
        Window::Blocks(from, to) => format!(
            "t.ctid >= {}::tid and t.ctid < {}::tid",
            values.bind(format!("({from},0)")),
            values.bind(format!("({to},0)"))
        ),
        Window::After { key: None, .. } => has_key(&key),
        // A number that SQLite calls real is handed over as such: as a text it may be another one.
        Window::After {
            key: Some(after), ..
        } if after.values().iter().any(is_real) => {
            format!("{} and {}", behind(pass, after, values), has_key(&key))
        }
        Window::After {
            key: Some(after), ..
        } => format!(
            "({}) > ({}) and {}",
            key.join(", "),
            values.list(after.values().iter().map(key_arg)),
            has_key(&key)
        ),
        Window::Keys(keys) => in_rows(pass, keys, values),
    }
}

fn is_real(value: &Value) -> bool {
    matches!(value, Value::Decimal(_))
}

/// `(t.k1, t.k2) > (select c0, c1 from …)`, where the one row is the key `after`: the database compares
/// it as its columns' types.
pub(super) fn behind(pass: &Pass<'_>, after: &RecordKey, values: &mut Values) -> String {
    let key = own_key(pass);
    let names: Vec<String> = (0..key.len()).map(|index| format!("c{index}")).collect();
    format!(
        "({}) > (select {} from {})",
        key.join(", "),
        names.join(", "),
        pass.dialect
            .rows("u", &pass.key_columns, &[after.values()], values)
    )
}

/// Fails where a walk in key order would come to the same record for ever: its key is another one once it
/// was written.
pub(super) fn goes_on(
    pass: &Pass<'_>,
    last: Option<&RecordKey>,
    next: Option<&RecordKey>,
) -> Result<(), StoreError> {
    if next.is_none() || last != next {
        return Ok(());
    }
    Err(StoreError::Unfit {
        doing: pass.doing("walk in key order"),
        reason: "a key is not found again by its own value: nothing behind it was looked at"
            .to_owned(),
    })
}

/// Whether a record can be named at all: SQLite lets a primary key be null.
fn has_key(key: &[String]) -> String {
    let parts: Vec<String> = key
        .iter()
        .map(|column| format!("{column} is not null"))
        .collect();
    parts.join(" and ")
}

fn key_arg(value: &Value) -> Arg {
    match value {
        Value::Int(value) => Arg::Int(*value),
        Value::Bytes(bytes) => Arg::Bytes(bytes.clone()),
        other => Arg::Text(other.store_text().unwrap_or_default()),
    }
}

/// The key's columns in the job's order: `t."k1"`.
pub(crate) fn own_key(pass: &Pass<'_>) -> Vec<String> {
    pass.job()
        .key
        .iter()
        .map(|column| format!("t.{}", quote(column)))
        .collect()
}

/// `(t.k1, t.k2) in (select c0, c1 from …)`: that a row is one of `keys`.
pub(crate) fn in_rows(pass: &Pass<'_>, keys: &[RecordKey], values: &mut Values) -> String {
    let key = own_key(pass);
    let names: Vec<String> = (0..key.len()).map(|index| format!("c{index}")).collect();
    let rows: Vec<&[Value]> = keys.iter().map(RecordKey::values).collect();
    format!(
        "({}) in (select {} from {})",
        key.join(", "),
        names.join(", "),
        pass.dialect.rows("u", &pass.key_columns, &rows, values)
    )
}
