//! What sqlx leaves open does not reach us.
//!
//! PostgreSQL is used if `KIGEN_TEST_POSTGRES_URL` names one.

use std::io::Write as _;
use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use url::Url;

use super::Database;
use super::error::{DatabaseError, Failure};
use super::postgres::{PostgresDatabase, Server, SessionSettings};
use super::session::{Access, SqlSession};
use super::statement::Statement;

/// The server of the tests. Where there is none the test says so aloud and passes, unless servers are required.
fn server_url() -> Option<String> {
    if let Ok(url) = std::env::var("KIGEN_TEST_POSTGRES_URL") {
        return Some(url);
    }
    let required = std::env::var("KIGEN_REQUIRE_SERVICES").is_ok_and(|value| value == "1");
    assert!(!required, "KIGEN_TEST_POSTGRES_URL is not set");
    // Past the test harness, which would swallow what a passing test prints.
    let skipped = "SKIPPED: KIGEN_TEST_POSTGRES_URL is not set, sessions were not tested\n";
    std::io::stderr().write_all(skipped.as_bytes()).unwrap();
    None
}

fn database(url: &str, connections: u32) -> PostgresDatabase {
    let settings = SessionSettings {
        read_only: false,
        lock_timeout: Duration::from_secs(10),
        statement_timeout: None,
        catalog_first: false,
    };
    let server = Server::at(url, "kigen test", settings).unwrap();
    PostgresDatabase::new(server, connections, None)
}

/// A database with one connection, and a table of this test's own.
async fn with_table(url: &str) -> (PostgresDatabase, String) {
    let database = database(url, 1);
    let table = format!("hazard_{}", uuid::Uuid::now_v7().simple());
    let mut session = database.session().await.unwrap();
    let sql = format!("create table {table} (number bigint not null check (number <> 0))");
    session.script("prepare", &sql).await.unwrap();
    (database, table)
}

async fn insert(
    session: &mut dyn SqlSession,
    table: &str,
    number: i64,
) -> Result<u64, DatabaseError> {
    let sql = format!("insert into {table} values (?)");
    let statement = Statement::of("insert", &sql, [number.into()]);
    session.execute(&statement).await
}

/// Begins a transaction, and is cancelled once it has been sent and asked for its answer so often. False if
/// the server was quicker: then the transaction is open.
async fn begin_and_give_up(session: &mut dyn SqlSession, polls: i64) -> bool {
    let mut begun = session.begin(Access::Write);
    for _ in 0..polls {
        tokio::select! {
            biased;
            _ = &mut begun => return false,
            () = tokio::task::yield_now() => {}
        }
    }
    true
}

async fn count(url: &str, table: &str) -> i64 {
    let database = database(url, 1);
    let mut session = database.session().await.unwrap();
    let sql = format!("select count(*) from {table}");
    let count = session.read_value(&Statement::plain("count", sql)).await;
    count.unwrap()
}

async fn drop_table(database: &PostgresDatabase, table: &str) {
    let mut session = database.session().await.unwrap();
    let sql = format!("drop table {table}");
    session.script("clean up", &sql).await.unwrap();
}

#[tokio::test]
async fn what_is_written_after_a_cancelled_begin_stays() {
    let Some(url) = server_url() else {
        return;
    };
    let (database, table) = with_table(&url).await;
    for number in 1..=20 {
        let mut session = database.session().await.unwrap();
        begin_and_give_up(&mut *session, number).await;
        drop(session);
        let mut session = database.session().await.unwrap();
        insert(&mut *session, &table, number).await.unwrap();
        drop(session);
        assert_eq!(count(&url, &table).await, number);
    }
    drop_table(&database, &table).await;
}

#[tokio::test]
async fn a_session_whose_begin_was_cancelled_goes_on_with_another_connection() {
    let Some(url) = server_url() else {
        return;
    };
    let (database, table) = with_table(&url).await;
    let mut session = database.session().await.unwrap();
    while !begin_and_give_up(&mut *session, 1).await {
        session.rollback().await.unwrap();
    }
    insert(&mut *session, &table, 1).await.unwrap();
    assert_eq!(count(&url, &table).await, 1);
    drop(session);
    drop_table(&database, &table).await;
}

#[tokio::test]
async fn a_session_that_the_server_has_ended_goes_on_with_another_connection() {
    let Some(url) = server_url() else {
        return;
    };
    let (database, table) = with_table(&url).await;
    let other = self::database(&url, 1);
    let mut other = other.session().await.unwrap();
    let mut session = database.session().await.unwrap();
    for number in 1..4 {
        session.begin(Access::Read).await.unwrap();
        let pid = Statement::plain("ask", "select pg_backend_pid()");
        let pid: i64 = session.read_value(&pid).await.unwrap();
        // Outside a transaction the session keeps its connection until the next one begins.
        session.rollback().await.unwrap();
        insert(&mut *session, &table, number).await.unwrap();
        let end = format!("select pg_terminate_backend({pid}, 5000)");
        other
            .query(&Statement::plain("end", end.as_str()))
            .await
            .unwrap();
        let lost = insert(&mut *session, &table, number).await.unwrap_err();
        assert!(matches!(lost.failure, Failure::NoConnection(_)), "{lost}");
        session.begin(Access::Write).await.unwrap();
        session.rollback().await.unwrap();
    }
    drop(session);
    assert_eq!(count(&url, &table).await, 3);
    drop_table(&database, &table).await;
}

