//! Certificates in the PostgreSQL ledger.

use sqlx::PgConnection;

use crate::ledger::convert::CertificateRow;
use crate::ledger::convert::StandingRow;
use crate::ledger::convert::SummaryRow;
use crate::ledger::convert::moment;
use crate::ledger::convert::no_such_certificate;
use crate::ledger::convert::payload_sha256;
use crate::ledger::convert::postgres_error;
use crate::ledger::convert::same_certificate;
use crate::ledger::convert::same_envelope;
use crate::ledger::convert::stored;
use crate::ledger::convert::summary;
use crate::ledger::error::LedgerError;
use crate::ledger::record::CertificateFilter;
use crate::ledger::record::CertificateMatch;
use crate::ledger::record::CertificateSummary;
use crate::ledger::record::Envelope;
use crate::ledger::record::NewCertificate;
use crate::ledger::record::Stored;

/// Stores `new` unless it stands there already.
///
/// The insert comes first: it waits for another session's insert of the same keys, so what is
/// read afterwards is final.
pub(super) async fn insert(
    connection: &mut PgConnection,
    new: &NewCertificate,
) -> Result<Stored, LedgerError> {
    const ACTION: &str = "store a certificate";
    let inserted = sqlx::query(
        "insert into kigen_certificate (certificate_id, run_id, client, payload, \
         payload_sha256, leaves_sha256, created_at) \
         values ($1, $2, $3, $4, $5, $6, $7::timestamptz) on conflict do nothing",
    )
    .bind(&new.certificate_id)
    .bind(&new.run_id)
    .bind(&new.client)
    .bind(&new.payload)
    .bind(payload_sha256(&new.payload))
    .bind(&new.leaves_sha256)
    .bind(moment(new.created_at))
    .execute(&mut *connection)
    .await
    .map_err(|error| postgres_error(ACTION, error))?;
    if inserted.rows_affected() > 0 {
        return Ok(Stored::New);
    }
    let standing: StandingRow = sqlx::query_as(
        "select certificate_id, run_id, client, payload, leaves_sha256 from kigen_certificate \
         where certificate_id = $1 or (run_id = $2 and client = $3) \
         order by certificate_id limit 1",
    )
    .bind(&new.certificate_id)
    .bind(&new.run_id)
    .bind(&new.client)
    .fetch_one(connection)
    .await
    .map_err(|error| postgres_error(ACTION, error))?;
    same_certificate(standing, new)?;
    Ok(Stored::AlreadyThere)
}

/// Stores an envelope unless it stands there already.
pub(super) async fn insert_envelope(
    connection: &mut PgConnection,
    certificate_id: &str,
    new: &Envelope,
) -> Result<Stored, LedgerError> {
    const ACTION: &str = "store an envelope";
    let inserted = sqlx::query(
        "insert into kigen_envelope (certificate_id, envelope, sshsig) \
         select certificate_id, $2, $3 from kigen_certificate where certificate_id = $1 \
         on conflict do nothing",
    )
    .bind(certificate_id)
    .bind(&new.envelope)
    .bind(&new.sshsig)
    .execute(&mut *connection)
    .await
    .map_err(|error| postgres_error(ACTION, error))?;
    if inserted.rows_affected() > 0 {
        return Ok(Stored::New);
    }
    let standing: Option<(Vec<u8>, String)> =
        sqlx::query_as("select envelope, sshsig from kigen_envelope where certificate_id = $1")
            .bind(certificate_id)
            .fetch_optional(connection)
            .await
            .map_err(|error| postgres_error(ACTION, error))?;
    let Some(standing) = standing else {
        return Err(no_such_certificate(certificate_id));
    };
    same_envelope(certificate_id, standing, new)?;
    Ok(Stored::AlreadyThere)
}

pub(super) async fn list(
    connection: &mut PgConnection,
    filter: &CertificateFilter,
) -> Result<Vec<CertificateSummary>, LedgerError> {
    let rows: Vec<SummaryRow> = sqlx::query_as(
        "select c.certificate_id, c.run_id, c.client, c.payload_sha256, c.leaves_sha256, \
             to_char(c.created_at at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'), \
             e.certificate_id is not null \
         from kigen_certificate c left join kigen_envelope e using (certificate_id) \
         where ($1::text is null or c.run_id = $1) and ($2::text is null or c.client = $2) \
             and ($3::text is null or c.created_at >= $3::timestamptz) \
             and ($4::text is null or c.created_at < $4::timestamptz) \
         order by c.created_at, c.certificate_id",
    )
    .bind(filter.run_id.as_deref())
    .bind(filter.client.as_deref())
    .bind(filter.from.map(moment))
    .bind(filter.until.map(moment))
    .fetch_all(connection)
    .await
    .map_err(|error| postgres_error("list certificates", error))?;
    rows.into_iter().map(summary).collect()
}

pub(super) async fn find(
    connection: &mut PgConnection,
    id_or_prefix: &str,
) -> Result<CertificateMatch, LedgerError> {
    const ACTION: &str = "read a certificate";
    // An id that is also the beginning of another one means itself, so it comes first.
    let ids: Vec<String> = sqlx::query_scalar(
        "select certificate_id from kigen_certificate \
         where left(certificate_id, length($1)) = $1 \
         order by certificate_id <> $1, certificate_id limit $2",
    )
    .bind(id_or_prefix)
    .bind(CertificateMatch::MOST_NAMED)
    .fetch_all(&mut *connection)
    .await
    .map_err(|error| postgres_error(ACTION, error))?;
    let id = match CertificateMatch::choose(id_or_prefix, ids) {
        Ok(id) => id,
        Err(answer) => return Ok(answer),
    };
    let row: CertificateRow = sqlx::query_as(
        "select c.certificate_id, c.run_id, c.client, c.payload_sha256, c.leaves_sha256, \
             to_char(c.created_at at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'), \
             c.payload, e.envelope, e.sshsig \
         from kigen_certificate c left join kigen_envelope e using (certificate_id) \
         where c.certificate_id = $1",
    )
    .bind(&id)
    .fetch_one(connection)
    .await
    .map_err(|error| postgres_error(ACTION, error))?;
    Ok(CertificateMatch::One(Box::new(stored(row)?)))
}
