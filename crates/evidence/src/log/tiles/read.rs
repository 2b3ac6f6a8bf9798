//! A tree, read back from what was published.

use thiserror::Error;

use crate::merkle::{self, Hash, RootBuilder, leaf_hash, root_of_subtrees};

use super::{FULL, HEIGHT, TOP, Tile, TileError, TileKind};

/// Why a tree cannot be read back. `E` is how fetching a tile fails.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum ReadError<E> {
    #[error("`{tile}` cannot be read")]
    Fetch { tile: Tile, source: E },
    #[error("`{0}` is missing")]
    Missing(Tile),
    #[error(transparent)]
    Tile(#[from] TileError),
    #[error("`{0}` does not hold the hashes of what lies below it")]
    Hashes(Tile),
}

/// Hashes of one level that no tile was compared with yet.
#[derive(Default)]
struct Level {
    hashes: Vec<Hash>,
    /// Tiles of this level that were compared.
    tiles: u64,
}

/// Reads all entries of the published log of `size` entries and returns the root of its tree.
///
/// Every hash tile is compared with the entries below it; partial ones need not be there. `take` sees each entry with the hash of
/// its leaf, in order; nothing of it is to be believed before the root is that of a signed
/// checkpoint. No more than one tile of each level is held.
pub fn read_back<E>(
    size: u64,
    mut fetch: impl FnMut(&Tile) -> Result<Option<Vec<u8>>, E>,
    mut take: impl FnMut(&[u8], &Hash),
) -> Result<Hash, ReadError<E>> {
    let mut tree = RootBuilder::new();
    let mut levels = vec![Level::default()];
    for index in 0..size.div_ceil(FULL.into()) {
        let Some(bundle) = Tile::of_tree(TileKind::Entries, index, size) else {
            break;
        };
        let bytes = fetched(&mut fetch, bundle)?;
        for entry in split(bundle, &bytes)? {
            let hash = leaf_hash(entry);
            take(entry, &hash);
            tree.push_hash(hash);
            levels[0].hashes.push(hash);
        }
        compare_full(&mut levels, size, &mut fetch)?;
    }
    for (level, rest) in (0..).zip(&levels) {
        compare(level, rest, size, &mut fetch)?;
    }
    Ok(tree.root())
}

/// The root of the published tree of `size` leaves, out of a few hash tiles and no entry.
pub fn root_of<E>(
    size: u64,
    mut fetch: impl FnMut(&Tile) -> Result<Option<Vec<u8>>, E>,
) -> Result<Hash, ReadError<E>> {
    let full = u64::from(FULL);
    let mut start = 0;
    let mut subtrees = Vec::new();
    for bit in (0..u64::BITS).rev().filter(|bit| (size >> bit) & 1 == 1) {
        // A complete subtree is a part of one tile: of level 0 up to 128 leaves, and so on.
        let level = bit / HEIGHT;
        let first = start >> (HEIGHT * level);
        let kind = u8::try_from(level).map(|level| TileKind::Hashes { level });
        let tile = kind.map(|kind| Tile::of_tree(kind, first / full, size));
        let Ok(Some(tile)) = tile else {
            break;
        };
        let bytes = fetched(&mut fetch, tile)?;
        let place = usize::try_from(first % full).unwrap_or(usize::MAX);
        let part = hashes(tile, &bytes)?.iter().skip(place);
        let part: Vec<Hash> = part.take(1 << (bit % HEIGHT)).copied().collect();
        subtrees.push(merkle::root_of(&part));
        start += 1 << bit;
    }
    Ok(root_of_subtrees(&subtrees))
}

/// Compares each level that fills a tile, and hands the tile's hash one level up.
fn compare_full<E>(
    levels: &mut Vec<Level>,
    size: u64,
    fetch: &mut impl FnMut(&Tile) -> Result<Option<Vec<u8>>, E>,
) -> Result<(), ReadError<E>> {
    for level in 0..=TOP {
        let place = usize::from(level);
        let is_full = |level: &&mut Level| level.hashes.len() == usize::from(FULL);
        let Some(full) = levels.get_mut(place).filter(is_full) else {
            break;
        };
        compare(level, full, size, fetch)?;
        let hash = merkle::root_of(&full.hashes);
        full.hashes.clear();
        full.tiles += 1;
        match levels.get_mut(place + 1) {
            Some(above) => above.hashes.push(hash),
            None => levels.push(Level {
                hashes: vec![hash],
                tiles: 0,
            }),
        }
    }
    Ok(())
}

/// Compares what was read of one level with its published tile.
fn compare<E>(
    level: u8,
    read: &Level,
    size: u64,
    fetch: &mut impl FnMut(&Tile) -> Result<Option<Vec<u8>>, E>,
) -> Result<(), ReadError<E>> {
    let Some(tile) = Tile::of_tree(TileKind::Hashes { level }, read.tiles, size) else {
        return Ok(());
    };
    let bytes = match fetched(fetch, tile) {
        // It holds nothing that the entries do not say.
        Err(ReadError::Missing(tile)) if !tile.is_full() => return Ok(()),
        bytes => bytes?,
    };
    if hashes(tile, &bytes)? != read.hashes {
        return Err(ReadError::Hashes(tile));
    }
    Ok(())
}

fn fetched<E>(
    fetch: &mut impl FnMut(&Tile) -> Result<Option<Vec<u8>>, E>,
    tile: Tile,
) -> Result<Vec<u8>, ReadError<E>> {
    let found = fetch(&tile).map_err(|source| ReadError::Fetch { tile, source })?;
    found.ok_or(ReadError::Missing(tile))
}

/// The hashes of a tile.
fn hashes(tile: Tile, bytes: &[u8]) -> Result<&[Hash], TileError> {
    let (hashes, rest) = bytes.as_chunks();
    if !rest.is_empty() || hashes.len() != usize::from(tile.width()) {
        let length = bytes.len();
        return Err(TileError::Length { tile, length });
    }
    Ok(hashes)
}

/// The entries of a bundle.
pub fn split(tile: Tile, bytes: &[u8]) -> Result<Vec<&[u8]>, TileError> {
    let wrong = TileError::Length {
        tile,
        length: bytes.len(),
    };
    let mut entries = Vec::with_capacity(usize::from(tile.width()));
    let mut rest = bytes;
    while let Some((length, behind)) = rest.split_first_chunk() {
        let length = usize::from(u16::from_be_bytes(*length));
        let Some((entry, behind)) = behind.split_at_checked(length) else {
            return Err(wrong);
        };
        entries.push(entry);
        rest = behind;
    }
    if !rest.is_empty() || entries.len() != usize::from(tile.width()) {
        return Err(wrong);
    }
    Ok(entries)
}
