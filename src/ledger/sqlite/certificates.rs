//! Certificates in the SQLite ledger.

use sqlx::SqliteConnection;

use crate::ledger::convert::CertificateRow;
use crate::ledger::convert::StandingRow;
use crate::ledger::convert::SummaryRow;
use crate::ledger::convert::moment;
use crate::ledger::convert::no_such_certificate;
use crate::ledger::convert::payload_sha256;
use crate::ledger::convert::same_certificate;
use crate::ledger::convert::same_envelope;
use crate::ledger::convert::sqlite_error;
use crate::ledger::convert::stored;
use crate::ledger::convert::summary;
use crate::ledger::error::LedgerError;
use crate::ledger::record::CertificateFilter;
use crate::ledger::record::CertificateMatch;
use crate::ledger::record::CertificateSummary;
use crate::ledger::record::Envelope;
use crate::ledger::record::NewCertificate;
use crate::ledger::record::Stored;

/// Stores `new` unless it stands there already; the caller holds the one writer's place.
pub(super) async fn insert(
    connection: &mut SqliteConnection,
    new: &NewCertificate,
) -> Result<Stored, LedgerError> {
    const ACTION: &str = "store a certificate";
    let standing: Option<StandingRow> = sqlx::query_as(
        "select certificate_id, run_id, client, payload, leaves_sha256 from kigen_certificate \
         where certificate_id = $1 or (run_id = $2 and client = $3) \
         order by certificate_id limit 1",
    )
    .bind(&new.certificate_id)
    .bind(&new.run_id)
    .bind(&new.client)
    .fetch_optional(&mut *connection)
    .await
    .map_err(|error| sqlite_error(ACTION, error))?;
    if let Some(standing) = standing {
        same_certificate(standing, new)?;
        return Ok(Stored::AlreadyThere);
    }
    sqlx::query(
        "insert into kigen_certificate (certificate_id, run_id, client, payload, \
         payload_sha256, leaves_sha256, created_at) values ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(&new.certificate_id)
    .bind(&new.run_id)
    .bind(&new.client)
    .bind(&new.payload)
    .bind(payload_sha256(&new.payload))
    .bind(&new.leaves_sha256)
    .bind(moment(new.created_at))
    .execute(connection)
    .await
    .map_err(|error| sqlite_error(ACTION, error))?;
    Ok(Stored::New)
}

/// Stores an envelope unless it stands there already; the caller holds the one writer's place.
pub(super) async fn insert_envelope(
    connection: &mut SqliteConnection,
    certificate_id: &str,
    new: &Envelope,
) -> Result<Stored, LedgerError> {
    const ACTION: &str = "store an envelope";
    let standing: Option<(Vec<u8>, String)> =
        sqlx::query_as("select envelope, sshsig from kigen_envelope where certificate_id = $1")
            .bind(certificate_id)
            .fetch_optional(&mut *connection)
            .await
            .map_err(|error| sqlite_error(ACTION, error))?;
    if let Some(standing) = standing {
        same_envelope(certificate_id, standing, new)?;
        return Ok(Stored::AlreadyThere);
    }
    let inserted = sqlx::query(
        "insert into kigen_envelope (certificate_id, envelope, sshsig) \
         select certificate_id, $2, $3 from kigen_certificate where certificate_id = $1",
    )
    .bind(certificate_id)
    .bind(&new.envelope)
    .bind(&new.sshsig)
    .execute(connection)
    .await
    .map_err(|error| sqlite_error(ACTION, error))?;
    if inserted.rows_affected() == 0 {
        return Err(no_such_certificate(certificate_id));
    }
    Ok(Stored::New)
}

pub(super) async fn list(
    connection: &mut SqliteConnection,
    filter: &CertificateFilter,
) -> Result<Vec<CertificateSummary>, LedgerError> {
    let rows: Vec<SummaryRow> = sqlx::query_as(
        "select c.certificate_id, c.run_id, c.client, c.payload_sha256, c.leaves_sha256, \
             c.created_at, e.certificate_id is not null \
         from kigen_certificate c left join kigen_envelope e using (certificate_id) \
         where ($1 is null or c.run_id = $1) and ($2 is null or c.client = $2) \
             and ($3 is null or c.created_at >= $3) and ($4 is null or c.created_at < $4) \
         order by c.created_at, c.certificate_id",
    )
    .bind(filter.run_id.as_deref())
    .bind(filter.client.as_deref())
    .bind(filter.from.map(moment))
    .bind(filter.until.map(moment))
    .fetch_all(connection)
    .await
    .map_err(|error| sqlite_error("list certificates", error))?;
    rows.into_iter().map(summary).collect()
}

pub(super) async fn find(
    connection: &mut SqliteConnection,
    id_or_prefix: &str,
) -> Result<CertificateMatch, LedgerError> {
    const ACTION: &str = "read a certificate";
    // An id that is also the beginning of another one means itself, so it comes first.
    let ids: Vec<String> = sqlx::query_scalar(
        "select certificate_id from kigen_certificate \
         where substr(certificate_id, 1, length($1)) = $1 \
         order by certificate_id <> $1, certificate_id limit $2",
    )
    .bind(id_or_prefix)
    .bind(CertificateMatch::MOST_NAMED)
    .fetch_all(&mut *connection)
    .await
    .map_err(|error| sqlite_error(ACTION, error))?;
    let id = match CertificateMatch::choose(id_or_prefix, ids) {
        Ok(id) => id,
        Err(answer) => return Ok(answer),
    };
    let row: CertificateRow = sqlx::query_as(
        "select c.certificate_id, c.run_id, c.client, c.payload_sha256, c.leaves_sha256, \
             c.created_at, c.payload, e.envelope, e.sshsig \
         from kigen_certificate c left join kigen_envelope e using (certificate_id) \
         where c.certificate_id = $1",
    )
    .bind(&id)
    .fetch_one(connection)
    .await
    .map_err(|error| sqlite_error(ACTION, error))?;
    Ok(CertificateMatch::One(Box::new(stored(row)?)))
}
