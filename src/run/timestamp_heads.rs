//! Time stamps at the end of a run: asked for, never waited for twice, and no reason to stop.

use super::execute::Environment;
use crate::archive;
use crate::keyring::Keyring;
use crate::timestamp::{Authority, StampError, Stamped, Stamper};

/// Has every log's head stamped that is not; also what an earlier run could not do.
///
/// An authority that cannot be reached is asked once; its heads stay pending until the next run or
/// `kigen timestamp`.
pub(super) async fn stamp_heads(environment: &Environment<'_>, keyring: &Keyring) {
    let Some(config) = &environment.config.timestamp else {
        return;
    };
    let clients = match environment.ledger.log_clients().await {
        Ok(clients) => clients,
        Err(error) => {
            tracing::warn!(error = %error, "the logs could not be listed for time stamps");
            return;
        }
    };
    let place = match archive::open(&environment.config.certificates.place).await {
        Ok(place) => place,
        Err(error) => {
            tracing::warn!(error = %error, "the logs could not be read for time stamps");
            return;
        }
    };
    // Without an origin there is no log to be stamped.
    let Ok(origin) = environment.config.certificates.origin() else {
        return;
    };
    let authority = Authority::new(config);
    let stamper = Stamper {
        config,
        authority: &authority,
        keyring,
        place: &*place,
        origin,
    };
    for (number, client) in clients.iter().enumerate() {
        let pending = clients.len() - number;
        match stamper.stamp(client).await {
            Ok(Stamped::Now { size, at }) => {
                tracing::info!(client = %client, log.size = size, stamped.at = %at, "the head of the log of client `{client}` has a time stamp");
            }
            Ok(Stamped::Before { .. } | Stamped::NoHead) => {}
            Err(error @ StampError::Ask(_)) => {
                tracing::warn!(timestamp.pending = pending, error = %error, "time stamps are pending: {error}");
                return;
            }
            Err(error) => {
                tracing::warn!(client = %client, timestamp.pending = 1, error = %error, "the time stamp of the log of client `{client}` is pending: {error}");
            }
        }
    }
}
