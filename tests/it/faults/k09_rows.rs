//! K9: rows that go with a record count against a limit, too.

use kigen::exit;
use kigen::guard::Guard;

use super::Case;
use super::JOB;
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
    case.run_without(&[Guard::RowsAreLimited]);
    assert_eq!(case.count("contact").await, 0);
    case.remove().await;
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
