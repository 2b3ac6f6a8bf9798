//! A pass over a table whose rows name objects: in key order, a small batch at a time.
//!
//! Each batch is read, its objects are listed, its intents are stored, its objects are removed
//! and read back, and only then its rows go.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use kigen_evidence::value::RecordKey;

use super::backend::Backend;
use super::batch::{self, adopt};
use super::batch_range::{self, Window, own_key};
use super::dependents::{self, Look};
use super::evidence::EvidenceWriter;
use super::intent::{
    self, Address, Finish, IntendedObject, Intent, Listing, Names, ObjectReferences, Retry, Stores,
};
use super::pass::Pass;
use super::{effects, failed};
use crate::database::session::{Access, SqlSession};
use crate::database::statement::{Statement, Values};
use crate::guard::{self, Guard};
use crate::store::error::StoreError;
use crate::store::objects::Absence;
use crate::store::{PassOutcome, RunControl, may_go_on};

/// The most records of one batch: until its second transaction their objects are gone and their
/// rows are not.
const GREATEST_BATCH: u32 = 200;

/// Records whose objects are looked for before the first batch, at least.
const FIRST_LOOK: usize = 100;

/// Disposes of what is due, batch by batch.
pub(crate) async fn walk(
    backend: &dyn Backend,
    pass: &Pass<'_>,
    stores: Stores,
    control: &dyn RunControl,
) -> PassOutcome {
    let mut worker = Worker::new(pass, stores, control);
    let ended = worker.run(backend).await;
    worker.end(ended)
}

/// Finishes the intents that an earlier pass, or a killed run, left open.
pub(crate) async fn finish_open(
    backend: &dyn Backend,
    pass: &Pass<'_>,
    stores: Stores,
    control: &dyn RunControl,
) -> PassOutcome {
    let mut worker = Worker::new(pass, stores, control);
    let ended = worker.finish_what_is_open(backend).await;
    worker.end(ended)
}

struct Worker<'p, 'a> {
    pass: &'p Pass<'a>,
    stores: Stores,
    control: &'p dyn RunControl,
    evidence: EvidenceWriter<'a>,
    next_intent: i64,
    addresses: Addresses,
    /// Records that may still go.
    room: u64,
    outcome: PassOutcome,
}

/// The next records of the table.
struct CandidateBatch {
    /// The key up to which the table was read; none at its end.
    last: Option<RecordKey>,
    records: Vec<Offered>,
}

/// A due record as it was read, and the objects that it named then.
struct Offered {
    key: RecordKey,
    names: Names,
}

impl<'p, 'a> Worker<'p, 'a> {
    fn new(pass: &'p Pass<'a>, stores: Stores, control: &'p dyn RunControl) -> Self {
        Self {
            pass,
            stores,
            control,
            evidence: EvidenceWriter::new(pass.order),
            next_intent: 1,
            addresses: Addresses::of_pass(pass),
            room: pass.order.max_records,
            outcome: PassOutcome::default(),
        }
    }

    fn end(mut self, ended: Result<(), StoreError>) -> PassOutcome {
        self.outcome.stopped_by = ended.err();
        self.outcome
    }

    async fn run(&mut self, backend: &dyn Backend) -> Result<(), StoreError> {
        self.finish_what_is_open(backend).await?;
        let mut session = backend.session().await?;
        self.look_first(&mut *session).await?;
        let mut last: Option<RecordKey> = None;
        while may_go_on(self.control).await {
            let offer = self.next_offer(&mut *session, last.as_ref()).await?;
            if offer.last.is_none() {
                return Ok(());
            }
            last = offer.last;
            self.dispose(&mut *session, offer.records).await?;
        }
        Ok(())
    }

    async fn finish_what_is_open(&mut self, backend: &dyn Backend) -> Result<(), StoreError> {
        let mut session = backend.session().await?;
        session.begin(Access::Read).await?;
        let intents = intent::open(&mut *session, self.pass).await?;
        self.next_intent = intent::next_id(&mut *session, self.pass).await?;
        session.rollback().await?;
        let intents = intent::decide_again(&mut *session, self.pass, intents).await?;
        self.carry_out(&mut *session, &intents).await
    }

