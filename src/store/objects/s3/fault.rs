//! From the SDK's errors and the server's codes to ours.

use std::error::Error;

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::result::DispatchFailure;

use crate::store::objects::error::{ObjectError, Outage};

use super::call::GivenUp;

/// The longest code that is taken over from a server, in characters.
const MAX_CODE_CHARACTERS: usize = 64;

/// What an SDK error means. Keeps the code and nothing of the message, which can hold a key.
pub(crate) fn fault<E>(error: &SdkError<E, HttpResponse>) -> ObjectError
where
    E: ProvideErrorMetadata,
{
    match error {
        SdkError::TimeoutError(_) => ObjectError::Unreachable(Outage::TimedOut),
        SdkError::DispatchFailure(failure) if is_given_up(failure) => {
            ObjectError::Unreachable(Outage::GivenUp)
        }
        SdkError::DispatchFailure(failure) if failure.is_timeout() => {
            ObjectError::Unreachable(Outage::TimedOut)
        }
        SdkError::DispatchFailure(_) => ObjectError::Unreachable(Outage::NoConnection),
        SdkError::ResponseError(_) => ObjectError::Unreachable(Outage::AnswerCut),
        SdkError::ServiceError(answer) => {
            by_code(answer.err().code(), answer.raw().status().as_u16())
        }
        SdkError::ConstructionFailure(_) => other("RequestNotBuilt"),
        // The SDK's enumeration is open.
        _ => other("Unknown"),
    }
}

fn is_given_up(failure: &DispatchFailure) -> bool {
    let source = failure.as_connector_error().and_then(Error::source);
    source
        .and_then(|source| source.downcast_ref::<GivenUp>())
        .is_some()
}

/// What the code of a whole answer means; an answer without one is judged by its HTTP status.
fn by_code(code: Option<&str>, status: u16) -> ObjectError {
    let Some(code) = code else {
        return match status {
            // The server did it, but its answer is not one that can be read.
            ..300 => ObjectError::Unreachable(Outage::AnswerCut),
            403 => denied("403"),
            500.. => not_ready(&status.to_string()),
            _ => other(&status.to_string()),
        };
    };
    let meaning = of_code(code);
    let unknown_but_busy =
        status >= 500 && status != 501 && matches!(meaning, ObjectError::Other { .. });
    if unknown_but_busy {
        return not_ready(code);
    }
    meaning
}

/// What a code means, of an answer or of one version within it.
pub(super) fn of_code(code: &str) -> ObjectError {
    match code {
        "AccessDenied" | "AllAccessDisabled" | "MethodNotAllowed" => denied(code),
        "InvalidAccessKeyId" | "SignatureDoesNotMatch" | "ExpiredToken" | "InvalidToken" => {
            ObjectError::CredentialsRefused { code: plain(code) }
        }
        "NoSuchBucket" => ObjectError::NoSuchBucket,
        "SlowDown"
        | "InternalError"
        | "ServiceUnavailable"
        | "RequestTimeout"
        | "ThrottlingException"
        | "RequestLimitExceeded"
        | "OperationAborted"
        | "RequestTimeTooSkewed" => not_ready(code),
        _ => other(code),
    }
}

/// Whether one key can be the reason why the server refused a whole call.
pub(super) fn one_key_can_cause(error: &ObjectError) -> bool {
    let ObjectError::Other { code } = error else {
        return false;
    };
    let codes = [
        "MalformedXML",
        "KeyTooLongError",
        "InvalidArgument",
        "InvalidURI",
    ];
    codes.contains(&code.as_str())
}

fn denied(code: &str) -> ObjectError {
    ObjectError::AccessDenied { code: plain(code) }
}

fn not_ready(code: &str) -> ObjectError {
    ObjectError::NotReady { code: plain(code) }
}

fn other(code: &str) -> ObjectError {
    ObjectError::Other { code: plain(code) }
}

/// A code as we may show it: letters and digits only, so that no server can smuggle a key in.
fn plain(code: &str) -> String {
    code.chars()
        .filter(char::is_ascii_alphanumeric)
        .take(MAX_CODE_CHARACTERS)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{by_code, of_code};
    use crate::store::objects::error::{ObjectError, Retry};

    #[test]
    fn a_busy_server_is_tried_again_and_a_refusal_is_not() {
        assert_eq!(of_code("SlowDown").retry(), Retry::Later);
        assert_eq!(by_code(None, 503).retry(), Retry::Later);
        assert_eq!(by_code(None, 200).retry(), Retry::Later);
        assert_eq!(by_code(Some("Strange"), 500).retry(), Retry::Later);
        assert_eq!(by_code(Some("NotImplemented"), 501).retry(), Retry::Never);
        assert_eq!(of_code("AccessDenied").retry(), Retry::Never);
        assert_eq!(by_code(None, 403).retry(), Retry::Never);
        assert_eq!(of_code("NoSuchBucket"), ObjectError::NoSuchBucket);
    }

    #[test]
    fn a_code_cannot_carry_a_name_into_a_message() {
        let shown = of_code("No such key: scans/山田.pdf").to_string();
        assert_eq!(shown, "the object store refused (`Nosuchkeyscanspdf`)");
    }
}
