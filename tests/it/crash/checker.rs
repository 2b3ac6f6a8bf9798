//! Compares rows, files and certificates one by one, by plain SQL and by opening leaves.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;

use kigen::keyring::{Keyring, WrappedRunKey};
use kigen_evidence::leaf::{Action, RecordEncoder, RecordPlace, RunKey};
use kigen_evidence::value::Value;

use super::certificates::{self, Certificate};
use super::school::{self, numbers};
use super::workplace::{Workplace, disposed};

/// One way of removal, and every record that could be removed in it.
struct Fates {
    job: &'static str,
    stage: &'static str,
    /// The target as certificates name it.
    object: &'static str,
    /// The store as leaves name it.
    store: &'static str,
    action: Action,
    columns: &'static [&'static str],
    records: Vec<Fate>,
}

struct Fate {
    client: &'static str,
    key: Vec<Value>,
    is_due: bool,
    is_removed: bool,
}

impl Fate {
    fn of(number: i64, owner: i64, is_due: bool, is_removed: bool) -> Self {
        Self {
            client: school::client_of(owner),
            key: vec![Value::Int(number)],
            is_due,
            is_removed,
        }
    }
}

/// Everything that must hold once a run has ended well, whatever was killed before.
pub(crate) async fn check(workplace: &Workplace) {
    content_is_untouched(workplace).await;
    let fates = fates(workplace).await;
    for fates in &fates {
        for fate in &fates.records {
            assert_eq!(
                fate.is_removed, fate.is_due,
                "{} {} of `{}`: all that is due has gone, and nothing else",
                fates.job, fates.stage, fates.object
            );
        }
    }
    let certificates = certificates::read_all(&workplace.certificates());
    let certified: usize = certificates.iter().map(Certificate::records).sum();
    assert_eq!(
        certified,
        usize::try_from(workplace.size.removals()).unwrap()
    );
    each_is_certified_once(workplace, &fates, &certificates).await;
    journals_are_closed(workplace, certified).await;
    assert_eq!(
        workplace.reported().await,
        workplace.size.records(),
        "the report counts every record once, also those of killed runs"
    );
    workplace.verify().await;
}

/// A further run removes nothing and certifies nothing.
pub(crate) async fn nothing_is_left(workplace: &Workplace) {
    let further = workplace.run().await;
    assert_eq!(disposed(&further), 0, "{further}");
    assert_eq!(further["certificates"], serde_json::json!([]), "{further}");
    assert_eq!(further["recovered"], serde_json::json!([]), "{further}");
    let certified = certificates::read_all(&workplace.certificates());
    let certified = certified.iter().map(Certificate::records).sum();
    journals_are_closed(workplace, certified).await;
    journal_agrees_with_rows(workplace).await;
    assert_eq!(journaled(workplace).await, workplace.size.removals());
}

/// What must hold at any moment, also between a crash and the next run: a record is gone if, and
/// only if, the journal says so.
pub(crate) async fn journal_agrees_with_rows(workplace: &Workplace) {
    let size = &workplace.size;
    let store = &workplace.store;
    let seeded = size.attempts + size.logins + 3 * size.requests;
    let present = "select (select count(*) from exam_attempt) + (select count(*) from login) \
                   + (select count(*) from disclosure_request) + (select count(*) from request_document)";
    let deleted = seeded - number(workplace, present).await;
    let journal = store.internal("journal");
    let sum = |action: Action| {
        format!(
            "select coalesce(sum(records), 0) from {journal} where action = {}",
            action.code()
        )
    };
    assert_eq!(
        deleted,
        number(workplace, &sum(Action::RowDeleted)).await,
        "deleted and journaled"
    );
    let in_token = number(
        workplace,
        "select count(*) from exam_attempt where learner_id < 0",
    )
    .await;
    let gone = size.attempts - number(workplace, "select count(*) from exam_attempt").await;
    let pseudonymized = number(workplace, &sum(Action::Pseudonymized)).await;
    assert_eq!(
        in_token + gone,
        pseudonymized,
        "pseudonymized and journaled"
    );
    let leaves = format!(
        "select count(*) from {journal} where length(leaves) <> 36 * records or length(refs) <> 32 * records"
    );
    assert_eq!(
        number(workplace, &leaves).await,
        0,
        "a journal row counts its leaves"
    );
}

/// What the journal counts so far.
pub(crate) async fn journaled(workplace: &Workplace) -> i64 {
    let journal = workplace.store.internal("journal");
    number(
        workplace,
        &format!("select coalesce(sum(records), 0) from {journal}"),
    )
    .await
}

async fn number(workplace: &Workplace, query: &str) -> i64 {
    let column = workplace.store.column(query).await;
    column[0].parse().unwrap()
}

/// Rows that stay are as they were; tokens are negative, and stand for one learner each.
async fn content_is_untouched(workplace: &Workplace) {
    for query in [
        "select count(*) from exam_attempt where answers <> 'answers of ' || attempt_id",
        "select count(*) from exam_attempt where learner_id >= 0 and learner_id <> 1 + attempt_id % 97",
        "select count(*) from exam_attempt where learner_id < 0 and attempt_id % 4 < 2",
        "select count(*) from login where page <> 'page ' || login_id or learner_id <> 1 + login_id % 97",
        "select count(*) from disclosure_request where learner_id <> 1 + request_id % 97",
        "select count(*) from (select 1 from exam_attempt where learner_id < 0 \
         group by learner_id having count(distinct attempt_id % 97) > 1) as shared",
        "select count(*) from (select 1 from exam_attempt where learner_id < 0 \
         group by attempt_id % 97 having count(distinct learner_id) > 1) as split",
    ] {
        assert_eq!(number(workplace, query).await, 0, "{query}");
    }
}

