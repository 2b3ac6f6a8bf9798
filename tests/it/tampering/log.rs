//! The clients' logs: what was altered, what was taken away, and what the issuer himself rewrites.

use std::fs;
use std::path::{Path, PathBuf};

use kigen::keyring::Keyring;
use kigen_evidence::log::checkpoint::Checkpoint;
use kigen_evidence::log::note::Note;
use kigen_evidence::log::tiles;
use kigen_evidence::log::vkey::{KeyType, NoteKey};
use kigen_evidence::merkle::{Hash, leaf_hash, root_of};

use super::{Published, Tampering, each_is_found};

impl Published {
    fn log(&self) -> PathBuf {
        self.root.join("own/log")
    }

    /// The auditor kept the head of today.
    fn keep_head(&self) {
        let kept = self.kept();
        fs::create_dir_all(&kept).unwrap();
        fs::copy(self.log().join("checkpoint"), kept.join("own")).unwrap();
    }

    fn entries(&self) -> Vec<Vec<u8>> {
        let entry = |index: usize| fs::read(self.log().join(format!("entry/{index}"))).unwrap();
        [0, 1].map(entry).to_vec()
    }

    /// The log as an older kigen published it: partial tiles, each time all entries again.
    fn in_the_older_layout(&self) {
        let log = self.log();
        let entries = self.entries();
        fs::remove_dir_all(log.join("entry")).unwrap();
        for size in [1, 2] {
            let entries = &entries[..size];
            let hashes: Vec<Hash> = entries.iter().map(|entry| leaf_hash(entry)).collect();
            for (tile, bytes) in [
                ("entries", tiles::bundle(entries).unwrap()),
                ("0", hashes.concat()),
            ] {
                let path = log.join(format!("tile/{tile}/000.p/{size}"));
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, bytes).unwrap();
            }
        }
    }

    /// Who holds the log's key writes another log in the place of this one.
    fn rewrite(&self, entries: &[Vec<u8>]) {
        let log = self.log();
        fs::remove_dir_all(log.join("entry")).unwrap();
        fs::create_dir(log.join("entry")).unwrap();
        let hashes: Vec<Hash> = entries.iter().map(|entry| leaf_hash(entry)).collect();
        let size = entries.len();
        for (index, entry) in entries.iter().enumerate() {
            fs::write(log.join(format!("entry/{index}")), entry).unwrap();
        }
        let note: Note = fs::read_to_string(log.join("checkpoint"))
            .unwrap()
            .parse()
            .unwrap();
        let origin = note.text().lines().next().unwrap();
        let head = Checkpoint::new(origin, size as u64, root_of(&hashes)).unwrap();
        let keyring = Keyring::load(&self.scene.path("keyring.toml")).unwrap();
        let secret = keyring.log_key().unwrap();
        let key = NoteKey::new(origin, KeyType::Note, secret.verifying_key()).unwrap();
        let note = head.sign(&key, secret).unwrap();
        fs::write(log.join("checkpoint"), note.to_string()).unwrap();
    }
}

fn flip_last(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let last = bytes.len() - 2;
    bytes[last] ^= 1;
    fs::write(path, bytes).unwrap();
}

