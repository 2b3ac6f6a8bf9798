//! Sealing against a real ledger, with stores that only have a journal.

mod announced;
mod crash;
mod fixture;
mod journal_only;
mod keys;
mod memory;
mod outcome;
mod places;
mod published;
mod refusals;
mod weak_ledger;
