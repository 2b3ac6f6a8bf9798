//! `kigen.toml` as it is written; the one description of its format.
//!
//! What may hold a URL has no `Debug`: the URL may hold a password.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

/// Where the stores, the ledger, the keys and the output of kigen are.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "Config", title = "kigen.toml")]
pub(super) struct RawConfig {
    /// Version of this format: 1.
    #[schemars(extend("minimum" = 1))]
    #[expect(dead_code, reason = "checked before the rest of the file is read")]
    pub version: u32,
    pub ledger: RawUrl,
    /// Stores of rows, by the name that jobs use.
    #[serde(default)]
    pub stores: BTreeMap<String, RawStore>,
    /// Stores of objects, by the name that jobs use.
    #[serde(default)]
    pub objects: BTreeMap<String, RawObjects>,
    pub keyring: RawKeyring,
    pub certificates: RawCertificates,
    pub evidence: Option<RawEvidence>,
    pub issuer: RawIssuer,
    /// Clients (委託元) that are called by a name in jobs or in data.
    #[serde(default)]
    pub clients: Vec<RawClient>,
    /// Where copies stay for a while after a disposal; printed in certificates.
    #[serde(default)]
    pub residual: Vec<RawResidual>,
    /// A time-stamping authority (RFC 3161) for the heads of logs.
    pub timestamp: Option<RawTimestamp>,
    pub jobs: RawJobs,
    pub log: Option<RawLog>,
}

/// kigen's own database: exactly one of the two.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "Url")]
pub(super) struct RawUrl {
    /// `sqlite://ledger.db` or `postgres://host/database`.
    pub url: Option<String>,
    /// Name of the environment variable that holds the URL.
    pub url_env: Option<String>,
}

/// A store of rows.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "Store")]
pub(super) struct RawStore {
    pub kind: RawStoreKind,
    /// Exactly one of `url` and `url-env`.
    pub url: Option<String>,
    /// Name of the environment variable that holds the URL.
    pub url_env: Option<String>,
    /// PostgreSQL: schema of kigen's journal; `kigen` if it is not given.
    pub journal_schema: Option<String>,
    #[schemars(extend("minimum" = 1, "maximum" = 100))]
    pub connections: Option<u32>,
    #[schemars(extend("minimum" = 1))]
    pub statement_timeout_seconds: Option<u64>,
    #[schemars(extend("minimum" = 1))]
    pub lock_timeout_ms: Option<u64>,
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "StoreKind")]
pub(super) enum RawStoreKind {
    Postgres,
    Sqlite,
}

/// A store of objects.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "Objects")]
pub(super) struct RawObjects {
    pub kind: RawObjectsKind,
    /// s3: needed.
    pub bucket: Option<String>,
    /// s3: put before each object key.
    pub prefix: Option<String>,
    pub region: Option<String>,
    /// s3: URL of another server than AWS.
    pub endpoint: Option<String>,
    /// s3: whether the bucket stands in the path rather than in the host's name.
    pub path_style: Option<bool>,
    /// folder: needed.
    pub folder: Option<String>,
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "ObjectsKind")]
pub(super) enum RawObjectsKind {
    S3,
    Folder,
}

/// The keyring file: exactly one of `path` and `path-env`, and at most one of `passphrase-env`,
/// `identity-file` and `kms-key-id`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "Keyring")]
pub(super) struct RawKeyring {
    pub path: Option<String>,
    /// Name of the environment variable that holds the path.
    pub path_env: Option<String>,
    /// Name of the environment variable that holds the passphrase (age).
    pub passphrase_env: Option<String>,
    /// File with an age identity (`AGE-SECRET-KEY-1…`).
    pub identity_file: Option<String>,
    /// Id, ARN or alias of a key of AWS KMS.
    pub kms_key_id: Option<String>,
    /// With `kms-key-id`: its region.
    pub kms_region: Option<String>,
    /// With `kms-key-id`: URL of another server than AWS.
    pub kms_endpoint: Option<String>,
}

