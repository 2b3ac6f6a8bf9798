//! What somebody probably meant.

/// The least likeness at which a name is offered; below it a guess confuses more than it helps.
const LEAST_LIKENESS: f64 = 0.7;

/// Returns the name that is most like `written`, if one is like it at all.
pub fn near_miss<'n>(written: &str, names: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let folded = written.to_lowercase();
    let mut nearest: Option<(f64, &str)> = None;
    for name in names {
        let likeness = strsim::normalized_damerau_levenshtein(&folded, &name.to_lowercase());
        let nearer = nearest.is_none_or(|(so_far, _)| likeness > so_far);
        if likeness >= LEAST_LIKENESS && nearer {
            nearest = Some((likeness, name));
        }
    }
    nearest.map(|(_, name)| name)
}

/// A hint for an unknown name: the near miss, or else the names that would do.
///
/// Lists only short lists; `None` if there is nothing useful to say.
pub fn hint<'n>(written: &str, names: impl IntoIterator<Item = &'n str>) -> Option<String> {
    let mut names: Vec<&str> = Vec::from_iter(names);
    names.dedup();
    if let Some(name) = near_miss(written, names.iter().copied()) {
        return Some(format!("did you mean `{name}`?"));
    }
    if names.is_empty() || names.len() > LONGEST_LIST {
        return None;
    }
    Some(format!("known: {}", quoted(names)))
}

const LONGEST_LIST: usize = 12;

/// The names in backticks, with commas between them.
pub fn quoted<'n>(names: impl IntoIterator<Item = &'n str>) -> String {
    let names: Vec<String> = names.into_iter().map(|name| format!("`{name}`")).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::{hint, near_miss};

    #[test]
    fn a_slip_of_the_pen_finds_what_was_meant() {
        let names = ["time-zone", "title", "table"];
        assert_eq!(near_miss("timezone", names), Some("time-zone"));
        assert_eq!(near_miss("Tabel", names), Some("table"));
        assert_eq!(near_miss("schedule", names), None);
    }

    #[test]
    fn without_a_near_miss_a_short_list_is_shown() {
        assert_eq!(
            hint("x", ["a-long-name"]).as_deref(),
            Some("known: `a-long-name`")
        );
        assert_eq!(hint("x", []), None);
    }
}
