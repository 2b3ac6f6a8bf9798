//! What a run publishes, in a folder and in a bucket, and what `kigen verify` says of it.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kigen::archive::{Archive, FolderPlace, Kind};
use kigen::exit;
use kigen::keyring::{Keyring, WrappedRunKey};
use serde_json::Value;

use crate::bucket::Bucket;
use crate::scene::Scene;

/// Everything in the folder of certificates.
async fn published(scene: &Scene) -> BTreeMap<String, Vec<u8>> {
    let place = FolderPlace::new(&scene.path("certificates"));
    let mut files = BTreeMap::new();
    for file in place.list("").await.unwrap().files {
        let bytes = place.get(&file.path).await.unwrap().unwrap();
        files.insert(file.path, bytes);
    }
    files
}

/// Every secret of the installation that has to do with `run`.
async fn secrets(scene: &Scene, run: &str) -> Vec<Vec<u8>> {
    let keyring = Keyring::load(&scene.path("keyring.toml")).unwrap();
    let url = format!("sqlite://{}", scene.path("kigen-ledger.db").display());
    let ledger = kigen::ledger::open(&url).await.unwrap();
    let stored = ledger.run_key(run).await.unwrap().unwrap();
    ledger.close().await;
    let wrapped = WrappedRunKey {
        key_id: stored.kek_id,
        bytes: stored.wrapped.clone().try_into().unwrap(),
    };
    let run_key = keyring.unwrap(run, &wrapped).unwrap();
    let mut secrets = vec![
        run_key.expose().to_vec(),
        stored.wrapped,
        keyring.token_key().to_vec(),
    ];
    // Every key in the keyring's file, in whichever form it stands there.
    let text = fs::read_to_string(scene.path("keyring.toml")).unwrap();
    for word in text.split(|character: char| !is_of_a_key(character)) {
        let decoded = hex::decode(word).or_else(|_| STANDARD.decode(word));
        secrets.extend(decoded.ok().filter(|bytes| bytes.len() == 32));
    }
    let public = public_keys(scene);
    secrets.retain(|secret| !public.contains(secret));
    assert!(secrets.len() > 5, "the keyring was not understood");
    secrets
}

/// The published halves, which stand in the keyring too.
fn public_keys(scene: &Scene) -> Vec<Vec<u8>> {
    let mut keys = Vec::new();
    for file in fs::read_dir(scene.path("certificates/keys")).unwrap() {
        let text = fs::read_to_string(file.unwrap().path()).unwrap();
        let inside: String = text.lines().filter(|line| !line.contains("--")).collect();
        // The key stands at the end of its description.
        let key = STANDARD.decode(inside).unwrap_or_default();
        keys.extend(key.last_chunk::<32>().map(|key| key.to_vec()));
    }
    keys
}

fn is_of_a_key(character: char) -> bool {
    character.is_ascii_alphanumeric() || "+/=".contains(character)
}

#[tokio::test]
async fn everything_published_is_of_a_known_kind_and_holds_no_key() {
    let scene = Scene::sqlite().await;
    let run = scene.on_the_day(&["--format", "json", "run"]).json();
    let secrets = secrets(&scene, run["run_id"].as_str().unwrap()).await;
    let files = published(&scene).await;
    assert!(files.len() >= 10, "{:?}", files.keys());
    for (path, bytes) in &files {
        assert!(Kind::of(path).is_some(), "`{path}` is of no known kind");
        for secret in &secrets {
            let forms = [
                secret.clone(),
                hex::encode(secret).into_bytes(),
                hex::encode_upper(secret).into_bytes(),
                STANDARD.encode(secret).trim_end_matches('=').into(),
            ];
            for form in forms {
                let found = bytes.windows(form.len()).any(|window| window == form);
                assert!(!found, "`{path}` holds a key of {} bytes", secret.len());
            }
        }
    }
    // The keys, the ledger and the journal are elsewhere, and so is where leaves are made.
    assert!(!files.keys().any(|path| path.contains("unfinished")));
}

