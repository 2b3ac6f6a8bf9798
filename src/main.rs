//! The `kigen` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    if let Some(failed) = kigen::cli::without_drivers_variables() {
        return failed;
    }
    run()
}

#[tokio::main]
async fn run() -> ExitCode {
    #[cfg(feature = "failpoints")]
    kigen::failpoints::arm();
    Box::pin(kigen::cli::main()).await
}
