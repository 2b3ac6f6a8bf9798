//! Time stamps: a real authority (`openssl ts -reply`) behind a small HTTP server, and bad ones.

mod tsa;

use std::fs;
use std::path::Path;
use std::process::Command;

use kigen::exit;

use crate::scene::Scene;

use tsa::{Mood, Tsa};

const LOG: &str = "certificates/own/log";

fn run(scene: &Scene) -> String {
    let run = scene.on_the_day(&["run", "--log", "warn"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    run.stderr
}

fn stamps(scene: &Scene) -> Vec<String> {
    let Ok(files) = fs::read_dir(scene.path(&format!("{LOG}/stamped"))) else {
        return Vec::new();
    };
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

/// Whether stock OpenSSL accepts the stamp of the head over `size` entries.
fn openssl_accepts(scene: &Scene, tsa: &Tsa, size: u64) -> bool {
    let file = |end: &str| scene.path(&format!("{LOG}/stamped/{size}.{end}"));
    let done = Command::new("openssl")
        .args(["ts", "-verify", "-data"])
        .arg(file("checkpoint"))
        .arg("-in")
        .arg(file("tsr"))
        .arg("-CAfile")
        .arg(tsa.root())
        .output();
    done.unwrap().status.success()
}

#[tokio::test]
async fn each_head_gets_one_stamp_that_openssl_verifies() {
    let scene = Scene::sqlite().await;
    let tsa = Tsa::start();
    tsa.configure(&scene, "policy = \"1.2.3.4.5\"\n");
    assert_eq!(run(&scene), "");
    // One for each of the two clients' logs.
    assert_eq!(tsa.asked(), 2);
    assert_eq!(stamps(&scene), ["2.checkpoint", "2.tsr"]);
    assert!(openssl_accepts(&scene, &tsa, 2));
    run(&scene);
    assert_eq!(
        stamps(&scene),
        ["2.checkpoint", "2.tsr", "4.checkpoint", "4.tsr"]
    );
    assert!(openssl_accepts(&scene, &tsa, 4));
    let newest = fs::read(scene.path(&format!("{LOG}/stamped/4.tsr"))).unwrap();
    assert_eq!(
        fs::read(scene.path(&format!("{LOG}/checkpoint.tsr"))).unwrap(),
        newest
    );
    let asked = tsa.asked();
    let again = scene.kigen(&["timestamp", "--format", "json"]);
    assert_eq!(again.code, 0, "{}", again.stderr);
    assert_eq!(again.json()[0]["state"], "stamped-before");
    assert_eq!(tsa.asked(), asked);
    let verified = scene.kigen(&["verify"]);
    assert_eq!(verified.code, 0, "{}", verified.stdout);
    assert!(
        verified
            .stdout
            .contains("a time stamp says that the log had 4 entries at "),
        "{}",
        verified.stdout
    );
}

#[tokio::test]
async fn the_auditors_script_checks_stamps_under_the_root_that_was_handed_over() {
    let scene = Scene::sqlite().await;
    let tsa = Tsa::start();
    tsa.configure(&scene, "");
    run(&scene);
    let keys = scene.path("handed-over");
    fs::create_dir(&keys).unwrap();
    for file in fs::read_dir(scene.path("certificates/keys")).unwrap() {
        let file = file.unwrap();
        let name = file.file_name().into_string().unwrap();
        fs::copy(file.path(), keys.join(name)).unwrap();
    }
    let script = || {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/auditor/verify.sh");
        let output = Command::new("bash")
            .arg(script)
            .arg(scene.path("certificates"))
            .arg(&keys)
            .output()
            .unwrap();
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        (output.status.code(), said)
    };
    let (code, said) = script();
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.contains("own/log/stamped/2.tsr is signed by the authority"),
        "{said}"
    );
    // Under another authority's root nothing holds.
    let other = Tsa::start();
    fs::copy(other.root(), keys.join("tsa-root.pem")).unwrap();
    let (code, said) = script();
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("does not hold under tsa-root.pem"), "{said}");
    fs::remove_file(keys.join("tsa-root.pem")).unwrap();
    let (code, said) = script();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("time stamps were not checked"), "{said}");
}

