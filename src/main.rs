//! The `kigen` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    #[cfg(feature = "failpoints")]
    kigen::failpoints::arm();
    let refused = kigen::cli::forbid_core_dumps().or_else(kigen::cli::without_drivers_variables);
    if let Some(failed) = refused {
        return failed;
    }
    run()
}

#[tokio::main]
async fn run() -> ExitCode {
    Box::pin(kigen::cli::main()).await
}
