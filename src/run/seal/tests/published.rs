//! What lies in the folder, and what a check of it finds.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use crate::run::seal::FolderFinding;
use crate::run::seal::published_keys;
use crate::run::seal::verify_all;
use crate::run::seal::verify_folder;

use super::fixture::Fixture;
use super::fixture::RUN;
use super::fixture::files;
use super::fixture::rows;

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

/// What does not hold of the certificate of `OTHER`; that of `OWN` holds.
fn problems(fixture: &Fixture) -> Vec<String> {
    let found = verify_all(&fixture.certificates(), &fixture.key()).unwrap();
    let mut problems = Vec::new();
    for verification in found {
        let fails = |finding: &&FolderFinding| !finding.holds();
        let failed: Vec<String> = verification
            .findings
            .iter()
            .filter(fails)
            .map(ToString::to_string)
            .collect();
        assert_eq!(failed.is_empty(), verification.holds());
        assert!(
            failed.is_empty()
                || verification
                    .folder
                    .starts_with(of_other(fixture, "..").parent().unwrap().parent().unwrap())
        );
        problems.extend(failed);
    }
    problems
}

#[tokio::test]
async fn a_certificate_lies_below_its_client_and_run_with_the_key_beside() {
    let fixture = sealed().await;
    let mut expected = Vec::new();
    for client in ["%E8%87%AA%E7%A4%BE", OTHER_FOLDER] {
        for file in [
            "cert.dsse.json",
            "certificate.html",
            "leaves.bin",
            "statement.json",
            "statement.json.sig",
        ] {
            expected.push(PathBuf::from(client).join(RUN).join(file));
        }
    }
    expected.push(PathBuf::from("keys/allowed_signers"));
    expected.push(PathBuf::from("keys/certificate.pub.pem"));
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
    assert_eq!(
        published_keys(&fixture.certificates()).unwrap(),
        fixture.key()
    );
    let signers = &found[&PathBuf::from("keys/allowed_signers")];
    assert!(signers.starts_with(b"certificates@certs.example.com namespaces="));
}

#[tokio::test]
async fn what_was_published_holds() {
    assert!(problems(&sealed().await).is_empty());
}

#[tokio::test]
async fn altered_leaves_are_found() {
    let fixture = sealed().await;
    let path = of_other(&fixture, "leaves.bin");
    let mut leaves = fs::read(&path).unwrap();
    leaves[40] ^= 1;
    fs::write(&path, &leaves).unwrap();
    let found = problems(&fixture);
    assert!(
        found.iter().any(|problem| problem.contains("digest")),
        "{found:?}"
    );
    leaves.truncate(36 * 10);
    fs::write(&path, &leaves).unwrap();
    assert!(!problems(&fixture).is_empty());
}

#[tokio::test]
async fn an_altered_statement_or_envelope_is_found() {
    let fixture = sealed().await;
    let path = of_other(&fixture, "statement.json");
    let statement = fs::read(&path).unwrap();
    fs::write(&path, "{}").unwrap();
    assert_eq!(
        problems(&fixture),
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
    let found = problems(&fixture);
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
        assert_eq!(problems(&fixture), [format!("`{file}` is missing")]);
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
    assert_eq!(problems(&fixture), [expected]);
    assert!(verify_folder(&to, &fixture.key()).holds());
}

#[tokio::test]
async fn nothing_holds_under_another_key_or_none() {
    let fixture = sealed().await;
    for keys in [&[][..], &Fixture::finished(Vec::new()).await.key()[..]] {
        let found = verify_all(&fixture.certificates(), keys).unwrap();
        assert_eq!(found.len(), 2);
        assert!(
            found
                .iter()
                .all(|one| !one.holds() && one.statement.is_none())
        );
    }
}

#[tokio::test]
async fn a_folder_that_is_not_there_is_an_error() {
    let fixture = Fixture::finished(Vec::new()).await;
    assert!(verify_all(&fixture.certificates(), &fixture.key()).is_err());
    assert!(published_keys(&fixture.certificates()).is_err());
}