#[tokio::test]
async fn an_authority_that_fails_stops_no_run_and_its_stamps_are_asked_for_again() {
    let scene = Scene::sqlite().await;
    let tsa = Tsa::start();
    tsa.configure(&scene, "policy = \"1.2.3.4.1\"\n");
    tsa.is(Mood::Status);
    let said = run(&scene);
    assert!(said.contains("time stamps are pending"), "{said}");
    // It was asked once: an outage is not tried for every client.
    assert_eq!(tsa.asked(), 1);
    assert_eq!(stamps(&scene), [""; 0]);
    for (mood, code, why) in [
        (
            Mood::Status,
            exit::STORE_UNREACHABLE,
            "answers with HTTP status 503",
        ),
        (
            Mood::Slow,
            exit::STORE_UNREACHABLE,
            "did not answer within 2 s",
        ),
        (
            Mood::BreaksOff,
            exit::STORE_UNREACHABLE,
            "cannot be reached",
        ),
        (Mood::Endless, exit::STORE_UNREACHABLE, "answers more than"),
        (
            Mood::Garbage,
            exit::DOES_NOT_HOLD,
            "is no RFC 3161 time stamp",
        ),
        (
            Mood::Rejects,
            exit::DOES_NOT_HOLD,
            "rejected the request with status 2: quota",
        ),
        (Mood::OtherBytes, exit::DOES_NOT_HOLD, "is of other bytes"),
        (
            Mood::OtherPolicy,
            exit::DOES_NOT_HOLD,
            "follows the policy 1.2.3.4.5 and not 1.2.3.4.1",
        ),
        (Mood::Repeats, exit::DOES_NOT_HOLD, ""),
    ] {
        tsa.is(mood);
        let answer = scene.kigen(&["timestamp"]);
        if mood == Mood::Repeats {
            // The first client's stamp is right, and the second one's is the first one's again.
            assert!(answer.stdout.contains("stamped at"), "{}", answer.stdout);
            assert!(
                answer.stdout.contains("is of other bytes"),
                "{}",
                answer.stdout
            );
            continue;
        }
        assert_eq!(
            answer.code,
            i32::from(code),
            "{mood:?}: {}{}",
            answer.stdout,
            answer.stderr
        );
        assert!(answer.stdout.contains(why), "{mood:?}: {}", answer.stdout);
        assert_eq!(stamps(&scene), [""; 0], "{mood:?}");
    }
    tsa.is(Mood::Honest);
    let done = scene.kigen(&["timestamp"]);
    assert_eq!(done.code, 0, "{}", done.stdout);
    assert!(openssl_accepts(&scene, &tsa, 2));
    assert_eq!(scene.kigen(&["verify"]).code, 0);
}

#[tokio::test]
async fn verify_notices_a_stamp_of_other_bytes() {
    let scene = Scene::sqlite().await;
    let tsa = Tsa::start();
    tsa.configure(&scene, "");
    run(&scene);
    run(&scene);
    let path = |size: u64| scene.path(&format!("{LOG}/stamped/{size}.tsr"));
    fs::copy(path(2), path(4)).unwrap();
    let verified = scene.kigen(&["verify"]);
    assert_eq!(verified.code, i32::from(exit::DOES_NOT_HOLD));
    assert!(
        verified
            .stdout
            .contains("it is of other bytes than the head beside it"),
        "{}",
        verified.stdout
    );
}

#[tokio::test]
async fn a_section_that_names_no_authority_is_refused() {
    let scene = Scene::sqlite().await;
    let none = scene.kigen(&["timestamp"]);
    assert_eq!(none.code, i32::from(exit::CONFIG_INVALID));
    assert!(
        none.stderr.contains("names no time-stamping authority"),
        "{}",
        none.stderr
    );
    scene.edit(
        "kigen.toml",
        "[jobs]",
        "[timestamp]\nurl = \"ftp://tsa.example.jp\"\nroot = \"kigen.toml\"\npolicy = \"no\"\n[jobs]",
    );
    let answer = scene.kigen(&["check"]);
    assert_eq!(answer.code, i32::from(exit::CONFIG_INVALID));
    for says in ["no URL of the form", "no object identifier"] {
        assert!(answer.stderr.contains(says), "{}", answer.stderr);
    }
    scene.edit("kigen.toml", "policy = \"no\"\n", "");
    let answer = scene.kigen(&["check"]);
    assert!(
        answer.stderr.contains("no certificate in PEM"),
        "{}",
        answer.stderr
    );
}
