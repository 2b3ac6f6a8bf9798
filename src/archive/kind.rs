//! The kinds of files that are published. What is not in this table is never written.

use super::error::PublishError;

/// The folder of public keys.
pub const KEYS: &str = "keys";

/// The folder of a client's log, beside the folders of its runs.
pub const LOG: &str = "log";

/// A kind of published file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// `CLIENT/RUN/leaves.bin`
    Leaves,
    /// `CLIENT/RUN/statement.json`
    Statement,
    /// `CLIENT/RUN/statement.json.sig`
    SshSignature,
    /// `CLIENT/RUN/cert.dsse.json`
    Envelope,
    /// `CLIENT/RUN/cert.tlog-proof`
    LogProof,
    /// `CLIENT/RUN/certificate.html`
    Html,
    /// `CLIENT/RUN/certificate.pdf`
    Pdf,
    /// `CLIENT/log/checkpoint`
    Checkpoint,
    /// `CLIENT/log/checkpoint.tsr`
    TimeStamp,
    /// `CLIENT/log/cosigned/SIZE-KEYID`: a head as a witness cosigned it
    Cosigned,
    /// `CLIENT/log/stamped/SIZE.checkpoint`: a head as the log signed it, which a time stamp covers
    Stamped,
    /// `CLIENT/log/stamped/SIZE.tsr`
    Stamp,
    /// `CLIENT/log/tile/…`
    Tile,
    /// `CLIENT/log/entry/INDEX`: an entry behind the last full tile
    Entry,
    /// `keys/NAME.pub.pem`
    PublicKey,
    /// `keys/tsa-root.pem`
    StampRoot,
    /// `keys/allowed_signers`
    AllowedSigners,
    /// `CLIENT/log/policy.txt`
    Policy,
}

impl Kind {
    /// The kind of the file at `path`, or `None` if no such file is ever published.
    pub fn of(path: &str) -> Option<Self> {
        let parts: Vec<&str> = path.split('/').collect();
        if !parts.iter().all(|part| is_safe(part)) {
            return None;
        }
        match *parts.as_slice() {
            [KEYS, "allowed_signers"] => Some(Self::AllowedSigners),
            [KEYS, "tsa-root.pem"] => Some(Self::StampRoot),
            [KEYS, name] => is_public_key(name).then_some(Self::PublicKey),
            [KEYS, ..] => None,
            [_, LOG, ref in_log @ ..] => of_log(in_log),
            [_, _, file] => of_run(file),
            _ => None,
        }
    }

    /// Whether a file of this kind is replaced in the course of time.
    pub const fn is_replaced(self) -> bool {
        match self {
            Self::Checkpoint
            | Self::TimeStamp
            | Self::StampRoot
            | Self::AllowedSigners
            | Self::Policy => true,
            Self::Leaves
            | Self::Statement
            | Self::SshSignature
            | Self::Envelope
            | Self::LogProof
            | Self::Html
            | Self::Pdf
            | Self::Cosigned
            | Self::Stamped
            | Self::Stamp
            | Self::Tile
            | Self::Entry
            | Self::PublicKey => false,
        }
    }

    /// The media type under which a server hands the file out.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Leaves | Self::Tile => "application/octet-stream",
            Self::Statement | Self::Entry => "application/vnd.in-toto+json",
            Self::Envelope => "application/json",
            Self::Html => "text/html; charset=utf-8",
            Self::Pdf => "application/pdf",
            Self::TimeStamp | Self::Stamp => "application/timestamp-reply",
            Self::PublicKey | Self::StampRoot => "application/x-pem-file",
            Self::SshSignature
            | Self::LogProof
            | Self::Checkpoint
            | Self::Cosigned
            | Self::Stamped
            | Self::AllowedSigners
            | Self::Policy => "text/plain; charset=utf-8",
        }
    }

    /// The kind of a file that is to be written once.
    pub(super) fn to_put(path: &str) -> Result<Self, PublishError> {
        Self::of(path).ok_or_else(|| PublishError::NotOurs {
            path: path.to_owned(),
        })
    }

    /// The kind of a file that is to be replaced.
    pub(super) fn to_replace(path: &str) -> Result<Self, PublishError> {
        let kind = Self::to_put(path)?;
        if !kind.is_replaced() {
            return Err(PublishError::NotReplaced {
                path: path.to_owned(),
            });
        }
        Ok(kind)
    }
}

