//! The part of a table that one batch looks at: finding, locking and naming its rows.

use kigen_evidence::value::RecordKey;
use kigen_evidence::value::Value;

use super::dialect::WalkKind;
use super::dialect::quote;
use super::pass::Pass;
use super::session::Arg;
use super::session::Statement;
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
    let (condition, args) = window_condition(pass, window);
    let sql = format!(
        "delete from {} as t where {condition} and {} returning {}",
        pass.tables.sql(&pass.job().table),
        pass.due,
        pass.selection.list()
    );
    Statement::new(pass.doing("delete a batch"), sql, args)
        .writing(pass.tables.sql(&pass.job().table), Operation::Delete)
}

/// Locks the due records of the window that nobody else has locked, and names them by their keys.
pub(crate) fn lock_window(pass: &Pass<'_>, window: &Window) -> Statement {
    let keys = keys_window(pass, window);
    Statement {
        doing: pass.doing("lock a batch").into(),
        sql: format!("{}{}", keys.sql, pass.dialect.lock_rows()).into(),
        ..keys
    }
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
    let (mut condition, args) = window_condition(pass, window);
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
    Statement::new(pass.doing("read a batch"), sql, args)
}

fn window_condition(pass: &Pass<'_>, window: &Window) -> (String, Vec<Arg>) {
    let key = own_key(pass);
    match window {
        Window::Blocks(from, to) => (
            "t.ctid >= $1::tid and t.ctid < $2::tid".to_owned(),
            vec![
                Arg::Text(format!("({from},0)")),
                Arg::Text(format!("({to},0)")),
            ],
        ),
        Window::After { key: None, .. } => (has_key(&key), Vec::new()),
        // A number that SQLite calls real is handed over as such: as a text it may be another one.
        Window::After {
            key: Some(after), ..
        } if after.values().iter().any(is_real) => {
            let condition = format!("{} and {}", behind(pass, 1), has_key(&key));
            let args = pass.dialect.row_args(&pass.key_columns, &[after.values()]);
            (condition, args)
        }
        Window::After {
            key: Some(after), ..
        } => {
            let parameters: Vec<String> =
                (1..=key.len()).map(|index| format!("${index}")).collect();
            let args = after.values().iter().map(key_arg).collect();
            let condition = format!(
                "({}) > ({}) and {}",
                key.join(", "),
                parameters.join(", "),
                has_key(&key)
            );
            (condition, args)
        }
        Window::Keys(keys) => (in_rows(pass), key_args(pass, keys)),
    }
}

fn is_real(value: &Value) -> bool {
    matches!(value, Value::Decimal(_))
}

/// `(t.k1, t.k2) > (select c0, c1 from …)`, with the arguments of one row from `$first` on: the database
/// compares the key as its columns' types.
pub(super) fn behind(pass: &Pass<'_>, first: usize) -> String {
    let key = own_key(pass);
    let names: Vec<String> = (0..key.len()).map(|index| format!("c{index}")).collect();
    format!(
        "({}) > (select {} from {})",
        key.join(", "),
        names.join(", "),
        pass.dialect.rows("u", &pass.key_columns, first)
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

/// The arguments of [`in_rows`].
pub(crate) fn key_args(pass: &Pass<'_>, keys: &[RecordKey]) -> Vec<Arg> {
    let rows: Vec<&[Value]> = keys.iter().map(RecordKey::values).collect();
    pass.dialect.row_args(&pass.key_columns, &rows)
}

/// The key's columns in the job's order: `t."k1"`.
pub(crate) fn own_key(pass: &Pass<'_>) -> Vec<String> {
    pass.job()
        .key
        .iter()
        .map(|column| format!("t.{}", quote(column)))
        .collect()
}

/// `(t.k1, t.k2) in (select c0, c1 from …)`, with the arguments of [`key_args`] first.
pub(crate) fn in_rows(pass: &Pass<'_>) -> String {
    let key = own_key(pass);
    let names: Vec<String> = (0..key.len()).map(|index| format!("c{index}")).collect();
    format!(
        "({}) in (select {} from {})",
        key.join(", "),
        names.join(", "),
        pass.dialect.rows("u", &pass.key_columns, 1)
    )
}
