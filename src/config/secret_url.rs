//! A database URL that does not show its password.

use std::fmt;
use std::path::Path;

use secrecy::{ExposeSecret, SecretString};
use thiserror::Error;
use url::Url;

use crate::database::postgres::{Protection, protection};

/// A database URL. `Debug` and `Display` show scheme, host, port and database only.
#[derive(Clone)]
pub struct SecretUrl {
    secret: SecretString,
    shown: String,
    scheme: Scheme,
}

/// Which database a URL is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    Postgres,
    Sqlite,
}

/// Why a text is no database URL. Never repeats the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum UrlError {
    #[error("this is not a URL of the form `postgres://host/database` or `sqlite://file`")]
    NotAUrl,
    #[error(
        "the user or password of this URL holds characters that must be percent-encoded, such as `@`, \
         `/`, `#` or `?`"
    )]
    NotEncoded,
    #[error("this URL names no database")]
    NoDatabase,
}

impl SecretUrl {
    /// Reads `text`; a relative SQLite file starts from `base`.
    pub fn parse(text: &str, base: &Path) -> Result<Self, UrlError> {
        match text.split_once(':') {
            Some(("sqlite", rest)) => sqlite(rest, base),
            Some(("postgres" | "postgresql", _)) => postgres(text),
            Some(_) | None => Err(UrlError::NotAUrl),
        }
    }

    /// The URL with its secrets, to connect with.
    pub fn expose(&self) -> &str {
        self.secret.expose_secret()
    }

    /// Whether personal data could cross a net in clear without anybody having said so.
    pub fn may_be_in_clear(&self) -> bool {
        self.scheme == Scheme::Postgres && protection(self.expose()) == Protection::Unsaid
    }

    /// Which database it is for.
    pub const fn scheme(&self) -> Scheme {
        self.scheme
    }
}

fn sqlite(rest: &str, base: &Path) -> Result<SecretUrl, UrlError> {
    let rest = rest.strip_prefix("//").unwrap_or(rest);
    let (file, query) = match rest.split_once('?') {
        Some((file, query)) => (file, format!("?{query}")),
        None => (rest, String::new()),
    };
    if file.is_empty() {
        return Err(UrlError::NoDatabase);
    }
    let place = if file == ":memory:" {
        file.to_owned()
    } else {
        base.join(file).display().to_string()
    };
    Ok(SecretUrl {
        secret: format!("sqlite://{place}{query}").into(),
        shown: format!("sqlite://{place}"),
        scheme: Scheme::Sqlite,
    })
}

fn postgres(text: &str) -> Result<SecretUrl, UrlError> {
    let url = Url::parse(text).map_err(|_| UrlError::NotAUrl)?;
    let host = url.host_str().unwrap_or_default();
    // A password that is not encoded moves the borders between the parts, and a piece of it would
    // be shown as host or database.
    let ats = text.matches('@').count();
    let is_split_wrongly = ats > 1 || (ats == 1 && url.username().is_empty());
    if is_split_wrongly || url.fragment().is_some() || url.path().contains('@') {
        return Err(UrlError::NotEncoded);
    }
    let database = url.path().trim_start_matches('/');
    if database.contains('/') {
        return Err(UrlError::NotEncoded);
    }
    if database.is_empty() {
        return Err(UrlError::NoDatabase);
    }
    let port = url
        .port()
        .map(|port| format!(":{port}"))
        .unwrap_or_default();
    Ok(SecretUrl {
        secret: text.to_owned().into(),
        shown: format!("postgres://{host}{port}/{database}"),
        scheme: Scheme::Postgres,
    })
}

impl fmt::Display for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<SecretUrl, UrlError> {
        SecretUrl::parse(text, Path::new("/etc/kigen"))
    }

    #[test]
    fn a_url_shows_neither_user_nor_password_nor_query() {
        let text = "postgres://worker:s3cret@db.example.com:6432/lms?password=other";
        let url = parse(text).unwrap();
        assert_eq!(url.to_string(), "postgres://db.example.com:6432/lms");
        assert_eq!(format!("{url:?}"), "postgres://db.example.com:6432/lms");
        assert_eq!(url.expose(), text);
    }

    #[test]
    fn a_password_that_is_not_encoded_is_refused_rather_than_shown() {
        for text in [
            "postgres://worker:p@ss/word@db/lms",
            "postgres://worker:12#word@db/lms",
            "postgres://worker:12/word@db/lms",
            "postgres://worker:12?word@db/lms",
            "postgres://db/lms/word",
        ] {
            match parse(text) {
                Err(error) => assert!(!error.to_string().contains("word@"), "{text}"),
                Ok(url) => panic!("{text} was read as {url}"),
            }
        }
    }

    #[test]
    fn a_relative_sqlite_file_starts_from_the_folder_of_the_config() {
        for (text, expected) in [
            ("sqlite://ledger.db", "sqlite:///etc/kigen/ledger.db"),
            (
                "sqlite:ledger.db?mode=rwc",
                "sqlite:///etc/kigen/ledger.db?mode=rwc",
            ),
            ("sqlite:///srv/ledger.db", "sqlite:///srv/ledger.db"),
            ("sqlite::memory:", "sqlite://:memory:"),
        ] {
            assert_eq!(parse(text).unwrap().expose(), expected);
        }
    }

    #[test]
    fn other_texts_are_no_database_urls() {
        assert_eq!(parse("mysql://db/lms").unwrap_err(), UrlError::NotAUrl);
        assert_eq!(parse("ledger.db").unwrap_err(), UrlError::NotAUrl);
        assert_eq!(parse("sqlite://").unwrap_err(), UrlError::NoDatabase);
        assert_eq!(parse("postgres://db").unwrap_err(), UrlError::NoDatabase);
    }
}
