//! A core file of the worker would hold keys and rows of the batch that it was working on.

use std::process::ExitCode;

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

use super::failure::Failure;
use super::output;
use crate::exit;
use crate::guard::{self, Guard};

/// Forbids the kernel to write the memory of this process to a file when it dies, and other processes of
/// the same user to read it. Returns a status only if the kernel refuses.
pub fn forbid_core_dumps() -> Option<ExitCode> {
    if !guard::stands(Guard::NoCoreFile) {
        return None;
    }
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    // The limit does not count where `core_pattern` hands cores to a program; not being dumpable does.
    let forbidden = setrlimit(Resource::Core, none)
        .and_then(|()| set_dumpable_behavior(DumpableBehavior::NotDumpable));
    let Err(error) = forbidden else {
        return None;
    };
    let message = format!("forbid core files, which would hold keys and rows: {error}");
    output::failure(
        &Failure::new(exit::UNEXPECTED, message),
        output::format_asked_for(std::env::args_os()),
    );
    Some(exit::status(exit::UNEXPECTED))
}
