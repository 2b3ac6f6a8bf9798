//! Pages for people: from a real certificate, in a real browser.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use kigen::exit;

use crate::scene::{Answer, PERSON, Scene};

/// A scene whose run is done, and the id and folder of its first certificate.
async fn certified() -> (Scene, String, String) {
    let scene = Scene::sqlite().await;
    let run = scene.on_the_day(&["--format", "json", "run"]).json();
    let certificate = &run["certificates"][0];
    let text = |key: &str| certificate[key].as_str().unwrap().to_owned();
    let (id, folder) = (text("certificate_id"), text("folder"));
    (scene, id, folder)
}

fn show(scene: &Scene, id: &str, more: &[&str]) -> Answer {
    let mut words = vec!["certificate", "show", id];
    words.extend(more);
    scene.kigen(&words)
}

#[tokio::test]
async fn a_certificate_is_published_with_a_page_that_names_no_person() {
    let (scene, id, folder) = certified().await;
    let page = fs::read_to_string(scene.path(&folder).join("certificate.html")).unwrap();
    assert!(page.contains(&id));
    assert!(!page.contains(PERSON));
    let shown = show(&scene, &id, &["--format", "html", "--lang", "ja-en"]);
    assert_eq!(shown.code, 0, "{}", shown.stderr);
    assert_eq!(shown.stdout, page);
    assert_eq!(shown.stderr, "");
}

#[tokio::test]
async fn a_page_can_be_asked_for_in_one_language_and_goes_to_a_file() {
    let (scene, id, _) = certified().await;
    for (lang, title) in [("ja", "<html lang=\"ja\">"), ("en", "<html lang=\"en\">")] {
        let words = ["--format", "html", "--lang", lang, "--output", "page.html"];
        let shown = show(&scene, &id, &words);
        assert_eq!(
            (shown.code, shown.stdout.as_str()),
            (0, ""),
            "{}",
            shown.stderr
        );
        let page = fs::read_to_string(scene.path("page.html")).unwrap();
        assert!(page.contains(title));
        assert_eq!(page.matches("<article").count(), 1);
    }
}

/// The one key beside the certificates.
fn published_key(scene: &Scene) -> PathBuf {
    let keys = fs::read_dir(scene.path("certificates/keys")).unwrap();
    let mut keys = keys.map(|entry| entry.unwrap().path());
    keys.find(|path| path.to_string_lossy().contains("/certificate-"))
        .unwrap()
}

#[tokio::test]
async fn what_does_not_verify_is_not_shown() {
    let (scene, id, _) = certified().await;
    let other = Scene::sqlite().await;
    assert_eq!(other.on_the_day(&["run"]).code, 0);
    let key = published_key(&other);
    let shown = show(
        &scene,
        &id,
        &["--format", "html", "--key", key.to_str().unwrap()],
    );
    assert_eq!(shown.code, i32::from(exit::DOES_NOT_HOLD));
    assert_eq!(shown.stdout, "");
    assert!(
        shown
            .stderr
            .contains("the signature of the certificate does not hold"),
        "{}",
        shown.stderr
    );
}

#[tokio::test]
async fn options_that_do_not_fit_are_refused_in_one_sentence() {
    let (scene, id, _) = certified().await;
    for (words, said) in [
        (
            &["--format", "html", "plan"][..],
            "error: `--format html` and `--format pdf` belong to `kigen certificate show` and `kigen certificate prove`\n",
        ),
        (
            &["certificate", "show", &id, "--lang", "ja"],
            "error: `--lang`, `--output` and `--key` belong to `--format html` and `--format pdf`\n",
        ),
        (
            &["certificate", "show", &id, "--format", "pdf"],
            "error: a PDF is not written to stdout\nhint: `--output FILE` names its file\n",
        ),
    ] {
        let answer = scene.kigen(words);
        assert_eq!(answer.code, i32::from(exit::USAGE), "{words:?}");
        assert_eq!(answer.stderr, said);
    }
    let unknown = show(&scene, &id, &["--format", "html", "--lang", "fr"]);
    assert_eq!(unknown.code, i32::from(exit::USAGE));
    assert!(
        unknown
            .stderr
            .contains("the languages are `ja`, `en` and `ja-en`")
    );
}

