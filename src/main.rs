//! The `kigen` command.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    #[cfg(feature = "failpoints")]
    kigen::failpoints::arm();
    kigen::cli::main().await
}
