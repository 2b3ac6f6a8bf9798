//! Notes and checkpoints against `signed_note` and `tlog_tiles`.

use ed25519_dalek::SigningKey;
use kigen_evidence::log::checkpoint::Checkpoint;
use kigen_evidence::log::cosignature;
use kigen_evidence::log::note::Note;
use kigen_evidence::log::vkey::{KeyType, NoteKey};
use proptest::prelude::any;
use proptest::{prop_assert, prop_assert_eq, proptest};
use signed_note::{StandardVerifier, VerifierList};

const NAMES: &str = "[a-z期限]{1,8}(\\.[a-z]{2,5})?(/[a-z0-9-]{1,12})?";
const TEXTS: &str = "([ -~期限]{0,20}\n){1,5}";

fn key(name: &str, key_type: KeyType, seed: [u8; 32]) -> (NoteKey, SigningKey) {
    let secret = SigningKey::from_bytes(&seed);
    let key = NoteKey::new(name, key_type, secret.verifying_key()).unwrap();
    (key, secret)
}

fn verifiers(keys: &[&NoteKey]) -> VerifierList {
    let verifier = |key: &&NoteKey| -> Box<dyn signed_note::Verifier> {
        Box::new(StandardVerifier::new(&key.to_string()).unwrap())
    };
    VerifierList::new(keys.iter().map(verifier).collect())
}

proptest! {
    #[test]
    fn our_keys_and_notes_are_accepted_and_give_the_same_bytes(
        name in NAMES, text in TEXTS, seed in any::<[u8; 32]>(),
    ) {
        let (key, secret) = key(&name, KeyType::Note, seed);
        let ours = Note::sign(&text, &key, &secret).unwrap().to_string();
        let theirs = signed_note::Note::from_bytes(ours.as_bytes()).unwrap();
        prop_assert_eq!(theirs.text(), text.as_bytes());
        let (verified, unverified) = theirs.verify(&verifiers(&[&key])).unwrap();
        prop_assert_eq!((verified.len(), unverified.len()), (1, 0));
        prop_assert_eq!(theirs.to_bytes(), ours.as_bytes());
    }

    #[test]
    fn a_witness_line_is_unknown_to_who_does_not_know_it(
        name in NAMES, seed in any::<[u8; 32]>(), other in any::<[u8; 32]>(), time in 0..4_000_000_000_u64,
    ) {
        let (log, secret) = key(&name, KeyType::Note, seed);
        let (witness, witness_secret) = key("client.example.jp", KeyType::Cosignature, other);
        let text = Checkpoint::new(&name, 7, seed).unwrap().to_string();
        let mut note = Note::sign(&text, &log, &secret).unwrap();
        note.add(cosignature::sign(&text, &witness, &witness_secret, time).unwrap()).unwrap();
        let theirs = signed_note::Note::from_bytes(note.to_string().as_bytes()).unwrap();
        let (verified, unverified) = theirs.verify(&verifiers(&[&log])).unwrap();
        prop_assert_eq!((verified.len(), unverified.len()), (1, 1));
        prop_assert_eq!(note.open(&[log, witness]).unwrap().signers().len(), 2);
    }

    #[test]
    fn any_damage_is_judged_alike(
        text in TEXTS, seed in any::<[u8; 32]>(), place in any::<proptest::sample::Index>(), byte in any::<u8>(),
    ) {
        let (key, secret) = key("example.com/log", KeyType::Note, seed);
        let mut bytes = Note::sign(&text, &key, &secret).unwrap().to_string().into_bytes();
        let place = place.index(bytes.len());
        bytes[place] = byte;
        let theirs = signed_note::Note::from_bytes(&bytes)
            .ok()
            .and_then(|note| note.verify(&verifiers(&[&key])).ok());
        let ours = String::from_utf8(bytes)
            .ok()
            .and_then(|text| text.parse::<Note>().ok())
            .and_then(|note| note.open(&[key]).ok());
        prop_assert_eq!(ours.is_some(), theirs.is_some());
    }

    #[test]
    fn checkpoints_have_the_same_text(origin in NAMES, size in any::<u64>(), root in any::<[u8; 32]>()) {
        let ours = Checkpoint::new(&origin, size, root).unwrap().to_string();
        let hash = tlog_tiles::tlog::Hash(root);
        let theirs = tlog_tiles::checkpoint::Checkpoint::new(&origin, size, hash, "").unwrap();
        prop_assert_eq!(theirs.to_bytes(), ours.as_bytes());
        let read = tlog_tiles::checkpoint::Checkpoint::from_bytes(ours.as_bytes());
        prop_assert!(read.is_ok());
    }
}
