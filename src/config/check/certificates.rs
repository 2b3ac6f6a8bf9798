//! `[certificates]`: a folder or a bucket, and how long the bucket keeps what it has.

use std::path::PathBuf;

use kigen_evidence::calendar::{Period, PeriodError};

use crate::config::raw::{RawCertificates, RawLockMode};
use crate::config::secret_url::Scheme;
use crate::config::{
    CertificatesBucket, CertificatesConfig, CertificatesPlace, LockMode, Retain, SecretUrl,
};
use crate::diagnostic::document::Path;

use super::Checker;

/// What only a bucket has.
const OF_BUCKETS: &str = "`folder` has no such key: it belongs to `url`";

/// S3 keeps nothing longer.
const LONGEST_RETAIN_YEARS: i32 = 100;

impl Checker<'_> {
    pub(super) fn certificates(
        &mut self,
        raw: &RawCertificates,
        ledger: Option<&SecretUrl>,
    ) -> Option<CertificatesConfig> {
        let path = Path::of("certificates");
        let place = match (&raw.folder, &raw.url) {
            (Some(folder), None) => {
                self.refuse_keys_of_buckets(&path, raw);
                CertificatesPlace::Folder(self.base.join(folder))
            }
            (None, Some(url)) => CertificatesPlace::S3(self.bucket(&path, raw, url)?),
            (Some(_), Some(_)) | (None, None) => {
                let message = "this needs exactly one of `folder` and `url`";
                let problem = self.document.problem(&path, message);
                self.say(problem.with_hint("`url` is of the form `s3://bucket/prefix`"));
                return None;
            }
        };
        let given = raw.work_folder.as_ref();
        let work_folder = match (given, &place) {
            (Some(given), _) => self.work_folder(&path, given),
            (None, CertificatesPlace::Folder(folder)) => folder.clone(),
            (None, CertificatesPlace::S3(_)) => beside(ledger),
        };
        Some(CertificatesConfig {
            place,
            work_folder,
            origin: raw.origin.clone(),
            pdf: raw.pdf.as_ref().map(|pdf| self.base.join(pdf)),
        })
    }

    fn refuse_keys_of_buckets(&mut self, path: &Path, raw: &RawCertificates) {
        let given = [
            ("region", raw.region.is_some()),
            ("endpoint", raw.endpoint.is_some()),
            ("path-style", raw.path_style.is_some()),
            ("retain", raw.retain.is_some()),
            ("lock-mode", raw.lock_mode.is_some()),
        ];
        for (key, _) in given.into_iter().filter(|(_, is_given)| *is_given) {
            let problem = self.document.key_problem(&path.key(key), OF_BUCKETS);
            self.say(
                problem.with_hint("leave it out, or publish to `url = \"s3://bucket/prefix\"`"),
            );
        }
    }

    fn bucket(
        &mut self,
        path: &Path,
        raw: &RawCertificates,
        url: &str,
    ) -> Option<CertificatesBucket> {
        self.check_endpoint(path, raw.endpoint.as_deref());
        let retain = self.retain(path, raw);
        let Some((bucket, prefix)) = bucket_of(url) else {
            let message = "this is not an address of the form `s3://bucket/prefix`";
            self.say(self.document.problem(&path.key("url"), message));
            return None;
        };
        Some(CertificatesBucket {
            bucket,
            prefix,
            region: raw.region.clone(),
            endpoint: raw.endpoint.clone(),
            path_style: raw.path_style.unwrap_or(false),
            retain,
        })
    }

    /// A lock is a decision that cannot be taken back: neither half of it has a default.
    fn retain(&mut self, path: &Path, raw: &RawCertificates) -> Option<Retain> {
        let mode = match (&raw.retain, raw.lock_mode) {
            (None, None) => return None,
            (Some(_), Some(RawLockMode::Governance)) => LockMode::Governance,
            (Some(_), Some(RawLockMode::Compliance)) => LockMode::Compliance,
            (Some(_), None) => {
                let message = "`retain` needs `lock-mode`";
                let problem = self.document.key_problem(&path.key("retain"), message);
                let hint = "`governance` while you try it out; under `compliance` nobody can remove what was published";
                self.say(problem.with_hint(hint));
                return None;
            }
            (None, Some(_)) => {
                let message = "`lock-mode` needs `retain`";
                let problem = self.document.key_problem(&path.key("lock-mode"), message);
                self.say(problem.with_hint("for example `retain = \"P5Y\"`"));
                return None;
            }
        };
        let period: Result<Period, PeriodError> = raw.retain.as_deref()?.parse();
        let message = match period {
            Ok(period) if period.is_zero() => "a period of nothing retains nothing".to_owned(),
            Ok(period) if is_too_long(period) => {
                format!("a lock can last {LONGEST_RETAIN_YEARS} years at most")
            }
            Ok(period) => return Some(Retain { period, mode }),
            Err(error) => error.to_string(),
        };
        self.say(self.document.problem(&path.key("retain"), message));
        None
    }

    fn work_folder(&mut self, path: &Path, given: &str) -> PathBuf {
        let folder = self.base.join(given);
        if !folder.is_dir() {
            let message = "there is no such folder";
            let problem = self.document.problem(&path.key("work-folder"), message);
            self.say(
                problem.with_hint("make it; 70 bytes for each record of a run must fit into it"),
            );
        }
        folder
    }
}

fn is_too_long(period: Period) -> bool {
    match period {
        Period::Months(months) => months > LONGEST_RETAIN_YEARS * 12,
        Period::Days(days) => days > LONGEST_RETAIN_YEARS * 365,
    }
}

/// The folder of the ledger's file, or else the system's for temporary files.
fn beside(ledger: Option<&SecretUrl>) -> PathBuf {
    let file = ledger
        .filter(|url| url.scheme() == Scheme::Sqlite)
        .and_then(|url| url.expose().strip_prefix("sqlite://"))
        .map(|file| file.split('?').next().unwrap_or(file))
        .filter(|file| *file != ":memory:");
    let folder = file.and_then(|file| std::path::Path::new(file).parent());
    folder.map_or_else(std::env::temp_dir, |folder| {
        // A file in the working folder has an empty one.
        std::path::Path::new(".").join(folder)
    })
}

/// Bucket and prefix of `s3://bucket/prefix`.
pub(in crate::config) fn bucket_of(url: &str) -> Option<(String, String)> {
    let rest = url.strip_prefix("s3://")?;
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    let prefix = prefix.trim_end_matches('/');
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
    let is_bucket = !bucket.is_empty() && bucket.bytes().all(is_name);
    let is_prefix = prefix.is_empty()
        || prefix.split('/').all(|part| {
            !part.is_empty() && part != "." && part != ".." && part.bytes().all(is_name)
        });
    (is_bucket && is_prefix).then(|| (bucket.to_owned(), prefix.to_owned()))
}
