//! Checks a certificate alone: envelope, `leaves.bin` and a public key, no database and no secret.

mod finding;
#[cfg(test)]
mod tests;

use std::io::{self, Read};

use ed25519_dalek::VerifyingKey;
use jiff::civil::Date;
use jiff::tz::{self, TimeZone};

use super::digest::Sha256;
use super::dsse;
use super::leaf::{Action, LEAF_LENGTH};
use super::leaves::{FoldedLeaves, LeafFold, read_each};
use super::public_key::key_id;
use super::statement::{QuotedClause, Statement};

pub use finding::{Fact, Finding, Problem};

/// What a check found.
#[derive(Debug)]
pub struct Verification {
    /// What holds and what does not, in the order of the checks.
    pub findings: Vec<Finding>,
    /// What the certificate says; `None` unless its signature holds.
    pub statement: Option<Statement>,
}

impl Verification {
    /// Whether every check held.
    pub fn holds(&self) -> bool {
        !self.findings.is_empty() && self.findings.iter().all(Finding::holds)
    }
}

/// Checks the certificate in `envelope` and the leaves that it is about.
///
/// Nothing that the certificate says is read before its signature holds under one of `keys`.
/// Memory does not grow with the number of leaves. The error is that of reading `leaves`.
pub fn verify(
    envelope: &[u8],
    leaves: impl Read,
    keys: &[VerifyingKey],
) -> io::Result<Verification> {
    let mut findings = Vec::new();
    let Some(statement) = read_statement(envelope, keys, &mut findings) else {
        return Ok(Verification {
            findings,
            statement: None,
        });
    };
    check_statement(&statement, &mut findings);
    // A file without end would be read without end: one leaf more is as wrong as all of them.
    let stated = statement.predicate.evidence.run_checkpoint.size();
    let longest = stated.saturating_add(1).saturating_mul(LEAF_LENGTH as u64);
    let (folded, rest) = fold(leaves.take(longest), numbers(&statement))?;
    check_file(&statement, &folded, rest, &mut findings);
    check_counts(&statement, &folded, &mut findings);
    check_root(&statement, &folded, &mut findings);
    Ok(Verification {
        findings,
        statement: Some(statement),
    })
}

fn read_statement(
    envelope: &[u8],
    keys: &[VerifyingKey],
    findings: &mut Vec<Finding>,
) -> Option<Statement> {
    let verified = match dsse::verify(envelope, keys) {
        Ok(verified) => verified,
        Err(error) => {
            findings.push(Problem::Signature(error).into());
            return None;
        }
    };
    let key_id = key_id(verified.key());
    findings.push(Fact::SignatureHolds { key_id }.into());
    match Statement::read(&verified) {
        Ok(statement) => Some(statement),
        Err(error) => {
            findings.push(Problem::Statement(error).into());
            None
        }
    }
}

/// How many numbers the targets are numbered with, those that are left out included.
fn numbers(statement: &Statement) -> usize {
    let indexes = statement
        .predicate
        .targets
        .iter()
        .map(|target| target.index);
    indexes
        .max()
        .map_or(0, |greatest| usize::from(greatest) + 1)
}

/// Whether the certificate agrees with itself.
fn check_statement(statement: &Statement, findings: &mut Vec<Finding>) {
    let before = findings.len();
    let predicate = &statement.predicate;
    for (place, pair) in (1..).zip(predicate.targets.windows(2)) {
        if pair[0].index >= pair[1].index {
            findings.push(Problem::TargetOutOfPlace { place }.into());
        }
    }
    let stated = predicate.evidence.leaves;
    let sum = predicate
        .targets
        .iter()
        .try_fold(0_u64, |sum, target| sum.checked_add(target.counts.total()?));
    if sum != Some(stated.record) {
        findings.push(
            Problem::RecordSum {
                stated: stated.record,
                sum,
            }
            .into(),
        );
    }
    let checkpoint = &predicate.evidence.run_checkpoint;
    if stated.record.checked_add(stated.subject) != Some(checkpoint.size()) {
        findings.push(Problem::CheckpointSize.into());
    }
    if !checkpoint.belongs_to(&predicate.certificate_id) {
        findings.push(Problem::CheckpointOrigin.into());
    }
    let carried_out = |digest| {
        let mut targets = predicate.targets.iter();
        targets.any(|target| target.rule.clause.text_sha256 == digest)
    };
    let is_right = |clause: &QuotedClause| {
        let digest = Sha256::of(clause.text.as_bytes());
        digest == clause.text_sha256 && carried_out(digest)
    };
    if !predicate.clauses.iter().all(is_right) {
        findings.push(Problem::QuotedClause.into());
    }
    let period = &predicate.period;
    if period.started_at > period.finished_at || period.finished_at > period.sealed_at {
        findings.push(Problem::TimesOutOfOrder.into());
    }
    let began = day_of_beginning(statement);
    if predicate.run.as_of > began {
        findings.push(
            Problem::DayAhead {
                as_of: predicate.run.as_of,
                began,
            }
            .into(),
        );
    }
    if findings.len() == before {
        findings.push(Fact::AgreesWithItself.into());
    }
}

