//! The guards that the tests can switch off, to show that none of them is dead.
//!
//! Each guard stands between a fault of `tests/it/faults` and the data. A test there switches its guard
//! off and shows that the case then goes wrong: if it did not, the guard would protect nobody.
//! Only a build with the feature `failpoints` knows a switch; in every other build [`stands`] is
//! the constant `true`.

use std::fmt;

/// Declares the guards: the variant, the name of its switch, what it protects.
macro_rules! guards {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal,)+) => {
        /// A guard against one kind of fault.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Guard {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl Guard {
            /// Every guard. `tests/it/faults` has a test for each that switches it off.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The name of its switch, as `KIGEN_WITHOUT_GUARD` takes it.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }
        }
    };
}

guards! {
    /// A join onto columns without a unique key over them alone is refused.
    JoinIsUnique = "join-is-unique",
    /// Each session sets and reads back what a removal rests on.
    SessionSettings = "session-settings",
    /// Operators are those of the catalog, whatever the search path says.
    CatalogFirst = "catalog-first",
    /// A pooler that shares sessions out is refused.
    NoSharedSessions = "no-shared-sessions",
    /// Variables that the PostgreSQL driver reads do not count.
    DriversVariables = "drivers-variables",
    /// A connection that may be in clear is refused unless its URL says so.
    SaidToBeInClear = "said-to-be-in-clear",
    /// Whether the job is suspended is asked before each batch.
    SuspensionAtEachBatch = "suspension-at-each-batch",
    /// A suspension also stops the jobs that would remove or change rows of the suspended one.
    SuspensionCoversTables = "suspension-covers-tables",
    /// No job takes along rows of a table that another job has a rule for.
    OneRuleForOneTable = "one-rule-for-one-table",
    /// Open intents of a suspended job wait, whoever takes up the run that left them.
    IntentsOfSuspendedWait = "intents-of-suspended-wait",
    /// A store that lacks runs which the ledger knows is reconciled before anything goes.
    StoreIsNotRestored = "store-is-not-restored",
    /// Before the first removal and after the last, a wait ends when the process is asked to stop.
    WaitsEndOnRequest = "waits-end-on-request",
    /// What has not ended when its grace is over is ended.
    EndsWithinGrace = "ends-within-grace",
    /// A run is for today or an earlier day.
    DayHasCome = "day-has-come",
    /// The clock agrees with the servers' clocks and the ledger's last entry.
    ClocksAgree = "clocks-agree",
    /// A record that a join gives several rows for is undatable, also where the schema seemed to fit.
    JoinedOnce = "joined-once",
    /// Two spellings of one client's name make no second client.
    ClientIsSpeltOnce = "client-is-spelt-once",
    /// The blanks with which a database fills a text up are no part of its value.
    PaddingIsNoValue = "padding-is-no-value",
    /// The journal mode of an application's SQLite file stays what it is.
    JournalModeStays = "journal-mode-stays",
    /// The log beside a SQLite file is emptied at the end of a run.
    WalIsEmptied = "wal-is-emptied",
    /// A condition's word that its column cannot hold, or that rows spell in another way, is refused.
    ConditionsCanHold = "conditions-can-hold",
    /// Columns that the job matches have types and collations under which they compare without loss.
    PairsCompare = "pairs-compare",
    /// A condition on a null column keeps a record, and never makes it due by itself.
    NullIsNoAnswer = "null-is-no-answer",
    /// Before an intent of a killed run is finished, its record is decided again under its lock.
    IntentsDecidedAgain = "intents-decided-again",
    /// Where objects are absent for a large share of records, nothing of the job goes.
    AbsentObjects = "absent-objects",
    /// `check --connect`, `plan` and the start of a run look whether objects are where rows say.
    ObjectsProbed = "objects-probed",
    /// An object that rows of another job name stays.
    ObjectsOfOtherJobs = "objects-of-other-jobs",
    /// The calls by which a run removes objects are tried before anything is announced.
    ObjectCallsTried = "object-calls-tried",
    /// A wish to stop is obeyed between two calls that remove versions of one object.
    StopBetweenCalls = "stop-between-calls",
    /// Once the process was asked to stop, no call over a network is waited for much longer.
    CallsObeyStop = "calls-obey-stop",
    /// What does not fit the live schema stops its job. Off, only what guards each batch is left.
    SchemaIsCompared = "schema-is-compared",
    /// What the database counts as changed in a batch is what kigen accounts for, or it is rolled back.
    EffectsAreCounted = "effects-are-counted",
    /// A day before the first that is believed is no starting point.
    BelievableDay = "believable-day",
    /// Limits count persons as evidence has them.
    PersonsAsEvidence = "persons-as-evidence",
    /// What pseudonymizes a record does not move the days from which its periods run.
    DaysStay = "days-stay",
    /// A plan and its approval count what the run itself will free.
    RunForeseen = "run-foreseen",
    /// Two spellings of a client's name never make two logs.
    ClientNames = "client-names",
    /// What is published is read only where it is a plain file.
    PlainFiles = "plain-files",
    /// Each entry of a log is published once, and once more in a full tile.
    EntriesOnce = "entries-once",
    /// A certificate calls verified only what was found and looked at.
    LookedAt = "looked-at",
    /// A kept head of a log that is not in the place is an error.
    KeptHeads = "kept-heads",
    /// What was not due by its own dates when a record with its key was removed is not that record.
    OwnDates = "own-dates",
    /// A mark counts only as long as the record holds what the mark says.
    MarkedContent = "marked-content",
    /// Marks are found under every name that the table and the stage have had.
    MarkedRelation = "marked-relation",
    /// No token is made of a token.
    TokenOfToken = "token-of-token",
    /// What keeps a record is asked again under its lock.
    AskedAgainUnderLock = "asked-again-under-lock",
    /// A row that still names its record after it was unlinked rolls the batch back.
    UnlinkIsReadBack = "unlink-is-read-back",
    /// A record that cannot go fails alone, and those beside it go.
    FailsAlone = "fails-alone",
    /// No transaction removes more rows than `batch-size`.
    BatchSizeHolds = "batch-size-holds",
    /// What a batch reads is bounded in bytes.
    BatchIsBoundedInBytes = "batch-is-bounded-in-bytes",
    /// Rows that go with records count against `max-rows`.
    RowsAreLimited = "rows-are-limited",
    /// A foreign key onto rows that go is refused unless the job names it for each stage that removes
    /// them: keys onto partitions and children, and from tables of any schema.
    ForeignKeysAreNamed = "foreign-keys-are-named",
    /// A trigger or a rule that the job sets off is refused unless its effects are declared.
    TriggersAreDeclared = "triggers-are-declared",
    /// A table of which row-level security hides rows from the worker is refused.
    NoRowIsHidden = "no-row-is-hidden",
    /// A table with children by inheritance that are no partitions is refused.
    NoChildrenByInheritance = "no-children-by-inheritance",
    /// Rows that name large objects are refused: these would stay.
    NoLargeObjectStays = "no-large-object-stays",
    /// A change that a condition, a unique index or a foreign key of the table forbids is refused.
    ConstraintsHold = "constraints-hold",
    /// What goes with the records of a plan counts against `max-rows` before anything goes.
    RowsAreForeseen = "rows-are-foreseen",
    /// A right that a run needs and the role lacks is refused.
    RightsAreThere = "rights-are-there",
    /// A key that the database does not find again by what was read of it is refused.
    KeysAreFoundAgain = "keys-are-found-again",
    /// A batch whose connection was lost is repeated with another one.
    LostBatchesAreRepeated = "lost-batches-are-repeated",
    /// Each statement that removes is planned by the database before the night.
    StatementsAreTried = "statements-are-tried",
    /// The process leaves no core file: it would hold keys and rows.
    NoCoreFile = "no-core-file",
}

impl fmt::Display for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Whether `guard` stands. Always, but for a test that has switched it off.
#[cfg_attr(
    not(feature = "failpoints"),
    expect(unused_variables, reason = "only a build for tests knows a switch")
)]
pub fn stands(guard: Guard) -> bool {
    fail::fail_point!(&format!("guard.{guard}"), |_| false);
    true
}
