//! The messages of RFC 3161, as far as kigen speaks and understands them.
//!
//! What the authority has signed is not checked here: `openssl ts -verify` does that, with the
//! authority's certificate. Here it is made sure that the answer is one to our question.

use der::asn1::{AnyRef, GeneralizedTime, ObjectIdentifier, OctetStringRef, UintRef};
use der::{Decode, Encode, Reader, Sequence, SliceReader, Tag, TagNumber, Tagged};
use jiff::Timestamp;
use thiserror::Error;

/// SHA-256.
const SHA_256: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1");
/// CMS signed-data.
const SIGNED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.2");
/// id-ct-TSTInfo.
const TST_INFO: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.1.4");

/// Version 1 is the only one of requests, and of what is signed.
const VERSION: u8 = 1;

/// `granted`, and `grantedWithMods`: a token of another policy than was asked for is refused by its
/// policy.
const GRANTED: [u8; 2] = [0, 1];

/// Length of a nonce in bytes.
pub(super) const NONCE_LENGTH: usize = 16;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Question {
    /// SHA-256 of what is to be stamped.
    pub imprint: [u8; 32],
    /// The policy that the authority is to follow; its own if none is asked for.
    pub policy: Option<ObjectIdentifier>,
    /// Random, so that no older answer can be taken for this one.
    pub nonce: [u8; NONCE_LENGTH],
}

/// What an authority has answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp {
    pub imprint: [u8; 32],
    pub policy: ObjectIdentifier,
    /// The number without zeros before it; `None` in an answer to a question without one.
    pub nonce: Option<Vec<u8>>,
    /// When the authority saw what was stamped, by its clock.
    pub at: Timestamp,
}

/// Why an answer is no time stamp, or none for the question.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum AnswerError {
    #[error("the answer is no RFC 3161 time stamp ({0})")]
    Form(&'static str),
    #[error("the authority rejected the request with status {status}{}", said(.text))]
    Rejected { status: u8, text: String },
    #[error("the time stamp is of other bytes")]
    OtherImprint,
    #[error("the time stamp answers another question: its nonce differs")]
    OtherNonce,
    #[error("the time stamp follows the policy {found} and not {wanted}")]
    OtherPolicy { found: String, wanted: String },
}

fn said(text: &str) -> String {
    if text.is_empty() {
        return String::new();
    }
    format!(": {text}")
}

#[derive(Sequence)]
struct TimeStampReq<'a> {
    version: u8,
    message_imprint: MessageImprint<'a>,
    req_policy: Option<ObjectIdentifier>,
    nonce: UintRef<'a>,
    cert_req: bool,
}

#[derive(Sequence)]
struct MessageImprint<'a> {
    hash_algorithm: AlgorithmIdentifier<'a>,
    hashed_message: &'a OctetStringRef,
}

#[derive(Sequence)]
struct AlgorithmIdentifier<'a> {
    algorithm: ObjectIdentifier,
    parameters: Option<AnyRef<'a>>,
}

impl Question {
    /// The request in DER. It asks for the authority's certificate, too.
    pub fn to_der(&self) -> Result<Vec<u8>, der::Error> {
        let request = TimeStampReq {
            version: VERSION,
            message_imprint: MessageImprint {
                hash_algorithm: AlgorithmIdentifier {
                    algorithm: SHA_256,
                    parameters: Some(AnyRef::NULL),
                },
                hashed_message: OctetStringRef::new(&self.imprint)?,
            },
            req_policy: self.policy,
            nonce: UintRef::new(&self.nonce)?,
            cert_req: true,
        };
        request.to_der()
    }

    /// Whether `stamp` answers this question.
    pub fn check(&self, stamp: &Stamp) -> Result<(), AnswerError> {
        if stamp.imprint != self.imprint {
            return Err(AnswerError::OtherImprint);
        }
        let nonce = without_zeros(&self.nonce);
        if stamp.nonce.as_deref() != Some(nonce) {
            return Err(AnswerError::OtherNonce);
        }
        match self.policy {
            Some(wanted) if wanted != stamp.policy => Err(AnswerError::OtherPolicy {
                found: stamp.policy.to_string(),
                wanted: wanted.to_string(),
            }),
            Some(_) | None => Ok(()),
        }
    }
}

