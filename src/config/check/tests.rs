use std::path::{Path, PathBuf};

use crate::config::{
    CertificatesBucket, CertificatesPlace, Config, KeyringProtection, LockMode, ObjectsConfig,
    Retain, StoreKind,
};
use crate::diagnostic::Problems;

pub(super) const GOOD: &str = r#"version = 1
[ledger]
url = "sqlite://ledger.db"
[stores.lms]
kind = "postgres"
url-env = "LMS_URL"
connections = 2
lock-timeout-ms = 500
[objects.request-scans]
kind = "s3"
bucket = "scans"
endpoint = "http://127.0.0.1:5000"
path-style = true
[objects.local]
kind = "folder"
folder = "scans"
[keyring]
path-env = "KEYRING"
[certificates]
folder = "certificates"
origin = "certs.example.com"
[issuer]
organization = "学習株式会社"
corporate-number = "8700110005901"
[[clients]]
name = "own"
organization = "学習株式会社"
[[residual]]
where = "database backups (PITR)"
retention = "P35D"
[jobs]
folder = "jobs"
[log]
format = "json"
"#;

fn env(name: &str) -> Option<String> {
    match name {
        "LMS_URL" => Some("postgres://worker:s3cret@db:5432/lms?sslmode=verify-full".to_owned()),
        "KEYRING" => Some("/run/secrets/keyring".to_owned()),
        "EMPTY" => Some(String::new()),
        _ => None,
    }
}

pub(super) fn read(text: &str) -> Result<Config, Problems> {
    Config::parse("kigen.toml", text, Path::new("/etc/kigen"), &env)
}

#[test]
fn a_good_file_is_read_and_its_paths_start_from_its_folder() {
    let config = read(GOOD).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(config.ledger.expose(), "sqlite:///etc/kigen/ledger.db");
    assert_eq!(config.jobs_folder, PathBuf::from("/etc/kigen/jobs"));
    assert_eq!(config.keyring.path, PathBuf::from("/run/secrets/keyring"));
    assert_eq!(config.keyring.protection, KeyringProtection::Plain);
    assert_eq!(config.evidence_keep, None);
    assert_eq!(
        config.objects["local"],
        ObjectsConfig::Folder("/etc/kigen/scans".into())
    );
    let kigen = StoreKind::Postgres {
        journal_schema: "kigen".to_owned(),
    };
    assert_eq!(config.stores["lms"].kind, kigen);
    assert!(!format!("{config:?}").contains("s3cret"));
}

#[test]
fn a_keyring_is_protected_in_one_of_four_ways() {
    let with = |keys: &str| {
        let text = GOOD.replace("path-env = \"KEYRING\"", &format!("path = \"k\"\n{keys}"));
        let config = read(&text).unwrap_or_else(|problems| panic!("{problems}"));
        assert_eq!(config.keyring.path, PathBuf::from("/etc/kigen/k"));
        config.keyring.protection
    };
    // The variable is read when the keyring is: a dry run has neither.
    let passphrase = KeyringProtection::PassphraseEnv("NOT_SET".to_owned());
    assert_eq!(with("passphrase-env = \"NOT_SET\""), passphrase);
    let identity = KeyringProtection::IdentityFile("/etc/kigen/id.txt".into());
    assert_eq!(with("identity-file = \"id.txt\""), identity);
    let kms = KeyringProtection::Kms {
        key_id: "alias/kigen".to_owned(),
        region: Some("ap-northeast-1".to_owned()),
        endpoint: None,
    };
    assert_eq!(
        with("kms-key-id = \"alias/kigen\"\nkms-region = \"ap-northeast-1\""),
        kms
    );
}

#[test]
fn evidence_is_kept_for_a_stated_period_or_for_an_unstated_one() {
    let with = |section: &str| read(&format!("{GOOD}{section}"));
    let keep = |section: &str| {
        with(section)
            .unwrap_or_else(|problems| panic!("{problems}"))
            .evidence_keep
    };
    assert_eq!(
        keep("[evidence]\nkeep = \"P5Y\"\n"),
        Some("P5Y".parse().unwrap())
    );
    assert_eq!(keep("[evidence]\n"), None);
    let problems = with("[evidence]\nkeep = \"5 years\"\n")
        .unwrap_err()
        .to_string();
    assert!(
        problems.contains("`5 years` is not an ISO 8601 period"),
        "{problems}"
    );
}

