//! A promise in prose has a test: the table in `docs/EVIDENCE.md` names tests that are there.

use std::fs;
use std::path::Path;

fn sources(folder: &Path, into: &mut String) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|end| end == "rs") {
            into.push_str(&fs::read_to_string(&path).unwrap());
        }
    }
}

#[test]
fn every_fault_in_the_table_of_evidence_names_a_test_that_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("docs/EVIDENCE.md")).unwrap();
    let (_, table) = page.split_once("| fault or attack |").unwrap();
    let mut code = String::new();
    sources(&root.join("src"), &mut code);
    sources(&root.join("crates"), &mut code);
    sources(&root.join("tests"), &mut code);
    let mut named = 0;
    for row in table.lines().skip(2) {
        let tests = row.trim_end_matches('|').rsplit('|').next().unwrap().trim();
        if tests == "none" {
            // What nothing finds is said aloud, in bold.
            assert!(row.starts_with("| **"), "{row}");
            continue;
        }
        for test in tests.split(", ") {
            let test = test.trim_matches('`');
            let declared = format!("fn {test}");
            let is_there = code
                .match_indices(&declared)
                .any(|(at, _)| code[at + declared.len()..].starts_with(['(', ',', ' ']));
            // Contract suites name their tests in a list.
            assert!(
                is_there,
                "docs/EVIDENCE.md names the test `{test}`, which is not there"
            );
            named += 1;
        }
    }
    assert!(named > 20, "{named}");
}
