//! Time stamps: a real authority (`openssl ts -reply`) behind a small HTTP server, and bad ones.

use std::fs;
use std::io::Read;
use std::io::Write;
use std::net::TcpListener;
use std::net::TcpStream;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use kigen::exit;

use crate::scene::Scene;

const LOG: &str = "certificates/own/log";

const OPENSSL: &str = "
[tsa]
default_tsa = one
[one]
serial = ./serial
crypto_device = builtin
signer_cert = ./tsa.pem
certs = ./root.pem
signer_key = ./tsa.key
signer_digest = sha256
default_policy = 1.2.3.4.1
other_policies = 1.2.3.4.5
digests = sha256
accuracy = secs:1
tsa_name = yes
ess_cert_id_chain = no
ess_cert_id_alg = sha256
[req]
distinguished_name = name
prompt = no
[name]
CN = authority of a test
[of_authority]
extendedKeyUsage = critical,timeStamping
keyUsage = critical,digitalSignature
basicConstraints = CA:FALSE
[of_root]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign
";

/// How an authority behaves.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Mood {
    Honest,
    /// Answers with what it answered first.
    Repeats,
    /// Stamps other bytes than it was asked for.
    OtherBytes,
    OtherPolicy,
    Rejects,
    Garbage,
    Status,
    Slow,
    BreaksOff,
    Endless,
}

/// An authority on a port of its own.
struct Tsa {
    folder: tempfile::TempDir,
    port: u16,
    mood: Arc<Mutex<Mood>>,
    asked: Arc<AtomicUsize>,
}

fn openssl(folder: &Path, words: &[&str]) {
    let done = Command::new("openssl")
        .args(words)
        .current_dir(folder)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(done.status.success(), "{words:?}: {said}");
}

