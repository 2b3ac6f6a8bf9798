//! A pass over one stage's table, prepared: statements, select list, replacements.

use std::borrow::Cow;

use jiff::civil::Date;
use kigen_evidence::value::{RecordKey, Value};

use super::catalog::{ColumnFacts, ColumnType};
use super::columns::Tables;
use super::dialect::{Dialect, StartType, WalkKind};
use super::elsewhere::Elsewhere;
use super::recalled::Recalled;
use super::rule_sql::StageText;
use super::selection::{Selection, own, select};
use super::starting_point::day_of;
use super::trigger_check;
use crate::database::session::Row;
use crate::domain::rule::{Applies, Candidate, Decision, PurposeState};
use crate::guard::{self, Guard};
use crate::job::spelling::tidy;
use crate::job::{ClientSource, Disposal, Job, Marker, OnDispose, Stage, Strategy};
use crate::pseudonym::Replacement;
use crate::pseudonym::token::{TokenShape, Tokenizer};
use crate::store::TokenKey;
use crate::store::error::StoreError;
use crate::store::order::StageWork;

/// Everything about a pass that does not change from batch to batch.
pub(crate) struct Pass<'a> {
    pub dialect: &'a dyn Dialect,
    pub tables: &'a Tables,
    pub order: &'a StageWork<'a>,
    pub selection: Selection,
    pub starts: Vec<StartType>,
    /// Condition that a due row meets.
    pub due: String,
    /// `from` clause with the joins that the rule reads.
    pub from: String,
    pub key_columns: Vec<&'a ColumnFacts>,
    pub changes: Vec<PreparedChange<'a>>,
    /// Whether one statement can find, lock and remove a batch.
    pub direct: bool,
    /// By what evidence picks the rows, where no rule does.
    pub recalled: Option<Recalled<'a>>,
    /// Columns of other jobs that may name the pass's objects.
    pub elsewhere: Vec<Elsewhere>,
}

/// A column that the stage rewrites.
pub(crate) struct PreparedChange<'a> {
    pub column: &'a ColumnFacts,
    pub replacement: Replacement,
    /// Where the select list has its present value; none for constants.
    pub selected: Option<usize>,
    /// Where it says whether that is what the stage wrote before, and is to stay.
    pub kept: Option<usize>,
    /// Whether another stage of the job puts tokens there, too.
    pub is_shared: bool,
}

impl<'a> Pass<'a> {
    pub(crate) fn prepare(
        dialect: &'a dyn Dialect,
        tables: &'a Tables,
        order: &'a StageWork<'a>,
    ) -> Result<Self, StoreError> {
        let job = order.job;
        let stage = &job.stages[order.stage];
        let text = StageText {
            dialect,
            job,
            stage,
            tables,
        };
        let mut selection = select(&text)?;
        let changes = prepare_changes(&text, order, &mut selection)?;
        for column in parent_columns(job, &stage.name) {
            selection.add_own(&text, &column)?;
        }
        if matches!(stage.disposal, Disposal::Pseudonymize { .. }) {
            for column in trigger_check::days_of(job) {
                selection.add_own(&text, column)?;
            }
        }
        for link in job.objects.iter().filter(|link| link.table.is_none()) {
            selection.add_own(&text, &link.key_column)?;
        }
        let starts = (0..stage.sources.len())
            .map(|index| text.start_type(index))
            .collect::<Result<Vec<_>, _>>()?;
        let key_columns = job
            .key
            .iter()
            .map(|column| text.own_column(column))
            .collect::<Result<Vec<_>, _>>()?;
        let recalled = order
            .recall
            .map(|by| Recalled::prepare(&text, by, &order.run.token_key, &mut selection))
            .transpose()?;
        let due = match &recalled {
            Some(_) => text.named_and_free(),
            None => text.due(order.as_of)?,
        };
        Ok(Self {
            dialect,
            tables,
            order,
            selection,
            starts,
            due,
            from: match &recalled {
                // Evidence of every stage may know the rows.
                Some(_) => {
                    let stages = job.stages.iter();
                    let stages = stages.map(|stage| StageText { stage, ..text });
                    StageText::from_of(&stages.collect::<Vec<_>>())
                }
                None => text.from(),
            },
            key_columns,
            changes,
            direct: can_go_direct(&text) && recalled.is_none(),
            recalled,
            elsewhere: Vec::new(),
        })
    }

    /// Those of `rows` that the pass is about: all, unless evidence says which.
    pub(crate) fn keep(&self, rows: Vec<Row>) -> Result<Vec<Row>, StoreError> {
        match &self.recalled {
            Some(recalled) => recalled.keep(self, rows),
            None => Ok(rows),
        }
    }

