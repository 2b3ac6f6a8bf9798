//! One random schema with rows and a job, and what the oracle knows of each row.

use fastrand::Rng;
use jiff::civil::{Date, time};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use super::calendar::{PERIODS, Period};
use super::job::Job;
use crate::scene::{AS_OF, Engine};

/// What the rule must do with a row in one stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Goes,
    Stays,
    /// What stands there is no plain date: it stays, or somebody has decided that it is one.
    Unsaid,
}

/// A row of the cluster's own table.
#[derive(Clone, Debug)]
pub(super) struct OwnRow {
    /// The number in its column `rid`, by which the oracle knows it.
    pub(super) rid: i64,
    pub(super) delete: Fate,
    pub(super) pseudonymize: Option<Fate>,
}

/// What the job says of a table that names the records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Named {
    GoesWith,
    Unlink,
    Blocks,
    /// Nothing: the schema has it, and the job does not say so.
    Nothing,
}

/// A table whose rows name records, or rows of the table before.
pub(super) struct Child {
    /// As statements spell it.
    pub(super) spelled: String,
    /// As the job names it.
    pub(super) written: String,
    pub(super) named: Named,
    pub(super) columns: Vec<String>,
    /// Its rows with the row of the parent that they name.
    pub(super) rows: Vec<(i64, Option<i64>)>,
    /// The child that its rows name, if it is not the own table.
    pub(super) of: Option<usize>,
}

/// A table that the job does not know.
pub(super) struct Bystander {
    pub(super) spelled: String,
    pub(super) columns: Vec<String>,
}

pub(super) struct World {
    pub(super) seed: u64,
    pub(super) number: usize,
    pub(super) cluster: String,
    pub(super) engine: Engine,
    pub(super) sql: String,
    pub(super) job: String,
    /// The own table as statements spell it.
    pub(super) own: String,
    pub(super) columns: Vec<String>,
    pub(super) rows: Vec<OwnRow>,
    pub(super) children: Vec<Child>,
    pub(super) bystanders: Vec<Bystander>,
    /// Whether the job declares what the bystander gets.
    pub(super) declares: bool,
    pub(super) pseudonymizes: bool,
}

const SENTINELS_POSTGRES: [&str; 5] = [
    "infinity",
    "-infinity",
    "9999-12-31",
    "0001-01-01",
    "1900-01-01",
];
const SENTINELS_SQLITE: [&str; 6] = [
    "",
    "0000-00-00",
    "never",
    "9999-12-31",
    "2010-02-30",
    "2010-1-1",
];

/// Builds a world, part by part.
struct Builder {
    rng: Rng,
    engine: Engine,
    number: usize,
    sql: String,
    as_of: Date,
}

/// How the own table keeps a start.
pub(super) struct StartColumn {
    pub(super) name: &'static str,
    pub(super) declared: &'static str,
    /// What the job says of it.
    pub(super) options: &'static str,
    kind: StartKind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum StartKind {
    Date,
    Instant,
    UtcClock,
    TokyoClock,
    Unix,
}

pub(super) struct Key {
    pub(super) columns: Vec<(&'static str, String)>,
    /// The values of each record, in SQL.
    pub(super) values: Vec<Vec<String>>,
}

impl World {
    pub(super) fn new(engine: Engine, seed: u64, number: usize) -> Self {
        let mut builder = Builder {
            rng: Rng::with_seed(seed),
            engine,
            number,
            sql: String::new(),
            as_of: AS_OF.parse().unwrap(),
        };
        builder.build(seed)
    }

    /// All that is needed to see it again.
    pub(super) fn described(&self) -> String {
        format!(
            "world {} of seed {} on {:?}\n----- schema and rows\n{}\n----- job\n{}\n----- oracle\n{:?}",
            self.number, self.seed, self.engine, self.sql, self.job, self.rows
        )
    }
}

impl Builder {
    fn chance(&mut self, percent: u32) -> bool {
        self.rng.u32(0..100) < percent
    }

    fn of<T: Clone>(&mut self, choices: &[T]) -> T {
        choices[self.rng.usize(0..choices.len())].clone()
    }

