//! The `allowed_signers` file: which keys signed certificates, and when, as `ssh-keygen` reads it.
//!
//! Append-only in content: a key that was listed stays listed, and an end that was written stays
//! written, also if somebody with an older keyring publishes again.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::VerifyingKey;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use thiserror::Error;

use super::sshsig::{ALGORITHM, NAMESPACE, wire_key};

/// A moment in UTC, as OpenSSH 9.1 and later read it.
const MOMENT: &str = "%Y%m%d%H%M%SZ";
const KEY_LENGTH: usize = 32;

/// One line: a key that may sign certificates, and nothing else, under one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowedSigner {
    principal: String,
    key: VerifyingKey,
    from: Option<Timestamp>,
    until: Option<Timestamp>,
}

/// Why a line or a file cannot stand.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AllowedSignersError {
    #[error(
        "the name `{0}` cannot stand in an allowed-signers file\nhint: use an address such as `certificates@example.com`, without spaces, commas, quotes and wildcards"
    )]
    Principal(String),
    #[error("line {0} of the published allowed-signers file is not one that kigen writes")]
    Line(usize),
}

impl AllowedSigner {
    /// The signer `principal` with `key`, from and until these moments, to the second.
    ///
    /// `principal` is the name under which the issuer signs: `certificates@example.com`.
    pub fn new(
        principal: &str,
        key: VerifyingKey,
        from: Option<Timestamp>,
        until: Option<Timestamp>,
    ) -> Result<Self, AllowedSignersError> {
        let unfit = |c: char| !c.is_ascii_graphic() || "\"',*?!#".contains(c);
        if principal.is_empty() || principal.contains(unfit) {
            return Err(AllowedSignersError::Principal(principal.to_owned()));
        }
        Ok(Self {
            principal: principal.to_owned(),
            key,
            from,
            until,
        })
    }

    /// The line that lets `ssh-keygen -Y verify` accept the key for certificates.
    pub fn line(&self) -> String {
        let mut options = format!("namespaces=\"{NAMESPACE}\"");
        for (name, at) in [("valid-after", self.from), ("valid-before", self.until)] {
            if let Some(at) = at {
                options.push_str(&format!(",{name}=\"{}\"", at.strftime(MOMENT)));
            }
        }
        let key = STANDARD.encode(wire_key(&self.key));
        format!("{} {options} {ALGORITHM} {key}\n", self.principal)
    }

    /// Reads a line that [`Self::line`] wrote.
    fn read(line: &str) -> Option<Self> {
        let mut words = line.split(' ');
        let (principal, options) = (words.next()?, words.next()?);
        let (algorithm, key) = (words.next()?, words.next()?);
        let (mut from, mut until) = (None, None);
        for option in options.split(',') {
            let (name, value) = option.split_once('=')?;
            let value = value.strip_prefix('"')?.strip_suffix('"')?;
            match name {
                "namespaces" => {}
                "valid-after" => from = Some(moment(value)?),
                "valid-before" => until = Some(moment(value)?),
                _ => return None,
            }
        }
        let wire = STANDARD.decode(key).ok()?;
        let (_, bytes) = wire.split_last_chunk::<KEY_LENGTH>()?;
        let key = VerifyingKey::from_bytes(bytes).ok()?;
        let read = Self::new(principal, key, from, until).ok()?;
        // One way of writing only: anything else is not ours.
        (algorithm == ALGORITHM && read.line().trim_end() == line).then_some(read)
    }

    fn is_same(&self, other: &Self) -> bool {
        self.principal == other.principal && self.key == other.key
    }
}

fn moment(text: &str) -> Option<Timestamp> {
    let civil = DateTime::strptime(MOMENT, text).ok()?;
    Some(TimeZone::UTC.to_zoned(civil).ok()?.timestamp())
}

