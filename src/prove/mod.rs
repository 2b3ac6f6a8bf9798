//! Proof for one record and for one person, out of what was certified.
//!
//! Reads the ledger, the published leaves and the keyring; writes nothing and removes nothing. Read
//! in this order: `meaning` says what a text can be, `question` what is looked for, `leaves` brings
//! the certified file here, `certificate` opens one certificate, `search` goes over all of them.

mod certificate;
mod error;
mod leaves;
mod meaning;
mod question;
mod search;

pub use certificate::Obstacle;
pub use error::ProveError;
pub use question::{Question, QuestionError};
pub use search::{Evidence, Filter, NotSearched, Receipt, Searched, search};
