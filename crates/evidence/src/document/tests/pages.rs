//! The page as a whole.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::document::{Languages, QrCode, certificate_page};

use super::certificate;

fn page(languages: Languages) -> String {
    certificate_page(&certificate(|_| {}), languages).unwrap()
}

/// The page with what is only long taken out: the attached data and the squares of the code.
fn short(page: &str) -> String {
    let mut short = String::new();
    let (_, page) = page.split_once("</style>").unwrap();
    for line in page.lines() {
        let line = cut(line, "base64,", "\"");
        let line = cut(&line, "stroke=\"#000\" d=\"", "\"");
        if !line.trim().is_empty() {
            short.push_str(&line);
            short.push('\n');
        }
    }
    short
}

fn cut(line: &str, after: &str, before: &str) -> String {
    let Some((head, rest)) = line.split_once(after) else {
        return line.to_owned();
    };
    let (_, tail) = rest.split_once(before).unwrap();
    format!("{head}{after}…{before}{tail}")
}

#[test]
fn the_japanese_page_says_what_is_certified() {
    insta::assert_snapshot!("page_ja", short(&page(Languages::Ja)));
}

#[test]
fn the_english_page_says_the_same() {
    insta::assert_snapshot!("page_en", short(&page(Languages::En)));
}

#[test]
fn the_page_for_both_has_the_japanese_sheet_first() {
    let page = page(Languages::JaEn);
    assert!(page.contains("<html lang=\"ja\">"));
    let ja = page.find("<article id=\"ja\" lang=\"ja\">").unwrap();
    let en = page.find("<article id=\"en\" lang=\"en\">").unwrap();
    assert!(ja < en);
    assert!(page.contains("<h1>データ削除・仮名加工証明書</h1>"));
    assert!(page.contains("<h1>Certificate of Data Deletion and Pseudonymization</h1>"));
}

#[test]
fn a_page_is_the_same_each_time() {
    assert_eq!(page(Languages::JaEn), page(Languages::JaEn));
}

#[test]
fn a_page_asks_nobody_for_anything_and_runs_nothing() {
    for languages in Languages::ALL {
        let page = page(languages);
        // Attached data may hold anything.
        let short = short(&page);
        for foreign in [
            "http:", "https:", "//", "src=", "url(", "<script", "<link", "<iframe", "<form",
            "onload",
        ] {
            assert!(!short.contains(foreign), "{foreign}");
        }
        let style = page.split("<style>").nth(1).unwrap();
        let style = style.split("</style>").next().unwrap();
        assert!(!style.contains("url(") && !style.contains("@import"));
        assert!(
            page.contains(
                "content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:\""
            )
        );
    }
}

#[test]
fn the_attached_data_is_byte_for_byte_what_was_verified() {
    let certificate = certificate(|_| {});
    let page = certificate_page(&certificate, Languages::JaEn).unwrap();
    let links: Vec<&str> = page
        .split("download=\"cert.dsse.json\" href=\"data:application/json;base64,")
        .skip(1)
        .map(|rest| rest.split('"').next().unwrap())
        .collect();
    // One for all languages.
    assert_eq!(links.len(), 1);
    for link in links {
        assert_eq!(STANDARD.decode(link).unwrap(), certificate.envelope());
    }
}

#[test]
fn the_code_is_read_back_as_the_digest_of_the_payload() {
    let certificate = certificate(|_| {});
    let code = QrCode::of(&certificate.code_text()).unwrap();
    // Four pixels to a square, as a phone would see it.
    let dark = squares(&code);
    let pixels = code.side * 4;
    let mut image = rqrr::PreparedImage::prepare_from_greyscale(pixels, pixels, |x, y| {
        if dark[y / 4][x / 4] { 0 } else { 255 }
    });
    let grids = image.detect_grids();
    assert_eq!(grids.len(), 1);
    let (_, text) = grids[0].decode().unwrap();
    assert_eq!(text, format!("sha256:{}", certificate.payload_sha256()));
}

/// Draws the path: `M{x} {y}.5h{length}` for the first run of a row, `m{gap} 0h{length}` for the others.
fn squares(code: &QrCode) -> Vec<Vec<bool>> {
    let mut dark = vec![vec![false; code.side]; code.side];
    let (mut x, mut y) = (0, 0);
    let moves = code.path.replace('M', "\n").replace('m', "\n+");
    for run in moves.lines().filter(|run| !run.is_empty()) {
        let (place, length) = run.split_once('h').unwrap();
        let (across, down) = place.split_once(' ').unwrap();
        match across.strip_prefix('+') {
            Some(gap) => x += gap.parse::<usize>().unwrap(),
            None => {
                x = across.parse().unwrap();
                y = down.strip_suffix(".5").unwrap().parse().unwrap();
            }
        }
        let length: usize = length.parse().unwrap();
        dark[y][x..x + length].fill(true);
        x += length;
    }
    dark
}

/// Tables have heads for their columns and for their rows, so that they can be read aloud.
#[test]
fn every_table_has_heads_and_every_sheet_its_language() {
    let page = page(Languages::JaEn);
    let tables: Vec<&str> = page.split("<table class=\"rows").skip(1).collect();
    assert_eq!(tables.len(), 2 * 5);
    for table in tables {
        let table = table.split("</table>").next().unwrap();
        assert!(table.contains("<caption>"));
        assert!(table.contains("<th scope=\"col\""));
        assert!(table.contains("<th scope=\"row\">"));
    }
}
