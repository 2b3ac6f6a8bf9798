//! Where a demonstration lies, and the kigen.toml that says so.

use std::path::{Path, PathBuf};

use anyhow::Context;
use url::Url;

use crate::tour::Arguments;

/// Databases of the demonstration in a PostgreSQL server.
const DATABASE: &str = "kigen_demo";
const LEDGER_DATABASE: &str = "kigen_demo_ledger";

/// The demonstration's bucket.
pub(crate) const BUCKET: &str = "kigen-demo";
pub(crate) const REGION: &str = "ap-northeast-1";

/// The schema of the demonstration's tables first: the job files write them without one.
const SEARCH_PATH: &str = "-csearch_path=lms,public";

/// What does not depend on the place.
const CONFIG_REST: &str = include_str!("rest_of_kigen.toml");

/// The folder and the stores of a demonstration.
pub(crate) struct Place {
    pub(crate) folder: PathBuf,
    pub(crate) rows: Rows,
    /// URL of an S3 server; a folder takes the objects if there is none.
    pub(crate) s3_endpoint: Option<String>,
}

/// Where rows and ledger are. Neither `Debug` nor `Display`: URLs hold passwords.
pub(crate) enum Rows {
    /// Files in the demonstration's folder.
    Sqlite,
    Postgres {
        /// The database to connect to for creating the two others.
        given: String,
        store: String,
        ledger: String,
    },
}

impl Place {
    /// What the command line says.
    pub(crate) fn of(arguments: &Arguments) -> anyhow::Result<Self> {
        let rows = match &arguments.store_url {
            None => Rows::Sqlite,
            Some(given) => Rows::Postgres {
                given: given.clone(),
                store: database_url(given, DATABASE, Some(SEARCH_PATH))?,
                ledger: database_url(given, LEDGER_DATABASE, None)?,
            },
        };
        Ok(Self {
            folder: arguments.dir.clone(),
            rows,
            s3_endpoint: arguments.s3_endpoint.clone(),
        })
    }

    pub(crate) fn config_file(&self) -> PathBuf {
        self.folder.join("kigen.toml")
    }

    pub(crate) fn jobs(&self) -> PathBuf {
        self.folder.join("jobs")
    }

    /// What `[keyring]` says, in the part of kigen.toml that does not depend on the place.
    pub(crate) fn keyring(&self) -> PathBuf {
        self.folder.join("keyring.toml")
    }

    pub(crate) fn sqlite_file(&self) -> PathBuf {
        self.folder.join("lms.db")
    }

    /// What `[certificates]` says, in the part of kigen.toml that does not depend on the place.
    pub(crate) fn certificates(&self) -> PathBuf {
        self.folder.join("certificates")
    }

    pub(crate) fn scans(&self) -> PathBuf {
        self.folder.join("request-scans")
    }

    /// The databases to create in PostgreSQL.
    pub(crate) const fn databases() -> [&'static str; 2] {
        [DATABASE, LEDGER_DATABASE]
    }

    /// The text of kigen.toml. Its paths are relative to its own folder.
    pub(crate) fn config_text(&self) -> String {
        let (kind, store, ledger) = match &self.rows {
            Rows::Sqlite => ("sqlite", "sqlite:lms.db", "sqlite:ledger.db"),
            Rows::Postgres { store, ledger, .. } => ("postgres", store.as_str(), ledger.as_str()),
        };
        let objects = match &self.s3_endpoint {
            None => "kind = \"folder\"\nfolder = \"request-scans\"\n".to_owned(),
            Some(endpoint) => format!(
                "kind = \"s3\"\nbucket = \"{BUCKET}\"\nregion = \"{REGION}\"\nendpoint = {}\npath-style = true\n",
                quoted(endpoint)
            ),
        };
        format!(
            "# Written by `kigen-demo`. `kigen.example.toml` explains every line.\nversion = 1\n\n\
             [ledger]\nurl = {}\n\n\
             [stores.lms]\nkind = \"{kind}\"\nurl = {}\n\n\
             [objects.request-scans]\n{objects}\n{CONFIG_REST}",
            quoted(ledger),
            quoted(store),
        )
    }

    /// In words: where rows and objects are.
    pub(crate) fn described(&self) -> String {
        let rows = match self.rows {
            Rows::Sqlite => format!("SQLite `{}`", self.sqlite_file().display()),
            Rows::Postgres { .. } => format!("PostgreSQL, database `{DATABASE}`"),
        };
        let objects = match self.s3_endpoint {
            None => format!("folder `{}`", self.scans().display()),
            Some(_) => format!("S3, bucket `{BUCKET}`, versioned"),
        };
        format!("{rows}; {objects}")
    }
}

/// A TOML string.
fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

/// `given` with another database and, if any, options for its sessions.
fn database_url(given: &str, database: &str, options: Option<&str>) -> anyhow::Result<String> {
    let mut url = Url::parse(given).context("read --store-url (postgres://user@host/database)")?;
    anyhow::ensure!(
        url.scheme().starts_with("postgres"),
        "--store-url is not of the form postgres://user@host/database"
    );
    url.set_path(database);
    if let Some(options) = options {
        url.query_pairs_mut().append_pair("options", options);
    }
    Ok(url.into())
}

/// Copies the job files of `from` to `to`; job files that were there before go.
pub(crate) fn copy_jobs(from: &Path, to: &Path) -> anyhow::Result<()> {
    let named = |path: &Path| format!("copy the job files to `{}`", path.display());
    std::fs::create_dir_all(to).with_context(|| named(to))?;
    for old in job_files(to)? {
        std::fs::remove_file(&old).with_context(|| named(to))?;
    }
    let files = job_files(from)?;
    anyhow::ensure!(
        !files.is_empty(),
        "folder `{}` has no job file; `--jobs` names another",
        from.display()
    );
    for file in files {
        let Some(name) = file.file_name() else {
            continue;
        };
        std::fs::copy(&file, to.join(name)).with_context(|| named(to))?;
    }
    Ok(())
}

fn job_files(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let read = std::fs::read_dir(folder);
    for entry in read.with_context(|| format!("read folder `{}`", folder.display()))? {
        let path = entry?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "toml")
        {
            files.push(path);
        }
    }
    Ok(files)
}
