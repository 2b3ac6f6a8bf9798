//! The layout, and trees that come back from it.

use std::collections::BTreeMap;
use std::convert::Infallible;

use crate::merkle::{Hash, RootBuilder, leaf_hash};

use super::{
    ReadError, Tile, TileError, TileKind, added, bundle, entry_index, entry_path, read_back,
    root_of,
};

type Files = BTreeMap<String, Vec<u8>>;

fn entry(number: u64) -> Vec<u8> {
    format!("entry {number}").into_bytes()
}

fn entries(size: u64) -> Vec<Vec<u8>> {
    (0..size).map(entry).collect()
}

fn root(entries: &[Vec<u8>]) -> Hash {
    let mut tree = RootBuilder::new();
    entries.iter().for_each(|entry| tree.push(entry));
    tree.root()
}

/// Publishes what comes to the log between `older` and the size of `entries`.
fn publish(files: &mut Files, older: u64, entries: &[Vec<u8>]) {
    let hashes: Vec<Hash> = entries.iter().map(|entry| leaf_hash(entry)).collect();
    for tile in added(older, entries.len() as u64) {
        let bytes = match tile.kind() {
            TileKind::Hashes { .. } => tile.hash_bytes(&hashes).unwrap(),
            TileKind::Entries => {
                let start = tile.index() as usize * 256;
                bundle(&entries[start..start + usize::from(tile.width())]).unwrap()
            }
        };
        let before = files.insert(tile.to_string(), bytes);
        assert!(before.is_none(), "{tile} was published twice");
    }
}

fn fetch(files: &Files) -> impl FnMut(&Tile) -> Result<Option<Vec<u8>>, Infallible> {
    |tile| Ok(files.get(&tile.to_string()).cloned())
}

fn paths(older: u64, size: u64) -> Vec<String> {
    added(older, size).iter().map(Tile::to_string).collect()
}

#[test]
fn the_tiles_of_70000_leaves_are_those_of_the_specification() {
    let tiles = added(0, 70_000);
    let number = |kind, is_full| {
        let of_kind = tiles.iter().filter(|tile| tile.kind() == kind);
        of_kind.filter(|tile| tile.is_full() == is_full).count()
    };
    let hashes = |level| TileKind::Hashes { level };
    assert_eq!(
        (number(hashes(0), true), number(hashes(0), false)),
        (273, 1)
    );
    assert_eq!((number(hashes(1), true), number(hashes(1), false)), (1, 1));
    assert_eq!((number(hashes(2), true), number(hashes(2), false)), (0, 1));
    assert_eq!(tiles.len(), 274 + 274 + 2 + 1);
    let partial: Vec<String> = tiles
        .iter()
        .filter(|tile| !tile.is_full())
        .map(Tile::to_string)
        .collect();
    assert_eq!(
        partial,
        [
            "tile/entries/273.p/112",
            "tile/0/273.p/112",
            "tile/1/001.p/17",
            "tile/2/000.p/1"
        ]
    );
}

#[test]
fn only_what_changed_is_published() {
    assert_eq!(paths(0, 0), [""; 0]);
    assert_eq!(paths(7, 7), [""; 0]);
    assert_eq!(paths(0, 1), ["tile/entries/000.p/1", "tile/0/000.p/1"]);
    assert_eq!(paths(1, 3), ["tile/entries/000.p/3", "tile/0/000.p/3"]);
    assert_eq!(
        paths(255, 256),
        ["tile/entries/000", "tile/0/000", "tile/1/000.p/1"]
    );
    assert_eq!(paths(256, 257), ["tile/entries/001.p/1", "tile/0/001.p/1"]);
    assert_eq!(
        paths(257, 600),
        [
            "tile/entries/001",
            "tile/entries/002.p/88",
            "tile/0/001",
            "tile/0/002.p/88",
            "tile/1/000.p/2"
        ]
    );
}

#[test]
fn a_path_is_written_in_groups_of_three_digits() {
    let far = Tile::of_tree(TileKind::Hashes { level: 0 }, 1_234_067, u64::MAX).unwrap();
    assert_eq!(far.to_string(), "tile/0/x001/x234/067");
    for tile in added(0, 70_000).into_iter().chain([far]) {
        assert_eq!(tile.to_string().parse::<Tile>().unwrap(), tile);
    }
    for path in [
        "",
        "tile/0",
        "tile/0/",
        "tile/0/0",
        "tile/0/1000",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/08",
        "tile/0/000.p/+8",
        "tile/00/000",
        "tile/8/000",
        "tile/entry/000",
        "tile/0/x000/001",
        "tile/0/001/001",
        "tile/0/x001",
        "tile/0/x001/x001",
        "/tile/0/000",
        "tile/0/x999/x999/x999/x999/x999/x999/x999/999",
    ] {
        let error = path.parse::<Tile>().unwrap_err();
        assert_eq!(error, TileError::Path(path.to_owned()));
    }
}

