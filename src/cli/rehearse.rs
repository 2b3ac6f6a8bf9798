//! `kigen rehearse`: a run on a copy of a store, and the whole copy before and after it.

use std::path::Path;

use anyhow::Context;
use comfy_table::CellAlignment;

use super::failure::Failure;
use super::{Global, keyring, load, migrate, output, render, run};
use crate::config::{
    CertificatesPlace, Config, KeyringConfig, KeyringProtection, SecretUrl, StoreConfig,
};
use crate::exit;
use crate::job::{Job, JobSet};
use crate::ledger::entry::Trigger;
use crate::progress::Progress;
use crate::run::open;
use crate::run::outcome::JobError;
use crate::run::rehearse::{self, Picture, Rehearsal};
use crate::store::error::StoreError;

/// Options of `kigen rehearse`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The store of kigen.toml that was copied
    #[arg(long, value_name = "NAME")]
    store: String,
    /// The address of the copy: its due records are removed
    #[arg(long, value_name = "URL")]
    store_url: String,
    /// Says that the address is a copy although kigen.toml has the same one
    #[arg(long)]
    this_is_a_copy: bool,
}

/// Runs the jobs of one store on a copy, with a ledger, keys and a place of its own, and compares.
pub(super) async fn rehearse(global: &Global, arguments: &Arguments) -> Result<u8, Failure> {
    let live = load::config(global)?;
    let progress = Progress::on_stderr();
    load::log(global, live.log_format, &progress)?;
    let jobs = load::jobs(&live)?;
    let folder = tempfile::tempdir().context("make a folder for the rehearsal")?;
    let config = config(&live, arguments, folder.path())?;
    let selected = load::selected(global, &jobs)?;
    let (selected, left_out) = without_objects(&selected, &arguments.store)?;
    let all = JobSet::new("jobs", selected)
        .map_err(|problems| Failure::of_files(exit::JOBS_INVALID, problems))?;
    let selected = load::selected(global, &all)?;
    let keys = keyring::create(&config).await?;
    migrate::migrate_ledger(&config).await?;
    let names = [arguments.store.clone()];
    migrate::migrate_journals(&config, &names).await?;
    let before = picture(&config, &arguments.store).await?;
    let ledger = load::ledger(&config).await?;
    let shutdown = run::signals()?;
    let with = run::With {
        config: &config,
        ledger: &*ledger,
        shutdown: &shutdown,
        progress: &progress,
    };
    let finished = run::once(global, &with, &all, &selected, Trigger::Hand).await?;
    let after = picture(&config, &arguments.store).await?;
    let pictures = (before, after);
    let compared = rehearse::compare(
        pictures,
        &selected,
        finished,
        &*ledger,
        &keys,
        &arguments.store,
    );
    let mut rehearsal = compared.await?;
    rehearsal.left_out = left_out;
    ledger.close().await;
    output::print(global.format, &rehearsal, render)?;
    Ok(exit_of(&rehearsal))
}

/// The whole of the copy.
async fn picture(config: &Config, store: &str) -> Result<Picture, Failure> {
    let failed = |error: StoreError| {
        let JobError { exit, message, .. } = JobError::of_store(&error);
        Failure::new(exit, message)
    };
    let opened = open::rows_to_read(config, store).await.map_err(failed)?;
    Picture::take(&opened).await.map_err(failed)
}

/// What is not accounted for asks for a person, whatever else there is.
fn exit_of(rehearsal: &Rehearsal) -> u8 {
    if rehearsal.differences.is_empty() {
        return rehearsal.run.exit();
    }
    exit::SCHEMA_MISMATCH
}

