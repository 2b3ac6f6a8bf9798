//! The `kigen` command.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    #[cfg(feature = "failpoints")]
    kigen::failpoints::arm();
    Box::pin(kigen::cli::main()).await
}
