//! An authority: `openssl ts -reply` behind a small HTTP server, in many moods.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use std::{fs, thread};

use crate::scene::Scene;

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
pub(super) enum Mood {
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
pub(super) struct Tsa {
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
    pub(super) fn start() -> Self {
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

    pub(super) fn is(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    pub(super) fn root(&self) -> PathBuf {
        self.folder.path().join("root.pem")
    }

    pub(super) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    pub(super) fn configure(&self, scene: &Scene, more: &str) {
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
