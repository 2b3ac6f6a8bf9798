//! Variables of the environment that drivers read behind kigen's back.

use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use super::{Failure, output};
use crate::config::environment;
use crate::exit;
use crate::guard::{self, Guard};

/// What the PostgreSQL driver reads. Each could point a run at another database, schema or login, or take
/// the encryption away.
const OF_THE_DRIVER: &[&str] = &[
    "PGAPPNAME",
    "PGDATABASE",
    "PGHOST",
    "PGHOSTADDR",
    "PGOPTIONS",
    "PGPASSFILE",
    "PGPASSWORD",
    "PGPORT",
    "PGSSLCERT",
    "PGSSLKEY",
    "PGSSLMODE",
    "PGSSLROOTCERT",
    "PGUSER",
];

/// Names the variables that were left out, for a line in the trace.
const LEFT_OUT: &str = "KIGEN_LEFT_OUT";

/// Starts the program again without the variables that the PostgreSQL driver reads, if there are any:
/// settings come from `kigen.toml` and from the variables that it names. Returns only if there are
/// none, or if it could not be started.
pub fn without_drivers_variables() -> Option<ExitCode> {
    let found: Vec<&str> = OF_THE_DRIVER
        .iter()
        .copied()
        .filter(|name| environment(name).is_some())
        .collect();
    if found.is_empty() || !guard::stands(Guard::DriversVariables) {
        return None;
    }
    let program = match std::env::current_exe() {
        Ok(program) => program,
        Err(error) => return Some(failed(&error, &found)),
    };
    let mut arguments = std::env::args_os();
    let mut command = Command::new(program);
    if let Some(name) = arguments.next() {
        command.arg0(name);
    }
    command.args(arguments).env(LEFT_OUT, found.join(", "));
    for name in &found {
        command.env_remove(name);
    }
    // Returns only when it fails.
    Some(failed(&command.exec(), &found))
}

fn failed(error: &std::io::Error, found: &[&str]) -> ExitCode {
    let message = format!(
        "start without {}, which the PostgreSQL driver would read: {error}\nhint: take them out of the environment",
        found.join(", ")
    );
    output::failure(
        &Failure::new(exit::CONFIG_INVALID, message),
        output::format_asked_for(std::env::args_os()),
    );
    exit::status(exit::CONFIG_INVALID)
}

/// Says which variables do not count.
pub(super) fn warn_of_what_was_left_out() {
    if let Some(names) = environment(LEFT_OUT) {
        tracing::warn!(
            "{names} of the environment do not count: the URL in `kigen.toml` says where a database is and how it is reached"
        );
    }
}
