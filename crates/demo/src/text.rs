//! The demonstration's findings as text for people.

use comfy_table::{CellAlignment, Table, presets};
use jiff::Span;
use jiff::civil::Date;

use crate::look::{ClusterFindings, Findings, ObjectFindings};
use crate::place::{Place, Rows};
use crate::prepare::Generated;

/// Step 1.
pub(crate) fn prepared(generated: Generated, place: &Place) -> String {
    let data = if generated.was_there {
        "the data is there from an earlier demonstration; it is used as it is".to_owned()
    } else {
        format!(
            "{} rows and {} scans of documents generated (no row is about a real person)",
            grouped(generated.rows),
            grouped(generated.objects)
        )
    };
    format!(
        "{data}\nrows and objects  {}\nconfiguration     {}\njobs              {}",
        place.described(),
        place.config_file().display(),
        place.jobs().display(),
    )
}

/// Step 5.
pub(crate) fn findings(findings: &Findings) -> String {
    let headers = [
        "cluster",
        "records",
        "due: pseud. + delete",
        "pseudonymized",
        "deleted",
        "still due",
        "untouched",
        "untouched rows, SHA-256",
    ];
    let mut table = Table::new();
    table.load_preset(presets::UTF8_HORIZONTAL_ONLY);
    table.set_header(headers);
    for found in &findings.clusters {
        add_row(&mut table, found);
    }
    for numbers in table.column_iter_mut().skip(1) {
        numbers.set_cell_alignment(CellAlignment::Right);
    }
    let mut lines = vec![table.to_string()];
    for found in &findings.clusters {
        lines.push(String::new());
        lines.extend(details(found));
    }
    lines.push(String::new());
    lines.extend(objects(&findings.objects));
    lines.join("\n")
}

fn add_row(table: &mut Table, found: &ClusterFindings) {
    let compared = &found.compared;
    let (before, after) = (
        &compared.untouched_digest_before,
        &compared.untouched_digest_after,
    );
    let same = if before == after {
        "= before"
    } else {
        "NOT as before"
    };
    table.add_row([
        found.cluster.to_owned(),
        grouped(compared.records_before),
        format!(
            "{} + {}",
            grouped(compared.due_to_pseudonymize),
            grouped(compared.due_to_delete)
        ),
        grouped(compared.pseudonymized),
        grouped(compared.deleted),
        grouped(compared.still_due),
        grouped(compared.untouched),
        format!("{}… {same}", after.get(..12).unwrap_or(after)),
    ]);
}

fn details(found: &ClusterFindings) -> Vec<String> {
    let mut lines = vec![format!(
        "{}, `t` is a row of `{}`",
        found.cluster, found.table
    )];
    if let Some(condition) = &found.due_to_pseudonymize_where {
        lines.push(format!("  due to pseudonymize where  {condition}"));
    }
    lines.push(format!(
        "  due to delete where        {}",
        found.due_to_delete_where
    ));
    let twice = found.compared.due_to_both;
    if twice > 0 {
        lines.push(format!(
            "  due to both, and so among the deleted: {}",
            grouped(twice)
        ));
    }
    let freed = found
        .compared
        .deleted
        .saturating_sub(found.compared.due_to_delete);
    if freed > 0 {
        lines.push(format!(
            "  deleted, because the run removed or pseudonymized the rows that named them: {}",
            grouped(freed)
        ));
    }
    if found.compared.expired_but_kept > 0 {
        let reasons: Vec<String> = found
            .kept_because
            .iter()
            .map(|(what, records)| format!("{} because {what}", grouped(*records)))
            .collect();
        lines.push(format!(
            "  past the last period, but kept: {} ({})",
            grouped(found.compared.expired_but_kept),
            reasons.join(", ")
        ));
    }
    lines.extend(
        found
            .traces
            .iter()
            .map(|(what, rows)| format!("  {what}: {rows}")),
    );
    lines
}

fn objects(found: &ObjectFindings) -> Vec<String> {
    vec![
        "objects of disclosure requests, by a listing of the object store (versions one by one)"
            .to_owned(),
        format!(
            "  of {} requests that were removed: {} before, {} now ({} had been lost before)",
            grouped(found.requests_removed),
            grouped(found.versions_of_removed_before),
            grouped(found.versions_of_removed_after),
            grouped(found.lost_before),
        ),
        format!(
            "  of requests that were kept: {} before, {} now; of nobody: {}",
            grouped(found.versions_of_kept_before),
            grouped(found.versions_of_kept_after),
            grouped(found.versions_of_nobody_after),
        ),
    ]
}

/// What to try by hand; `program` is how kigen was called.
pub(crate) fn look_next(place: &Place, findings: &Findings, as_of: Date, program: &str) -> String {
    let folder = place.folder.display();
    let configured = format!("{program} --config {}", place.config_file().display());
    let with_config = format!("{configured} --as-of {as_of}");
    let next_quarter = as_of.saturating_add(Span::new().months(3));
    let mut lines = vec![
        format!(
            "certificates  {folder}/certificates/CLIENT/RUN/statement.json, its signature and leaves beside it"
        ),
        format!("report        {folder}/report.txt and {folder}/report.json"),
        format!("verify        {program} verify {folder}/certificates   (also the clients' logs)"),
        format!("audit         {with_config} audit"),
    ];
    for found in &findings.clusters {
        if let (Some(key), "exam-history" | "learner") = (&found.example, found.cluster) {
            lines.push(format!(
                "why           {with_config} explain {} {key}",
                found.cluster
            ));
        }
    }
    for found in &findings.clusters {
        if let (Some(key), "learner") = (&found.removed, found.cluster) {
            lines.push(format!(
                "receipt       {with_config} certificate prove --cluster {} --key {key} --output {folder}",
                found.cluster
            ));
        }
    }
    lines.push(format!(
        "next quarter  {configured} --as-of {next_quarter} plan"
    ));
    lines.push(format!(
        "again         {with_config} run   (finds nothing due)"
    ));
    match place.rows {
        Rows::Sqlite => lines.push("from scratch  make clean-demo demo".to_owned()),
        Rows::Postgres { .. } => lines.push(
            "`make demo STORE=postgres` stops its servers now: what asks the store works with `make demo`".to_owned(),
        ),
    }
    lines.join("\n")
}

/// `12,345`
pub(crate) fn grouped(number: u64) -> String {
    indicatif::HumanCount(number).to_string()
}
