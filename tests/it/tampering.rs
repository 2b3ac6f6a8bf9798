//! Each way of tampering with what was published, and who finds it: `kigen verify`, and the
//! auditor's script, which uses stock tools only. `scripts/auditor/README.md` has the same table.

mod issuer;
mod leaves;
mod log;
mod place;
mod signatures;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use ed25519_dalek::SigningKey;
use kigen_evidence::{dsse, sshsig};
use serde_json::Value;

use crate::scene::Scene;

/// One way of tampering.
struct Tampering {
    /// As the auditor's README calls it.
    name: &'static str,
    does: fn(&Published),
    /// A piece of the sentence in which `kigen verify` says it; `None`: it does not see it.
    kigen: Option<&'static str>,
    /// The same of the script.
    script: Option<&'static str>,
}

/// A copy of everything that a real run published, and the keys that an auditor has of it.
struct Published {
    scene: Scene,
    root: PathBuf,
    keys: PathBuf,
}

impl Published {
    async fn by_a_real_run() -> Self {
        let scene = Scene::sqlite().await;
        let run = scene.on_the_day(&["run"]);
        assert_eq!(run.code, 0, "{}", run.stderr);
        let (root, keys) = (scene.path("certificates"), scene.path("auditor"));
        fs::create_dir(&keys).unwrap();
        let mut signers = fs::read_to_string(root.join("keys/allowed_signers")).unwrap();
        for file in fs::read_dir(root.join("keys")).unwrap() {
            let file = file.unwrap().path();
            if file.extension().is_some_and(|end| end == "pem") {
                fs::copy(&file, keys.join(file.file_name().unwrap())).unwrap();
            }
        }
        // A second key of the issuer, whose private half the tests have: for what he signs falsely.
        fs::write(keys.join("second.pem"), pem(&issuer_key())).unwrap();
        signers.push_str(&signer(&issuer_key()));
        fs::write(keys.join("allowed_signers"), signers).unwrap();
        Self { scene, root, keys }
    }

    /// The folders of the two certificates.
    fn runs(&self) -> [PathBuf; 2] {
        ["kasou-denki", "own"].map(|client| {
            let runs = fs::read_dir(self.root.join(client)).unwrap();
            let mut runs = runs.map(|run| run.unwrap().path());
            runs.find(|run| !run.ends_with("log")).unwrap()
        })
    }

    /// Where the auditor keeps heads of logs.
    fn kept(&self) -> PathBuf {
        self.scene.path("kept")
    }

    fn kept_heads(&self) -> Vec<PathBuf> {
        let Ok(kept) = fs::read_dir(self.kept()) else {
            return Vec::new();
        };
        kept.map(|file| file.unwrap().path()).collect()
    }

    /// A file of the certificate that is tampered with.
    fn file(&self, name: &str) -> PathBuf {
        self.runs()[1].join(name)
    }

    fn alter(&self, name: &str, alter: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = fs::read(self.file(name)).unwrap();
        let before = bytes.clone();
        alter(&mut bytes);
        assert_ne!(bytes, before, "{name}");
        fs::write(self.file(name), bytes).unwrap();
    }

    /// The issuer himself signs something that is not so.
    fn sign_falsely(&self, alter: impl FnOnce(&mut Value)) {
        let statement = fs::read(self.file("statement.json")).unwrap();
        let mut statement: Value = serde_json::from_slice(&statement).unwrap();
        alter(&mut statement);
        self.publish(&serde_json::to_vec(&statement).unwrap());
    }

    /// The three files of a statement that the issuer signs with his second key.
    fn publish(&self, payload: &[u8]) {
        let envelope = dsse::sign(payload, &issuer_key()).unwrap();
        let signature = sshsig::sign(payload, &issuer_key());
        fs::write(self.file("statement.json"), payload).unwrap();
        fs::write(self.file("cert.dsse.json"), envelope).unwrap();
        fs::write(self.file("statement.json.sig"), signature).unwrap();
    }

    /// What `kigen verify` says, and whether everything holds.
    fn ask_kigen(&self) -> (bool, String) {
        let mut words = vec!["verify".to_owned(), self.root.display().to_string()];
        for file in fs::read_dir(&self.keys).unwrap() {
            let file = file.unwrap().path();
            if file.extension().is_some_and(|end| end == "pem") {
                let name = file.file_name().unwrap().to_string_lossy();
                let of_log = name.starts_with("log-");
                let option = if of_log { "--log-key" } else { "--key" };
                words.extend([option.to_owned(), file.display().to_string()]);
            }
        }
        for file in self.kept_heads() {
            words.extend(["--checkpoint".to_owned(), file.display().to_string()]);
        }
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let answer = self.scene.kigen(&words);
        let holds = answer.code == i32::from(kigen::exit::DONE);
        assert!(
            holds || answer.code == i32::from(kigen::exit::DOES_NOT_HOLD),
            "{}",
            answer.stderr
        );
        (holds, answer.stdout)
    }

    /// What the script says, and whether everything holds.
    fn ask_script(&self) -> (bool, String) {
        self.ask_script_with("LC_ALL", "C")
    }

