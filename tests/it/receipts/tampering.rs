//! What can be done to a receipt. Each is refused by kigen and by the script.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kigen_evidence::log::checkpoint::Checkpoint;
use kigen_evidence::log::proof::LogProof;

use super::{LOG, RUN, Scene, log_key, secret};

/// A receipt and the same receipt of another record or person of the same run.
struct Pair {
    scene: Scene,
    good: String,
    other: String,
}

/// Its name, and what it makes of a receipt.
type Tampering = (&'static str, fn(&Pair) -> String);

fn lines(pair: &Pair) -> Vec<String> {
    pair.good.split('\n').map(str::to_owned).collect()
}

fn with_line(pair: &Pair, place: usize, line: &str) -> String {
    let mut lines = lines(pair);
    line.clone_into(&mut lines[place]);
    lines.join("\n")
}

/// The receipt with another opening.
fn with_extra(pair: &Pair, change: impl Fn(&mut Vec<u8>)) -> String {
    let mut proof: LogProof = pair.good.parse().unwrap();
    change(proof.extra.as_mut().unwrap());
    proof.to_string()
}

/// The receipt with another path.
fn with_path(pair: &Pair, change: impl Fn(&mut Vec<[u8; 32]>)) -> String {
    let mut proof: LogProof = pair.good.parse().unwrap();
    change(&mut proof.path);
    proof.to_string()
}

/// The receipt under another checkpoint, signed for real.
fn with_checkpoint(pair: &Pair, checkpoint: &Checkpoint, seed: u8) -> String {
    let note = checkpoint.sign(&log_key(seed), &secret(seed)).unwrap();
    let (start, _) = pair.good.split_once("\n\n").unwrap();
    format!("{start}\n\n{note}")
}

fn replaced(pair: &Pair, from: &str, to: &str) -> String {
    assert!(pair.good.contains(from), "{from}");
    pair.good.replacen(from, to, 1)
}

fn index(pair: &Pair) -> u64 {
    pair.good.parse::<LogProof>().unwrap().index
}

/// Flips a bit of the last line's base64 behind its key id.
fn with_signature(pair: &Pair, place: usize) -> String {
    let lines = lines(pair);
    let line = &lines[lines.len() - 2];
    let (start, signature) = line.rsplit_once(' ').unwrap();
    let mut bytes = STANDARD.decode(signature).unwrap();
    bytes[place] ^= 1;
    let line = format!("{start} {}", STANDARD.encode(bytes));
    with_line(pair, lines.len() - 2, &line)
}

fn of_any() -> Vec<Tampering> {
    vec![
        ("another index", |pair| {
            let other = format!("index {}", index(pair) ^ 1);
            with_line(pair, 2, &other)
        }),
        ("an index beyond the tree", |pair| {
            with_line(pair, 2, "index 123")
        }),
        ("an index written in another way", |pair| {
            with_line(pair, 2, &format!("index 0{}", index(pair)))
        }),
        ("two indexes", |pair| {
            replaced(pair, "\nindex ", "\nindex 5\nindex ")
        }),
        ("another salt", |pair| {
            with_extra(pair, |extra| extra[0] ^= 1)
        }),
        ("another client", |pair| {
            with_extra(pair, |extra| extra[36] = b'p')
        }),
        ("an opening that was cut", |pair| {
            with_extra(pair, |extra| extra.truncate(extra.len() - 1))
        }),
        ("an opening with something behind it", |pair| {
            with_extra(pair, |extra| extra.push(0))
        }),
        ("the opening of another leaf", |pair| {
            let other: LogProof = pair.other.parse().unwrap();
            with_extra(pair, |extra| {
                extra.clone_from(other.extra.as_ref().unwrap())
            })
        }),
        ("no opening", |pair| {
            let mut lines = lines(pair);
            lines.remove(1);
            lines.join("\n")
        }),
        ("two openings", |pair| {
            let extra = lines(pair)[1].clone();
            replaced(pair, "\nindex ", &format!("\n{extra}\nindex "))
        }),
        ("an opening that is no base64", |pair| {
            let extra = lines(pair)[1].clone();
            with_line(pair, 1, &format!("{extra}*"))
        }),
        ("a hash of the path altered", |pair| {
            with_path(pair, |path| path[3][5] ^= 1)
        }),
        ("a hash of the path left out", |pair| {
            with_path(pair, |path| path.truncate(path.len() - 1))
        }),
        ("a hash added to the path", |pair| {
            with_path(pair, |path| path.push([0; 32]))
        }),
        ("two hashes of the path exchanged", |pair| {
            with_path(pair, |path| path.swap(0, 1))
        }),
        ("a hash of the path that is too short", |pair| {
            with_line(pair, 3, &STANDARD.encode([7; 31]))
        }),
        ("another root", |pair| {
            let root = STANDARD.encode([7; 32]);
            let place = lines(pair).iter().position(|line| line == "123");
            with_line(pair, place.unwrap() + 1, &root)
        }),
        ("another size", |pair| replaced(pair, "\n123\n", "\n122\n")),
        ("another run", |pair| {
            replaced(pair, "/run/0193", "/run/0194")
        }),
        ("the signature altered", |pair| with_signature(pair, 40)),
        ("the signature of an unknown key", |pair| {
            with_signature(pair, 0)
        }),
        ("the signature of another key of that name", |pair| {
            with_checkpoint(pair, &pair.scene.checkpoint(RUN), 2)
        }),
        ("no signature", |pair| {
            let mut lines = lines(pair);
            lines.remove(lines.len() - 2);
            lines.join("\n")
        }),
        ("the checkpoint of another tree", |pair| {
            let other = Checkpoint::new(RUN, 123, [7; 32]).unwrap();
            with_checkpoint(pair, &other, 1)
        }),
        ("the same tree under the name of the log", |pair| {
            with_checkpoint(pair, &pair.scene.checkpoint(LOG), 1)
        }),
        ("the same tree as a run of another log", |pair| {
            let other = "certs.example.com/other/run/1";
            with_checkpoint(pair, &pair.scene.checkpoint(other), 1)
        }),
        ("a fourth line of the checkpoint", |pair| {
            let note = pair.scene.note().to_string();
            let text = note.split("\n\n").next().unwrap();
            replaced(pair, text, &format!("{text}\nextension"))
        }),
        ("another format", |pair| {
            replaced(pair, "proof@v1", "proof@v2")
        }),
        ("line ends of another system", |pair| {
            pair.good.replace('\n', "\r\n")
        }),
        ("the last line end left out", |pair| {
            pair.good.trim_end().to_owned()
        }),
        ("a line behind the last", |pair| format!("{}\n", pair.good)),
        ("a last line that is no signature", |pair| {
            format!("{}deleted on time\n", pair.good)
        }),
        ("a zero byte", |pair| {
            replaced(pair, "\nindex ", "\n\0index ")
        }),
        ("nothing but a note", |pair| pair.scene.note().to_string()),
        ("nothing", |_| String::new()),
    ]
}

fn of_records() -> Vec<Tampering> {
    vec![
        ("another key of the record", |pair| {
            with_extra(pair, |extra| {
                let digit = extra.windows(7).position(|part| part == b"1000004");
                extra[digit.unwrap() + 6] = b'5';
            })
        }),
        ("another occurrence", |pair| {
            with_extra(pair, |extra| *extra.last_mut().unwrap() = 1)
        }),
    ]
}

fn of_persons() -> Vec<Tampering> {
    vec![
        ("another person", |pair| {
            with_extra(pair, |extra| {
                let place = extra.len() - 9;
                assert_eq!(extra[place], b'2');
                extra[place] = b'1';
            })
        }),
        ("another count", |pair| {
            with_extra(pair, |extra| *extra.last_mut().unwrap() = 13)
        }),
    ]
}

fn check(pair: &Pair, tamperings: &[Tampering]) {
    let pem = pair.scene.pem(1);
    // All targets that the run has; more would take the script longer and find no more.
    let targets = ["--targets", "2"];
    pair.scene.ours(&pair.good).unwrap();
    let output = pair.scene.script(&targets, pair.good.as_bytes(), &[&pem]);
    assert!(output.status.success(), "{}", super::said(&output));
    for (name, tamper) in tamperings {
        let tampered = tamper(pair);
        assert_ne!(tampered, pair.good, "{name}");
        assert!(pair.scene.ours(&tampered).is_err(), "kigen accepts {name}");
        let output = pair.scene.script(&targets, tampered.as_bytes(), &[&pem]);
        let said = super::said(&output);
        assert_eq!(output.status.code(), Some(1), "{name}: {said}");
        assert!(said.starts_with("not proven: "), "{name}: {said}");
    }
}

#[test]
fn a_tampered_receipt_of_a_record_is_refused_by_kigen_and_by_the_script() {
    let mut scene = Scene::new();
    let (good, other) = (scene.record(4), scene.record(5));
    let pair = Pair { scene, good, other };
    let tamperings = [of_any(), of_records()].concat();
    assert!(tamperings.len() >= 20);
    check(&pair, &tamperings);
}

#[test]
fn a_tampered_receipt_of_a_person_is_refused_by_kigen_and_by_the_script() {
    let mut scene = Scene::new();
    let (good, other) = (scene.person(2), scene.person(1));
    let pair = Pair { scene, good, other };
    let tamperings = [of_any(), of_persons()].concat();
    assert!(tamperings.len() >= 20);
    check(&pair, &tamperings);
}

#[test]
fn a_receipt_under_the_key_of_another_log_is_refused() {
    let mut scene = Scene::new();
    let good = scene.record(4);
    let output = scene.script(&[], good.as_bytes(), &[&scene.pem(2)]);
    let said = super::said(&output);
    assert!(said.contains("is not signed with the key in"), "{said}");
    let keys = [log_key(2)];
    let heads = kigen_evidence::receipt::Heads::DEFAULT;
    assert!(kigen_evidence::receipt::verify(&good, &keys, heads).is_err());
}

#[test]
fn a_witness_beside_the_log_changes_nothing() {
    let mut scene = Scene::new();
    let good = scene.record(4);
    let line = "— client.example.jp/witness AAAAAAAAAAAAAAAAAAAAAA==\n";
    let (start, end) = good.rsplit_once("— ").unwrap();
    for text in [format!("{good}{line}"), format!("{start}{line}— {end}")] {
        scene.ours(&text).unwrap();
        let output = scene.script(&[], text.as_bytes(), &[&scene.pem(1)]);
        assert!(output.status.success(), "{}", super::said(&output));
    }
}