const TAMPERINGS: &[Tampering] = &[
    Tampering {
        name: "the head of a log altered",
        does: |published| {
            let path = published.log().join("checkpoint");
            let text = fs::read_to_string(&path).unwrap();
            fs::write(path, text.replacen("\n2\n", "\n1\n", 1)).unwrap();
        },
        kigen: Some("the head of the log does not hold"),
        script: Some("the head of the log is not signed"),
    },
    Tampering {
        name: "the head of a log removed",
        does: |published| fs::remove_file(published.log().join("checkpoint")).unwrap(),
        kigen: Some("the log has no head"),
        script: Some("`log/checkpoint` is missing"),
    },
    Tampering {
        name: "a log removed as a whole",
        does: |published| fs::remove_dir_all(published.log()).unwrap(),
        kigen: Some("the log has no head"),
        script: Some("`log/checkpoint` is missing"),
    },
    Tampering {
        name: "a client hidden as a whole",
        does: |published| fs::remove_dir_all(published.root.join("own")).unwrap(),
        kigen: None,
        script: None,
    },
    Tampering {
        name: "the same, and its head was kept",
        does: |published| {
            published.keep_head();
            fs::remove_dir_all(published.root.join("own")).unwrap();
        },
        kigen: Some("which is not here: the whole log was taken away, or hidden"),
        script: Some("which is not here: the whole log was taken away, or hidden"),
    },
    Tampering {
        name: "the log of another client in the place of a log",
        does: |published| {
            fs::remove_dir_all(published.log()).unwrap();
            super::copy(&published.root.join("kasou-denki/log"), &published.log());
        },
        kigen: Some("is the head of another log"),
        script: Some("the head is that of another log"),
    },
    Tampering {
        name: "an entry of a log altered",
        does: |published| flip_last(&published.log().join("entry/1")),
        kigen: Some("do not have the root that was signed"),
        script: Some("do not have the root that was signed"),
    },
    Tampering {
        name: "an entry of a log removed",
        does: |published| fs::remove_file(published.log().join("entry/1")).unwrap(),
        kigen: Some("is missing: the log is not whole"),
        script: Some("is missing: the log is not whole"),
    },
    Tampering {
        name: "the entries of a log removed",
        does: |published| fs::remove_dir_all(published.log().join("entry")).unwrap(),
        kigen: Some("is missing: the log is not whole"),
        script: Some("is missing: the log is not whole"),
    },
    Tampering {
        name: "a log in the older layout",
        does: Published::in_the_older_layout,
        kigen: None,
        script: None,
    },
    Tampering {
        name: "an entry of a log in the older layout altered",
        does: |published| {
            published.in_the_older_layout();
            flip_last(&published.log().join("tile/entries/000.p/2"));
        },
        kigen: Some("does not hold the hashes of what lies below it"),
        script: Some("do not have the root that was signed"),
    },
    Tampering {
        name: "the hashes of a log altered",
        does: |published| {
            published.in_the_older_layout();
            flip_last(&published.log().join("tile/0/000.p/2"));
        },
        kigen: Some("does not hold the hashes of what lies below it"),
        // It computes them itself.
        script: None,
    },
    Tampering {
        name: "entries altered that were published again since",
        does: |published| {
            published.in_the_older_layout();
            flip_last(&published.log().join("tile/entries/000.p/1"));
        },
        kigen: Some("is not the beginning of what was published later"),
        script: None,
    },
    Tampering {
        name: "the proof beside a certificate removed",
        does: |published| fs::remove_file(published.file("cert.tlog-proof")).unwrap(),
        kigen: Some("cert.tlog-proof` is missing"),
        script: Some("cert.tlog-proof is missing"),
    },
    Tampering {
        name: "the proof beside a certificate taken from another one",
        does: |published| {
            let other = published.runs()[0].join("cert.tlog-proof");
            fs::copy(other, published.file("cert.tlog-proof")).unwrap();
        },
        kigen: Some("does not prove that the certificate is in the log"),
        script: Some("does not prove that the certificate is in the log"),
    },
    Tampering {
        name: "a stranger's key in the policy of a log",
        does: |published| {
            let path = published.log().join("policy.txt");
            let key = super::other_key().verifying_key();
            let key = NoteKey::new("certs.example.com/own", KeyType::Note, key).unwrap();
            let text = fs::read_to_string(&path).unwrap();
            fs::write(path, format!("log {key}\n{text}")).unwrap();
        },
        kigen: Some("policy.txt` names a key that is not trusted"),
        script: Some("policy.txt names a key that KEYDIR does not have"),
    },
    Tampering {
        name: "rewritten by the issuer: a run left out, its certificate too",
        does: |published| {
            fs::remove_dir_all(&published.runs()[1]).unwrap();
            published.rewrite(&published.entries()[..1]);
        },
        // The plan is open, as that of a run that goes on: who kept nothing sees nothing yet.
        kigen: None,
        script: None,
    },
    Tampering {
        name: "the same, and a head was kept",
        does: |published| {
            published.keep_head();
            fs::remove_dir_all(&published.runs()[1]).unwrap();
            published.rewrite(&published.entries()[..1]);
        },
        kigen: Some("you kept a checkpoint over 2 entries, and the log has only 1"),
        script: Some("is over 2 entries, and the log has only 1: it was shortened"),
    },
    Tampering {
        name: "rewritten by the issuer: the end of a run changed, and a head was kept",
        does: |published| {
            published.keep_head();
            let mut entries = published.entries();
            let text = String::from_utf8(entries.pop().unwrap()).unwrap();
            let place = text.find("\"organization\":\"").unwrap() + "\"organization\":\"".len();
            let mut text = text;
            text.insert(place, '新');
            entries.push(text.into_bytes());
            published.rewrite(&entries);
        },
        kigen: Some("its history was rewritten"),
        script: Some("its history was rewritten"),
    },
    Tampering {
        name: "rewritten by the issuer: a certificate without a plan before it",
        does: |published| {
            let mut entries = published.entries();
            entries.remove(0);
            published.rewrite(&entries);
        },
        kigen: Some("one was left out or added"),
        script: Some("one was left out or added"),
    },
    Tampering {
        name: "rewritten by the issuer: an old plan that nothing closes",
        does: |published| {
            let entries = published.entries();
            let mut plan: serde_json::Value = serde_json::from_slice(&entries[0]).unwrap();
            plan["predicate"]["recordedAt"] = "2020-01-01T00:00:00Z".into();
            let plan = serde_json::to_vec(&plan).unwrap();
            published.rewrite(&[plan, entries[0].clone()]);
        },
        kigen: Some("and nothing closes it: what the run did is concealed"),
        script: Some("and nothing closes it: what the run did is concealed"),
    },
];

#[tokio::test]
async fn tampering_with_a_log_is_found() {
    each_is_found(TAMPERINGS).await;
}
