//! A reconciliation as text for people.

use crate::cli::render;
use crate::run::reconcile::{Reconciliation, UndoneCertificate};
use crate::run::restore::{ClusterLook, Lost};

/// What `kigen reconcile` prints.
pub(super) fn reconciliation(found: &Reconciliation) -> String {
    let mut lines = vec![format!(
        "store `{}`, restored from a backup of {}: {} removed from its clusters since then",
        found.store,
        found.backup_time,
        runs(found.runs),
    )];
    lines.push(String::new());
    lines.push(clusters(&found.clusters));
    lines.extend(rows(&found.clusters));
    lines.extend(undone(&found.certificates));
    lines.extend(lost(&found.lost));
    for not in &found.not_looked_for {
        lines.push(format!(
            "{}, objects in `{}`: {}",
            not.job, not.store, not.why
        ));
    }
    for (job, error) in &found.errors {
        lines.push(format!(
            "{job} was not looked at: {}: {}",
            error.code, error.message
        ));
    }
    lines.push(String::new());
    lines.extend(end(found));
    lines.join("\n")
}

fn runs(number: u64) -> String {
    match number {
        0 => "no run".to_owned(),
        1 => "1 run".to_owned(),
        more => format!("{more} runs"),
    }
}

/// The table of the clusters: each record is counted once.
pub(in crate::cli) fn clusters(clusters: &[ClusterLook]) -> String {
    let headers = [
        "cluster",
        "present",
        "never removed",
        "came back",
        "key re-used",
        "still pseudonymized",
        "cannot be decided",
    ];
    let mut table = render::table(&headers);
    for cluster in clusters {
        table.add_row([
            cluster.job.clone(),
            cluster.present.to_string(),
            cluster.never_removed.to_string(),
            cluster.back.to_string(),
            cluster.key_reused.to_string(),
            cluster.still_pseudonymized.to_string(),
            cluster.undecided.to_string(),
        ]);
    }
    render::aligned(table, 1)
}

/// What goes with records.
pub(in crate::cli) fn rows(clusters: &[ClusterLook]) -> Vec<String> {
    let mut lines = Vec::new();
    for cluster in clusters {
        for (table, rows) in &cluster.rows {
            let mut parts = Vec::new();
            for (number, what) in [
                (rows.back, "came back"),
                (rows.back_alone, "of these without their record"),
                (rows.key_reused, "have a re-used key"),
                (rows.undecided, "cannot be decided"),
                (
                    rows.without_record,
                    "have the key of a removed row and no record, so nobody can tell whose they are",
                ),
            ] {
                if number > 0 {
                    parts.push(format!("{number} {what}"));
                }
            }
            if !parts.is_empty() {
                lines.push(format!(
                    "{}, rows of `{table}`: {} present, {}",
                    cluster.job,
                    rows.present,
                    parts.join(", ")
                ));
            }
        }
    }
    lines
}

/// The certificates of which something is there again.
pub(in crate::cli) fn undone(certificates: &[UndoneCertificate]) -> Vec<String> {
    let mut lines = Vec::new();
    for certificate in certificates {
        lines.push(format!(
            "certificate {} (run {}, {}): {} of what it removed is there again",
            certificate.certificate_id, certificate.run_id, certificate.client, certificate.back
        ));
        for target in &certificate.targets {
            lines.push(format!(
                "  {} {}, `{}`: {}",
                target.job, target.stage, target.object, target.back
            ));
        }
    }
    lines
}

/// Evidence that cannot be looked up.
pub(in crate::cli) fn lost(lost: &[Lost]) -> Vec<String> {
    let mut lines = Vec::new();
    for one in lost {
        let whose = match (&one.certificate_id, &one.client) {
            (Some(id), Some(client)) => format!("certificate {id} (run {}, {client})", one.run_id),
            (Some(id), None) => format!("certificate {id} (run {})", one.run_id),
            (None, Some(_) | None) => format!("run {}", one.run_id),
        };
        lines.push(format!("{whose} cannot be looked up: {}", one.why.says()));
    }
    lines
}

/// The sentences that say what to do now.
fn end(found: &Reconciliation) -> Vec<String> {
    let mut lines = Vec::new();
    let back = found.back();
    match &found.applied {
        Some(applied) if applied.run_id.is_some() || !applied.recovered.is_empty() => {
            lines.push(render::run(applied));
        }
        Some(_) | None => {}
    }
    if let Some(reason) = &found.refused {
        lines.push(format!("nothing was removed again: {reason}"));
    } else if back == 0 {
        lines.push("nothing that was removed since the backup is there again".to_owned());
    } else if found.applied.is_none() {
        lines.push(format!(
            "{back} removed since the backup and there again; nothing was removed now\nhint: `kigen reconcile --apply` removes them again"
        ));
    } else if let Some(applied) = &found.applied {
        let stages = applied.jobs.iter().flat_map(|job| &job.stages);
        let left: u64 = stages.map(|stage| stage.remaining_due).sum();
        if left > 0 {
            lines.push(format!(
                "{left} came back and are still there: a row that keeps them names them, or they could not be removed"
            ));
        }
    }
    let undecided = found.undecided();
    if undecided > 0 {
        lines.push(format!(
            "{undecided} cannot be decided; they were left as they are"
        ));
    }
    lines
}