    /// A table of this world: as statements spell it, and as the job writes it.
    fn table(&mut self, role: &str) -> (String, String) {
        let odd = self.of(&["", "", "", "_Ab", "_会員", "_x-y", "_$"]);
        let number = self.number;
        let name = format!("{role}{odd}");
        match self.engine {
            Engine::Sqlite => {
                let name = format!("w{number}_{name}");
                (quoted(&name), name)
            }
            Engine::Postgres => (
                format!("w{number}.{}", quoted(&name)),
                format!("w{number}.{name}"),
            ),
        }
    }

    fn say(&mut self, statement: &str) {
        self.sql.push_str(statement);
        self.sql.push_str(";\n");
    }

    fn key(&mut self, rows: usize) -> Key {
        let width = if self.chance(25) { 2 } else { 1 };
        let mut columns = Vec::new();
        let mut types = Vec::new();
        for place in 0..width {
            let declared = match self.engine {
                Engine::Postgres => self.of(&[
                    "bigint",
                    "bigint",
                    "integer",
                    "smallint",
                    "text",
                    "varchar(20)",
                    "char(8)",
                    "uuid",
                    "date",
                    "numeric(12,2)",
                    "numeric",
                    "timestamptz",
                    "bytea",
                    "text collate public.fuzz_ci",
                    "double precision",
                    "w_domain",
                ]),
                Engine::Sqlite => self.of(&[
                    "integer",
                    "bigint",
                    "bigint",
                    "text",
                    "text collate nocase",
                    "text collate rtrim",
                    "varchar(20)",
                    "numeric",
                    "real",
                    "blob",
                    "",
                    "date",
                ]),
            };
            let name = if place == 0 {
                self.of(&["id", "id", "Id", "order", "番号"])
            } else {
                "part"
            };
            let declared = if declared == "w_domain" {
                let domain = format!("w{}.number", self.number);
                self.say(&format!("create domain {domain} as bigint"));
                domain
            } else {
                declared.to_owned()
            };
            columns.push((name, declared.clone()));
            types.push(declared);
        }
        let values = (1..=rows)
            .map(|row| {
                types
                    .iter()
                    .enumerate()
                    .map(|(place, declared)| {
                        // The first column of a pair may repeat itself.
                        let number = if width == 2 && place == 0 {
                            row.div_ceil(2)
                        } else {
                            row
                        };
                        key_value(declared, number, self.engine)
                    })
                    .collect()
            })
            .collect();
        Key { columns, values }
    }

    fn start(&mut self, name: &'static str) -> StartColumn {
        let (declared, options, kind) = match self.engine {
            Engine::Postgres => self.of(&[
                ("date", "", StartKind::Date),
                ("date", "", StartKind::Date),
                ("timestamptz", "", StartKind::Instant),
                (
                    "timestamp",
                    "starts-at-zone = \"UTC\"\n",
                    StartKind::UtcClock,
                ),
                (
                    "timestamp",
                    "starts-at-zone = \"Asia/Tokyo\"\n",
                    StartKind::TokyoClock,
                ),
                (
                    "bigint",
                    "starts-at-format = \"unix-seconds\"\n",
                    StartKind::Unix,
                ),
            ]),
            Engine::Sqlite => self.of(&[
                ("date", "", StartKind::Date),
                ("text", "", StartKind::Date),
                ("timestamptz", "", StartKind::Instant),
                (
                    "datetime",
                    "starts-at-zone = \"UTC\"\n",
                    StartKind::UtcClock,
                ),
                (
                    "integer",
                    "starts-at-format = \"unix-seconds\"\n",
                    StartKind::Unix,
                ),
            ]),
        };
        StartColumn {
            name,
            declared,
            options,
            kind,
        }
    }