    /// The name of a purpose by its place; behind the last one stands the name of no rule.
    pub(crate) fn purpose_name(&self, purpose: usize) -> &str {
        let purposes = &self.stage().rule.purposes;
        purposes
            .get(purpose)
            .map_or(RECONCILED, |purpose| &purpose.name)
    }

    pub(crate) fn job(&self) -> &'a Job {
        self.order.job
    }

    pub(crate) fn stage(&self) -> &'a Stage {
        &self.order.job.stages[self.order.stage]
    }

    pub(crate) fn as_of(&self) -> Date {
        self.order.as_of
    }

    /// What a statement of this pass does, for messages.
    pub(crate) fn doing(&self, what: &str) -> String {
        format!(
            "{what} of `{}`, stage `{}`",
            self.job().cluster,
            self.stage().name
        )
    }

    /// Decides a row again, by the pure rule.
    pub(crate) fn decide(&self, row: &Row) -> Decision {
        let stage = self.stage();
        let read = Read {
            starts: &self.selection.starts,
            types: &self.starts,
            conditions: &self.selection.conditions,
        };
        let candidate = read.candidate(self.job(), stage, row);
        stage.rule.decide(&candidate, self.as_of())
    }

    pub(crate) fn key_of(&self, row: &Row) -> RecordKey {
        RecordKey::new(
            self.selection
                .key
                .iter()
                .map(|&at| row[at].clone())
                .collect(),
        )
    }

    /// The key in a row that was read by [`Selection::key_list`].
    pub(crate) fn key_as_read(&self, row: Row) -> RecordKey {
        let typed = row.into_iter().zip(&self.key_columns);
        let typed = typed.map(|(value, column)| self.dialect.adopt(value, column));
        RecordKey::new(typed.collect())
    }

    /// The client on whose behalf a row is kept.
    pub(crate) fn client_of<'r>(&'r self, row: &'r Row) -> Cow<'r, str> {
        match (&self.order.job.client, self.selection.client) {
            (ClientSource::Fixed(name), _) => Cow::Borrowed(name),
            (ClientSource::Column(_), Some(at)) => client_name(&row[at]),
            (ClientSource::Column(column), None) => Cow::Borrowed(column),
        }
    }

    /// Where the select list has a column of the cluster's own table.
    pub(crate) fn selected(&self, column: &str) -> Option<usize> {
        let facts = self.tables.column(&self.job().table, column)?;
        let expression = self.dialect.readable(&own(column), facts);
        self.selection.position(&expression)
    }
}

/// Where a row has what the rule of a stage reads.
pub(super) struct Read<'r> {
    pub(super) starts: &'r [usize],
    pub(super) types: &'r [StartType],
    pub(super) conditions: &'r [Option<usize>],
}

impl Read<'_> {
    /// The record as the pure rule sees it.
    pub(super) fn candidate(&self, job: &Job, stage: &Stage, row: &Row) -> Candidate {
        let purposes = stage
            .sources
            .iter()
            .enumerate()
            .map(|(index, source)| PurposeState {
                applies: source
                    .applies_when
                    .as_ref()
                    .map_or(Applies::Yes, |condition| {
                        let at = self.conditions[index];
                        let text = at.and_then(|at| row[at].store_text());
                        match condition.holds(text.as_deref()) {
                            Applies::Unknown if !guard::stands(Guard::NullIsNoAnswer) => {
                                Applies::Yes
                            }
                            applies => applies,
                        }
                    }),
                start: day_of(&row[self.starts[index]], &self.types[index], &job.time_zone),
            })
            .collect();
        Candidate {
            purposes,
            already_disposed: false,
            referenced: false,
        }
    }
}

/// What stands for the purpose that ended last, where evidence and no rule says that a record goes.
pub(crate) const RECONCILED: &str = "restore-reconciliation";

/// The client of a record whose client column is null.
pub(crate) const NO_CLIENT: &str = "(none)";

/// A client's name, without the blanks around it and in one Unicode form: no client of its own is made
/// of a padded name.
pub(crate) fn client_name(value: &Value) -> Cow<'_, str> {
    let Some(text) = value.store_text() else {
        return Cow::Borrowed(NO_CLIENT);
    };
    let name = if guard::stands(Guard::ClientIsSpeltOnce) {
        tidy(&text)
    } else {
        text
    };
    if name.is_empty() {
        return Cow::Borrowed(NO_CLIENT);
    }
    Cow::Owned(name)
}

