//! The tree against the words of its RFC.

use proptest::prelude::any;
use proptest::{prop_assert_eq, proptest};

use sha2::{Digest, Sha256};

use super::{
    Hash, LONGEST_PATH, ProofError, ProofRequest, RootBuilder, VerifyError, consistency_proof,
    inclusion_proof, leaf_hash, node_hash, verify_consistency, verify_inclusion,
};

fn root(leaves: &[Vec<u8>]) -> Hash {
    let mut builder = RootBuilder::new();
    for leaf in leaves {
        builder.push(leaf);
    }
    assert_eq!(builder.size(), leaves.len() as u64);
    builder.finish()
}

/// RFC 6962, section 2.1, word for word.
fn root_by_the_rfc(leaves: &[Vec<u8>]) -> Hash {
    match leaves {
        [] => Sha256::digest([]).into(),
        [leaf] => leaf_hash(leaf),
        _ => {
            let left = leaves.len().next_power_of_two() / 2;
            let (head, tail) = leaves.split_at(left);
            node_hash(&root_by_the_rfc(head), &root_by_the_rfc(tail))
        }
    }
}

#[test]
fn the_root_of_no_leaves_is_the_digest_of_nothing() {
    let expected = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    assert_eq!(hex::encode(RootBuilder::new().finish()), expected);
}

/// The leaves and roots that the test suites of certificate transparency share.
#[test]
fn the_roots_are_those_of_the_known_tree_of_eight_leaves() {
    let leaves: Vec<Vec<u8>> = [
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    ]
    .iter()
    .map(|text| hex::decode(text).unwrap())
    .collect();
    let one = "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d";
    let eight = "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328";
    assert_eq!(hex::encode(root(&leaves[..1])), one);
    assert_eq!(hex::encode(root(&leaves)), eight);
}

#[test]
fn every_size_up_to_300_agrees_with_the_rfc() {
    let leaves: Vec<Vec<u8>> = (0..300_u16)
        .map(|number| number.to_be_bytes().to_vec())
        .collect();
    for size in 0..=leaves.len() {
        assert_eq!(
            root(&leaves[..size]),
            root_by_the_rfc(&leaves[..size]),
            "{size}"
        );
    }
}

proptest! {
    #[test]
    fn any_leaves_agree_with_the_rfc(
        leaves in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 0..70)
    ) {
        prop_assert_eq!(root(&leaves), root_by_the_rfc(&leaves));
    }
}

fn hashes(size: u64) -> Vec<Hash> {
    (0..size)
        .map(|number| leaf_hash(&number.to_be_bytes()))
        .collect()
}

fn root_of(hashes: &[Hash]) -> Hash {
    let mut builder = RootBuilder::new();
    for hash in hashes {
        builder.push_hash(*hash);
    }
    builder.root()
}

/// PATH of RFC 6962, section 2.1.1, word for word.
fn path_by_the_rfc(index: usize, hashes: &[Hash]) -> Vec<Hash> {
    if hashes.len() == 1 {
        return Vec::new();
    }
    let left = hashes.len().next_power_of_two() / 2;
    let (head, tail) = hashes.split_at(left);
    if index < left {
        let mut path = path_by_the_rfc(index, head);
        path.push(root_of(tail));
        return path;
    }
    let mut path = path_by_the_rfc(index - left, tail);
    path.push(root_of(head));
    path
}

/// SUBPROOF of RFC 6962, section 2.1.2, word for word.
fn subproof_by_the_rfc(older: usize, hashes: &[Hash], known: bool) -> Vec<Hash> {
    if older == hashes.len() {
        return if known {
            Vec::new()
        } else {
            vec![root_of(hashes)]
        };
    }
    let left = hashes.len().next_power_of_two() / 2;
    let (head, tail) = hashes.split_at(left);
    if older <= left {
        let mut proof = subproof_by_the_rfc(older, head, known);
        proof.push(root_of(tail));
        return proof;
    }
    let mut proof = subproof_by_the_rfc(older - left, tail, false);
    proof.push(root_of(head));
    proof
}

const SIZES: u64 = 70;

#[test]
fn every_path_of_every_tree_is_that_of_the_rfc_and_holds() {
    for size in 1..SIZES {
        let hashes = hashes(size);
        let root = root_of(&hashes);
        let mut request = ProofRequest::new(size);
        for index in 0..size {
            request = request.inclusion(index).unwrap();
        }
        let mut collector = request.start();
        hashes.iter().for_each(|hash| collector.push(*hash));
        let proofs = collector.finish().unwrap();
        assert_eq!(proofs.root, root);
        for index in 0..size {
            let place = index as usize;
            let path = inclusion_proof(&hashes, index).unwrap();
            assert_eq!(path, path_by_the_rfc(place, &hashes), "{index} of {size}");
            assert_eq!(path, proofs.inclusions[place]);
            verify_inclusion(&hashes[place], index, size, &path, &root).unwrap();
        }
    }
}