    /// A start in SQL, and its day in Tokyo: `Ok(None)` if it has not happened, an error if nobody can
    /// say what day it is.
    fn start_value(
        &mut self,
        column: &StartColumn,
        period: Period,
    ) -> (String, Result<Option<Date>, ()>) {
        if self.chance(12) {
            return ("null".to_owned(), Ok(None));
        }
        if self.chance(8) {
            let odd = match (column.kind, self.engine) {
                (StartKind::Unix, _) => self
                    .of(&["0", "-1", "253402300800", "99999999999999"])
                    .to_owned(),
                (_, Engine::Postgres) => format!("'{}'", self.of(&SENTINELS_POSTGRES)),
                (_, Engine::Sqlite) => format!("'{}'", self.of(&SENTINELS_SQLITE)),
            };
            return (odd, Err(()));
        }
        let off = self.of(&[-1500, -400, -31, -2, -1, 0, 0, 1, 2, 31, 400]);
        let day = period.start_for(self.as_of) + off.days();
        let clock = self.of(&[
            time(0, 0, 0, 0),
            time(23, 59, 59, 0),
            time(8, 59, 59, 0),
            time(9, 0, 0, 0),
        ]);
        let tokyo = TimeZone::get("Asia/Tokyo").unwrap();
        let local = day.to_datetime(clock);
        let moment: Timestamp = local.to_zoned(tokyo).unwrap().timestamp();
        let utc = moment.to_zoned(TimeZone::UTC).datetime();
        let blank = |text: String| text.replacen('T', " ", 1);
        let text = match (column.kind, self.engine) {
            (StartKind::Date, _) => format!("'{day}'"),
            (StartKind::Unix, _) => moment.as_second().to_string(),
            (StartKind::Instant, Engine::Postgres) => format!("'{moment}'"),
            (StartKind::Instant, Engine::Sqlite) => format!("'{utc}Z'"),
            (StartKind::UtcClock, _) => format!("'{}'", blank(utc.to_string())),
            (StartKind::TokyoClock, _) => format!("'{}'", blank(local.to_string())),
        };
        (text, Ok(Some(day)))
    }

    fn build(&mut self, seed: u64) -> World {
        let number = self.number;
        if self.engine == Engine::Postgres {
            self.say(&format!("create schema w{number}"));
        }
        let rows = self.rng.usize(0..=12);
        let (own, written) = self.table("person");
        let key = self.key(rows);
        let pseudonymizes = self.chance(40);
        let marker_column = pseudonymizes && self.chance(50);
        let delete_period = if pseudonymizes {
            PERIODS[5]
        } else {
            self.of(&PERIODS)
        };
        let early_period = PERIODS[self.rng.usize(0..4)];
        let start = self.start("ended");
        let second = if self.chance(35) {
            Some(self.start("last_seen"))
        } else {
            None
        };
        let second_period = self.of(&PERIODS[..5]);
        let conditional = second.is_some() && self.chance(60);
        let client_column = self.chance(40);
        let own_subject = self.chance(50);
        // The table.
        let mut definitions: Vec<String> = key
            .columns
            .iter()
            .map(|(name, declared)| format!("{} {declared} not null", quoted(name)))
            .collect();
        definitions.push("rid bigint not null".to_owned());
        definitions.push("name text".to_owned());
        definitions.push(format!("ended {}", start.declared));
        let mut columns: Vec<String> = key
            .columns
            .iter()
            .map(|(name, _)| (*name).to_owned())
            .collect();
        columns.extend(["rid", "name", "ended"].map(str::to_owned));
        let mut add = |columns: &mut Vec<String>, name: &str, definition: String| {
            columns.push(name.to_owned());
            definitions.push(definition);
        };
        if let Some(second) = &second {
            add(
                &mut columns,
                second.name,
                format!("{} {}", second.name, second.declared),
            );
        }
        if conditional {
            add(&mut columns, "status", "status text".to_owned());
        }
        if client_column {
            add(&mut columns, "client", "client text".to_owned());
        }
        if !own_subject {
            add(&mut columns, "person", "person bigint".to_owned());
        }
        if marker_column {
            let declared = if self.engine == Engine::Postgres {
                self.of(&["date", "timestamptz"])
            } else {
                "date"
            };
            add(&mut columns, "marked", format!("marked {declared}"));
        }
        let generated = self.chance(8);
        if generated {
            let stored = "made bigint generated always as (rid + 1) stored";
            add(&mut columns, "made", stored.to_owned());
        }
        let key_names: Vec<String> = key.columns.iter().map(|(name, _)| quoted(name)).collect();
        let key_list = key_names.join(", ");
        definitions.push(format!("primary key ({key_list})"));
        self.own_table(&own, &definitions, &key);
        // Its rows.
        let mut model = Vec::new();
        let insertable: Vec<&String> = columns.iter().filter(|name| *name != "made").collect();
        let names: Vec<String> = insertable.iter().map(|name| quoted(name)).collect();
        for (index, values) in key.values.iter().enumerate() {
            let rid = i64::try_from(index + 1).unwrap();
            let near = if pseudonymizes && self.chance(50) {
                early_period
            } else {
                delete_period
            };
            let (ended, ended_on) = self.start_value(&start, near);
            let mut row = values.clone();
            row.extend([rid.to_string(), "'漏洩確認花子'".to_owned(), ended]);
            let mut starts = vec![(ended_on, delete_period)];
            if let Some(second) = &second {
                let (text, on) = self.start_value(second, second_period);
                row.push(text);
                let mut applies = true;
                if conditional {
                    let status = self.of(&["'open'", "'closed'", "'other'", "null"]);
                    row.push(status.to_owned());
                    applies = matches!(status, "'open'" | "null");
                }
                if applies {
                    starts.push((on, second_period));
                }
            }
            if client_column {
                row.push(self.of(&["'own'", "'kasou-denki'"]).to_owned());
            }
            if !own_subject {
                row.push(self.rng.i64(1..5).to_string());
            }
            if marker_column {
                row.push("null".to_owned());
            }
            self.say(&format!(
                "insert into {own} ({}) values ({})",
                names.join(", "),
                row.join(", ")
            ));
            model.push(OwnRow {
                rid,
                delete: fate(&starts, self.as_of),
                pseudonymize: pseudonymizes.then(|| fate(&[(ended_on, early_period)], self.as_of)),
            });
        }
        // What names it.
        let mut children: Vec<Child> = Vec::new();
        for place in 0..self.of(&[0, 0, 1, 1, 2, 3]) {
            let child = self.child(place, &own, &key, &children);
            children.push(child);
        }
        let (bystanders, declares) = self.bystander(&own, &key);
        let job = Job {
            number,
            written: &written,
            key: &key,
            columns: &columns,
            start: &start,
            second: second.as_ref(),
            conditional,
            client_column,
            own_subject,
            pseudonymizes,
            marker_column,
            delete_period,
            early_period,
            second_period,
            children: &children,
            declared: if declares { bystanders.first() } else { None },
            batch_size: self.of(&[1, 2, 3, 100]),
            as_of: self.as_of,
        };
        World {
            seed,
            number,
            cluster: format!("world-{number}"),
            engine: self.engine,
            job: job.text(),
            sql: std::mem::take(&mut self.sql),
            own,
            columns,
            rows: model,
            children,
            bystanders,
            declares,
            pseudonymizes,
        }
    }

