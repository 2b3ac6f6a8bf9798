//! The statement and its two signatures.

use std::fs;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::Signer;
use kigen_evidence::{dsse, sshsig};
use serde_json::Value;

use super::{Published, Tampering, each_is_found, issuer_key, other_key};

fn in_envelope(published: &Published, alter: impl FnOnce(&mut Value)) {
    published.alter("cert.dsse.json", |bytes| {
        let mut envelope: Value = serde_json::from_slice(bytes).unwrap();
        alter(&mut envelope);
        *bytes = serde_json::to_vec(&envelope).unwrap();
    });
}

#[tokio::test]
async fn tampering_with_the_statement_and_its_signatures_is_found() {
    let signature = Some("the signature does not hold");
    let ssh = Some("the SSH signature does not hold");
    each_is_found(&[
        Tampering {
            name: "a figure changed in `statement.json`",
            does: |published| {
                published.alter("statement.json", |bytes| {
                    let text = String::from_utf8(bytes.clone()).unwrap();
                    *bytes = text.replacen("\"record\":", "\"record\":1", 1).into();
                });
            },
            kigen: Some("`statement.json` is not what was signed"),
            script: Some("`statement.json` is not what was signed"),
        },
        Tampering {
            name: "a figure changed in the envelope's payload",
            does: |published| {
                in_envelope(published, |envelope| {
                    let payload = STANDARD.decode(envelope["payload"].as_str().unwrap());
                    let text = String::from_utf8(payload.unwrap()).unwrap();
                    let text = text.replacen("\"record\":", "\"record\":1", 1);
                    envelope["payload"] = STANDARD.encode(text).into();
                });
            },
            kigen: signature,
            script: signature,
        },
        Tampering {
            name: "the envelope's signature taken from another certificate",
            does: |published| {
                let other = fs::read(published.runs()[0].join("cert.dsse.json")).unwrap();
                let other: Value = serde_json::from_slice(&other).unwrap();
                in_envelope(published, |envelope| {
                    envelope["signatures"] = other["signatures"].clone();
                });
            },
            kigen: signature,
            script: signature,
        },
        Tampering {
            name: "everything signed again by a stranger",
            does: |published| {
                let payload = fs::read(published.file("statement.json")).unwrap();
                let envelope = dsse::sign(&payload, &other_key()).unwrap();
                fs::write(published.file("cert.dsse.json"), envelope).unwrap();
                let ssh = sshsig::sign(&payload, &other_key());
                fs::write(published.file("statement.json.sig"), ssh).unwrap();
            },
            kigen: signature,
            script: signature,
        },
        Tampering {
            name: "signed as something else than a statement",
            does: |published| {
                let payload = fs::read(published.file("statement.json")).unwrap();
                in_envelope(published, |envelope| {
                    let signed = issuer_key().sign(&dsse::pae("text/plain", &payload));
                    envelope["payloadType"] = "text/plain".into();
                    envelope["signatures"][0]["sig"] = STANDARD.encode(signed.to_bytes()).into();
                });
            },
            kigen: Some("is of type `text/plain`"),
            script: Some("of another type than a statement"),
        },
        Tampering {
            name: "the envelope emptied",
            does: |published| fs::write(published.file("cert.dsse.json"), "{}").unwrap(),
            kigen: Some("the file is no DSSE envelope"),
            script: signature,
        },
        Tampering {
            name: "the envelope removed",
            does: |published| fs::remove_file(published.file("cert.dsse.json")).unwrap(),
            kigen: Some("`cert.dsse.json` is missing"),
            script: Some("`cert.dsse.json` is missing"),
        },
        Tampering {
            name: "the SSH signature of another certificate",
            does: |published| {
                let other = published.runs()[0].join("statement.json.sig");
                fs::copy(other, published.file("statement.json.sig")).unwrap();
            },
            kigen: ssh,
            script: ssh,
        },
        Tampering {
            name: "an SSH signature for another purpose",
            does: |published| {
                published.alter("statement.json.sig", |bytes| {
                    let text = String::from_utf8(bytes.clone()).unwrap();
                    let inside: String = text.lines().filter(|line| !line.contains("--")).collect();
                    let mut blob = STANDARD.decode(inside).unwrap();
                    let name = b"deletion-certificate";
                    let at = blob.windows(name.len()).position(|found| found == name);
                    blob[at.unwrap()] = b'x';
                    let inside = STANDARD.encode(blob);
                    let (begin, end) = (
                        "-----BEGIN SSH SIGNATURE-----",
                        "-----END SSH SIGNATURE-----",
                    );
                    *bytes = format!("{begin}\n{inside}\n{end}\n").into();
                });
            },
            kigen: ssh,
            script: ssh,
        },
        Tampering {
            name: "the SSH signature removed",
            does: |published| fs::remove_file(published.file("statement.json.sig")).unwrap(),
            kigen: Some("`statement.json.sig` is missing"),
            script: Some("`statement.json.sig` is missing"),
        },
        Tampering {
            name: "`statement.json` removed",
            does: |published| fs::remove_file(published.file("statement.json")).unwrap(),
            kigen: Some("`statement.json` is missing"),
            script: Some("`statement.json` is missing"),
        },
    ])
    .await;
}
