//! The signature around a certificate: a DSSE v1 envelope with Ed25519.
//!
//! Signed are the stored bytes; nothing is made canonical, and nothing of the payload is parsed
//! before the signature holds: only [`verify`] makes a [`Verified`].

use base64::engine::general_purpose::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use base64::{Engine, alphabet};
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::public_key::key_id;

/// The payload type that in-toto prescribes for a statement in DSSE.
pub const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";

/// The longest envelope that is looked at; a certificate has less than a tenth of it.
pub const LONGEST_ENVELOPE: usize = 1024 * 1024;

const LENIENT_PADDING: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const STANDARD_OR_BARE: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT_PADDING);
const URL_SAFE_OR_BARE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT_PADDING);

/// The envelope. Fields beyond these are not signed, so they are not looked at.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope {
    payload_type: String,
    payload: String,
    signatures: Vec<EnvelopeSignature>,
}

#[derive(Serialize, Deserialize)]
struct EnvelopeSignature {
    /// A hint for people. Never used to choose a key.
    #[serde(default)]
    keyid: String,
    sig: String,
}

/// Payload bytes whose signature held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    payload: Vec<u8>,
    key: VerifyingKey,
}

impl Verified {
    /// The bytes that were signed.
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// The key under which the signature holds.
    pub fn key(&self) -> &VerifyingKey {
        &self.key
    }
}

/// Why an envelope proves nothing.
#[derive(Debug, Error)]
pub enum EnvelopeError {
    #[error("the envelope has {0} bytes; at most {LONGEST_ENVELOPE} are read")]
    TooLong(usize),
    #[error("the file is no DSSE envelope")]
    Form(#[source] serde_json::Error),
    #[error("the payload of the envelope is no base64")]
    Payload,
    #[error("no signature in the envelope holds under a key that was given")]
    NoSignatureHolds,
    #[error("the signed payload is of type `{0}`, and not `{PAYLOAD_TYPE}`")]
    PayloadType(String),
    #[error("the envelope cannot be written")]
    Write(#[source] serde_json::Error),
}

/// The bytes that are signed: the pre-authentication encoding of DSSE v1.
pub fn pae(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let mut bytes = format!(
        "DSSEv1 {} {payload_type} {} ",
        payload_type.len(),
        payload.len()
    )
    .into_bytes();
    bytes.extend_from_slice(payload);
    bytes
}

/// Signs `payload` and returns the envelope as a file.
///
/// The same payload and key give the same bytes, so signing again after a crash changes nothing.
pub fn sign(payload: &[u8], key: &SigningKey) -> Result<Vec<u8>, EnvelopeError> {
    let signature = key.sign(&pae(PAYLOAD_TYPE, payload));
    let envelope = Envelope {
        payload_type: PAYLOAD_TYPE.to_owned(),
        payload: STANDARD.encode(payload),
        signatures: vec![EnvelopeSignature {
            keyid: key_id(&key.verifying_key()),
            sig: STANDARD.encode(signature.to_bytes()),
        }],
    };
    let mut file = serde_json::to_vec(&envelope).map_err(EnvelopeError::Write)?;
    file.push(b'\n');
    Ok(file)
}

/// Returns the payload if a signature in the envelope holds under one of `keys`.
pub fn verify(envelope: &[u8], keys: &[VerifyingKey]) -> Result<Verified, EnvelopeError> {
    if envelope.len() > LONGEST_ENVELOPE {
        return Err(EnvelopeError::TooLong(envelope.len()));
    }
    let envelope: Envelope = serde_json::from_slice(envelope).map_err(EnvelopeError::Form)?;
    let payload = decode(&envelope.payload).ok_or(EnvelopeError::Payload)?;
    let signed = pae(&envelope.payload_type, &payload);
    let signatures = envelope
        .signatures
        .iter()
        .filter_map(EnvelopeSignature::read);
    let key = signatures
        .flat_map(|signature| keys.iter().map(move |key| (signature, key)))
        .find(|(signature, key)| key.verify_strict(&signed, signature).is_ok())
        .map(|(_, key)| *key)
        .ok_or(EnvelopeError::NoSignatureHolds)?;
    if envelope.payload_type != PAYLOAD_TYPE {
        return Err(EnvelopeError::PayloadType(envelope.payload_type));
    }
    Ok(Verified { payload, key })
}

impl EnvelopeSignature {
    fn read(&self) -> Option<Signature> {
        Signature::from_slice(&decode(&self.sig)?).ok()
    }
}

/// Reads standard or URL-safe base64, padded or not, as DSSE demands of a verifier.
fn decode(text: &str) -> Option<Vec<u8>> {
    STANDARD_OR_BARE
        .decode(text)
        .or_else(|_| URL_SAFE_OR_BARE.decode(text))
        .ok()
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE};
    use ed25519_dalek::{Signer, SigningKey};
    use serde_json::{Value, json};

    use super::{EnvelopeError, LONGEST_ENVELOPE, PAYLOAD_TYPE, pae, sign, verify};

    // Holds bytes whose base64 differs between the standard and the URL-safe alphabet.
    const PAYLOAD: &[u8] = b"{\"\xe6\x9c\x9f\xe9\x99\x90\":\"?>~\xff\xfe\xfb\"}";

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_bytes(&[seed; 32])
    }

