//! The objects of a job: their stores, and who else names what lies there.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::objects::{ObjectDisposer, ObjectInventory};
use crate::job::TableName;

/// The object stores of a job, by their names in `kigen.toml`.
#[derive(Clone, Default)]
pub struct JobObjects {
    pub stores: BTreeMap<String, Arc<dyn ObjectDisposer>>,
    /// Columns of other jobs that name objects in the same places.
    pub also_named: Vec<AlsoNamed>,
}

impl JobObjects {
    /// The stores, to be read.
    pub fn to_read(&self) -> BTreeMap<String, Arc<dyn ObjectInventory>> {
        let stores = self.stores.iter();
        stores
            .map(|(name, store)| {
                let store: Arc<dyn ObjectDisposer> = Arc::clone(store);
                (name.clone(), store as Arc<dyn ObjectInventory>)
            })
            .collect()
    }
}

/// A column of another job, in the same store of rows, whose rows name objects that lie where those of
/// the job lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlsoNamed {
    /// The other job.
    pub job: String,
    /// The job's own object store.
    pub store: String,
    pub table: TableName,
    pub column: String,
    /// How the other job writes the keys of `store`.
    pub change: KeyChange,
}

/// From the key of an object in one store to its key in another one over the same place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyChange {
    strip: String,
    put: String,
}

impl KeyChange {
    /// From keys behind `from` to keys behind `to`; `None` if nothing lies behind both.
    pub fn between(from: &str, to: &str) -> Option<Self> {
        let (strip, put) = match (from.strip_prefix(to), to.strip_prefix(from)) {
            (Some(put), _) => ("", put),
            (None, Some(strip)) => (strip, ""),
            (None, None) => return None,
        };
        Some(Self {
            strip: strip.to_owned(),
            put: put.to_owned(),
        })
    }

    /// The key in the other store; `None` if it cannot have it.
    pub(crate) fn of(&self, key: &str) -> Option<String> {
        let rest = key.strip_prefix(&self.strip)?;
        Some(format!("{}{rest}", self.put))
    }
}

#[cfg(test)]
mod tests {
    use super::KeyChange;

    #[test]
    fn a_key_is_known_in_every_store_over_its_place() {
        let cases = [
            ("files/", "files/", "a", Some("a")),
            ("files/", "", "a", Some("files/a")),
            ("", "files/", "files/a", Some("a")),
            ("", "files/", "other/a", None),
            ("a", "ab", "bc", Some("c")),
        ];
        for (from, to, key, expected) in cases {
            let change = KeyChange::between(from, to).unwrap();
            assert_eq!(change.of(key).as_deref(), expected, "{from} {to} {key}");
        }
        assert_eq!(KeyChange::between("a/", "b/"), None);
    }
}
