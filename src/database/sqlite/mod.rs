//! SQLite: a file as a database.

mod changes;
pub mod dialect;
mod lock;
mod session;

pub use session::SqliteDatabase;