fn of_run(file: &str) -> Option<Kind> {
    match file {
        "leaves.bin" => Some(Kind::Leaves),
        "statement.json" => Some(Kind::Statement),
        "statement.json.sig" => Some(Kind::SshSignature),
        "cert.dsse.json" => Some(Kind::Envelope),
        "cert.tlog-proof" => Some(Kind::LogProof),
        "certificate.html" => Some(Kind::Html),
        "certificate.pdf" => Some(Kind::Pdf),
        _ => None,
    }
}

/// The layout of C2SP tlog-tiles below the log's own checkpoint.
fn of_log(parts: &[&str]) -> Option<Kind> {
    match parts {
        ["policy.txt"] => Some(Kind::Policy),
        ["checkpoint"] => Some(Kind::Checkpoint),
        ["checkpoint.tsr"] => Some(Kind::TimeStamp),
        ["cosigned", name] => is_cosigned(name).then_some(Kind::Cosigned),
        ["stamped", name] => of_stamped(name),
        ["entry", index] => is_index(index).then_some(Kind::Entry),
        ["tile", level, rest @ ..] => {
            let is_level = *level == "entries" || is_number(level, 2);
            (is_level && is_tile_index(rest)).then_some(Kind::Tile)
        }
        _ => None,
    }
}

/// `42-1a2b3c4d`: the head's size and the id of the witness's key.
fn is_cosigned(name: &str) -> bool {
    let is_id = |id: &str| {
        let is_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        id.len() == 8 && id.bytes().all(is_hex)
    };
    name.split_once('-')
        .is_some_and(|(size, id)| is_number(size, 20) && is_id(id))
}

/// `42.checkpoint`, `42.tsr`.
fn of_stamped(name: &str) -> Option<Kind> {
    let (size, end) = name.split_once('.')?;
    match end {
        _ if !is_number(size, 20) => None,
        "checkpoint" => Some(Kind::Stamped),
        "tsr" => Some(Kind::Stamp),
        _ => None,
    }
}

/// `42`, written in one way only.
fn is_index(text: &str) -> bool {
    is_number(text, 20) && (text == "0" || !text.starts_with('0'))
}

/// `067`, `x001/x234/067`, `x001/067.p/12`.
fn is_tile_index(parts: &[&str]) -> bool {
    let is_group = |text: &str| text.len() == 3 && is_number(text, 3);
    let is_outer = |text: &&str| text.strip_prefix('x').is_some_and(is_group);
    match parts {
        [outer @ .., group, width] if group.contains('.') => {
            group.strip_suffix(".p").is_some_and(is_group)
                && is_number(width, 3)
                && outer.iter().all(is_outer)
        }
        [outer @ .., group] => is_group(group) && outer.iter().all(is_outer),
        [] => false,
    }
}