#[test]
fn a_path_holds_for_its_own_leaf_index_and_size_only() {
    for size in 1..40 {
        let hashes = hashes(size);
        let root = root_of(&hashes);
        for index in 0..size {
            let leaf = hashes[index as usize];
            let path = inclusion_proof(&hashes, index).unwrap();
            for other in 0..size + 2 {
                let held = verify_inclusion(&leaf, other, size, &path, &root);
                assert_eq!(
                    held.is_ok(),
                    other == index,
                    "{other} for {index} of {size}"
                );
            }
            let other_leaf = verify_inclusion(&[7; 32], index, size, &path, &root);
            assert_eq!(other_leaf.unwrap_err(), VerifyError::Root);
            for place in 0..path.len() {
                let mut altered = path.clone();
                altered[place][31] ^= 1;
                assert!(verify_inclusion(&leaf, index, size, &altered, &root).is_err());
                altered.remove(place);
                assert!(verify_inclusion(&leaf, index, size, &altered, &root).is_err());
            }
            let mut longer = path.clone();
            longer.push([0; 32]);
            let error = verify_inclusion(&leaf, index, size, &longer, &root).unwrap_err();
            assert_eq!(error, VerifyError::Length(longer.len()));
        }
    }
}

#[test]
fn every_tree_is_shown_to_continue_every_older_one() {
    for size in 0..SIZES {
        let hashes = hashes(size);
        let root = root_of(&hashes);
        for older in 0..=size {
            let older_root = root_of(&hashes[..older as usize]);
            let proof = consistency_proof(&hashes, older).unwrap();
            if older > 0 {
                let expected = subproof_by_the_rfc(older as usize, &hashes, true);
                assert_eq!(proof, expected, "{older} to {size}");
            }
            verify_consistency(older, &older_root, size, &root, &proof).unwrap();
        }
    }
}

#[test]
fn a_tree_that_was_changed_does_not_continue_the_older_one() {
    for size in 2..40 {
        let hashes = hashes(size);
        let root = root_of(&hashes);
        for older in 1..size {
            let older_root = root_of(&hashes[..older as usize]);
            let mut changed = hashes.clone();
            changed[older as usize - 1] = [9; 32];
            let proof = consistency_proof(&changed, older).unwrap();
            let changed_root = root_of(&changed);
            assert!(verify_consistency(older, &older_root, size, &changed_root, &proof).is_err());

            let proof = consistency_proof(&hashes, older).unwrap();
            for other in [older - 1, older + 1] {
                let held = verify_consistency(other, &older_root, size, &root, &proof);
                assert!(held.is_err(), "{other} for {older} to {size}");
            }
            for place in 0..proof.len() {
                let mut altered = proof.clone();
                altered[place][0] ^= 1;
                assert!(verify_consistency(older, &older_root, size, &root, &altered).is_err());
                altered.truncate(place);
                assert!(verify_consistency(older, &older_root, size, &root, &altered).is_err());
            }
            let mut longer = proof.clone();
            longer.push([0; 32]);
            assert!(verify_consistency(older, &older_root, size, &root, &longer).is_err());
        }
    }
}

#[test]
fn nothing_is_added_to_a_trivial_proof() {
    let (empty, one) = (RootBuilder::new().root(), [1; 32]);
    verify_consistency(0, &empty, 5, &one, &[]).unwrap();
    verify_consistency(5, &one, 5, &one, &[]).unwrap();
    for (older, older_root, size, root, proof) in [
        (0, &one, 5, &one, &[][..]),
        (0, &empty, 5, &one, &[one][..]),
        (0, &empty, 0, &one, &[][..]),
        (5, &one, 5, &one, &[one][..]),
        (5, &empty, 5, &one, &[][..]),
        (6, &one, 5, &one, &[][..]),
    ] {
        assert!(verify_consistency(older, older_root, size, root, proof).is_err());
    }
}

#[test]
fn a_proof_of_what_is_not_there_is_not_made() {
    let hashes = hashes(5);
    assert_eq!(
        inclusion_proof(&hashes, 5).unwrap_err(),
        ProofError::NoSuchLeaf { index: 5, size: 5 }
    );
    assert_eq!(
        consistency_proof(&hashes, 6).unwrap_err(),
        ProofError::NoSuchTree { older: 6, size: 5 }
    );
    let error = ProofRequest::new(6).start().finish().unwrap_err();
    let (expected, found) = (6, 0);
    assert_eq!(error, ProofError::Size { expected, found });
    assert!(inclusion_proof(&[], 0).is_err());
}

#[test]
fn the_greatest_numbers_do_not_overflow() {
    let path = vec![[0; 32]; LONGEST_PATH];
    assert!(verify_inclusion(&[0; 32], u64::MAX - 1, u64::MAX, &path, &[0; 32]).is_err());
    assert!(verify_consistency(1 << 63, &[0; 32], u64::MAX, &[0; 32], &path).is_err());
    assert!(verify_consistency(u64::MAX - 1, &[0; 32], u64::MAX, &[0; 32], &path).is_err());
}
