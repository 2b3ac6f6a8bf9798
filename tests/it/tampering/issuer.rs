//! An issuer who signs what is not so.

use std::fs;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{Tampering, each_is_found};

#[tokio::test]
async fn an_issuer_who_signs_what_is_not_so_is_found() {
    let contradicts = Some("the certificate contradicts itself");
    each_is_found(&[
        Tampering {
            name: "signed: more records than there are leaves",
            does: |published| {
                published.sign_falsely(|statement| {
                    let predicate = &mut statement["predicate"];
                    let leaves = &mut predicate["evidence"]["leaves"];
                    let more = leaves["record"].as_u64().unwrap() + 1;
                    leaves["record"] = more.into();
                    let persons = leaves["subject"].as_u64().unwrap();
                    let (_, count) = first_count(predicate);
                    *count = (count.as_u64().unwrap() + 1).into();
                    of_size(predicate, more + persons);
                });
            },
            kigen: Some("the certificate counts"),
            script: Some("not as many as the certificate counts, for each target and action"),
        },
        Tampering {
            name: "signed: the right number of records, under another action",
            does: |published| {
                published.sign_falsely(|statement| {
                    let predicate = &mut statement["predicate"];
                    let (action, count) = first_count(predicate);
                    let number = count.take();
                    let counts = &mut predicate["targets"][0]["counts"];
                    counts[&action] = 0.into();
                    counts["cryptoErased"] = number;
                });
            },
            kigen: Some("the certificate counts"),
            script: Some("not as many as the certificate counts, for each target and action"),
        },
        Tampering {
            name: "signed: other words of the clause",
            does: |published| {
                published.sign_falsely(|statement| {
                    let quoted = &mut statement["predicate"]["clauses"][0]["text"];
                    *quoted = "Attempts are kept for 100 years.".into();
                });
            },
            kigen: contradicts,
            script: contradicts,
        },
        Tampering {
            name: "signed: counts that do not add up",
            does: |published| {
                published.sign_falsely(|statement| {
                    let (_, count) = first_count(&mut statement["predicate"]);
                    *count = (count.as_u64().unwrap() + 1).into();
                });
            },
            kigen: contradicts,
            script: contradicts,
        },
        Tampering {
            name: "signed: the root of another tree",
            does: |published| {
                published.sign_falsely(|statement| {
                    let other = STANDARD.encode([7; 32]);
                    in_checkpoint(&mut statement["predicate"], 2, &other);
                });
            },
            kigen: Some("does not have the certified root"),
            script: Some("does not have the certified root"),
        },
        Tampering {
            name: "signed: the run checkpoint of another certificate",
            does: |published| {
                published.sign_falsely(|statement| {
                    let other = "certificates.example.jp/kigen/own/run/another";
                    in_checkpoint(&mut statement["predicate"], 0, other);
                });
            },
            kigen: contradicts,
            script: contradicts,
        },
        Tampering {
            name: "signed: leaves that are not sorted",
            does: |published| {
                published.alter("leaves.bin", |bytes| {
                    let (one, two) = bytes.split_at_mut(36);
                    one.swap_with_slice(&mut two[..36]);
                });
                let leaves = fs::read(published.file("leaves.bin")).unwrap();
                let digest = hex::encode(Sha256::digest(leaves));
                published.sign_falsely(|statement| {
                    statement["subject"][0]["digest"]["sha256"] = digest.into();
                });
            },
            kigen: Some("is out of order"),
            script: Some("not in ascending order, each once"),
        },
        Tampering {
            name: "signed: sealed before the run ended",
            does: |published| {
                published.sign_falsely(|statement| {
                    statement["predicate"]["period"]["sealedAt"] = "2001-01-01T00:00:00Z".into();
                });
            },
            kigen: contradicts,
            script: contradicts,
        },
        Tampering {
            name: "signed: for another client",
            does: |published| {
                published.sign_falsely(|statement| {
                    statement["predicate"]["controller"]["client"] = "kasou-denki".into();
                });
            },
            kigen: Some("the certificate belongs into"),
            script: Some("the certificate belongs into"),
        },
        Tampering {
            name: "signed: a certificate of an unknown version",
            does: |published| {
                published.sign_falsely(|statement| {
                    statement["predicateType"] = "urn:kigen:deletion-certificate:v9".into();
                });
            },
            kigen: Some("no deletion certificate of version 1"),
            script: Some("no deletion certificate of version 1"),
        },
        Tampering {
            name: "signed: a field that the format does not have",
            does: |published| {
                published.sign_falsely(|statement| {
                    statement["predicate"]["destroyed"] = json!(true);
                });
            },
            kigen: Some("no deletion certificate of version 1"),
            // It does not know the fields, but the log has another certificate.
            script: Some("is not in the log at the place that it names"),
        },
    ])
    .await;
}

/// The first action that the first target counts, and its number.
fn first_count(predicate: &mut Value) -> (String, &mut Value) {
    let counts = predicate["targets"][0]["counts"].as_object_mut().unwrap();
    let mut counted = counts.iter_mut();
    let first = counted.find(|(_, count)| count.as_u64() > Some(0));
    let (action, count) = first.unwrap();
    (action.clone(), count)
}

fn of_size(predicate: &mut Value, size: u64) {
    in_checkpoint(predicate, 1, &size.to_string());
}

/// Replaces one line of the run checkpoint.
fn in_checkpoint(predicate: &mut Value, line: usize, text: &str) {
    let checkpoint = &mut predicate["evidence"]["runCheckpoint"];
    let mut lines: Vec<&str> = checkpoint.as_str().unwrap().lines().collect();
    lines[line] = text;
    *checkpoint = format!("{}\n", lines.join("\n")).into();
}
