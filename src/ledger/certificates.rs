//! Certificates and their signatures.

use async_trait::async_trait;
use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::entries::{all, bind};
use super::error::LedgerError;
use super::open::SqlLedger;
use super::record::{
    CertificateFilter, CertificateMatch, CertificateSummary, Envelope, NewCertificate, Stored,
    StoredCertificate,
};
use crate::database::dialect::Dialect;
use crate::database::session::SqlSession;
use crate::database::statement::{Arg, Statement, Values};
use crate::database::transaction::end;

/// The certificates that runs have issued.
#[async_trait]
pub trait Certificates: Send + Sync {
    /// Stores a certificate's exact payload bytes.
    ///
    /// Repeatable: the same payload under the same id is [`Stored::AlreadyThere`]. Anything else
    /// for the same id, or for the same run and client, is a [`LedgerError::Conflict`].
    async fn store_certificate(&self, certificate: &NewCertificate) -> Result<Stored, LedgerError>;

    /// Stores the signed envelope of a stored certificate; repeatable like its payload.
    async fn store_envelope(
        &self,
        certificate_id: &str,
        envelope: &Envelope,
    ) -> Result<Stored, LedgerError>;

    /// The certificates that `filter` lets through, oldest first, without their payloads.
    async fn certificates(
        &self,
        filter: &CertificateFilter,
    ) -> Result<Vec<CertificateSummary>, LedgerError>;

    /// Looks a certificate up by its id or by the beginning of its id.
    async fn certificate(&self, id_or_prefix: &str) -> Result<CertificateMatch, LedgerError>;
}

const STORE: &str = "store a certificate";
const STORE_ENVELOPE: &str = "store an envelope";
const READ: &str = "read a certificate";

#[async_trait]
impl Certificates for SqlLedger {
    async fn store_certificate(&self, new: &NewCertificate) -> Result<Stored, LedgerError> {
        let mut session = self.begin(STORE).await?;
        let stored = insert(&mut *session, self.dialect(), new).await;
        end(&mut *session, stored).await
    }

    async fn store_envelope(
        &self,
        certificate_id: &str,
        envelope: &Envelope,
    ) -> Result<Stored, LedgerError> {
        let mut session = self.begin(STORE_ENVELOPE).await?;
        let dialect = self.dialect();
        let stored = insert_envelope(&mut *session, dialect, certificate_id, envelope).await;
        end(&mut *session, stored).await
    }

    async fn certificates(
        &self,
        filter: &CertificateFilter,
    ) -> Result<Vec<CertificateSummary>, LedgerError> {
        let dialect = self.dialect();
        let mut values = Values::default();
        let mut is = |column: &str, value: &Option<String>| {
            let value = value.as_deref()?;
            Some(format!("c.{column} = {}", values.bind(value)))
        };
        let conditions = all([
            is("run_id", &filter.run_id),
            is("client", &filter.client),
            filter
                .from
                .map(|from| format!("c.created_at >= {}", bind(dialect, &mut values, from))),
            filter
                .until
                .map(|until| format!("c.created_at < {}", bind(dialect, &mut values, until))),
        ]);
        let sql = format!(
            "select {SUMMARY}, e.certificate_id is not null from {SIGNED} \
             where {conditions} order by c.created_at, c.certificate_id"
        );
        let statement = Statement::new("list certificates", sql, values);
        let rows = self.read(&statement).await?.into_iter();
        Ok(rows.map(summary).collect())
    }

    async fn certificate(&self, id_or_prefix: &str) -> Result<CertificateMatch, LedgerError> {
        // An id that is also the beginning of another one means itself, so it comes first.
        let sql = "select certificate_id from kigen_certificate \
                   where substr(certificate_id, 1, length(?1)) = ?1 \
                   order by certificate_id <> ?1, certificate_id limit ?2";
        let values = [id_or_prefix.into(), CertificateMatch::MOST_NAMED.into()];
        let ids = self.read(&Statement::of(READ, sql, values)).await?;
        let ids = ids.into_iter().map(|(id,)| id).collect();
        let id = match CertificateMatch::choose(id_or_prefix, ids) {
            Ok(id) => id,
            Err(answer) => return Ok(answer),
        };
        let sql = format!(
            "select {SUMMARY}, c.payload, e.envelope, e.sshsig from {SIGNED} \
             where c.certificate_id = ?"
        );
        let found = self.read(&Statement::of(READ, &sql, [id.into()])).await?;
        match found.into_iter().next() {
            Some(row) => Ok(CertificateMatch::One(Box::new(stored(row)?))),
            None => Ok(CertificateMatch::None),
        }
    }
}

/// The columns of a summary, but for whether it is signed.
const SUMMARY: &str =
    "c.certificate_id, c.run_id, c.client, c.payload_sha256, c.leaves_sha256, c.created_at";

/// A certificate with its envelope, if it has one.
const SIGNED: &str = "kigen_certificate c left join kigen_envelope e using (certificate_id)";

