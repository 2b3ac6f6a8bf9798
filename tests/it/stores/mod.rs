//! One contract for every store of rows, law by law, on SQLite and PostgreSQL.

mod agreement;
mod capability;
mod companions;
mod errors;
mod evidence;
mod fit;
mod fit_changes;
mod keys;
mod markers;
mod others;
mod pseudonymize;
mod survey;
mod undatable;
mod workers;