impl Stamp {
    /// Reads an answer (`TimeStampResp` in DER). Its signature is not checked.
    pub fn read(answer: &[u8]) -> Result<Self, AnswerError> {
        let parts = children(element(answer, "the message")?, "the message")?;
        let (status, rest) = parts.split_first().ok_or(AnswerError::Form("its status"))?;
        granted(*status)?;
        let token = rest.first().ok_or(AnswerError::Form("its token"))?;
        let content = explicit(*token, SIGNED_DATA, "its token")?;
        let signed = children(content, "its signed data")?;
        // version, digest algorithms, content.
        let content = signed.get(2).ok_or(AnswerError::Form("its content"))?;
        let octets = explicit(*content, TST_INFO, "its content")?;
        if octets.tag() != Tag::OctetString {
            return Err(AnswerError::Form("its content"));
        }
        Self::of_info(octets.value())
    }

    fn of_info(info: &[u8]) -> Result<Self, AnswerError> {
        const WHAT: &str = "what is signed";
        let form = |_| AnswerError::Form(WHAT);
        let fields = children(element(info, WHAT)?, WHAT)?;
        let [version, policy, imprint, _serial, at, rest @ ..] = fields.as_slice() else {
            return Err(AnswerError::Form(WHAT));
        };
        let imprint: MessageImprint<'_> = imprint.decode_as().map_err(form)?;
        let is_known =
            version.decode_as::<u8>() == Ok(VERSION) && imprint.hash_algorithm.algorithm == SHA_256;
        if !is_known {
            return Err(AnswerError::Form(WHAT));
        }
        let imprint = imprint.hashed_message.as_bytes().try_into();
        let nonce = rest.iter().find(|field| field.tag() == Tag::Integer);
        let nonce = nonce.map(|nonce| without_zeros(nonce.value()).to_vec());
        Ok(Self {
            imprint: imprint.map_err(|_| AnswerError::Form(WHAT))?,
            policy: policy.decode_as().map_err(form)?,
            nonce,
            at: moment(*at)?,
        })
    }
}

/// The moment of a `GeneralizedTime`, which may have a fraction of a second here.
fn moment(at: AnyRef<'_>) -> Result<Timestamp, AnswerError> {
    const WHAT: &str = "its time";
    let form = || AnswerError::Form(WHAT);
    if at.tag() != Tag::GeneralizedTime {
        return Err(form());
    }
    if let Ok(whole) = at.decode_as::<GeneralizedTime>() {
        let seconds = i64::try_from(whole.to_unix_duration().as_secs()).map_err(|_| form())?;
        return Timestamp::from_second(seconds).map_err(|_| form());
    }
    let text = str::from_utf8(at.value()).map_err(|_| form())?;
    let digits = text.strip_suffix('Z').ok_or_else(form)?;
    let (whole, fraction) = digits.split_once('.').ok_or_else(form)?;
    let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.len() != 14 || !all_digits(whole) || !all_digits(fraction) || fraction.is_empty() {
        return Err(form());
    }
    let (day, time) = whole.split_at(8);
    let text = format!(
        "{}-{}-{}T{}:{}:{}.{}Z",
        &day[..4],
        &day[4..6],
        &day[6..],
        &time[..2],
        &time[2..4],
        &time[4..],
        &fraction[..fraction.len().min(9)]
    );
    text.parse().map_err(|_| form())
}

/// Whether the authority granted what was asked.
fn granted(status: AnyRef<'_>) -> Result<(), AnswerError> {
    const WHAT: &str = "its status";
    let fields = children(status, WHAT)?;
    let (status, rest) = fields.split_first().ok_or(AnswerError::Form(WHAT))?;
    let status: u8 = status.decode_as().map_err(|_| AnswerError::Form(WHAT))?;
    if GRANTED.contains(&status) {
        return Ok(());
    }
    let mut text = String::new();
    for field in rest.iter().filter(|field| field.tag() == Tag::Sequence) {
        for part in children(*field, WHAT)? {
            text.push_str(&String::from_utf8_lossy(part.value()));
        }
    }
    text.retain(|character| !character.is_control());
    Err(AnswerError::Rejected { status, text })
}