    /// Looks for the objects of the first records: a wrong address shows before anything goes.
    async fn look_first(&mut self, session: &mut dyn SqlSession) -> Result<(), StoreError> {
        let mut addresses = Addresses::of_pass(self.pass);
        let mut last: Option<RecordKey> = None;
        let mut looked = 0;
        while addresses.matter() && looked < FIRST_LOOK && may_go_on(self.control).await {
            let offer = self.next_offer(session, last.as_ref()).await?;
            if offer.last.is_none() {
                break;
            }
            last = offer.last;
            looked += offer.records.len();
            let listing = list(&self.stores, &offer.records).await?;
            addresses.note(&offer.records, &listing);
        }
        addresses.check(self.pass, &self.stores).await
    }

    /// Reads the next records, with another connection where one is lost.
    async fn next_offer(
        &self,
        session: &mut dyn SqlSession,
        after: Option<&RecordKey>,
    ) -> Result<CandidateBatch, StoreError> {
        let mut patience = Retry::new();
        loop {
            match offer(session, self.pass, after).await {
                Ok(offer) => return Ok(offer),
                Err(error) => patience.wait_after(error).await?,
            }
        }
    }

    async fn dispose(
        &mut self,
        session: &mut dyn SqlSession,
        offered: Vec<Offered>,
    ) -> Result<(), StoreError> {
        let listing = list(&self.stores, &offered).await?;
        self.addresses.note(&offered, &listing);
        self.addresses.check(self.pass, &self.stores).await?;
        let mut listed = HashMap::new();
        for record in offered {
            match why_not(&record, &listing) {
                Some(reason) => {
                    failed::count(self.pass, &mut self.outcome, &record.key, reason);
                }
                None => {
                    listed.insert(record.key, record.names);
                }
            }
        }
        if listed.is_empty() {
            return Ok(());
        }
        let intents = self.intend(session, &listed, &listing).await?;
        let dropped = listed.len() - intents.len();
        self.outcome.no_longer_due += u64::try_from(dropped).unwrap_or(u64::MAX);
        fail::fail_point!("intent.after-intend");
        self.carry_out(session, &intents).await
    }

    /// Stores the intents of the records that are still what they were.
    async fn intend(
        &mut self,
        session: &mut dyn SqlSession,
        listed: &HashMap<RecordKey, Names>,
        listing: &Listing,
    ) -> Result<Vec<Intent>, StoreError> {
        let mut patience = Retry::new();
        loop {
            effects::begin(session).await?;
            let error = match self.intend_in_transaction(session, listed, listing).await {
                Ok(intents) => {
                    if let Err(error) = session.commit().await {
                        patience.wait_after(error.into()).await?;
                        if !self.are_stored(session, &intents).await? {
                            continue;
                        }
                    }
                    self.next_intent += i64::try_from(intents.len()).unwrap_or(i64::MAX);
                    return Ok(intents);
                }
                Err(error) => error,
            };
            // If even this fails, the transaction ends with its connection; the cause comes first.
            match session.rollback().await {
                Ok(()) | Err(_) => patience.wait_after(error).await?,
            }
        }
    }

    /// Whether intents are there whose commit was not answered.
    async fn are_stored(
        &self,
        session: &mut dyn SqlSession,
        intents: &[Intent],
    ) -> Result<bool, StoreError> {
        session.begin(Access::Read).await?;
        let next = intent::next_id(session, self.pass).await;
        session.rollback().await?;
        Ok(!intents.is_empty() && next? > self.next_intent)
    }

