//! Every file of a log's tiles, also those that a wider one has taken the place of.
//!
//! A tile is the beginning of the wider one, entries and hashes alike, so what was altered shows.

use std::collections::BTreeMap;

use crate::evidence::log::tiles::Tile;
use crate::evidence::log::tiles::TileKind;
use crate::publish::LOG;
use crate::publish::Standing;
use crate::verify::VerifyError;
use crate::verify::clients::PublishedClient;
use crate::verify::finding::PublishedFact;
use crate::verify::finding::PublishedFinding;
use crate::verify::finding::PublishedProblem;

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
    for file in client.log {
        let name = file.path.strip_prefix(&prefix).unwrap_or(&file.path);
        if file.standing != Standing::Visible || !name.starts_with("tile/") {
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
    let mut ahead = 0;
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
    // The one of the tree was compared with the entries already; hashes are compared here too.
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
        if !is_beginning || expected.is_some_and(|expected| expected != bytes) {
            findings.push(PublishedProblem::OtherTile { path }.into());
            continue;
        }
        wider = Some(bytes);
    }
    Ok(findings)
}
