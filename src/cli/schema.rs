//! `kigen schema`: JSON Schema for editors.

use clap::ValueEnum;

use super::failure::Failure;
use super::output;
use crate::config;
use crate::exit;
use crate::job;

/// Options of `kigen schema`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Which file the schema describes
    #[arg(value_enum)]
    file: File,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum File {
    /// A file in jobs/
    Job,
    /// kigen.toml
    Config,
}

/// Prints the schema that the loader itself checks with.
pub(super) fn schema(arguments: &Arguments) -> Result<u8, Failure> {
    let schema = match arguments.file {
        File::Job => job::schema(),
        File::Config => config::schema(),
    };
    let text = serde_json::to_string_pretty(&schema)
        .map_err(|_| Failure::new(exit::UNEXPECTED, "write the schema as JSON"))?;
    output::text(&text);
    Ok(exit::DONE)
}
