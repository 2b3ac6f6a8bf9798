use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use sha2::{Digest, Sha256};
use sqlx::SqlitePool;
use sqlx::sqlite::SqlitePoolOptions;

use super::dataset::{DEFAULT_AS_OF, Dataset, Sizes};
use super::layout::{Cell, LEARNER, TABLES};
use super::load::{FolderOfScans, Loaded, load_sqlite};
use super::names::MAIL_DOMAINS;

const SMALL: Sizes = Sizes {
    learners: 2_000,
    attempts: 10_000,
    requests: 200,
};

const DATASET: Dataset = Dataset {
    sizes: SMALL,
    as_of: DEFAULT_AS_OF,
};

fn digest(dataset: Dataset) -> String {
    let mut hasher = Sha256::new();
    for (table, rows) in dataset.tables() {
        hasher.update(table.name);
        for row in rows {
            hasher.update(format!("{row:?}"));
        }
    }
    for (key, bytes) in dataset.scans() {
        hasher.update(key);
        hasher.update(bytes);
    }
    hex::encode(hasher.finalize())
}

fn texts() -> impl Iterator<Item = String> {
    DATASET
        .tables()
        .into_iter()
        .flat_map(|(_, rows)| rows)
        .flatten()
        .filter_map(|cell| match cell {
            Cell::Text(text) => Some(text.into_owned()),
            Cell::Null | Cell::Int(_) | Cell::Flag(_) => None,
        })
}

#[test]
fn the_same_sizes_and_day_give_the_same_bytes_on_every_machine() {
    assert_eq!(digest(DATASET), digest(DATASET));
    assert_eq!(
        digest(DATASET),
        "35e7e30831359b0a698acdf8c27343d8444060d8cc3c8ae42bcc0bce961f54c3"
    );
    let next_day = Dataset {
        as_of: DEFAULT_AS_OF.tomorrow().unwrap(),
        ..DATASET
    };
    assert_ne!(digest(DATASET), digest(next_day));
}

#[test]
fn every_table_has_the_rows_that_its_size_says() {
    let counted: Vec<usize> = DATASET
        .tables()
        .into_iter()
        .map(|(_, rows)| rows.count())
        .collect();
    assert_eq!(counted, [5, 2_000, 2_500, 4_000, 10_000, 20_000, 200, 300]);
    assert_eq!(counted.iter().sum::<usize>() as u64, SMALL.rows());
}

#[test]
fn rows_have_a_value_for_every_column() {
    for (table, rows) in DATASET.tables() {
        assert!(TABLES.iter().any(|listed| listed.name == table.name));
        for row in rows.take(50) {
            assert_eq!(row.len(), table.columns.len(), "{}", table.name);
        }
    }
}

#[test]
fn no_mail_address_can_reach_anybody() {
    let addresses: Vec<String> = texts().filter(|text| text.contains('@')).collect();
    assert_eq!(addresses.len(), 2_500);
    for address in addresses {
        let (_, domain) = address.split_once('@').unwrap();
        assert!(MAIL_DOMAINS.contains(&domain), "{domain}");
    }
}

#[test]
fn no_phone_number_can_be_a_subscriber_s() {
    let position = LEARNER
        .columns
        .iter()
        .position(|(name, _)| *name == "phone")
        .unwrap();
    let (_, rows) = DATASET.tables().into_iter().nth(1).unwrap();
    for row in rows {
        let Cell::Text(phone) = &row[position] else {
            panic!("a learner without phone");
        };
        assert_eq!(&phone[3..5], "-0");
        assert_eq!(phone.len(), "090-0000-0000".len());
    }
}

#[test]
fn object_keys_name_no_person_and_some_scans_have_two_versions() {
    let keys: Vec<String> = DATASET.scans().map(|(key, _)| key).collect();
    for key in &keys {
        assert!(key.is_ascii() && key.starts_with("requests/20") && !key.contains('@'));
    }
    let mut distinct = keys.clone();
    distinct.dedup();
    assert!(distinct.len() < keys.len());
    // Some documents have lost their scan.
    assert!(distinct.len() < 300);
}

