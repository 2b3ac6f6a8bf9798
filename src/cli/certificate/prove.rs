//! `kigen certificate prove`: a receipt for one record or one person, or "no such removal".
//!
//! What is asked for is personal data: it stands in the receipt, and in no message.

mod answer;
mod handover;

use std::collections::BTreeMap;
use std::path::PathBuf;

use kigen_evidence::document::Languages;
use kigen_evidence::leaf::Action;

use super::{Failure, load, output, verify};
use crate::archive::PublishError;
use crate::cli::{Global, explain};
use crate::config::Config;
use crate::exit;
use crate::job::{Job, JobSet};
use crate::keyring::Keyring;
use crate::ledger::suspension::{Suspended, suspended};
use crate::progress::Progress;
use crate::prove::{self, Evidence, Filter, Obstacle, ProveError, Question, Searched};
use crate::run::open::Inventories;
use answer::{Answer, InStore};
use handover::Handover;

/// Options of `kigen certificate prove`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Arguments {
    /// The cluster, as its job names it; with `--subject` all clusters if left out
    #[arg(long, value_name = "NAME", required_unless_present = "subject")]
    cluster: Option<String>,
    /// The record's key: once for each key column, in the job's order
    #[arg(
        long = "key",
        value_name = "VALUE",
        allow_hyphen_values = true,
        required_unless_present = "subject",
        conflicts_with = "subject"
    )]
    keys: Vec<String>,
    /// The table or object store of the record, if it is not the cluster's own table: what went with
    /// the cluster's records. Objects have two keys: the object's own and its version, which may be
    /// left out where the store keeps no versions
    #[arg(long, value_name = "NAME", conflicts_with = "subject")]
    object: Option<String>,
    /// A person's id, instead of a record's key
    #[arg(long, value_name = "ID", allow_hyphen_values = true)]
    subject: Option<String>,
    /// Only certificates of this client
    #[arg(long, value_name = "NAME")]
    client: Option<String>,
    /// Only the certificates of this run
    #[arg(long, value_name = "ID", conflicts_with = "certificate")]
    run: Option<String>,
    /// Only this certificate: its id, or the beginning of it
    #[arg(long, value_name = "ID")]
    certificate: Option<String>,
    /// Where to write the receipt, for its owner's eyes only (mode 0600); a folder if there are
    /// several; stdout if left out
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// html, pdf: the languages, ja, en, or ja-en for one after the other [default: ja]
    #[arg(long, value_name = "LANG")]
    lang: Option<Languages>,
}

/// Looks for the removal in every certificate, the newest first, and hands receipts over.
pub(super) async fn prove(global: &Global, arguments: &Arguments) -> Result<u8, Failure> {
    if arguments.lang.is_some() && !global.format.is_page() {
        let message = "`--lang` belongs to `--format html` and `--format pdf`";
        return Err(Failure::new(exit::USAGE, message));
    }
    let config = load::config(global)?;
    let progress = Progress::on_stderr();
    load::log(global, config.log_format, &progress)?;
    let jobs = load::jobs(&config)?;
    let mut asked = asked(arguments, &jobs)?;
    let mut stores = Inventories::default();
    let not_asked = ask_stores(&config, &mut stores, &mut asked).await;
    let keyring = load::keyring(&config).await?;
    let questions: Vec<Question> = asked.questions;
    let filter = filter(arguments);
    let (searched, suspended) = search(&config, &keyring, &questions, &filter, &progress).await?;
    let in_store = match asked.jobs.as_slice() {
        [job] if questions[0].is_of_own_table(job) => {
            look(global, &config, &mut stores, job, questions[0].texts()).await
        }
        _ => InStore::NotAsked,
    };
    let mut notes = not_asked;
    notes.extend(holds(&asked.jobs, &suspended));
    let answer = Answer::new(&searched, in_store, notes);
    if searched
        .receipts
        .iter()
        .all(|one| one.action == Action::Held)
    {
        output::answer(global.format, &answer, || answer.nothing())?;
        return Ok(nothing_found(&searched));
    }
    let handover = Handover {
        arguments,
        config: &config,
        keyring: &keyring,
        answer: &answer,
    };
    handover.hand_over(global.format, &searched.receipts)?;
    Ok(exit::DONE)
}

/// What is asked, each with the job whose cluster it is about.
struct Asked<'j> {
    jobs: Vec<&'j Job>,
    questions: Vec<Question>,
}