/// The file with everything that `published` lists, and `signers`.
pub fn extend(published: &str, signers: &[AllowedSigner]) -> Result<String, AllowedSignersError> {
    let mut all = Vec::new();
    for (number, line) in (1..).zip(published.lines()) {
        all.push(AllowedSigner::read(line).ok_or(AllowedSignersError::Line(number))?);
    }
    for signer in signers {
        match all.iter_mut().find(|listed| listed.is_same(signer)) {
            Some(listed) => {
                listed.from = listed.from.or(signer.from);
                listed.until = listed.until.or(signer.until);
            }
            None => all.push(signer.clone()),
        }
    }
    Ok(all.iter().map(AllowedSigner::line).collect())
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::SigningKey;
    use jiff::Timestamp;
    use proptest::collection::vec;
    use proptest::{option, prop_assert, prop_assert_eq, prop_compose, proptest};

    use super::{AllowedSigner, AllowedSignersError, extend};

    fn signer(seed: u8, from: Option<i64>, until: Option<i64>) -> AllowedSigner {
        let key = SigningKey::from_bytes(&[seed; 32]).verifying_key();
        let at = |second| Timestamp::from_second(second).unwrap();
        AllowedSigner::new("certificates@example.com", key, from.map(at), until.map(at)).unwrap()
    }

    #[test]
    fn an_allowed_signer_may_sign_certificates_only() {
        let line = signer(1, None, None).line();
        let start = "certificates@example.com namespaces=\"deletion-certificate@kigen\" ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI";
        assert!(line.starts_with(start), "{line}");
        assert!(line.ends_with('\n'));
    }

    #[test]
    fn a_key_is_listed_with_the_time_in_which_it_signed() {
        let line = signer(1, Some(0), Some(1_795_305_600)).line();
        let options = "namespaces=\"deletion-certificate@kigen\",valid-after=\"19700101000000Z\",valid-before=\"20261122000000Z\" ";
        assert!(line.contains(options), "{line}");
    }

    #[test]
    fn a_principal_that_would_match_more_than_itself_is_refused() {
        let key = SigningKey::from_bytes(&[1; 32]).verifying_key();
        for principal in ["", "a b", "*@example.com", "a,b", "a\nb", "\"a", "株式会社"] {
            let signer = AllowedSigner::new(principal, key, None, None);
            assert!(signer.is_err(), "{principal}");
        }
    }

    #[test]
    fn a_line_of_somebody_else_is_not_passed_over() {
        let ours = signer(1, None, None).line();
        for line in [
            "# a comment\n".to_owned(),
            "\n".to_owned(),
            ours.replace("certificates@", "*@"),
            ours.replace("deletion-certificate@kigen", "git"),
            ours.replace("ssh-ed25519", "ssh-rsa"),
            ours.replace("namespaces", "cert-authority,namespaces"),
            ours.replace(" ssh", "  ssh"),
        ] {
            let published = format!("{ours}{line}");
            assert_eq!(
                extend(&published, &[]),
                Err(AllowedSignersError::Line(2)),
                "{line}"
            );
        }
    }

    prop_compose! {
        fn any_signer()(
            seed in 0_u8..6,
            from in option::of(0_i64..4_000_000_000),
            until in option::of(0_i64..4_000_000_000),
        ) -> AllowedSigner {
            signer(seed, from, until)
        }
    }

    proptest! {
        #[test]
        fn a_key_that_was_listed_stays_listed_and_an_end_stays_written(
            first in vec(any_signer(), 0..5), second in vec(any_signer(), 0..5),
        ) {
            let published = extend("", &first).unwrap();
            let extended = extend(&published, &second).unwrap();
            let (before, after) = (read(&published), read(&extended));
            prop_assert!(after.len() >= before.len());
            for (one, two) in before.iter().zip(&after) {
                prop_assert!(one.is_same(two));
                prop_assert!(one.from.is_none() || one.from == two.from);
                prop_assert!(one.until.is_none() || one.until == two.until);
            }
            for signer in first.iter().chain(&second) {
                let listed = after.iter().filter(|listed| listed.is_same(signer)).count();
                prop_assert_eq!(listed, 1);
            }
            prop_assert_eq!(extend(&extended, &second).unwrap(), extended.clone());
            prop_assert_eq!(extend(&extended, &first).unwrap(), extended);
        }
    }

    fn read(file: &str) -> Vec<AllowedSigner> {
        file.lines()
            .map(|line| AllowedSigner::read(line).unwrap())
            .collect()
    }
}