    async fn intend_in_transaction(
        &self,
        session: &mut dyn SqlSession,
        listed: &HashMap<RecordKey, Names>,
        listing: &Listing,
    ) -> Result<Vec<Intent>, StoreError> {
        let pass = self.pass;
        let window = Window::Keys(listed.keys().cloned().collect());
        let rows = batch::lock_due(session, pass, &window, usize::MAX).await?;
        let rows = rows.rows;
        batch::decide(pass, &rows)?;
        let found = dependents::find_all(session, pass, &rows, Look::AllLocked).await?;
        let mentions = ObjectReferences::of(pass, &rows, &found)?;
        let mut going = BTreeMap::new();
        for (record, names) in mentions.by_record(rows.len()).into_iter().enumerate() {
            if listed.get(&pass.key_of(&rows[record])) == Some(&names)
                && let Ok(names) = names
            {
                going.insert(record, names);
            }
        }
        let with_them = found.iter().flat_map(|part| &part.owners);
        let with_them = with_them.filter(|record| going.contains_key(record));
        self.check_room(going.len(), with_them.count())?;
        let records = going.keys().copied().collect();
        let addresses = going.values().flat_map(BTreeMap::keys).cloned().collect();
        let mut taken =
            intent::named_by_staying_rows(session, pass, &mentions, &records, &addresses).await?;
        let mut intents = Vec::with_capacity(going.len());
        for (id, (record, names)) in (self.next_intent..).zip(going) {
            intents.push(Intent {
                id,
                key: pass.key_of(&rows[record]),
                client: pass.client_of(&rows[record]).into_owned(),
                subject: rows[record][pass.selection.subject].clone(),
                objects: intended(names, listing, &mut taken),
            });
        }
        intent::store(session, pass, &intents).await?;
        effects::settle(session, pass).await?;
        Ok(intents)
    }

    /// Whether so many records may go, with so many rows.
    fn check_room(&self, records: usize, with_them: usize) -> Result<(), StoreError> {
        let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        let order = self.pass.order;
        let rows = self
            .outcome
            .rows()
            .saturating_add(count(records + with_them));
        let (what, limit) = if count(records) > self.room {
            ("records", order.max_records)
        } else if rows > order.max_rows && guard::stands(Guard::RowsAreLimited) {
            ("rows", order.max_rows)
        } else {
            return Ok(());
        };
        Err(StoreError::OverLimit {
            cluster: self.pass.job().cluster.clone(),
            what,
            limit,
        })
    }

    /// Objects first, then rows and journal.
    async fn carry_out(
        &mut self,
        session: &mut dyn SqlSession,
        intents: &[Intent],
    ) -> Result<(), StoreError> {
        if intents.is_empty() {
            return Ok(());
        }
        let fates = intent::remove(&self.stores, intents).await?;
        fail::fail_point!("intent.after-objects");
        let work = Finish {
            intents,
            fates: &fates,
        };
        let mut done = intent::finish(session, self.pass, &mut self.evidence, &work).await?;
        let stopped_by = done.stopped_by.take();
        let disposed = done.disposed;
        self.room = self.room.saturating_sub(disposed);
        self.outcome.add(done);
        self.control.advanced(disposed);
        match stopped_by.or_else(|| fates.unread(&self.stores)) {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }
}

/// Lists all that `records` name.
async fn list(stores: &Stores, records: &[Offered]) -> Result<Listing, StoreError> {
    let addresses = records
        .iter()
        .flat_map(|record| record.names.iter().flat_map(BTreeMap::keys));
    intent::list(stores, addresses.cloned().collect()).await
}

/// Whether the records of a pass name objects that are there, link by link.
struct Addresses(Option<Vec<Absence>>);

impl Addresses {
    /// Counts where it says something: what evidence has picked was removed before, and a later pass of a
    /// run meets what an earlier one has removed of the records that it could not end.
    fn of_pass(pass: &Pass<'_>) -> Self {
        let says_something = pass.recalled.is_none() && pass.order.pass == 0;
        let links = pass.job().objects.iter().map(|_| Absence::default());
        Self(says_something.then(|| links.collect()))
    }

    fn matter(&self) -> bool {
        self.0.is_some()
    }