/// How long evidence can be opened.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "Evidence")]
pub(super) struct RawEvidence {
    /// ISO 8601 period from the end of a run's quarter: `P5Y`. It has no default: without it no key
    /// of evidence can be destroyed.
    pub keep: Option<String>,
    /// Whether the stores are asked again before a run is certified; `full` if it is not given.
    pub read_back: Option<RawReadBack>,
    /// With `read-back = "full"`: the most records that are looked at, of those that were removed or, where
    /// their keys are not known any more, of the whole cluster; 10000000 if it is not given. Of more the
    /// certificate says that they could not be verified.
    #[schemars(extend("minimum" = 1))]
    pub read_back_most_records: Option<u64>,
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "ReadBack")]
pub(super) enum RawReadBack {
    Full,
    Off,
}

/// Where certificates go: exactly one of `folder` and `url`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "Certificates")]
pub(super) struct RawCertificates {
    #[schemars(length(min = 1))]
    pub folder: Option<String>,
    /// `s3://bucket/prefix`
    #[schemars(length(min = 1))]
    pub url: Option<String>,
    /// s3: as for `[objects]`.
    pub region: Option<String>,
    /// s3: URL of another server than AWS.
    pub endpoint: Option<String>,
    /// s3: whether the bucket stands in the path rather than in the host's name.
    pub path_style: Option<bool>,
    /// s3: how long Object Lock keeps what is published, as an ISO 8601 period: `P5Y`.
    pub retain: Option<String>,
    /// s3: needed with `retain`. Under `governance` whoever has the right to bypass it may remove;
    /// under `compliance` nobody may, not even the account's owner.
    pub lock_mode: Option<RawLockMode>,
    /// Where `leaves.bin` is made before it is published; a folder that exists. If left out: the
    /// folder of the certificates, else that of the SQLite ledger, else the system's temporary one.
    #[schemars(length(min = 1))]
    pub work_folder: Option<String>,
    /// The name of the logs of certificates, for ever: `certs.example.com`. A run needs one.
    pub origin: Option<String>,
    /// The program `certificate-pdf`, if it is not on the PATH.
    #[schemars(length(min = 1))]
    pub pdf: Option<String>,
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "LockMode")]
pub(super) enum RawLockMode {
    Governance,
    Compliance,
}

/// Who issues certificates.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "Issuer")]
pub(super) struct RawIssuer {
    #[schemars(length(min = 1))]
    pub organization: String,
    /// 法人番号: 13 digits.
    pub corporate_number: Option<String>,
}

/// A client (委託元).
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "Client")]
pub(super) struct RawClient {
    #[schemars(length(min = 1))]
    pub name: String,
    #[schemars(length(min = 1))]
    pub organization: String,
    /// Public keys of the witnesses on the client's side (`name+id+key`, as `kigen witness key`
    /// prints them); listed in the log's `policy.txt`.
    #[serde(default)]
    pub witness: Vec<String>,
}

/// A time-stamping authority.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "Timestamp")]
pub(super) struct RawTimestamp {
    /// `https://tsa.example.jp/`; plain `http` is as good, because answers are signed.
    #[schemars(length(min = 1))]
    pub url: String,
    /// File with the certificate of the authority's root, in PEM.
    #[schemars(length(min = 1))]
    pub root: String,
    /// Object identifier of the policy that the authority is to follow.
    pub policy: Option<String>,
    /// How long the authority may take to answer; 30,000 if it is not given.
    #[schemars(extend("minimum" = 1))]
    pub timeout_ms: Option<u64>,
}

/// A place where copies stay for a while after a disposal.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "Residual")]
pub(super) struct RawResidual {
    /// `database backups (PITR)`
    #[serde(rename = "where")]
    #[schemars(length(min = 1))]
    pub place: String,
    /// ISO 8601 period: `P35D`.
    pub retention: String,
}

/// Where the job files are.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "Jobs")]
pub(super) struct RawJobs {
    #[schemars(length(min = 1))]
    pub folder: String,
}

/// How to log.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "Log")]
pub(super) struct RawLog {
    pub format: Option<RawLogFormat>,
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "LogFormat")]
pub(super) enum RawLogFormat {
    Json,
    Human,
}
