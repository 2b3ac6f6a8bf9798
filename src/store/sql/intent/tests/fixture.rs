//! Requests with documents whose scans lie in an object store.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::{Date, date};
use kigen_evidence::leaf::{Action, LEAF_LENGTH, RunKey};
use tempfile::TempDir;

use super::database::Database;
use super::job::job;
use super::locks::Bucket;
use super::troubled::Troubled;
use crate::job::Job;
use crate::plan::{self, StagePlan, Together};
use crate::store::objects::{
    FolderObjects, ObjectDisposer, ObjectInventory, ObjectKey, ObjectWriter,
};
use crate::store::sql::{PostgresOptions, SqlStore, SqliteOptions, open_postgres, open_sqlite};
use crate::store::{
    AnnouncedClients, Control, Disposer as _, Inventory as _, JobObjects, ObjectTarget,
    PassOutcome, Release, Released, Resumption, RunContext, RunControl, StageOrder, StageTargets,
    Survey, TokenKey,
};

/// The numbers of the targets in leaves and journal.
pub(super) const REQUESTS: u16 = 0;
pub(super) const DOCUMENTS: u16 = 1;
pub(super) const SCANS: u16 = 2;

/// The day of every run here.
const AS_OF: Date = date(2026, 4, 1);

pub(super) const CLIENT: &str = "client-7f3a";

/// Due on 2026-04-01, by the last day on which it may be.
pub(super) const DUE: &str = "'2024-03-31'";
pub(super) const NOT_DUE: &str = "'2024-04-01'";

/// Row store and object store of one test.
pub(super) struct World {
    pub(super) store: SqlStore,
    pub(super) database: Database,
    pub(super) objects: Arc<dyn ObjectDisposer>,
    pub(super) writer: Arc<dyn ObjectWriter>,
    /// The object store, where it is a bucket with versions.
    pub(super) bucket: Option<Bucket>,
    pub(super) job: Job,
    pub(super) run: RunContext,
    advanced: AtomicU64,
}

/// All worlds that can be had here. One test at a time while failpoints are compiled in.
pub(super) struct Worlds {
    pub(super) worlds: Vec<Arc<World>>,
    _folder: TempDir,
    _scenario: fail::FailScenario<'static>,
}

/// Fresh worlds; the second only where both servers are named.
pub(super) async fn worlds() -> Worlds {
    let scenario = fail::FailScenario::setup();
    let folder = tempfile::tempdir().unwrap();
    let mut worlds = vec![Arc::new(embedded(&folder).await)];
    worlds.extend(served().await.map(Arc::new));
    Worlds {
        worlds,
        _folder: folder,
        _scenario: scenario,
    }
}

async fn embedded(folder: &TempDir) -> World {
    let file = folder.path().join("lms.db");
    std::fs::write(&file, "").unwrap();
    let database = Database::Sqlite(file.clone());
    database.prepare().await;
    let store = open_sqlite(SqliteOptions {
        name: "lms".to_owned(),
        file,
        busy_timeout: Duration::from_secs(5),
        read_only: false,
        immutable: false,
    });
    let scans = folder.path().join("scans");
    std::fs::create_dir(&scans).unwrap();
    let objects = Arc::new(FolderObjects::open(&scans).unwrap());
    World::new(store.await.unwrap(), database, objects)
}

async fn served() -> Option<World> {
    let url = service("KIGEN_TEST_POSTGRES_URL")?;
    let endpoint = service("KIGEN_TEST_S3_ENDPOINT")?;
    let bucket = Bucket::create(&endpoint).await;
    let schema = format!("intents_{}", uuid::Uuid::now_v7().simple());
    let database = Database::Postgres {
        url: url.clone(),
        schema: schema.clone(),
    };
    database.prepare().await;
    let store = open_postgres(PostgresOptions {
        name: "lms".to_owned(),
        url,
        address: "postgres://test".to_owned(),
        journal_schema: schema,
        connections: 2,
        lock_timeout: Duration::from_millis(200),
        statement_timeout: None,
        read_only: false,
    });
    let objects = Arc::new(bucket.open(&endpoint).await);
    let mut world = World::new(store.await.unwrap(), database, objects);
    world.bucket = Some(bucket);
    Some(world)
}