#[tokio::test]
async fn a_stranger_verifies_a_folder_with_a_key_and_nothing_else() {
    let scene = Scene::sqlite().await;
    assert_eq!(scene.on_the_day(&["run"]).code, 0);
    let key = scene.path("key.pem");
    let published = scene.path("certificates/keys");
    let log_key = scene.path("log-key.pem");
    for (beginning, copy) in [("certificate-", &key), ("log-", &log_key)] {
        let mut pem = fs::read_dir(&published)
            .unwrap()
            .map(|file| file.unwrap().path());
        let is_it = |file: &PathBuf| {
            file.file_name()
                .unwrap()
                .to_string_lossy()
                .starts_with(beginning)
        };
        fs::copy(pem.find(is_it).unwrap(), copy).unwrap();
    }
    fs::rename(scene.path("kigen.toml"), scene.path("away.toml")).unwrap();
    let (key, log_key) = (key.to_str().unwrap(), log_key.to_str().unwrap());
    let text = scene.kigen(&["verify", "certificates", "--key", key, "--log-key", log_key]);
    assert_eq!(text.code, 0, "{}{}", text.stdout, text.stderr);
    for sentence in [
        "holds  `statement.json` is what was signed",
        "holds  the SSH signature holds under the key",
        "holds  the tree of the leaves has the certified root",
        "2 certificates verified, all hold",
    ] {
        assert!(text.stdout.contains(sentence), "{}", text.stdout);
    }
    assert!(!text.stdout.contains("FAILS") && !text.stdout.contains("same place"));
    let json = scene.kigen(&["--format", "json", "verify", "certificates"]);
    let json = json.json();
    assert_eq!(json["holds"], true);
    assert_eq!(json["keys_from"], "published");
    assert_eq!(json["clients"].as_array().unwrap().len(), 2);
    let one = &json["clients"][0]["certificates"][0];
    assert!(one["certificate_id"].is_string() && one["holds"] == true);
}

#[tokio::test]
async fn a_place_that_does_not_hold_has_an_exit_code_of_its_own() {
    let scene = Scene::sqlite().await;
    assert_eq!(scene.on_the_day(&["run"]).code, 0);
    fs::write(scene.path("certificates/notes.txt"), "").unwrap();
    let verified = scene.kigen(&["--format", "json", "verify"]);
    assert_eq!(verified.code, i32::from(exit::DOES_NOT_HOLD));
    let document = verified.json();
    assert_eq!(document["holds"], false);
    let says = |value: &Value| value["says"] == "`notes.txt` is no file that kigen publishes";
    assert!(document["findings"].as_array().unwrap().iter().any(says));
    // The certificates hold; what lies beside them does not.
    let certificates = scene.kigen(&["certificate", "verify"]);
    assert_eq!(certificates.code, i32::from(exit::DOES_NOT_HOLD));
    assert!(certificates.stdout.contains("all hold"));
    assert!(certificates.stderr.contains("beside the certificates"));
}

#[tokio::test]
async fn bad_words_of_verify_have_one_clear_message_each() {
    let scene = Scene::sqlite().await;
    for (arguments, message) in [
        (&["verify", "nowhere"][..], "list the folder `nowhere"),
        (&["verify", "s3://"], "is not an address of the form"),
        (
            &["verify", "s3://bucket/../up"],
            "is not an address of the form",
        ),
        (
            &["verify", "jobs", "--key", "kigen.toml"],
            "read the public key `kigen.toml`: the text is no Ed25519 public key in PEM",
        ),
        (
            &["verify", "jobs", "--key", "nowhere.pem"],
            "read the public key `nowhere.pem`",
        ),
        (
            &["verify", "jobs"],
            "it has none in `keys`\nhint: `--key FILE`",
        ),
    ] {
        let answer = scene.kigen(arguments);
        assert_eq!(answer.code, i32::from(exit::USAGE), "{}", answer.stderr);
        assert!(
            answer.stderr.contains(message),
            "{arguments:?}: {}",
            answer.stderr
        );
    }
}

/// Publishes the scene's certificates to a bucket.
fn publish_to(scene: &Scene, bucket: &Bucket, further: &str) {
    let url = format!(
        "url = \"s3://{}/evidence\"\nregion = \"us-east-1\"\nendpoint = \"{}\"\npath-style = true\n{further}",
        bucket.name, bucket.endpoint
    );
    scene.edit("kigen.toml", "folder = \"certificates\"", &url);
}

fn verify(scene: &Scene, bucket: &Bucket) -> (i32, Value) {
    let place = format!("s3://{}/evidence", bucket.name);
    let options = ["--endpoint", &bucket.endpoint, "--path-style"];
    let words = [
        "--format",
        "json",
        "verify",
        &place,
        "--region",
        "us-east-1",
    ];
    let answer = scene.kigen(&[&words[..], &options[..]].concat());
    (answer.code, answer.json())
}

