//! Why objects are not where rows say that they are: the address is written in another form.
//!
//! A key may name a person, so a message shows its form only, and how another form differs.

use std::collections::{BTreeSet, VecDeque};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use unicode_normalization::UnicodeNormalization as _;

use super::{ObjectInventory, ObjectKey};

/// Keys whose other forms are looked for.
const KEYS: usize = 3;

/// Other forms of one key that are looked for.
const FORMS: usize = 48;

/// How many slips one key may have at once.
const SLIPS: usize = 3;

/// What a path of a URL may hold without being encoded.
const IN_PATHS: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'/');

/// Where a store's keys begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The bucket with its prefix, or the folder, for messages.
    pub shown: String,
    /// What stands before each key: the bucket's prefix as it is, or the path of the folder.
    pub before: String,
    /// The bucket's name; empty for a folder.
    pub bucket: String,
}

/// How the addresses of `keys`, of which nothing was found, are built, and in which other form there
/// is something, if so.
pub(crate) async fn explain(store: &dyn ObjectInventory, keys: &[String]) -> String {
    let place = store.place();
    let Some(first) = keys.first() else {
        return String::new();
    };
    let built = format!(
        "an address is built as `{}` and a key of the form `{}`",
        place.shown,
        form(first, &place.before)
    );
    for key in keys.iter().take(KEYS) {
        for other in other_forms(key, &place).into_iter().take(FORMS) {
            let Ok(parsed) = ObjectKey::parse(other.key) else {
                continue;
            };
            let found = store.versions(&parsed).await;
            if found.is_ok_and(|found| !found.is_empty()) {
                return format!("{built}; objects exist {}", other.how.join(", "));
            }
        }
    }
    built
}

/// A key as it may have been meant.
struct OtherForm {
    key: String,
    how: Vec<String>,
}

/// The other forms of `key`, those with fewer slips first.
fn other_forms(key: &str, place: &Place) -> Vec<OtherForm> {
    let mut known = BTreeSet::from([key.to_owned()]);
    let mut found = Vec::new();
    let mut open = VecDeque::from([(key.to_owned(), Vec::new())]);
    while let Some((key, how)) = open.pop_front() {
        if how.len() == SLIPS || found.len() >= FORMS {
            continue;
        }
        for (slip, meant) in slips(&key, place) {
            if meant.is_empty() || !known.insert(meant.clone()) {
                continue;
            }
            let mut how = how.clone();
            how.push(slip);
            open.push_back((meant.clone(), how.clone()));
            found.push(OtherForm { key: meant, how });
        }
    }
    found
}

/// What one slip may have made of another key, each with its name.
fn slips(key: &str, place: &Place) -> Vec<(String, String)> {
    let mut slips: Vec<(String, String)> = Vec::new();
    let mut add = |how: &str, meant: &str| slips.push((how.to_owned(), meant.to_owned()));
    if let Some((_, rest)) = key.split_once("://") {
        let path = rest.split_once('/').map_or("", |(_, path)| path);
        let path = path.split(['?', '#']).next().unwrap_or_default();
        add("without the address of the server in the key", path);
    }
    if key.starts_with('/') {
        add("without the leading `/`", key.trim_start_matches('/'));
    }
    for doubled in prefixes(place) {
        if let Some(rest) = key.strip_prefix(&doubled) {
            add(&format!("without the doubled prefix `{doubled}`"), rest);
        }
    }
    let is_open =
        !place.bucket.is_empty() && !place.before.is_empty() && !place.before.ends_with('/');
    if is_open && !key.starts_with('/') {
        add("with a `/` between prefix and key", &format!("/{key}"));
    }
    if let Ok(decoded) = percent_decode_str(key).decode_utf8() {
        add("without percent-encoding", &decoded);
    }
    add(
        "with percent-encoding",
        &utf8_percent_encode(key, IN_PATHS).to_string(),
    );
    add(
        "in Unicode's composed form (NFC)",
        &key.nfc().collect::<String>(),
    );
    add(
        "in Unicode's decomposed form (NFD)",
        &key.nfd().collect::<String>(),
    );
    add("without blanks at the ends", key.trim());
    add("with `/` for `\\`", &key.replace('\\', "/"));
    slips
}

