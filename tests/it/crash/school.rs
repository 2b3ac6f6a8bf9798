//! What is kept in these tests: three clusters, due and live records mixed, some at the border.
//!
//! Who a row is about and whether it is due follows from its number alone, so that a checker knows
//! it of rows that are gone.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::support::TestStore;

pub(crate) const CLIENTS: [&str; 2] = ["aoi", "midori"];

/// How many rows there are before the first run.
#[derive(Clone, Copy)]
pub(crate) struct Size {
    pub(crate) attempts: i64,
    pub(crate) logins: i64,
    pub(crate) requests: i64,
    pub(crate) batch: u32,
}

impl Size {
    /// Records of the clusters' own tables that a whole run disposes of.
    pub(crate) fn records(&self) -> i64 {
        self.removals() - 4 * (self.requests / 2)
    }

    /// Removals of all kinds that a whole run certifies.
    pub(crate) fn removals(&self) -> i64 {
        let pseudonymized = self.attempts / 2;
        let attempts = self.attempts / 4;
        // With each request go two documents and two files.
        pseudonymized + attempts + self.logins / 2 + 5 * (self.requests / 2)
    }
}

/// Every second login is due.
pub(crate) fn login_is_due(login: i64) -> bool {
    login % 2 == 1
}

/// Every second request is due.
pub(crate) fn request_is_due(request: i64) -> bool {
    request % 2 == 1
}

/// Half of the attempts are due to be pseudonymized.
pub(crate) fn attempt_is_due_to_be_pseudonymized(attempt: i64) -> bool {
    attempt % 4 >= 2
}

/// And half of these to be deleted.
pub(crate) fn attempt_is_due_to_be_deleted(attempt: i64) -> bool {
    attempt % 4 == 3
}

pub(crate) fn client_of(number: i64) -> &'static str {
    if number / 4 % 2 == 0 {
        CLIENTS[0]
    } else {
        CLIENTS[1]
    }
}

/// Documents of a request, with the files they name.
pub(crate) fn documents_of(request: i64) -> [(i64, String); 2] {
    [
        (2 * request - 1, format!("r{request}/front.pdf")),
        (2 * request, format!("r{request}/back.pdf")),
    ]
}

/// Makes and fills tables and files.
pub(crate) async fn fill(store: &TestStore, size: &Size, scans: &Path) {
    for table in TABLES {
        store.execute(table).await;
    }
    let day = |day: &str| store.either(format!("'{day}'"), format!("date '{day}'"));
    let client = format!(
        "case i / 4 % 2 when 0 then '{}' else '{}' end",
        CLIENTS[0], CLIENTS[1]
    );
    let attempts = format!(
        "select i, 1 + i % 97, {client}, 'answers of ' || i, case i % 4 when 0 then {} when 1 then {} \
         when 2 then {} else {} end from n",
        day("2023-04-01"),
        day("2026-06-30"),
        day("2023-03-31"),
        day("2016-03-31")
    );
    let logins = format!(
        "select i, 1 + i % 97, {client}, 'page ' || i, case i % 2 when 1 then {} else {} end from n",
        day("2025-03-31"),
        day("2025-04-01")
    );
    let requests = format!(
        "select i, 1 + i % 97, {client}, case i % 2 when 1 then {} else {} end from n",
        day("2024-03-31"),
        day("2024-04-01")
    );
    insert(store, "exam_attempt", size.attempts, &attempts).await;
    insert(store, "login", size.logins, &logins).await;
    insert(store, "disclosure_request", size.requests, &requests).await;
    let front = "select 2 * i - 1, i, 'r' || i || '/front.pdf' from n";
    let back = "select 2 * i, i, 'r' || i || '/back.pdf' from n";
    insert(store, "request_document", size.requests, front).await;
    insert(store, "request_document", size.requests, back).await;
    store.execute("analyze").await;
    for request in 1..=size.requests {
        fs::create_dir(scans.join(format!("r{request}"))).unwrap();
        for (_, key) in documents_of(request) {
            fs::write(scans.join(key), "scan").unwrap();
        }
    }
}

/// Fills `table` from `query` over `n(i)`, the numbers from 1 to `count`.
async fn insert(store: &TestStore, table: &str, count: i64, query: &str) {
    let sql = format!(
        "insert into {table} with recursive n(i) as \
         (select 1 where {count} > 0 union all select i + 1 from n where i < {count}) {query}"
    );
    store.execute(&sql).await;
}

const TABLES: [&str; 4] = [
    "create table exam_attempt (attempt_id bigint primary key, learner_id bigint not null, \
     client_id text not null, answers text not null, ended_on date); \
     create index exam_attempt_by_end on exam_attempt (ended_on)",
    "create table login (login_id bigint primary key, learner_id bigint not null, \
     client_id text not null, page text not null, logged_on date); \
     create index login_by_day on login (logged_on)",
    "create table disclosure_request (request_id bigint primary key, learner_id bigint not null, \
     client_id text not null, replied_on date); \
     create index request_by_reply on disclosure_request (replied_on)",
    "create table request_document (document_id bigint primary key, \
     request_id bigint not null references disclosure_request (request_id), object_key text not null); \
     create index document_by_request on request_document (request_id)",
];