    /// Creates the own table, plain, partitioned, with a child table, or without rowid.
    fn own_table(&mut self, own: &str, definitions: &[String], key: &Key) {
        let definitions = definitions.join(", ");
        let first = quoted(key.columns[0].0);
        if self.engine == Engine::Sqlite {
            let without = if self.chance(15) {
                " without rowid"
            } else {
                ""
            };
            self.say(&format!("create table {own} ({definitions}){without}"));
            return;
        }
        let schema = format!("w{}", self.number);
        match self.rng.u32(0..10) {
            0 => {
                self.say(&format!(
                    "create table {own} ({definitions}) partition by hash ({first})"
                ));
                for part in 0..3 {
                    self.say(&format!("create table {schema}.part_{part} partition of {own} for values with (modulus 3, remainder {part})"));
                }
            }
            1 => {
                self.say(&format!("create table {own} ({definitions})"));
                self.say(&format!("create table {schema}.heir () inherits ({own})"));
            }
            _ => self.say(&format!("create table {own} ({definitions})")),
        }
    }

    fn child(&mut self, place: usize, own: &str, key: &Key, before: &[Child]) -> Child {
        let (spelled, written) = self.table(&format!("child{place}"));
        let of = if place > 0 && before[place - 1].named == Named::GoesWith && self.chance(50) {
            Some(place - 1)
        } else {
            None
        };
        let named = self.of(&[
            Named::GoesWith,
            Named::GoesWith,
            Named::GoesWith,
            Named::Unlink,
            Named::Blocks,
            Named::Nothing,
        ]);
        let (parent, parent_key, parent_rows): (
            String,
            Vec<(String, String)>,
            Vec<(i64, Vec<String>)>,
        ) = match of {
            None => (
                own.to_owned(),
                key.columns
                    .iter()
                    .map(|(name, declared)| ((*name).to_owned(), declared.clone()))
                    .collect(),
                (1_i64..).zip(key.values.iter().cloned()).collect(),
            ),
            Some(of) => (
                before[of].spelled.clone(),
                vec![("rid".to_owned(), "bigint".to_owned())],
                before[of]
                    .rows
                    .iter()
                    .map(|(rid, _)| (*rid, vec![rid.to_string()]))
                    .collect(),
            ),
        };
        let mut columns = vec!["rid".to_owned()];
        let mut definitions = vec!["rid bigint not null primary key".to_owned()];
        for (index, (_, declared)) in parent_key.iter().enumerate() {
            columns.push(format!("of_{index}"));
            definitions.push(format!("of_{index} {declared}"));
        }
        columns.push("note".to_owned());
        definitions.push("note text".to_owned());
        let own_columns: Vec<String> = (0..parent_key.len())
            .map(|index| format!("of_{index}"))
            .collect();
        let theirs: Vec<String> = parent_key.iter().map(|(name, _)| quoted(name)).collect();
        if self.chance(75) {
            let action = self.of(&[
                "",
                "",
                "on delete restrict",
                "on delete cascade",
                "on delete cascade",
                "on delete set null",
                "on delete set default",
                "on update cascade",
            ]);
            let deferred = self.of(&["", "", "", " deferrable initially deferred"]);
            definitions.push(format!(
                "foreign key ({}) references {parent} ({}) {action}{deferred}",
                own_columns.join(", "),
                theirs.join(", ")
            ));
        }
        self.say(&format!(
            "create table {spelled} ({})",
            definitions.join(", ")
        ));
        if self.chance(90) {
            let index = format!("w{}_index_{place}", self.number);
            self.say(&format!(
                "create index {index} on {spelled} ({})",
                own_columns.join(", ")
            ));
        }
        let mut rows = Vec::new();
        for number in 0..self.rng.usize(0..8) {
            let rid = i64::try_from(number + 1).unwrap();
            let named = if parent_rows.is_empty() || self.chance(15) {
                None
            } else {
                Some(self.of(&parent_rows))
            };
            let values = match &named {
                None => vec!["null".to_owned(); parent_key.len()],
                Some((_, values)) => values
                    .iter()
                    .zip(&parent_key)
                    .map(|(value, (_, declared))| self.near(value, declared))
                    .collect(),
            };
            self.say(&format!(
                "insert into {spelled} values ({rid}, {}, '漏洩確認花子')",
                values.join(", ")
            ));
            rows.push((rid, named.map(|(rid, _)| rid)));
        }
        Child {
            spelled,
            written,
            named,
            columns,
            rows,
            of,
        }
    }

