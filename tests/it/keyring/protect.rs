//! A keyring that is encrypted.

use std::fs;
use std::process::Command;

use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use kigen::exit;
use serde_json::Value;

use super::{mode, public_keys, show};
use crate::scene::{AS_OF, Answer, Scene};

const PASSPHRASE: &str = "KIGEN_SCENE_PASSPHRASE";

fn with_passphrase(scene: &Scene, passphrase: &str, arguments: &[&str]) -> Answer {
    scene.finish(scene.command(arguments).env(PASSPHRASE, passphrase))
}

#[tokio::test]
async fn a_keyring_is_encrypted_and_serves_a_run_with_its_passphrase_alone() {
    let scene = Scene::sqlite().await;
    let keys = public_keys(&scene);
    let none = scene.kigen(&["keyring", "protect"]);
    assert_eq!(none.code, i32::from(exit::USAGE), "{}", none.stderr);
    let unset = scene.kigen(&["keyring", "protect", "--passphrase-env", PASSPHRASE]);
    assert_eq!(
        unset.code,
        i32::from(exit::CONFIG_INVALID),
        "{}",
        unset.stderr
    );
    let protect = ["keyring", "protect", "--passphrase-env", PASSPHRASE];
    for already in ["", " already"] {
        let done = with_passphrase(&scene, "correct horse", &protect);
        assert_eq!(done.code, 0, "{}", done.stderr);
        let said = format!("keyring keyring.toml is encrypted with a passphrase{already}\n");
        assert_eq!(done.stdout, said);
        assert!(
            done.stderr
                .contains("passphrase-env = \"KIGEN_SCENE_PASSPHRASE\""),
            "{}",
            done.stderr
        );
    }
    let file = fs::read(scene.path("keyring.toml")).unwrap();
    assert!(file.starts_with(b"age-encryption.org/v1\n-> scrypt "));
    assert_eq!(mode(&scene.path("keyring.toml")), 0o600);
    let refused = scene.on_the_day(&["run"]);
    assert_eq!(refused.code, i32::from(exit::CONFIG_INVALID));
    assert!(
        refused
            .stderr
            .contains("is encrypted with a passphrase, and `kigen.toml` says"),
        "{}",
        refused.stderr
    );

    let named = format!("path = \"keyring.toml\"\npassphrase-env = \"{PASSPHRASE}\"");
    scene.edit("kigen.toml", "path = \"keyring.toml\"", &named);
    let wrong = with_passphrase(&scene, "wrong", &["keyring", "show"]);
    assert_eq!(wrong.code, i32::from(exit::CONFIG_INVALID));
    assert!(wrong.stderr.contains("does not open"), "{}", wrong.stderr);
    let shown = with_passphrase(
        &scene,
        "correct horse",
        &["--format", "json", "keyring", "show"],
    );
    let shown = shown.json();
    assert_eq!(shown["protection"], "passphrase");
    let found: Vec<&Value> = shown["keys"]
        .as_array()
        .unwrap()
        .iter()
        .map(|key| &key["public"])
        .collect();
    assert_eq!(found, keys.iter().collect::<Vec<_>>());
    // A dry run needs no key, and so no passphrase.
    assert_eq!(scene.on_the_day(&["plan"]).code, 0);
    let run = with_passphrase(&scene, "correct horse", &["run", "--as-of", AS_OF]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    let plain = with_passphrase(&scene, "correct horse", &["keyring", "protect", "--plain"]);
    assert_eq!(plain.code, 0, "{}", plain.stderr);
    scene.edit("kigen.toml", &named, "path = \"keyring.toml\"");
    assert_eq!(public_keys(&scene), keys);
}

#[test]
fn the_stock_age_program_opens_a_keyring_in_an_emergency() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let run = |command: &mut Command| {
        let output = command.output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    run(Command::new("age-keygen").arg("-o").arg(at("identity")));
    run(Command::new(env!("CARGO_BIN_EXE_kigen"))
        .args(["keyring", "init", "--path"])
        .arg(at("keyring.age"))
        .arg("--identity-file")
        .arg(at("identity")));
    let opened = run(Command::new("age")
        .args(["-d", "-i"])
        .arg(at("identity"))
        .arg(at("keyring.age")));
    assert!(opened.contains("version = 2"));
}

#[tokio::test]
async fn a_keyring_under_a_kms_key_serves_a_run() {
    let Ok(endpoint) = std::env::var("KIGEN_TEST_S3_ENDPOINT") else {
        assert!(
            std::env::var("KIGEN_REQUIRE_SERVICES").is_err(),
            "KIGEN_TEST_S3_ENDPOINT is not set"
        );
        println!("skipped: KIGEN_TEST_S3_ENDPOINT is not set");
        return;
    };
    let config = aws_config::defaults(aws_config::BehaviorVersion::latest())
        .http_client(http_client())
        .load()
        .await;
    let config = aws_sdk_kms::config::Builder::from(&config)
        .endpoint_url(&endpoint)
        .build();
    let made = aws_sdk_kms::Client::from_conf(config)
        .create_key()
        .send()
        .await
        .unwrap();
    let key = made.key_metadata.unwrap().key_id;
    let scene = Scene::sqlite().await;
    let keys = public_keys(&scene);
    let done = scene.kigen(&[
        "keyring",
        "protect",
        "--kms-key-id",
        &key,
        "--kms-region",
        "ap-northeast-1",
        "--kms-endpoint",
        &endpoint,
    ]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    let section = format!(
        "path = \"keyring.toml\"\nkms-key-id = \"{key}\"\nkms-region = \"ap-northeast-1\"\nkms-endpoint = \"{endpoint}\""
    );
    scene.edit("kigen.toml", "path = \"keyring.toml\"", &section);
    assert_eq!(show(&scene)["protection"], "kms");
    assert_eq!(public_keys(&scene), keys);
    let run = scene.on_the_day(&["run"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    let rotated = scene.kigen(&["keyring", "rotate", "--key", "certificate"]);
    assert_eq!(rotated.code, 0, "{}", rotated.stderr);
    assert_eq!(scene.kigen(&["certificate", "verify"]).code, 0);
    scene.edit("kigen.toml", &key, "00000000-0000-4000-8000-000000000000");
    let refused = scene.on_the_day(&["run"]);
    assert_eq!(refused.code, i32::from(exit::CONFIG_INVALID));
    assert!(
        refused
            .stderr
            .contains("AWS KMS: open the keyring's data key"),
        "{}",
        refused.stderr
    );
}

fn http_client() -> aws_sdk_kms::config::SharedHttpClient {
    aws_smithy_http_client::Builder::new()
        .tls_provider(Provider::Rustls(CryptoMode::Ring))
        .build_https()
}
