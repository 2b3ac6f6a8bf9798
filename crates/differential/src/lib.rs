//! Nothing: this package holds tests only, see `tests/`.
