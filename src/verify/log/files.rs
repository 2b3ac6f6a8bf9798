//! Every file of a log's tiles, also those that a wider one has taken the place of.
//!
//! A tile is the beginning of the wider one, entries and hashes alike, so what was altered shows.

use std::collections::BTreeMap;

use kigen_evidence::log::tiles::{self, FULL, Tile, TileKind};
use kigen_evidence::merkle::leaf_hash;

use crate::archive::{LOG, Standing};
use crate::verify::VerifyError;
use crate::verify::clients::PublishedClient;
use crate::verify::finding::{PublishedFact, PublishedFinding, PublishedProblem};

use super::tree::ReadLog;

/// Whether all tiles that lie there fit to those of the tree with `size` entries, which was read.
pub(super) async fn check(
    client: &PublishedClient<'_>,
    read: &ReadLog,
    size: u64,
) -> Result<Vec<PublishedFinding>, VerifyError> {
    let prefix = format!("{}/{LOG}/", client.folder);
    let mut tiles: BTreeMap<(TileKind, u64), Vec<Tile>> = BTreeMap::new();
    let mut findings = Vec::new();
    let mut ahead = 0;
    for file in client.log {
        let name = file.path.strip_prefix(&prefix).unwrap_or(&file.path);
        if file.standing != Standing::Visible {
            continue;
        }
        if let Some(index) = tiles::entry_index(name) {
            ahead += usize::from(index >= size);
            findings.extend(same_entry(client, read, &file.path, index).await?);
            continue;
        }
        if !name.starts_with("tile/") {
            continue;
        }
        match name.parse::<Tile>() {
            Ok(tile) => tiles
                .entry((tile.kind(), tile.index()))
                .or_default()
                .push(tile),
            Err(error) => findings.push(
                PublishedProblem::Tile {
                    folder: prefix.clone(),
                    what: error.to_string(),
                }
                .into(),
            ),
        }
    }
    for ((kind, index), mut tiles) in tiles {
        tiles.sort_by_key(Tile::width);
        let of_tree = Tile::of_tree(kind, index, size);
        let is_ahead = |tile: &&Tile| of_tree.is_none_or(|of_tree| tile.width() > of_tree.width());
        ahead += tiles.iter().filter(is_ahead).count();
        findings.extend(fit(client, read, &prefix, &tiles, of_tree).await?);
    }
    if ahead > 0 {
        findings.push(PublishedFact::AheadOfHead { files: ahead }.into());
    }
    Ok(findings)
}

/// Whether the file of one entry holds what the log has at its place.
async fn same_entry(
    client: &PublishedClient<'_>,
    read: &ReadLog,
    path: &str,
    index: u64,
) -> Result<Option<PublishedFinding>, VerifyError> {
    let Some(expected) = usize::try_from(index)
        .ok()
        .and_then(|at| read.hashes.get(at))
    else {
        return Ok(None);
    };
    let bytes = client.place.get(path).await?.unwrap_or_default();
    if leaf_hash(&bytes) == *expected {
        return Ok(None);
    }
    let path = path.to_owned();
    Ok(Some(PublishedProblem::OtherEntry { path }.into()))
}

/// Whether a bundle holds the entries of the log, as far as the log goes.
fn holds_entries(tile: &Tile, bytes: &[u8], read: &ReadLog) -> bool {
    let Ok(entries) = tiles::split(*tile, bytes) else {
        return false;
    };
    let first = usize::try_from(tile.index() * u64::from(FULL)).unwrap_or(usize::MAX);
    let expected = read.hashes.iter().skip(first);
    entries
        .iter()
        .zip(expected)
        .all(|(entry, hash)| leaf_hash(entry) == *hash)
}

/// Whether `tiles` of one place, the narrowest first, are beginnings of each other, and that of the
/// tree is one of them.
async fn fit(
    client: &PublishedClient<'_>,
    read: &ReadLog,
    prefix: &str,
    tiles: &[Tile],
    of_tree: Option<Tile>,
) -> Result<Vec<PublishedFinding>, VerifyError> {
    let mut findings = Vec::new();
    let mut wider: Option<Vec<u8>> = None;
    // The one that was read is right; others of older places are compared with it.
    for tile in tiles.iter().rev() {
        let path = format!("{prefix}{tile}");
        let Some(bytes) = client.place.get(&path).await? else {
            continue;
        };
        let is_beginning = wider.as_ref().is_none_or(|wider| wider.starts_with(&bytes));
        let is_within = of_tree.is_some_and(|of_tree| tile.width() <= of_tree.width());
        let expected = match tile.kind() {
            TileKind::Hashes { .. } if is_within => tile.hash_bytes(&read.hashes).ok(),
            TileKind::Hashes { .. } | TileKind::Entries => None,
        };
        let other_entries = tile.kind() == TileKind::Entries && !holds_entries(tile, &bytes, read);
        if !is_beginning || other_entries || expected.is_some_and(|expected| expected != bytes) {
            findings.push(PublishedProblem::OtherTile { path }.into());
            continue;
        }
        wider = Some(bytes);
    }
    Ok(findings)
}
