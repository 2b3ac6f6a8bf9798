//! Checks one certificate of kigen, or one receipt, with a public key and nothing else.
//!
//! ```text
//! verify FOLDER KEY.pem [RECEIPT LOG_KEY.pem]
//! ```
//!
//! FOLDER is a published certificate (`cert.dsse.json`, `leaves.bin`). With RECEIPT, a
//! `tlog-proof`, also whether that belongs to the certificate. Exit code 0: everything holds;
//! 1: something does not; 2: it could not be checked.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program for people"
)]

use std::error::Error;
use std::fs::{self, File};
use std::path::Path;
use std::process::ExitCode;

use kigen_evidence::public_key;
use kigen_evidence::receipt::{self, Heads};
use kigen_evidence::statement::Statement;
use kigen_evidence::verify::verify;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let checked = match arguments.as_slice() {
        [folder, key] => certificate(Path::new(folder), key).map(|found| found.is_some()),
        [folder, key, proof, log_key] => certificate(Path::new(folder), key)
            .and_then(|found| found.map_or(Ok(false), |found| belongs(proof, log_key, &found))),
        _ => Err("usage: verify FOLDER KEY.pem [RECEIPT LOG_KEY.pem]".into()),
    };
    match checked {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}

/// Prints what a check of the certificate in `folder` finds; what it says, if all holds.
fn certificate(folder: &Path, key: &str) -> Result<Option<Statement>, Box<dyn Error>> {
    let key = public_key::from_pem(&fs::read_to_string(key)?)?;
    let envelope = fs::read(folder.join("cert.dsse.json"))?;
    let leaves = File::open(folder.join("leaves.bin"))?;
    let found = verify(&envelope, leaves, &[key])?;
    for finding in &found.findings {
        let mark = if finding.holds() { "ok" } else { "NO" };
        println!("{mark}  {finding}");
    }
    // Of a certificate that does not hold, nothing is believed.
    let holds = found.holds();
    Ok(found.statement.filter(|_| holds))
}

/// Prints whether the receipt in `proof` is one of the log behind `log_key`, and about `statement`.
fn belongs(proof: &str, log_key: &str, statement: &Statement) -> Result<bool, Box<dyn Error>> {
    let key = public_key::from_pem(&fs::read_to_string(log_key)?)?;
    let proof = fs::read_to_string(proof)?;
    let keys = receipt::named(&proof, &key)?;
    let targets = statement.predicate.targets.iter();
    let most = targets.map(|target| target.index).max().unwrap_or_default();
    let proven = match receipt::verify(&proof, &keys, Heads::Below(most.saturating_add(1))) {
        Ok(proven) => proven,
        Err(error) => {
            println!("NO  {error}");
            return Ok(false);
        }
    };
    // What the receipt opens is personal data: it is not printed here.
    let belongs = proven.belongs_to(statement);
    let mark = if belongs { "ok" } else { "NO" };
    println!(
        "{mark}  the receipt proves leaf {} ({}) of this certificate",
        proven.index,
        proven.head.action.name()
    );
    Ok(belongs)
}
