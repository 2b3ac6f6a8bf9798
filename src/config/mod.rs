//! `kigen.toml`: where the stores, the ledger, the keys and the output are.
//!
//! The only module that reads the environment, and that in one function.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use der::asn1::ObjectIdentifier;
use kigen_evidence::calendar::Period;
use kigen_evidence::log::vkey::NoteKey;
use url::Url;

use crate::diagnostic::{Problem, Problems, near_miss, structure};
use crate::job::{Job, JobSet};

mod check;
mod corporate_number;
mod keyring;
mod objects;
mod raw;
mod secret_url;

pub use keyring::{KeyringConfig, KeyringProtection};
pub use secret_url::{SecretUrl, UrlError};

/// The version of the format that this kigen reads.
pub const VERSION: i64 = 1;

/// The checked content of `kigen.toml`. Holds secrets only in [`SecretUrl`].
#[derive(Clone, Debug)]
pub struct Config {
    /// kigen's own database.
    pub ledger: SecretUrl,
    /// Stores of rows, by name.
    pub stores: BTreeMap<String, StoreConfig>,
    /// Stores of objects, by name.
    pub objects: BTreeMap<String, ObjectsConfig>,
    /// The file with the signing keys and the keys for tokens and digests.
    pub keyring: KeyringConfig,
    pub certificates: CertificatesConfig,
    /// How long evidence can be opened, from the end of its quarter; `None`: nothing says so, and
    /// no key of it can be destroyed.
    pub evidence_keep: Option<Period>,
    /// Whether the stores are asked again before a run is certified.
    pub read_back: ReadBack,
    pub issuer: Issuer,
    /// Clients (委託元) that are called by a name in jobs or in data.
    pub clients: Vec<Client>,
    /// Where copies stay for a while after a disposal; printed in certificates.
    pub residuals: Vec<Residual>,
    /// The authority that stamps the heads of logs, if there is one.
    pub timestamp: Option<TimestampConfig>,
    /// The folder of the job files.
    pub jobs_folder: PathBuf,
    /// How to log, if the file says so.
    pub log_format: Option<LogFormat>,
}

/// A store of rows.
#[derive(Clone, Debug)]
pub struct StoreConfig {
    pub url: SecretUrl,
    pub kind: StoreKind,
    /// Connections that kigen may open to it.
    pub connections: Option<u32>,
    pub statement_timeout: Option<Duration>,
    pub lock_timeout: Option<Duration>,
}

/// What kind of database a store is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreKind {
    Postgres {
        /// The schema of the journal and the marker table.
        journal_schema: String,
    },
    Sqlite,
}

/// A store of objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ObjectsConfig {
    /// S3 or compatible; credentials come from the usual places of AWS.
    S3 {
        bucket: String,
        /// Put before each object key; empty if none.
        prefix: String,
        region: Option<String>,
        /// Another server than AWS.
        endpoint: Option<String>,
        /// Whether the bucket stands in the path rather than in the host's name.
        path_style: bool,
    },
    Folder(PathBuf),
}

/// Where certificates go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificatesConfig {
    pub place: CertificatesPlace,
    /// Where `leaves.bin` is made before it is published.
    pub work_folder: PathBuf,
    /// Name used in run checkpoints: `certs.example.com`.
    pub origin: Option<String>,
    /// The program that sets certificates as PDF, if it is not on the PATH.
    pub pdf: Option<PathBuf>,
}

/// How the stores are asked again before a run is certified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadBack {
    /// Every present record of a cluster is compared with what was removed, unless there are more.
    Full {
        most_records: u64,
    },
    Off,
}

/// Where evidence is published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CertificatesPlace {
    Folder(PathBuf),
    S3(CertificatesBucket),
}

/// A bucket for evidence; credentials come from the usual places of AWS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificatesBucket {
    pub bucket: String,
    /// The folder in the bucket, without `/` at its ends; empty if none.
    pub prefix: String,
    pub region: Option<String>,
    /// Another server than AWS.
    pub endpoint: Option<String>,
    /// Whether the bucket stands in the path rather than in the host's name.
    pub path_style: bool,
    /// How long the bucket refuses to remove what was published.
    pub retain: Option<Retain>,
}

/// Object Lock retention.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retain {
    /// Counted from the day of publication.
    pub period: Period,
    pub mode: LockMode,
}

/// Who may shorten a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockMode {
    /// Whoever has the right to bypass it.
    Governance,
    /// Nobody.
    Compliance,
}

/// `[certificates]` has no `origin`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "kigen.toml, `[certificates]`: there is no `origin`, the name of your logs of certificates, which cannot be changed later\nhint: `origin = \"certificates.example.jp/kigen\"`, a domain that is yours; a place whose logs are called `kigen.invalid/…` already keeps `origin = \"kigen.invalid\"`"
)]
pub struct NoOrigin;

impl CertificatesConfig {
    /// The issuer's name in checkpoints and signatures. It has no default: it names the logs of
    /// certificates for ever.
    pub fn origin(&self) -> Result<&str, NoOrigin> {
        self.origin.as_deref().ok_or(NoOrigin)
    }