fn is_number(text: &str, longest: usize) -> bool {
    (1..=longest).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_public_key(name: &str) -> bool {
    name.strip_suffix(".pub.pem")
        .is_some_and(|name| !name.is_empty())
}

/// Names of clients and runs are written in these bytes; nothing hidden, nothing that leads out.
fn is_safe(part: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"._-%".contains(&byte);
    !part.is_empty() && !part.starts_with('.') && part.len() <= 255 && part.bytes().all(fits)
}

#[cfg(test)]
mod tests {
    use super::Kind;

    const KNOWN: &[(&str, Kind)] = &[
        ("own/0193536c/leaves.bin", Kind::Leaves),
        ("own/0193536c/statement.json", Kind::Statement),
        ("own/0193536c/statement.json.sig", Kind::SshSignature),
        ("%E6%9C%9F/0193536c/cert.dsse.json", Kind::Envelope),
        ("own/0193536c/cert.tlog-proof", Kind::LogProof),
        ("own/0193536c/certificate.html", Kind::Html),
        ("own/0193536c/certificate.pdf", Kind::Pdf),
        ("own/log/checkpoint", Kind::Checkpoint),
        ("own/log/checkpoint.tsr", Kind::TimeStamp),
        ("own/log/cosigned/42-1a2b3c4d", Kind::Cosigned),
        ("own/log/stamped/42.checkpoint", Kind::Stamped),
        ("own/log/stamped/42.tsr", Kind::Stamp),
        ("own/log/entry/0", Kind::Entry),
        ("own/log/entry/1234", Kind::Entry),
        ("own/log/tile/0/000", Kind::Tile),
        ("own/log/tile/entries/x001/x234/067", Kind::Tile),
        ("own/log/tile/1/x001/067.p/12", Kind::Tile),
        ("own/log/tile/entries/000.p/255", Kind::Tile),
        ("keys/certificate.pub.pem", Kind::PublicKey),
        ("keys/34750f98bd59fcfc.pub.pem", Kind::PublicKey),
        ("keys/tsa-root.pem", Kind::StampRoot),
        ("keys/allowed_signers", Kind::AllowedSigners),
        ("own/log/policy.txt", Kind::Policy),
    ];

    #[test]
    fn what_is_published_has_a_kind() {
        for (path, kind) in KNOWN {
            assert_eq!(Kind::of(path), Some(*kind), "{path}");
            assert!(!kind.content_type().is_empty());
        }
    }

    #[test]
    fn what_is_never_published_has_none() {
        for path in [
            "",
            "/",
            "leaves.bin",
            "policy.txt",
            "own/leaves.bin",
            "/own/0193536c/leaves.bin",
            "own//leaves.bin",
            "own/../leaves.bin",
            "own/./leaves.bin",
            "own/.hidden/leaves.bin",
            "own/0193536c/further/leaves.bin",
            "own/0193536c/journal.db",
            "own/0193536c/run.key",
            "own\\0193536c/a/leaves.bin",
            "期限/0193536c/leaves.bin",
            "keys/keyring.toml",
            "keys/.pub.pem",
            "keys/certificate.pem",
            "keys/a/leaves.bin",
            "keys/log/checkpoint",
            "own/log/leaves.bin",
            "own/log/cosigned/42",
            "own/log/cosigned/42-1a2b3c4D",
            "own/log/cosigned/-1a2b3c4d",
            "own/log/stamped/42",
            "own/log/stamped/x.tsr",
            "own/log/stamped/42.tsr/1",
            "own/log/entry",
            "own/log/entry/007",
            "own/log/entry/7/1",
            "own/log/entry/x",
            "own/log/tile",
            "own/log/tile/0",
            "own/log/tile/0/0000",
            "own/log/tile/0/001/067",
            "own/log/tile/0/067.p",
            "own/log/tile/0/067.p/0/1",
            "own/log/tile/123/067",
            "ledger.db",
            "own/0193536c/leaves.bin\n",
        ] {
            assert_eq!(Kind::of(path), None, "{path}");
        }
    }

    #[test]
    fn only_heads_are_replaced() {
        let replaced: Vec<Kind> = KNOWN
            .iter()
            .map(|(_, kind)| *kind)
            .filter(|kind| kind.is_replaced())
            .collect();
        let heads = [
            Kind::Checkpoint,
            Kind::TimeStamp,
            Kind::StampRoot,
            Kind::AllowedSigners,
            Kind::Policy,
        ];
        assert_eq!(replaced, heads);
        assert!(Kind::to_replace("own/0193536c/leaves.bin").is_err());
        assert!(Kind::to_put("ledger.db").is_err());
    }
}
