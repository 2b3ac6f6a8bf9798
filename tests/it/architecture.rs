//! The shape of the source: what a text search can hold.

use std::fs;
use std::path::{Path, PathBuf};

use kigen::exit;

/// The core: values and decisions.
const CORE: &[&str] = &["domain", "job", "plan", "diagnostic", "pseudonym", "report"];

/// The crate of evidence: all of it belongs to the core.
const EVIDENCE: &str = "crates/evidence/src";

/// Files over [`MAX_LINES`], each with its reason.
const LONG: &[(&str, &str)] = &[];

/// A file is split by duty. Beyond this it surely has two.
const MAX_LINES: usize = 900;

/// A file of `src` or of [`EVIDENCE`] and what stands in it without its comments and its own tests.
struct Source {
    /// `src/domain/rule.rs`
    name: String,
    text: String,
    code: String,
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn sources() -> Vec<Source> {
    let mut files = Vec::new();
    collect(&root().join("src"), &mut files);
    collect(&root().join(EVIDENCE), &mut files);
    assert!(files.len() > 100, "only {} files were found", files.len());
    files.sort();
    files.iter().map(|file| source(file)).collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

fn source(file: &Path) -> Source {
    let text = fs::read_to_string(file).unwrap();
    let name = file
        .strip_prefix(root())
        .unwrap()
        .to_str()
        .unwrap()
        .to_owned();
    // A test module stands at the end of its file.
    let production = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
    let code: Vec<&str> = production
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect();
    let code = code.join("\n");
    Source { name, text, code }
}

fn is_test(source: &Source) -> bool {
    // Suites that several implementations must pass stand in files of their own.
    let of_tests = [
        "tests",
        "tests.rs",
        "contract",
        "contract.rs",
        "sample.rs",
        "testing.rs",
    ];
    source.name.split('/').any(|part| of_tests.contains(&part))
}

fn of_core(source: &Source) -> bool {
    let in_worker = CORE.iter().any(|name| {
        source.name.starts_with(&format!("src/{name}/")) || source.name == format!("src/{name}.rs")
    });
    in_worker || source.name.starts_with(EVIDENCE)
}

/// Fails with every place where `code` holds one of `forbidden`.
fn assert_free(sources: &[&Source], forbidden: &[&str], why: &str) {
    let mut found = Vec::new();
    for source in sources {
        for (number, line) in source.code.lines().enumerate() {
            for text in forbidden.iter().filter(|text| line.contains(**text)) {
                found.push(format!(
                    "{}: `{text}` in code line {}: {line}",
                    source.name,
                    number + 1
                ));
            }
        }
    }
    assert!(found.is_empty(), "{why}\n{}", found.join("\n"));
}

#[test]
fn the_core_does_no_input_or_output_and_knows_no_clock() {
    let sources = sources();
    let core: Vec<&Source> = sources
        .iter()
        .filter(|source| of_core(source) && !is_test(source))
        .collect();
    assert!(core.len() > 30);
    let forbidden = [
        "sqlx",
        "tokio",
        "async fn",
        "async move",
        ".await",
        "std::env",
        "std::net",
        "std::process",
        "std::thread",
        "Timestamp::now",
        "Zoned::now",
        "SystemTime",
        "Instant::now",
        "tracing::",
        "println!",
        "eprintln!",
    ];
    assert_free(
        &core,
        &forbidden,
        "the core decides; the edge talks to the world",
    );
}

#[test]
fn only_the_reader_of_the_jobs_folder_touches_files_in_the_core() {
    let sources = sources();
    let core: Vec<&Source> = sources
        .iter()
        .filter(|source| of_core(source) && !is_test(source) && source.name != "src/job/folder.rs")
        .collect();
    assert_free(&core, &["std::fs", "File::open"], "the core reads no file");
}

#[test]
fn the_core_knows_no_edge() {
    let sources = sources();
    let edge = [
        "crate::store",
        "crate::run",
        "crate::cli",
        "crate::config",
        "crate::keyring",
        "crate::schedule",
        "crate::clock",
        "crate::telemetry",
        "crate::shutdown",
        "crate::progress",
        "crate::exit",
        "crate::archive",
        "crate::prove",
        "crate::timestamp",
        "crate::verify",
        "crate::witness",
    ];
    let core: Vec<&Source> = sources
        .iter()
        .filter(|source| of_core(source) && !is_test(source))
        .collect();
    assert_free(&core, &edge, "the core knows no edge");
    let in_report = |source: &&&Source| source.name.starts_with("src/report");
    let rest: Vec<&Source> = core
        .iter()
        .filter(|source| !in_report(source))
        .copied()
        .collect();
    assert_free(
        &rest,
        &["crate::ledger"],
        "only the report folds over the ledger's entries",
    );
    // What the ledger holds is pure; the ledger itself is not.
    for source in core.iter().filter(in_report) {
        for line in source
            .code
            .lines()
            .filter(|line| line.contains("crate::ledger"))
        {
            let is_pure = [
                "crate::ledger::entry",
                "crate::ledger::fold",
                "crate::ledger::StoredEntry",
                "crate::ledger::CertificateSummary",
            ]
            .iter()
            .any(|path| line.contains(path));
            assert!(is_pure, "{}: {line}", source.name);
        }
    }
}

/// What a client or an auditor embeds brings no runtime, no database and no network with it.
#[test]
fn the_crate_of_evidence_stands_alone() {
    let manifest = fs::read_to_string(root().join("crates/evidence/Cargo.toml")).unwrap();
    let manifest: toml::Table = manifest.parse().unwrap();
    let dependencies = manifest["dependencies"].as_table().unwrap();
    for heavy in [
        "kigen",
        "tokio",
        "sqlx",
        "futures-util",
        "aws-sdk-s3",
        "tracing",
    ] {
        assert!(!dependencies.contains_key(heavy), "{heavy}");
    }
    assert!(!manifest.contains_key("features"));
}

#[test]
fn what_engines_spell_differently_stands_in_the_database_layer() {
    let sources = sources();
    let outside: Vec<&Source> = sources
        .iter()
        .filter(|source| !source.name.starts_with("src/database/") && !is_test(source))
        // Reads the texts of triggers.
        .filter(|source| source.name != "src/store/sql/script.rs")
        .collect();
    let numbered = ["$1", "$2", "$3", "${"];
    let spelled = ["on conflict", " returning "];
    assert_free(&outside, &numbered, "a statement binds its values");
    assert_free(&outside, &spelled, "the dialect spells it");
    let but_the_scan: Vec<&Source> = outside
        .into_iter()
        .filter(|source| source.name != "src/store/sql/batch_range.rs")
        .collect();
    assert_free(
        &but_the_scan,
        &["ctid"],
        "only the scan knows where rows lie",
    );
}

#[test]
fn the_database_layer_knows_neither_stores_nor_the_ledger() {
    let sources = sources();
    let layer: Vec<&Source> = sources
        .iter()
        .filter(|source| source.name.starts_with("src/database") && !is_test(source))
        .collect();
    assert!(layer.len() > 10);
    let above = [
        "crate::store",
        "crate::ledger",
        "crate::run",
        "crate::config",
        "crate::cli",
    ];
    assert_free(&layer, &above, "the layer carries what others say");
}

#[test]
fn the_edge_does_not_know_the_face() {
    let sources = sources();
    let edge: Vec<&Source> = sources
        .iter()
        .filter(|source| {
            [
                "store",
                "ledger",
                "archive",
                "prove",
                "verify",
                "witness",
                "timestamp",
                "run",
                "schedule",
                "keyring",
                "config",
            ]
            .iter()
            .any(|name| source.name.starts_with(&format!("src/{name}")))
        })
        .collect();
    assert_free(&edge, &["crate::cli"], "only `cli` knows everything");
}

#[test]
fn a_text_search_finds_every_dependency() {
    let sources = sources();
    let all: Vec<&Source> = sources.iter().filter(|source| !is_test(source)).collect();
    assert_free(
        &all,
        &["use crate::{"],
        "one `use` line for each module, with its whole path",
    );
    let globs: Vec<String> = all
        .iter()
        .flat_map(|source| {
            source
                .code
                .lines()
                .map(move |line| (source, line.trim_start()))
        })
        .filter(|(_, line)| line.starts_with("use ") || line.starts_with("pub use "))
        .filter(|(_, line)| {
            let names = line.split_once('{').map_or("", |(_, names)| names);
            line.contains('*') || names.contains("::")
        })
        .map(|(source, line)| format!("{}: {line}", source.name))
        .collect();
    assert!(globs.is_empty(), "{}", globs.join("\n"));
}

#[test]
fn a_dry_run_is_a_capability_and_never_a_flag() {
    let sources = sources();
    let all: Vec<&Source> = sources.iter().collect();
    assert_free(
        &all,
        &["dry_run", "dry-run", "is_dry", "DryRun"],
        "a plan is made through stores that can only read",
    );
}

#[test]
fn a_plan_is_made_without_the_ledger_and_without_a_right_to_remove() {
    let sources = sources();
    let plan: Vec<&Source> = sources
        .iter()
        .filter(|source| {
            ["src/run/plan.rs", "src/cli/plan.rs", "src/cli/explain.rs"]
                .contains(&source.name.as_str())
        })
        .collect();
    assert_eq!(plan.len(), 3);
    assert_free(
        &plan,
        &["Disposer", "open::Stores", "crate::ledger", "load::ledger"],
        "a plan can only read",
    );
}

#[test]
fn only_the_command_line_prints() {
    let sources = sources();
    let silent: Vec<&Source> = sources
        .iter()
        .filter(|source| !source.name.starts_with("src/cli/") && !is_test(source))
        .collect();
    assert_free(
        &silent,
        &["println!", "print!(", "io::stdout"],
        "data is printed by `cli` alone",
    );
}

#[test]
fn only_clock_reads_the_clock_and_only_config_the_environment() {
    let sources = sources();
    let but = |module: &str| -> Vec<&Source> {
        sources
            .iter()
            .filter(|source| !is_test(source) && !source.name.starts_with(&format!("src/{module}")))
            .collect()
    };
    assert_free(
        &but("clock.rs"),
        &[
            "Timestamp::now",
            "Zoned::now",
            "SystemTime::now",
            "Utc::now",
        ],
        "time is an argument",
    );
    assert_free(
        &but("config/"),
        &["env::var"],
        "the environment is an argument",
    );
}

#[test]
fn no_file_is_longer_than_a_reader_can_hold() {
    let too_long: Vec<String> = sources()
        .iter()
        .filter(|source| !LONG.iter().any(|(name, _)| *name == source.name))
        .map(|source| (source.text.lines().count(), &source.name))
        .filter(|(lines, _)| *lines > MAX_LINES)
        .map(|(lines, name)| format!("{name}: {lines} lines"))
        .collect();
    assert!(
        too_long.is_empty(),
        "over {MAX_LINES} lines:\n{}",
        too_long.join("\n")
    );
}

#[test]
fn the_readme_lists_every_exit_code() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let row_of = |code: u8| {
        readme
            .lines()
            .find(|line| cells(line).first() == Some(&code.to_string()))
    };
    for (code, name, _) in exit::ALL {
        let row = row_of(*code)
            .unwrap_or_else(|| panic!("README.md has no row for exit code {code} ({name})"));
        assert!(
            row.contains(name),
            "README.md, exit code {code}: the row does not say {name}"
        );
    }
}

/// The cells of a row of a table, without the marks of code.
fn cells(line: &str) -> Vec<String> {
    let inner = line.trim().trim_matches('|');
    inner
        .split('|')
        .map(|cell| cell.trim().trim_matches('`').to_owned())
        .collect()
}
