//! Plans and runs as text for people.

use comfy_table::{CellAlignment, Table, presets};

use crate::run::FinishedRun;
use crate::run::outcome::{CertificateLine, JobOutcome, PlanOutcome, StageOutcome, SuspendedJob};

/// What `kigen plan` prints.
pub(super) fn plan(plan: &PlanOutcome) -> String {
    let mut lines = vec![
        format!("plan as of {} (dry run: nothing is removed)", plan.as_of),
        String::new(),
    ];
    let headers = [
        "cluster",
        "stage",
        "disposal",
        "records",
        "due",
        "persons",
        "oldest overdue",
    ];
    let mut table = table(&headers);
    for (job, stage) in stages(&plan.jobs) {
        table.add_row([
            named(job),
            stage.stage.clone(),
            disposal(stage),
            stage.total.to_string(),
            stage.due.records.to_string(),
            stage.due.subjects.to_string(),
            days(stage),
        ]);
    }
    lines.push(aligned(table, 3));
    lines.extend(kept(&plan.jobs));
    lines.extend(effects(&plan.jobs));
    lines.extend(undatable(&plan.jobs));
    for job in &plan.jobs {
        let days = job.frequent_days.iter();
        lines.extend(days.map(|day| format!("look at {}: {day}", job.job)));
    }
    lines.extend(along(&plan.jobs));
    lines.extend(plan.jobs.iter().filter_map(|job| {
        let suspended = job.suspended.as_ref()?;
        let whose = suspension(&job.job, suspended);
        Some(format!("{whose}: a run leaves it alone"))
    }));
    if let Some(why) = &plan.suspensions_unknown {
        lines.push(format!("whether jobs are suspended is unknown: {why}"));
    }
    lines.extend(errors(&plan.jobs));
    for job in &plan.jobs {
        for over in &job.over_limit {
            lines.push(format!(
                "over its limit, a run would refuse it: {}: {over}",
                job.job
            ));
        }
    }
    lines.join("\n")
}

/// What `kigen run` prints.
pub(super) fn run(run: &FinishedRun) -> String {
    let mut lines = Vec::new();
    for recovered in &run.recovered {
        lines.push(format!(
            "run {} had been killed; taken up again",
            recovered.run_id
        ));
        lines.extend(recovered.released.iter().map(|line| format!("  {line}")));
        lines.extend(certificates(&recovered.certificates));
        lines.extend(
            recovered
                .error
                .iter()
                .map(|error| format!("  not certified: {}", indented(&error.message))),
        );
    }
    let id = run.run_id.as_deref().unwrap_or("(not started)");
    lines.push(format!("run {id} as of {}", run.as_of));
    lines.push(String::new());
    let headers = [
        "cluster",
        "stage",
        "disposal",
        "due",
        "persons",
        "disposed",
        "failed",
        "still due",
        "oldest overdue",
    ];
    let mut table = table(&headers);
    for (job, stage) in stages(&run.jobs) {
        table.add_row([
            named(job),
            stage.stage.clone(),
            disposal(stage),
            stage.due.records.to_string(),
            stage.due.subjects.to_string(),
            stage.disposed.to_string(),
            stage.failed.to_string(),
            stage.remaining_due.to_string(),
            days(stage),
        ]);
    }
    lines.push(aligned(table, 3));
    lines.extend(disposed(&run.jobs));
    lines.extend(failed(&run.jobs));
    lines.extend(kept(&run.jobs));
    lines.extend(suspended(&run.jobs));
    lines.extend(errors(&run.jobs));
    lines.extend(certificates(&run.certificates));
    if run.certificates.is_empty() && run.not_certified.is_none() && run.run_id.is_some() {
        lines.push("nothing was removed, so there is no certificate".to_owned());
    }
    lines.extend(
        run.not_certified
            .iter()
            .map(|error| format!("not certified: {}", error.message)),
    );
    if run.stopped {
        lines.push("stopped on request at the border of a batch; the next run goes on".to_owned());
    }
    lines.join("\n")
}

/// An empty table under `headers`.
pub(super) fn table(headers: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::UTF8_HORIZONTAL_ONLY);
    table.set_header(headers.iter().copied());
    table
}

/// Numbers to the right, from column `first` on.
pub(super) fn aligned(mut table: Table, first: usize) -> String {
    for column in table.column_iter_mut().skip(first) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.to_string()
}

fn stages(jobs: &[JobOutcome]) -> impl Iterator<Item = (&JobOutcome, &StageOutcome)> {
    jobs.iter()
        .flat_map(|job| job.stages.iter().map(move |stage| (job, stage)))
}

fn named(job: &JobOutcome) -> String {
    match job.title.get("ja") {
        Some(title) => format!("{} {title}", job.job),
        None => job.job.clone(),
    }
}

fn disposal(stage: &StageOutcome) -> String {
    match stage.disposal {
        "delete" => "delete 消去".to_owned(),
        "pseudonymize" => "pseudonymize 仮名加工".to_owned(),
        other => other.to_owned(),
    }
}

fn days(stage: &StageOutcome) -> String {
    if stage.due.records == 0 {
        return "-".to_owned();
    }
    format!("{} days", stage.oldest_overdue_days)
}

