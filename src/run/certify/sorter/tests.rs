//! The sorter sorts, loses nothing and leaves nothing behind.

use proptest::collection::vec;
use proptest::prelude::any;
use proptest::{prop_assert_eq, proptest};

use super::{FAN_IN, Sorter};

fn sorted<const N: usize>(records: &[[u8; N]], held: usize) -> Vec<[u8; N]> {
    let folder = tempfile::tempdir().unwrap();
    let mut sorter = Sorter::new(folder.path(), held * N);
    for record in records {
        sorter.push(*record).unwrap();
    }
    let mut sorted = sorter.finish().unwrap();
    let mut found = Vec::new();
    while let Some(record) = sorted.next().unwrap() {
        found.push(record);
    }
    assert_eq!(sorted.next().unwrap(), None);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    found
}

/// Numbers that look random and repeat.
fn noise(count: u64) -> Vec<[u8; 5]> {
    (0..count)
        .map(|number| {
            let mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 44;
            let [a, b, c, d, e, ..] = mixed.rotate_left(7).to_le_bytes();
            [a, b, c, d, e]
        })
        .collect()
}

proptest! {
    #[test]
    fn records_come_back_sorted_and_all(
        records in vec(any::<[u8; 3]>(), 0..3000),
        held in 1_usize..40,
    ) {
        let mut expected = records.clone();
        expected.sort_unstable();
        prop_assert_eq!(sorted(&records, held), expected);
    }
}

#[test]
fn a_hundred_thousand_records_are_sorted_whatever_is_held_in_memory() {
    let records = noise(100_000);
    let mut expected = records.clone();
    expected.sort_unstable();
    for held in [7, 1_000, 50_000, 100_000, 200_000] {
        assert!(sorted(&records, held) == expected, "{held}");
    }
}

#[test]
fn files_are_merged_before_there_are_many() {
    let folder = tempfile::tempdir().unwrap();
    let mut sorter = Sorter::<5>::new(folder.path(), 5 * 10);
    for record in noise(100_000) {
        sorter.push(record).unwrap();
    }
    let open: usize = sorter.levels.iter().map(Vec::len).sum();
    assert_eq!(sorter.levels.len(), 3);
    assert!(open <= 3 * FAN_IN, "{open}");
}

#[test]
fn a_folder_that_is_not_there_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let mut sorter = Sorter::<1>::new(&folder.path().join("gone"), 1);
    sorter.push([1]).unwrap();
    assert!(sorter.push([2]).is_err());
}