    /// The same value to the database, now and then in another spelling.
    fn near(&mut self, value: &str, declared: &str) -> String {
        if self.chance(92) {
            return value.to_owned();
        }
        match declared {
            "text collate nocase" | "text collate public.fuzz_ci" => value.to_uppercase(),
            "text collate rtrim" | "char(8)" => value.trim_end_matches('\'').to_owned() + " '",
            "numeric" if self.engine == Engine::Postgres => format!("{value}.0"),
            _ => value.to_owned(),
        }
    }

    /// A table that the job does not know, and perhaps something by which the database writes it.
    fn bystander(&mut self, own: &str, key: &Key) -> (Vec<Bystander>, bool) {
        let (spelled, _) = self.table("history");
        self.say(&format!("create table {spelled} (rid bigint, name text)"));
        self.say(&format!("insert into {spelled} values (1, 'x'), (2, 'y')"));
        let mut bystanders = vec![Bystander {
            spelled: spelled.clone(),
            columns: vec!["rid".to_owned(), "name".to_owned()],
        }];
        let copy = format!("insert into {spelled} values (old.rid, old.name)");
        let remove = format!("delete from {spelled} where rid = 1");
        let mut declares = false;
        let effect = self.rng.u32(0..14);
        match effect {
            0 => {
                declares = self.chance(50);
                self.trigger("t_copy", &format!("before delete on {own} for each row"), &copy, "old");
            }
            1 => self.trigger("t_remove", &format!("after delete on {own} for each row"), &remove, "old"),
            2 => {
                let other = format!("delete from {own} where rid = 1");
                self.trigger("t_other", &format!("after delete on {own} for each row"), &other, "old");
            }
            3 => match self.engine {
                Engine::Sqlite => self.say(&format!("create trigger w{}_veto before delete on {own} when old.rid = 2 begin select raise(ignore); end", self.number)),
                Engine::Postgres => self.trigger("t_veto", &format!("before delete on {own} for each row when (old.rid = 2)"), "null", "null"),
            },
            4 => self.trigger("t_update", &format!("after update on {own} for each row"), &copy, "new"),
            5 if self.engine == Engine::Postgres => {
                self.say(&format!("create rule r_copy as on delete to {own} do also {copy}"));
            }
            6 if self.engine == Engine::Postgres => {
                self.say(&format!("create materialized view w{}.seen as select * from {own}", self.number));
            }
            7 if self.engine == Engine::Postgres => {
                // A table of the name that a child may have, in another schema, which goes by itself.
                let other = format!("w{}_other", self.number);
                self.say(&format!("create schema {other}"));
                let names: Vec<String> = key.columns.iter().map(|(name, declared)| format!("{} {declared}", quoted(name))).collect();
                let list: Vec<String> = key.columns.iter().map(|(name, _)| quoted(name)).collect();
                let list = list.join(", ");
                self.say(&format!("create table {other}.child0 ({}, foreign key ({list}) references {own} ({list}) on delete cascade)", names.join(", ")));
                self.say(&format!("insert into {other}.child0 select {list} from {own}"));
                bystanders.push(Bystander {
                    spelled: format!("{other}.child0"),
                    columns: key.columns.iter().map(|(name, _)| (*name).to_owned()).collect(),
                });
            }
            8 => self.say(&format!("create view {} as select * from {own}", spelled.replace("history", "look"))),
            9 if self.engine == Engine::Postgres => {
                self.say(&format!("alter table {own} enable row level security"));
                self.say(&format!("create policy only_one on {own} using (rid = 1)"));
            }
            _ => {}
        }
        (bystanders, declares)
    }

