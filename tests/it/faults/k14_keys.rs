//! K14: a key goes through kigen and back. Of each type that a key can have, the rows go, or `check` says that
//! they cannot; no job is accepted that fails at night.

use kigen::exit;
use kigen::guard::Guard;
use serde_json::Value;

use super::{Case, JOB};
use crate::scene::{AS_OF, Engine, Scene};

/// A type of a key, with three values of it: the first two are due.
struct Key {
    name: &'static str,
    sql_type: &'static str,
    values: [&'static str; 3],
    /// The word by which `check` names what it refuses; none if the rows go.
    refused: Option<&'static str>,
}

const fn goes(name: &'static str, sql_type: &'static str, values: [&'static str; 3]) -> Key {
    Key {
        name,
        sql_type,
        values,
        refused: None,
    }
}

const fn refused(
    name: &'static str,
    sql_type: &'static str,
    values: [&'static str; 3],
    word: &'static str,
) -> Key {
    Key {
        name,
        sql_type,
        values,
        refused: Some(word),
    }
}

const TYPES: &str = "
create type grade as enum ('a', 'b', 'c');
create type pair as (x bigint, y text);
create domain code as text check (value <> '');
create domain padded as char(8);
create domain numbers as bigint[];
";

const ON_POSTGRES: [Key; 43] = [
    goes("smallint", "smallint", ["-32768", "2", "3"]),
    goes(
        "big",
        "bigint",
        ["-9223372036854775808", "2", "9223372036854775807"],
    ),
    goes("numeric", "numeric", ["0.10", "'NaN'", "1e40"]),
    goes("scaled", "numeric(6, 2)", ["0.1", "-3", "3"]),
    goes("real", "real", ["0.1", "'Infinity'", "3"]),
    goes(
        "double",
        "double precision",
        ["0.1::float8 + 0.2::float8", "'NaN'", "1e300"],
    ),
    goes("text", "text", ["''", "'a b\\c\"{}'", "'c'"]),
    goes("varchar", "varchar(8)", ["'a '", "'a'", "'c'"]),
    goes("bpchar", "char(8)", ["'a'", "'b'", "'c'"]),
    goes("single", "\"char\"", ["'a'", "'b'", "'c'"]),
    goes("name", "name", ["'a'", "'b'", "'c'"]),
    goes(
        "uuid",
        "uuid",
        [
            "'00000000-0000-0000-0000-000000000000'",
            "'ffffffff-ffff-ffff-ffff-ffffffffffff'",
            "'12345678-1234-1234-1234-123456789012'",
        ],
    ),
    goes("bytea", "bytea", ["''", "'\\x00ff'", "'\\x01'"]),
    goes("boolean", "boolean", ["true", "false", "null"]),
    goes(
        "date",
        "date",
        ["'infinity'", "'0044-03-15 BC'", "'2020-01-01'"],
    ),
    goes(
        "timestamp",
        "timestamp",
        ["'infinity'", "'2020-01-01 00:00:00.000001'", "'2020-01-01'"],
    ),
    goes(
        "timestamptz",
        "timestamptz",
        [
            "'-infinity'",
            "'2020-01-01 00:00:00.000001+09'",
            "'2020-01-01'",
        ],
    ),
    goes("time", "time", ["'24:00'", "'00:00:00.000001'", "'12:00'"]),
    goes("timetz", "timetz", ["'24:00+09'", "'00:00-09'", "'12:00'"]),
    goes(
        "interval",
        "interval",
        [
            "'-1 mon +2 days -03:00'",
            "'1 year 00:00:00.000001'",
            "'1 day'",
        ],
    ),
    goes("money", "money", ["-1234567.89", "0.01", "3"]),
    goes("oid", "oid", ["1", "4294967295", "3"]),
    goes("bits", "bit(4)", ["b'0000'", "b'1010'", "b'1111'"]),
    goes("varbit", "varbit", ["b''", "b'1010'", "b'1'"]),
    goes("inet", "inet", ["'10.0.0.1/8'", "'::1'", "'10.0.0.2'"]),
    goes("cidr", "cidr", ["'10.0.0.0/8'", "'::/0'", "'11.0.0.0/8'"]),
    goes(
        "macaddr",
        "macaddr",
        [
            "'08:00:2b:01:02:03'",
            "'08:00:2b:01:02:04'",
            "'08:00:2b:01:02:05'",
        ],
    ),
    goes(
        "jsonb",
        "jsonb",
        ["'{\"a\": [1.0, null]}'", "'\"\"'", "'3'"],
    ),
    goes("tsvector", "tsvector", ["'a b'", "''", "'c'"]),
    goes(
        "ranges",
        "tsrange",
        ["'[2020-01-01, 2021-01-01)'", "'empty'", "'(,)'"],
    ),
    goes(
        "multirange",
        "int4multirange",
        ["'{[1,3), [5,7)}'", "'{}'", "'{[9,10)}'"],
    ),
    goes("lsn", "pg_lsn", ["'0/0'", "'1/A'", "'2/0'"]),
    goes("xid8", "xid8", ["'1'", "'18446744073709551615'", "'3'"]),
    goes(
        "class",
        "regclass",
        ["'pg_class'", "'pg_type'", "'pg_proc'"],
    ),
    goes("enumerated", "grade", ["'a'", "'b'", "'c'"]),
    goes("domain", "code", ["'a'", "'b\"'", "'c'"]),
    goes("padded", "padded", ["'a'", "'b'", "'c'"]),
    refused(
        "composite",
        "pair",
        ["row(1, 'a,b')", "row(2, null)", "row(3, '')"],
        "pair",
    ),
    goes("numbers", "numbers", ["'{1,2}'", "'{}'", "'{3}'"]),
    refused(
        "bigints",
        "bigint[]",
        ["'{1,2}'", "'{}'", "'{3}'"],
        "bigint[]",
    ),
    refused(
        "texts",
        "text[]",
        ["'{a}'", "'{}'", "'{{b},{c}}'"],
        "text[]",
    ),
    refused("grades", "grade[]", ["'{a}'", "'{}'", "'{b,c}'"], "grade[]"),
    refused(
        "varchars",
        "varchar(8)[]",
        ["'{a}'", "'{}'", "'{b}'"],
        "varying",
    ),
];

/// A column of SQLite takes values of every class, whatever its type says.
const ON_SQLITE: [Key; 15] = [
    goes("untyped", "", ["1", "'1'", "x'31'"]),
    goes("floating", "", ["0.1 + 0.2", "1e300", "'a'"]),
    goes("bigint", "bigint", ["x'32'", "3.5", "2"]),
    goes(
        "integer",
        "integer",
        ["-9223372036854775808", "9223372036854775807", "3"],
    ),
    goes("blobs", "blob", ["x''", "x'00ff'", "'00ff'"]),
    goes("blob_text", "blob", ["'00ff'", "7", "x'00ff'"]),
    goes("text", "text", ["''", "'a\"{}\\'", "x'61'"]),
    goes("uuid", "uuid", ["'a'", "x'61'", "'c'"]),
    goes("decimal", "decimal(5,2)", ["0.1", "'x'", "3"]),
    goes("real", "real", ["0.1", "-1e-3", "3"]),
    refused("tiny", "real", ["0.1", "-1e-300", "3"], "found again"),
    goes("bool", "boolean", ["0", "'yes'", "1"]),
    goes("date", "date", ["'2020-01-01'", "18000", "'x'"]),
    goes(
        "datetime",
        "datetime",
        ["'2020-01-01 00:00:00'", "1.5", "'x'"],
    ),
    goes("nocase", "text collate nocase", ["'A'", "'b'", "'c'"]),
];

const GOES_WITH: &str = "
[[reference]]
table = \"c_NAME\"
on = { parent = \"k\" }
on-dispose = \"goes-with\"
key = [\"k\"]
[reference.columns]
quasi-identifier = [\"k\", \"parent\"]

[[stage]]
name";

impl Key {
    fn job(&self) -> String {
        JOB.replace(
            "cluster = \"learner\"",
            &format!("cluster = \"{}\"", self.name.replace('_', "-")),
        )
        .replace(
            "table = \"learner\"",
            &format!("table = \"t_{}\"", self.name),
        )
        .replace("\"learner_id\"", "\"k\"")
        .replacen("[[stage]]\nname", &GOES_WITH.replace("NAME", self.name), 1)
    }

    /// A table whose key has the type, and one whose key and reference have it.
    fn tables(&self) -> String {
        let Self {
            name,
            sql_type,
            values: [first, second, third],
            ..
        } = self;
        let last = if *third == "null" {
            String::new()
        } else {
            format!(", ({third}, null, '2025-03-31')")
        };
        format!(
            "create table t_{name} (k {sql_type} not null primary key, name text, ended_on date);
             create table c_{name} (k {sql_type} not null primary key, parent {sql_type});
             insert into t_{name} values ({first}, null, '2010-03-31'), ({second}, null, '2010-03-31'){last};
             insert into c_{name} select k, k from t_{name};\n"
        )
    }
}

async fn scene(engine: Engine, keys: &[&Key]) -> Option<Scene> {
    let mut sql = match engine {
        Engine::Postgres => TYPES.to_owned(),
        Engine::Sqlite => String::new(),
    };
    sql.extend(keys.iter().map(|key| key.tables()));
    let jobs: Vec<(String, String)> = keys
        .iter()
        .map(|key| (format!("{}.toml", key.name), key.job()))
        .collect();
    let jobs: Vec<(&str, &str)> = jobs
        .iter()
        .map(|(file, job)| (file.as_str(), job.as_str()))
        .collect();
    Scene::with(engine, &sql, &jobs).await
}

fn of_job<'v>(answer: &'v Value, key: &Key) -> &'v Value {
    let jobs = answer["jobs"].as_array().unwrap();
    let name = key.name.replace('_', "-");
    let job = jobs.iter().find(|job| job["job"] == name.as_str());
    job.unwrap_or_else(|| panic!("{name} is missing"))
}

async fn what_check_says_is_what_a_run_does(engine: Engine, keys: &[Key]) {
    let all: Vec<&Key> = keys.iter().collect();
    let Some(scene) = scene(engine, &all).await else {
        return;
    };
    let check = scene.on_the_day(&["check", "--connect", "--format", "json"]);
    let checked = check.json();
    let run = scene.on_the_day(&["run", "--format", "json"]);
    let ran = run.json();
    for key in keys {
        let name = key.name;
        let problems = of_job(&checked, key)["schema_problems"].to_string();
        let job = of_job(&ran, key);
        let left = async |table: &str| {
            let sql = format!("select count(*) from {table}_{name}");
            scene.database.number(&sql).await
        };
        let rows = if key.values[2] == "null" { 2 } else { 3 };
        if let Some(word) = key.refused {
            assert!(problems.contains(word), "{name}: {problems}");
            assert!(!job["error"].is_null(), "{name}: {job}");
            assert_eq!((left("t").await, left("c").await), (rows, rows), "{name}");
            continue;
        }
        assert_eq!(problems, "[]", "{name}");
        assert!(job["error"].is_null(), "{name}: {job}");
        assert_eq!(job["stages"][0]["disposed"], 2, "{name}: {job}");
        assert_eq!(
            (left("t").await, left("c").await),
            (rows - 2, rows - 2),
            "{name}"
        );
    }
    let verify = scene.kigen(&["verify"]);
    assert_eq!(verify.code, 0, "{}", verify.stdout);
    scene.database.remove().await;
}

#[tokio::test]
async fn a_key_of_any_type_is_carried_out_or_refused_on_postgresql() {
    what_check_says_is_what_a_run_does(Engine::Postgres, &ON_POSTGRES).await;
}

#[tokio::test]
async fn a_key_of_any_class_is_carried_out_or_refused_on_sqlite() {
    what_check_says_is_what_a_run_does(Engine::Sqlite, &ON_SQLITE).await;
}

#[tokio::test]
async fn without_the_guard_a_key_that_is_an_array_fails_at_night() {
    let key = refused(
        "bigints",
        "bigint[]",
        ["'{1,2}'", "'{}'", "'{3}'"],
        "bigint[]",
    );
    let Some(scene) = scene(Engine::Postgres, &[&key]).await else {
        return;
    };
    let mut command = scene.command(&["run", "--as-of", AS_OF, "--log", "error"]);
    let command = command.env("KIGEN_WITHOUT_GUARD", Guard::KeysAreFoundAgain.name());
    let run = scene.finish(command);
    assert_eq!(run.code, i32::from(exit::INCOMPLETE), "{}", run.stdout);
    scene.database.remove().await;
}

/// Columns without a notion of equal values, or with one that compares areas.
#[tokio::test]
async fn columns_that_the_database_cannot_compare_match_no_rows() {
    for (sql_type, word) in [
        ("point", "point"),
        ("box", "box"),
        ("circle", "circle"),
        ("json", "json"),
        ("xml", "xml"),
        ("point[]", "42883"),
    ] {
        for on_dispose in ["blocks", "unlink"] {
            let sql = format!(
                "create table learner (learner_id bigint not null primary key, name text, ended_on date, mark {sql_type});
                 create table other (id bigint not null primary key, mark {sql_type});
                 insert into learner values (1, 'PERSON', '2010-03-31', null);
                 {}",
                // An array is compared element by element: only rows show that it cannot be.
                if sql_type == "point[]" {
                    "update learner set mark = array['(1,1)'::point]; insert into other values (1, array['(1,1)'::point]);"
                } else {
                    ""
                }
            );
            let reference = format!(
                "[[reference]]\ntable = \"other\"\non = {{ mark = \"mark\" }}\non-dispose = \"{on_dispose}\"\n\n[[stage]]\nname"
            );
            let job = JOB
                .replace("\"ended_on\"]", "\"ended_on\", \"mark\"]")
                .replacen("[[stage]]\nname", &reference, 1);
            let Some(case) = Case::new(Engine::Postgres, &sql, &job).await else {
                return;
            };
            case.assert_refused("learner", exit::SCHEMA_MISMATCH, &["other", word])
                .await;
            case.remove().await;
        }
    }
}
