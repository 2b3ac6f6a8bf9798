//! The files and rows that a scene begins with.

pub(super) const SQLITE_STORE: &str = r#"kind = "sqlite"
url = "sqlite://store.db""#;

pub(super) const POSTGRES_STORE: &str = r#"kind = "postgres"
url-env = "KIGEN_SCENE_STORE_URL""#;

pub(super) const CONFIG: &str = r#"version = 1

[ledger]
url = "sqlite://kigen-ledger.db"

[stores.school]
STORE

[keyring]
path = "keyring.toml"

[certificates]
folder = "certificates"
origin = "certificates.example.jp/kigen"

[issuer]
organization = "株式会社見本ラーニング"

[[clients]]
name = "own"
organization = "株式会社見本ラーニング"

[[clients]]
name = "kasou-denki"
organization = "仮想電機株式会社"

[[residual]]
where = "database backups"
retention = "P35D"

[jobs]
folder = "jobs"
"#;

pub(super) const TABLES: &str = "
create table learner (
  learner_id bigint not null primary key,
  name text,
  withdrawn_on date,
  client_id text not null
);
create table learner_contact (
  contact_id bigint not null primary key,
  learner_id bigint not null references learner (learner_id),
  phone text
);
create index learner_contact_learner on learner_contact (learner_id);
create table exam_attempt (
  attempt_id bigint not null primary key,
  learner_id bigint not null,
  taken_on date,
  comment text,
  client_id text not null
);
create index exam_attempt_learner on exam_attempt (learner_id);
";

/// As of 2026-04-01, three years for learners and one year (then five) for attempts: due today, due
/// tomorrow, undatable, in the future, due and freed by its attempt, kept for its attempt.
pub(super) const ROWS: &str = "
insert into learner values
  (1, 'PERSON', '2023-03-31', 'own'),
  (2, 'PERSON', '2023-04-01', 'own'),
  (3, 'PERSON', null, 'own'),
  (4, 'PERSON', '2027-01-01', 'own'),
  (5, 'PERSON', '2020-02-29', 'kasou-denki'),
  (6, 'PERSON', '2019-01-01', 'own');
insert into learner_contact values
  (101, 1, 'PERSON'), (102, 1, 'PERSON'), (103, 2, 'PERSON');
insert into exam_attempt values
  (11, 2, '2025-03-31', 'PERSON', 'own'),
  (12, 6, '2025-06-01', 'PERSON', 'own'),
  (13, 3, null, 'PERSON', 'own'),
  (14, 5, '2021-03-31', 'PERSON', 'kasou-denki'),
  (15, 4, '2026-10-01', 'PERSON', 'own');
";

pub(super) const LEARNER: &str = r#"cluster = "learner"
owner = "privacy office"
time-zone = "Asia/Tokyo"

[title]
ja = "会員情報"
en = "Learners"

[clause]
document = "privacy policy, article 8"
version = "2024-04-01"
text = "Learners are kept for 3 years after the withdrawal."

[store]
name = "school"
table = "learner"
key = ["learner_id"]

[subject]
kind = "learner"
column = "learner_id"

[client]
column = "client_id"

[columns]
direct-identifier = ["name"]
quasi-identifier = ["learner_id", "withdrawn_on"]
not-personal = ["client_id"]

[limit]
max-records = 100
max-percent = 100
max-persons = 100
batch-size = 2

[[reference]]
table = "learner_contact"
on = { learner_id = "learner_id" }
on-dispose = "goes-with"
key = ["contact_id"]
[reference.columns]
direct-identifier = ["phone"]
quasi-identifier = ["learner_id"]
not-personal = ["contact_id"]

[[reference]]
table = "exam_attempt"
on = { learner_id = "learner_id" }
on-dispose = "blocks"

[[stage]]
name = "delete"
disposal = "delete"

[[stage.purpose]]
name = "service"
starting-point = "end-of-relationship"
starts-at = "withdrawn_on"
period = "P3Y"

[[example]]
stage = "delete"
as-of = "2026-03-31"
expect = "retain"
reason = "not-expired"
[example.starts]
service = "2023-03-31"

[[example]]
stage = "delete"
as-of = "2026-04-01"
expect = "dispose"
[example.starts]
service = "2023-03-31"
"#;

pub(super) const EXAM_HISTORY: &str = r#"cluster = "exam-history"
owner = "learning records team"
time-zone = "Asia/Tokyo"

[title]
ja = "受験履歴"
en = "Exam history"

[clause]
document = "privacy policy, article 8"
version = "2024-04-01"
text = "Attempts are kept in clear for 1 year and deleted after 5."

[store]
name = "school"
table = "exam_attempt"
key = ["attempt_id"]

[subject]
kind = "learner"
column = "learner_id"

[client]
column = "client_id"

[columns]
direct-identifier = ["learner_id"]
quasi-identifier = ["taken_on"]
free-text = ["comment"]
not-personal = ["attempt_id", "client_id"]

[limit]
max-records = 100
max-percent = 100
max-persons = 100
batch-size = 2

[[stage]]
name = "pseudonymize"
disposal = "pseudonymize"

[[stage.purpose]]
name = "course"
starting-point = "end-of-transaction"
starts-at = "taken_on"
period = "P1Y"

[[stage.change]]
column = "learner_id"
strategy = "token"
context = "learner"
range-min = -4611686018427387904
range-max = -1

[[stage.change]]
column = "comment"
strategy = "null"

[[stage]]
name = "delete"
disposal = "delete"

[[stage.purpose]]
name = "statistics"
starting-point = "end-of-transaction"
starts-at = "taken_on"
period = "P5Y"

[[example]]
stage = "pseudonymize"
as-of = "2026-03-31"
expect = "retain"
reason = "not-expired"
[example.starts]
course = "2025-03-31"

[[example]]
stage = "pseudonymize"
as-of = "2026-04-01"
expect = "dispose"
[example.starts]
course = "2025-03-31"

[[example]]
stage = "delete"
as-of = "2026-03-31"
expect = "retain"
reason = "not-expired"
[example.starts]
statistics = "2021-03-31"

[[example]]
stage = "delete"
as-of = "2026-04-01"
expect = "dispose"
[example.starts]
statistics = "2021-03-31"
"#;
