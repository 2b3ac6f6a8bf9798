//! A plain connection, as somebody with a database shell has it.

use sqlx::{AssertSqlSafe, Connection, PgConnection, Row, SqliteConnection, ValueRef};

/// One row, every value as the database writes it as text.
pub(crate) type TextRow = Vec<Option<String>>;

/// A connection past kigen.
pub(crate) enum Shell {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl Shell {
    pub(crate) async fn sqlite(url: &str) -> Self {
        Self::Sqlite(SqliteConnection::connect(url).await.unwrap())
    }

    pub(crate) async fn postgres(url: &str) -> Self {
        Self::Postgres(PgConnection::connect(url).await.unwrap())
    }

    /// Runs statements, separated by semicolons.
    pub(crate) async fn execute(&mut self, sql: &str) {
        let script = sqlx::raw_sql(AssertSqlSafe(sql));
        let done = match self {
            Self::Sqlite(connection) => script.execute(connection).await.map(|_| ()),
            Self::Postgres(connection) => script.execute(connection).await.map(|_| ()),
        };
        done.unwrap_or_else(|error| panic!("{error}\n{sql}"));
    }

    /// Runs a statement that has to wait until others' connections have ended.
    pub(crate) async fn execute_with_patience(&mut self, sql: &str) {
        let Self::Postgres(connection) = self else {
            panic!("only a server has connections of others");
        };
        for tries in 0.. {
            let script = sqlx::raw_sql(AssertSqlSafe(sql));
            match script.execute(&mut *connection).await {
                Ok(_) => return,
                Err(error) => assert!(tries < 50, "{error}\n{sql}"),
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    }

    pub(crate) async fn close(self) {
        match self {
            Self::Sqlite(connection) => connection.close().await.unwrap(),
            Self::Postgres(connection) => connection.close().await.unwrap(),
        }
    }

    /// The rows of one query.
    pub(crate) async fn rows(&mut self, sql: &str) -> Vec<TextRow> {
        let query = sqlx::raw_sql(AssertSqlSafe(sql));
        match self {
            Self::Sqlite(connection) => {
                let rows = query.fetch_all(connection).await;
                let rows = rows.unwrap_or_else(|error| panic!("{error}\n{sql}"));
                rows.iter()
                    .map(|row| (0..row.len()).map(|at| row.get_unchecked(at)).collect())
                    .collect()
            }
            Self::Postgres(connection) => {
                let rows = query.fetch_all(connection).await;
                let rows = rows.unwrap_or_else(|error| panic!("{error}\n{sql}"));
                rows.iter()
                    .map(|row| (0..row.len()).map(|at| postgres_text(row, at)).collect())
                    .collect()
            }
        }
    }
}

/// A simple query is answered in text, whatever the type.
fn postgres_text(row: &sqlx::postgres::PgRow, at: usize) -> Option<String> {
    let raw = row.try_get_raw(at).unwrap();
    (!raw.is_null()).then(|| raw.as_str().unwrap().to_owned())
}
