//! The `[keyring]` section.

use super::{Checker, is_endpoint};
use crate::config::raw::RawKeyring;
use crate::config::{KeyringConfig, KeyringProtection};
use crate::diagnostic::document::Path;

impl Checker<'_> {
    pub(super) fn keyring(&mut self, raw: &RawKeyring) -> Option<KeyringConfig> {
        let path = Path::of("keyring");
        let given = (raw.path.as_deref(), raw.path_env.as_deref());
        let file = self.one_of(&path, "path", given);
        let protection = self.protection(&path, raw);
        Some(KeyringConfig {
            path: self.base.join(file?),
            protection: protection?,
        })
    }

    fn protection(&mut self, path: &Path, raw: &RawKeyring) -> Option<KeyringProtection> {
        let of_kms = [
            ("kms-region", raw.kms_region.is_some()),
            ("kms-endpoint", raw.kms_endpoint.is_some()),
        ];
        for (key, is_given) in of_kms {
            if is_given && raw.kms_key_id.is_none() {
                let message = format!("`{key}` belongs to `kms-key-id`, which is not there");
                let problem = self.document.key_problem(&path.key(key), message);
                self.say(problem.with_hint("leave it out"));
            }
        }
        if raw
            .kms_endpoint
            .as_deref()
            .is_some_and(|url| !is_endpoint(url))
        {
            let message = "this is not a URL of the form `https://host:port`";
            self.say(self.document.problem(&path.key("kms-endpoint"), message));
        }
        let given = (&raw.passphrase_env, &raw.identity_file, &raw.kms_key_id);
        match given {
            (None, None, None) => Some(KeyringProtection::Plain),
            (Some(variable), None, None) => {
                Some(KeyringProtection::PassphraseEnv(variable.clone()))
            }
            (None, Some(file), None) => Some(KeyringProtection::IdentityFile(self.base.join(file))),
            (None, None, Some(key_id)) => Some(KeyringProtection::Kms {
                key_id: key_id.clone(),
                region: raw.kms_region.clone(),
                endpoint: raw.kms_endpoint.clone(),
            }),
            (Some(_), Some(_), _) | (Some(_), _, Some(_)) | (_, Some(_), Some(_)) => {
                let message =
                    "this needs at most one of `passphrase-env`, `identity-file` and `kms-key-id`";
                self.say(self.document.problem(path, message));
                None
            }
        }
    }
}
