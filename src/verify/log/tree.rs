//! All entries of a published log, read once from its beginning to its end.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use kigen_evidence::log::checkpoint::Checkpoint;
use kigen_evidence::log::entry::Entry;
use kigen_evidence::log::history::{History, HistoryReport};
use kigen_evidence::log::tiles::{self, FULL, LONGEST_ENTRY, ReadError, Tile, TileKind};
use kigen_evidence::merkle::{Hash, RootBuilder};
use tokio::runtime::Handle;
use tokio::task;

use crate::archive::{Archive, PublishError};
use crate::verify::VerifyError;
use crate::verify::finding::PublishedProblem;

/// What the entries of a log amount to.
pub(crate) struct ReadLog {
    pub(crate) hashes: Vec<Hash>,
    pub(crate) report: HistoryReport,
    /// Certificates of removals, by index.
    pub(crate) certificates: BTreeMap<u64, Logged>,
    /// The roots of the sizes that were asked for.
    pub(crate) roots: BTreeMap<u64, Hash>,
}

/// A certificate of the log.
pub(crate) struct Logged {
    pub(crate) certificate_id: String,
    pub(crate) run: String,
}

/// Why something of the log was not read.
enum Fetch {
    Missing { path: String },
    Failed(PublishError),
}

/// Reads the log below `folder` that `head` is the head of, and keeps the roots of `sizes`.
pub(crate) async fn read(
    place: Arc<dyn Archive>,
    folder: String,
    head: &Checkpoint,
    sizes: BTreeSet<u64>,
) -> Result<Result<ReadLog, PublishedProblem>, VerifyError> {
    let (size, origin) = (head.size(), head.origin().to_owned());
    let runtime = Handle::current();
    // Hashing keeps a thread busy, and reading waits for the place.
    let reading = task::spawn_blocking(move || {
        let get = |path: &str| {
            let read = runtime.block_on(place.get(&format!("{folder}/{path}")));
            read.map_err(Fetch::Failed)
        };
        let fetch = |tile: &Tile| match one_by_one(tile, &get)? {
            Some(bundle) => Ok(Some(bundle)),
            None => get(&tile.to_string()),
        };
        let mut reader = Reader::new(&origin, sizes);
        let root = tiles::read_back(size, fetch, |entry, hash| reader.take(entry, hash));
        root.map(|_| reader.finish())
            .map_err(|error| (folder, error))
    });
    match reading.await.map_err(|_| VerifyError::BrokenOff)? {
        Ok(read) => Ok(Ok(read)),
        Err((
            _,
            ReadError::Fetch {
                source: Fetch::Failed(error),
                ..
            },
        )) => Err(error.into()),
        Err((
            folder,
            ReadError::Fetch {
                source: Fetch::Missing { path },
                ..
            },
        )) => {
            let path = format!("{folder}/{path}");
            Ok(Err(PublishedProblem::NoTile { path }))
        }
        Err((folder, ReadError::Missing(tile))) => {
            let path = format!("{folder}/{tile}");
            Ok(Err(PublishedProblem::NoTile { path }))
        }
        Err((folder, ReadError::Tile(error))) => {
            let what = error.to_string();
            Ok(Err(PublishedProblem::Tile { folder, what }))
        }
        Err((folder, ReadError::Hashes(tile))) => {
            let what = format!("`{tile}` does not hold the hashes of what lies below it");
            Ok(Err(PublishedProblem::Tile { folder, what }))
        }
    }
}

/// The entries of a partial bundle, each out of its own file; `None` where they are published together,
/// as an older kigen did.
fn one_by_one(
    tile: &Tile,
    get: &impl Fn(&str) -> Result<Option<Vec<u8>>, Fetch>,
) -> Result<Option<Vec<u8>>, Fetch> {
    if tile.kind() != TileKind::Entries || tile.is_full() {
        return Ok(None);
    }
    let first = tile.index() * u64::from(FULL);
    let mut entries = Vec::new();
    for index in first..first + u64::from(tile.width()) {
        let path = tiles::entry_path(index);
        match get(&path)? {
            // One that is too long for a bundle is none of the log.
            Some(entry) if entry.len() <= LONGEST_ENTRY => entries.push(entry),
            None if index == first => return Ok(None),
            Some(_) | None => return Err(Fetch::Missing { path }),
        }
    }
    Ok(tiles::bundle(&entries).ok())
}

/// Takes the entries in their order.
struct Reader {
    history: History,
    tree: RootBuilder,
    sizes: BTreeSet<u64>,
    hashes: Vec<Hash>,
    certificates: BTreeMap<u64, Logged>,
    roots: BTreeMap<u64, Hash>,
}

impl Reader {
    fn new(origin: &str, sizes: BTreeSet<u64>) -> Self {
        let tree = RootBuilder::new();
        let roots = BTreeMap::from([(0, tree.root())]);
        Self {
            history: History::new(origin),
            tree,
            sizes,
            hashes: Vec::new(),
            certificates: BTreeMap::new(),
            roots,
        }
    }

    fn take(&mut self, entry: &[u8], hash: &Hash) {
        // What cannot be read is noted by the history.
        if let Ok(Entry::Certificate(statement)) = Entry::read(entry) {
            let logged = Logged {
                certificate_id: statement.predicate.certificate_id,
                run: statement.predicate.run.id,
            };
            self.certificates.insert(self.tree.size(), logged);
        }
        self.history.push(entry);
        self.hashes.push(*hash);
        self.tree.push_hash(*hash);
        if self.sizes.contains(&self.tree.size()) {
            self.roots.insert(self.tree.size(), self.tree.root());
        }
    }

    fn finish(self) -> ReadLog {
        ReadLog {
            hashes: self.hashes,
            report: self.history.finish(),
            certificates: self.certificates,
            roots: self.roots,
        }
    }
}
