//! Rows and their objects, on SQLite with a folder and on PostgreSQL with an S3 server.

mod crashes;
mod database;
mod faults;
mod fixture;
mod flow;
mod job;
mod kills;
mod locks;
mod troubled;
