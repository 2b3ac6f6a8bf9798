//! Marks in kigen's own table: which records a stage has pseudonymized.
//!
//! A mark belongs to a record and to what was written into it, not to a spelling. It is found under
//! every name that the table and the stage have had, and it counts only as long as the row holds what
//! the mark says: a key that was given to another person, or a value that was written back, is due.

use kigen_evidence::value::Value;

use super::backend::Backend;
use super::rule_sql::StageText;
use super::selection::own;
use crate::database::dialect::literal;
use crate::database::session::SqlSession;
use crate::database::statement::{Statement, Values};
use crate::guard::{self, Guard};
use crate::job::{Change, Disposal, Job, Marker, Strategy, TableName};
use crate::store::error::StoreError;

/// Under which names marks of a job's records may stand.
#[derive(Clone, Debug)]
pub(crate) struct Marks {
    /// The job's own table as the database names it: what new marks say.
    own: String,
    /// The names that marks in the store bear and that may mean the job's table.
    found: Vec<MarkName>,
}

/// The table and the stage that a mark names.
#[derive(Clone, Debug, PartialEq, Eq)]
struct MarkName {
    object: String,
    stage: String,
    /// No table has this name now. It may be the job's table under a former name: its cluster says so.
    is_gone: bool,
}

impl Marks {
    /// Reads the names that marks of the store bear.
    pub(crate) async fn load(
        backend: &dyn Backend,
        session: &mut dyn SqlSession,
        job: &Job,
    ) -> Result<Self, StoreError> {
        if !backend.journal_is_migrated(session).await? {
            return Err(StoreError::NotMigrated {
                store: backend.name().to_owned(),
            });
        }
        let own = backend.relation(session, &job.table).await?;
        let own = own.unwrap_or_else(|| job.table.to_string());
        let mut found: Vec<MarkName> = Vec::new();
        let mut last = None;
        while let Some((object, stage)) = next_name(backend, session, last.as_ref()).await? {
            let known = found.iter().find(|name| name.object == object);
            let is_gone = match known {
                Some(name) => Some(name.is_gone),
                None => match relation_of(backend, session, &object).await? {
                    None => Some(true),
                    Some(relation) => (relation == own).then_some(false),
                },
            };
            if let Some(is_gone) = is_gone.filter(|_| guard::stands(Guard::MarkedRelation)) {
                found.push(MarkName {
                    object: object.clone(),
                    stage: stage.clone(),
                    is_gone,
                });
            }
            last = Some((object, stage));
        }
        Ok(Self { own, found })
    }

    /// The job's own table as the database names it.
    pub(crate) fn own(&self) -> &str {
        &self.own
    }

    /// Those names that stand for a stage that `is_meant`, the present names of the job's stages among them.
    fn of(&self, job: &Job, is_meant: impl Fn(&str) -> bool) -> Vec<MarkName> {
        let now = job.stages.iter().map(|stage| MarkName {
            object: self.own.clone(),
            stage: stage.name.clone(),
            is_gone: false,
        });
        let mut names: Vec<MarkName> = now.filter(|name| is_meant(&name.stage)).collect();
        for name in self.found.iter().filter(|name| is_meant(&name.stage)) {
            if !names.contains(name) {
                names.push(name.clone());
            }
        }
        names
    }
}

/// The table and the stage of the first mark behind those of `last`: each name once, without reading
/// all marks.
async fn next_name(
    backend: &dyn Backend,
    session: &mut dyn SqlSession,
    last: Option<&(String, String)>,
) -> Result<Option<(String, String)>, StoreError> {
    let marker = backend.dialect().internal("marker");
    let mut values = Values::default();
    let behind = last.map_or_else(String::new, |(object, stage)| {
        let last = values.list([object, stage]);
        format!(" where (object, stage) > ({last})")
    });
    let sql = format!("select object, stage from {marker}{behind} order by object, stage limit 1");
    let statement = Statement::new("read the names of marks", sql, values);
    let rows = session.query(&statement).await?;
    let name = rows.first().and_then(|row| {
        let text = |at: usize| row.get(at).and_then(Value::store_text);
        Some((text(0)?, text(1)?))
    });
    Ok(name)
}

/// The table that a mark names, with or without a schema.
async fn relation_of(
    backend: &dyn Backend,
    session: &mut dyn SqlSession,
    object: &str,
) -> Result<Option<String>, StoreError> {
    if let Some((schema, name)) = object.split_once('.') {
        let with_schema = TableName {
            schema: Some(schema.to_owned()),
            name: name.to_owned(),
        };
        if let Some(relation) = backend.relation(session, &with_schema).await? {
            return Ok(Some(relation));
        }
    }
    let alone = TableName {
        schema: None,
        name: object.to_owned(),
    };
    backend.relation(session, &alone).await
}

