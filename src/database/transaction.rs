//! The end of a transaction, by what became of its work.

use super::error::DatabaseError;
use super::session::SqlSession;

/// Commits if the `work` of the open transaction succeeded, and rolls back if not.
///
/// ```ignore
/// session.begin(Access::Write).await?;
/// let done = insert(&mut *session, certificate).await;
/// end(&mut *session, done).await
/// ```
pub async fn end<T, E: From<DatabaseError>>(
    session: &mut dyn SqlSession,
    work: Result<T, E>,
) -> Result<T, E> {
    match work {
        Ok(done) => {
            session.commit().await?;
            Ok(done)
        }
        Err(error) => {
            // If even this fails, the transaction ends with its connection; the cause comes first.
            session.rollback().await.ok();
            Err(error)
        }
    }
}
