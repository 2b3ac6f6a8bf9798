//! K14, K20: every right that a run needs is told before the night, with its `grant`.

use kigen::exit;
use kigen::guard::Guard;

use super::{Case, JOB, LEARNERS};
use crate::scene::{Engine, PASSWORD};

const OTHERS: &str = "
create table contact (contact_id bigint not null primary key, learner_id bigint references learner on delete cascade);
create index on contact (learner_id);
create table claim (claim_id bigint primary key, learner_id bigint);
create table answer (answer_id bigint primary key, learner_id bigint, body text);
insert into contact values (10, 1);
insert into answer values (10, 1, 'x');
";

fn job() -> String {
    let sections = r#"
[[reference]]
table = "contact"
on = { learner_id = "learner_id" }
on-dispose = "goes-with"
key = ["contact_id"]

[reference.columns]
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
}

/// A worker with the rights that this job needs and no others, but for what `revoke` takes away.
async fn as_worker(revoke: &str) -> Option<(Case, String)> {
    let sql = format!("{LEARNERS};{OTHERS}");
    let case = Case::new(Engine::Postgres, &sql, &job()).await?;
    let role = format!("{}_worker", case.scene.database.name());
    let sql = format!(
        "create role {role} login password '{PASSWORD}'; grant usage on schema kigen to {role};
         grant select on kigen.migration to {role}; grant select, insert on kigen.journal, kigen.published to {role};
         grant select, insert, delete on kigen.marker, kigen.intent to {role}; grant select, insert, update on kigen.fence to {role};
         grant select, update, delete on learner, contact to {role}; grant select on claim to {role};
         grant select (answer_id, learner_id), update (learner_id) on answer to {role}; {}",
        revoke.replace("ROLE", &role)
    );
    case.scene.database.execute(&sql).await;
    let url = case.scene.database.url_of(&role, PASSWORD);
    case.scene.edit(
        "kigen.toml",
        "url-env = \"KIGEN_SCENE_STORE_URL\"",
        &format!("url = \"{url}\""),
    );
    Some((case, role))
}

async fn remove(case: Case, role: &str) {
    let drop = format!("drop owned by {role}; drop role {role}");
    case.scene.database.execute(&drop).await;
    case.remove().await;
}

#[tokio::test]
async fn the_rights_of_the_job_are_enough() {
    let Some((case, role)) = as_worker("").await else {
        return;
    };
    let (check, run) = (case.check(), case.run());
    assert_eq!(
        (check.code, run.code),
        (0, 0),
        "{}{}",
        check.stdout,
        run.stderr
    );
    assert_eq!((case.count("learner").await, case.leaves()), (1, 3));
    remove(case, &role).await;
}

#[tokio::test]
async fn each_right_that_is_missing_is_told_with_its_grant() {
    for (revoke, grant) in [
        (
            "revoke delete on learner from ROLE",
            "grant delete on public.learner to",
        ),
        (
            "revoke update on learner from ROLE",
            "grant update on public.learner to",
        ),
        (
            "revoke select on learner from ROLE",
            "grant select on public.learner to",
        ),
        (
            "revoke delete on contact from ROLE",
            "grant delete on public.contact to",
        ),
        (
            "revoke update on contact from ROLE",
            "grant update on public.contact to",
        ),
        (
            "revoke select on claim from ROLE",
            "grant select on public.claim to",
        ),
        (
            "revoke update (learner_id) on answer from ROLE",
            "grant update on public.answer to",
        ),
        (
            "revoke select (learner_id) on answer from ROLE",
            "grant select on public.answer to",
        ),
        (
            "revoke insert on kigen.journal from ROLE",
            "grant insert on \"kigen\".\"journal\" to",
        ),
        (
            "revoke update on kigen.fence from ROLE",
            "grant update on \"kigen\".\"fence\" to",
        ),
        (
            "revoke usage on schema public from public",
            "grant usage on schema public to",
        ),
    ] {
        let Some((case, role)) = as_worker(revoke).await else {
            return;
        };
        // By its full name a table is found also where its schema may not be used.
        if grant.contains("schema") {
            for table in ["learner", "contact", "claim", "answer"] {
                let (from, to) = (
                    format!("table = \"{table}\""),
                    format!("table = \"public.{table}\""),
                );
                case.scene.edit("jobs/learner.toml", &from, &to);
            }
        }
        case.assert_refused("learner", exit::ACCESS_REFUSED, &[grant])
            .await;
        remove(case, &role).await;
    }
}

#[tokio::test]
async fn without_the_guards_the_night_finds_out() {
    let Some((case, role)) = as_worker("revoke delete on contact from ROLE").await else {
        return;
    };
    // The database plans no delete that the role may not do.
    let tried = case.run_without(&[Guard::RightsAreThere]);
    assert_eq!(
        tried.code,
        i32::from(exit::ACCESS_REFUSED),
        "{}",
        tried.stderr
    );
    assert!(!case.scene.path("certificates").exists());
    let night = case.run_without(&[Guard::RightsAreThere, Guard::StatementsAreTried]);
    assert_eq!(
        night.code,
        i32::from(exit::ACCESS_REFUSED),
        "{}",
        night.stderr
    );
    // By then the run has announced itself.
    assert!(case.scene.path("certificates").exists());
    assert_eq!(case.count("learner").await, 3);
    remove(case, &role).await;
}
