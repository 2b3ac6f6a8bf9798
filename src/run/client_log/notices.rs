//! Changes of keys in a client's log: who checks later knows which key signed when.

use jiff::Timestamp;
use kigen_evidence::log::entry::{self, Entry, KeyRole, KeyRotation, RotatedKey};
use kigen_evidence::log::vkey::{KeyType, NoteKey};
use kigen_evidence::statement::{Controller, EntryPlace, Issuer, LogPlace};

use crate::keyring::KnownKey;
use crate::ledger::log::{LogEntry, LogRole};
use crate::run::certify::principal;

use super::{ClientLogError, EntryHeader, NewPayload, OpenLog, place_of};

/// A key that took another one's place.
struct Rotation {
    key: RotatedKey,
    from: Timestamp,
}

impl OpenLog<'_> {
    /// Writes down every change of keys since the log began that it does not know yet.
    pub(in crate::run) async fn announce_keys(
        &mut self,
        issuer: &Issuer,
        controller: &Controller,
        now: Timestamp,
    ) -> Result<(), ClientLogError> {
        for rotation in self.unknown_rotations().await? {
            let mark = EntryHeader {
                role: LogRole::Notice,
                run_id: None,
                plan: None,
                at: now,
            };
            let client = controller.client.clone();
            let make = |log: LogPlace, at: Timestamp| -> Result<NewPayload, ClientLogError> {
                let notice = KeyRotation {
                    log,
                    issuer: issuer.clone(),
                    controller: controller.clone(),
                    keys: vec![rotation.key],
                    valid_from: rotation.from,
                    recorded_at: at,
                };
                let payload = entry::to_payload(&notice);
                Ok(NewPayload {
                    payload: payload.map_err(|error| ClientLogError::Entry { client, error })?,
                    certificate: None,
                })
            };
            self.append(&mark, make).await?;
        }
        Ok(())
    }

    /// The notices of the log, with their places.
    pub(in crate::run) async fn notices(&self) -> Result<Vec<(EntryPlace, Entry)>, ClientLogError> {
        let log = &self.log;
        let notices = log.keeper.ledger.log_notices(log.client).await?;
        let read = |notice: &LogEntry| Ok((place_of(notice), log.read(&notice.payload)?));
        notices.iter().map(read).collect()
    }

    async fn unknown_rotations(&self) -> Result<Vec<Rotation>, ClientLogError> {
        let mut rotations = self.rotations()?;
        if rotations.is_empty() || self.hashes.is_empty() {
            // A log that begins now begins with the keys of today.
            return Ok(Vec::new());
        }
        let log = &self.log;
        let ledger = log.keeper.ledger;
        if let Some(first) = ledger.log_entries(log.client, 0, 1).await?.first() {
            let began = log.read(&first.payload)?.at();
            // Keys change at whole seconds.
            let is_since = |rotation: &Rotation| rotation.from.as_second() >= began.as_second();
            rotations.retain(is_since);
        }
        for (_, notice) in self.notices().await? {
            if let Entry::KeyRotation(known) = notice {
                rotations.retain(|rotation| !known.keys.contains(&rotation.key));
            }
        }
        Ok(rotations)
    }

    /// All changes of keys that the keyring remembers, oldest first.
    fn rotations(&self) -> Result<Vec<Rotation>, ClientLogError> {
        let keyring = self.log.keeper.keyring;
        let signer = principal(self.log.keeper.origin);
        let mut rotations =
            self.of_use(KeyRole::Certificate, &signer, &keyring.certificate_keys())?;
        let origin = self.log.origin.clone();
        rotations.extend(self.of_use(KeyRole::Log, &origin, &keyring.log_keys())?);
        rotations.sort_by_key(|rotation| rotation.from);
        Ok(rotations)
    }

    fn of_use(
        &self,
        role: KeyRole,
        name: &str,
        known: &[KnownKey],
    ) -> Result<Vec<Rotation>, ClientLogError> {
        let named = |known: &KnownKey| {
            NoteKey::new(name, KeyType::Note, known.key).map_err(|error| ClientLogError::KeyName {
                client: self.log.client.to_owned(),
                error,
            })
        };
        let mut rotations = Vec::new();
        for pair in known.windows(2) {
            let [former, next] = pair else { continue };
            let Some(from) = next.from else { continue };
            rotations.push(Rotation {
                key: RotatedKey {
                    role,
                    retired: Some(named(former)?),
                    introduced: Some(named(next)?),
                },
                from,
            });
        }
        Ok(rotations)
    }
}