/// The day on which the run began, in its own time zone.
fn day_of_beginning(statement: &Statement) -> Date {
    let predicate = &statement.predicate;
    // Of a zone that is not known here, the latest day that any zone can have.
    let farthest_east = || TimeZone::fixed(tz::offset(14));
    let zone = TimeZone::get(&predicate.run.time_zone).unwrap_or_else(|_| farthest_east());
    zone.to_datetime(predicate.period.started_at).date()
}

/// Whether `leaves.bin` is the file that was certified, and in its one possible order.
fn check_file(
    statement: &Statement,
    folded: &FoldedLeaves,
    rest: usize,
    findings: &mut Vec<Finding>,
) {
    if rest > 0 {
        findings.push(Problem::BrokenLeaf { rest }.into());
    }
    // A rest does not enter the fold, so the digest alone could not tell it.
    findings.push(if rest == 0 && folded.sha256 == statement.leaves_digest() {
        Fact::LeavesUntouched.into()
    } else {
        Problem::LeavesDigest.into()
    });
    findings.push(match folded.disorder {
        None => Fact::Ascending { size: folded.size }.into(),
        Some(disorder) => Problem::Order(disorder).into(),
    });
}

/// Whether the leaves are as many as the certificate counts, by target and action.
fn check_counts(statement: &Statement, folded: &FoldedLeaves, findings: &mut Vec<Finding>) {
    let before = findings.len();
    if folded.strangers > 0 {
        let leaves = folded.strangers;
        findings.push(Problem::Strangers { leaves }.into());
    }
    for (target, records) in (0..).zip(&folded.records) {
        let mut targets = statement.predicate.targets.iter();
        let listed = targets.find(|listed| listed.index == target);
        for action in Action::ALL {
            // Of a target that is not listed there can be no leaf.
            let stated = listed.map_or(0, |listed| listed.counts.of(action));
            let found = records.of(action);
            if stated != found {
                findings.push(
                    Problem::Count {
                        target,
                        action,
                        stated,
                        found,
                    }
                    .into(),
                );
            }
        }
    }
    for (target, (records, subjects)) in folded.records.iter().zip(&folded.subjects).enumerate() {
        for action in Action::ALL {
            if subjects.of(action) > records.of(action) {
                findings.push(Problem::MorePersonsThanRecords { target, action }.into());
            }
        }
    }
    let stated = statement.predicate.evidence.leaves.subject;
    let found = folded.subject_total();
    if stated != found {
        findings.push(Problem::SubjectCount { stated, found }.into());
    }
    if findings.len() == before {
        let (records, subjects) = (folded.record_total(), found);
        findings.push(Fact::CountsAgree { records, subjects }.into());
    }
}

/// Whether the tree of the leaves is the one whose root was certified.
fn check_root(statement: &Statement, folded: &FoldedLeaves, findings: &mut Vec<Finding>) {
    let checkpoint = &statement.predicate.evidence.run_checkpoint;
    let agrees = checkpoint.root() == &folded.root && checkpoint.size() == folded.size;
    findings.push(if agrees {
        Fact::RootAgrees.into()
    } else {
        Problem::Root.into()
    });
}

/// Folds a whole file of leaves; also returns how many bytes follow its last whole leaf.
fn fold(leaves: impl Read, targets: usize) -> io::Result<(FoldedLeaves, usize)> {
    let mut fold = LeafFold::new(targets);
    let rest = read_each(leaves, |leaf| fold.push(leaf))?;
    Ok((fold.finish(), rest))
}
