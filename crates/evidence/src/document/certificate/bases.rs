//! On which grounds: the rules with their clauses, and the numbers by reason.

use crate::statement::{CertifiedPurpose, CertifiedRule, Numbers, Target};

use super::targets::number_of;
use super::{Block, Column, Fact, Row, Section, Table, Writer, form, words};

impl Writer<'_> {
    /// The rules of the certificate, each once, in the order of the targets.
    fn rules(&self) -> Vec<&CertifiedRule> {
        let mut rules: Vec<&CertifiedRule> = Vec::new();
        for target in &self.predicate.targets {
            if !rules.contains(&&target.rule) {
                rules.push(&target.rule);
            }
        }
        rules
    }

    /// The short name of the rule of `target`: `R1`.
    pub(super) fn basis_of(&self, target: &Target) -> String {
        let rules = self.rules();
        let place = rules.iter().position(|rule| **rule == target.rule);
        place.map_or_else(String::new, short_name)
    }

    pub(super) fn bases(&self) -> Section {
        let rules = self.rules();
        let mut blocks = Vec::new();
        let mut set: Vec<&CertifiedRule> = Vec::new();
        for rule in &rules {
            if set.iter().any(|other| are_of_one_file(other, rule)) {
                continue;
            }
            set.push(rule);
            let rules = rules.iter().copied().enumerate();
            let together = rules.filter(|(_, other)| are_of_one_file(other, rule));
            blocks.extend(self.basis(rule, &together.collect::<Vec<_>>()));
        }
        Section {
            heading: self.say(words::BASES),
            blocks,
        }
    }

    /// The clause of `rule`, and the purposes of all rules that carry it out, by their places.
    fn basis(&self, rule: &CertifiedRule, together: &[(usize, &CertifiedRule)]) -> [Block; 2] {
        let clause = &rule.clause;
        let mut facts = vec![
            Fact::new(self.say(words::CLUSTER), form::shown(&rule.cluster)),
            Fact::new(self.say(words::CLAUSE), form::shown(&clause.document)),
            Fact::new(
                self.say(words::CLAUSE_VERSION),
                form::shown(&clause.version),
            ),
            Fact::code(
                self.say(words::CLAUSE_DIGEST),
                clause.text_sha256.to_string(),
            ),
            Fact::code(self.say(words::RULE_DIGEST), rule.sha256.to_string()),
        ];
        let mut quoted = self.predicate.clauses.iter();
        if let Some(quoted) = quoted.find(|quoted| quoted.text_sha256 == clause.text_sha256) {
            let words = Fact::new(self.say(words::CLAUSE_TEXT), form::shown(&quoted.text));
            facts.insert(2, words);
        }
        if let Some(approval) = &rule.approval {
            let role = form::shown(&approval.role);
            let ticket = form::shown(&approval.ticket);
            let approved = format!("{role} ({ticket})");
            facts.push(Fact::new(self.say(words::APPROVAL), approved));
        }
        let rows = together.iter().flat_map(|(place, rule)| {
            let purposes = rule.purposes.iter();
            purposes.map(|purpose| self.purpose(*place, purpose))
        });
        let purposes = Table {
            caption: self.say(words::PURPOSES_CAPTION),
            columns: vec![
                Column::text(self.say(words::BASIS), 8),
                Column::text(self.say(words::PURPOSE), 28),
                Column::text(self.say(words::STARTING_POINT), 26),
                Column::text(self.say(words::RETENTION_PERIOD), 14),
                Column::text(self.say(words::CUTOFF), 24),
            ],
            rows: rows.collect(),
        };
        [Block::Facts(facts), Block::Table(purposes)]
    }

    fn purpose(&self, place: usize, purpose: &CertifiedPurpose) -> Row {
        let starting_point = words::starting_point(&purpose.starting_point).map_or_else(
            || form::shown(&purpose.starting_point),
            |word| self.say(word).to_owned(),
        );
        Row::new([
            short_name(place),
            form::shown(&purpose.name),
            starting_point,
            form::period(&purpose.period, self.language),
            form::day(purpose.cutoff, self.language),
        ])
    }

    pub(super) fn reasons(&self) -> Section {
        let targets = self.predicate.targets.iter();
        Section {
            heading: self.say(words::REASONS),
            blocks: vec![Block::Table(Table {
                caption: self.say(words::REASONS_CAPTION),
                columns: vec![
                    Column::text(self.say(words::NUMBER), 8),
                    Column::text(self.say(words::REASON), 76),
                    Column::number(self.say(words::COUNT), 16),
                ],
                rows: targets.flat_map(|target| self.reasons_of(target)).collect(),
            })],
        }
    }

    fn reasons_of(&self, target: &Target) -> Vec<Row> {
        let row =
            |reason: String, records| Row::new([number_of(target), reason, form::number(records)]);
        let mut rows = Vec::new();
        for (purpose, records) in target.ended_by.iter() {
            let purpose = form::shown(purpose);
            rows.push(row(
                format!("{}{purpose}", self.say(words::ENDED_BY)),
                records,
            ));
        }
        let retained = target.retained.as_ref().map(Numbers::iter);
        for (reason, records) in retained.into_iter().flatten() {
            let reason = words::retained(reason)
                .map_or_else(|| form::shown(reason), |word| self.say(word).to_owned());
            rows.push(row(format!("{}{reason}", self.say(words::KEPT)), records));
        }
        rows
    }
}

/// Whether two rules, of two stages perhaps, stand in the same job and carry out the same clause.
fn are_of_one_file(one: &CertifiedRule, two: &CertifiedRule) -> bool {
    one.cluster == two.cluster && one.sha256 == two.sha256 && one.clause == two.clause
}

fn short_name(place: usize) -> String {
    format!("R{}", place + 1)
}
