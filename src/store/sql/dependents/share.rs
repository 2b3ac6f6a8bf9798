//! What goes in one transaction of all that goes with a batch.

use super::Found;

/// What one transaction takes.
pub(in crate::store::sql) enum Share<'a> {
    /// The records with all that goes with them.
    Whole(Vec<Found<'a>>),
    /// The rows on which nothing hangs, of the one record, which stays: more than fit go with it.
    Rows(Vec<Found<'a>>),
    /// Too much goes with several records.
    TooMuch,
}

/// Decides it for `records` and what was found to go with them, where `most` rows may go.
///
/// The parts stand parents first: on the rows of the last one nothing hangs.
pub(in crate::store::sql) fn share(
    records: usize,
    mut found: Vec<Found<'_>>,
    most: usize,
) -> Share<'_> {
    let rows: usize = found.iter().map(|part| part.rows.len()).sum();
    let is_whole = found.iter().all(|part| part.is_whole);
    let Some(last) = found.iter().rposition(|part| !part.rows.is_empty()) else {
        return Share::Whole(found);
    };
    if is_whole && records + rows <= most {
        return Share::Whole(found);
    }
    if records > 1 {
        return Share::TooMuch;
    }
    let mut part = found.swap_remove(last);
    part.truncate(most);
    Share::Rows(vec![part])
}
