//! The keys of a log: one pair for all clients, named after each client's log.

use ed25519_dalek::VerifyingKey;

use crate::evidence::log::vkey::KeyType;
use crate::evidence::log::vkey::NoteKey;
use crate::evidence::public_key;

use super::ClientLog;
use super::ClientLogError;

/// The name of the file that holds a log's public `key`: `log-34750f98bd59fcfc.pub.pem`.
pub(crate) fn log_key_file(key: &VerifyingKey) -> String {
    format!("log-{}.pub.pem", public_key::key_id(key))
}

impl ClientLog<'_> {
    /// The keys that sign heads of this log, or did, oldest first.
    pub(super) fn keys(&self) -> Result<Vec<NoteKey>, ClientLogError> {
        let known = self.keeper.keyring.log_keys();
        known.iter().map(|known| self.named(known.key)).collect()
    }

    /// Whom to trust about this log, as C2SP tlog-policy writes it.
    ///
    /// It lies in the client's own folder: a policy of all logs would name the other clients.
    pub(super) fn policy(&self) -> Result<String, ClientLogError> {
        let mut policy = String::new();
        for key in self.keys()? {
            policy.push_str(&format!("log {key}\n"));
        }
        policy.push_str("quorum none\n");
        Ok(policy)
    }

    /// `key` under the name of this log.
    pub(super) fn named(&self, key: VerifyingKey) -> Result<NoteKey, ClientLogError> {
        NoteKey::new(&self.origin, KeyType::Note, key).map_err(|error| ClientLogError::KeyName {
            client: self.client.to_owned(),
            error,
        })
    }
}
