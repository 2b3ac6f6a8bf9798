//! Real processes that are killed, frozen and run side by side: each removal is certified once.

pub(crate) mod certificates;
mod chance;
mod checker;
#[cfg(feature = "failpoints")]
mod failpoints;
#[cfg(feature = "failpoints")]
mod frozen;
pub(crate) mod process;
mod random;
mod restored;
mod school;
mod side_by_side;
mod workplace;
