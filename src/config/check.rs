//! From the text of `kigen.toml` to a checked [`Config`].

use std::collections::BTreeMap;
use std::path::{Path as FilePath, PathBuf};
use std::time::Duration;

use kigen_evidence::calendar::Period;
use url::Url;

use super::raw::{RawConfig, RawLogFormat, RawObjects, RawObjectsKind, RawStore, RawStoreKind};
use super::secret_url::Scheme;
use super::{
    Client, Config, Issuer, LogFormat, ObjectsConfig, Residual, SecretUrl, StoreConfig, StoreKind,
    VERSION, corporate_number,
};
use crate::diagnostic::document::{Document, Path, Quoting};
use crate::diagnostic::{Problem, Problems};
use crate::guard::{self, Guard};

mod certificates;
mod read_back;

pub(super) use certificates::bucket_of;

const DEFAULT_JOURNAL_SCHEMA: &str = "kigen";

pub(super) fn parse(
    file_name: &str,
    text: &str,
    base: &FilePath,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Config, Problems> {
    let document = Document::parse(file_name, text, Quoting::KeysOnly)?;
    refuse_newer_version(&document)?;
    let raw: RawConfig = document.read()?;
    let mut checker = Checker {
        document: &document,
        base,
        env,
        problems: Problems::default(),
    };
    let config = checker.config(&raw);
    let problems = checker.problems;
    match config {
        Some(config) => problems.or(config),
        // Each part that is missing has said why; the sentence guards against one that forgot.
        None => problems.or(()).and(Err(document
            .problem(
                &Path::default(),
                "the file does not check, and no check says why",
            )
            .into())),
    }
}

/// Of a newer format we know nothing, so any other problem would be a guess.
fn refuse_newer_version(document: &Document) -> Result<(), Problems> {
    let path = Path::of("version");
    match document.integer(&path) {
        Some(version) if version > VERSION => {
            let message = format!("this file is written for a newer kigen (version {version})");
            let hint = format!("this kigen reads version {VERSION}: install the newer one");
            Err(document.problem(&path, message).with_hint(hint).into())
        }
        Some(_) | None => Ok(()),
    }
}

struct Checker<'c> {
    document: &'c Document<'c>,
    base: &'c FilePath,
    env: &'c dyn Fn(&str) -> Option<String>,
    problems: Problems,
}

