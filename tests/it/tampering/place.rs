//! Where files lie, and what lies beside them.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use super::{Published, Tampering, copy, each_is_found, other_key, pem, signer};

/// Replaces the leaves of the certificate by something else.
fn replaced(published: &Published, by: impl FnOnce(&Path)) {
    let leaves = published.file("leaves.bin");
    fs::remove_file(&leaves).unwrap();
    by(&leaves);
}

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
            script: Some("is a link or a device, and no file"),
        },
        Tampering {
            name: "a file replaced by a link to a device without end",
            does: |published| replaced(published, |leaves| symlink("/dev/zero", leaves).unwrap()),
            kigen: Some("is a link or a device, and no file"),
            script: Some("is a link or a device, and no file"),
        },
        Tampering {
            name: "a file replaced by a pipe that nobody writes into",
            does: |published| {
                replaced(published, |leaves| {
                    let made = Command::new("mkfifo").arg(leaves).status().unwrap();
                    assert!(made.success());
                });
            },
            kigen: Some("is a link or a device, and no file"),
            script: Some("is a link or a device, and no file"),
        },
        Tampering {
            name: "a published key replaced by a pipe",
            does: |published| {
                let keys = published.root.join("keys");
                let made = Command::new("mkfifo")
                    .arg(keys.join("log-0.pub.pem"))
                    .status();
                assert!(made.unwrap().success());
            },
            kigen: Some("log-0.pub.pem` is a link or a device, and no file"),
            script: Some("log-0.pub.pem is a link or a device, and no file"),
        },
        Tampering {
            name: "the folder of a log replaced by a link to a copy of it",
            does: |published| {
                let log = published.root.join("own/log");
                let elsewhere = published.scene.path("elsewhere-log");
                if !elsewhere.exists() {
                    copy(&log, &elsewhere);
                }
                fs::remove_dir_all(&log).unwrap();
                symlink(elsewhere, log).unwrap();
            },
            kigen: Some("`own/log` is a link or a device, and no file"),
            script: Some("own/log is a link or a device, and no file"),
        },
        Tampering {
            name: "leaves without end",
            does: |published| {
                replaced(published, |leaves| {
                    fs::File::create(leaves).unwrap().set_len(1 << 40).unwrap();
                });
            },
            kigen: Some("leaves.bin"),
            script: Some("`leaves.bin` has 1099511627776 bytes"),
        },
        Tampering {
            name: "a head of a log that is longer than any",
            does: |published| {
                let head = published.root.join("own/log/checkpoint");
                fs::File::create(head).unwrap().set_len(1 << 40).unwrap();
            },
            kigen: Some("more than any such file can have"),
            script: Some("own/log/checkpoint is longer than any such file can be"),
        },
        Tampering {
            name: "folders in folders, deeper than anything that is published",
            does: |published| {
                let deep = "deeper/".repeat(400);
                fs::create_dir_all(published.root.join(deep)).unwrap();
            },
            kigen: Some("a folder deeper than any"),
            script: Some("lies deeper than anything that is published"),
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
