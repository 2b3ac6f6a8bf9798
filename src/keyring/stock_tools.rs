//! Certificates against the tools that an auditor has: openssl, jq and ssh-keygen.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use ed25519_dalek::SigningKey;
use jiff::civil::date;
use tempfile::TempDir;

use kigen_evidence::allowed_signers::{self, AllowedSigner};
use kigen_evidence::{dsse, public_key, sample, sshsig};

use super::{KeyUse, Keyring};

const ISSUER: &str = "certificates@example.com";

/// What an auditor does by hand: rebuild the signed bytes and check them with openssl.
const CHECK_ENVELOPE: &str = r#"set -eu
jq -r .payloadType cert.dsse.json | tr -d '\n' > type
jq -r .payload cert.dsse.json | base64 -d > body
jq -r '.signatures[0].sig' cert.dsse.json | base64 -d > sig
{ printf 'DSSEv1 %d %s %d ' $(wc -c < type) "$(cat type)" $(wc -c < body); cat body; } > pae
openssl pkeyutl -verify -pubin -inkey cert.pub.pem -rawin -in pae -sigfile sig
cmp body statement.json
"#;

/// Digest of the leaves, and their heads counted, with coreutils and jq.
const CHECK_LEAVES: &str = r#"set -eu
jq -r '.subject[0].digest.sha256 + "  leaves.bin"' statement.json | sha256sum -c --quiet
od -An -v -tx1 -w36 leaves.bin | tr -d ' ' | tee all | LC_ALL=C sort -uc
test "$(cut -c1-8 all | grep -c '^01010000')" = "$(jq '.predicate.targets[0].counts.deleted' statement.json)"
test "$(cut -c1-8 all | grep -c '^01050000')" = "$(jq '.predicate.targets[0].counts.alreadyAbsent' statement.json)"
test "$(cut -c1-8 all | grep -c '^01020001')" = "$(jq '.predicate.targets[1].counts.pseudonymized' statement.json)"
test "$(cut -c1-2 all | grep -c '^02')" = "$(jq '.predicate.evidence.leaves.subject' statement.json)"
"#;

/// When the first key was replaced, in the rotated folder.
const ROTATED_AT: &str = "20270401000000Z";

/// A folder with everything that the holder of a certificate gets.
fn certificate() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let keyring = Keyring::create(&folder.path().join("keyring"), date(2026, 11, 22)).unwrap();
    issue(folder.path(), &keyring, keyring.signing_key());
    folder
}

/// A certificate that the former key signed, or the present one; both are listed.
fn after_a_rotation(by_former: bool) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keyring");
    let mut keyring = Keyring::create(&path, date(2026, 11, 22)).unwrap();
    let former = keyring.signing_key().clone();
    let rotated_at = "2027-04-01T00:00:00Z".parse().unwrap();
    keyring
        .change(|current| {
            current
                .certificate
                .rotate(KeyUse::Certificate, rotated_at)?;
            current.certificate.drop_former_private();
            Ok(true)
        })
        .unwrap();
    let key = if by_former {
        former
    } else {
        keyring.signing_key().clone()
    };
    issue(folder.path(), &keyring, &key);
    folder
}

fn issue(folder: &Path, keyring: &Keyring, key: &SigningKey) {
    let leaves = sample::leaves();
    let payload = sample::statement(&leaves).to_payload().unwrap();
    let signers: Vec<AllowedSigner> = keyring
        .certificate_keys()
        .iter()
        .map(|known| AllowedSigner::new(ISSUER, known.key, known.from, known.until).unwrap())
        .collect();
    let signers = allowed_signers::extend("", &signers).unwrap();
    let pem = public_key::to_pem(&key.verifying_key()).unwrap();
    let files = [
        ("cert.dsse.json", dsse::sign(&payload, key).unwrap()),
        ("cert.pub.pem", pem.into_bytes()),
        (
            "statement.json.sig",
            sshsig::sign(&payload, key).into_bytes(),
        ),
        ("allowed_signers", signers.into_bytes()),
        ("leaves.bin", sample::file(&leaves)),
        ("statement.json", payload),
    ];
    for (name, content) in files {
        fs::write(folder.join(name), content).unwrap();
    }
}

fn run(folder: &Path, tool: &str, command: &mut Command) -> Output {
    let output = command.current_dir(folder).stdin(Stdio::null()).output();
    match output {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            panic!("`{tool}` is needed by this test and not installed: run `make setup`")
        }
        output => output.unwrap(),
    }
}

fn shell(folder: &Path, script: &str) -> Output {
    for tool in ["openssl", "jq"] {
        run(folder, tool, Command::new(tool).arg("--help"));
    }
    run(folder, "bash", Command::new("bash").args(["-c", script]))
}

fn ssh_keygen(folder: &Path, namespace: &str) -> Output {
    ssh_keygen_with(folder, namespace, &[])
}