    fn envelope(payload: &[u8]) -> Value {
        serde_json::from_slice(&sign(payload, &key(1)).unwrap()).unwrap()
    }

    fn payload_of(envelope: &Value) -> Result<Vec<u8>, EnvelopeError> {
        verify(envelope.to_string().as_bytes(), &[key(1).verifying_key()])
            .map(|verified| verified.payload().to_vec())
    }

    #[test]
    fn the_pre_authentication_encoding_is_that_of_the_protocol() {
        let encoded = pae("http://example.com/HelloWorld", b"hello world");
        assert_eq!(
            encoded,
            b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
        );
    }

    #[test]
    fn a_signed_payload_comes_back_and_names_its_key() {
        let file = sign(PAYLOAD, &key(1)).unwrap();
        let others = [key(2).verifying_key(), key(1).verifying_key()];
        let verified = verify(&file, &others).unwrap();
        assert_eq!(verified.payload(), PAYLOAD);
        assert_eq!(*verified.key(), key(1).verifying_key());
    }

    #[test]
    fn signing_again_gives_the_same_bytes() {
        assert_eq!(
            sign(PAYLOAD, &key(1)).unwrap(),
            sign(PAYLOAD, &key(1)).unwrap()
        );
    }

    #[test]
    fn standard_and_url_safe_base64_are_read_with_and_without_padding() {
        let url_safe = |text: &str| URL_SAFE.encode(STANDARD.decode(text).unwrap());
        let mut urlish = envelope(PAYLOAD);
        assert_ne!(
            urlish["payload"],
            url_safe(urlish["payload"].as_str().unwrap())
        );
        urlish["payload"] = url_safe(urlish["payload"].as_str().unwrap()).into();
        urlish["signatures"][0]["sig"] =
            url_safe(urlish["signatures"][0]["sig"].as_str().unwrap()).into();
        assert_eq!(payload_of(&urlish).unwrap(), PAYLOAD);

        let mut bare = envelope(PAYLOAD);
        let sig = bare["signatures"][0]["sig"].as_str().unwrap().to_owned();
        bare["signatures"][0]["sig"] = sig.trim_end_matches('=').into();
        assert_eq!(payload_of(&bare).unwrap(), PAYLOAD);
    }

    #[test]
    fn the_key_id_decides_nothing() {
        let mut other = envelope(PAYLOAD);
        other["signatures"][0]["keyid"] = "somebody else".into();
        assert_eq!(payload_of(&other).unwrap(), PAYLOAD);
        let mut none = envelope(PAYLOAD);
        none["signatures"][0]
            .as_object_mut()
            .unwrap()
            .remove("keyid");
        assert_eq!(payload_of(&none).unwrap(), PAYLOAD);
    }

    #[test]
    fn one_signature_that_holds_is_enough_among_others_and_unknown_fields() {
        let mut many = envelope(PAYLOAD);
        let good = many["signatures"][0].clone();
        many["signatures"] = json!([{"sig": "!"}, {"sig": "AAAA"}, good]);
        many["verificationMaterial"] = json!({});
        assert_eq!(payload_of(&many).unwrap(), PAYLOAD);
    }

    #[test]
    fn an_altered_payload_type_or_signature_is_refused() {
        let mut payload = envelope(PAYLOAD);
        payload["payload"] = STANDARD.encode("{}").into();
        let mut kind = envelope(PAYLOAD);
        kind["payloadType"] = "application/json".into();
        let mut signature = envelope(PAYLOAD);
        signature["signatures"][0]["sig"] = STANDARD.encode([0; 64]).into();
        let mut none = envelope(PAYLOAD);
        none["signatures"] = json!([]);
        for altered in [payload, kind, signature, none] {
            let error = payload_of(&altered).unwrap_err();
            assert!(matches!(error, EnvelopeError::NoSignatureHolds), "{error}");
        }
    }

    #[test]
    fn a_signature_of_another_key_is_refused() {
        let file = sign(PAYLOAD, &key(1)).unwrap();
        let error = verify(&file, &[key(2).verifying_key()]).unwrap_err();
        assert!(matches!(error, EnvelopeError::NoSignatureHolds));
        assert!(verify(&file, &[]).is_err());
    }

    #[test]
    fn a_payload_that_was_signed_as_something_else_is_refused() {
        let mut other = envelope(PAYLOAD);
        let signature = key(1).sign(&pae("text/plain", PAYLOAD));
        other["payloadType"] = "text/plain".into();
        other["signatures"][0]["sig"] = STANDARD.encode(signature.to_bytes()).into();
        let error = payload_of(&other).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("the signed payload is of type `text/plain`, and not `{PAYLOAD_TYPE}`")
        );
    }

    #[test]
    fn a_file_that_is_no_envelope_is_refused() {
        let keys = [key(1).verifying_key()];
        assert!(matches!(
            verify(b"{}", &keys).unwrap_err(),
            EnvelopeError::Form(_)
        ));
        assert!(matches!(
            verify(&vec![b' '; LONGEST_ENVELOPE + 1], &keys).unwrap_err(),
            EnvelopeError::TooLong(_)
        ));
        let mut payload = envelope(PAYLOAD);
        payload["payload"] = "*".into();
        assert!(matches!(
            payload_of(&payload).unwrap_err(),
            EnvelopeError::Payload
        ));
    }
}
