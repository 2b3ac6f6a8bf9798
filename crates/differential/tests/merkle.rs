//! The tree against `ct-merkle`, `sigstore-merkle` and `tlog_tiles`.

use std::cell::RefCell;

use ct_merkle::RootHash;
use ct_merkle::mem_backed_tree::MemoryBackedTree;
use kigen_evidence::log::tiles::{self, Tile, TileKind};
use kigen_evidence::merkle::{
    Hash, RootBuilder, consistency_proof, inclusion_proof, leaf_hash, verify_consistency,
    verify_inclusion,
};
use proptest::prelude::{any, prop};
use proptest::sample::Index;
use proptest::{prop_assert, prop_assert_eq, proptest};
use sha2::Sha256;
use sigstore_types::Sha256Hash;
use tlog_tiles::tlog::{self, HashReader};

type Tree = MemoryBackedTree<Sha256, Vec<u8>>;

fn leaves() -> impl proptest::strategy::Strategy<Value = Vec<Vec<u8>>> {
    prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 1..600)
}

fn hashes(leaves: &[Vec<u8>]) -> Vec<Hash> {
    leaves.iter().map(|leaf| leaf_hash(leaf)).collect()
}

fn root(leaves: &[Vec<u8>]) -> Hash {
    let mut tree = RootBuilder::new();
    leaves.iter().for_each(|leaf| tree.push(leaf));
    tree.finish()
}

fn ct_tree(leaves: &[Vec<u8>]) -> Tree {
    let mut tree = Tree::new();
    leaves.iter().for_each(|leaf| tree.push(leaf.clone()));
    tree
}

fn ct_root(root: Hash, size: usize) -> RootHash<Sha256> {
    RootHash::new(root.into(), size as u64)
}

fn sigstore(hashes: &[Hash]) -> Vec<Sha256Hash> {
    hashes.iter().map(|hash| Sha256Hash::new(*hash)).collect()
}

/// The hashes that `tlog_tiles` stores, in its own order.
#[derive(Default)]
struct Stored(RefCell<Vec<tlog::Hash>>);

impl HashReader for Stored {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<tlog::Hash>, tlog::Error> {
        let stored = self.0.borrow();
        let hashes = indexes.iter().map(|index| stored[*index as usize]);
        Ok(hashes.collect())
    }
}

fn stored(leaves: &[Vec<u8>]) -> Stored {
    let stored = Stored::default();
    for (index, leaf) in (0..).zip(leaves) {
        let hashes = tlog::stored_hashes(index, leaf, &stored).unwrap();
        stored.0.borrow_mut().extend(hashes);
    }
    stored
}

fn theirs(hashes: &[Hash]) -> Vec<tlog::Hash> {
    hashes.iter().map(|hash| tlog::Hash(*hash)).collect()
}