/// Conditions about the marks of a record `t`.
impl StageText<'_> {
    /// Whether this stage has pseudonymized the record, and it is still as the stage left it.
    pub(super) fn is_marked(&self) -> String {
        let changes = self.changes();
        let content = self.content();
        let looks_done = self.look_done(changes);
        self.some_mark(|name| {
            let holds = self.dialect.content_holds("m.content", &content);
            let holds = if guard::stands(Guard::MarkedContent) {
                format!("case when m.content is null then {looks_done} else {holds} end")
            } else {
                "1 = 1".to_owned()
            };
            let is_this = name.stage == self.stage.name;
            // A stage that is gone may have done something else than this one.
            let holds = if is_this {
                holds
            } else {
                format!("{looks_done} and {holds}")
            };
            (is_this || self.is_former(&name.stage)).then_some(holds)
        })
    }

    /// Whether a column of a record that is due holds what this stage wrote before, and is to stay.
    pub(super) fn is_kept(&self, change: &Change) -> String {
        self.some_mark(|name| {
            let is_meant = name.stage == self.stage.name || self.is_former(&name.stage);
            is_meant.then(|| self.holds_column(change))
        })
    }

    /// Whether a column holds what some stage wrote.
    pub(super) fn is_known(&self, change: &Change) -> String {
        match &self.stage.disposal {
            Disposal::Pseudonymize {
                marker: Marker::Column(_),
                ..
            }
            | Disposal::Delete => self
                .already_disposed()
                .unwrap_or_else(|| "1 = 0".to_owned()),
            Disposal::Pseudonymize {
                marker: Marker::Table,
                ..
            } => self.some_mark(|_| Some(self.holds_column(change))),
        }
    }

    /// What the row holds in the columns that the stage changes.
    pub(super) fn content(&self) -> String {
        let changes = self.changes().iter();
        let columns: Vec<(&str, String)> = changes
            .map(|change| (change.column.as_str(), own(&change.column)))
            .collect();
        self.dialect.content(&columns)
    }

    /// Picks the marks of the records that `records` selects from the own table `t`: of this stage, or
    /// of all. `None` if there can be none but those of this very pass.
    pub(super) fn marks_of(&self, all_stages: bool, records: &str) -> Option<String> {
        let marks = self.tables.marks()?;
        let names = marks.of(self.job, |stage| {
            all_stages || stage == self.stage.name || self.is_former(stage)
        });
        if !all_stages && names.len() < 2 && marks.found.is_empty() {
            return None;
        }
        let keys = self.key_texts().into_iter();
        let keys: Vec<String> = keys.map(|key| format!("select {key} {records}")).collect();
        let pairs = names.iter().map(|name| {
            let cluster = self.of_cluster(name, "");
            let (object, stage) = (literal(&name.object), literal(&name.stage));
            format!("(object = {object} and stage = {stage}{cluster})")
        });
        let pairs: Vec<String> = pairs.collect();
        Some(format!(
            "({}) and record_key in ({})",
            pairs.join(" or "),
            keys.join(" union all ")
        ))
    }

    fn changes(&self) -> &[Change] {
        match &self.stage.disposal {
            Disposal::Delete => &[],
            Disposal::Pseudonymize { changes, .. } => changes,
        }
    }

    /// Whether the job has no stage of this name now.
    fn is_former(&self, stage: &str) -> bool {
        self.job.stages.iter().all(|now| now.name != stage)
    }

    fn of_cluster(&self, name: &MarkName, alias: &str) -> String {
        if name.is_gone {
            format!(" and {alias}cluster = {}", literal(&self.job.cluster))
        } else {
            String::new()
        }
    }

    /// Whether the record has a mark `m` that meets the condition that `holds` makes for its name.
    ///
    /// Within `case` PostgreSQL looks each record up by the marker's whole key. As a join it may scan
    /// all markers for each record while its statistics still say there are none.
    fn some_mark(&self, holds: impl Fn(&MarkName) -> Option<String>) -> String {
        let names = self
            .tables
            .marks()
            .map(|marks| marks.of(self.job, |_| true));
        let marker = self.dialect.internal("marker");
        let keys = self.key_texts().join(", ");
        let marks = names.iter().flatten().filter_map(|name| {
            let holds = holds(name)?;
            Some(format!(
                "exists (select 1 from {marker} as m where m.object = {} and m.stage = {} \
                 and m.record_key in ({keys}){} and {holds})",
                literal(&name.object),
                literal(&name.stage),
                self.of_cluster(name, "m.")
            ))
        });
        let marks: Vec<String> = marks.collect();
        if marks.is_empty() {
            return "(1 = 0)".to_owned();
        }
        format!("(case when {} then 1 else 0 end = 1)", marks.join(" or "))
    }

    /// Whether a mark `m` says of one column what stands in it.
    fn holds_column(&self, change: &Change) -> String {
        let column = (change.column.as_str(), own(&change.column));
        let content = self.dialect.content(&[column]);
        format!(
            "case when m.content is null then {} else {} end",
            self.look_done(std::slice::from_ref(change)),
            self.dialect.content_holds("m.content", &content)
        )
    }

    /// Whether columns look as the stage leaves them, as far as SQL can tell.
    fn look_done(&self, changes: &[Change]) -> String {
        let looks = changes.iter().filter_map(|change| self.looks_done(change));
        let looks: Vec<String> = looks.collect();
        if looks.is_empty() {
            return "1 = 1".to_owned();
        }
        format!("({})", looks.join(" and "))
    }

    fn looks_done(&self, change: &Change) -> Option<String> {
        let column = own(&change.column);
        let text = self.dialect.text_of(&column);
        match &change.strategy {
            Strategy::Null => Some(format!("{column} is null")),
            Strategy::Text(fixed) => Some(format!("{text} = {}", literal(fixed))),
            Strategy::Token {
                range: Some((least, greatest)),
                ..
            } => Some(format!(
                "({column} is null or {column} between {least} and {greatest})"
            )),
            Strategy::Token { range: None, .. } => {
                let is_token = self.is_text_token(change)?;
                Some(format!("({column} is null or {is_token})"))
            }
            Strategy::Generalize(_) | Strategy::Truncate { .. } => None,
        }
    }

    /// Whether the column holds a text of a token's shape; `None` if its tokens are no texts.
    pub(super) fn is_text_token(&self, change: &Change) -> Option<String> {
        let Strategy::Token { range: None, .. } = &change.strategy else {
            return None;
        };
        let facts = self.own_column(&change.column).ok()?;
        let text = self.dialect.text_of(&own(&change.column));
        let is_text = matches!(facts.column_type, super::catalog::ColumnType::Text { .. });
        is_text.then(|| self.dialect.looks_like_token(&text))
    }
}
