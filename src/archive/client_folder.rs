//! The names of a client's folder and log.

use sha2::{Digest, Sha256};

use super::KEYS;

/// Names of this length, or shorter, stand as they are; file systems end at 255 bytes.
const LONGEST_NAME: usize = 200;

/// How much of a longer name is kept for people. With `%` and a digest that is more than
/// [`LONGEST_NAME`], so that no short name can be the same.
const KEPT: usize = 140;

/// A safe name for the folder of `client`; different clients have different ones.
///
/// Letters, digits, `.`, `_` and `-` of ASCII stand for themselves, other bytes as `%E3`. So does
/// the first byte where the name would be hidden, or would be that of the folder of the keys.
pub fn client_folder(client: &str) -> String {
    let mut name = String::with_capacity(client.len());
    let is_taken = client == KEYS || client.starts_with('.');
    for (place, byte) in client.bytes().enumerate() {
        let stands = byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        if stands && !(place == 0 && is_taken) {
            name.push(char::from(byte));
        } else {
            name.push('%');
            name.push_str(&hex::encode_upper([byte]));
        }
    }
    if name.is_empty() {
        return "%".to_owned();
    }
    if name.len() <= LONGEST_NAME {
        return name;
    }
    name.truncate(KEPT);
    format!("{name}%{}", hex::encode(Sha256::digest(client)))
}

/// The name of the log of `client` below the issuer's origin, which is that of its key too:
/// `certs.example.com/client-7f3a`.
pub fn log_origin(issuer_origin: &str, client: &str) -> String {
    format!("{issuer_origin}/{}", client_folder(client))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::{prop_assert, prop_assert_ne, proptest};

    use super::client_folder;

    #[test]
    fn a_plain_name_is_kept_and_any_other_is_written_in_percents() {
        for (client, expected) in [
            ("client-7f3a", "client-7f3a"),
            ("A.b_c-9", "A.b_c-9"),
            ("期限", "%E6%9C%9F%E9%99%90"),
            ("a/b c%20", "a%2Fb%20c%2520"),
            ("", "%"),
            (".", "%2E"),
            ("..", "%2E."),
            ("keys", "%6Beys"),
        ] {
            assert_eq!(client_folder(client), expected);
        }
    }

    #[test]
    fn long_japanese_names_fit_a_file_system_and_stay_apart() {
        let long = "株式会社".repeat(40);
        let names: HashSet<String> = ["", "A", "B"]
            .iter()
            .map(|end| client_folder(&format!("{long}{end}")))
            .collect();
        assert_eq!(names.len(), 3);
        assert!(names.iter().all(|name| name.len() <= 255));
    }

    proptest! {
        #[test]
        fn different_clients_have_different_safe_folders(one in "\\PC{0,90}", two in "\\PC{0,90}") {
            let name = client_folder(&one);
            prop_assert!(name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-%".contains(&byte)));
            prop_assert!(name.len() <= 255 && !name.starts_with('.') && name != "keys");
            if one != two {
                prop_assert_ne!(name, client_folder(&two));
            }
        }
    }
}
