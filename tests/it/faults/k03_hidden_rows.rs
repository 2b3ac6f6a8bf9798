//! K3: row-level security never hides a due row, a row that goes with it, or one that keeps it.

use kigen::exit;
use kigen::guard::Guard;

use super::{Case, JOB, LEARNERS};
use crate::scene::{Engine, PASSWORD};

const OTHERS: &str = "
create table contact (contact_id bigint not null primary key, learner_id bigint references learner on delete cascade, value text);
create index on contact (learner_id);
create table claim (claim_id bigint primary key, learner_id bigint);
create table answer (answer_id bigint primary key, learner_id bigint);
create table term (learner_id bigint primary key, ended_on date);
create table log (learner_id bigint);
insert into contact values (10, 1, 'PERSON'), (11, 3, 'PERSON');
insert into claim values (1, 1);
insert into term values (1, '2010-03-31'), (2, '2010-03-31'), (3, '2025-03-31');
";

/// A job that reads or removes from every table of [`OTHERS`].
fn job() -> String {
    let sections = r#"
[[join]]
name = "term"
table = "term"
on = { learner_id = "learner_id" }

[[leftovers]]
table = "log"
column = "learner_id"

[[reference]]
table = "contact"
on = { learner_id = "learner_id" }
on-dispose = "goes-with"
key = ["contact_id"]

[reference.columns]
direct-identifier = ["value"]
quasi-identifier = ["learner_id"]
not-personal = ["contact_id"]

[[reference]]
table = "claim"
on = { learner_id = "learner_id" }
on-dispose = "blocks"

[[reference]]
table = "answer"
on = { learner_id = "learner_id" }
on-dispose = "unlink"

[[stage]]
name = "delete""#;
    JOB.replace("\n[[stage]]\nname = \"delete\"", sections)
        .replace("starts-at = \"ended_on\"", "starts-at = \"term.ended_on\"")
}

const TABLES: [&str; 6] = ["learner", "contact", "claim", "answer", "term", "log"];

/// A case whose worker is a role of its own, with all rights that a run needs.
async fn as_worker(sql: &str) -> Option<(Case, String)> {
    let sql = format!("{LEARNERS};{OTHERS};{sql}");
    let case = Case::new(Engine::Postgres, &sql, &job()).await?;
    let role = format!("{}_worker", case.scene.database.name());
    let grants = format!(
        "create role {role} login password '{PASSWORD}'; grant usage on schema kigen to {role};
         grant select, insert, update, delete on all tables in schema kigen, public to {role}"
    );
    case.scene.database.execute(&grants).await;
    let url = case.scene.database.url_of(&role, PASSWORD);
    case.scene.edit(
        "kigen.toml",
        "url-env = \"KIGEN_SCENE_STORE_URL\"",
        &format!("url = \"{url}\""),
    );
    Some((case, role))
}

async fn remove(case: Case, role: &str) {
    let drop = format!("drop owned by {role} cascade; drop role {role}");
    case.scene.database.execute(&drop).await;
    case.remove().await;
}

#[tokio::test]
async fn a_table_whose_rows_are_hidden_from_the_worker_is_refused() {
    for table in TABLES {
        let hidden = format!(
            "alter table {table} enable row level security; create policy own on {table} using (learner_id = 1)"
        );
        let Some((case, role)) = as_worker(&hidden).await else {
            return;
        };
        let table = format!("row-level security of `public.{table}`");
        let said = [table.as_str(), "bypassrls"];
        case.assert_refused("learner", exit::SCHEMA_MISMATCH, &said)
            .await;
        remove(case, &role).await;
    }
}

#[tokio::test]
async fn a_policy_that_does_not_hold_for_the_worker_is_no_hindrance() {
    let hidden = "alter table contact enable row level security; create policy own on contact using (false); delete from claim";
    let Some((case, role)) = as_worker(hidden).await else {
        return;
    };
    let bypass = format!("alter role {role} bypassrls");
    case.scene.database.execute(&bypass).await;
    let run = case.run();
    assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
    assert_eq!((case.count("learner").await, case.leaves()), (1, 3));
    remove(case, &role).await;
}

#[tokio::test]
async fn the_owner_of_a_table_with_forced_policies_is_told_how_to_see_its_rows() {
    let hidden = "alter table learner enable row level security; alter table learner force row level security";
    let Some((case, role)) = as_worker(hidden).await else {
        return;
    };
    let owner = format!("alter table learner owner to {role}");
    case.scene.database.execute(&owner).await;
    let said = ["alter table public.learner no force row level security"];
    case.assert_refused("learner", exit::SCHEMA_MISMATCH, &said)
        .await;
    remove(case, &role).await;
}

#[tokio::test]
async fn without_the_guard_a_hidden_row_vanishes_or_is_passed_over() {
    let hidden = "alter table contact enable row level security; delete from claim";
    let Some((case, role)) = as_worker(hidden).await else {
        return;
    };
    let run = case.run_without(&[Guard::NoRowIsHidden]);
    // Either the contact went by its foreign key, or the database itself refused.
    let silent = run.code == 0 && case.count("contact").await == 1 && case.leaves() == 2;
    assert!(
        silent || run.code != i32::from(exit::SCHEMA_MISMATCH),
        "{}",
        run.stderr
    );
    remove(case, &role).await;
}