fn asked<'j>(arguments: &Arguments, jobs: &'j JobSet) -> Result<Asked<'j>, Failure> {
    let named: Vec<String> = arguments.cluster.iter().cloned().collect();
    let jobs = jobs
        .select(&named)
        .map_err(|unknown| Failure::new(exit::USAGE, unknown.to_string()))?;
    let mut questions = Vec::with_capacity(jobs.len());
    for job in &jobs {
        if let Some(id) = &arguments.subject {
            questions.push(Question::person(job, id));
            continue;
        }
        let object = arguments.object.as_deref();
        let question = Question::record(job, object, arguments.keys.clone());
        questions.push(question.map_err(|error| Failure::new(exit::USAGE, error.to_string()))?);
    }
    Ok(Asked { jobs, questions })
}

/// Has the stores say what the texts are in their columns. Returns why they could not.
async fn ask_stores(
    config: &Config,
    stores: &mut Inventories,
    asked: &mut Asked<'_>,
) -> Vec<String> {
    let mut not_asked = Vec::new();
    for (job, question) in asked.jobs.iter().zip(&mut asked.questions) {
        let told = match stores.rows(config, &job.store).await {
            Ok(store) => question.ask(&*store, job).await,
            Err(error) => Err(error),
        };
        if let Err(error) = told {
            not_asked.push(format!(
                "store `{}` did not say of which type the key is, so every type was tried: {error}",
                job.store
            ));
        }
    }
    not_asked.dedup();
    not_asked
}

async fn search(
    config: &Config,
    keyring: &Keyring,
    questions: &[Question],
    filter: &Filter,
    progress: &Progress,
) -> Result<(Searched, BTreeMap<String, Suspended>), Failure> {
    let place = verify::open_place(&config.certificates.place).await?;
    let ledger = load::ledger(config).await?;
    ledger.check_migrated().await?;
    let evidence = Evidence {
        ledger: &*ledger,
        keyring,
        place: &*place,
        work_folder: &config.certificates.work_folder,
        progress,
    };
    let searched = prove::search(&evidence, questions, filter).await;
    let searched = searched.map_err(failed)?;
    let suspended = suspended(&ledger.suspension_entries().await?);
    ledger.close().await;
    Ok((searched, suspended))
}

fn filter(arguments: &Arguments) -> Filter {
    Filter {
        client: arguments.client.clone(),
        run_id: arguments.run.clone(),
        certificate: arguments.certificate.clone(),
    }
}

/// The holds on the clusters that were asked for.
fn holds(jobs: &[&Job], suspended: &BTreeMap<String, Suspended>) -> Vec<String> {
    let on_hold = jobs.iter().filter_map(|job| {
        let hold = suspended.get(&job.cluster)?;
        Some(format!(
            "disposal of cluster `{}` is suspended since {}: {}",
            job.cluster,
            hold.since,
            hold.why.reason.name()
        ))
    });
    on_hold.collect()
}

/// Looks whether the store has the record now, and what its rules decide about it.
async fn look(
    global: &Global,
    config: &Config,
    stores: &mut Inventories,
    job: &Job,
    key: &[String],
) -> InStore {
    let found = match stores.rows(config, &job.store).await {
        Ok(store) => store.find(job, key).await,
        Err(error) => Err(error),
    };
    match found {
        Ok(None) => InStore::Absent,
        Ok(Some(found)) => {
            let explained = explain::explained(job, &found, load::day(global).of(job));
            InStore::Present {
                words: explain::render(job, &explained),
                explained,
            }
        }
        Err(error) => InStore::Unknown(error.to_string()),
    }
}

/// The exit code where no removal was found: altered leaves are worse than none.
fn nothing_found(searched: &Searched) -> u8 {
    let is_altered = |obstacle: Obstacle| match obstacle {
        Obstacle::LeavesAltered | Obstacle::NotOurs => true,
        Obstacle::KeyDestroyed | Obstacle::NoKey | Obstacle::NotSigned | Obstacle::NotPublished => {
            false
        }
    };
    if searched.not_searched.iter().any(|one| is_altered(one.why)) {
        return exit::DOES_NOT_HOLD;
    }
    exit::NO_SUCH_REMOVAL
}

fn failed(error: ProveError) -> Failure {
    let code = match error {
        ProveError::Ledger(error) => return error.into(),
        ProveError::Place(PublishError::Server { .. }) => exit::STORE_UNREACHABLE,
        ProveError::Place(_) | ProveError::Keyring(_) | ProveError::Work { .. } => {
            exit::CONFIG_INVALID
        }
        ProveError::NoSuchCertificate(_) | ProveError::SeveralCertificates { .. } => exit::USAGE,
        ProveError::Damaged { .. } | ProveError::Search { .. } | ProveError::Sign { .. } => {
            exit::UNEXPECTED
        }
    };
    let mut message = error.to_string();
    if let ProveError::Place(place) = &error
        && let Some(source) = std::error::Error::source(place)
    {
        message.push_str(&format!(": {source}"));
    }
    Failure::new(code, message)
}
