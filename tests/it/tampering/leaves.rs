//! The file of leaves.

use std::fs;

use super::{Tampering, each_is_found};

const LEAF: usize = 36;

#[tokio::test]
async fn tampering_with_the_leaves_is_found() {
    let digest = Some("does not have the digest that the certificate names");
    each_is_found(&[
        Tampering {
            name: "one bit of a leaf flipped",
            does: |published| published.alter("leaves.bin", |bytes| bytes[LEAF - 1] ^= 1),
            kigen: Some("does not have the certified root"),
            script: Some("does not have the certified root"),
        },
        Tampering {
            name: "the last leaf cut off",
            does: |published| {
                published.alter("leaves.bin", |bytes| bytes.truncate(bytes.len() - LEAF));
            },
            kigen: Some("the certificate counts"),
            script: Some("bytes, and not 36 for each"),
        },
        Tampering {
            name: "half a leaf appended",
            does: |published| published.alter("leaves.bin", |bytes| bytes.extend([1; LEAF / 2])),
            kigen: Some("does not end with a whole leaf"),
            script: Some("the last leaf is not whole"),
        },
        Tampering {
            name: "two leaves swapped",
            does: |published| {
                published.alter("leaves.bin", |bytes| {
                    let (one, two) = bytes.split_at_mut(LEAF);
                    one.swap_with_slice(&mut two[..LEAF]);
                });
            },
            kigen: Some("is out of order"),
            script: Some("not in ascending order, each once"),
        },
        Tampering {
            name: "a leaf written twice",
            does: |published| {
                published.alter("leaves.bin", |bytes| {
                    let first = bytes[..LEAF].to_vec();
                    bytes.splice(0..0, first);
                });
            },
            kigen: Some("stands there twice"),
            script: Some("not in ascending order, each once"),
        },
        Tampering {
            name: "a leaf turned into one of another action",
            does: |published| published.alter("leaves.bin", |bytes| bytes[1] = 6),
            kigen: Some("`held`, `leaves.bin` holds 1"),
            script: Some("not as many as the certificate counts, for each target and action"),
        },
        Tampering {
            name: "a leaf of a target that is not in the certificate",
            does: |published| {
                published.alter("leaves.bin", |bytes| {
                    let last = bytes.len() - LEAF;
                    bytes[last + 2] = 0xff;
                });
            },
            kigen: Some("belong to no target and action of the certificate"),
            script: Some("more persons than records of target and action"),
        },
        Tampering {
            name: "the leaves of another certificate",
            does: |published| {
                let other = published.runs()[0].join("leaves.bin");
                fs::copy(other, published.file("leaves.bin")).unwrap();
            },
            kigen: digest,
            script: digest,
        },
        Tampering {
            name: "the leaves removed",
            does: |published| fs::remove_file(published.file("leaves.bin")).unwrap(),
            kigen: Some("`leaves.bin` is missing"),
            script: Some("`leaves.bin` is missing"),
        },
    ])
    .await;
}