proptest! {
    #[test]
    fn roots_are_the_same(leaves in leaves()) {
        let ours = root(&leaves);
        let ct = ct_tree(&leaves).root();
        prop_assert_eq!(ct.as_bytes().as_slice(), ours);
        let size = leaves.len() as u64;
        prop_assert_eq!(tlog::tree_hash(size, &stored(&leaves)).unwrap().0, ours);
    }

    #[test]
    fn paths_are_the_same_and_each_accepts_those_of_the_other(
        leaves in leaves(),
        index in any::<Index>(),
    ) {
        let (size, place) = (leaves.len(), index.index(leaves.len()));
        let (index, root, leaf) = (place as u64, root(&leaves), leaf_hash(&leaves[place]));
        let ours = inclusion_proof(&hashes(&leaves), index).unwrap();

        let ct = ct_tree(&leaves).prove_inclusion(place);
        prop_assert_eq!(ct.as_bytes(), ours.concat());
        ct_root(root, size).verify_inclusion(&leaves[place], index, &ct).unwrap();

        let tlog = tlog::prove_record(size as u64, index, &stored(&leaves)).unwrap();
        prop_assert_eq!(&tlog, &theirs(&ours));
        let of_tlog: Vec<Hash> = tlog.iter().map(|hash| hash.0).collect();
        verify_inclusion(&leaf, index, size as u64, &of_tlog, &root).unwrap();

        sigstore_merkle::verify_inclusion_proof(
            &Sha256Hash::new(leaf),
            index,
            size as u64,
            &sigstore(&ours),
            &Sha256Hash::new(root),
        ).unwrap();
    }

    #[test]
    fn what_one_refuses_the_others_refuse(
        leaves in leaves(),
        index in any::<Index>(),
        other in any::<Index>(),
        flipped in any::<Index>(),
        cut in 0..3_usize,
    ) {
        let (size, place) = (leaves.len(), index.index(leaves.len()));
        let (root, leaf) = (root(&leaves), leaf_hash(&leaves[place]));
        let mut path = inclusion_proof(&hashes(&leaves), place as u64).unwrap();
        match cut {
            0 if !path.is_empty() => {
                let place = flipped.index(path.len());
                path[place][0] ^= 1;
            }
            1 if !path.is_empty() => path.truncate(path.len() - 1),
            _ => {}
        }
        let index = other.index(size) as u64;
        let ours = verify_inclusion(&leaf, index, size as u64, &path, &root).is_ok();
        let tlog = tlog::check_record(
            &theirs(&path), size as u64, tlog::Hash(root), index, tlog::Hash(leaf));
        prop_assert_eq!(tlog.is_ok(), ours);
        let sigstore = sigstore_merkle::verify_inclusion_proof(
            &Sha256Hash::new(leaf), index, size as u64, &sigstore(&path), &Sha256Hash::new(root));
        prop_assert_eq!(sigstore.is_ok(), ours);
    }

    #[test]
    fn consistency_proofs_are_the_same(leaves in leaves(), older in any::<Index>()) {
        let size = leaves.len();
        let older = older.index(size) + 1;
        let (older_root, root) = (root(&leaves[..older]), root(&leaves));
        let ours = consistency_proof(&hashes(&leaves), older as u64).unwrap();
        verify_consistency(older as u64, &older_root, size as u64, &root, &ours).unwrap();

        let ct = ct_tree(&leaves).prove_consistency(size - older);
        // Between equal trees ct-merkle's proof is empty or the root itself; there is nothing to compare.
        if older < size {
            prop_assert_eq!(ct.as_bytes(), ours.concat());
            ct_root(root, size).verify_consistency(&ct_root(older_root, older), &ct).unwrap();
        }

        let tlog = tlog::prove_tree(size as u64, older as u64, &stored(&leaves)).unwrap();
        prop_assert_eq!(&tlog, &theirs(&ours));
        sigstore_merkle::verify_consistency_proof(
            older as u64,
            size as u64,
            &sigstore(&ours),
            &Sha256Hash::new(older_root),
            &Sha256Hash::new(root),
        ).unwrap();
    }

    #[test]
    fn an_altered_consistency_proof_is_refused_by_all(
        leaves in leaves(),
        older in any::<Index>(),
        flipped in any::<Index>(),
    ) {
        let size = leaves.len();
        let older = older.index(size) + 1;
        let (older_root, root) = (root(&leaves[..older]), root(&leaves));
        let mut proof = consistency_proof(&hashes(&leaves), older as u64).unwrap();
        if proof.is_empty() {
            proof.push([0; 32]);
        } else {
            let place = flipped.index(proof.len());
            proof[place][31] ^= 1;
        }
        let (from, to) = (older as u64, size as u64);
        prop_assert!(verify_consistency(from, &older_root, to, &root, &proof).is_err());
        let tlog = tlog::check_tree(
            &theirs(&proof), to, tlog::Hash(root), from, tlog::Hash(older_root));
        prop_assert!(tlog.is_err());
        let (older_root, root) = (Sha256Hash::new(older_root), Sha256Hash::new(root));
        let sigstore = sigstore_merkle::verify_consistency_proof(
            from, to, &sigstore(&proof), &older_root, &root);
        prop_assert!(sigstore.is_err());
    }

    #[test]
    fn tiles_have_the_same_paths_and_bytes(leaves in leaves(), older in any::<Index>()) {
        let (older, size) = (older.index(leaves.len()) as u64, leaves.len() as u64);
        let hashes = hashes(&leaves);
        let stored = stored(&leaves);
        let ours: Vec<Tile> = tiles::added(older, size)
            .into_iter()
            .filter(|tile| tile.kind() != TileKind::Entries)
            .collect();
        let theirs = tlog_tiles::tile::Tile::new_tiles(8, older, size);
        prop_assert_eq!(ours.len(), theirs.len());
        for (ours, theirs) in ours.iter().zip(theirs) {
            // Theirs name the height of the tile too.
            let path = theirs.path().replacen("tile/8/", "tile/", 1);
            prop_assert_eq!(ours.to_string(), path);
            prop_assert_eq!(ours.hash_bytes(&hashes).unwrap(), theirs.read_data(&stored).unwrap());
        }
    }
}