    fn trigger(&mut self, name: &str, when: &str, statement: &str, returned: &str) {
        let number = self.number;
        match self.engine {
            Engine::Sqlite => self.say(&format!(
                "create trigger w{number}_{name} {} begin {statement}; end",
                when.replace("for each row", "")
            )),
            Engine::Postgres => {
                self.say(&format!(
                    "create function w{number}.{name}() returns trigger language plpgsql as $$ begin {}; return {returned}; end $$",
                    if statement == "null" { "null" } else { statement }
                ));
                self.say(&format!(
                    "create trigger {name} {when} execute function w{number}.{name}()"
                ));
            }
        }
    }
}

fn fate(starts: &[(Result<Option<Date>, ()>, Period)], as_of: Date) -> Fate {
    let mut fate = Fate::Goes;
    for (start, period) in starts {
        match start {
            Ok(Some(day)) if *day <= as_of && period.last_day(*day) < as_of => {}
            Ok(_) => return Fate::Stays,
            Err(()) => fate = Fate::Unsaid,
        }
    }
    fate
}

fn key_value(declared: &str, number: usize, engine: Engine) -> String {
    let declared = declared.to_lowercase();
    match (engine, declared.as_str()) {
        (_, "date") => format!("'2001-01-{number:02}'"),
        (_, "uuid") => format!("'00000000-0000-4000-8000-{number:012}'"),
        (_, "timestamptz") => format!("'2001-01-{number:02}T01:02:03.5Z'"),
        (_, "bytea") => format!("'\\x00{number:02}'"),
        (_, "blob") => format!("x'00{number:02}'"),
        (_, "numeric(12,2)") => format!("{number}.50"),
        (_, "double precision" | "real") => format!("{number}.25"),
        (_, "numeric") => number.to_string(),
        (_, "char(8)") => format!("'k{number}'"),
        (_, text) if text.contains("text") || text.contains("char") => match number % 4 {
            0 => format!("'k é{number}'"),
            1 => format!("'k''{number}'"),
            _ => format!("'key-{number}'"),
        },
        (Engine::Sqlite, "") if number.is_multiple_of(2) => format!("'{number}'"),
        _ => number.to_string(),
    }
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
