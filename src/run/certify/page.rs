//! The certificate as people read it, beside the signed data.

use ed25519_dalek::VerifyingKey;
use kigen_evidence::document::{Certificate, Languages, PageError, certificate_page};
use kigen_evidence::dsse::EnvelopeError;

use crate::ledger::Envelope;

use super::context::SealContext;
use super::error::SealError;

/// The page of a certificate: Japanese first, the same bytes each time.
///
/// `None` if the stored signature is of a key that the keyring no longer has. Only what is verified
/// is shown, and the signed data must not wait for its picture.
pub(super) fn page(
    context: &SealContext<'_>,
    certificate_id: &str,
    envelope: &Envelope,
) -> Result<Option<String>, SealError> {
    let known = context.keyring.certificate_keys().into_iter();
    let keys: Vec<VerifyingKey> = known.map(|known| known.key).collect();
    let made = Certificate::read(&envelope.envelope, &keys)
        .and_then(|certificate| certificate_page(&certificate, Languages::JaEn));
    match made {
        Ok(page) => Ok(Some(page)),
        Err(PageError::Envelope(EnvelopeError::NoSignatureHolds)) => {
            tracing::warn!(
                certificate.id = certificate_id,
                "certificate {certificate_id} was signed under another key; it is published without its page"
            );
            Ok(None)
        }
        Err(source) => Err(SealError::Page {
            certificate_id: certificate_id.to_owned(),
            source,
        }),
    }
}
