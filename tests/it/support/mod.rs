//! What the tests share: a database for each test, jobs without files, runs without a ledger.

mod database;
mod jobs;
mod runs;
mod shell;

pub(crate) use database::TestStore;
pub(crate) use jobs::{
    classified, column, condition, goes_with, job, joined, matches, purpose, reference, stage,
    table, texts,
};
pub(crate) use runs::{Run, approved};
pub(crate) use shell::Shell;

/// Makes of each law, an `async fn(&TestStore)` beside it, one test for each engine.
macro_rules! on_every_engine {
    ($($law:ident),+ $(,)?) => {
        mod on_sqlite {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $law() {
                    super::$law(&$crate::support::TestStore::sqlite().await).await;
                }
            )+
        }

        mod on_postgres {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $law() {
                    let Some(store) = $crate::support::TestStore::postgres().await else {
                        return;
                    };
                    super::$law(&store).await;
                    store.remove().await;
                }
            )+
        }
    };
}

pub(crate) use on_every_engine;
