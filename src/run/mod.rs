//! One run, from the lock to the certificate.

pub mod seal;
