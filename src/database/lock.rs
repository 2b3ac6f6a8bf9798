//! Locks by name that end with the process.

use std::fs::File;

use sqlx::{Connection, PgConnection};
use thiserror::Error;

use super::error::DatabaseError;

/// Names that this process holds until the value is released or dropped, or the process dies.
#[derive(Debug)]
#[must_use = "dropping it releases the lock"]
pub struct Lock(Held);

#[derive(Debug)]
enum Held {
    /// Advisory locks of this session.
    Session(Box<PgConnection>),
    /// Locked files.
    Files(Vec<File>),
}

impl Lock {
    pub(super) fn of_session(connection: PgConnection) -> Self {
        Self(Held::Session(Box::new(connection)))
    }

    pub(super) fn of_files(files: Vec<File>) -> Self {
        Self(Held::Files(files))
    }

    /// Proves that the lock is still held.
    ///
    /// A database that was restarted has forgotten its session's locks; file locks are not lost.
    pub async fn check(&mut self) -> Result<(), DatabaseError> {
        match &mut self.0 {
            Held::Session(connection) => {
                let alive = connection.ping().await;
                alive.map_err(|error| DatabaseError::of_driver("keep a lock", error))
            }
            Held::Files(_) => Ok(()),
        }
    }

    /// Releases the lock; on return others can take it.
    pub async fn release(self) -> Result<(), DatabaseError> {
        match self.0 {
            Held::Session(mut connection) => {
                let failed = |error| DatabaseError::of_driver("release a lock", error);
                // Closing alone releases too, but not before the server has noticed.
                sqlx::query("select pg_advisory_unlock_all()")
                    .execute(&mut *connection)
                    .await
                    .map_err(failed)?;
                connection.close().await.map_err(failed)
            }
            Held::Files(files) => {
                drop(files);
                Ok(())
            }
        }
    }
}

/// Why a lock was not taken; `E` is why it could not be asked for.
#[derive(Debug, Error)]
pub enum LockError<E: std::error::Error + 'static = DatabaseError> {
    /// Another process, or another task of this one, holds it.
    #[error("take the lock `{name}`: another run holds it")]
    Busy { name: String },
    /// The folder of the lock files cannot be used.
    #[error("take the lock `{name}`: its file cannot be used")]
    File {
        name: String,
        #[source]
        source: std::io::Error,
    },
    #[error(transparent)]
    NotAsked(E),
}

impl From<DatabaseError> for LockError {
    fn from(error: DatabaseError) -> Self {
        Self::NotAsked(error)
    }
}
