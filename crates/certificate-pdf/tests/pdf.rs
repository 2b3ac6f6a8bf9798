//! PDFs as other programs see them: qpdf, poppler, a reader of QR codes.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

mod receipt;
mod sample;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use certificate_pdf::{DEFAULT_FONTS, Fonts, TypesetError, typeset};
use kigen_evidence::document::{Certificate, Languages};
use kigen_evidence::statement::Statement;

use sample::{certificate, key};

fn fonts() -> Fonts {
    Fonts::load(&DEFAULT_FONTS).unwrap()
}

fn pdf(certificate: &Certificate, languages: Languages) -> Vec<u8> {
    typeset(certificate, languages, &fonts()).unwrap()
}

/// A folder of one test, with its PDF in it.
struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("kigen-pdf-{}-{name}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    fn with(name: &str, pdf: &[u8]) -> Self {
        let place = Self::new(name);
        fs::write(place.file("certificate.pdf"), pdf).unwrap();
        place
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// What the tool `words[0]` says about the PDF.
    fn run(&self, words: &[&str]) -> String {
        let ran = Command::new(words[0])
            .args(&words[1..])
            .current_dir(&self.0)
            .output()
            .unwrap_or_else(|error| panic!("{}: {error}: run `make setup`", words[0]));
        let said = String::from_utf8_lossy(&ran.stdout).into_owned();
        let errors = String::from_utf8_lossy(&ran.stderr);
        assert!(ran.status.success(), "{words:?}: {said}{errors}");
        said
    }

    /// The text of the pages, without its breaks.
    fn text(&self) -> String {
        let text = self.run(&["pdftotext", "certificate.pdf", "-"]);
        text.split_whitespace().collect()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

#[test]
fn the_pdf_is_whole_and_says_that_it_is_pdf_a_3a() {
    let place = Place::with("whole", &pdf(&certificate(|_| {}), Languages::JaEn));
    let checked = place.run(&["qpdf", "--check", "certificate.pdf"]);
    assert!(
        checked.contains("No syntax or stream encoding errors"),
        "{checked}"
    );
    let about = place.run(&["pdfinfo", "certificate.pdf"]);
    assert!(about.contains("Tagged:          yes"), "{about}");
    let metadata = place.run(&["pdfinfo", "-meta", "certificate.pdf"]);
    assert!(
        metadata.contains("<pdfaid:part>3</pdfaid:part>"),
        "{metadata}"
    );
    assert!(
        metadata.contains("<pdfaid:conformance>A</pdfaid:conformance>"),
        "{metadata}"
    );
    assert!(
        about.contains("Page size:       595.276 x 841.89 pts (A4)"),
        "{about}"
    );
}

#[test]
fn its_text_can_be_read_out_in_both_languages() {
    let certificate = certificate(|_| {});
    let place = Place::with("text", &pdf(&certificate, Languages::JaEn));
    let text = place.text();
    for words in [
        "データ削除・仮名加工証明書",
        "株式会社例示ラーニング御中",
        "株式会社サンプル運用",
        "法人番号",
        "プライバシーポリシー第8条",
        "データベースのバックアップ",
        "2026年12月27日",
        "本PDFは表示用です。証拠は添付の署名付きデータです。",
        "CertificateofDataDeletionandPseudonymization",
        "ThisPDFisforreading.Theevidenceistheattachedsigneddata.",
    ] {
        assert!(text.contains(words), "`{words}` in: {text}");
    }
    let plain = place.run(&["pdftotext", "certificate.pdf", "-"]);
    assert!(
        plain.contains(&certificate.payload_sha256().to_string()),
        "{plain}"
    );
}

#[test]
fn what_is_attached_is_byte_for_byte_what_was_verified() {
    let certificate = certificate(|_| {});
    let place = Place::with("attached", &pdf(&certificate, Languages::Ja));
    place.run(&["pdfdetach", "-saveall", "certificate.pdf"]);
    assert_eq!(
        fs::read(place.file("cert.dsse.json")).unwrap(),
        certificate.envelope()
    );
}

#[test]
fn the_same_certificate_gives_the_same_bytes() {
    let certificate = certificate(|_| {});
    for languages in Languages::ALL {
        assert_eq!(pdf(&certificate, languages), pdf(&certificate, languages));
    }
}

#[test]
fn its_time_is_that_of_the_certificate() {
    let place = Place::with("time", &pdf(&certificate(|_| {}), Languages::Ja));
    let metadata = place.run(&["pdfinfo", "-meta", "certificate.pdf"]);
    assert!(metadata.contains("2026-11-22T01:02:09"), "{metadata}");
}

#[test]
fn what_the_first_font_lacks_comes_from_the_second() {
    let certificate = certificate(|statement| {
        statement.predicate.issuer.organization = "株式会社𠮷野髙﨑".to_owned();
    });
    let place = Place::with("second", &pdf(&certificate, Languages::Ja));
    assert!(place.text().contains("株式会社𠮷野髙﨑"));
    let fonts = place.run(&["pdffonts", "certificate.pdf"]);
    assert!(
        fonts.contains("BIZUDPGothic") && fonts.contains("NotoSansCJKjp"),
        "{fonts}"
    );
}

#[test]
fn a_character_that_no_font_has_is_named() {
    let certificate = certificate(|statement| {
        statement.predicate.issuer.organization = "Café 𓀀".to_owned();
    });
    let error = typeset(&certificate, Languages::Ja, &fonts()).unwrap_err();
    assert!(matches!(error, TypesetError::NoGlyph { character: '𓀀' }));
    assert!(
        error
            .to_string()
            .starts_with("no font has the character `𓀀` (U+13000)\nhint:")
    );
}

/// Without its second font 𠮷 is no longer there: never an empty box, never an empty page.
#[test]
fn without_the_second_font_there_is_no_pdf() {
    let certificate = certificate(|statement| {
        statement.predicate.issuer.organization = "𠮷".to_owned();
    });
    let first = Fonts::load(&DEFAULT_FONTS[..3]).unwrap();
    let error = typeset(&certificate, Languages::Ja, &first).unwrap_err();
    assert!(matches!(error, TypesetError::NoGlyph { character: '𠮷' }));
}

#[test]
fn a_font_that_is_not_there_is_one_clear_error() {
    let error = Fonts::load(&["/nowhere/font.ttf"])
        .err()
        .unwrap()
        .to_string();
    assert!(
        error.starts_with("read the font `/nowhere/font.ttf`"),
        "{error}"
    );
    assert!(
        error.contains("\nhint: `apt-get install fonts-morisawa-bizud-gothic"),
        "{error}"
    );
    let error = Fonts::load(&["Cargo.toml"]).err().unwrap().to_string();
    assert_eq!(error, "`Cargo.toml` is no OpenType or TrueType font");
}

/// Names are data: what would be markup to typst stays as it is.
#[test]
fn hostile_names_stay_texts() {
    let hostile = "#panic(\"x\") <script> $x^2$ *b* _i_ `r` \\ // ] = #read(\"/etc/passwd\") @label 葛\u{E0100}城";
    let certificate = certificate(|statement| {
        statement.predicate.issuer.organization = hostile.to_owned();
        statement.predicate.controller.organization = Some(hostile.to_owned());
        statement.predicate.targets[0].object = "a\u{202e}b".to_owned();
        statement.predicate.residuals[0].place = hostile.to_owned();
    });
    let place = Place::with("hostile", &pdf(&certificate, Languages::Ja));
    let text = place.text();
    assert!(
        text.contains("#panic(\"x\")<script>$x^2$*b*_i_`r`\\//]=#read("),
        "{text}"
    );
    assert!(text.contains("a[U+202E]b"), "{text}");
}

#[test]
fn two_hundred_targets_fill_many_pages_with_their_heads_and_numbers() {
    let many = |statement: &mut Statement| {
        let pattern = statement.predicate.targets[0].clone();
        statement.predicate.controller.organization = Some("株式会社とても長い名前の".repeat(40));
        statement.predicate.targets = (0..200)
            .map(|index| {
                let mut target = pattern.clone();
                target.index = index;
                target.object = format!("public.exam_attempt_of_the_year_{index}");
                target
            })
            .collect();
    };
    let place = Place::with("many", &pdf(&certificate(many), Languages::Ja));
    let about = place.run(&["pdfinfo", "certificate.pdf"]);
    let pages = about.lines().find_map(|line| line.strip_prefix("Pages:"));
    let pages: usize = pages.unwrap().trim().parse().unwrap();
    assert!(pages > 10, "{pages}");
    let text = place.text();
    assert!(text.contains("public.exam_attempt_of_the_year_199"));
    for page in 1..=pages {
        assert!(text.contains(&format!("{page}/{pages}")), "{page}");
    }
    let laid_out = place.run(&["pdftotext", "-layout", "certificate.pdf", "-"]);
    let head = |line: &&str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        words.starts_with(&["番号", "対象データ", "保存先", "処理結果"])
    };
    let heads = laid_out.lines().filter(head).count();
    assert!(heads > 5, "heads on {heads} of {pages} pages");
}

#[test]
fn the_code_is_read_back_from_the_page() {
    let certificate = certificate(|_| {});
    let place = Place::with("code", &pdf(&certificate, Languages::Ja));
    place.run(&["pdftoppm", "-r", "200", "-gray", "certificate.pdf", "page"]);
    let mut pages: Vec<PathBuf> = fs::read_dir(&place.0)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "pgm"))
        .collect();
    pages.sort();
    let found: Vec<String> = pages.iter().flat_map(|page| codes(page)).collect();
    assert_eq!(found, [format!("sha256:{}", certificate.payload_sha256())]);
}