/// The content of a `SEQUENCE { type OID, [0] EXPLICIT content }` of this type.
fn explicit<'a>(
    any: AnyRef<'a>,
    wanted: ObjectIdentifier,
    what: &'static str,
) -> Result<AnyRef<'a>, AnswerError> {
    let fields = children(any, what)?;
    let [found, content] = fields.as_slice() else {
        return Err(AnswerError::Form(what));
    };
    let is_wanted = found.decode_as() == Ok(wanted);
    let is_explicit = content.tag()
        == Tag::ContextSpecific {
            constructed: true,
            number: TagNumber(0),
        };
    if !is_wanted || !is_explicit {
        return Err(AnswerError::Form(what));
    }
    element(content.value(), what)
}

fn element<'a>(der: &'a [u8], what: &'static str) -> Result<AnyRef<'a>, AnswerError> {
    AnyRef::from_der(der).map_err(|_| AnswerError::Form(what))
}

/// The elements of a sequence.
fn children<'a>(any: AnyRef<'a>, what: &'static str) -> Result<Vec<AnyRef<'a>>, AnswerError> {
    let form = |_| AnswerError::Form(what);
    if any.tag() != Tag::Sequence {
        return Err(AnswerError::Form(what));
    }
    let mut reader = SliceReader::new(any.value()).map_err(form)?;
    let mut found = Vec::new();
    while !reader.is_finished() {
        found.push(AnyRef::decode(&mut reader).map_err(form)?);
    }
    Ok(found)
}

fn without_zeros(number: &[u8]) -> &[u8] {
    let first = number.iter().position(|byte| *byte != 0);
    &number[first.unwrap_or(number.len())..]
}

#[cfg(test)]
mod tests {
    use der::asn1::ObjectIdentifier;

    use super::{AnswerError, Question, Stamp};

    fn question() -> Question {
        Question {
            imprint: [7; 32],
            policy: None,
            nonce: [0, 0x80, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
        }
    }

    fn stamp() -> Stamp {
        Stamp {
            imprint: [7; 32],
            policy: ObjectIdentifier::new_unwrap("1.2.3.4.1"),
            nonce: Some(vec![0x80, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]),
            at: "2026-11-22T00:00:00Z".parse().unwrap(),
        }
    }

    #[test]
    fn an_answer_to_another_question_is_none() {
        question().check(&stamp()).unwrap();
        let other = Stamp {
            imprint: [8; 32],
            ..stamp()
        };
        assert_eq!(question().check(&other), Err(AnswerError::OtherImprint));
        for nonce in [None, Some(vec![1]), Some(Vec::new())] {
            let other = Stamp { nonce, ..stamp() };
            assert_eq!(question().check(&other), Err(AnswerError::OtherNonce));
        }
        let wanted = Question {
            policy: Some(ObjectIdentifier::new_unwrap("1.2.3.4.5")),
            ..question()
        };
        assert_eq!(
            wanted.check(&stamp()).unwrap_err().to_string(),
            "the time stamp follows the policy 1.2.3.4.1 and not 1.2.3.4.5"
        );
    }

    #[test]
    fn what_is_no_answer_is_refused() {
        for bytes in [
            &b""[..],
            b"<html>",
            b"\x30\x00",
            b"\x30\x03\x02\x01\x00",
            b"\x30\x80\x00\x00",
            b"\x30\x84\xff\xff\xff\xff",
        ] {
            assert!(
                matches!(Stamp::read(bytes), Err(AnswerError::Form(_))),
                "{bytes:?}"
            );
        }
        // PKIStatusInfo alone: rejection, with and without a text.
        let rejected = Stamp::read(b"\x30\x05\x30\x03\x02\x01\x02").unwrap_err();
        assert_eq!(
            rejected.to_string(),
            "the authority rejected the request with status 2"
        );
        let said = Stamp::read(b"\x30\x0b\x30\x09\x02\x01\x02\x30\x04\x0c\x02no").unwrap_err();
        assert_eq!(
            said.to_string(),
            "the authority rejected the request with status 2: no"
        );
    }
}
