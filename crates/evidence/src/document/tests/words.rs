//! The table of words.

use crate::document::{Language, words};
use crate::statement::{RetainReason, StartingPointKind};

#[test]
fn every_text_exists_in_japanese_and_in_english() {
    assert!(words::ALL.len() > 100);
    for (name, word) in words::ALL {
        let (ja, en) = (word.of(Language::Ja), word.of(Language::En));
        assert!(!ja.trim().is_empty() && !en.trim().is_empty(), "{name}");
        assert!(en.is_ascii(), "{name}: {en}");
        assert!(!ja.is_ascii(), "{name}: {ja}");
    }
}

/// Words that claim more than a row delete reaches, or that say something else in Japanese: 論理削除
/// is a mark on a row that stays.
#[test]
fn no_text_claims_what_a_database_cannot_do() {
    for (name, word) in words::ALL {
        let (ja, en) = (word.of(Language::Ja), word.of(Language::En).to_lowercase());
        for claim in ["完全", "抹消", "復元不", "論理削除", "NIST", "ADEC", "匿名"] {
            assert!(!ja.contains(claim), "{name}: {ja}");
        }
        for claim in [
            "purge",
            "wipe",
            "destroy all",
            "complete erasure",
            "permanent",
            "irrecoverabl",
            "anonym",
            "sanitiz",
            "nist",
        ] {
            assert!(!en.contains(claim), "{name}: {en}");
        }
    }
}

#[test]
fn every_fixed_word_of_a_statement_has_its_text() {
    for reason in RetainReason::ALL {
        assert!(words::retained(reason.name()).is_some(), "{reason}");
    }
    for kind in StartingPointKind::ALL {
        assert!(
            words::starting_point(kind.name()).is_some(),
            "{}",
            kind.name()
        );
    }
    assert!(words::starting_point("unheard-of").is_none());
}
