//! Keys of every type, typed in as people type them.

use crate::scene::Scene;

use super::{both_accept, prove, run};

/// One row due, with a key of many types.
const ROW: &str = "
create table booking (
  price numeric(10,2) not null,
  code char(6) not null,
  room uuid not null,
  held_at timestamptz not null,
  day date not null,
  is_open boolean not null,
  learner_id bigint,
  ended_on date,
  primary key (price, code, room, held_at, day, is_open)
);
insert into booking values
  (5, 'JP-1', '0193536c-5a00-7000-8000-000000000001', '2020-01-02 03:04:05+09', '2020-01-02', true, 7,
   '2020-01-01');
";

const JOB: &str = r#"cluster = "booking"
owner = "privacy office"
time-zone = "Asia/Tokyo"

[title]
ja = "予約"
en = "Bookings"

[clause]
document = "privacy policy, article 8"
version = "2024-04-01"
text = "Bookings are kept for 1 year."

[store]
name = "school"
table = "booking"
key = ["price", "code", "room", "held_at", "day", "is_open"]

[subject]
kind = "learner"
column = "learner_id"

[client]
name = "own"

[columns]
quasi-identifier = ["price", "code", "room", "held_at", "day", "is_open", "learner_id", "ended_on"]

[limit]
max-records = 100
max-percent = 100
max-persons = 100
batch-size = 2

[[stage]]
name = "delete"
disposal = "delete"

[[stage.purpose]]
name = "service"
starting-point = "end-of-transaction"
starts-at = "ended_on"
period = "P1Y"

[[example]]
stage = "delete"
as-of = "2026-03-31"
expect = "retain"
reason = "not-expired"
[example.starts]
service = "2025-03-31"

[[example]]
stage = "delete"
as-of = "2026-04-01"
expect = "dispose"
[example.starts]
service = "2025-03-31"
"#;

#[tokio::test]
async fn the_live_schema_says_what_a_typed_key_is() {
    let Some(scene) = Scene::postgres().await else {
        return;
    };
    scene.database.execute(ROW).await;
    scene.write("jobs/booking.toml", JOB);
    run(&scene);
    // Another scale, another zone, no padding, another writing of the truth: the same key.
    let key = [
        "5",
        "JP-1",
        "0193536C-5A00-7000-8000-000000000001",
        "2020-01-01T18:04:05Z",
        "2020-01-02",
        "t",
    ];
    let mut words = vec!["--cluster", "booking"];
    for value in key {
        words.extend(["--key", value]);
    }
    let answer = prove(&scene, &words);
    assert_eq!(answer.code, 0, "{}", answer.stderr);
    both_accept(&scene, &answer.stdout, &["code = JP-1  ", "price = 5.00"]);
    for value in key {
        assert!(
            value.len() < 3 || !answer.stderr.contains(value),
            "{}",
            answer.stderr
        );
    }
    // What is no number is no key of this table, and is not shown.
    words[3] = "fünf";
    let none = prove(&scene, &words);
    assert_eq!(
        none.code,
        i32::from(kigen::exit::NO_SUCH_REMOVAL),
        "{}",
        none.stderr
    );
    assert!(!none.stderr.contains("fünf"));
    scene.database.remove().await;
}
