//! Notes as other implementations write them, and what is no note.

use ed25519_dalek::SigningKey;

use crate::log::cosignature;
use crate::log::vkey::{KeyType, NoteKey};

use super::{MOST_SIGNATURES, Note, NoteError, NoteSignature};

/// From the documentation of Go's `golang.org/x/mod/sumdb/note`.
const KEY_OF_GO: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
const NOTE_OF_GO: &str = "\
If you think cryptography is the answer to your problem,
then you don't know what your problem is.

— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=
";

const TEXT: &str = "certs.example.com/own\n1\nq83vq83vq83vq83vq83vq83vq83vq83vq83vq83vq80=\n";

fn secret(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

fn key(name: &str, key_type: KeyType, seed: u8) -> NoteKey {
    NoteKey::new(name, key_type, secret(seed).verifying_key()).unwrap()
}

fn log() -> NoteKey {
    key("certs.example.com/own", KeyType::Note, 1)
}

fn witness() -> NoteKey {
    key("client.example.jp/witness", KeyType::Cosignature, 2)
}

fn signed() -> Note {
    Note::sign(TEXT, &log(), &secret(1)).unwrap()
}

#[test]
fn a_note_of_another_implementation_is_opened_and_written_again() {
    let key: NoteKey = KEY_OF_GO.parse().unwrap();
    let note: Note = NOTE_OF_GO.parse().unwrap();
    let opened = note.open(std::slice::from_ref(&key)).unwrap();
    let text = NOTE_OF_GO.split("\n\n").next().unwrap();
    assert_eq!(opened.text(), format!("{text}\n"));
    assert_eq!(opened.signers()[0].key, key);
    assert_eq!(note.to_string(), NOTE_OF_GO);
}

#[test]
fn signing_again_gives_the_same_bytes() {
    assert_eq!(signed().to_string(), signed().to_string());
    let text = signed().to_string();
    assert_eq!(text.parse::<Note>().unwrap(), signed());
    assert!(text.starts_with(TEXT));
}

#[test]
fn a_witness_adds_its_line_and_its_time() {
    let mut note = signed();
    let line = cosignature::sign(TEXT, &witness(), &secret(2), 1_795_312_800).unwrap();
    note.add(line.clone()).unwrap();
    note.add(line).unwrap();
    let note: Note = note.to_string().parse().unwrap();
    assert_eq!(note.signatures().len(), 2);
    let opened = note.open(&[witness(), log()]).unwrap();
    let signers: Vec<_> = opened
        .signers()
        .iter()
        .map(|signer| (signer.key.name(), signer.time))
        .collect();
    let expected = [
        ("certs.example.com/own", None),
        ("client.example.jp/witness", Some(1_795_312_800)),
    ];
    assert_eq!(signers, expected);
}

#[test]
fn lines_of_unknown_keys_are_ignored_whatever_they_hold() {
    let note = signed();
    let good = note.signatures()[0].to_string();
    // The same name with another id, the same id with another name, another length.
    let stranger = key("certs.example.com/own", KeyType::Note, 9);
    let other_id = NoteSignature::new(&stranger, vec![0; 64]).to_string();
    let other_name = good.replace("/own", "/other");
    let longer = NoteSignature::new(&stranger, vec![7; 2424]).to_string();
    let text = format!("{TEXT}\n{other_id}\n{other_name}\n{good}\n{longer}\n");
    let opened = text.parse::<Note>().unwrap().open(&[log()]).unwrap();
    assert_eq!(opened.signers().len(), 1);
    let nobody = text.parse::<Note>().unwrap().open(&[witness()]);
    assert_eq!(nobody.unwrap_err(), NoteError::NobodyKnown);
    assert_eq!(note.open(&[]).unwrap_err(), NoteError::NobodyKnown);
}

#[test]
fn a_line_of_a_known_key_that_does_not_hold_refuses_the_note() {
    let mut note = signed();
    note.add(NoteSignature::new(&witness(), vec![0; 72]))
        .unwrap();
    note.open(&[log()]).unwrap();
    let error = note.open(&[log(), witness()]).unwrap_err();
    assert!(matches!(error, NoteError::SignatureFails { name, .. } if name == witness().name()));

    let altered = signed().to_string().replacen("\n1\n", "\n2\n", 1);
    let error = altered.parse::<Note>().unwrap().open(&[log()]).unwrap_err();
    assert!(matches!(error, NoteError::SignatureFails { .. }));
}

#[test]
fn a_signature_does_not_change_its_kind() {
    // A witness's key that signs the bare text has cosigned nothing, and the other way round.
    let as_log = key(witness().name(), KeyType::Note, 2);
    let line = Note::sign(TEXT, &as_log, &secret(2)).unwrap();
    assert_eq!(line.open(&[witness()]).unwrap_err(), NoteError::NobodyKnown);
    let mut note = signed();
    let bytes = line.signatures()[0].bytes.clone();
    note.add(NoteSignature::new(&witness(), bytes)).unwrap();
    assert!(note.open(&[log(), witness()]).is_err());
    assert!(Note::sign(TEXT, &witness(), &secret(2)).is_err());
    assert!(Note::sign(TEXT, &log(), &secret(5)).is_err());
}

#[test]
fn a_text_that_cannot_be_a_note_is_not_signed() {
    for text in [
        "",
        "no line end",
        "tab\there\n",
        "return\r\n",
        "bell\u{7}\n",
    ] {
        let error = Note::sign(text, &log(), &secret(1)).unwrap_err();
        assert_eq!(error, NoteError::Text, "{text:?}");
    }
    let empty_lines = Note::sign("a\n\nb\n\n", &log(), &secret(1)).unwrap();
    let read: Note = empty_lines.to_string().parse().unwrap();
    assert_eq!(read.open(&[log()]).unwrap().text(), "a\n\nb\n\n");
}

#[test]
fn what_is_no_note_is_refused() {
    let note = signed().to_string();
    let line = signed().signatures()[0].to_string();
    for (text, refusal) in [
        (String::new(), NoteError::Form),
        (TEXT.to_owned(), NoteError::Form),
        (format!("{TEXT}\n"), NoteError::Form),
        (note.trim_end().to_owned(), NoteError::Form),
        (format!("{note}\n"), NoteError::Form),
        (note.replace('\n', "\r\n"), NoteError::Form),
        (note.replacen("\n1\n", "\n1\t\n", 1), NoteError::Text),
        (format!("{TEXT}\n{line} \n"), NoteError::SignatureLine(1)),
        (note.replace("— ", "- "), NoteError::SignatureLine(1)),
        (note.replace("— ", "—"), NoteError::SignatureLine(1)),
        (format!("{note}— a b\n"), NoteError::SignatureLine(2)),
        (
            format!("{note}— a+b AAAAAAAA\n"),
            NoteError::SignatureLine(2),
        ),
        (format!("{note}—  AAAAAAAA\n"), NoteError::SignatureLine(2)),
        (format!("{note}— a AAAAAA==\n"), NoteError::SignatureLine(2)),
        (format!("{note}— a AAAAAB==\n"), NoteError::SignatureLine(2)),
    ] {
        assert_eq!(text.parse::<Note>().unwrap_err(), refusal, "{text:?}");
    }
}

#[test]
fn a_note_has_a_greatest_length_and_a_greatest_number_of_signatures() {
    let long = format!("{}\n\n— a AAAAAAAA\n", "x".repeat(super::LONGEST_NOTE));
    assert!(matches!(
        long.parse::<Note>().unwrap_err(),
        NoteError::TooLong(_)
    ));
    let lines: String = (0..=MOST_SIGNATURES)
        .map(|number| format!("— a{number} AAAAAAAA\n"))
        .collect();
    let error = format!("{TEXT}\n{lines}").parse::<Note>().unwrap_err();
    assert_eq!(error, NoteError::TooManySignatures(MOST_SIGNATURES + 1));
}