#[tokio::test]
async fn without_the_program_that_sets_pdfs_the_hint_says_how_to_get_it() {
    let (scene, id, _) = certified().await;
    scene.edit(
        "kigen.toml",
        "[certificates]\n",
        "[certificates]\npdf = \"nowhere/certificate-pdf\"\n",
    );
    let words = ["--format", "pdf", "--output", "certificate.pdf"];
    let answer = show(&scene, &id, &words);
    assert_eq!(answer.code, i32::from(exit::CONFIG_INVALID));
    assert!(
        answer
            .stderr
            .contains("nowhere/certificate-pdf`, which sets PDFs"),
        "{}",
        answer.stderr
    );
    assert!(
        answer
            .stderr
            .contains("hint: `make certificate-pdf` builds it")
    );
}

/// The program gets the verified bytes and a key, and its last word is passed on.
#[tokio::test]
async fn the_program_that_sets_pdfs_is_handed_what_was_verified() {
    let (scene, id, folder) = certified().await;
    scene.edit(
        "kigen.toml",
        "[certificates]\n",
        "[certificates]\npdf = \"setter\"\n",
    );
    let setter = |script: &str| {
        use std::os::unix::fs::PermissionsExt;
        scene.write("setter", &format!("#!/bin/sh\n{script}\n"));
        fs::set_permissions(scene.path("setter"), fs::Permissions::from_mode(0o755)).unwrap();
    };
    let words = ["--format", "pdf", "--lang", "en", "--output", "out.pdf"];
    setter("echo \"$1 $2 $3 $4 $5\" > said; cp \"$6\" key; cat > got; shift 7; : > \"$1\"");
    let answer = show(&scene, &id, &words);
    assert_eq!((answer.code, answer.stderr.as_str()), (0, ""));
    let read = |name: &str| fs::read(scene.path(name)).unwrap();
    assert_eq!(read("said"), b"--envelope - --lang en --key\n");
    assert_eq!(
        read("got"),
        fs::read(scene.path(&folder).join("cert.dsse.json")).unwrap()
    );
    assert_eq!(read("key"), fs::read(published_key(&scene)).unwrap());
    assert!(scene.path("out.pdf").exists());
    setter("echo 'error: no font' >&2; exit 1");
    let answer = show(&scene, &id, &words);
    assert_eq!(answer.code, i32::from(exit::UNEXPECTED));
    assert!(
        answer.stderr.ends_with("setter`: no font\n"),
        "{}",
        answer.stderr
    );
}

