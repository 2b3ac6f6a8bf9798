//! Stores of rows. One set of statements for every engine; a dialect spells, a session carries.
//!
//! Read in this order: `resolved` (names become columns), `text` (the rule as SQL), `survey`
//! (count), `pass` and `walk` (go over the table once), `worker` (a window as one batch or in parts;
//! `failed`: records that cannot go), `batch` (one transaction) with `window` (find and lock) and
//! `remove` (delete or rewrite), `goes_with` (rows of other tables),
//! `evidence` and `journal` (what proves it), `effects` (nothing else changed); `objects_walk` and `intent` (rows that name objects).

mod backend;
mod batch;
mod batch_range;
pub mod catalog;
mod clients;
mod columns;
mod companions;
mod conditions;
mod days;
mod dependents;
mod dialect;
mod effects;
mod elsewhere;
mod evidence;
mod failed;
mod find;
mod foreseen;
mod intent;
mod journal;
mod key_values;
mod leftovers;
mod marks;
mod named_objects;
mod objects_walk;
mod orphans;
mod pace;
mod pass;
mod postgres;
mod postgres_catalog;
mod postgres_dialect;
mod postgres_inspection;
mod present;
mod recall_walk;
mod recalled;
mod remove;
mod rule_sql;
mod scan;
mod schema_check;
mod script;
mod selection;
mod sqlite;
mod sqlite_catalog;
mod sqlite_collations;
mod sqlite_dialect;
mod sqlite_inspection;
mod sqlite_traces;
mod starting_point;
mod store;
mod survey;
mod trigger_check;
mod unlink;
mod whole;
mod worker;

pub use postgres::{PostgresOptions, open_postgres};
pub use sqlite::{SqliteOptions, open_sqlite};
pub use store::SqlStore;
pub use whole::{DigestSink, WholeTable};