async fn loaded(folder: &std::path::Path) -> SqlitePool {
    let pool = SqlitePoolOptions::new()
        .max_connections(1)
        .connect("sqlite::memory:")
        .await
        .unwrap();
    let mut scans = FolderOfScans::new(folder.to_owned());
    let done = load_sqlite(&pool, SMALL, DEFAULT_AS_OF, &|_| (), &mut scans)
        .await
        .unwrap();
    let versions = DATASET.scans().count() as u64;
    assert_eq!(
        done,
        Loaded::Fresh {
            rows: SMALL.rows(),
            scans: versions
        }
    );
    let again = load_sqlite(&pool, SMALL, DEFAULT_AS_OF, &|_| (), &mut scans)
        .await
        .unwrap();
    assert_eq!(again, Loaded::AlreadyLoaded);
    pool
}

/// Counts of one cluster's table, for each stage: what is due on [`DEFAULT_AS_OF`], written as
/// plain SQL over the last starting day whose period has ended by the Civil Code.
const DUE: &[(&str, &str, &str)] = &[
    (
        "learner",
        "pseudonymize",
        "select count(*) from learner where withdrawn_on <= '2025-03-31' \
         and (withdrawal_reason in ('会員都合', '契約終了') or withdrawn_on <= '2023-03-31') \
         and last_active_at < '2025-09-30T15:00:00Z'",
    ),
    (
        "learner",
        "delete",
        "select count(*) from learner where withdrawn_on <= '2021-03-31'",
    ),
    (
        "exam_attempt",
        "pseudonymize",
        "select count(*) from exam_attempt left join learner using (learner_id) \
         where course_ended_on <= '2023-03-31' \
         and (final_result in ('合格', '受講中') or withdrawn_on <= '2023-03-31')",
    ),
    (
        "exam_attempt",
        "delete",
        "select count(*) from exam_attempt where course_ended_on <= '2016-03-31'",
    ),
    (
        "disclosure_request",
        "delete",
        "select count(*) from disclosure_request where replied_on <= '2024-03-31'",
    ),
];

#[tokio::test]
async fn every_rule_has_records_that_are_due_and_records_that_are_not() {
    let folder = tempfile::tempdir().unwrap();
    let pool = loaded(folder.path()).await;
    for &(table, stage, query) in DUE {
        let due: i64 = sqlx::query_scalar(query).fetch_one(&pool).await.unwrap();
        let count = sqlx::AssertSqlSafe(format!("select count(*) from {table}"));
        let all: i64 = sqlx::query_scalar(count).fetch_one(&pool).await.unwrap();
        assert!(0 < due && due < all, "{table}, {stage}: {due} of {all}");
    }
}

/// Starting points that ought to exist: on the last day due, on the first day kept, in the future
/// and missing.
#[tokio::test]
async fn starting_points_lie_on_both_sides_of_every_border() {
    let folder = tempfile::tempdir().unwrap();
    let pool = loaded(folder.path()).await;
    for (table, column, last_due) in [
        ("learner", "withdrawn_on", "2025-03-31"),
        ("learner", "withdrawn_on", "2023-03-31"),
        ("learner", "withdrawn_on", "2021-03-31"),
        ("exam_attempt", "course_ended_on", "2023-03-31"),
        ("disclosure_request", "replied_on", "2024-03-31"),
    ] {
        let first_kept = last_due.parse::<Date>().unwrap().tomorrow().unwrap();
        for condition in [
            format!("= '{last_due}'"),
            format!("= '{first_kept}'"),
            "> '2026-04-01'".to_owned(),
            "is null".to_owned(),
        ] {
            let query = format!("select count(*) from {table} where {column} {condition}");
            let found: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(query))
                .fetch_one(&pool)
                .await
                .unwrap();
            assert!(found > 0, "{table}.{column} {condition}");
        }
    }
}

#[tokio::test]
async fn moments_are_written_so_that_text_order_is_time_order() {
    let folder = tempfile::tempdir().unwrap();
    let pool = loaded(folder.path()).await;
    let query = "select last_active_at from learner where last_active_at is not null";
    let moments: Vec<String> = sqlx::query_scalar(query).fetch_all(&pool).await.unwrap();
    for moment in moments {
        assert_eq!(moment.parse::<Timestamp>().unwrap().to_string(), moment);
    }
    let edges = "select last_active_at from learner where last_active_at like '%T15:00:00Z'";
    let edges: Vec<String> = sqlx::query_scalar(edges).fetch_all(&pool).await.unwrap();
    let edge = edges.first().unwrap().parse::<Timestamp>().unwrap();
    let in_japan = edge.to_zoned(TimeZone::get("Asia/Tokyo").unwrap());
    assert_eq!(in_japan.time().to_string(), "00:00:00");
}
