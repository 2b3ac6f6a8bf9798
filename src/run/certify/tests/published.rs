//! What lies in the folder, and what a check of it finds.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use kigen_evidence::allowed_signers::AllowedSigner;

use crate::archive::Kind;
use crate::progress::Progress;
use crate::run::certify::key_file;
use crate::run::client_log::log_key_file;
use crate::verify::{
    PlaceVerification, PublishedFinding, Trust, VerifyError, verify_certificate, verify_place,
};

use super::fixture::{Fixture, RUN, files, rows};

const OTHER_FOLDER: &str = "client%2F7f3a";

async fn sealed() -> Fixture {
    let fixture = Fixture::finished(rows(2)).await;
    fixture.seal(90).await.unwrap();
    fixture
}

fn of_other(fixture: &Fixture, file: &str) -> PathBuf {
    fixture
        .certificates()
        .join(OTHER_FOLDER)
        .join(RUN)
        .join(file)
}

/// What does not hold of the place and of the certificate of `OTHER`; that of `OWN` holds.
async fn problems(fixture: &Fixture) -> Vec<String> {
    let found = fixture.verify().await;
    let problems = all_problems(&found);
    assert_eq!(problems.is_empty(), found.holds());
    let own = found.clients.iter().find(|one| one.folder != OTHER_FOLDER);
    assert!(own.unwrap().holds(), "{own:?}");
    problems
}

fn all_problems(found: &PlaceVerification) -> Vec<String> {
    let of_clients = found.clients.iter().flat_map(|client| &client.findings);
    let of_certificates = found.certificates().flat_map(|one| &one.findings);
    let all = found
        .findings
        .iter()
        .chain(of_clients)
        .chain(of_certificates);
    all.filter(|finding| !finding.holds())
        .map(PublishedFinding::to_string)
        .collect()
}

#[tokio::test]
async fn a_certificate_lies_below_its_client_and_run_with_the_key_beside() {
    let fixture = sealed().await;
    let mut expected = Vec::new();
    for client in ["%E8%87%AA%E7%A4%BE", OTHER_FOLDER] {
        for file in [
            "cert.dsse.json",
            "cert.tlog-proof",
            "certificate.html",
            "leaves.bin",
            "statement.json",
            "statement.json.sig",
        ] {
            expected.push(PathBuf::from(client).join(RUN).join(file));
        }
        for file in ["checkpoint", "entry/0", "entry/1", "policy.txt"] {
            expected.push(PathBuf::from(client).join("log").join(file));
        }
    }
    expected.push(PathBuf::from("keys/allowed_signers"));
    expected.push(PathBuf::from("keys").join(key_file(&fixture.key()[0])));
    let log_key = fixture.keyring.log_key().unwrap().verifying_key();
    expected.push(PathBuf::from("keys").join(log_key_file(&log_key)));
    let found = files(&fixture.certificates());
    assert_eq!(found.keys().cloned().collect::<Vec<_>>(), expected);
    for path in found.keys() {
        let about = fs::metadata(fixture.certificates().join(path)).unwrap();
        assert_eq!(
            about.permissions().mode() & 0o444,
            0o444,
            "{}",
            path.display()
        );
    }
    let by_its_own_keys =
        verify_place(&fixture.place(), Trust::Published, &Progress::in_log()).await;
    assert_eq!(by_its_own_keys.unwrap().keys, fixture.key());
    let signers = &found[&PathBuf::from("keys/allowed_signers")];
    assert!(signers.starts_with(b"certificates@certs.example.com namespaces="));
}

#[tokio::test]
async fn what_was_published_holds() {
    let fixture = sealed().await;
    assert_eq!(problems(&fixture).await, [""; 0]);
    assert_eq!(fixture.verify().await.certificates().count(), 2);
}

#[tokio::test]
async fn altered_leaves_are_found() {
    let fixture = sealed().await;
    let path = of_other(&fixture, "leaves.bin");
    let mut leaves = fs::read(&path).unwrap();
    leaves[40] ^= 1;
    fs::write(&path, &leaves).unwrap();
    let found = problems(&fixture).await;
    assert!(
        found.iter().any(|problem| problem.contains("digest")),
        "{found:?}"
    );
    leaves.truncate(36 * 10);
    fs::write(&path, &leaves).unwrap();
    assert!(!problems(&fixture).await.is_empty());
}

#[tokio::test]
async fn an_altered_statement_or_envelope_is_found() {
    let fixture = sealed().await;
    let path = of_other(&fixture, "statement.json");
    let statement = fs::read(&path).unwrap();
    fs::write(&path, "{}").unwrap();
    assert_eq!(
        problems(&fixture).await,
        ["`statement.json` is not what was signed"]
    );
    fs::write(&path, statement).unwrap();
    let path = of_other(&fixture, "cert.dsse.json");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(
        &path,
        text.replacen("\"payload\":\"ey", "\"payload\":\"ez", 1),
    )
    .unwrap();
    let found = problems(&fixture).await;
    assert_eq!(found.len(), 1);
    assert!(
        found[0].starts_with("the signature does not hold"),
        "{found:?}"
    );
}

#[tokio::test]
async fn a_missing_file_is_found() {
    for file in [
        "cert.dsse.json",
        "leaves.bin",
        "statement.json",
        "statement.json.sig",
    ] {
        let fixture = sealed().await;
        fs::remove_file(of_other(&fixture, file)).unwrap();
        assert_eq!(problems(&fixture).await, [format!("`{file}` is missing")]);
    }
}

