//! Which text stands for which fixed word of a statement.

use crate::document::words;
use crate::leaf::Action;
use crate::statement::{
    CertificateKind, MethodClass, RetainReason, StartingPointKind, Status, Technique, Trigger,
    Unverifiable, VerificationResult,
};

use super::Word;

/// What happened to a record.
pub(in crate::document) const fn action(action: Action) -> Word {
    match action {
        Action::RowDeleted => words::DELETED,
        Action::Pseudonymized => words::PSEUDONYMIZED,
        Action::ObjectVersionDeleted => words::VERSION_DELETED,
        Action::CryptoErased => words::CRYPTO_ERASED,
        Action::AlreadyAbsent => words::ALREADY_ABSENT,
        Action::Held => words::HELD,
        Action::DeleteMarkerRemoved => words::MARKER_REMOVED,
        Action::UploadAborted => words::UPLOAD_ABORTED,
    }
}

/// How it was done, and by which statement or call.
pub(in crate::document) const fn technique(technique: Technique) -> (Word, &'static str) {
    match technique {
        Technique::SqlDelete => (words::BY_ROW, "SQL DELETE"),
        Technique::SqlUpdate => (words::BY_REWRITING, "SQL UPDATE"),
        Technique::DeleteByVersion => (words::BY_VERSION, "DeleteObjects by VersionId"),
        Technique::RemoveFile => (words::BY_FILE, ""),
    }
}

/// What a target without any record would have met.
pub(in crate::document) const fn class(class: MethodClass) -> Word {
    match class {
        MethodClass::LogicalDelete => words::DELETED,
        MethodClass::Pseudonymize => words::PSEUDONYMIZED,
        MethodClass::ObjectVersionDelete => words::VERSION_DELETED,
    }
}

/// The title and the declaration of a certificate that deletes, pseudonymizes, or does both.
pub(in crate::document) const fn certifies(
    kind: CertificateKind,
    deletes: bool,
    pseudonymizes: bool,
) -> (Word, Word) {
    match kind {
        CertificateKind::Deletion => match (deletes, pseudonymizes) {
            (true, true) => (words::TITLE_BOTH, words::DECLARE_BOTH),
            (false, true) => (words::TITLE_PSEUDONYMIZED, words::DECLARE_PSEUDONYMIZED),
            (true | false, false) => (words::TITLE_DELETED, words::DECLARE_DELETED),
        },
    }
}

/// Whether all is done.
pub(in crate::document) const fn status(status: Status) -> Word {
    match status {
        Status::Complete => words::STATUS_COMPLETE,
        Status::Partial => words::STATUS_PARTIAL,
    }
}

/// Why the run took place.
pub(in crate::document) const fn trigger(trigger: Trigger) -> Word {
    match trigger {
        Trigger::ScheduledRetention => words::TRIGGER_SCHEDULED,
        Trigger::RestoreReconciliation => words::TRIGGER_RECONCILIATION,
    }
}

/// A starting point, by its name in the certificate; `None` if this version knows no such name.
pub(in crate::document) fn starting_point(name: &str) -> Option<Word> {
    let kind = StartingPointKind::ALL
        .into_iter()
        .find(|kind| kind.name() == name)?;
    Some(match kind {
        StartingPointKind::Collection => words::COLLECTION,
        StartingPointKind::EndOfTransaction => words::END_OF_TRANSACTION,
        StartingPointKind::EndOfRelationship => words::END_OF_RELATIONSHIP,
        StartingPointKind::ReplyToRequest => words::REPLY_TO_REQUEST,
        StartingPointKind::RequestOfPerson => words::REQUEST_OF_PERSON,
    })
}

/// A way of looking back, by its name in the certificate.
pub(in crate::document) fn verification(name: &str) -> Option<Word> {
    let known = [
        ("requery-full", words::REQUERY_FULL),
        ("requery-keys", words::REQUERY_KEYS),
        ("requery-sample", words::REQUERY_SAMPLE),
        ("relist-versions", words::RELIST_VERSIONS),
    ];
    look_up(&known, name)
}

/// What a look back says.
pub(in crate::document) const fn result(result: VerificationResult) -> Word {
    match result {
        VerificationResult::Verified => words::RESULT_VERIFIED,
        VerificationResult::NotVerified => words::RESULT_NOT_VERIFIED,
        VerificationResult::Unverifiable => words::RESULT_UNVERIFIABLE,
    }
}

/// Why a look back says nothing.
pub(in crate::document) const fn unverifiable(reason: Unverifiable) -> Word {
    match reason {
        Unverifiable::SwitchedOff => words::UNVERIFIABLE_OFF,
        Unverifiable::TooManyRecords => words::UNVERIFIABLE_MANY,
        Unverifiable::StoreUnavailable => words::UNVERIFIABLE_STORE,
        Unverifiable::JobChanged => words::UNVERIFIABLE_JOB,
        Unverifiable::NamesNobody => words::UNVERIFIABLE_NOBODY,
        Unverifiable::NeverFound => words::UNVERIFIABLE_NEVER_FOUND,
    }
}

/// A reason for keeping, by its name in the certificate.
pub(in crate::document) fn retained(name: &str) -> Option<Word> {
    let reason = RetainReason::ALL
        .into_iter()
        .find(|reason| reason.name() == name)?;
    Some(match reason {
        RetainReason::AlreadyDisposed => words::ALREADY_DISPOSED,
        RetainReason::Undatable => words::UNDATABLE,
        RetainReason::StartsInFuture => words::STARTS_IN_FUTURE,
        RetainReason::NotExpired => words::NOT_EXPIRED,
        RetainReason::Referenced => words::REFERENCED,
    })
}

fn look_up(known: &[(&str, Word)], name: &str) -> Option<Word> {
    let mut known = known.iter();
    known
        .find(|(other, _)| *other == name)
        .map(|(_, word)| *word)
}
