//! The keys of a log: one pair for all clients, named after each client's log.

use ed25519_dalek::VerifyingKey;

use kigen_evidence::log::vkey::{KeyType, NoteKey, NoteKeyError};
use kigen_evidence::public_key;

use super::{ClientLog, ClientLogError};

/// The name of the file that holds a log's public `key`: `log-34750f98bd59fcfc.pub.pem`.
pub(crate) fn log_key_file(key: &VerifyingKey) -> String {
    format!("log-{}.pub.pem", public_key::key_id(key))
}

impl ClientLog<'_> {
    /// The keys that sign heads of this log, or did, oldest first.
    pub(super) fn keys(&self) -> Result<Vec<NoteKey>, ClientLogError> {
        let keys = self.keeper.keyring.log_keys_of(&self.origin);
        keys.map_err(|error| self.unnamed(error))
    }

    /// Whom to trust about this log, as C2SP tlog-policy writes it.
    ///
    /// It lies in the client's own folder: a policy of all logs would name the other clients.
    pub(super) fn policy(&self) -> Result<String, ClientLogError> {
        let mut policy = String::new();
        for key in self.keys()? {
            policy.push_str(&format!("log {key}\n"));
        }
        policy.push_str(&quorum(self.witnesses()));
        Ok(policy)
    }

    /// The witnesses on the client's side.
    fn witnesses(&self) -> &[NoteKey] {
        let mut clients = self.keeper.clients.iter();
        let client = clients.find(|client| client.name == self.client);
        client.map_or(&[], |client| &client.witnesses)
    }

    /// `key` under the name of this log.
    pub(super) fn named(&self, key: VerifyingKey) -> Result<NoteKey, ClientLogError> {
        NoteKey::new(&self.origin, KeyType::Note, key).map_err(|error| self.unnamed(error))
    }

    fn unnamed(&self, error: NoteKeyError) -> ClientLogError {
        ClientLogError::KeyName {
            client: self.client.to_owned(),
            error,
        }
    }
}

/// The witnesses and how many of them have to cosign: any one.
fn quorum(witnesses: &[NoteKey]) -> String {
    let mut lines = String::new();
    for (number, key) in (1..).zip(witnesses) {
        lines.push_str(&format!("witness w{number} {key}\n"));
    }
    let names: Vec<String> = (1..=witnesses.len())
        .map(|number| format!("w{number}"))
        .collect();
    match names.as_slice() {
        [] => lines.push_str("quorum none\n"),
        [one] => lines.push_str(&format!("quorum {one}\n")),
        several => {
            lines.push_str(&format!("group witnesses any {}\n", several.join(" ")));
            lines.push_str("quorum witnesses\n");
        }
    }
    lines
}