/// The configuration of the rehearsal: everything but the jobs and the copy lies in `folder`.
fn config(live: &Config, arguments: &Arguments, folder: &Path) -> Result<Config, Failure> {
    let Some(store) = live.stores.get(&arguments.store) else {
        let known: Vec<&str> = live.stores.keys().map(String::as_str).collect();
        let message = format!(
            "kigen.toml has no store `{}`\nhint: it has {}",
            arguments.store,
            known.join(", ")
        );
        return Err(Failure::new(exit::USAGE, message));
    };
    let wrong = |what: &str| Failure::new(exit::USAGE, format!("--store-url {what}"));
    let here = Path::new(".");
    let parse = |text: &str, base: &Path| SecretUrl::parse(text, base);
    let url = parse(&arguments.store_url, here).map_err(|_| {
        wrong("is no URL of a store\nhint: postgres://user@host/database, or sqlite://file.db")
    })?;
    if is_one_place(&url, store) && !arguments.this_is_a_copy {
        let hint = "a rehearsal removes what is due: restore a backup elsewhere and name that; `--this-is-a-copy` says that kigen.toml itself names a copy";
        let message = format!(
            "--store-url is the live address of store `{}`\nhint: {hint}",
            arguments.store
        );
        return Err(Failure::new(exit::USAGE, message));
    }
    let mut config = live.clone();
    let of_folder = |name: &str| parse(&format!("sqlite://{name}"), folder);
    config.ledger = of_folder("ledger.db").map_err(|_| wrong("has no place for a ledger"))?;
    let copy = StoreConfig {
        url,
        ..store.clone()
    };
    config.stores = [(arguments.store.clone(), copy)].into();
    config.keyring = KeyringConfig {
        path: folder.join("keyring.toml"),
        protection: KeyringProtection::Plain,
    };
    config.certificates.place = CertificatesPlace::Folder(folder.join("certificates"));
    folder.clone_into(&mut config.certificates.work_folder);
    config.certificates.origin = Some("rehearsal".to_owned());
    config.timestamp = None;
    config.objects.clear();
    Ok(config)
}

/// Whether both addresses lead to one database, as far as their texts say.
fn is_one_place(url: &SecretUrl, store: &StoreConfig) -> bool {
    let file = |url: &SecretUrl| {
        let path = url.expose().strip_prefix("sqlite://")?;
        let path = path.split('?').next().unwrap_or(path);
        std::fs::canonicalize(path).ok()
    };
    match (file(url), file(&store.url)) {
        (Some(one), Some(other)) => one == other,
        // What is shown has no user, no password and no options.
        (_, _) => url.to_string() == store.url.to_string(),
    }
}

/// The jobs over `store`, without their objects: a bucket has no copy, and nothing of it is touched.
fn without_objects(selected: &[&Job], store: &str) -> Result<(Vec<Job>, Vec<String>), Failure> {
    let mut left_out = Vec::new();
    let mut jobs = Vec::new();
    for &job in selected {
        if job.store != store {
            left_out.push(format!(
                "job `{}`: its store is `{}`",
                job.cluster, job.store
            ));
            continue;
        }
        let mut job = job.clone();
        if !job.objects.is_empty() {
            left_out.push(format!(
                "objects of job `{}`: no object is touched",
                job.cluster
            ));
            job.objects.clear();
        }
        jobs.push(job);
    }
    if jobs.is_empty() {
        let message = format!("no job has the store `{store}`");
        return Err(Failure::new(exit::USAGE, message));
    }
    Ok((jobs, left_out))
}

fn render(rehearsal: &Rehearsal) -> String {
    let mut lines = vec![render::run(&rehearsal.run), String::new()];
    let headers = [
        "table",
        "rows before",
        "rows after",
        "removed",
        "added",
        "certified",
        "declared",
    ];
    let mut table = render::table(&headers);
    for changed in &rehearsal.changed {
        let declared: Vec<String> = changed
            .declared
            .iter()
            .map(|(operation, rows)| format!("{operation} {rows}"))
            .collect();
        table.add_row([
            changed.table.clone(),
            changed.rows_before.to_string(),
            changed.rows_after.to_string(),
            changed.removed.to_string(),
            changed.added.to_string(),
            (changed.certified_deleted + changed.certified_pseudonymized).to_string(),
            declared.join(", "),
        ]);
    }
    for column in table.column_iter_mut().skip(1).take(5) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    lines.push(table.to_string());
    lines.push(format!("{} tables are as they were", rehearsal.unchanged));
    lines.extend(
        rehearsal
            .left_out
            .iter()
            .map(|what| format!("left out: {what}")),
    );
    if rehearsal.differences.is_empty() {
        lines.push("the evidence accounts for every change of the database".to_owned());
    }
    let differences = rehearsal.differences.iter();
    lines.extend(differences.map(|difference| format!("NOT ACCOUNTED FOR: {difference}")));
    lines.join("\n")
}