/// Every sentence that does not hold.
fn failing(document: &Value) -> Vec<String> {
    let mut failing = Vec::new();
    match document {
        Value::Object(fields) => {
            if let (Some(says), Some(Value::Bool(false))) =
                (fields.get("says"), fields.get("holds"))
            {
                failing.push(says.as_str().unwrap().to_owned());
            }
            failing.extend(fields.values().flat_map(self::failing));
        }
        Value::Array(values) => failing.extend(values.iter().flat_map(self::failing)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
    failing
}

#[tokio::test]
async fn a_run_publishes_to_a_bucket_and_what_is_hidden_there_is_found() {
    let Some(bucket) = Bucket::lockable() else {
        return;
    };
    let scene = Scene::sqlite().await;
    publish_to(
        &scene,
        &bucket,
        "retain = \"P5Y\"\nlock-mode = \"governance\"",
    );
    let run = scene.on_the_day(&["--format", "json", "run"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    let folder = run.json()["certificates"][0]["folder"].clone();
    let folder = folder.as_str().unwrap();
    let root = format!("s3://{}/", bucket.name);
    let key = folder.strip_prefix(&root).unwrap();
    assert!(!scene.path("certificates").exists());
    assert_eq!(scene.kigen(&["verify"]).code, 0);
    assert_eq!(scene.kigen(&["certificate", "verify"]).code, 0);
    let (code, document) = verify(&scene, &bucket);
    assert_eq!((code, failing(&document)), (0, Vec::new()), "{document}");

    bucket.hide(&format!("{key}/leaves.bin"));
    let (code, document) = verify(&scene, &bucket);
    assert_eq!(code, i32::from(exit::DOES_NOT_HOLD));
    let found = failing(&document);
    assert_eq!(found[0], "`leaves.bin` is missing");
    assert!(
        found[1].contains("is hidden by a delete marker"),
        "{found:?}"
    );

    bucket.overwrite(&format!("{key}/statement.json"), b"{}");
    let (_, document) = verify(&scene, &bucket);
    let overwritten = |says: &String| says.contains("statement.json` was overwritten: 1 older");
    assert!(failing(&document).iter().any(overwritten), "{document}");
}

#[tokio::test]
async fn a_bucket_without_locks_keeps_no_promise_of_retention() {
    let Some(bucket) = Bucket::plain() else {
        return;
    };
    let scene = Scene::sqlite().await;
    publish_to(
        &scene,
        &bucket,
        "retain = \"P5Y\"\nlock-mode = \"compliance\"",
    );
    let run = scene.on_the_day(&["--format", "json", "run"]);
    // The plan could not be published, so nothing was removed.
    assert_eq!(run.code, i32::from(exit::CONFIG_INVALID), "{}", run.stdout);
    let why = run.stderr;
    assert!(why.contains("the bucket has no Object Lock"), "{why}");
    scene.edit(
        "kigen.toml",
        "retain = \"P5Y\"\nlock-mode = \"compliance\"",
        "",
    );
    let again = scene.on_the_day(&["--format", "json", "run"]);
    assert_eq!(again.code, 0, "{}", again.stderr);
    assert_eq!(again.json()["recovered"].as_array().unwrap().len(), 1);
    let (code, document) = verify(&scene, &bucket);
    assert_eq!((code, failing(&document)), (0, Vec::new()), "{document}");
}

/// Killed by a real abort after the file with each number, and run again by a new process.
#[cfg(feature = "failpoints")]
#[tokio::test]
async fn a_worker_killed_after_any_file_in_a_bucket_is_followed_by_one_that_goes_on() {
    for file in 1..=8 {
        let Some(bucket) = Bucket::lockable() else {
            return;
        };
        let scene = Scene::sqlite().await;
        publish_to(
            &scene,
            &bucket,
            "retain = \"P5Y\"\nlock-mode = \"governance\"",
        );
        let mut killed = scene.command(&["--as-of", crate::scene::AS_OF, "run"]);
        killed.env("KIGEN_KILL_AT", format!("seal.after-file:{file}"));
        let ended = killed.output().unwrap();
        assert_eq!(ended.status.code(), None, "file {file}: it was not killed");
        let (_, half) = verify(&scene, &bucket);
        let again = scene.on_the_day(&["--format", "json", "run"]);
        assert_eq!(again.code, 0, "{}", again.stderr);
        let recovered = again.json()["recovered"][0]["certificates"].clone();
        assert_eq!(recovered.as_array().unwrap().len(), 2, "{recovered}");
        let (code, whole) = verify(&scene, &bucket);
        assert_eq!((code, failing(&whole)), (0, Vec::new()), "{whole}");
        // Nothing that stood there was written again.
        let (_, after) = verify(&scene, &bucket);
        assert_eq!(after, whole);
        assert!(half["clients"].as_array().unwrap().len() <= 2);
    }
}

#[test]
fn the_bucket_policy_of_the_documentation_can_be_read_by_a_machine() {
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/PUBLICATION.md");
    let text = fs::read_to_string(file).unwrap();
    let policy = text.split("```json\n").nth(1).unwrap();
    let policy: Value = serde_json::from_str(policy.split("```").next().unwrap()).unwrap();
    let denied = &policy["Statement"][2];
    assert_eq!(denied["Effect"], "Deny");
    for action in ["s3:DeleteObject", "s3:PutBucketObjectLockConfiguration"] {
        let actions = denied["Action"].as_array().unwrap();
        assert!(actions.iter().any(|one| one == action), "{action}");
    }
}