impl Checker<'_> {
    fn config(&mut self, raw: &RawConfig) -> Option<Config> {
        let path = Path::of("ledger");
        let ledger = self.url(
            &path,
            raw.ledger.url.as_deref(),
            raw.ledger.url_env.as_deref(),
        );
        let stores = self.stores(&raw.stores);
        let objects = self.objects(&raw.objects);
        let keyring = self.keyring(&raw.keyring);
        let evidence_keep = self.evidence_keep(raw);
        let read_back = self.read_back(raw);
        let issuer = self.issuer(raw);
        let residuals = self.residuals(raw);
        let certificates = self.certificates(&raw.certificates, ledger.as_ref());
        let timestamp = raw.timestamp.as_ref().map(|raw| self.timestamp(raw));
        Some(Config {
            stores: stores?,
            objects: objects?,
            certificates: certificates?,
            evidence_keep: evidence_keep?,
            read_back: read_back?,
            issuer,
            clients: self.clients(raw),
            residuals: residuals?,
            timestamp: timestamp.map_or(Some(None), |given| given.map(Some))?,
            jobs_folder: self.base.join(&raw.jobs.folder),
            log_format: raw
                .log
                .as_ref()
                .and_then(|log| log.format)
                .map(|format| match format {
                    RawLogFormat::Json => LogFormat::Json,
                    RawLogFormat::Human => LogFormat::Human,
                }),
            ledger: ledger?,
            keyring: keyring?,
        })
    }

    fn say(&mut self, problem: Problem) {
        self.problems.0.push(problem);
    }

    /// The value of `key`, or of the environment variable that `key-env` names.
    fn one_of(
        &mut self,
        path: &Path,
        key: &str,
        given: (Option<&str>, Option<&str>),
    ) -> Option<String> {
        let key_env = format!("{key}-env");
        match given {
            (Some(value), None) => Some(value.to_owned()),
            (None, Some(variable)) => {
                let value = (self.env)(variable).filter(|value| !value.is_empty());
                if value.is_none() {
                    let message = format!("the environment variable `{variable}` is not set");
                    self.say(self.document.problem(&path.key(&key_env), message));
                }
                value
            }
            (Some(_), Some(_)) | (None, None) => {
                let message = format!("this needs exactly one of `{key}` and `{key_env}`");
                self.say(self.document.problem(path, message));
                None
            }
        }
    }

    fn url(&mut self, path: &Path, url: Option<&str>, url_env: Option<&str>) -> Option<SecretUrl> {
        let text = self.one_of(path, "url", (url, url_env))?;
        let key = if url.is_some() { "url" } else { "url-env" };
        match SecretUrl::parse(&text, self.base) {
            Ok(url) if url.may_be_in_clear() && guard::stands(Guard::SaidToBeInClear) => {
                let message =
                    format!("the connection to `{url}` may be in clear: its URL does not say");
                let hint = "add `?sslmode=verify-full&sslrootcert=FILE` (encrypted, and the server is known \
                     by its certificate), or `?sslmode=disable` where the net between is trusted";
                self.say(
                    self.document
                        .problem(&path.key(key), message)
                        .with_hint(hint),
                );
                None
            }
            Ok(url) => Some(url),
            Err(error) => {
                self.say(self.document.problem(&path.key(key), error.to_string()));
                None
            }
        }
    }

    fn stores(
        &mut self,
        raw: &BTreeMap<String, RawStore>,
    ) -> Option<BTreeMap<String, StoreConfig>> {
        let path = Path::of("stores");
        if raw.is_empty() {
            let problem = self.document.problem(&path, "there is no store");
            self.say(problem.with_hint("add `[stores.NAME]` with `kind` and `url-env`"));
        }
        let mut stores = Vec::new();
        for (name, raw) in raw {
            stores.push(
                self.store(&path.key(name), raw)
                    .map(|store| (name.clone(), store)),
            );
        }
        stores.into_iter().collect()
    }

    fn store(&mut self, path: &Path, raw: &RawStore) -> Option<StoreConfig> {
        let url = self.url(path, raw.url.as_deref(), raw.url_env.as_deref());
        let (kind, scheme) = match raw.kind {
            RawStoreKind::Postgres => {
                let schema = raw
                    .journal_schema
                    .as_deref()
                    .unwrap_or(DEFAULT_JOURNAL_SCHEMA);
                let journal_schema = schema.to_owned();
                (StoreKind::Postgres { journal_schema }, Scheme::Postgres)
            }
            RawStoreKind::Sqlite => (StoreKind::Sqlite, Scheme::Sqlite),
        };
        if matches!(raw.kind, RawStoreKind::Sqlite) && raw.journal_schema.is_some() {
            self.not_here(path, "journal-schema", "sqlite");
        }
        let url = url?;
        if url.scheme() != scheme {
            let key = if raw.url.is_some() { "url" } else { "url-env" };
            let message = "the URL is for another kind of store than `kind` says";
            self.say(self.document.problem(&path.key(key), message));
            return None;
        }
        Some(StoreConfig {
            url,
            kind,
            connections: raw.connections,
            statement_timeout: raw.statement_timeout_seconds.map(Duration::from_secs),
            lock_timeout: raw.lock_timeout_ms.map(Duration::from_millis),
        })
    }

    fn not_here(&mut self, path: &Path, key: &str, kind: &str) {
        let message = format!("`{key}` does not belong to the kind `{kind}`");
        let problem = self.document.key_problem(&path.key(key), message);
        self.say(problem.with_hint("leave it out"));
    }

    fn objects(
        &mut self,
        raw: &BTreeMap<String, RawObjects>,
    ) -> Option<BTreeMap<String, ObjectsConfig>> {
        let mut objects = Vec::new();
        for (name, raw) in raw {
            let path = Path::of("objects").key(name);
            let checked = match raw.kind {
                RawObjectsKind::S3 => self.s3(&path, raw),
                RawObjectsKind::Folder => self.folder(&path, raw),
            };
            objects.push(checked.map(|objects| (name.clone(), objects)));
        }
        objects.into_iter().collect()
    }

    fn s3(&mut self, path: &Path, raw: &RawObjects) -> Option<ObjectsConfig> {
        if raw.folder.is_some() {
            self.not_here(path, "folder", "s3");
        }
        let endpoint = raw.endpoint.as_deref();
        self.check_endpoint(path, endpoint);
        let bucket = self.needed(path, "bucket", raw.bucket.as_deref())?;
        Some(ObjectsConfig::S3 {
            bucket,
            prefix: raw.prefix.clone().unwrap_or_default(),
            region: raw.region.clone(),
            endpoint: raw.endpoint.clone(),
            path_style: raw.path_style.unwrap_or(false),
        })
    }

    fn check_endpoint(&mut self, path: &Path, endpoint: Option<&str>) {
        if endpoint.is_some_and(|endpoint| !is_endpoint(endpoint)) {
            let message = "this is not a URL of the form `https://host:port`";
            self.say(self.document.problem(&path.key("endpoint"), message));
        }
    }

    fn folder(&mut self, path: &Path, raw: &RawObjects) -> Option<ObjectsConfig> {
        let given = [
            ("bucket", raw.bucket.is_some()),
            ("prefix", raw.prefix.is_some()),
            ("region", raw.region.is_some()),
            ("endpoint", raw.endpoint.is_some()),
            ("path-style", raw.path_style.is_some()),
        ];
        for (key, is_given) in given {
            if is_given {
                self.not_here(path, key, "folder");
            }
        }
        let folder = self.needed(path, "folder", raw.folder.as_deref())?;
        Some(ObjectsConfig::Folder(self.base.join(PathBuf::from(folder))))
    }

    /// The period, if there is one; `None` if it is wrong.
    #[expect(clippy::option_option, reason = "wrong and left out are two things")]
    fn evidence_keep(&mut self, raw: &RawConfig) -> Option<Option<Period>> {
        let keep = raw.evidence.as_ref().and_then(|raw| raw.keep.as_deref());
        let Some(keep) = keep else {
            return Some(None);
        };
        let path = Path::of("evidence").key("keep");
        self.period(&path, keep).map(Some)
    }

    fn period(&mut self, path: &Path, text: &str) -> Option<Period> {
        match text.parse::<Period>() {
            Ok(period) => Some(period),
            Err(error) => {
                self.say(self.document.problem(path, error.to_string()));
                None
            }
        }
    }

    fn needed(&mut self, path: &Path, key: &str, value: Option<&str>) -> Option<String> {
        let value = value.filter(|value| !value.is_empty());
        if value.is_none() {
            let message = format!("the key `{key}` is missing");
            self.say(self.document.problem(&path.key(key), message));
        }
        value.map(str::to_owned)
    }

    fn issuer(&mut self, raw: &RawConfig) -> Issuer {
        let number = raw.issuer.corporate_number.as_deref();
        if number.is_some_and(|number| !corporate_number::is_valid(number)) {
            let path = Path::of("issuer").key("corporate-number");
            let problem = self
                .document
                .problem(&path, "this is no corporate number (法人番号)");
            self.say(problem.with_hint("13 digits, of which the first checks the others"));
        }
        Issuer {
            organization: raw.issuer.organization.clone(),
            corporate_number: raw.issuer.corporate_number.clone(),
        }
    }

    fn clients(&mut self, raw: &RawConfig) -> Vec<Client> {
        let mut clients: Vec<Client> = Vec::new();
        for (index, client) in raw.clients.iter().enumerate() {
            if clients.iter().any(|earlier| earlier.name == client.name) {
                let path = Path::of("clients").at(index).key("name");
                self.say(
                    self.document
                        .problem(&path, "a second client has this name"),
                );
            }
            clients.push(Client {
                name: client.name.clone(),
                organization: client.organization.clone(),
                witnesses: self.witnesses(index, &client.witness),
            });
        }
        clients
    }

    fn residuals(&mut self, raw: &RawConfig) -> Option<Vec<Residual>> {
        let mut residuals = Vec::new();
        for (index, residual) in raw.residual.iter().enumerate() {
            let path = Path::of("residual").at(index).key("retention");
            let retention = self.period(&path, &residual.retention);
            let place = residual.place.clone();
            residuals.push(retention.map(|retention| Residual { place, retention }));
        }
        residuals.into_iter().collect()
    }
}

/// A server's URL without user or password.
fn is_endpoint(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| {
        matches!(url.scheme(), "http" | "https") && url.username().is_empty() && !text.contains('@')
    })
}

mod keyring;
mod log;
#[cfg(test)]
mod tests;