    /// The folder of the certificates, unless they go to a bucket.
    pub fn folder(&self) -> Option<&Path> {
        match &self.place {
            CertificatesPlace::Folder(folder) => Some(folder),
            CertificatesPlace::S3(_) => None,
        }
    }
}

impl CertificatesBucket {
    /// The bucket of an address such as `s3://bucket/prefix`, with nothing else set; `None` if the
    /// text is no such address.
    pub fn parse(url: &str) -> Option<Self> {
        let (bucket, prefix) = check::bucket_of(url)?;
        Some(Self {
            bucket,
            prefix,
            region: None,
            endpoint: None,
            path_style: false,
            retain: None,
        })
    }
}

/// Who issues certificates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issuer {
    pub organization: String,
    /// 法人番号: 13 digits, check digit verified.
    pub corporate_number: Option<String>,
}

/// A client (委託元).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    pub name: String,
    pub organization: String,
    /// The keys of the witnesses on the client's side that cosign its log.
    pub witnesses: Vec<NoteKey>,
}

/// A place where copies stay for a while after a disposal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Residual {
    /// `database backups (PITR)`
    pub place: String,
    pub retention: Period,
}

/// A time-stamping authority (RFC 3161).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimestampConfig {
    pub url: Url,
    /// The certificate of the authority's root, for those who verify.
    pub root_pem: String,
    /// The policy that it is to follow; its own if none is asked for.
    pub policy: Option<ObjectIdentifier>,
    /// How long it may take to answer.
    pub timeout: Duration,
}

/// The form of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    Json,
    Human,
}

impl Config {
    /// Reads and checks the file at `path`; all problems at once.
    ///
    /// `env` looks up a variable of the environment. Relative paths in the file, also those in
    /// URLs of SQLite, start from the file's folder.
    pub fn load(path: &Path, env: &dyn Fn(&str) -> Option<String>) -> Result<Self, Problems> {
        let name = path.display().to_string();
        let text = fs::read_to_string(path).map_err(|error| {
            let problem = Problem::of_file(&*name, format!("the file cannot be read: {error}"));
            Problems::from(problem.with_hint("`--config` names another file"))
        })?;
        let base = path.parent().unwrap_or(Path::new(""));
        Self::parse(&name, &text, base, env)
    }

    /// Checks the text of a `kigen.toml` whose folder is `base`.
    pub fn parse(
        file_name: &str,
        text: &str,
        base: &Path,
        env: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, Problems> {
        check::parse(file_name, text, base, env)
    }

    /// Checks that every store a job names is there.
    pub fn check_jobs(&self, jobs: &JobSet) -> Result<(), Problems> {
        let mut problems = Problems::default();
        for job in jobs.jobs() {
            let file = job.file.display().to_string();
            let mut need = |table: &str, name: &str, known: Vec<&str>, path: String| {
                if known.contains(&name) {
                    return;
                }
                let message = format!("kigen.toml has no `[{table}.{name}]`");
                let mut problem = Problem::of_file(file.clone(), message);
                problem.path = path;
                problem.hint = near_miss::hint(name, known);
                problems.0.push(problem);
            };
            let stores = self.stores.keys().map(String::as_str).collect();
            need("stores", &job.store, stores, "store.name".to_owned());
            for (index, object) in job.objects.iter().enumerate() {
                let objects = self.objects.keys().map(String::as_str).collect();
                need(
                    "objects",
                    &object.store,
                    objects,
                    format!("object[{index}].store"),
                );
            }
        }
        problems.0.extend(self.one_database_twice(jobs));
        self.check_shared_objects(jobs, &mut problems);
        problems.or(())
    }

    /// Two names of one database: what is suspended, restored or ruled under one of them would not be
    /// seen under the other.
    fn one_database_twice(&self, jobs: &JobSet) -> Option<Problem> {
        // Behind the question mark a URL may name another server.
        let address = |job: &Job| {
            let url = &self.stores.get(&job.store)?.url;
            let query = url.expose().split_once('?').map(|(_, query)| query);
            Some((url.to_string(), query.unwrap_or_default()))
        };
        for (index, job) in jobs.jobs().iter().enumerate() {
            let mut earlier = jobs.jobs().iter().take(index);
            let same = earlier.find(|other| {
                other.store != job.store
                    && address(other).is_some()
                    && address(other) == address(job)
            });
            if let Some(other) = same {
                let file = job.file.display().to_string();
                let message = format!(
                    "the stores `{}` and `{}` (of job `{}`) are one database",
                    job.store, other.store, other.cluster
                );
                let mut problem = Problem::of_file(file, message);
                "store.name".clone_into(&mut problem.path);
                return Some(
                    problem.with_hint("one database, one name: use one of the two in every job"),
                );
            }
        }
        None
    }
}

/// The JSON Schema of `kigen.toml`, for editors.
pub fn schema() -> serde_json::Value {
    structure::schema_of::<raw::RawConfig>()
}

/// Looks up a variable of the process's environment.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place that reads the environment"
)]
pub fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