/// What a column may repeat of what stands before each key: the whole, or its last parts.
fn prefixes(place: &Place) -> Vec<String> {
    let mut prefixes = Vec::new();
    if !place.before.is_empty() {
        prefixes.push(place.before.clone());
    }
    let parts: Vec<&str> = place
        .before
        .split('/')
        .filter(|part| !part.is_empty())
        .collect();
    for first in 0..parts.len() {
        prefixes.push(format!("{}/", parts[first..].join("/")));
    }
    if !place.bucket.is_empty() {
        prefixes.push(format!("{}/", place.bucket));
    }
    prefixes
}

/// The form of a key: separators, and the parts that `kigen.toml` has too; `…` for everything else.
pub(crate) fn form(key: &str, before: &str) -> String {
    let known: BTreeSet<&str> = before.split('/').filter(|part| !part.is_empty()).collect();
    let mut form = String::new();
    let mut rest = key;
    if let Some((scheme @ ("http" | "https" | "s3" | "file"), path)) = key.split_once("://") {
        form.push_str(scheme);
        form.push_str("://");
        rest = path;
    }
    for (index, part) in rest.split('/').enumerate() {
        if index > 0 {
            form.push('/');
        }
        if known.contains(part) {
            form.push_str(part);
            continue;
        }
        let mut hidden = false;
        for character in part.chars() {
            if matches!(character, '.' | '%' | '\\' | '?' | ' ') {
                form.push(character);
                hidden = false;
            } else if !hidden {
                form.push('…');
                hidden = true;
            }
        }
    }
    form
}

#[cfg(test)]
mod tests {
    use super::{Place, form, other_forms};

    fn bucket(before: &str) -> Place {
        Place {
            shown: format!("s3://scans/{before}"),
            before: before.to_owned(),
            bucket: "scans".to_owned(),
        }
    }

    #[test]
    fn what_was_meant_is_among_the_other_forms() {
        let folder = Place {
            shown: "/srv/objects/files".to_owned(),
            before: "/srv/objects/files".to_owned(),
            bucket: String::new(),
        };
        let cases = [
            ("/a/1.pdf", bucket(""), "a/1.pdf"),
            ("//a/1.pdf", bucket(""), "a/1.pdf"),
            ("files/a/1.pdf", bucket("files/"), "a/1.pdf"),
            ("files/a/1.pdf", bucket("files"), "/a/1.pdf"),
            ("a/1.pdf", bucket("files"), "/a/1.pdf"),
            ("files/a/1.pdf", folder.clone(), "a/1.pdf"),
            ("objects/files/a/1.pdf", folder.clone(), "a/1.pdf"),
            ("/srv/objects/files/a/1.pdf", folder, "a/1.pdf"),
            ("s3://scans/a/1.pdf", bucket(""), "a/1.pdf"),
            (
                "https://s3.example/scans/a/1.pdf?v=1",
                bucket(""),
                "a/1.pdf",
            ),
            (
                "https://scans.s3.example/files/a%20b.pdf",
                bucket("files/"),
                "a b.pdf",
            ),
            ("a%2Fb%20c.pdf", bucket(""), "a/b c.pdf"),
            ("山田.pdf", bucket(""), "%E5%B1%B1%E7%94%B0.pdf"),
            ("か\u{3099}.pdf", bucket(""), "が.pdf"),
            ("が.pdf", bucket(""), "か\u{3099}.pdf"),
            (" a.pdf  ", bucket(""), "a.pdf"),
            ("a\\1.pdf", bucket(""), "a/1.pdf"),
        ];
        for (named, place, meant) in cases {
            let forms = other_forms(named, &place);
            let found = forms.iter().any(|form| form.key == meant);
            assert!(found, "{named} was meant as {meant}");
        }
    }

    #[test]
    fn a_form_shows_nothing_of_a_person() {
        let cases = [
            ("files/山田 太郎/id-1.pdf", "files/", "files/… …/….…"),
            ("https://example.jp/a%20b.pdf", "", "https://….…/…%….…"),
            ("yamada.pdf", "", "….…"),
        ];
        for (key, before, expected) in cases {
            assert_eq!(form(key, before), expected);
        }
    }
}