/// Looks at the page from outside of it, because the page itself may run nothing: puts it into a
/// frame, and writes what it finds into its own document.
const LOOK: &str = r##"<!doctype html><meta charset="utf-8"><body><pre id="found"></pre>
<iframe id="page" style="width:WIDTHpx;height:1400px;border:0"></iframe>
<script>
const html = new TextDecoder().decode(Uint8Array.from(atob("PAGE"), c => c.charCodeAt(0)));
const frame = document.getElementById("page");
const channel = v => { v /= 255; return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; };
const parse = c => c.match(/[\d.]+/g).map(Number);
const light = c => 0.2126 * channel(c[0]) + 0.7152 * channel(c[1]) + 0.0722 * channel(c[2]);
frame.onload = () => {
  const page = frame.contentDocument, view = frame.contentWindow;
  const behind = e => { for (; e; e = e.parentElement) { const c = parse(view.getComputedStyle(e).backgroundColor); if (c.length < 4 || c[3] > 0) return c; } return [255, 255, 255]; };
  let least = 99, texts = 0, widest = 0;
  for (const e of page.querySelectorAll("body *")) {
    const own = [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
    if (!own || e.closest("svg")) continue;
    const box = e.getBoundingClientRect();
    if (!box.width) continue;
    texts += 1;
    widest = Math.max(widest, box.right);
    const [a, b] = [light(parse(view.getComputedStyle(e).color)), light(behind(e))];
    least = Math.min(least, (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05));
  }
  const asked = view.performance.getEntriesByType("resource").length;
  document.getElementById("found").textContent = "FOUND " + JSON.stringify({
    texts, least, asked,
    overflows: Math.max(widest, page.documentElement.scrollWidth) > page.documentElement.clientWidth + 1,
    ja: page.querySelector("article").lang, title: page.title,
    scripts: page.scripts.length, heads: page.querySelectorAll("th:not([scope])").length,
  }) + " END";
  frame.remove();
};
frame.srcdoc = html;
</script>"##;

/// What a browser of this width finds in `page`; `None` where none is installed.
fn looked_at(page: &str, width: u32) -> Option<serde_json::Value> {
    use base64::Engine;
    let folder = tempfile::tempdir().unwrap();
    let look = LOOK.replace("WIDTH", &width.to_string()).replace(
        "PAGE",
        &base64::engine::general_purpose::STANDARD.encode(page),
    );
    fs::write(folder.path().join("look.html"), look).unwrap();
    let ran = Command::new("chromium")
        .args([
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--disable-background-networking",
            "--no-first-run",
            "--virtual-time-budget=10000",
            "--enable-logging=stderr",
            "--dump-dom",
        ])
        .arg(format!(
            "--user-data-dir={}",
            folder.path().join("profile").display()
        ))
        .arg(format!(
            "file://{}",
            folder.path().join("look.html").display()
        ))
        .output();
    let ran = match ran {
        Ok(ran) => ran,
        Err(error) => {
            let must = std::env::var("KIGEN_REQUIRE_SERVICES").is_ok_and(|value| value == "1");
            assert!(!must, "chromium: {error}: run `make setup`");
            eprintln!("not looked at: there is no chromium");
            return None;
        }
    };
    let (dom, log) = (
        String::from_utf8_lossy(&ran.stdout),
        String::from_utf8_lossy(&ran.stderr),
    );
    let console: Vec<&str> = log
        .lines()
        .filter(|line| line.contains("CONSOLE"))
        .collect();
    assert!(console.is_empty(), "{console:?}");
    let found = dom
        .split("FOUND ")
        .nth(1)
        .and_then(|rest| rest.split(" END").next());
    let found = found.unwrap_or_else(|| panic!("the browser found nothing: {dom}\n{log}"));
    Some(serde_json::from_str(&found.replace("&amp;", "&")).unwrap())
}

/// The least contrast of AAA for text of any size (WCAG 2.2, 1.4.6).
const LEAST_CONTRAST: f64 = 7.0;

#[tokio::test]
async fn in_a_browser_the_page_is_readable_and_asks_nobody_for_anything() {
    let (scene, _, folder) = certified().await;
    let file: PathBuf = scene.path(&folder).join("certificate.html");
    let page = fs::read_to_string(file).unwrap();
    for width in [1280, 390] {
        let Some(found) = looked_at(&page, width) else {
            return;
        };
        assert!(found["texts"].as_u64().unwrap() > 100, "{found}");
        assert!(
            found["least"].as_f64().unwrap() >= LEAST_CONTRAST,
            "{found}"
        );
        assert_eq!(found["asked"], 0, "{found}");
        assert_eq!(found["overflows"], false, "{width}: {found}");
        assert_eq!(found["scripts"], 0, "{found}");
        assert_eq!(found["heads"], 0, "a head without its scope: {found}");
        assert_eq!(found["ja"], "ja", "{found}");
        assert!(
            found["title"].as_str().unwrap().contains("証明書"),
            "{found}"
        );
    }
}
