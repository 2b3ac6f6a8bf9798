//! One contract for every store of rows, law by law, on SQLite and PostgreSQL.

mod agreement;
mod companions;
mod keys;
mod pseudonymize;
mod survey;
