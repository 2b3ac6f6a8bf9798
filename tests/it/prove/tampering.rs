//! What can be done to a receipt that the command has issued; the issuer's own signatures included.

use std::fs;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kigen::exit;
use kigen::keyring::Keyring;
use kigen_evidence::log::checkpoint::Checkpoint;
use kigen_evidence::log::proof::LogProof;
use kigen_evidence::log::vkey::{KeyType, NoteKey};

use crate::scene::Scene;

use super::{both_accept, prove, removed, said, script, verify};

/// Two receipts of the same certificate, and the key that signed them.
struct Pair {
    good: String,
    other: String,
    keyring: Keyring,
}

/// Its name, and what it makes of a receipt.
type Tampering = (&'static str, fn(&Pair) -> String);

impl Pair {
    fn lines(&self) -> Vec<String> {
        self.good.split('\n').map(str::to_owned).collect()
    }

    fn with_line(&self, place: usize, line: &str) -> String {
        let mut lines = self.lines();
        line.clone_into(&mut lines[place]);
        lines.join("\n")
    }

    fn proof(&self) -> LogProof {
        self.good.parse().unwrap()
    }

    fn with(&self, change: impl Fn(&mut LogProof)) -> String {
        let mut proof = self.proof();
        change(&mut proof);
        proof.to_string()
    }

    fn with_extra(&self, change: impl Fn(&mut Vec<u8>)) -> String {
        self.with(|proof| change(proof.extra.as_mut().unwrap()))
    }

    /// The place of the checkpoint's first line.
    fn checkpoint_at(&self) -> usize {
        self.lines().iter().position(String::is_empty).unwrap() + 1
    }

    fn checkpoint(&self) -> Checkpoint {
        let at = self.checkpoint_at();
        let text = self.lines()[at..at + 3].join("\n") + "\n";
        text.parse().unwrap()
    }

    /// Another checkpoint, signed with the log's own key under the name `log`.
    fn signed(&self, log: &str, checkpoint: &Checkpoint) -> String {
        let secret = self.keyring.log_key().unwrap();
        let key = NoteKey::new(log, KeyType::Note, secret.verifying_key()).unwrap();
        let note = checkpoint.sign(&key, secret).unwrap();
        self.with(|proof| proof.checkpoint = note.clone())
    }

    fn log(&self) -> String {
        let origin = self.checkpoint().origin().to_owned();
        origin.rsplit_once("/run/").unwrap().0.to_owned()
    }

    fn signature(&self, place: usize) -> String {
        let at = self.lines().len() - 2;
        let line = self.lines()[at].clone();
        let (start, signature) = line.rsplit_once(' ').unwrap();
        let mut bytes = STANDARD.decode(signature).unwrap();
        bytes[place] ^= 1;
        self.with_line(at, &format!("{start} {}", STANDARD.encode(bytes)))
    }
}

fn tamperings() -> Vec<Tampering> {
    vec![
        ("another index", |pair| pair.with(|proof| proof.index ^= 1)),
        ("an index beyond the tree", |pair| {
            pair.with(|proof| proof.index += 100)
        }),
        ("an index written in another way", |pair| {
            let index = pair.proof().index;
            pair.with_line(2, &format!("index 0{index}"))
        }),
        ("another salt", |pair| {
            pair.with_extra(|extra| extra[31] ^= 1)
        }),
        ("another client", |pair| {
            pair.with_extra(|extra| extra[36] ^= 1)
        }),
        ("another key of the record", |pair| {
            pair.with_extra(|extra| {
                let at = extra.len() - 5;
                assert!(extra[at].is_ascii_digit());
                extra[at] = b'9';
            })
        }),
        ("another occurrence", |pair| {
            pair.with_extra(|extra| *extra.last_mut().unwrap() = 1)
        }),
        ("an opening that was cut", |pair| {
            pair.with_extra(|extra| extra.truncate(extra.len() - 1))
        }),
        ("an opening with something behind it", |pair| {
            pair.with_extra(|extra| extra.push(0))
        }),
        ("the opening of another record", |pair| {
            let other: LogProof = pair.other.parse().unwrap();
            pair.with(|proof| proof.extra.clone_from(&other.extra))
        }),
        ("the path of another record", |pair| {
            let other: LogProof = pair.other.parse().unwrap();
            pair.with(|proof| proof.path.clone_from(&other.path))
        }),
        ("no opening", |pair| pair.with(|proof| proof.extra = None)),
        ("two openings", |pair| {
            let extra = &pair.lines()[1];
            pair.with_line(1, &format!("{extra}\n{extra}"))
        }),
        ("a hash of the path altered", |pair| {
            pair.with(|proof| proof.path[0][5] ^= 1)
        }),
        ("a hash of the path left out", |pair| {
            pair.with(|proof| proof.path.truncate(proof.path.len() - 1))
        }),
        ("a hash added to the path", |pair| {
            pair.with(|proof| proof.path.push([0; 32]))
        }),
        ("two hashes of the path exchanged", |pair| {
            pair.with(|proof| proof.path.swap(0, 1))
        }),
        ("another root", |pair| {
            pair.with_line(pair.checkpoint_at() + 2, &STANDARD.encode([7; 32]))
        }),
        ("another size", |pair| {
            let size = pair.checkpoint().size() + 1;
            pair.with_line(pair.checkpoint_at() + 1, &size.to_string())
        }),
        ("another run", |pair| {
            let origin = pair.checkpoint().origin().replace("/run/", "/run/0");
            pair.with_line(pair.checkpoint_at(), &origin)
        }),
        ("a fourth line of the checkpoint", |pair| {
            let at = pair.checkpoint_at() + 2;
            pair.with_line(at, &format!("{}\nextension", pair.lines()[at]))
        }),
        ("the signature altered", |pair| pair.signature(40)),
        ("the signature of an unknown key", |pair| pair.signature(0)),
        ("no signature", |pair| {
            let mut lines = pair.lines();
            lines.remove(lines.len() - 2);
            lines.join("\n")
        }),
        ("signed: another tree of the same run", |pair| {
            let checkpoint = pair.checkpoint();
            let (origin, size) = (checkpoint.origin(), checkpoint.size());
            let other = Checkpoint::new(origin, size, [7; 32]).unwrap();
            pair.signed(&pair.log(), &other)
        }),
        ("signed: the same tree under the name of the log", |pair| {
            let checkpoint = pair.checkpoint();
            let log = pair.log();
            let other = Checkpoint::new(&log, checkpoint.size(), *checkpoint.root()).unwrap();
            pair.signed(&log, &other)
        }),
        ("signed: the run of another log", |pair| {
            pair.signed("certs.example.com/other", &pair.checkpoint())
        }),
        ("another format", |pair| {
            pair.with_line(0, "c2sp.org/tlog-proof@v2")
        }),
        ("line ends of another system", |pair| {
            pair.good.replace('\n', "\r\n")
        }),
        ("the last line end left out", |pair| {
            pair.good.trim_end().to_owned()
        }),
        ("a line behind the last", |pair| format!("{}\n", pair.good)),
        ("a sentence behind the last line", |pair| {
            format!("{}deleted on time\n", pair.good)
        }),
        ("nothing", |_| String::new()),
    ]
}

fn receipt(scene: &Scene, object: &str, key: &str) -> String {
    let words = ["--cluster", "learner", "--object", object, "--key", key];
    let answer = prove(scene, &words);
    assert_eq!(answer.code, 0, "{}", answer.stderr);
    answer.stdout
}

#[tokio::test]
async fn a_receipt_of_the_command_that_was_tampered_with_is_refused_by_kigen_and_by_the_script() {
    let scene = removed().await;
    let pair = Pair {
        good: receipt(&scene, "learner_contact", "101"),
        other: receipt(&scene, "learner_contact", "102"),
        keyring: Keyring::load(&scene.path("keyring.toml")).unwrap(),
    };
    both_accept(&scene, &pair.good, &["contact_id = 101"]);
    let tamperings = tamperings();
    assert!(tamperings.len() >= 30);
    let file = scene.path("tampered.tlog-proof");
    for (name, tamper) in tamperings {
        let tampered = tamper(&pair);
        assert_ne!(tampered, pair.good, "{name}");
        fs::write(&file, &tampered).unwrap();
        let ours = verify(&scene, &file);
        assert_eq!(
            ours.code,
            i32::from(exit::DOES_NOT_HOLD),
            "{name}: {}",
            ours.stdout
        );
        assert!(
            ours.stderr.starts_with("error: not proven: "),
            "{name}: {}",
            ours.stderr
        );
        let output = script(&scene, &file);
        assert_eq!(output.status.code(), Some(1), "{name}: {}", said(&output));
    }
}
