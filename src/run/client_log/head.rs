//! The published head of a log, compared with the ledger.

use kigen_evidence::log::checkpoint::Checkpoint;
use kigen_evidence::log::note::Note;
use kigen_evidence::merkle::Hash;

use crate::archive::client_folder;

use super::{ClientLog, ClientLogError, size_of};

/// The name of the head below the log's folder.
pub(super) const CHECKPOINT: &str = "checkpoint";

/// A head that was published, perhaps with the signatures of witnesses.
pub(crate) struct PublishedHead {
    /// Entries that it covers.
    pub(crate) size: u64,
    pub(crate) note: Note,
}

impl ClientLog<'_> {
    /// The published head, or `None` if nothing was published yet. It must be one that we signed,
    /// and the ledger, whose leaf hashes are `hashes`, must have everything that it covers.
    pub(super) async fn published_head(
        &self,
        hashes: &[Hash],
    ) -> Result<Option<PublishedHead>, ClientLogError> {
        let path = self.path(CHECKPOINT);
        let Some(bytes) = self.keeper.place.get(&path).await? else {
            return Ok(None);
        };
        let foreign = |what: String| ClientLogError::ForeignHead {
            path: self.keeper.place.locate(&path),
            what,
        };
        let text = String::from_utf8(bytes).map_err(|_| foreign("it is no text".to_owned()))?;
        let note: Note = text
            .parse()
            .map_err(|error| foreign(format!("it is no signed note: {error}")))?;
        self.has_its_name(&note, &path)?;
        let opened = note
            .open(&self.keys()?)
            .map_err(|error| foreign(error.to_string()))?;
        let head = Checkpoint::read(&opened)
            .map_err(|error| foreign(format!("it is no checkpoint: {error}")))?;
        self.compare(&head, hashes)?;
        Ok(Some(PublishedHead {
            size: head.size(),
            note,
        }))
    }

    /// The first line of a head is the log's name. It is read before the signature is checked, to say
    /// what is wrong and nothing more: under another name no key of ours has signed.
    fn has_its_name(&self, note: &Note, path: &str) -> Result<(), ClientLogError> {
        let published = note.text().lines().next().unwrap_or_default();
        let suffix = format!("/{}", client_folder(self.client));
        match published.strip_suffix(&suffix) {
            Some(origin) if published != self.origin => Err(ClientLogError::OtherName {
                path: self.keeper.place.locate(path),
                published: published.to_owned(),
                named: self.origin.clone(),
                origin: origin.to_owned(),
            }),
            Some(_) | None => Ok(()),
        }
    }

    fn compare(&self, head: &Checkpoint, hashes: &[Hash]) -> Result<(), ClientLogError> {
        let (published, recorded) = (head.size(), size_of(hashes));
        let client = || self.client.to_owned();
        let covered = usize::try_from(published)
            .ok()
            .and_then(|size| hashes.get(..size));
        let Some(covered) = covered else {
            return Err(ClientLogError::Behind {
                client: client(),
                published,
                recorded,
            });
        };
        if self.checkpoint(covered)? == *head {
            return Ok(());
        }
        Err(ClientLogError::Differs {
            client: client(),
            published,
        })
    }
}