    /// The same, with a variable of its environment set.
    fn ask_script_with(&self, name: &str, value: &str) -> (bool, String) {
        let kept = self.kept_heads();
        let mut arguments: Vec<&Path> = vec![&self.root, &self.keys];
        arguments.extend(kept.iter().map(PathBuf::as_path));
        let output = script(&arguments).env(name, value).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let code = output.status.code();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(code == Some(0) || code == Some(1), "{said}{errors}");
        (code == Some(0), said)
    }
}

fn script(arguments: &[&Path]) -> Command {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/auditor/verify.sh");
    let mut command = Command::new(script);
    command.args(arguments);
    command
}

fn issuer_key() -> SigningKey {
    SigningKey::from_bytes(&[9; 32])
}

/// A key that nobody trusts.
fn other_key() -> SigningKey {
    SigningKey::from_bytes(&[8; 32])
}

fn pem(key: &SigningKey) -> String {
    kigen_evidence::public_key::to_pem(&key.verifying_key()).unwrap()
}

fn signer(key: &SigningKey) -> String {
    use base64::Engine;
    let mut bytes = b"\0\0\0\x0bssh-ed25519\0\0\0\x20".to_vec();
    bytes.extend_from_slice(key.verifying_key().as_bytes());
    let text = base64::engine::general_purpose::STANDARD.encode(bytes);
    let namespace = sshsig::NAMESPACE;
    format!("second@example.com namespaces=\"{namespace}\" ssh-ed25519 {text}\n")
}

/// Tampers in each of the ways, one after the other, each with a fresh copy.
async fn each_is_found(tamperings: &[Tampering]) {
    let published = Published::by_a_real_run().await;
    let untouched = published.scene.path("untouched");
    copy(&published.root, &untouched);
    for tampering in tamperings {
        fs::remove_dir_all(&published.root).unwrap();
        copy(&untouched, &published.root);
        if published.kept().exists() {
            fs::remove_dir_all(published.kept()).unwrap();
        }
        (tampering.does)(&published);
        let answers = [
            ("kigen verify", published.ask_kigen(), tampering.kigen),
            ("verify.sh", published.ask_script(), tampering.script),
        ];
        for (who, (holds, said), expected) in answers {
            let name = tampering.name;
            let Some(expected) = expected else {
                assert!(
                    holds,
                    "{name}: {who} finds it, the table says it does not: {said}"
                );
                continue;
            };
            let fails: Vec<&str> = said.lines().filter(|line| line.contains("FAILS")).collect();
            let is_found = fails.iter().any(|line| line.contains(expected));
            assert!(!holds && is_found, "{name}: {who} says {fails:#?}");
        }
        is_documented(tampering);
    }
}

/// The auditor's README says of each who finds it.
fn is_documented(tampering: &Tampering) {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/auditor/README.md");
    let readme = fs::read_to_string(readme).unwrap();
    let finds = |who: Option<&str>| if who.is_some() { "yes" } else { "no" };
    let row = format!(
        "| {} | {} | {} |",
        tampering.name,
        finds(tampering.kigen),
        finds(tampering.script)
    );
    assert!(readme.contains(&row), "README.md has no row:\n{row}");
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let from = entry.unwrap().path();
        let to = to.join(from.file_name().unwrap());
        if from.is_dir() {
            copy(&from, &to);
        } else {
            fs::copy(&from, &to).unwrap();
        }
    }
}

#[tokio::test]
async fn what_nobody_touched_holds_for_both() {
    let published = Published::by_a_real_run().await;
    fs::write(published.file(".unfinished-leaves.bin-a1"), "half").unwrap();
    for (holds, said) in [published.ask_kigen(), published.ask_script()] {
        assert!(holds, "{said}");
        assert!(said.contains("2 certificates verified, all hold"), "{said}");
        assert!(said.contains(".unfinished-leaves.bin-a1"), "{said}");
    }
    // Python computes the same root as the tools do.
    let (holds, said) = published.ask_script_with("BASH_LEAVES", "0");
    assert!(holds, "{said}");
    assert_eq!(said.matches("(computed by python3)").count(), 2, "{said}");
}

/// `uniq -c` aligns its counts to seven places, which a million leaves fill.
#[tokio::test]
async fn the_script_reads_counts_that_fill_their_places() {
    let published = Published::by_a_real_run().await;
    let tools = tempfile::tempdir().unwrap();
    let uniq = tools.path().join("uniq");
    let unaligned = "#!/bin/sh\nPATH=${PATH#*:}\nuniq \"$@\" | sed 's/^ *//'\n";
    fs::write(&uniq, unaligned).unwrap();
    fs::set_permissions(&uniq, Permissions::from_mode(0o755)).unwrap();
    let path = format!(
        "{}:{}",
        tools.path().display(),
        std::env::var("PATH").unwrap()
    );
    let (holds, said) = published.ask_script_with("PATH", &path);
    assert!(holds, "{said}");
}

#[test]
fn the_script_says_when_it_can_check_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().join("empty");
    fs::create_dir(&empty).unwrap();
    for arguments in [
        &[][..],
        &[folder.path()],
        &[folder.path(), &folder.path().join("nowhere")],
        &[folder.path(), &empty],
    ] {
        let output = script(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(output.stderr.starts_with(b"verify.sh: "), "{output:?}");
    }
}
