//! Receipts for versions of objects.

use std::fs;

use crate::scene::Scene;

use super::{both_accept, prove, run};

const ROWS: &str = "
create table request (
  request_id bigint not null primary key, learner_id bigint, replied_on date, object_key text
);
insert into request values (1, 7, '2020-01-01', 'papers/1.png'), (2, 8, '2026-03-31', 'papers/2.png');
";

const JOB: &str = r#"cluster = "request"
owner = "privacy office"
time-zone = "Asia/Tokyo"

[title]
ja = "開示等請求"
en = "Requests"

[clause]
document = "privacy policy, article 8"
version = "2024-04-01"
text = "Requests are kept for 2 years."

[store]
name = "school"
table = "request"
key = ["request_id"]

[subject]
kind = "learner"
column = "learner_id"

[client]
name = "own"

[columns]
direct-identifier = ["learner_id"]
quasi-identifier = ["replied_on"]
not-personal = ["request_id", "object_key"]

[limit]
max-records = 100
max-percent = 100
max-persons = 100
batch-size = 2

[[object]]
store = "papers"
key-column = "object_key"

[[stage]]
name = "delete"
disposal = "delete"

[[stage.purpose]]
name = "proof"
starting-point = "reply-to-request"
starts-at = "replied_on"
period = "P2Y"

[[example]]
stage = "delete"
as-of = "2026-03-31"
expect = "retain"
reason = "not-expired"
[example.starts]
proof = "2024-03-31"

[[example]]
stage = "delete"
as-of = "2026-04-01"
expect = "dispose"
[example.starts]
proof = "2024-03-31"
"#;

#[tokio::test]
async fn an_object_that_went_with_its_row_is_proven_by_key_and_version() {
    let scene = Scene::sqlite().await;
    scene.database.execute(ROWS).await;
    scene.write("jobs/request.toml", JOB);
    fs::create_dir_all(scene.path("objects/papers")).unwrap();
    for name in ["papers/1.png", "papers/2.png"] {
        scene.write(&format!("objects/{name}"), "scan");
    }
    scene.edit(
        "kigen.toml",
        "[keyring]",
        "[objects.papers]\nkind = \"folder\"\nfolder = \"objects\"\n\n[keyring]",
    );
    run(&scene);
    assert!(!scene.path("objects/papers/1.png").exists());
    let object = [
        "--cluster",
        "request",
        "--object",
        "papers",
        "--key",
        "papers/1.png",
    ];
    let answer = prove(&scene, &object);
    assert_eq!(answer.code, 0, "{}", answer.stderr);
    let expected = "with the key key = papers/1.png, version_id = file";
    both_accept(
        &scene,
        &answer.stdout,
        &[expected, "deleted, as a version of an object"],
    );
    let with_version = [&object[..], &["--key", "file"]].concat();
    assert_eq!(prove(&scene, &with_version).stdout, answer.stdout);
    let other = [
        "--cluster",
        "request",
        "--object",
        "papers",
        "--key",
        "papers/2.png",
    ];
    let other = prove(&scene, &other);
    assert_eq!(
        other.code,
        i32::from(kigen::exit::NO_SUCH_REMOVAL),
        "{}",
        other.stderr
    );
}
