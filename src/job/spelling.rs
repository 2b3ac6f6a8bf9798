//! Spellings: texts that a person takes for the same word, and a database does not.

use icu_normalizer::ComposingNormalizerBorrowed;

/// `text` without what a person does not see: case, width, blanks, the order of combining marks.
pub(crate) fn folded(text: &str) -> String {
    let normal = ComposingNormalizerBorrowed::new_nfkc();
    let narrow = normal.normalize(text);
    let visible = narrow.chars().filter(|character| !is_invisible(*character));
    // First up, then down: `ß` and `SS` are one.
    let upper: String = visible.flat_map(char::to_uppercase).collect();
    normal.normalize(&upper.to_lowercase()).into_owned()
}

/// `text` as a name is kept: without blanks around it, its combining marks composed.
pub(crate) fn tidy(text: &str) -> String {
    let normal = ComposingNormalizerBorrowed::new_nfc();
    normal.normalize(trimmed(text)).into_owned()
}

fn trimmed(text: &str) -> &str {
    text.trim_matches(is_invisible)
}

/// Blanks of every width, and what has none: zero-width spaces and joiners, marks of direction, the mark
/// at a file's beginning, the soft hyphen.
fn is_invisible(character: char) -> bool {
    character.is_whitespace()
        || matches!(
            character,
            '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2064}' | '\u{2066}'..='\u{2069}' | '\u{feff}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_word_are_folded_to_one_text() {
        let same = [
            ("Paid", "paid"),
            ("paid", " paid "),
            ("paid", "ｐａｉｄ"),
            ("paid", "pa\u{200b}id"),
            ("legal hold", "Legal\u{3000}Hold"),
            ("ガ", "ｶﾞ"),
            ("é", "e\u{301}"),
            ("STRASSE", "straße"),
        ];
        for (one, other) in same {
            assert_eq!(folded(one), folded(other), "{one:?} {other:?}");
        }
        assert_ne!(folded("paid"), folded("trial"));
        assert_ne!(folded("か"), folded("が"));
    }

    #[test]
    fn a_name_keeps_its_case_and_its_inner_blanks() {
        assert_eq!(tidy(" Acme  Inc\u{3000}"), "Acme  Inc");
        assert_eq!(tidy("Cafe\u{301}"), "Café");
    }
}