fn service(name: &str) -> Option<String> {
    if let Ok(value) = env::var(name) {
        return Some(value);
    }
    let is_required = env::var("KIGEN_REQUIRE_SERVICES").is_ok_and(|value| value == "1");
    assert!(!is_required, "{name} is not set");
    // Past the capture of test output: a skipped test must be seen.
    writeln!(std::io::stderr(), "SKIPPED: {name} is not set").unwrap();
    None
}

impl World {
    fn new<T: ObjectDisposer + ObjectWriter + 'static>(
        store: SqlStore,
        database: Database,
        objects: Arc<T>,
    ) -> Self {
        let writer: Arc<dyn ObjectWriter> = Arc::<T>::clone(&objects);
        Self {
            store,
            job: job(database.schema()),
            database,
            objects,
            writer,
            bucket: None,
            run: RunContext {
                run_id: "0199-run".to_owned(),
                run_key: RunKey::from_bytes([7; 32]),
                token_key: TokenKey([8; 32]),
                started_at: "2026-04-01T00:00:00Z".parse::<Timestamp>().unwrap(),
                announced: AnnouncedClients::not_asked_for(),
            },
            advanced: AtomicU64::new(0),
        }
    }

    pub(super) fn order(&self) -> StageOrder<'_> {
        let planned = StagePlan {
            stage: 0,
            total: 0,
            records: 0,
            persons: 0,
            rows: 0,
        };
        let plan = plan::plan(&self.job, AS_OF, vec![planned], Together::default());
        let approved = plan::approve(plan).unwrap();
        StageOrder::new(
            approved.stage(0).unwrap(),
            &self.run,
            targets(),
            Survey::default(),
        )
    }

    fn left(&self) -> Resumption<'_> {
        Resumption::new(&self.job, 0, AS_OF, &self.run, targets())
    }

    /// Disposes of what is due, with the object store as it is.
    pub(super) async fn dispose(&self) -> PassOutcome {
        self.dispose_through(Arc::clone(&self.objects)).await
    }

    pub(super) async fn dispose_through(&self, objects: Arc<dyn ObjectDisposer>) -> PassOutcome {
        self.store.open_fence(&self.run.run_id).await.unwrap();
        self.pass_through(objects).await
    }

    /// The same, whatever the fence is like.
    pub(super) async fn pass_through(&self, objects: Arc<dyn ObjectDisposer>) -> PassOutcome {
        let objects = job_objects(objects);
        self.store
            .dispose_with_objects(&self.order(), &objects, self)
            .await
    }

    pub(super) async fn finish(&self) -> PassOutcome {
        let objects = job_objects(Arc::clone(&self.objects));
        self.store
            .finish_intents(&self.left(), &objects, self)
            .await
    }

    /// Releases what is open, without the job.
    pub(super) async fn release(&self) -> Released {
        let place = ["request-documents", "delete", "request-scans"].map(str::to_owned);
        let release = Release {
            run: &self.run,
            places: BTreeMap::from([(place.into(), targets().objects[0].clone())]),
            subject_kinds: BTreeMap::from([("request-documents".to_owned(), "learner".to_owned())]),
            waiting: BTreeSet::new(),
        };
        let store: Arc<dyn ObjectDisposer> = Arc::clone(&self.objects);
        let objects = BTreeMap::from([(
            "request-scans".to_owned(),
            store as Arc<dyn ObjectInventory>,
        )]);
        let released = self.store.release_intents(&release, &objects).await;
        let released = released.unwrap();
        released
            .get("request-documents")
            .copied()
            .unwrap_or_default()
    }

    pub(super) fn troubled(self: &Arc<Self>) -> Troubled {
        Troubled::new(Arc::clone(self))
    }

    /// Adds a request with documents whose scans are at `keys`.
    pub(super) async fn request(&self, id: u32, replied_on: &str, keys: &[&str]) {
        let key = request_id(id);
        self.execute(&format!(
            "insert into request values ('{key}', {id}, '{CLIENT}', {replied_on})"
        ))
        .await;
        for (number, scan) in keys.iter().enumerate() {
            self.execute(&format!(
                "insert into document values ('{id}-{number}', '{key}', '{scan}')"
            ))
            .await;
        }
    }

    /// Writes a scan, twice where the store keeps versions.
    pub(super) async fn scan(&self, scan: &str) {
        let times = if self.bucket.is_some() { 2 } else { 1 };
        for _ in 0..times {
            self.writer.put(&key(scan), b"scan").await.unwrap();
        }
    }

    /// How many versions [`World::scan`] writes.
    pub(super) fn versions(&self, scans: u64) -> u64 {
        if self.bucket.is_some() {
            2 * scans
        } else {
            scans
        }
    }

    pub(super) async fn is_there(&self, scan: &str) -> bool {
        !self.objects.versions(&key(scan)).await.unwrap().is_empty()
    }

    pub(super) async fn execute(&self, sql: &str) {
        self.database.execute(sql).await;
    }

    /// The numbers of the requests that are left.
    pub(super) async fn requests(&self) -> Vec<i64> {
        self.database
            .numbers("select learner_id from request order by 1")
            .await
    }

    pub(super) async fn documents(&self) -> i64 {
        self.database.numbers("select count(*) from document").await[0]
    }

    pub(super) async fn open_intents(&self) -> i64 {
        let intent = self.database.own("intent");
        self.database
            .numbers(&format!("select count(*) from {intent}"))
            .await[0]
    }

    pub(super) fn advanced(&self) -> u64 {
        self.advanced.load(Ordering::Relaxed)
    }

    /// Leaves by target and action, after a proof that none stands there twice.
    pub(super) async fn journal(&self) -> BTreeMap<(u16, Action), u64> {
        let mut counts = BTreeMap::new();
        let mut leaves = BTreeSet::new();
        let mut all = 0;
        let mut sink = |row: crate::store::JournalRow| {
            assert_eq!(row.client, CLIENT);
            assert_eq!(
                u64::try_from(row.leaves.len() / LEAF_LENGTH).unwrap(),
                row.records
            );
            assert_eq!(row.refs.len(), 32 * row.leaves.len() / LEAF_LENGTH);
            let action = Action::from_code(row.action).unwrap();
            *counts.entry((row.target, action)).or_default() += row.records;
            leaves.extend(row.leaves.chunks(LEAF_LENGTH).map(<[u8]>::to_vec));
            all += row.records;
            Ok(())
        };
        self.store
            .journal(&self.run.run_id, &mut sink)
            .await
            .unwrap();
        assert_eq!(
            u64::try_from(leaves.len()).unwrap(),
            all,
            "a leaf stands there twice"
        );
        counts
    }
}

pub(super) fn job_objects(store: Arc<dyn ObjectDisposer>) -> JobObjects {
    JobObjects {
        stores: BTreeMap::from([("request-scans".to_owned(), store)]),
        also_named: Vec::new(),
    }
}

#[async_trait::async_trait]
impl RunControl for World {
    async fn ask(&self) -> Control {
        Control::Continue
    }

    fn advanced(&self, records: u64) {
        self.advanced.fetch_add(records, Ordering::Relaxed);
    }
}

pub(super) fn key(text: &str) -> ObjectKey {
    ObjectKey::parse(text).unwrap()
}

pub(super) fn request_id(id: u32) -> String {
    format!("00000000-0000-7000-8000-{id:012}")
}

fn targets() -> StageTargets {
    StageTargets {
        own: REQUESTS,
        goes_with: vec![DOCUMENTS],
        objects: vec![ObjectTarget {
            number: SCANS,
            object: "request-scans".to_owned(),
        }],
    }
}
