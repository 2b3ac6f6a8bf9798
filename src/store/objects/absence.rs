//! How many records name objects that are not there: a few may really be gone, many are a wrong address.

use super::{ObjectInventory, near_miss};
use crate::guard::{self, Guard};
use crate::job::ObjectLink;

/// Fewer records than this are no share of anything.
const LEAST: u64 = 2;

/// Records that are remembered, at least: what began to go wrong later shows among the last ones.
const WINDOW: u64 = 100;

/// Keys that are remembered, for the message.
const KEYS: usize = 3;

/// The last records that named objects by one link, and of how many of them none was there.
///
/// Holds keys: no `Debug`.
#[derive(Default)]
pub(crate) struct Absence {
    earlier: Seen,
    now: Seen,
    /// Keys of which nothing was found.
    keys: Vec<String>,
}

#[derive(Clone, Copy, Default)]
struct Seen {
    records: u64,
    absent: u64,
}

impl Absence {
    /// Notes a record; `absent` has a key that it names if nothing of what it names is there.
    pub(crate) fn note(&mut self, absent: Option<&str>) {
        if self.now.records >= WINDOW {
            self.earlier = std::mem::take(&mut self.now);
        }
        self.now.records += 1;
        if let Some(key) = absent {
            self.now.absent += 1;
            if self.keys.len() < KEYS {
                self.keys.push(key.to_owned());
            }
        }
    }

    pub(crate) fn records(&self) -> u64 {
        self.earlier.records + self.now.records
    }

    pub(crate) fn absent(&self) -> u64 {
        self.earlier.absent + self.now.absent
    }

    /// Whether more is absent than `link` allows.
    pub(crate) fn is_too_much(&self, link: &ObjectLink) -> bool {
        let allowed = u64::from(link.max_absent_percent) * self.records();
        guard::stands(Guard::AbsentObjects)
            && self.absent() >= LEAST
            && self.absent() * 100 > allowed
    }

    /// What is wrong, and how the address may have been meant.
    pub(crate) async fn explain(&self, store: &dyn ObjectInventory, link: &ObjectLink) -> String {
        let ObjectLink {
            store: name,
            key_column,
            ..
        } = link;
        format!(
            "{} of {} records name objects in `{key_column}` of which nothing is in object store `{name}`: {}\n\
             hint: mend the addresses, or the prefix or folder of `[objects.{name}]`; where objects may be \
             missing, `max-absent-percent` in `[[object]]` says how many",
            self.absent(),
            self.records(),
            near_miss::explain(store, &self.keys).await
        )
    }
}

#[cfg(test)]
mod tests {
    use super::Absence;
    use crate::job::ObjectLink;

    fn link(max_absent_percent: u8) -> ObjectLink {
        ObjectLink {
            store: "scans".to_owned(),
            table: None,
            key_column: "scan".to_owned(),
            max_absent_percent,
        }
    }

    fn after(records: &[(u64, bool)]) -> Absence {
        let mut absence = Absence::default();
        for (times, is_absent) in records {
            for _ in 0..*times {
                absence.note(is_absent.then_some("a"));
            }
        }
        absence
    }

    #[test]
    fn a_large_share_of_absent_objects_is_told_from_a_few() {
        type Looks = &'static [(u64, bool)];
        let cases: [(Looks, u8, bool); 8] = [
            (&[(1, true)], 10, false),
            (&[(2, true)], 10, true),
            (&[(5, true)], 10, true),
            (&[(18, false), (2, true)], 10, false),
            (&[(17, false), (2, true)], 10, true),
            (&[(2, true)], 100, false),
            (&[(200, false), (1, true)], 0, false),
            // What began to go wrong late shows among the last records.
            (&[(5000, false), (23, true)], 10, true),
        ];
        for (records, percent, expected) in cases {
            let absence = after(records);
            assert_eq!(absence.is_too_much(&link(percent)), expected, "{records:?}");
        }
    }
}
