//! Connections to databases: what stores and the ledger share.

pub mod postgres;
