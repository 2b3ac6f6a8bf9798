//! Where files lie, and what lies beside them.

use std::fs;
use std::os::unix::fs::symlink;

use super::Tampering;
use super::copy;
use super::each_is_found;
use super::other_key;
use super::pem;
use super::signer;

#[tokio::test]
async fn tampering_with_the_place_is_found() {
    let belongs = Some("the certificate belongs into");
    each_is_found(&[
        Tampering {
            name: "a certificate moved to another client",
            does: |published| {
                let [kasou, own] = published.runs();
                let to = kasou.parent().unwrap().join("moved");
                fs::rename(own, to).unwrap();
            },
            kigen: belongs,
            script: belongs,
        },
        Tampering {
            name: "a certificate copied beside itself",
            does: |published| {
                let own = &published.runs()[1];
                copy(own, &own.parent().unwrap().join("zz-copy"));
            },
            kigen: Some("is published twice"),
            script: Some("is published twice"),
        },
        Tampering {
            name: "a file added that nobody knows",
            does: |published| fs::write(published.file("notes.txt"), "").unwrap(),
            kigen: Some("notes.txt` is no file that kigen publishes"),
            script: Some("notes.txt is no file of a certificate"),
        },
        Tampering {
            name: "a hidden file added",
            does: |published| fs::write(published.root.join(".hidden"), "").unwrap(),
            kigen: Some("`.hidden` is no file that kigen publishes"),
            script: Some(".hidden is no file of a certificate"),
        },
        Tampering {
            name: "a file replaced by a link to a copy of it",
            does: |published| {
                let elsewhere = published.scene.path("elsewhere.json");
                fs::copy(published.file("statement.json"), &elsewhere).unwrap();
                fs::remove_file(published.file("statement.json")).unwrap();
                symlink(elsewhere, published.file("statement.json")).unwrap();
            },
            kigen: Some("is a link or a device, and no file"),
            script: Some("is a link, and no file"),
        },
        Tampering {
            name: "the published key replaced",
            does: |published| {
                let file = published.root.join("keys/certificate.pub.pem");
                fs::write(file, pem(&other_key())).unwrap();
            },
            kigen: Some("`keys/certificate.pub.pem` names a key that is not trusted"),
            script: Some("keys/certificate.pub.pem is not a key of KEYDIR"),
        },
        Tampering {
            name: "a signer added to `allowed_signers`",
            does: |published| {
                let file = published.root.join("keys/allowed_signers");
                let mut text = fs::read_to_string(&file).unwrap();
                text.push_str(&signer(&other_key()));
                fs::write(file, text).unwrap();
            },
            kigen: Some("`keys/allowed_signers` names a key that is not trusted"),
            script: Some("keys/allowed_signers names a key that KEYDIR does not have"),
        },
        Tampering {
            name: "a certificate taken away as a whole",
            // The log tells: its entry stays.
            does: |published| fs::remove_dir_all(&published.runs()[1]).unwrap(),
            kigen: Some("which is not published: it was taken away"),
            script: Some("which is not published: it was taken away"),
        },
    ])
    .await;
}