#[tokio::test]
async fn a_transaction_in_which_a_statement_failed_is_not_committed() {
    let Some(url) = server_url() else {
        return;
    };
    let (database, table) = with_table(&url).await;
    let mut session = database.session().await.unwrap();
    session.begin(Access::Write).await.unwrap();
    insert(&mut *session, &table, 1).await.unwrap();
    let refused = insert(&mut *session, &table, 0).await.unwrap_err();
    assert_eq!(refused.failure, Failure::CheckRefuses);
    // The server would answer with a rollback and no error.
    let ended = session.commit().await.unwrap_err();
    assert_eq!(ended.failure, Failure::Aborted);
    drop(session);
    assert_eq!(count(&url, &table).await, 0);
    drop_table(&database, &table).await;
}

#[tokio::test]
async fn a_transaction_that_is_dropped_is_rolled_back() {
    let Some(url) = server_url() else {
        return;
    };
    let (database, table) = with_table(&url).await;
    let mut session = database.session().await.unwrap();
    session.begin(Access::Write).await.unwrap();
    insert(&mut *session, &table, 1).await.unwrap();
    drop(session);
    let mut session = database.session().await.unwrap();
    insert(&mut *session, &table, 2).await.unwrap();
    assert_eq!(count(&url, &table).await, 1);
    drop(session);
    drop_table(&database, &table).await;
}

/// Stands between a session and its server, and can fall silent.
struct Proxy {
    url: String,
    is_silent: watch::Sender<bool>,
}

impl Proxy {
    async fn before(server: &str) -> Self {
        let mut url = Url::parse(server).unwrap();
        let behind = (
            url.host_str().unwrap().to_owned(),
            url.port().unwrap_or(5432),
        );
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        url.set_host(Some("127.0.0.1")).unwrap();
        url.set_port(Some(listener.local_addr().unwrap().port()))
            .unwrap();
        let (is_silent, silent) = watch::channel(false);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(behind.clone()).await.unwrap();
                let (from_client, to_client) = client.into_split();
                let (from_server, to_server) = server.into_split();
                tokio::spawn(pass_on(from_client, to_server, silent.clone()));
                tokio::spawn(pass_on(from_server, to_client, silent.clone()));
            }
        });
        Self {
            url: url.into(),
            is_silent,
        }
    }
}

async fn pass_on(
    from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    mut silent: watch::Receiver<bool>,
) {
    let mut bytes = vec![0; 64 * 1024];
    loop {
        from.readable().await.unwrap();
        let read = match from.try_read(&mut bytes) {
            Ok(0) => return,
            Ok(read) => read,
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => continue,
            Err(_) => return,
        };
        // What comes in the meantime is kept, and nobody hears of it.
        if silent.wait_for(|silent| !silent).await.is_err() {
            return;
        }
        if to.write_all(&bytes[..read]).await.is_err() {
            return;
        }
    }
}

#[tokio::test]
async fn a_connection_to_a_silent_server_does_not_keep_its_place_in_the_pool() {
    let Some(url) = server_url() else {
        return;
    };
    let proxy = Proxy::before(&url).await;
    let database = database(&proxy.url, 1);
    let mut session = database.session().await.unwrap();
    let statement = Statement::plain("ask", "select 1::bigint");
    let one: i64 = session.read_value(&statement).await.unwrap();
    assert_eq!(one, 1);
    proxy.is_silent.send(true).unwrap();
    // On its way back it is asked whether it lives, and no answer comes.
    drop(session);
    tokio::time::sleep(super::connection::RETURN_TIMEOUT + Duration::from_secs(1)).await;
    // Who goes on speaking with the server finds a place at once.
    proxy.is_silent.send(false).unwrap();
    let began = Instant::now();
    let mut session = database.session().await.unwrap();
    let one: i64 = session.read_value(&statement).await.unwrap();
    assert_eq!(one, 1);
    assert!(began.elapsed() < Duration::from_secs(2));
}

#[tokio::test]
async fn a_place_is_free_again_while_the_server_is_silent() {
    let Some(url) = server_url() else {
        return;
    };
    let proxy = Proxy::before(&url).await;
    let database = database(&proxy.url, 1);
    let session = database.session().await.unwrap();
    proxy.is_silent.send(true).unwrap();
    drop(session);
    tokio::time::sleep(super::connection::RETURN_TIMEOUT + Duration::from_secs(1)).await;
    // A new connection is tried, and its failure is told: nobody waits for the old one.
    assert_eq!(database.open_connections(), 0);
}

/// With Nagle's algorithm and delayed acknowledgements a statement of several segments takes 40 ms
/// longer than without.
#[tokio::test]
async fn statements_of_several_segments_do_not_wait_for_acknowledgements() {
    let Some(url) = server_url() else {
        return;
    };
    let database = database(&url, 1);
    let mut session = database.session().await.unwrap();
    let text = "x".repeat(100_000);
    let sql = "select length(?::text)::bigint";
    let mut times = Vec::new();
    for _ in 0..21 {
        let began = Instant::now();
        let statement = Statement::of("send much", sql, [text.as_str().into()]);
        let length: i64 = session.read_value(&statement).await.unwrap();
        assert_eq!(length, 100_000);
        times.push(began.elapsed());
    }
    times.sort();
    assert!(times[10] < Duration::from_millis(35), "{times:?}");
}
