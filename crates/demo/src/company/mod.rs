//! Generated sample data: a learning company with learners, exam attempts and disclosure requests.
//!
//! The same bytes on every machine for the same [`Sizes`] and day. No row is about a real person;
//! see `person` for why none can be. Rows lie on both sides of every border of the rules in
//! `jobs/`, so that a run on the day the data was made for has something of everything to do.

// What rows are made of.
mod days;
mod names;
mod person;
mod random;

// The rows, table by table.
mod attempts;
mod learners;
mod requests;
mod scan;

// Into a store.
mod dataset;
mod layout;
mod load;
mod postgres;
mod schema;
mod sqlite;

pub(crate) use self::dataset::{DEFAULT_AS_OF, Sizes};
pub(crate) use self::load::{
    FolderOfScans, Loaded, ScanError, ScanSink, load_postgres, load_sqlite,
};
pub(crate) use self::schema::Dialect;

#[cfg(test)]
mod tests;