#[test]
fn each_problem_is_told_at_its_line() {
    let cases = [
        (
            "url = \"sqlite://ledger.db\"",
            "",
            "exactly one of `url` and `url-env`",
            2,
        ),
        (
            "url-env = \"LMS_URL\"",
            "url-env = \"LMS\"",
            "the environment variable `LMS` is not set",
            6,
        ),
        (
            "url-env = \"LMS_URL\"",
            "url-env = \"EMPTY\"",
            "the environment variable `EMPTY` is not set",
            6,
        ),
        (
            "kind = \"postgres\"",
            "kind = \"sqlite\"",
            "another kind of store",
            6,
        ),
        ("sqlite://ledger.db", "ledger.db", "this is not a URL", 3),
        (
            "connections = 2",
            "conections = 2",
            "did you mean `connections`?",
            7,
        ),
        ("connections = 2", "connections = 0", "at least 1", 7),
        ("bucket = \"scans\"\n", "", "the key `bucket` is missing", 9),
        (
            "path-env = \"KEYRING\"",
            "path = \"k\"\nidentity-file = \"i\"\nkms-key-id = \"k\"",
            "at most one of `passphrase-env`, `identity-file` and `kms-key-id`",
            17,
        ),
        (
            "path-env = \"KEYRING\"",
            "path = \"k\"\nkms-region = \"r\"",
            "belongs to `kms-key-id`, which is not there",
            19,
        ),
        (
            "folder = \"scans\"",
            "folder = \"scans\"\nbucket = \"b\"",
            "does not belong to the kind `folder`",
            17,
        ),
        (
            "http://127.0.0.1:5000",
            "127.0.0.1",
            "https://host:port",
            12,
        ),
        ("8700110005901", "8700110005902", "法人番号", 24),
        ("P35D", "35 days", "is not an ISO 8601 period", 30),
        (
            "folder = \"certificates\"\n",
            "",
            "exactly one of `folder` and `url`",
            19,
        ),
        (
            "folder = \"certificates\"",
            "folder = \"certificates\"\nurl = \"s3://evidence\"",
            "exactly one of `folder` and `url`",
            19,
        ),
        (
            "folder = \"certificates\"",
            "folder = \"certificates\"\nretain = \"P5Y\"",
            "it belongs to `url`",
            21,
        ),
        (
            "folder = \"certificates\"",
            "url = \"https://evidence\"",
            "`s3://bucket/prefix`",
            20,
        ),
        (
            "folder = \"certificates\"",
            "url = \"s3://evidence/a/../b\"",
            "`s3://bucket/prefix`",
            20,
        ),
        (
            "folder = \"certificates\"",
            "url = \"s3://evidence\"\nendpoint = \"s3.example.jp\"",
            "https://host:port",
            21,
        ),
        (
            "folder = \"certificates\"",
            "url = \"s3://evidence\"\nretain = \"P5Y\"",
            "`retain` needs `lock-mode`",
            21,
        ),
        (
            "folder = \"certificates\"",
            "url = \"s3://evidence\"\nlock-mode = \"compliance\"",
            "`lock-mode` needs `retain`",
            21,
        ),
        (
            "folder = \"certificates\"",
            "url = \"s3://evidence\"\nretain = \"P0D\"\nlock-mode = \"governance\"",
            "a period of nothing",
            21,
        ),
        (
            "folder = \"certificates\"",
            "url = \"s3://evidence\"\nretain = \"P101Y\"\nlock-mode = \"governance\"",
            "100 years at most",
            21,
        ),
        (
            "folder = \"certificates\"",
            "url = \"s3://evidence\"\nretain = \"P5Y\"\nlock-mode = \"strict\"",
            "one of `governance`, `compliance`",
            22,
        ),
        (
            "folder = \"certificates\"",
            "folder = \"certificates\"\nwork-folder = \"nowhere\"",
            "there is no such folder",
            21,
        ),
        (
            "kind = \"s3\"",
            "kind = \"gcs\"",
            "one of `s3`, `folder`",
            10,
        ),
        (
            "[jobs]\nfolder = \"jobs\"\n",
            "",
            "the key `jobs` is missing",
            1,
        ),
    ];
    for (from, to, expected, line) in cases {
        assert!(GOOD.contains(from), "{from}");
        let problems = read(&GOOD.replacen(from, to, 1)).unwrap_err();
        let told = problems
            .0
            .iter()
            .any(|problem| problem.to_string().contains(expected) && problem.line == Some(line));
        assert!(told && problems.0.len() == 1, "{to}:\n{problems}");
    }
}

