//! The published layout of a log: hash tiles and entry bundles, after C2SP tlog-tiles v0.1.0.
//!
//! Only full tiles are published. The entries behind them, which a partial tile would repeat with each
//! new one, are files of their own: so what is published grows with the entries and not with the
//! square of them. Partial tiles of older places are read as before.
//!
//! Nothing here touches a file: a [`Tile`] has a path and bytes, and a tree is read back through
//! whatever function fetches a tile.

mod read;
#[cfg(test)]
mod tests;

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use crate::merkle::{self, Hash};

pub use read::{ReadError, read_back, root_of, split};

/// Hashes in a full tile, and entries in a full bundle.
pub const FULL: u16 = 256;

/// The longest entry: its length is written in 16 bits.
pub const LONGEST_ENTRY: usize = 65_535;

/// Hashes are halved 8 times from one level of tiles to the next.
const HEIGHT: u32 = 8;

/// The highest level that a tree of fewer than 2⁶⁴ leaves has.
const TOP: u8 = 7;

const ENTRIES: &str = "entries";

/// The path of one entry below the log's folder: `entry/42`.
pub fn entry_path(index: u64) -> String {
    format!("entry/{index}")
}

/// The entry that a path below the log's folder is of.
pub fn entry_index(path: &str) -> Option<u64> {
    let index = path.strip_prefix("entry/")?.parse().ok()?;
    (entry_path(index) == path).then_some(index)
}

/// What a tile holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TileKind {
    /// Hashes of subtrees of 256 to the power of `level` leaves.
    Hashes { level: u8 },
    /// The entries themselves: an entry bundle.
    Entries,
}

/// One file of the layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tile {
    kind: TileKind,
    index: u64,
    width: u16,
}

/// Why a tile cannot be named, written or read.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum TileError {
    #[error("`{0}` is no path of a tile")]
    Path(String),
    #[error("`{0}` needs leaves that the tree does not have")]
    Outside(Tile),
    #[error("an entry has {0} bytes; at most {LONGEST_ENTRY} fit into a bundle")]
    EntryTooLong(usize),
    #[error("`{tile}` has {length} bytes, which is not what its width asks for")]
    Length { tile: Tile, length: usize },
}

impl Tile {
    /// The tile of `kind` at `index` in a tree of `size` leaves, or `None` where it has no tile.
    pub fn of_tree(kind: TileKind, index: u64, size: u64) -> Option<Self> {
        let count = count(kind.level(), size);
        let start = index.checked_mul(FULL.into())?;
        let rest = count.checked_sub(start).filter(|rest| *rest > 0)?;
        let width = u16::try_from(rest.min(FULL.into())).ok()?;
        Some(Self { kind, index, width })
    }

    /// What the tile holds.
    pub fn kind(&self) -> TileKind {
        self.kind
    }

    /// The tile's place in its level, from 0.
    pub fn index(&self) -> u64 {
        self.index
    }

    /// Number of hashes or entries, 1 to 256.
    pub fn width(&self) -> u16 {
        self.width
    }

    /// Whether the tile will never change. A partial one is replaced by a wider one under another path.
    pub fn is_full(&self) -> bool {
        self.width == FULL
    }

    /// The bytes of a hash tile, out of the hashes of the tree's leaves from the first one on.
    pub fn hash_bytes(&self, leaf_hashes: &[Hash]) -> Result<Vec<u8>, TileError> {
        let span = 1_u64 << (HEIGHT * u32::from(self.kind.level()));
        let mut bytes = Vec::with_capacity(usize::from(self.width) * size_of::<Hash>());
        let first = self.index * u64::from(FULL);
        for place in first..first + u64::from(self.width) {
            let start = usize::try_from(place * span).ok();
            let end = usize::try_from((place + 1) * span).ok();
            let leaves = start
                .zip(end)
                .and_then(|(start, end)| leaf_hashes.get(start..end))
                .ok_or(TileError::Outside(*self))?;
            bytes.extend_from_slice(&merkle::root_of(leaves));
        }
        Ok(bytes)
    }
}

impl TileKind {
    fn level(self) -> u8 {
        match self {
            Self::Hashes { level } => level,
            Self::Entries => 0,
        }
    }
}

/// The tiles that a tree of `size` leaves has and one of `older` leaves had not, in the order in
/// which they are published: entries, then hashes from the lowest level up.
pub fn added(older: u64, size: u64) -> Vec<Tile> {
    let mut tiles = Vec::new();
    add(&mut tiles, TileKind::Entries, older, size);
    for level in 0..=TOP {
        add(&mut tiles, TileKind::Hashes { level }, older, size);
    }
    tiles
}

fn add(tiles: &mut Vec<Tile>, kind: TileKind, older: u64, size: u64) {
    let (from, to) = (count(kind.level(), older), count(kind.level(), size));
    if from >= to {
        return;
    }
    let full = u64::from(FULL);
    let indexes = from / full..=(to - 1) / full;
    tiles.extend(indexes.filter_map(|index| Tile::of_tree(kind, index, size)));
}

/// The bytes of an entry bundle.
pub fn bundle<E: AsRef<[u8]>>(entries: &[E]) -> Result<Vec<u8>, TileError> {
    let mut bytes = Vec::new();
    for entry in entries {
        let entry = entry.as_ref();
        let length =
            u16::try_from(entry.len()).map_err(|_| TileError::EntryTooLong(entry.len()))?;
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(entry);
    }
    Ok(bytes)
}

/// Number of hashes of `level` in a tree of `size` leaves.
fn count(level: u8, size: u64) -> u64 {
    size.checked_shr(HEIGHT * u32::from(level)).unwrap_or(0)
}

/// The path below the log's folder: `tile/0/x001/067.p/8`, `tile/entries/000`.
impl fmt::Display for Tile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            TileKind::Hashes { level } => write!(f, "tile/{level}/")?,
            TileKind::Entries => write!(f, "tile/{ENTRIES}/")?,
        }
        let mut groups = vec![format!("{:03}", self.index % 1000)];
        let mut rest = self.index / 1000;
        while rest > 0 {
            groups.push(format!("x{:03}", rest % 1000));
            rest /= 1000;
        }
        groups.reverse();
        f.write_str(&groups.join("/"))?;
        if self.is_full() {
            return Ok(());
        }
        write!(f, ".p/{}", self.width)
    }
}

impl FromStr for Tile {
    type Err = TileError;

    fn from_str(path: &str) -> Result<Self, TileError> {
        // Written again it is the same path, or it was none: there is one way of writing only.
        parse(path)
            .filter(|tile| tile.to_string() == path)
            .ok_or_else(|| TileError::Path(path.to_owned()))
    }
}

fn parse(path: &str) -> Option<Tile> {
    let (kind, rest) = path.strip_prefix("tile/")?.split_once('/')?;
    let kind = if kind == ENTRIES {
        TileKind::Entries
    } else {
        let level = kind.parse().ok().filter(|level| *level <= TOP)?;
        TileKind::Hashes { level }
    };
    let (groups, width) = match rest.split_once(".p/") {
        Some((groups, width)) => (groups, width.parse().ok()?),
        None => (rest, FULL),
    };
    if width == 0 || width > FULL {
        return None;
    }
    let mut index: u64 = 0;
    for group in groups.split('/') {
        let digits = group.strip_prefix('x').unwrap_or(group);
        index = index.checked_mul(1000)?.checked_add(digits.parse().ok()?)?;
    }
    Some(Tile { kind, index, width })
}
