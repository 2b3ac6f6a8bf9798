//! Advisory locks of a session: they end with it.

use sha2::{Digest, Sha256};

use super::Server;
use crate::database::error::DatabaseError;
use crate::database::lock::{Lock, LockError};

const DOING: &str = "take a lock";

/// Locks all of `names` in a session of their own, or none.
pub(super) async fn take(
    server: &Server,
    table: &str,
    names: &[String],
) -> Result<Lock, LockError> {
    let failed = |error| DatabaseError::of_driver(DOING, error);
    // Without a pool, whose retries would hide why it fails.
    let connected = server.connect().await;
    let mut connection = connected.map_err(|error| DatabaseError::of_session(DOING, error))?;
    let oid: i64 = sqlx::query_scalar("select $1::regclass::oid::bigint")
        .bind(table)
        .fetch_one(&mut connection)
        .await
        .map_err(failed)?;
    let mut names: Vec<&String> = names.iter().collect();
    names.sort();
    names.dedup();
    for name in names {
        let taken: bool = sqlx::query_scalar("select pg_try_advisory_lock($1)")
            .bind(advisory_key(oid, name))
            .fetch_one(&mut connection)
            .await
            .map_err(failed)?;
        if !taken {
            Lock::of_session(connection).release().await?;
            return Err(LockError::Busy { name: name.clone() });
        }
    }
    Ok(Lock::of_session(connection))
}

/// The advisory lock of `name` among those of table `oid`.
///
/// Advisory locks are one space for the whole database, so the table's own number keeps two
/// ledgers in one database apart.
pub(crate) fn advisory_key(oid: i64, name: &str) -> i64 {
    let mut digest = Sha256::new();
    digest.update(b"kigen:lock:v1\0");
    digest.update(oid.to_be_bytes());
    digest.update(name);
    let digest = digest.finalize();
    let mut first = [0; 8];
    first.copy_from_slice(&digest[..8]);
    i64::from_be_bytes(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_a_lock_never_changes() {
        assert_eq!(
            advisory_key(16_384, "job:exam-history"),
            -7_295_703_130_887_680_317
        );
    }
}