/// Columns of the own table that goes-with and unlinked rows name.
fn parent_columns(job: &Job, stage: &str) -> Vec<String> {
    job.references
        .iter()
        .filter(|reference| reference.of.is_none())
        .filter(|reference| reference.stages.iter().any(|name| name == stage))
        .filter(|reference| match reference.on_dispose {
            OnDispose::GoesWith { .. } | OnDispose::Unlink => true,
            OnDispose::Blocks => false,
        })
        .flat_map(|reference| reference.on.iter().map(|pair| pair.ours.column.clone()))
        .collect()
}

fn prepare_changes<'a>(
    text: &StageText<'a>,
    order: &StageWork<'_>,
    selection: &mut Selection,
) -> Result<Vec<PreparedChange<'a>>, StoreError> {
    let Disposal::Pseudonymize { changes, marker } = &text.stage.disposal else {
        return Ok(Vec::new());
    };
    let mut prepared = Vec::new();
    for change in changes {
        let column = text.own_column(&change.column)?;
        let replacement = replacement(&change.strategy, column, &order.run.token_key)?;
        let selected = match replacement.constant() {
            Some(_) => None,
            None => Some(selection.add_unpadded(text, &change.column)?),
        };
        let kept = (selected.is_some() && *marker == Marker::Table)
            .then(|| selection.add_flag(text, &text.is_kept(change)));
        prepared.push(PreparedChange {
            column,
            replacement,
            selected,
            kept,
            is_shared: is_shared(text, &change.column),
        });
    }
    Ok(prepared)
}

/// Whether another stage than this one puts tokens into `column`.
pub(super) fn is_shared(text: &StageText<'_>, column: &str) -> bool {
    let others = text.job.stages.iter();
    let others = others.filter(|stage| stage.name != text.stage.name);
    let mut changes = others.flat_map(|stage| match &stage.disposal {
        Disposal::Delete => &[],
        Disposal::Pseudonymize { changes, .. } => changes.as_slice(),
    });
    changes
        .any(|change| change.column == column && matches!(change.strategy, Strategy::Token { .. }))
}

pub(super) fn replacement(
    strategy: &Strategy,
    column: &ColumnFacts,
    tokens: &TokenKey,
) -> Result<Replacement, StoreError> {
    Ok(match strategy {
        Strategy::Null => Replacement::Null,
        Strategy::Text(text) => Replacement::Text(text.clone()),
        Strategy::Generalize(how) => Replacement::Generalize(*how),
        Strategy::Truncate { characters } => Replacement::Truncate(*characters),
        Strategy::Token { context, range } => Replacement::Token(
            Tokenizer::new(&tokens.0, context),
            token_shape(column, *range)?,
        ),
    })
}

/// The shape of a token in `column`.
pub(crate) fn token_shape(
    column: &ColumnFacts,
    range: Option<(i64, i64)>,
) -> Result<TokenShape, StoreError> {
    match (&column.column_type, range) {
        (ColumnType::Text { .. }, None) => Ok(TokenShape::Text),
        (ColumnType::Uuid, None) => Ok(TokenShape::Uuid),
        (ColumnType::Int { .. }, Some((least, greatest))) => {
            Ok(TokenShape::Integer { least, greatest })
        }
        (ColumnType::Int { .. }, None) => Err(StoreError::Unusable(format!(
            "column `{}` is an integer: a token for it needs `range-min` and `range-max`",
            column.name
        ))),
        (_, _) => Err(StoreError::Unusable(format!(
            "column `{}` has type `{}`, for which there is no token",
            column.name, column.type_name
        ))),
    }
}

/// One statement suffices where nothing else hangs on the record, and nothing else decides it.
fn can_go_direct(text: &StageText<'_>) -> bool {
    let job = text.job;
    // Who deletes at once cannot ask again under the lock whether a row blocks.
    let is_asked_again = guard::stands(Guard::AskedAgainUnderLock);
    let hangs_on_it =
        |on_dispose: &OnDispose| is_asked_again || !matches!(on_dispose, OnDispose::Blocks);
    let stands_alone = text.references(hangs_on_it).next().is_none();
    matches!(text.stage.disposal, Disposal::Delete)
        && text.dialect.walk() == WalkKind::Blocks
        && stands_alone
        && !text.reads_joins()
        && job.objects.is_empty()
        && !uses_marker_table(job)
        // What a trigger keeps or puts back, only counted removals see.
        && text.tables.own(job).is_ok_and(|own| !own.has_triggers)
}

/// Whether some stage of `job` remembers its records in kigen's marker table.
pub(crate) fn uses_marker_table(job: &Job) -> bool {
    job.stages.iter().any(|stage| match &stage.disposal {
        Disposal::Delete => false,
        Disposal::Pseudonymize { marker, .. } => *marker == Marker::Table,
    })
}

/// The value at `at`, or null.
pub(crate) fn value_at(row: &Row, at: usize) -> Value {
    row.get(at).cloned().unwrap_or(Value::Null)
}
