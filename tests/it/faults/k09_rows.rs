//! K9: rows that go with a record count against a limit, too.

use kigen::exit;
use kigen::guard::Guard;

use super::{Case, JOB};
use crate::scene::Engine;

const GOES_WITH: &str = "
[[reference]]
table = \"contact\"
on = { learner_id = \"learner_id\" }
on-dispose = \"goes-with\"
key = [\"contact_id\"]
[reference.columns]
direct-identifier = [\"phone\"]
quasi-identifier = [\"contact_id\", \"learner_id\"]
";

/// One due learner with 300 contacts.
const CONTACTS: &str = "
create table learner (learner_id bigint not null primary key, name text, ended_on date);
insert into learner values (1, 'PERSON', '2010-03-31');
create table contact (contact_id bigint not null primary key, learner_id bigint not null references learner (learner_id), phone text);
create index contact_learner on contact (learner_id);
insert into contact with recursive n(i) as (select 1 union all select i + 1 from n where i < 300) select i, 1, 'PERSON' from n;
";

fn job(max_rows: &str) -> String {
    JOB.replacen(
        "[[stage]]\nname",
        &format!("{GOES_WITH}\n[[stage]]\nname"),
        1,
    )
    .replace("max-percent", &format!("{max_rows}max-percent"))
}

#[tokio::test]
async fn no_more_rows_of_all_tables_go_than_the_limit_says() {
    for engine in Engine::ALL {
        let Some(case) = Case::new(engine, CONTACTS, &job("max-rows = 150\n")).await else {
            continue;
        };
        let answer = case.run();
        assert_eq!(
            answer.code,
            i32::from(exit::NOT_APPROVED),
            "{}",
            answer.stderr
        );
        assert!(answer.stdout.contains("150"), "{}", answer.stdout);
        assert_eq!(case.count("learner").await, 1);
        assert_eq!(
            case.count("contact").await,
            300,
            "all of a record or nothing"
        );
        case.remove().await;

        let Some(case) = Case::new(engine, CONTACTS, &job("max-rows = 301\n")).await else {
            continue;
        };
        assert_eq!(case.run().code, i32::from(exit::DONE));
        assert_eq!(case.count("contact").await, 0);
        case.remove().await;
    }
}

#[tokio::test]
async fn without_the_guard_more_rows_go_than_the_limit_says() {
    let Some(case) = Case::new(Engine::Sqlite, CONTACTS, &job("max-rows = 150\n")).await else {
        return;
    };
    case.run_without(&[Guard::RowsAreForeseen, Guard::RowsAreLimited]);
    assert_eq!(case.count("contact").await, 0);
    case.remove().await;
}

/// Two due learners with 100 contacts each, and two that are not due.
const FEW_EACH: &str = "
create table learner (learner_id bigint not null primary key, name text, ended_on date);
insert into learner values (1, 'PERSON', '2010-03-31'), (2, 'PERSON', '2010-03-31'), (3, 'PERSON', '2025-03-31'), (4, 'PERSON', null);
create table contact (contact_id bigint not null primary key, learner_id bigint not null references learner (learner_id), phone text);
create index contact_learner on contact (learner_id);
insert into contact with recursive n(i) as (select 0 union all select i + 1 from n where i < 399) select i, 1 + i % 4, 'PERSON' from n;
";

#[tokio::test]
async fn a_plan_whose_rows_are_over_their_limit_says_so_and_its_run_removes_nothing() {
    for engine in Engine::ALL {
        // The first record would still fit.
        let few = job("max-rows = 150\n");
        let Some(case) = Case::new(engine, FEW_EACH, &few).await else {
            continue;
        };
        let said = "202 rows of all tables would go and limit.max-rows is 150";
        let plan = case.scene.on_the_day(&["plan"]);
        assert!(plan.stdout.contains(said), "{}{}", plan.stdout, plan.stderr);
        let run = case.run();
        assert_eq!(run.code, i32::from(exit::NOT_APPROVED), "{}", run.stderr);
        assert!(run.stdout.contains(said), "{}", run.stdout);
        assert_eq!(case.count("learner").await, 4);
        assert_eq!(case.count("contact").await, 400);
        case.remove().await;

        // Without the guard the run notices when some rows have gone.
        let small = few.replace("batch-size = 100", "batch-size = 101");
        let case = Case::new(engine, FEW_EACH, &small).await.unwrap();
        let run = case.run_without(&[Guard::RowsAreForeseen]);
        assert_eq!(run.code, i32::from(exit::NOT_APPROVED), "{}", run.stderr);
        assert_eq!(case.count("learner").await, 3);
        case.remove().await;

        let case = Case::new(engine, FEW_EACH, &job("max-rows = 202\n"))
            .await
            .unwrap();
        assert_eq!(case.run().code, i32::from(exit::DONE));
        assert_eq!(case.count("contact").await, 200);
        case.remove().await;
    }
}

#[tokio::test]
async fn a_job_that_says_no_limit_of_rows_has_a_hundred_for_each_record() {
    let few = job("").replace("max-records = 1000", "max-records = 2");
    let Some(case) = Case::new(Engine::Sqlite, CONTACTS, &few).await else {
        return;
    };
    assert_eq!(case.run().code, i32::from(exit::NOT_APPROVED));
    assert_eq!(case.count("learner").await, 1);
    case.remove().await;
}