#[tokio::test]
async fn a_certificate_that_was_moved_is_found_but_holds_by_itself() {
    let fixture = sealed().await;
    let from = fixture.certificates().join(OTHER_FOLDER).join(RUN);
    let to = fixture
        .certificates()
        .join(OTHER_FOLDER)
        .join("another-run");
    fs::rename(from, &to).unwrap();
    let expected = format!("the certificate belongs into `{OTHER_FOLDER}/{RUN}`");
    assert_eq!(problems(&fixture).await, [expected]);
    let folder = format!("{OTHER_FOLDER}/another-run");
    let one = verify_certificate(&fixture.place(), &folder, &fixture.key()).await;
    assert!(one.unwrap().holds());
}

#[tokio::test]
async fn a_copy_in_another_place_a_foreign_file_and_a_foreign_key_are_found() {
    let fixture = sealed().await;
    let copied = of_other(&fixture, "../copy");
    fs::create_dir(&copied).unwrap();
    for name in [
        "cert.dsse.json",
        "cert.tlog-proof",
        "leaves.bin",
        "statement.json",
        "statement.json.sig",
    ] {
        fs::copy(of_other(&fixture, name), copied.join(name)).unwrap();
    }
    fs::write(of_other(&fixture, "../notes.txt"), "").unwrap();
    let other = Fixture::finished(Vec::new()).await;
    let pem = other.keyring.public_pem().unwrap();
    fs::write(fixture.certificates().join("keys/certificate.pub.pem"), pem).unwrap();
    let signer = AllowedSigner::new("a@example.com", other.key()[0], None, None);
    let line = signer.unwrap().line();
    fs::write(fixture.certificates().join("keys/allowed_signers"), line).unwrap();
    fs::write(fixture.certificates().join("keys/more.pub.pem"), "PEM").unwrap();
    let found = problems(&fixture).await;
    let verified = fixture.verify().await;
    let mut certificates = verified.certificates();
    let of_other = certificates.find(|one| one.folder.starts_with(OTHER_FOLDER));
    let statement = of_other.unwrap().statement.clone().unwrap();
    let id = statement.predicate.certificate_id;
    let expected = [
        "`keys/allowed_signers` names a key that is not trusted".to_owned(),
        "`keys/certificate.pub.pem` names a key that is not trusted".to_owned(),
        "`keys/more.pub.pem` is no Ed25519 public key in PEM".to_owned(),
        format!("`{OTHER_FOLDER}/notes.txt` is no file that kigen publishes"),
        format!(
            "certificate `{id}` is published twice: in `{OTHER_FOLDER}/{RUN}` and `{OTHER_FOLDER}/copy`"
        ),
        format!("the certificate belongs into `{OTHER_FOLDER}/{RUN}`"),
    ];
    assert_eq!(found, expected);
}

#[tokio::test]
async fn the_ssh_signature_counts_as_well() {
    let fixture = sealed().await;
    let path = of_other(&fixture, "statement.json.sig");
    let other = sealed().await;
    fs::copy(of_other(&other, "statement.json.sig"), &path).unwrap();
    let by_another =
        "the SSH signature does not hold: the signature is by a key that was not given";
    assert_eq!(problems(&fixture).await, [by_another]);
    let of_own = fixture.certificates().join("%E8%87%AA%E7%A4%BE").join(RUN);
    fs::copy(of_own.join("statement.json.sig"), &path).unwrap();
    let of_another =
        "the SSH signature does not hold: the signature does not hold for this payload";
    assert_eq!(problems(&fixture).await, [of_another]);
    fs::write(&path, "-----BEGIN SSH SIGNATURE-----\n").unwrap();
    let cut = "the SSH signature does not hold: the file is no armored SSH signature";
    assert_eq!(problems(&fixture).await, [cut]);
}

#[tokio::test]
async fn every_published_file_is_of_a_known_kind() {
    let fixture = sealed().await;
    for path in files(&fixture.certificates()).keys() {
        assert!(Kind::of(path.to_str().unwrap()).is_some(), "{path:?}");
    }
}

#[tokio::test]
async fn nothing_holds_under_another_key_or_none() {
    let fixture = sealed().await;
    for keys in [
        Vec::new(),
        Fixture::finished(Vec::new()).await.key().to_vec(),
    ] {
        let found = verify_place(&fixture.place(), Trust::Given(keys), &Progress::in_log()).await;
        let found = found.unwrap();
        assert_eq!(found.certificates().count(), 2);
        assert!(
            found
                .certificates()
                .all(|one| !one.holds() && one.statement.is_none() && one.entry.is_none())
        );
    }
}

#[tokio::test]
async fn a_folder_that_is_not_there_or_has_no_keys_is_an_error() {
    let fixture = Fixture::finished(Vec::new()).await;
    fs::remove_dir_all(fixture.certificates()).unwrap();
    let check =
        async || verify_place(&fixture.place(), Trust::Published, &Progress::in_log()).await;
    assert!(matches!(check().await, Err(VerifyError::Place(_))));
    fs::create_dir(fixture.certificates()).unwrap();
    assert!(matches!(check().await, Err(VerifyError::NoKeys { .. })));
}
