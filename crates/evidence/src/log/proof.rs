//! A file that shows offline that something is in a tree: C2SP tlog-proof@v1.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use thiserror::Error;

use crate::merkle::{Hash, LONGEST_PATH, VerifyError, verify_inclusion};

use super::checkpoint::{Checkpoint, CheckpointError};
use super::note::{LONGEST_NOTE, Note, NoteError, OpenedNote};
use super::vkey::NoteKey;

const FIRST_LINE: &str = "c2sp.org/tlog-proof@v1";

/// The longest proof file that is looked at, in bytes.
pub const LONGEST_PROOF: usize = 2 * LONGEST_NOTE;

/// The parts of a proof, none of them checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogProof {
    /// What else is needed to rebuild the leaf. Not authenticated by the file itself.
    pub extra: Option<Vec<u8>>,
    /// The leaf's place, from 0.
    pub index: u64,
    /// The hashes from the leaf's sibling up to the child of the root.
    pub path: Vec<Hash>,
    /// The signed head of the tree.
    pub checkpoint: Note,
}

/// Why a proof cannot be read or does not hold.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum LogProofError {
    #[error("the proof has {0} bytes; at most {LONGEST_PROOF} are read")]
    TooLong(usize),
    #[error("the file does not start with the line `{FIRST_LINE}`")]
    FirstLine,
    #[error("line {0} of the proof is neither what the format asks for nor a hash in base64")]
    Line(usize),
    #[error("the proof has no empty line before its checkpoint")]
    NoCheckpoint,
    #[error(transparent)]
    Note(#[from] NoteError),
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    #[error(transparent)]
    Inclusion(#[from] VerifyError),
}

impl LogProof {
    /// Opens the checkpoint with `keys` and checks that a leaf with `leaf_hash` is in its tree.
    pub fn verify(
        &self,
        leaf_hash: &Hash,
        keys: &[NoteKey],
    ) -> Result<(Checkpoint, OpenedNote), LogProofError> {
        let (checkpoint, note) = self.open(keys)?;
        self.check(leaf_hash, &checkpoint)?;
        Ok((checkpoint, note))
    }

    /// Opens the checkpoint with `keys`; says nothing about any leaf yet.
    pub fn open(&self, keys: &[NoteKey]) -> Result<(Checkpoint, OpenedNote), LogProofError> {
        let note = self.checkpoint.open(keys)?;
        Ok((Checkpoint::read(&note)?, note))
    }

    /// Checks that a leaf with `leaf_hash` is in the tree of `checkpoint`.
    pub fn check(&self, leaf_hash: &Hash, checkpoint: &Checkpoint) -> Result<(), VerifyError> {
        let (size, root) = (checkpoint.size(), checkpoint.root());
        verify_inclusion(leaf_hash, self.index, size, &self.path, root)
    }
}

impl fmt::Display for LogProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{FIRST_LINE}")?;
        if let Some(extra) = &self.extra {
            writeln!(f, "extra {}", STANDARD.encode(extra))?;
        }
        writeln!(f, "index {}", self.index)?;
        for hash in &self.path {
            writeln!(f, "{}", STANDARD.encode(hash))?;
        }
        write!(f, "\n{}", self.checkpoint)
    }
}

impl FromStr for LogProof {
    type Err = LogProofError;

    fn from_str(file: &str) -> Result<Self, LogProofError> {
        if file.len() > LONGEST_PROOF {
            return Err(LogProofError::TooLong(file.len()));
        }
        let (head, note) = file.split_once("\n\n").ok_or(LogProofError::NoCheckpoint)?;
        let mut lines = (1..).zip(head.split('\n')).peekable();
        if lines.next().is_none_or(|(_, line)| line != FIRST_LINE) {
            return Err(LogProofError::FirstLine);
        }
        let mut extra = None;
        if let Some((number, text)) = lines.next_if(|(_, line)| line.starts_with("extra ")) {
            let text = text.strip_prefix("extra ").unwrap_or_default();
            extra = Some(
                STANDARD
                    .decode(text)
                    .map_err(|_| LogProofError::Line(number))?,
            );
        }
        let index = lines
            .next()
            .and_then(|(_, line)| number(line.strip_prefix("index ")?))
            .ok_or(LogProofError::Line(2 + usize::from(extra.is_some())))?;
        let mut path = Vec::new();
        for (number, line) in lines {
            let hash = hash(line).filter(|_| path.len() < LONGEST_PATH);
            path.push(hash.ok_or(LogProofError::Line(number))?);
        }
        Ok(Self {
            extra,
            index,
            path,
            checkpoint: note.parse()?,
        })
    }
}