/// As of a moment such as `20261122030405Z`: the time at which the statement says it was sealed.
fn ssh_keygen_at(folder: &Path, moment: &str) -> Output {
    let option = format!("verify-time={moment}");
    ssh_keygen_with(folder, sshsig::NAMESPACE, &["-O", &option])
}

fn ssh_keygen_with(folder: &Path, namespace: &str, options: &[&str]) -> Output {
    let statement = fs::File::open(folder.join("statement.json")).unwrap();
    let mut command = Command::new("ssh-keygen");
    command
        .args(["-Y", "verify", "-f", "allowed_signers", "-I", ISSUER])
        .args(["-n", namespace, "-s", "statement.json.sig"])
        .args(options);
    let output = command.current_dir(folder).stdin(statement).output();
    match output {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            panic!("`ssh-keygen` is needed by this test and not installed: run `make setup`")
        }
        output => output.unwrap(),
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[output.stdout.as_slice(), &output.stderr].concat()).into_owned()
}

/// Changes one figure of the statement in `name`, and nothing else.
fn alter(folder: &Path, name: &str) {
    let path = folder.join(name);
    let text = fs::read_to_string(&path).unwrap();
    let altered = text.replacen("\"deleted\":30", "\"deleted\":29", 1);
    assert_ne!(altered, text);
    fs::write(path, altered).unwrap();
}

#[test]
fn openssl_and_jq_accept_the_envelope() {
    let folder = certificate();
    let output = shell(folder.path(), CHECK_ENVELOPE);
    assert!(output.status.success(), "{}", said(&output));
    assert!(said(&output).contains("Signature Verified Successfully"));
}

#[test]
fn openssl_refuses_an_altered_envelope_and_another_key() {
    let folder = certificate();
    let altered = CHECK_ENVELOPE.replace(
        "> body\n",
        "| sed 's/\"deleted\":30/\"deleted\":29/' > body\n",
    );
    let output = shell(folder.path(), &altered);
    assert!(!output.status.success(), "{}", said(&output));
    assert!(
        said(&output).contains("Signature Verification Failure"),
        "{}",
        said(&output)
    );

    let other = certificate();
    fs::copy(
        other.path().join("cert.pub.pem"),
        folder.path().join("cert.pub.pem"),
    )
    .unwrap();
    assert!(!shell(folder.path(), CHECK_ENVELOPE).status.success());
}

#[test]
fn ssh_keygen_accepts_the_detached_signature() {
    let folder = certificate();
    let output = ssh_keygen(folder.path(), sshsig::NAMESPACE);
    assert!(output.status.success(), "{}", said(&output));
    assert!(said(&output).starts_with("Good \"deletion-certificate@kigen\" signature"));
}

#[test]
fn ssh_keygen_refuses_an_altered_statement_another_namespace_and_another_key() {
    let folder = certificate();
    assert!(!ssh_keygen(folder.path(), "file").status.success());
    let other = certificate();
    fs::copy(
        folder.path().join("allowed_signers"),
        other.path().join("allowed_signers"),
    )
    .unwrap();
    assert!(!ssh_keygen(other.path(), sshsig::NAMESPACE).status.success());
    alter(folder.path(), "statement.json");
    assert!(
        !ssh_keygen(folder.path(), sshsig::NAMESPACE)
            .status
            .success()
    );
}

#[test]
fn coreutils_and_jq_find_the_leaves_as_certified() {
    let folder = certificate();
    let output = shell(folder.path(), CHECK_LEAVES);
    assert!(output.status.success(), "{}", said(&output));
    alter(folder.path(), "statement.json");
    assert!(!shell(folder.path(), CHECK_LEAVES).status.success());
}

#[test]
fn after_a_rotation_ssh_keygen_accepts_each_key_for_the_time_in_which_it_signed() {
    let before = "20270331235959Z";
    let after = "20270401000001Z";
    let former = after_a_rotation(true);
    for (moment, holds) in [(before, true), (ROTATED_AT, true), (after, false)] {
        let output = ssh_keygen_at(former.path(), moment);
        assert_eq!(
            output.status.success(),
            holds,
            "{moment}: {}",
            said(&output)
        );
    }
    let present = after_a_rotation(false);
    for (moment, holds) in [(before, false), (ROTATED_AT, true), (after, true)] {
        let output = ssh_keygen_at(present.path(), moment);
        assert_eq!(
            output.status.success(),
            holds,
            "{moment}: {}",
            said(&output)
        );
    }
}

#[test]
fn after_a_rotation_openssl_accepts_what_each_key_signed() {
    for by_former in [true, false] {
        let folder = after_a_rotation(by_former);
        let output = shell(folder.path(), CHECK_ENVELOPE);
        assert!(output.status.success(), "{}", said(&output));
    }
    let folder = after_a_rotation(true);
    let other = after_a_rotation(true);
    fs::copy(
        other.path().join("cert.pub.pem"),
        folder.path().join("cert.pub.pem"),
    )
    .unwrap();
    assert!(!shell(folder.path(), CHECK_ENVELOPE).status.success());
}
