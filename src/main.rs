//! The `kigen` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    #[cfg(feature = "failpoints")]
    kigen::failpoints::arm();
    if let Some(failed) = kigen::cli::without_drivers_variables() {
        return failed;
    }
    run()
}

#[tokio::main]
async fn run() -> ExitCode {
    Box::pin(kigen::cli::main()).await
}