/// Stores `new` unless it stands there already.
///
/// The insert comes first: it waits for another session's insert of the same keys, so what is
/// read afterwards is final. It asks by itself what is there: a trigger refuses what would replace it.
pub(super) async fn insert(
    session: &mut dyn SqlSession,
    dialect: &dyn Dialect,
    new: &NewCertificate,
) -> Result<Stored, LedgerError> {
    let mut values = Values::default();
    let id = values.bind(&new.certificate_id);
    let (run, client) = (values.bind(&new.run_id), values.bind(&new.client));
    let content: [Arg; 3] = [
        new.payload.as_slice().into(),
        payload_sha256(&new.payload).into(),
        (&new.leaves_sha256).into(),
    ];
    let content = values.list(content);
    let at = bind(dialect, &mut values, new.created_at);
    let sql = format!(
        "insert into kigen_certificate (certificate_id, run_id, client, payload, \
         payload_sha256, leaves_sha256, created_at) select {id}, {run}, {client}, {content}, {at} \
         where not exists (select 1 from kigen_certificate \
             where certificate_id = {id} or (run_id = {run} and client = {client})){}",
        dialect.or_nothing("certificate_id")
    );
    if session.execute(&Statement::new(STORE, sql, values)).await? > 0 {
        return Ok(Stored::New);
    }
    let sql = "select certificate_id, run_id, client, payload, leaves_sha256 from kigen_certificate \
               where certificate_id = ? or (run_id = ? and client = ?) \
               order by certificate_id limit 1";
    let values = [
        (&new.certificate_id).into(),
        (&new.run_id).into(),
        (&new.client).into(),
    ];
    let existing = session
        .read_first(&Statement::of(STORE, sql, values))
        .await?;
    same_certificate(existing.ok_or_else(no_row)?, new)?;
    Ok(Stored::AlreadyThere)
}

fn no_row() -> LedgerError {
    LedgerError::Damaged {
        action: STORE.to_owned(),
        found: "a certificate that is there and cannot be read".to_owned(),
    }
}

/// Stores an envelope unless it stands there already.
async fn insert_envelope(
    session: &mut dyn SqlSession,
    dialect: &dyn Dialect,
    certificate_id: &str,
    new: &Envelope,
) -> Result<Stored, LedgerError> {
    let mut values = Values::default();
    let sql = format!(
        "insert into kigen_envelope (certificate_id, envelope, sshsig) \
         select c.certificate_id, {}, {} from kigen_certificate c where c.certificate_id = {} \
         and not exists (select 1 from kigen_envelope e \
             where e.certificate_id = c.certificate_id){}",
        values.bind(new.envelope.as_slice()),
        values.bind(&new.sshsig),
        values.bind(certificate_id),
        dialect.or_nothing("certificate_id")
    );
    let insert = Statement::new(STORE_ENVELOPE, sql, values);
    if session.execute(&insert).await? > 0 {
        return Ok(Stored::New);
    }
    let sql = "select envelope, sshsig from kigen_envelope where certificate_id = ?";
    let statement = Statement::of(STORE_ENVELOPE, sql, [certificate_id.into()]);
    let existing: Option<(Vec<u8>, String)> = session.read_first(&statement).await?;
    let found = match existing {
        Some((envelope, sshsig)) if envelope == new.envelope && sshsig == new.sshsig => {
            return Ok(Stored::AlreadyThere);
        }
        Some(_) => format!("certificate `{certificate_id}` already has another envelope"),
        None => format!("there is no certificate `{certificate_id}`"),
    };
    Err(LedgerError::Conflict {
        action: STORE_ENVELOPE.to_owned(),
        found,
    })
}

/// [`SUMMARY`], and whether it is signed.
type SummaryRow = (String, String, String, String, String, Timestamp, bool);

fn summary(row: SummaryRow) -> CertificateSummary {
    let (certificate_id, run_id, client, payload_sha256, leaves_sha256, created_at, signed) = row;
    CertificateSummary {
        certificate_id,
        run_id,
        client,
        payload_sha256,
        leaves_sha256,
        created_at,
        signed,
    }
}

/// [`SUMMARY`], payload, envelope, sshsig.
type CertificateRow = (
    String,
    String,
    String,
    String,
    String,
    Timestamp,
    Vec<u8>,
    Option<Vec<u8>>,
    Option<String>,
);

/// Puts a certificate together, after proving that its payload is what was stored.
fn stored(row: CertificateRow) -> Result<StoredCertificate, LedgerError> {
    let (id, run_id, client, sha256, leaves_sha256, created_at, payload, envelope, sshsig) = row;
    if payload_sha256(&payload) != sha256 {
        return Err(LedgerError::Damaged {
            action: READ.to_owned(),
            found: format!("certificate `{id}` with a payload that does not match its digest"),
        });
    }
    let envelope = envelope
        .zip(sshsig)
        .map(|(envelope, sshsig)| Envelope { envelope, sshsig });
    let signed = envelope.is_some();
    Ok(StoredCertificate {
        summary: summary((
            id,
            run_id,
            client,
            sha256,
            leaves_sha256,
            created_at,
            signed,
        )),
        payload,
        envelope,
    })
}

fn payload_sha256(payload: &[u8]) -> String {
    hex::encode(Sha256::digest(payload))
}

/// `certificate_id, run_id, client, payload, leaves_sha256` of what stands where a certificate is
/// to be stored.
type ExistingRow = (String, String, String, Vec<u8>, String);

/// Whether `existing` is `new`, byte for byte. The moment of storing may differ.
fn same_certificate(existing: ExistingRow, new: &NewCertificate) -> Result<(), LedgerError> {
    let (certificate_id, run_id, client, payload, leaves_sha256) = existing;
    let same = certificate_id == new.certificate_id
        && run_id == new.run_id
        && client == new.client
        && payload == new.payload
        && leaves_sha256 == new.leaves_sha256;
    if same {
        return Ok(());
    }
    Err(LedgerError::Conflict {
        action: STORE.to_owned(),
        found: format!(
            "run `{run_id}` already has certificate `{certificate_id}` for client `{client}`, \
             with other content"
        ),
    })
}
