//! Envelopes against the crate `dsse` and Python's securesystemslib.

use std::fs;
use std::path::Path;
use std::process::Command;

use ed25519_dalek::SigningKey;
use kigen_evidence::dsse::{PAYLOAD_TYPE, pae, sign, verify};
use kigen_evidence::public_key::to_pem;
use proptest::collection::vec;
use proptest::prelude::any;
use proptest::{prop_assert, prop_assert_eq, proptest};

const PAYLOAD: &str = r#"{"_type":"https://in-toto.io/Statement/v1","note":"期限 ?>~"}"#;

fn key(seed: [u8; 32]) -> SigningKey {
    SigningKey::from_bytes(&seed)
}

proptest! {
    #[test]
    fn what_is_signed_is_the_same(payload_type in ".{0,30}", payload in vec(any::<u8>(), 0..200)) {
        prop_assert_eq!(pae(&payload_type, &payload), dsse::pae(&payload_type, &payload));
    }

    #[test]
    fn our_envelopes_are_accepted_and_theirs_by_us(
        payload in vec(any::<u8>(), 0..200), seed in any::<[u8; 32]>(),
    ) {
        let key = key(seed);
        let public = key.verifying_key();
        let verifier = dsse::Ed25519Verifier::from_bytes(public.as_bytes()).unwrap();
        let ours = sign(&payload, &key).unwrap();
        let read = dsse::Envelope::from_json(&ours).unwrap();
        let verified = dsse::verify(&read, &[&verifier], 1).unwrap();
        prop_assert_eq!(&verified.payload, &payload);
        prop_assert_eq!(verified.payload_type, PAYLOAD_TYPE);

        let signer = dsse::Ed25519Signer::from_bytes(&seed).unwrap();
        let theirs = dsse::sign(PAYLOAD_TYPE, &payload, &signer).unwrap();
        let file = theirs.to_json().unwrap();
        let verified = verify(&file, &[public]).unwrap();
        prop_assert_eq!(verified.payload(), payload);
    }

    #[test]
    fn any_damage_is_judged_alike(place in any::<proptest::sample::Index>(), byte in any::<u8>()) {
        let key = key([1; 32]);
        let mut bytes = sign(PAYLOAD.as_bytes(), &key).unwrap();
        let place = place.index(bytes.len());
        bytes[place] = byte;
        let public = key.verifying_key();
        let verifier = dsse::Ed25519Verifier::from_bytes(public.as_bytes()).unwrap();
        let theirs = dsse::Envelope::from_json(&bytes)
            .ok()
            .and_then(|envelope| dsse::verify(&envelope, &[&verifier], 1).ok());
        let ours = verify(&bytes, &[public]).ok();
        // We also take base64 without padding, as the protocol allows; never the other way round.
        prop_assert!(ours.is_some() || theirs.is_none());
        if let Some(ours) = ours {
            prop_assert_eq!(ours.payload(), PAYLOAD.as_bytes());
        }
    }
}

#[test]
fn securesystemslib_accepts_our_envelope_and_refuses_a_changed_one() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = root.join("../../target/tools/venv/bin/python");
    assert!(
        python.exists(),
        "{} is missing: run `make setup` first",
        python.display()
    );
    let folder = tempfile::tempdir().unwrap();
    let key = key([1; 32]);
    let (envelope, pem) = (
        folder.path().join("cert.dsse.json"),
        folder.path().join("cert.pub.pem"),
    );
    fs::write(&envelope, sign(PAYLOAD.as_bytes(), &key).unwrap()).unwrap();
    fs::write(&pem, to_pem(&key.verifying_key()).unwrap()).unwrap();
    let output = Command::new(python)
        .arg(root.join("tests/verify_dsse.py"))
        .args([&envelope, &pem])
        .output()
        .unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{errors}");
    assert_eq!(String::from_utf8(output.stdout).unwrap(), PAYLOAD);
}
