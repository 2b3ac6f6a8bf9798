//! Names: of clusters, stages, purposes, joins, tables and columns.

use super::findings::Findings;
use crate::diagnostic::document::Path;
use crate::job::TableName;

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

/// Checks that `text` can be the name of a column or table: anything that a database takes.
///
/// Such names become part of statements, where they are quoted. Control characters would spoil what
/// people and logs see.
pub(super) fn identifier(path: &Path, text: &str, findings: &mut Findings) -> bool {
    if is_identifier(text) {
        return true;
    }
    let message = format!("{text:?} cannot be the name of a column or table");
    findings.hint(
        path,
        message,
        "the name as the database has it, without control characters",
    );
    false
}

fn is_identifier(text: &str) -> bool {
    !text.is_empty() && !text.chars().any(char::is_control)
}

/// Reads `table` or `schema.table`; a part in double quotes may hold dots.
pub(super) fn table(path: &Path, text: &str, findings: &mut Findings) -> Option<TableName> {
    let name = parts(text).filter(|name| {
        let mut parts = name.schema.iter().chain([&name.name]);
        parts.all(|part| is_identifier(part))
    });
    if name.is_none() {
        let message = format!("{text:?} cannot be the name of a table");
        let hint = "write `table` or `schema.table`; a part that holds a dot stands in double quotes: '\"my.table\"'";
        findings.hint(path, message, hint);
    }
    name
}

/// A table's name as it is written, whether it is one or not.
pub(super) fn unchecked_table(text: &str) -> TableName {
    parts(text).unwrap_or_else(|| TableName {
        schema: None,
        name: text.to_owned(),
    })
}

fn parts(text: &str) -> Option<TableName> {
    let (first, rest) = part(text)?;
    let Some(rest) = rest else {
        return Some(TableName {
            schema: None,
            name: first,
        });
    };
    let (name, rest) = part(rest)?;
    rest.is_none().then_some(TableName {
        schema: Some(first),
        name,
    })
}

/// The first part of a name, and what follows the dot behind it.
fn part(text: &str) -> Option<(String, Option<&str>)> {
    let Some(quoted) = text.strip_prefix('"') else {
        return Some(match text.split_once('.') {
            Some((part, rest)) => (part.to_owned(), Some(rest)),
            None => (text.to_owned(), None),
        });
    };
    let mut part = String::new();
    let mut rest = quoted;
    loop {
        let (before, behind) = rest.split_once('"')?;
        part.push_str(before);
        if let Some(behind) = behind.strip_prefix('"') {
            // Two quotes stand for one of the name.
            part.push('"');
            rest = behind;
            continue;
        }
        return match behind.strip_prefix('.') {
            Some(behind) => Some((part, Some(behind))),
            None => behind.is_empty().then_some((part, None)),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(schema: Option<&str>, name: &str) -> Option<TableName> {
        Some(TableName {
            schema: schema.map(str::to_owned),
            name: name.to_owned(),
        })
    }

    #[test]
    fn a_table_is_read_as_it_is_written() {
        let cases = [
            ("learner", table(None, "learner")),
            ("lms.learner", table(Some("lms"), "learner")),
            ("受講 履歴", table(None, "受講 履歴")),
            ("a\"b", table(None, "a\"b")),
            ("\"my.table\"", table(None, "my.table")),
            ("lms.\"my.table\"", table(Some("lms"), "my.table")),
            ("\"l.ms\".\"a\"\"b.c\"", table(Some("l.ms"), "a\"b.c")),
            ("a.b.c", None),
            ("\"open", None),
            ("\"a\"b", None),
        ];
        for (text, expected) in cases {
            assert_eq!(parts(text), expected, "{text}");
            if let Some(name) = expected {
                assert_eq!(
                    parts(&name.to_string()),
                    Some(name),
                    "written again: {text}"
                );
            }
        }
    }
}
