//! Exit codes, made for a Kubernetes `podFailurePolicy`: may a retry help, or must a person look?
//!
//! 10 to 19: a person must look; a retry fails in the same way. 20 to 29: trying again may help.
//! 30 to 39: the removal is done and safe, its certificate is still to come.
//! 40 to 49: like 10 to 19.
//! `k8s/base` and the README are checked against these names.

use std::process::ExitCode;

/// Every due record was disposed of, or nothing was due.
pub const DONE: u8 = 0;
/// kigen failed in a way it does not know. (A panic is 101.)
pub const UNEXPECTED: u8 = 1;
/// The command line is wrong.
pub const USAGE: u8 = 2;
/// A file in `jobs/` does not load or check.
pub const JOBS_INVALID: u8 = 10;
/// A plan is over its limit; nothing of that cluster was removed.
pub const NOT_APPROVED: u8 = 11;
/// `kigen.toml` or the keyring does not load.
pub const CONFIG_INVALID: u8 = 12;
/// The ledger or a journal is not migrated.
pub const NOT_MIGRATED: u8 = 13;
/// A store does not fit its job; nothing was removed.
pub const SCHEMA_MISMATCH: u8 = 14;
/// A store refused the login, or a right that the job needs.
pub const ACCESS_REFUSED: u8 = 15;
/// Published evidence does not hold: it was altered, is incomplete, or was not signed by whom we trust.
pub const DOES_NOT_HOLD: u8 = 16;
/// A log contradicts what was published or cosigned of it before: perhaps a ledger was restored from
/// a backup. Nothing was removed or signed.
pub const LOG_DIFFERS: u8 = 17;
/// What was removed is there again, or evidence is lost that would say so. A person must look.
pub const NOT_GONE: u8 = 18;
/// No certificate that could be searched has the removal that was asked for.
pub const NO_SUCH_REMOVAL: u8 = 19;
/// Something that is due is still there. Trying again may help.
pub const INCOMPLETE: u8 = 20;
/// A store, or the place of certificates, could not be reached. Trying again may help.
pub const STORE_UNREACHABLE: u8 = 21;
/// The ledger could not be read or written. Trying again may help.
pub const LEDGER_UNAVAILABLE: u8 = 22;
/// Another run of one of the jobs is under way.
pub const BUSY: u8 = 23;
/// A job is suspended: what is due of it stays until it is resumed. All else is done.
pub const SUSPENDED: u8 = 24;
/// The run is done, but a certificate could not be signed or written; running again does it.
pub const NOT_CERTIFIED: u8 = 30;
/// An earlier run had announced removals for a job whose file is gone from `jobs/`: the records stay, and
/// nobody decides about them until the file is put back. Everything else is done.
pub const JOB_MISSING: u8 = 31;
/// The clock contradicts that of a store or of the ledger, or the ledger's last entry. Nothing was
/// removed or signed.
pub const CLOCK_DIFFERS: u8 = 40;
/// Stopped by SIGTERM or SIGINT at the border of a batch; the next run goes on.
pub const TERMINATED: u8 = 143;

/// Every code with its name and its meaning, for the README and its test.
pub const ALL: &[(u8, &str, &str)] = &[
    (
        DONE,
        "DONE",
        "every due record was disposed of, or nothing was due",
    ),
    (
        UNEXPECTED,
        "UNEXPECTED",
        "kigen failed in a way it does not know",
    ),
    (USAGE, "USAGE", "the command line is wrong"),
    (
        JOBS_INVALID,
        "JOBS_INVALID",
        "a file in `jobs/` does not load or check",
    ),
    (
        NOT_APPROVED,
        "NOT_APPROVED",
        "a plan is over its limit; nothing of that cluster was removed",
    ),
    (
        CONFIG_INVALID,
        "CONFIG_INVALID",
        "`kigen.toml` or the keyring does not load",
    ),
    (
        NOT_MIGRATED,
        "NOT_MIGRATED",
        "the ledger or a journal is not migrated",
    ),
    (
        SCHEMA_MISMATCH,
        "SCHEMA_MISMATCH",
        "a store does not fit its job; nothing of it was removed",
    ),
    (
        ACCESS_REFUSED,
        "ACCESS_REFUSED",
        "a store refused the login, or a right that the job needs",
    ),
    (
        DOES_NOT_HOLD,
        "DOES_NOT_HOLD",
        "published evidence does not hold; a person must look",
    ),
    (
        LOG_DIFFERS,
        "LOG_DIFFERS",
        "a log contradicts what was published or cosigned of it before; nothing was removed or signed",
    ),
    (
        NOT_GONE,
        "NOT_GONE",
        "what was removed is there again, or it cannot be decided; a person must look",
    ),
    (
        NO_SUCH_REMOVAL,
        "NO_SUCH_REMOVAL",
        "no certificate that could be searched has the removal",
    ),
    (
        INCOMPLETE,
        "INCOMPLETE",
        "something that is due is still there; trying again may help",
    ),
    (
        STORE_UNREACHABLE,
        "STORE_UNREACHABLE",
        "a store, or the place of certificates, could not be reached; trying again may help",
    ),
    (
        LEDGER_UNAVAILABLE,
        "LEDGER_UNAVAILABLE",
        "the ledger could not be read or written; trying again may help",
    ),
    (BUSY, "BUSY", "another run of one of the jobs is under way"),
    (
        SUSPENDED,
        "SUSPENDED",
        "a job is suspended and what is due of it stays; all else is done",
    ),
    (
        NOT_CERTIFIED,
        "NOT_CERTIFIED",
        "the run is done, its certificate is not; running again seals it",
    ),
    (
        JOB_MISSING,
        "JOB_MISSING",
        "an earlier run had announced removals for a job that is gone from `jobs/`; its records stay, a person must look",
    ),
    (
        CLOCK_DIFFERS,
        "CLOCK_DIFFERS",
        "the clock contradicts a store's, the ledger's or the ledger's last entry; nothing was removed or signed",
    ),
    (
        TERMINATED,
        "TERMINATED",
        "stopped at the border of a batch; the next run goes on",
    ),
];

/// The process's exit status for `code`.
pub fn status(code: u8) -> ExitCode {
    ExitCode::from(code)
}
