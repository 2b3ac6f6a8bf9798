//! The head of a job file: texts, time zone, schedule, clause.

use jiff::tz::{TimeZone, TimeZoneDatabase};

use super::findings::Findings;
use super::{names, sha256_hex};
use crate::diagnostic::document::Path;
use crate::diagnostic::near_miss;
use crate::domain::schedule::Schedule;
use crate::job::raw::RawJob;
use crate::job::{Approval, Clause};

/// Checks the texts that are only read by people or by kigen.toml.
pub(super) fn plain_texts(raw: &RawJob, findings: &mut Findings) {
    let of = Path::of;
    let texts = [
        (of("owner"), &raw.owner),
        (of("title").key("ja"), &raw.title.ja),
        (of("title").key("en"), &raw.title.en),
        (of("clause").key("document"), &raw.clause.document),
        (of("clause").key("version"), &raw.clause.version),
        (of("clause").key("text"), &raw.clause.text),
        (of("store").key("name"), &raw.store.name),
    ];
    for (path, text) in texts {
        names::not_empty(&path, text, findings);
    }
}

/// Finds the time zone `name`, written as IANA writes it.
///
/// Looks in the rules that are built in, not in the machine's: one version of kigen decides alike
/// everywhere.
pub(super) fn time_zone(path: &Path, name: &str, findings: &mut Findings) -> Option<TimeZone> {
    let database = TimeZoneDatabase::bundled();
    let zone = database.get(name).ok();
    if let Some(zone) = zone.filter(|zone| zone.iana_name() == Some(name)) {
        return Some(zone);
    }
    let known: Vec<String> = database.available().map(|zone| zone.to_string()).collect();
    let hint = near_miss::hint(name, known.iter().map(String::as_str))
        .unwrap_or_else(|| "use a name of the IANA database such as `Asia/Tokyo`".to_owned());
    findings.hint(path, format!("the time zone `{name}` is unknown"), hint);
    None
}

/// Checks that the daemon can read the schedule, and that it ever comes.
pub(super) fn schedule(raw: &RawJob, findings: &mut Findings) {
    let Some(schedule) = &raw.schedule else {
        return;
    };
    // Whether there is such a time does not hang on the zone.
    let Err(error) = Schedule::parse(schedule, TimeZone::UTC) else {
        return;
    };
    findings.hint(&Path::of("schedule"), error.to_string(), error.hint());
}

/// Computes the clause's digest and compares it with the reviewed one.
pub(super) fn clause(raw: &RawJob, findings: &mut Findings) -> Clause {
    let text_sha256 = sha256_hex(&raw.clause.text);
    let reviewed = raw.clause.text_sha256.as_ref();
    if reviewed.is_some_and(|reviewed| !reviewed.eq_ignore_ascii_case(&text_sha256)) {
        let message = "the clause changed: the rule counts as unreviewed";
        let hint = format!("review the rule against the clause, then set `{text_sha256}`");
        findings.hint(&Path::of("clause").key("text-sha256"), message, hint);
    }
    Clause {
        document: raw.clause.document.clone(),
        version: raw.clause.version.clone(),
        text: raw.clause.text.clone(),
        text_sha256,
    }
}

/// Checks that the approval says who and where.
pub(super) fn approval(raw: &RawJob, findings: &mut Findings) -> Option<Approval> {
    let approval = raw.approval.as_ref()?;
    let path = |key| Path::of("approval").key(key);
    names::not_empty(&path("role"), &approval.role, findings);
    names::not_empty(&path("ticket"), &approval.ticket, findings);
    Some(Approval {
        role: approval.role.clone(),
        ticket: approval.ticket.clone(),
    })
}
