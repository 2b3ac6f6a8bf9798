//! `kigen demo`
use super::Global;
use super::failure::Failure;
/// Options of `kigen demo`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {}
/// Shows a whole run on generated data.
pub(super) async fn demo(_global: &Global, _arguments: &Arguments) -> Result<u8, Failure> {
    Err(Failure::new(1, "not there"))
}