/// Numbers in the first column of `query`.
pub(crate) async fn numbers(store: &TestStore, query: &str) -> BTreeSet<i64> {
    let column = store.column(query).await;
    column.iter().map(|text| text.parse().unwrap()).collect()
}

/// The job files, by name.
pub(crate) fn jobs(size: &Size) -> [(&'static str, String); 3] {
    [
        (
            "exam-history.toml",
            head("exam-history", size) + EXAM_HISTORY,
        ),
        ("login.toml", head("login", size) + LOGIN),
        (
            "request-documents.toml",
            head("request-documents", size) + REQUEST_DOCUMENTS,
        ),
    ]
}

fn head(cluster: &str, size: &Size) -> String {
    let batch = size.batch;
    format!(
        r#"
cluster = "{cluster}"
owner = "privacy office"
time-zone = "Asia/Tokyo"
title = {{ ja = "記録", en = "Records" }}
clause = {{ document = "Policy", version = "1", text = "Kept as long as needed, then disposed of." }}
subject = {{ kind = "learner", column = "learner_id" }}
client = {{ column = "client_id" }}
limit = {{ max-records = 1000000, max-percent = 100, max-persons = 1000000, batch-size = {batch} }}
"#
    )
}

/// Two stages; kigen keeps the mark between them in a table of its own.
const EXAM_HISTORY: &str = r#"
store = { name = "school", table = "exam_attempt", key = ["attempt_id"] }

[columns]
direct-identifier = ["learner_id"]
quasi-identifier = ["answers", "ended_on"]
not-personal = ["attempt_id", "client_id"]

[[stage]]
name = "pseudonymize"
disposal = "pseudonymize"
purpose = [{ name = "course", starting-point = "end-of-transaction", starts-at = "ended_on", period = "P3Y" }]

[[stage.change]]
column = "learner_id"
strategy = "token"
context = "learner"
range-min = -4611686018427387904
range-max = -1

[[stage]]
name = "delete"
disposal = "delete"
purpose = [{ name = "statistics", starting-point = "end-of-transaction", starts-at = "ended_on", period = "P10Y" }]

[[example]]
stage = "pseudonymize"
as-of = "2026-03-31"
expect = "retain"
reason = "not-expired"
starts = { course = "2023-03-31" }

[[example]]
stage = "pseudonymize"
as-of = "2026-04-01"
expect = "dispose"
starts = { course = "2023-03-31" }

[[example]]
stage = "delete"
as-of = "2026-03-31"
expect = "retain"
reason = "not-expired"
starts = { statistics = "2016-03-31" }

[[example]]
stage = "delete"
as-of = "2026-04-01"
expect = "dispose"
starts = { statistics = "2016-03-31" }
"#;

/// Nothing hangs on it: on PostgreSQL one statement finds, locks and removes a batch.
const LOGIN: &str = r#"
store = { name = "school", table = "login", key = ["login_id"] }

[columns]
direct-identifier = ["learner_id"]
quasi-identifier = ["page", "logged_on"]
not-personal = ["login_id", "client_id"]

[[stage]]
name = "delete"
disposal = "delete"
purpose = [{ name = "service", starting-point = "collection", starts-at = "logged_on", period = "P1Y" }]

[[example]]
stage = "delete"
as-of = "2026-03-31"
expect = "retain"
reason = "not-expired"
starts = { service = "2025-03-31" }

[[example]]
stage = "delete"
as-of = "2026-04-01"
expect = "dispose"
starts = { service = "2025-03-31" }
"#;

/// Rows of a further table and files go with the record.
const REQUEST_DOCUMENTS: &str = r#"
store = { name = "school", table = "disclosure_request", key = ["request_id"] }

[columns]
direct-identifier = ["learner_id"]
quasi-identifier = ["replied_on"]
not-personal = ["request_id", "client_id"]

[[reference]]
table = "request_document"
on = { request_id = "request_id" }
on-dispose = "goes-with"
key = ["document_id"]
columns = { not-personal = ["document_id", "request_id", "object_key"] }

[[object]]
store = "scans"
table = "request_document"
key-column = "object_key"

[[stage]]
name = "delete"
disposal = "delete"
purpose = [{ name = "proof-of-reply", starting-point = "reply-to-request", starts-at = "replied_on", period = "P2Y" }]

[[example]]
stage = "delete"
as-of = "2026-03-31"
expect = "retain"
reason = "not-expired"
starts = { proof-of-reply = "2024-03-31" }

[[example]]
stage = "delete"
as-of = "2026-04-01"
expect = "dispose"
starts = { proof-of-reply = "2024-03-31" }
"#;