fn counts<'a, K: AsRef<str> + 'a>(counts: impl IntoIterator<Item = (K, &'a u64)>) -> String {
    let counts: Vec<String> = counts
        .into_iter()
        .map(|(name, count)| format!("{} {count}", name.as_ref()))
        .collect();
    counts.join(", ")
}

fn disposed(jobs: &[JobOutcome]) -> Vec<String> {
    let mut lines = Vec::new();
    for (job, stage) in stages(jobs).filter(|(_, stage)| stage.disposed > 0) {
        lines.push(format!("{}, {}:", job.job, stage.stage));
        lines.push(format!("  ended by  {}", counts(&stage.ended_by)));
        lines.push(format!("  client    {}", counts(&stage.by_client)));
        if !stage.gone_with.is_empty() {
            lines.push(format!("  with it   {}", counts(&stage.gone_with)));
        }
        if !stage.effects.is_empty() {
            lines.push(format!("  database  {}", counts(&stage.effects)));
        }
        if stage.objects_absent > 0 {
            lines.push(format!(
                "  objects that were absent before  {}",
                stage.objects_absent
            ));
        }
    }
    lines
}

/// The records that failed, by their references: a person has to look at them.
fn failed(jobs: &[JobOutcome]) -> Vec<String> {
    let mut lines = Vec::new();
    for (job, stage) in stages(jobs).filter(|(_, stage)| stage.failed > 0) {
        lines.push(format!("failed in {}, {}:", job.job, stage.stage));
        for failed in &stage.failed_records {
            lines.push(format!("  {}  {}", failed.record, failed.reason));
        }
        let named = u64::try_from(stage.failed_records.len()).unwrap_or(u64::MAX);
        if stage.failed > named {
            lines.push(format!("  and {} more", stage.failed - named));
        }
        if named > 0 {
            lines.push(format!(
                "  `kigen explain {} --reference r-…` shows the key of one",
                job.job
            ));
        }
    }
    lines
}

fn kept(jobs: &[JobOutcome]) -> Vec<String> {
    stages(jobs)
        .filter(|(_, stage)| !stage.retained.is_empty())
        .map(|(job, stage)| {
            format!(
                "kept in {}, {}: {}",
                job.job,
                stage.stage,
                counts(&stage.retained)
            )
        })
        .collect()
}

/// What the database does itself, as the jobs declare it.
fn effects(jobs: &[JobOutcome]) -> Vec<String> {
    let declared = jobs
        .iter()
        .flat_map(|job| job.effects.iter().map(move |effect| (job, effect)));
    declared
        .map(|(job, effect)| {
            format!(
                "declared in {}: the database itself does `{}` in {} ({})",
                job.job, effect.operation, effect.table, effect.reason
            )
        })
        .collect()
}

/// Why records have no starting point: whoever reads it looks into the table, or sets `earliest`.
fn undatable(jobs: &[JobOutcome]) -> Vec<String> {
    stages(jobs)
        .filter(|(_, stage)| !stage.undatable.is_empty())
        .map(|(job, stage)| {
            format!(
                "undatable in {}, {}: {}",
                job.job,
                stage.stage,
                counts(&stage.undatable)
            )
        })
        .collect()
}

fn suspended(jobs: &[JobOutcome]) -> Vec<String> {
    jobs.iter()
        .filter_map(|job| {
            let suspended = job.suspended.as_ref()?;
            let (whose, cause) = (suspension(&job.job, suspended), &suspended.job);
            let disposed: u64 = job.stages.iter().map(|stage| stage.disposed).sum();
            let what = if disposed == 0 {
                "nothing of it was touched".to_owned()
            } else {
                format!("it stopped at the border of a batch, after {disposed} records")
            };
            Some(format!(
                "{whose}: {what}; `kigen resume --job {cause}` lets it run again"
            ))
        })
        .collect()
}

/// That the job `name` is suspended, or one whose rows it would touch.
fn suspension(name: &str, suspended: &SuspendedJob) -> String {
    let review = suspended
        .review_on
        .map_or_else(String::new, |day| format!(", to be reviewed on {day}"));
    let reason = suspended.reason.name();
    let since = suspended.since;
    let cause = &suspended.job;
    if name == cause {
        return format!("{name} is suspended since {since} ({reason}{review})");
    }
    format!(
        "{name} would remove or change rows of {cause}, which is suspended since {since} ({reason}{review})"
    )
}

/// What a run will free and take along.
fn along(jobs: &[JobOutcome]) -> Vec<String> {
    let mut lines = Vec::new();
    for (job, stage) in stages(jobs) {
        let name = format!("{}, {}", job.job, stage.stage);
        let freed = stage.unblocked_by_this_run;
        if freed > 0 {
            lines.push(format!(
                "{name}: up to {freed} more go in this run, once it has removed what blocks them"
            ));
        }
        let along = [
            ("rows that go with them", &stage.goes_with),
            ("rows that no longer name them", &stage.unlinked),
            ("objects", &stage.objects),
        ];
        for (what, many) in along.into_iter().filter(|(_, many)| !many.is_empty()) {
            lines.push(format!("{name}: {what}: {}", counts(many)));
        }
    }
    lines
}

fn errors(jobs: &[JobOutcome]) -> Vec<String> {
    jobs.iter()
        .filter_map(|job| job.error.as_ref().map(|error| (job, error)))
        .map(|(job, error)| {
            format!(
                "job {} stopped ({}): {}",
                job.job, error.code, error.message
            )
        })
        .collect()
}

/// Further lines of a message under its first one.
fn indented(message: &str) -> String {
    message.replace('\n', "\n  ")
}

fn certificates(certificates: &[CertificateLine]) -> Vec<String> {
    let mut lines = Vec::new();
    for certificate in certificates {
        lines.push(format!(
            "certificate {} for {} in {}",
            certificate.certificate_id, certificate.client, certificate.folder
        ));
        if certificate.remaining > 0 {
            lines.push(format!(
                "  NOT VERIFIED: {} of what it removed is there; `kigen audit {}` says where",
                certificate.remaining, certificate.certificate_id
            ));
        }
        if certificate.unverifiable > 0 {
            lines.push(format!(
                "  not verifiable in {} targets: the certificate says why",
                certificate.unverifiable
            ));
        }
    }
    lines
}
