//! Where records and their objects are kept.

pub mod objects;
