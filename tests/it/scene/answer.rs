//! What the program answered.

use std::process::Output;

/// Exit code and both streams.
pub(crate) struct Answer {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Answer {
    pub(crate) fn of(output: &Output) -> Self {
        Self {
            code: output.status.code().expect("the program ends by itself"),
            stdout: String::from_utf8(output.stdout.clone()).unwrap(),
            stderr: String::from_utf8(output.stderr.clone()).unwrap(),
        }
    }

    /// The one JSON document on stdout.
    pub(crate) fn json(&self) -> serde_json::Value {
        let document = serde_json::from_str(&self.stdout);
        document.unwrap_or_else(|error| panic!("{error}: {}\n{}", self.stdout, self.stderr))
    }
}

/// Replaces what differs from run to run by marks.
pub(crate) fn redacted(text: &str) -> String {
    let mut redacted = String::with_capacity(text.len());
    let mut word = String::new();
    for character in text.chars() {
        if character.is_ascii_alphanumeric() || matches!(character, '-' | ':' | '.') {
            word.push(character);
            continue;
        }
        redacted.push_str(&redacted_word(&word));
        word.clear();
        redacted.push(character);
    }
    redacted.push_str(&redacted_word(&word));
    redacted
}

fn redacted_word(word: &str) -> String {
    let is_hex = |part: &str| part.chars().all(|character| character.is_ascii_hexdigit());
    let parts: Vec<&str> = word.split('-').collect();
    let widths: Vec<usize> = parts.iter().map(|part| part.len()).collect();
    let is_uuid = widths == [8, 4, 4, 4, 12] && parts.iter().all(|part| is_hex(part));
    let is_digest = word.len() == 64 && is_hex(word);
    // A moment, as the log writes it and as documents do.
    let is_moment = word.len() >= 20 && word.ends_with('Z') && word.as_bytes()[10] == b'T';
    // The port of a server on a free port.
    let is_local = word.starts_with("127.0.0.1:");
    if is_local {
        return "127.0.0.1:xxxxx".to_owned();
    }
    if is_moment {
        // Of one width, whatever the digits of its fraction.
        return "xxxx-xx-xxTxx:xx:xxZ".to_owned();
    }
    if !(is_uuid || is_digest) {
        return word.to_owned();
    }
    let mark = |character: char| {
        if character.is_ascii_alphanumeric() {
            'x'
        } else {
            character
        }
    };
    word.chars().map(mark).collect()
}