#[test]
fn every_tree_comes_back_from_its_tiles() {
    for size in [0, 1, 2, 3, 255, 256, 257, 511, 512, 513, 1000] {
        let entries = entries(size);
        let mut files = Files::new();
        publish(&mut files, 0, &entries);
        let mut back = Vec::new();
        let take = |entry: &[u8], _: &Hash| back.push(entry.to_vec());
        let read = read_back(size, fetch(&files), take).unwrap();
        assert_eq!(read, root(&entries), "{size}");
        assert_eq!(back, entries);
        assert_eq!(root_of(size, fetch(&files)).unwrap(), read, "{size}");
    }
}

#[test]
fn a_tree_of_three_levels_comes_back_from_its_tiles() {
    let entries = entries(65_536 + 256 * 3 + 5);
    let mut files = Files::new();
    publish(&mut files, 0, &entries);
    let size = entries.len() as u64;
    assert!(files.contains_key("tile/2/000.p/1"));
    let read = read_back(size, fetch(&files), |_, _| {}).unwrap();
    assert_eq!(read, root(&entries));
    assert_eq!(root_of(size, fetch(&files)).unwrap(), read);
}

#[test]
fn a_log_that_grew_step_by_step_has_the_tiles_of_each_step() {
    let mut files = Files::new();
    let all = entries(700);
    let steps = [0, 1, 2, 100, 255, 256, 300, 512, 700];
    for pair in steps.windows(2) {
        publish(&mut files, pair[0], &all[..pair[1] as usize]);
    }
    for size in steps {
        let read = read_back(size, fetch(&files), |_, _| {}).unwrap();
        assert_eq!(read, root(&all[..size as usize]));
        assert_eq!(root_of(size, fetch(&files)).unwrap(), read);
    }
}

#[test]
fn an_altered_tile_is_noticed() {
    let mut files = Files::new();
    let all = entries(600);
    publish(&mut files, 0, &all);
    let good = root(&all);
    for path in files.keys().cloned().collect::<Vec<_>>() {
        let mut altered = files.clone();
        *altered.get_mut(&path).unwrap().last_mut().unwrap() ^= 1;
        let read = read_back(600, fetch(&altered), |_, _| {});
        assert!(matches!(read, Err(ReadError::Hashes(_))), "{path}");

        altered.get_mut(&path).unwrap().pop();
        let read = read_back(600, fetch(&altered), |_, _| {});
        assert!(matches!(read, Err(ReadError::Tile(_))), "{path}");

        altered.remove(&path);
        let read = read_back(600, fetch(&altered), |_, _| {});
        if path.contains(".p/") && !path.contains("entries") {
            assert_eq!(read, Ok(good), "{path} is not needed");
            continue;
        }
        assert_eq!(
            read.unwrap_err().to_string(),
            format!("`{path}` is missing")
        );
    }
    // From hashes alone an altered hash can only be seen in the root.
    let mut altered = files.clone();
    altered.get_mut("tile/1/000.p/2").unwrap()[0] ^= 1;
    assert_ne!(root_of(600, fetch(&altered)).unwrap(), good);
}

#[test]
fn an_entry_of_its_own_has_one_path() {
    for index in [0, 7, 255, 1_000_000] {
        assert_eq!(entry_index(&entry_path(index)), Some(index));
    }
    for path in [
        "entry/",
        "entry/01",
        "entry/-1",
        "entry/1/2",
        "entry/+1",
        "1",
        "tile/entries/000",
    ] {
        assert_eq!(entry_index(path), None, "{path}");
    }
}

#[test]
fn an_entry_has_a_greatest_length() {
    let longest = vec![7_u8; 65_535];
    assert_eq!(bundle(&[&longest]).unwrap().len(), 65_537);
    let error = bundle(&[vec![7_u8; 65_536]]).unwrap_err();
    assert_eq!(error, TileError::EntryTooLong(65_536));
    assert_eq!(bundle(&[b""]).unwrap(), [0, 0]);
}

#[test]
fn a_tile_of_leaves_that_are_not_there_is_not_written() {
    let hashes = vec![[0; 32]; 5];
    let tile = Tile::of_tree(TileKind::Hashes { level: 0 }, 0, 6).unwrap();
    assert_eq!(tile.hash_bytes(&hashes), Err(TileError::Outside(tile)));
    assert_eq!(Tile::of_tree(TileKind::Entries, 1, 256), None);
}
