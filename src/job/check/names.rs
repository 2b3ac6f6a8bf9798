//! Names: of clusters, stages, purposes, joins, tables and columns.

use super::findings::Findings;
use crate::job::TableName;
use crate::problem::document::Path;

/// Checks that `text` is a name in kebab-case: it goes into file names, certificates and flags.
pub(super) fn kebab(path: &Path, what: &str, text: &str, findings: &mut Findings) {
    if is_kebab(text) {
        return;
    }
    let message = format!("the {what} `{text}` is not in kebab-case");
    let suggestion = to_kebab(text);
    if is_kebab(&suggestion) {
        findings.hint(path, message, format!("write `{suggestion}`"));
        return;
    }
    findings.hint(
        path,
        message,
        "small letters a to z and digits, in words joined by `-`",
    );
}

fn is_kebab(text: &str) -> bool {
    let is_word = |word: &str| {
        !word.is_empty()
            && word
                .chars()
                .all(|character| character.is_ascii_lowercase() || character.is_ascii_digit())
    };
    text.starts_with(|first: char| first.is_ascii_lowercase()) && text.split('-').all(is_word)
}

fn to_kebab(text: &str) -> String {
    let lower = text.trim().to_lowercase();
    let words = lower.split(|character: char| !character.is_alphanumeric());
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    words.join("-")
}

/// Checks that no two of `names` are equal.
pub(super) fn unique<'n>(
    what: &str,
    names: impl IntoIterator<Item = (Path, &'n str)>,
    findings: &mut Findings,
) {
    let mut seen: Vec<(&str, Path)> = Vec::new();
    for (path, name) in names {
        if let Some((_, first)) = seen.iter().find(|(other, _)| *other == name) {
            let message = format!("a second {what} is called `{name}`; the first is at `{first}`");
            findings.say(&path, message);
            continue;
        }
        seen.push((name, path));
    }
}

/// Checks that a text is there at all.
pub(super) fn not_empty(path: &Path, text: &str, findings: &mut Findings) {
    if text.trim().is_empty() {
        findings.say(path, "this must not be empty");
    }
}

/// Checks that `text` can be the name of a column or table.
///
/// Such names become part of statements. They are quoted there; that they also hold nothing that
/// could end a quotation is the second lock on that door.
pub(super) fn identifier(path: &Path, text: &str, findings: &mut Findings) -> bool {
    let allowed = |character: char| character.is_alphanumeric() || "_$-".contains(character);
    if !text.is_empty() && text.chars().all(allowed) {
        return true;
    }
    let message = format!("{text:?} cannot be the name of a column or table");
    findings.hint(
        path,
        message,
        "letters, digits, `_`, `$` and `-` only, without quotes",
    );
    false
}

/// Reads `table` or `schema.table`.
pub(super) fn table(path: &Path, text: &str, findings: &mut Findings) -> Option<TableName> {
    let (schema, name) = parts(text);
    let parts_hold = schema
        .into_iter()
        .chain([name])
        .all(|part| identifier(path, part, findings));
    parts_hold.then(|| TableName {
        schema: schema.map(str::to_owned),
        name: name.to_owned(),
    })
}

/// A table's name as it is written, whether it is one or not.
pub(super) fn unchecked_table(text: &str) -> TableName {
    let (schema, name) = parts(text);
    TableName {
        schema: schema.map(str::to_owned),
        name: name.to_owned(),
    }
}

fn parts(text: &str) -> (Option<&str>, &str) {
    match text.split_once('.') {
        Some((schema, name)) => (Some(schema), name),
        None => (None, text),
    }
}