impl Tsa {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        fs::write(at.join("tsa.cnf"), OPENSSL).unwrap();
        fs::write(at.join("serial"), "01\n").unwrap();
        let root = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout root.key \
                    -out root.pem -days 2 -config tsa.cnf -extensions of_root";
        let request = "req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout tsa.key \
                       -out tsa.csr -config tsa.cnf";
        let own = "x509 -req -in tsa.csr -CA root.pem -CAkey root.key -CAcreateserial -out tsa.pem \
                   -days 2 -extfile tsa.cnf -extensions of_authority";
        for words in [root, request, own] {
            openssl(at, &words.split_whitespace().collect::<Vec<_>>());
        }
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let mood = Arc::new(Mutex::new(Mood::Honest));
        let asked = Arc::new(AtomicUsize::new(0));
        let (moods, count, at) = (Arc::clone(&mood), Arc::clone(&asked), at.to_owned());
        thread::spawn(move || {
            for stream in listener.incoming() {
                let number = count.fetch_add(1, Ordering::SeqCst);
                let mood = *moods.lock().unwrap();
                let at = at.clone();
                thread::spawn(move || drop(answer(stream.unwrap(), mood, &at, number)));
            }
        });
        Self {
            folder,
            port,
            mood,
            asked,
        }
    }

    fn is(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    fn root(&self) -> PathBuf {
        self.folder.path().join("root.pem")
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    fn configure(&self, scene: &Scene, more: &str) {
        let root = self.root().display().to_string();
        let port = self.port;
        let section = format!(
            "[timestamp]\nurl = \"http://127.0.0.1:{port}/\"\nroot = \"{root}\"\ntimeout-ms = 2000\n{more}\n[jobs]"
        );
        scene.edit("kigen.toml", "[jobs]", &section);
    }
}

fn answer(mut stream: TcpStream, mood: Mood, at: &Path, number: usize) -> std::io::Result<()> {
    let query = request(&mut stream)?;
    match mood {
        Mood::Slow => thread::sleep(Duration::from_secs(8)),
        Mood::BreaksOff => return Ok(()),
        Mood::Status => {
            return stream
                .write_all(b"HTTP/1.1 503 Busy\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
        }
        Mood::Endless => {
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
            for _ in 0..1024 {
                stream.write_all(&[0x30; 4096])?;
            }
            return Ok(());
        }
        _ => {}
    }
    let reply = match mood {
        Mood::Garbage => b"<html>please pay</html>".to_vec(),
        Mood::Rejects => b"\x30\x0e\x30\x0c\x02\x01\x02\x30\x07\x0c\x05quota".to_vec(),
        Mood::Repeats if at.join("first.tsr").exists() => fs::read(at.join("first.tsr"))?,
        _ => reply(at, mood, number, &query)?,
    };
    if !at.join("first.tsr").exists() && mood == Mood::Repeats {
        fs::write(at.join("first.tsr"), &reply)?;
    }
    let head = format!(
        "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: application/timestamp-reply\r\ncontent-length: {}\r\n\r\n",
        reply.len()
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(&reply)
}

/// The body of a request that is what RFC 3161 asks for.
fn request(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let read = stream.read(&mut buffer)?;
        bytes.extend_from_slice(&buffer[..read]);
        let Some(end) = bytes.windows(4).position(|part| part == b"\r\n\r\n") else {
            assert!(read > 0);
            continue;
        };
        let head = String::from_utf8(bytes[..end].to_vec())
            .unwrap()
            .to_lowercase();
        assert!(head.starts_with("post / "), "{head}");
        assert!(
            head.contains("content-type: application/timestamp-query"),
            "{head}"
        );
        let mut lines = head.lines();
        let length = lines.find_map(|line| line.strip_prefix("content-length: "));
        let length: usize = length.unwrap().parse().unwrap();
        if bytes.len() >= end + 4 + length {
            return Ok(bytes[end + 4..].to_vec());
        }
    }
}

/// What the real authority answers.
fn reply(at: &Path, mood: Mood, number: usize, query: &[u8]) -> std::io::Result<Vec<u8>> {
    let (ask, tell) = (format!("{number}.tsq"), format!("{number}.tsr"));
    let mut query = query.to_vec();
    if mood == Mood::OtherBytes {
        // The digest stands behind the algorithm's name.
        let digest = query
            .windows(2)
            .position(|part| part == b"\x04\x20")
            .unwrap();
        query[digest + 2] ^= 1;
    }
    if mood == Mood::OtherPolicy {
        // 1.2.3.4.1 becomes 1.2.3.4.5, which this authority knows too.
        let asked = b"\x06\x04\x2a\x03\x04\x01";
        let policy = query.windows(6).position(|part| part == asked).unwrap();
        query[policy + 5] = 5;
    }
    fs::write(at.join(&ask), &query)?;
    let words = [
        "ts",
        "-reply",
        "-config",
        "tsa.cnf",
        "-queryfile",
        &ask,
        "-out",
        &tell,
    ];
    openssl(at, &words);
    fs::read(at.join(&tell))
}

fn run(scene: &Scene) -> String {
    let run = scene.on_the_day(&["run", "--log", "warn"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    run.stderr
}

fn stamps(scene: &Scene) -> Vec<String> {
    let Ok(files) = fs::read_dir(scene.path(&format!("{LOG}/stamped"))) else {
        return Vec::new();
    };
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

/// Whether stock OpenSSL accepts the stamp of the head over `size` entries.
fn openssl_accepts(scene: &Scene, tsa: &Tsa, size: u64) -> bool {
    let file = |end: &str| scene.path(&format!("{LOG}/stamped/{size}.{end}"));
    let done = Command::new("openssl")
        .args(["ts", "-verify", "-data"])
        .arg(file("checkpoint"))
        .arg("-in")
        .arg(file("tsr"))
        .arg("-CAfile")
        .arg(tsa.root())
        .output();
    done.unwrap().status.success()
}

#[tokio::test]
async fn each_head_gets_one_stamp_that_openssl_verifies() {
    let scene = Scene::sqlite().await;
    let tsa = Tsa::start();
    tsa.configure(&scene, "policy = \"1.2.3.4.5\"\n");
    assert_eq!(run(&scene), "");
    // One for each of the two clients' logs.
    assert_eq!(tsa.asked(), 2);
    assert_eq!(stamps(&scene), ["2.checkpoint", "2.tsr"]);
    assert!(openssl_accepts(&scene, &tsa, 2));
    run(&scene);
    assert_eq!(
        stamps(&scene),
        ["2.checkpoint", "2.tsr", "4.checkpoint", "4.tsr"]
    );
    assert!(openssl_accepts(&scene, &tsa, 4));
    let newest = fs::read(scene.path(&format!("{LOG}/stamped/4.tsr"))).unwrap();
    assert_eq!(
        fs::read(scene.path(&format!("{LOG}/checkpoint.tsr"))).unwrap(),
        newest
    );
    let asked = tsa.asked();
    let again = scene.kigen(&["timestamp", "--format", "json"]);
    assert_eq!(again.code, 0, "{}", again.stderr);
    assert_eq!(again.json()[0]["state"], "stamped-before");
    assert_eq!(tsa.asked(), asked);
    let verified = scene.kigen(&["verify"]);
    assert_eq!(verified.code, 0, "{}", verified.stdout);
    assert!(
        verified
            .stdout
            .contains("a time stamp says that the log had 4 entries at "),
        "{}",
        verified.stdout
    );
}

#[tokio::test]
async fn the_auditors_script_checks_stamps_under_the_root_that_was_handed_over() {
    let scene = Scene::sqlite().await;
    let tsa = Tsa::start();
    tsa.configure(&scene, "");
    run(&scene);
    let keys = scene.path("handed-over");
    fs::create_dir(&keys).unwrap();
    for file in fs::read_dir(scene.path("certificates/keys")).unwrap() {
        let file = file.unwrap();
        let name = file.file_name().into_string().unwrap();
        fs::copy(file.path(), keys.join(name)).unwrap();
    }
    let script = || {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/auditor/verify.sh");
        let output = Command::new("bash")
            .arg(script)
            .arg(scene.path("certificates"))
            .arg(&keys)
            .output()
            .unwrap();
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        (output.status.code(), said)
    };
    let (code, said) = script();
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.contains("own/log/stamped/2.tsr is signed by the authority"),
        "{said}"
    );
    // Under another authority's root nothing holds.
    let other = Tsa::start();
    fs::copy(other.root(), keys.join("tsa-root.pem")).unwrap();
    let (code, said) = script();
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("does not hold under tsa-root.pem"), "{said}");
    fs::remove_file(keys.join("tsa-root.pem")).unwrap();
    let (code, said) = script();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("time stamps were not checked"), "{said}");
}

#[tokio::test]
async fn an_authority_that_fails_stops_no_run_and_its_stamps_are_asked_for_again() {
    let scene = Scene::sqlite().await;
    let tsa = Tsa::start();
    tsa.configure(&scene, "policy = \"1.2.3.4.1\"\n");
    tsa.is(Mood::Status);
    let said = run(&scene);
    assert!(said.contains("time stamps are pending"), "{said}");
    // It was asked once: an outage is not tried for every client.
    assert_eq!(tsa.asked(), 1);
    assert_eq!(stamps(&scene), [""; 0]);
    for (mood, code, why) in [
        (
            Mood::Status,
            exit::STORE_UNREACHABLE,
            "answers with HTTP status 503",
        ),
        (
            Mood::Slow,
            exit::STORE_UNREACHABLE,
            "did not answer within 2 s",
        ),
        (
            Mood::BreaksOff,
            exit::STORE_UNREACHABLE,
            "cannot be reached",
        ),
        (Mood::Endless, exit::STORE_UNREACHABLE, "answers more than"),
        (
            Mood::Garbage,
            exit::DOES_NOT_HOLD,
            "is no RFC 3161 time stamp",
        ),
        (
            Mood::Rejects,
            exit::DOES_NOT_HOLD,
            "rejected the request with status 2: quota",
        ),
        (Mood::OtherBytes, exit::DOES_NOT_HOLD, "is of other bytes"),
        (
            Mood::OtherPolicy,
            exit::DOES_NOT_HOLD,
            "follows the policy 1.2.3.4.5 and not 1.2.3.4.1",
        ),
        (Mood::Repeats, exit::DOES_NOT_HOLD, ""),
    ] {
        tsa.is(mood);
        let answer = scene.kigen(&["timestamp"]);
        if mood == Mood::Repeats {
            // The first client's stamp is right, and the second one's is the first one's again.
            assert!(answer.stdout.contains("stamped at"), "{}", answer.stdout);
            assert!(
                answer.stdout.contains("is of other bytes"),
                "{}",
                answer.stdout
            );
            continue;
        }
        assert_eq!(
            answer.code,
            i32::from(code),
            "{mood:?}: {}{}",
            answer.stdout,
            answer.stderr
        );
        assert!(answer.stdout.contains(why), "{mood:?}: {}", answer.stdout);
        assert_eq!(stamps(&scene), [""; 0], "{mood:?}");
    }
    tsa.is(Mood::Honest);
    let done = scene.kigen(&["timestamp"]);
    assert_eq!(done.code, 0, "{}", done.stdout);
    assert!(openssl_accepts(&scene, &tsa, 2));
    assert_eq!(scene.kigen(&["verify"]).code, 0);
}

#[tokio::test]
async fn verify_notices_a_stamp_of_other_bytes() {
    let scene = Scene::sqlite().await;
    let tsa = Tsa::start();
    tsa.configure(&scene, "");
    run(&scene);
    run(&scene);
    let path = |size: u64| scene.path(&format!("{LOG}/stamped/{size}.tsr"));
    fs::copy(path(2), path(4)).unwrap();
    let verified = scene.kigen(&["verify"]);
    assert_eq!(verified.code, i32::from(exit::DOES_NOT_HOLD));
    assert!(
        verified
            .stdout
            .contains("it is of other bytes than the head beside it"),
        "{}",
        verified.stdout
    );
}

#[tokio::test]
async fn a_section_that_names_no_authority_is_refused() {
    let scene = Scene::sqlite().await;
    let none = scene.kigen(&["timestamp"]);
    assert_eq!(none.code, i32::from(exit::CONFIG_INVALID));
    assert!(
        none.stderr.contains("names no time-stamping authority"),
        "{}",
        none.stderr
    );
    scene.edit(
        "kigen.toml",
        "[jobs]",
        "[timestamp]\nurl = \"ftp://tsa.example.jp\"\nroot = \"kigen.toml\"\npolicy = \"no\"\n[jobs]",
    );
    let answer = scene.kigen(&["check"]);
    assert_eq!(answer.code, i32::from(exit::CONFIG_INVALID));
    for says in ["no URL of the form", "no object identifier"] {
        assert!(answer.stderr.contains(says), "{}", answer.stderr);
    }
    scene.edit("kigen.toml", "policy = \"no\"\n", "");
    let answer = scene.kigen(&["check"]);
    assert!(
        answer.stderr.contains("no certificate in PEM"),
        "{}",
        answer.stderr
    );
}
