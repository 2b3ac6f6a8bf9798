//! The command line. What a run gives is tested with kigen's own tests (`tests/it/oulad.rs`), which call
//! this program too.

use std::process::Command;

#[test]
fn without_a_day_of_decision_nothing_is_loaded() {
    let output = Command::new(env!("CARGO_BIN_EXE_kigen-oulad"))
        .args(["run", "--data", "nowhere"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("--as-of"));
}
