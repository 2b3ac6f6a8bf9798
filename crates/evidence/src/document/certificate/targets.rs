//! What was removed: a row for each target and action, and the sums.

use crate::leaf::Action;
use crate::statement::{StoreVerification, Target, VerificationResult};

use super::{Block, Column, Row, Section, Table, Writer, form, words};

impl Writer<'_> {
    pub(super) fn targets(&self) -> Section {
        let targets = &self.predicate.targets;
        let mut rows: Vec<Row> = targets
            .iter()
            .flat_map(|target| self.rows_of(target))
            .collect();
        rows.extend(self.totals());
        let mut blocks = vec![Block::Table(Table {
            caption: self.say(words::TARGETS_CAPTION),
            columns: vec![
                Column::text(self.say(words::NUMBER), 7),
                Column::text(self.say(words::DATA), 25),
                Column::text(self.say(words::PLACE), 16),
                Column::text(self.say(words::RESULT), 18),
                Column::text(self.say(words::METHOD), 17),
                Column::text(self.say(words::BASIS), 7),
                Column::number(self.say(words::COUNT), 10),
            ],
            rows,
        })];
        let repeated = targets
            .iter()
            .fold(0_u64, |sum, target| sum.saturating_add(target.repeated));
        if repeated > 0 {
            let text = self.say(words::REPEATED);
            blocks.push(Block::Text(format!("{text}{}", form::number(repeated))));
        }
        Section {
            heading: self.say(words::TARGETS),
            blocks,
        }
    }

    /// One row for each action that records of `target` met; one with zero if there was none.
    fn rows_of(&self, target: &Target) -> Vec<Row> {
        let met = Action::ALL
            .into_iter()
            .map(|action| (words::action(action), target.counts.of(action)))
            .filter(|(_, records)| *records > 0);
        let mut met: Vec<_> = met.collect();
        if met.is_empty() {
            met.push((words::class(target.method.class), 0));
        }
        let rows = met.into_iter().map(|(action, records)| {
            Row::new([
                number_of(target),
                self.data(target),
                place(target),
                self.say(action).to_owned(),
                self.method(target),
                self.basis_of(target),
                form::number(records),
            ])
        });
        rows.collect()
    }

    fn data(&self, target: &Target) -> String {
        let categories: Vec<String> = target
            .data_categories
            .iter()
            .map(|category| form::shown(category))
            .collect();
        let separator = match self.language {
            super::Language::Ja => "、",
            super::Language::En => ", ",
        };
        format!(
            "{}\n{}",
            categories.join(separator),
            form::shown(target.relation.as_ref().unwrap_or(&target.object))
        )
    }

    fn method(&self, target: &Target) -> String {
        let (word, statement) = words::technique(target.method.technique);
        format!("{}\n{statement}", self.say(word))
            .trim_end()
            .to_owned()
    }

    /// A sum for each action that any record met.
    fn totals(&self) -> Vec<Row> {
        let sum_of = |action| {
            let targets = self.predicate.targets.iter();
            targets.fold(0_u64, |sum, target| {
                sum.saturating_add(target.counts.of(action))
            })
        };
        let empty = String::new;
        let sums = Action::ALL
            .into_iter()
            .map(|action| (action, sum_of(action)));
        sums.filter(|(_, sum)| *sum > 0)
            .map(|(action, sum)| {
                Row::total([
                    empty(),
                    self.say(words::TOTAL).to_owned(),
                    empty(),
                    self.say(words::action(action)).to_owned(),
                    empty(),
                    empty(),
                    form::number(sum),
                ])
            })
            .collect()
    }

    /// Whether somebody looked into the stores again, and what was there.
    pub(super) fn look_back(&self) -> Section {
        let mut targets = self.predicate.targets.iter();
        if targets.all(|target| target.verification.is_none()) {
            return Section {
                heading: self.say(words::VERIFICATION),
                blocks: vec![Block::Text(self.say(words::NEVER_VERIFIED).to_owned())],
            };
        }
        let rows = self.predicate.targets.iter().map(|target| {
            let [method, result, checked, remaining, at] =
                self.looked_back(target.verification.as_ref());
            Row::new([
                number_of(target),
                place(target),
                method,
                result,
                at,
                checked,
                remaining,
            ])
        });
        Section {
            heading: self.say(words::VERIFICATION),
            blocks: vec![Block::Table(Table {
                caption: self.say(words::VERIFICATION_CAPTION),
                columns: vec![
                    Column::text(self.say(words::NUMBER), 7),
                    Column::text(self.say(words::PLACE), 17),
                    Column::text(self.say(words::VERIFICATION_METHOD), 16),
                    Column::text(self.say(words::VERIFICATION_RESULT), 16),
                    Column::text(self.say(words::CHECKED_AT), 22),
                    Column::number(self.say(words::CHECKED), 12),
                    Column::number(self.say(words::REMAINING), 10),
                ],
                rows: rows.collect(),
            })],
        }
    }

    /// How somebody looked, with which result, at how many, what was there, and when.
    fn looked_back(&self, verification: Option<&StoreVerification>) -> [String; 5] {
        let Some(verification) = verification else {
            let none = || "—".to_owned();
            let said = self.say(words::NOT_VERIFIED).to_owned();
            return [said, none(), none(), none(), none()];
        };
        let method = words::verification(&verification.method).map_or_else(
            || form::shown(&verification.method),
            |word| self.say(word).to_owned(),
        );
        let mut result = self.say(words::result(verification.result)).to_owned();
        if let Some(reason) = verification.reason {
            result.push('\n');
            result.push_str(self.say(words::unverifiable(reason)));
        }
        // What nobody looked at is not nothing.
        let number = |number| match verification.result {
            VerificationResult::Verified | VerificationResult::NotVerified => form::number(number),
            VerificationResult::Unverifiable => "—".to_owned(),
        };
        [
            method,
            result,
            number(verification.checked),
            number(verification.remaining),
            self.time(verification.at),
        ]
    }
}

/// The number that the leaves of the target carry.
pub(super) fn number_of(target: &Target) -> String {
    target.index.to_string()
}

fn place(target: &Target) -> String {
    let store = &target.store;
    format!("{}\n{}", form::shown(&store.id), form::shown(&store.engine))
}
