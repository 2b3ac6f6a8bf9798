//! One call to a server: its line in the trace, and its end when the process is asked to stop.
//!
//! The time limits of a call stand in the client's settings.

use std::error::Error;
use std::fmt;
use std::time::{Duration, Instant};

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::SdkError;
use aws_smithy_runtime_api::client::result::ConnectorError;

use crate::guard::{self, Guard};
use crate::shutdown;
use crate::store::objects::error::Outage;

/// How long calls may go on once the process was asked to stop: enough to end a call to a slow gateway
/// and to read its effect back, and less than the process itself has.
const CALL_GRACE: Duration = Duration::from_secs(5);

/// Waits for `call`, but not beyond [`CALL_GRACE`] after the process was asked to stop.
///
/// A call that is given up may have taken full effect, as with every time limit.
pub(crate) async fn obeyed<T, E>(
    operation: &'static str,
    call: impl Future<Output = Result<T, SdkError<E, HttpResponse>>>,
) -> Result<T, SdkError<E, HttpResponse>> {
    let begun = Instant::now();
    let answer = tokio::select! {
        biased;
        answer = call => answer,
        () = must_stop() => {
            Err(SdkError::dispatch_failure(ConnectorError::user(Box::new(GivenUp))))
        }
    };
    let elapsed_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    let outcome = match &answer {
        Ok(_) => "answered",
        Err(SdkError::ServiceError(_)) => "refused",
        Err(SdkError::TimeoutError(_)) => "not answered in time",
        Err(_) => "failed",
    };
    tracing::debug!(
        operation,
        elapsed_ms,
        "{operation}: {outcome} after {elapsed_ms} ms"
    );
    answer
}

/// Waits for `work` at most `limit`, and not beyond [`CALL_GRACE`] after the process was asked to stop.
pub(crate) async fn within<T>(limit: Duration, work: impl Future<Output = T>) -> Result<T, Outage> {
    tokio::select! {
        biased;
        done = tokio::time::timeout(limit, work) => done.map_err(|_| Outage::TimedOut),
        () = must_stop() => Err(Outage::GivenUp),
    }
}

async fn must_stop() {
    if !guard::stands(Guard::CallsObeyStop) {
        return std::future::pending().await;
    }
    shutdown::process_must_stop(CALL_GRACE).await;
}

/// Why a call ended that was waited for no longer.
#[derive(Debug)]
pub(super) struct GivenUp;

impl fmt::Display for GivenUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("given up because the process was asked to stop")
    }
}

impl Error for GivenUp {}
