//! A log goes to where it is published: entries and hashes first, the head last.
//!
//! Everything can be repeated after a crash and gives the same bytes: tiles follow from the entries,
//! and a head that was signed stands in the ledger before anybody sees it.

use jiff::Timestamp;
use kigen_evidence::log::note::Note;
use kigen_evidence::log::tiles::{self, FULL, Tile, TileKind};
use kigen_evidence::merkle::Hash;

use crate::archive::{Content, Put};
use crate::guard::{self, Guard};
use crate::ledger::error::LedgerError;
use crate::ledger::log::LogCheckpoint;

use super::head::CHECKPOINT;
use super::{ClientLog, ClientLogError, size_of};

/// Whom to trust about the log, below its folder.
const POLICY: &str = "policy.txt";

impl ClientLog<'_> {
    /// Publishes the log whose leaf hashes are `hashes`; the first `from` entries are published.
    pub(super) async fn publish(
        &self,
        hashes: &[Hash],
        from: u64,
        now: Timestamp,
    ) -> Result<Note, ClientLogError> {
        let note = self.signed(hashes, now).await?;
        fail::fail_point!("log.signed");
        self.publish_entries(from, size_of(hashes)).await?;
        // A partial tile would repeat with each entry what stands in the file of each.
        let added = tiles::added(from, size_of(hashes)).into_iter();
        let is_wanted = |tile: &Tile| tile.is_full() || !guard::stands(Guard::EntriesOnce);
        for tile in added.filter(is_wanted) {
            let bytes = self.tile_bytes(tile, hashes).await?;
            self.put(&self.path(&tile.to_string()), &bytes).await?;
            fail::fail_point!("log.after-tile");
        }
        self.publish_policy().await?;
        let head = note.to_string();
        let path = self.path(CHECKPOINT);
        self.keeper.place.put_head(&path, head.as_bytes()).await?;
        fail::fail_point!("log.after-head");
        Ok(note)
    }

    /// Publishes each entry behind the first `from` as a file of its own.
    async fn publish_entries(&self, from: u64, size: u64) -> Result<(), ClientLogError> {
        let from = self.first_to_publish(from).await?;
        let ledger = self.keeper.ledger;
        for entry in ledger.log_entries(self.client, from, size).await? {
            // A full bundle holds it by its length, which has 16 bits.
            tiles::bundle(&[&entry.payload]).map_err(|error| ClientLogError::Tile {
                client: self.client.to_owned(),
                error,
            })?;
            let path = self.path(&tiles::entry_path(entry.index));
            self.put(&path, &entry.payload).await?;
            fail::fail_point!("log.after-entry");
        }
        Ok(())
    }

    /// Where an older kigen has published the entries behind the last full tile together, they are
    /// published one by one from the first of them on.
    async fn first_to_publish(&self, from: u64) -> Result<u64, ClientLogError> {
        let first = from - from % u64::from(FULL);
        let path = self.path(&tiles::entry_path(first));
        if first == from || self.keeper.place.get_range(&path, 0..1).await?.is_some() {
            return Ok(from);
        }
        Ok(first)
    }

    async fn publish_policy(&self) -> Result<(), ClientLogError> {
        let path = self.path(POLICY);
        let policy = self.policy()?;
        let published = self.keeper.place.get(&path).await?;
        if published.as_deref() != Some(policy.as_bytes()) {
            self.keeper.place.put_head(&path, policy.as_bytes()).await?;
        }
        Ok(())
    }

    /// The signed head, which stands in the ledger. One that was signed before is not signed again,
    /// perhaps under another key.
    async fn signed(&self, hashes: &[Hash], now: Timestamp) -> Result<Note, ClientLogError> {
        let head = self.checkpoint(hashes)?;
        let last = self.keeper.ledger.last_checkpoint(self.client).await?;
        if let Some(last) = last.filter(|last| last.size == head.size()) {
            let note: Result<Note, _> = last.note.parse();
            // Of another root it would be a second story about one size.
            let same = note.ok().filter(|note| note.text() == head.to_string());
            return same.ok_or_else(|| self.other_head(head.size()));
        }
        let secret = self.keeper.keyring.log_key()?;
        let key = self.named(secret.verifying_key())?;
        let note = head.sign(&key, secret);
        let note = note.map_err(|error| ClientLogError::Sign {
            client: self.client.to_owned(),
            error,
        })?;
        let checkpoint = LogCheckpoint {
            client: self.client.to_owned(),
            size: head.size(),
            note: note.to_string(),
        };
        self.keeper
            .ledger
            .store_checkpoint(&checkpoint, now)
            .await?;
        Ok(note)
    }

    fn other_head(&self, size: u64) -> ClientLogError {
        ClientLogError::Ledger(LedgerError::Damaged {
            action: "read a log".to_owned(),
            found: format!(
                "a signed checkpoint of size {size} of client `{}` that is not over its entries",
                self.client
            ),
        })
    }

    async fn tile_bytes(&self, tile: Tile, hashes: &[Hash]) -> Result<Vec<u8>, ClientLogError> {
        let failed = |error| ClientLogError::Tile {
            client: self.client.to_owned(),
            error,
        };
        match tile.kind() {
            TileKind::Hashes { .. } => tile.hash_bytes(hashes).map_err(failed),
            TileKind::Entries => {
                let first = tile.index() * u64::from(FULL);
                let end = first + u64::from(tile.width());
                let ledger = self.keeper.ledger;
                let entries = ledger.log_entries(self.client, first, end).await?;
                let payloads: Vec<&[u8]> = entries
                    .iter()
                    .map(|entry| entry.payload.as_slice())
                    .collect();
                tiles::bundle(&payloads).map_err(failed)
            }
        }
    }

    async fn put(&self, path: &str, bytes: &[u8]) -> Result<(), ClientLogError> {
        let place = self.keeper.place;
        match place.put_new(path, Content::Bytes(bytes)).await? {
            Put::Created | Put::AlreadyEqual => Ok(()),
            Put::Conflict { .. } => Err(ClientLogError::Occupied {
                path: place.locate(path),
            }),
        }
    }
}