async fn fates(workplace: &Workplace) -> [Fates; 6] {
    let store = &workplace.store;
    let attempts = numbers(store, "select attempt_id from exam_attempt").await;
    let in_clear = numbers(
        store,
        "select attempt_id from exam_attempt where learner_id > 0",
    )
    .await;
    let logins = numbers(store, "select login_id from login").await;
    let requests = numbers(store, "select request_id from disclosure_request").await;
    let documents = numbers(store, "select document_id from request_document").await;
    let size = &workplace.size;
    let rows = |count: i64, present: &BTreeSet<i64>, is_due: fn(i64) -> bool| -> Vec<Fate> {
        (1..=count)
            .map(|row| Fate::of(row, row, is_due(row), !present.contains(&row)))
            .collect()
    };
    let deleted = |job, object, column, records| Fates {
        job,
        stage: "delete",
        object,
        store: "school",
        action: Action::RowDeleted,
        columns: column,
        records,
    };
    let gone = rows(
        size.attempts,
        &attempts,
        school::attempt_is_due_to_be_deleted,
    );
    let changed = rows(
        size.attempts,
        &in_clear,
        school::attempt_is_due_to_be_pseudonymized,
    );
    let left = rows(size.logins, &logins, school::login_is_due);
    let asked = rows(size.requests, &requests, school::request_is_due);
    [
        Fates {
            stage: "pseudonymize",
            action: Action::Pseudonymized,
            ..deleted("exam-history", "exam_attempt", &["attempt_id"], changed)
        },
        deleted("exam-history", "exam_attempt", &["attempt_id"], gone),
        deleted("login", "login", &["login_id"], left),
        deleted(
            "request-documents",
            "disclosure_request",
            &["request_id"],
            asked,
        ),
        deleted(
            "request-documents",
            "request_document",
            &["document_id"],
            of_documents(size.requests, &documents),
        ),
        Fates {
            store: "scans",
            action: Action::ObjectVersionDeleted,
            ..deleted(
                "request-documents",
                "scans",
                &["key", "version_id"],
                files(workplace),
            )
        },
    ]
}

fn of_documents(requests: i64, present: &BTreeSet<i64>) -> Vec<Fate> {
    let mut fates = Vec::new();
    for request in 1..=requests {
        for (document, _) in school::documents_of(request) {
            let is_removed = !present.contains(&document);
            fates.push(Fate::of(
                document,
                request,
                school::request_is_due(request),
                is_removed,
            ));
        }
    }
    fates
}

fn files(workplace: &Workplace) -> Vec<Fate> {
    let folder = workplace.path("scans");
    let mut fates = Vec::new();
    for request in 1..=workplace.size.requests {
        for (_, key) in school::documents_of(request) {
            fates.push(Fate {
                client: school::client_of(request),
                is_due: school::request_is_due(request),
                is_removed: !folder.join(Path::new(&key)).exists(),
                key: vec![Value::Text(key), Value::Text("file".to_owned())],
            });
        }
    }
    fates
}

/// Opens every leaf: a record that is gone is in one certificate of its client, one that is there
/// is in none. As all leaves are counted, none stands for anything else.
async fn each_is_certified_once(
    workplace: &Workplace,
    fates: &[Fates],
    certificates: &[Certificate],
) {
    let keys = run_keys(workplace, certificates).await;
    for fates in fates {
        let mut times = vec![0_u32; fates.records.len()];
        for certificate in certificates {
            let client = certificate.client.as_str();
            let Some(target) = certificate.target(fates.job, fates.stage, fates.object) else {
                continue;
            };
            let place = RecordPlace {
                client,
                store: fates.store,
                object: fates.object,
            };
            let key = &keys[&certificate.run];
            let mut encoder = RecordEncoder::new(key, place, fates.columns, target).unwrap();
            let records = fates.records.iter().zip(&mut times);
            for (fate, times) in records.filter(|(fate, _)| fate.client == client) {
                let leaf = encoder.leaf(fates.action, &fate.key, 0).unwrap();
                *times += u32::from(certificate.has(leaf.as_bytes()));
            }
        }
        for (fate, times) in fates.records.iter().zip(times) {
            let what = format!("{} {} of `{}`", fates.job, fates.stage, fates.object);
            assert_eq!(
                times,
                u32::from(fate.is_removed),
                "{what}: certificates of one record"
            );
        }
    }
}

/// The key of each run, as its holder opens it.
async fn run_keys(workplace: &Workplace, certificates: &[Certificate]) -> HashMap<String, RunKey> {
    let keyring = Keyring::load(&workplace.path("keyring.toml")).unwrap();
    let ledger = kigen::ledger::open(&workplace.ledger_url()).await.unwrap();
    let mut keys = HashMap::new();
    for certificate in certificates {
        let run = &certificate.run;
        let stored = ledger.run_key(run).await.unwrap().unwrap();
        let wrapped = WrappedRunKey {
            key_id: stored.kek_id,
            bytes: stored.wrapped.try_into().unwrap(),
        };
        keys.insert(run.clone(), keyring.unwrap(run, &wrapped).unwrap());
    }
    ledger.close().await;
    keys
}

/// Nothing is announced and undone, no run can be joined, and nothing is journaled only.
async fn journals_are_closed(workplace: &Workplace, certified: usize) {
    let store = &workplace.store;
    let intents = format!("select count(*) from {}", store.internal("intent"));
    assert_eq!(number(workplace, &intents).await, 0, "open intents");
    let fences = format!(
        "select count(*) from {} where state = 'open'",
        store.internal("fence")
    );
    assert_eq!(number(workplace, &fences).await, 0, "open fences");
    let journaled = journaled(workplace).await;
    assert_eq!(
        usize::try_from(journaled).unwrap(),
        certified,
        "journaled and certified"
    );
}