/// The codes in a picture of the form `P5\n{width} {height}\n255\n` and a byte for each pixel.
fn codes(picture: &Path) -> Vec<String> {
    let bytes = fs::read(picture).unwrap();
    let head: Vec<&[u8]> = bytes.splitn(4, u8::is_ascii_whitespace).collect();
    let number = |bytes: &[u8]| -> usize { std::str::from_utf8(bytes).unwrap().parse().unwrap() };
    let (width, height) = (number(head[1]), number(head[2]));
    let pixels = &bytes[bytes.len() - width * height..];
    let mut image =
        rqrr::PreparedImage::prepare_from_greyscale(width, height, |x, y| pixels[y * width + x]);
    let grids = image.detect_grids();
    grids.iter().map(|grid| grid.decode().unwrap().1).collect()
}

#[test]
fn what_is_not_signed_under_the_key_is_not_set() {
    let certificate = certificate(|_| {});
    let place = Place::new("refused");
    let pem = kigen_evidence::public_key::to_pem(&key().verifying_key()).unwrap();
    fs::write(place.file("key.pem"), pem).unwrap();
    fs::write(place.file("cert.dsse.json"), certificate.envelope()).unwrap();
    fs::write(place.file("leaves.bin"), sample::leaves()).unwrap();
    let set = |what: &[&str]| {
        let ran = Command::new(env!("CARGO_BIN_EXE_certificate-pdf"))
            .args(what)
            .args(["--key", "key.pem", "--out", "out.pdf"])
            .current_dir(&place.0)
            .output()
            .unwrap();
        (ran.status.code(), String::from_utf8(ran.stderr).unwrap())
    };
    assert_eq!(set(&["."]), (Some(0), String::new()));
    assert!(
        fs::read(place.file("out.pdf"))
            .unwrap()
            .starts_with(b"%PDF-1.7")
    );
    fs::remove_file(place.file("out.pdf")).unwrap();

    let mut leaves = sample::leaves();
    leaves[40] ^= 1;
    fs::write(place.file("leaves.bin"), &leaves).unwrap();
    let (code, said) = set(&["."]);
    assert_eq!(code, Some(1));
    assert!(
        said.starts_with("error: the certificate in `.` does not hold: "),
        "{said}"
    );

    let mut altered = certificate.envelope().to_vec();
    let middle = altered.len() / 2;
    altered[middle] = if altered[middle] == b'A' { b'B' } else { b'A' };
    fs::write(place.file("altered.json"), altered).unwrap();
    let (code, said) = set(&["--envelope", "altered.json"]);
    assert_eq!(code, Some(1));
    assert_eq!(
        said,
        "error: the signature of the certificate does not hold: no signature in the envelope holds under a key that was given\n"
    );
    let (code, said) = set(&["--envelope", "nowhere.json"]);
    assert_eq!(code, Some(1));
    assert!(
        said.starts_with("error: read `nowhere.json`: No such file"),
        "{said}"
    );
    assert!(!place.file("out.pdf").exists());
}

/// What typesetting needs stays out of the worker, and the worker out of what typesets.
#[test]
fn the_two_programs_do_not_carry_each_other() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let own = fs::read_to_string(here.join("Cargo.lock")).unwrap();
    for package in [
        "sqlx",
        "tokio",
        "aws-sdk-s3",
        "aws-config",
        "rustls",
        "tracing",
    ] {
        assert!(!own.contains(&format!("name = \"{package}\"")), "{package}");
    }
    let worker = fs::read_to_string(here.join("../../Cargo.lock")).unwrap();
    for package in ["typst", "krilla", "certificate-pdf"] {
        assert!(
            !worker.contains(&format!("name = \"{package}\"")),
            "{package}"
        );
    }
}
