//! Japan's corporate number (法人番号).

/// Whether `text` is a corporate number: 13 digits, of which the first checks the other twelve.
///
/// The check digit is 9 − (Σ Pₙ × Qₙ mod 9), where Pₙ is the n-th of the twelve digits counted from
/// the last, and Qₙ is 1 for odd and 2 for even n (法人番号の指定等に関する省令, art. 2).
pub(super) fn is_valid(text: &str) -> bool {
    let digits: Option<Vec<u32>> = text.chars().map(|digit| digit.to_digit(10)).collect();
    let Some(digits) = digits.filter(|digits| digits.len() == 13) else {
        return false;
    };
    let Some((check, base)) = digits.split_first() else {
        return false;
    };
    let weights = [1, 2].into_iter().cycle();
    let sum: u32 = base
        .iter()
        .rev()
        .zip(weights)
        .map(|(digit, weight)| digit * weight)
        .sum();
    *check == 9 - sum % 9
}

#[cfg(test)]
mod tests {
    use super::is_valid;

    /// The National Tax Agency's own number, and its example of the calculation.
    #[test]
    fn the_first_digit_checks_the_other_twelve() {
        assert!(is_valid("7000012050002"));
        assert!(is_valid("8700110005901"));
        assert!(!is_valid("7000012050003"));
        assert!(!is_valid("0700110005901"));
    }

    #[test]
    fn other_texts_are_no_corporate_numbers() {
        for text in [
            "",
            "700001205000",
            "70000120500020",
            "700001205000x",
            "７000012050002",
        ] {
            assert!(!is_valid(text), "{text}");
        }
    }
}
