//! The folder in which the example leaves what it makes.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, ensure};
use url::Url;

use crate::schema::Store;

/// First line of the `kigen.toml` that this example writes: by it, it knows its own folder again.
const OURS: &str = "# Written by the example `oulad` of kigen, which replaces it at the next run.";
/// Environment variable that carries the URL of a PostgreSQL store, so that no file does.
pub(crate) const STORE_URL_ENV: &str = "OULAD_POSTGRES_URL";

/// The example's own folder, by absolute path.
pub(crate) struct Folder(PathBuf);

impl Folder {
    /// Makes `dir` ready: creates it, or removes what an earlier run of the example left there.
    pub(crate) fn fresh(dir: &Path) -> Result<Self> {
        let folder = Self(std::path::absolute(dir)?);
        folder
            .clear()
            .with_context(|| format!("`{}` cannot be made ready", dir.display()))?;
        Ok(folder)
    }

    fn clear(&self) -> Result<()> {
        fs::create_dir_all(&self.0)?;
        let config = self.config();
        let written = match fs::read_to_string(&config) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error.into()),
        };
        let ours = written.starts_with(OURS);
        ensure!(
            ours || fs::read_dir(&self.0)?.next().is_none(),
            "it holds files that this example did not make; hint: name an empty folder with `--dir`",
        );
        // The mark comes first: an interrupted run can be followed by another.
        fs::write(&config, format!("{OURS}\n"))?;
        for database in [self.database(), self.ledger()] {
            for suffix in ["", "-wal", "-shm", "-journal"] {
                let mut file = database.clone().into_os_string();
                file.push(suffix);
                if_present(fs::remove_file(&file))?;
            }
        }
        if_present(fs::remove_file(self.keyring()))?;
        if_present(fs::remove_dir_all(self.certificates()))
    }

    /// Where the SQLite store lies.
    pub(crate) fn database(&self) -> PathBuf {
        self.0.join("oulad.sqlite")
    }

    /// Where `kigen.toml` lies.
    pub(crate) fn config(&self) -> PathBuf {
        self.0.join("kigen.toml")
    }

    fn ledger(&self) -> PathBuf {
        self.0.join("ledger.sqlite")
    }

    fn keyring(&self) -> PathBuf {
        self.0.join("keyring.toml")
    }

    fn certificates(&self) -> PathBuf {
        self.0.join("certificates")
    }

    /// Writes `kigen.toml` for a store that `url_line` names.
    fn write_config(&self, store: Store, url_line: &str, jobs: &Path) -> Result<()> {
        let jobs = std::path::absolute(jobs)?;
        let text = format!(
            "{OURS}\n\
             version = 1\n\n\
             [ledger]\nurl = {}\n\n\
             [stores.oulad]\nkind = {}\n{url_line}\n\n\
             [keyring]\npath = {}\n\n\
             [certificates]\nfolder = {}\norigin = \"certificates.example.jp/oulad\"\n\n\
             [issuer]\norganization = \"Open University (example)\"\n\n\
             [jobs]\nfolder = {}\n",
            quoted(&sqlite_url(&self.ledger())?),
            quoted(store.name()),
            quoted_path(&self.keyring())?,
            quoted_path(&self.certificates())?,
            quoted_path(&jobs)?,
        );
        fs::write(self.config(), text).context("`kigen.toml` cannot be written")
    }

    /// Writes `kigen.toml` for the SQLite store in this folder.
    pub(crate) fn configure_sqlite(&self, jobs: &Path) -> Result<()> {
        let url = sqlite_url(&self.database())?;
        self.write_config(Store::Sqlite, &format!("url = {}", quoted(&url)), jobs)
    }

    /// Writes `kigen.toml` for a PostgreSQL store, whose URL holds a password and stays out of it.
    pub(crate) fn configure_postgres(&self, jobs: &Path) -> Result<()> {
        let line = format!("url-env = {}", quoted(STORE_URL_ENV));
        self.write_config(Store::Postgres, &line, jobs)
    }
}

fn if_present(removed: std::io::Result<()>) -> Result<()> {
    match removed {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

fn sqlite_url(file: &Path) -> Result<String> {
    let url = Url::from_file_path(file)
        .map_err(|()| anyhow!("`{}` is no absolute path", file.display()))?;
    Ok(format!("sqlite://{}", url.path()))
}

fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

fn quoted_path(path: &Path) -> Result<String> {
    let text = path
        .to_str()
        .with_context(|| format!("`{}` is not UTF-8", path.display()))?;
    Ok(quoted(text))
}