    /// Notes each record by each link by which it names objects; keys that no store can have fail alone.
    fn note(&mut self, records: &[Offered], listing: &Listing) {
        let Some(links) = &mut self.0 else { return };
        for names in records
            .iter()
            .filter_map(|record| record.names.as_ref().ok())
        {
            let mut absent: BTreeMap<usize, Option<&str>> = BTreeMap::new();
            for (address, link) in names {
                let Some(Ok(parts)) = listing.get(address) else {
                    continue;
                };
                let known = absent.entry(*link).or_insert(Some(address.key.as_str()));
                if !parts.is_empty() {
                    *known = None;
                }
            }
            for (link, absent) in absent {
                if let Some(absence) = links.get_mut(link) {
                    absence.note(absent);
                }
            }
        }
    }

    async fn check(&self, pass: &Pass<'_>, stores: &Stores) -> Result<(), StoreError> {
        let job = pass.job();
        let mut links = job.objects.iter().zip(self.0.iter().flatten()).enumerate();
        let Some((index, (link, absence))) =
            links.find(|(_, (link, absence))| absence.is_too_much(link))
        else {
            return Ok(());
        };
        let store = stores.at(intent::store_of(job, index))?;
        let what = absence.explain(store, link).await;
        Err(StoreError::ObjectsAbsent {
            cluster: job.cluster.clone(),
            what: format!("the pass ended before anything more was removed: {what}"),
        })
    }
}

/// Reads the next due records in key order, and what they name; locks nothing.
async fn offer(
    session: &mut dyn SqlSession,
    pass: &Pass<'_>,
    after: Option<&RecordKey>,
) -> Result<CandidateBatch, StoreError> {
    session.begin(Access::Read).await?;
    let limit = pass.job().limit.batch_size.clamp(1, GREATEST_BATCH);
    let next = session.query(&next_rows(pass, after, limit)).await?;
    let rows = adopt(pass, next);
    let last = rows.last().map(|row| pass.key_of(row));
    batch_range::goes_on(pass, after, last.as_ref())?;
    let rows = pass.keep(rows)?;
    let found = dependents::find_all(session, pass, &rows, Look::All).await?;
    session.rollback().await?;
    let names = ObjectReferences::of(pass, &rows, &found)?.by_record(rows.len());
    let keys = rows.iter().map(|row| pass.key_of(row));
    let records = keys.zip(names).map(|(key, names)| Offered { key, names });
    Ok(CandidateBatch {
        last,
        records: records.collect(),
    })
}

/// The next due records behind `after`. The key is handed over as a row, so that the database
/// compares it as its columns' types.
pub(super) fn next_rows(pass: &Pass<'_>, after: Option<&RecordKey>, limit: u32) -> Statement {
    let key = own_key(pass).join(", ");
    let mut values = Values::default();
    let mut behind = String::new();
    if let Some(after) = after {
        let after = batch_range::behind(pass, after, &mut values);
        behind = format!("{after} and ");
    }
    let sql = format!(
        "select {} from {} where {behind}{} order by {key} limit {limit}",
        pass.selection.list(),
        pass.from,
        pass.due
    );
    Statement::new(pass.doing("read the next records"), sql, values)
}

/// The objects of one record, but for those that are `taken`: they stay with other rows, or go
/// with an earlier record of the batch.
fn intended(
    names: BTreeMap<Address, usize>,
    listing: &Listing,
    taken: &mut BTreeSet<Address>,
) -> Vec<IntendedObject> {
    let mut objects = Vec::new();
    for (address, link) in names {
        if !taken.insert(address.clone()) {
            continue;
        }
        let parts = listing.get(&address).and_then(|parts| parts.as_ref().ok());
        objects.push(IntendedObject {
            link,
            parts: parts.cloned().unwrap_or_default(),
            address,
        });
    }
    objects
}

/// Why a record cannot go: it names something that no store can have, or that cannot be listed.
fn why_not(record: &Offered, listing: &Listing) -> Option<String> {
    let names = match &record.names {
        Ok(names) => names,
        Err(error) => return Some(error.to_string()),
    };
    names.keys().find_map(|address| match listing.get(address) {
        Some(Ok(_)) => None,
        Some(Err(error)) => Some(error.to_string()),
        None => Some("an object was not listed".to_owned()),
    })
}