/// A number in decimal digits, in one way of writing only.
fn number(text: &str) -> Option<u64> {
    let number: u64 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

fn hash(text: &str) -> Option<Hash> {
    STANDARD.decode(text).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::SigningKey;

    use crate::log::checkpoint::Checkpoint;
    use crate::log::vkey::{KeyType, NoteKey};
    use crate::merkle::{Hash, RootBuilder, VerifyError, inclusion_proof, leaf_hash};

    use super::{LogProof, LogProofError};

    const ORIGIN: &str = "certs.example.com/own";

    fn key() -> (NoteKey, SigningKey) {
        let secret = SigningKey::from_bytes(&[1; 32]);
        let key = NoteKey::new(ORIGIN, KeyType::Note, secret.verifying_key()).unwrap();
        (key, secret)
    }

    fn leaf(number: u8) -> Hash {
        leaf_hash(&[number])
    }

    fn proof(size: u8, index: u8) -> LogProof {
        let leaves: Vec<Hash> = (0..size).map(leaf).collect();
        let mut tree = RootBuilder::new();
        leaves.iter().for_each(|hash| tree.push_hash(*hash));
        let checkpoint = Checkpoint::new(ORIGIN, size.into(), tree.root()).unwrap();
        let (key, secret) = key();
        LogProof {
            extra: Some(vec![1, 2, 3]),
            index: index.into(),
            path: inclusion_proof(&leaves, index.into()).unwrap(),
            checkpoint: checkpoint.sign(&key, &secret).unwrap(),
        }
    }

    #[test]
    fn a_proof_comes_back_from_its_file_and_holds() {
        for (size, index) in [(1, 0), (7, 6), (7, 3), (200, 77)] {
            for extra in [None, Some(Vec::new()), Some(vec![0xff; 99])] {
                let mut proof = proof(size, index);
                proof.extra = extra;
                let file = proof.to_string();
                let read: LogProof = file.parse().unwrap();
                assert_eq!(read, proof);
                assert_eq!(read.to_string(), file);
                let (checkpoint, _) = read.verify(&leaf(index), &[key().0]).unwrap();
                assert_eq!(checkpoint.size(), u64::from(size));
            }
        }
    }

    #[test]
    fn the_lines_stand_in_their_order() {
        let file = proof(4, 2).to_string();
        let lines: Vec<&str> = file.lines().collect();
        assert_eq!(lines.len(), 11);
        assert_eq!(
            lines[..3],
            ["c2sp.org/tlog-proof@v1", "extra AQID", "index 2"]
        );
        assert_eq!((lines[3].len(), lines[4].len()), (44, 44));
        assert_eq!(lines[5..8], ["", ORIGIN, "4"]);
        assert_eq!(lines[9], "");
        assert!(lines[10].starts_with("— certs.example.com/own "));
    }

    #[test]
    fn a_proof_of_another_leaf_does_not_hold() {
        let error = proof(7, 3).verify(&leaf(4), &[key().0]).unwrap_err();
        assert_eq!(error, LogProofError::Inclusion(VerifyError::Root));
    }

    #[test]
    fn what_is_no_proof_is_refused() {
        let file = proof(4, 2).to_string();
        let change = |from: &str, to: &str| {
            assert!(file.contains(from), "{from}");
            file.replacen(from, to, 1).parse::<LogProof>().unwrap_err()
        };
        assert_eq!(change("proof@v1", "proof@v2"), LogProofError::FirstLine);
        assert_eq!(change("extra AQID", "extra AQI"), LogProofError::Line(2));
        assert_eq!(change("extra AQID", "extra  AQID"), LogProofError::Line(2));
        assert_eq!(change("extra AQID", "Extra AQID"), LogProofError::Line(2));
        assert_eq!(change("index 2", "index 02"), LogProofError::Line(3));
        assert_eq!(change("index 2", "index +2"), LogProofError::Line(3));
        assert_eq!(change("index 2", "index 2 "), LogProofError::Line(3));
        assert_eq!(
            change("index 2", "index 2\nindex 2"),
            LogProofError::Line(4)
        );
        assert_eq!(change("index 2", "index 2\nAQID"), LogProofError::Line(4));
        assert_eq!(change("index 2\n", ""), LogProofError::Line(3));
        assert_eq!(change("index 2", "index 2\r"), LogProofError::Line(3));
        assert_eq!(
            "c2sp.org/tlog-proof@v1\nindex 0\n"
                .parse::<LogProof>()
                .unwrap_err(),
            LogProofError::NoCheckpoint
        );
        let many = format!(
            "index 2{}",
            format!("\n{}", "A".repeat(43) + "=").repeat(65)
        );
        assert_eq!(change("index 2", &many), LogProofError::Line(68));
    }
}