#[test]
fn certificates_go_to_a_folder_or_to_a_bucket() {
    let config = read(GOOD).unwrap();
    let folder = PathBuf::from("/etc/kigen/certificates");
    assert_eq!(config.certificates.folder(), Some(folder.as_path()));
    assert_eq!(config.certificates.work_folder, folder);
    let text = GOOD.replacen(
        "folder = \"certificates\"",
        "url = \"s3://evidence/kigen/v1/\"\nregion = \"ap-northeast-1\"\nretain = \"P5Y\"\nlock-mode = \"compliance\"",
        1,
    );
    let config = read(&text).unwrap();
    let expected = CertificatesBucket {
        bucket: "evidence".to_owned(),
        prefix: "kigen/v1".to_owned(),
        region: Some("ap-northeast-1".to_owned()),
        endpoint: None,
        path_style: false,
        retain: Some(Retain {
            period: "P5Y".parse().unwrap(),
            mode: LockMode::Compliance,
        }),
    };
    assert_eq!(config.certificates.place, CertificatesPlace::S3(expected));
    // Beside the ledger.
    assert_eq!(config.certificates.work_folder, PathBuf::from("/etc/kigen"));
    let elsewhere = text.replacen(
        "url = \"sqlite://ledger.db\"",
        "url = \"postgres://db/ledger?sslmode=verify-full\"",
        1,
    );
    let config = read(&elsewhere).unwrap();
    assert_eq!(config.certificates.work_folder, std::env::temp_dir());
}

#[test]
fn a_file_of_a_newer_version_has_one_clear_problem() {
    let text = "version = 2\nunknown = true\n";
    insta::assert_snapshot!(read(text).unwrap_err(), @r#"
    kigen.toml:1:11: this file is written for a newer kigen (version 2)
      hint: this kigen reads version 1: install the newer one
    "#);
}

#[test]
fn a_secret_in_the_wrong_place_is_not_repeated() {
    let cases = [
        ("connections = 2", "password = \"s3cret\""),
        ("kind = \"postgres\"", "kind = \"s3cret\""),
        ("connections = 2", "connections = \"s3cret\""),
        (
            "url = \"sqlite://ledger.db\"",
            "url = \"postgres://u:s3cret@db/kigen",
        ),
        (
            "url = \"sqlite://ledger.db\"",
            "url = \"postgres://u:p@s3cret@db/kigen\"",
        ),
        ("url = \"sqlite://ledger.db\"", "url = [\"s3cret\"]"),
    ];
    for (from, to) in cases {
        let problems = read(&GOOD.replacen(from, to, 1)).unwrap_err();
        assert!(
            !format!("{problems} {problems:?}").contains("s3cret"),
            "{problems}"
        );
    }
}

#[test]
fn an_unreadable_file_is_told() {
    let problems = Config::load(Path::new("/nowhere/kigen.toml"), &env).unwrap_err();
    assert!(
        problems
            .to_string()
            .starts_with("/nowhere/kigen.toml: the file cannot be read")
    );
}

#[test]
fn a_job_whose_store_is_not_there_is_told() {
    let config = read(GOOD).unwrap();
    let text =
        include_str!("../../job/testdata/exam-history.toml").replacen("\"lms\"", "\"lsm\"", 1);
    let job = crate::job::parse("jobs/exam-history.toml", &text).unwrap();
    let jobs = crate::job::JobSet::new("jobs", vec![job]).unwrap();
    let problems = config.check_jobs(&jobs).unwrap_err();
    insta::assert_snapshot!(problems, @r#"
    jobs/exam-history.toml: kigen.toml has no `[stores.lsm]`
      hint: known: `lms`
    jobs/exam-history.toml: kigen.toml has no `[objects.scans]`
      hint: known: `local`, `request-scans`
    "#);
}
