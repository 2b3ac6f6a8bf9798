-- The journal: evidence rows in a store's own database, written with the removal.
-- Moments are UTC text of one width (2025-04-01T00:00:00.000000Z), so that text order is time order.

-- Sealing closes a run's fence first; a worker that wakes up later can remove nothing more.
create table kigen_fence (
    run_id text not null primary key,
    state text not null check (state in ('open', 'closed')),
    opened_at text not null
);

-- One row for each batch, target and client. `leaves` packs 36 bytes for each leaf, `refs` packs
-- the 32-byte subject reference of each record; `ended_by` counts records by the purpose that
-- ended last.
create table kigen_journal (
    run_id text not null references kigen_fence (run_id),
    slice integer not null,
    batch integer not null,
    target integer not null,
    client text not null,
    action integer not null,
    records integer not null check (records >= 0),
    leaves blob not null check (length(leaves) % 36 = 0),
    refs blob not null check (length(refs) % 32 = 0),
    ended_by text not null check (json_valid(ended_by)),
    at text not null,
    primary key (run_id, slice, batch, target, client, action)
);

-- What is about to be removed from an object store. Row keys and object keys may be personal
-- data: a row lives only until the outcome was read back.
create table kigen_intent (
    run_id text not null references kigen_fence (run_id),
    intent_id integer not null,
    target integer not null,
    row_key text not null check (json_valid(row_key)),
    facts text not null check (json_valid(facts)),
    created_at text not null,
    primary key (run_id, intent_id)
);

-- Records that a stage has pseudonymized, for tables that may get no column of kigen's.
create table kigen_marker (
    object text not null,
    stage text not null,
    record_key text not null,
    run_id text not null,
    at text not null,
    primary key (object, stage, record_key)
) without rowid;

create trigger kigen_journal_no_update before update on kigen_journal
begin
    select raise(abort, 'table kigen_journal is append-only: update refused');
end;
create trigger kigen_journal_no_delete before delete on kigen_journal
begin
    select raise(abort, 'table kigen_journal is append-only: delete refused');
end;
-- `insert or replace` deletes without firing delete triggers, so it is refused at the door.
create trigger kigen_journal_no_replace before insert on kigen_journal
    when exists (
        select 1 from kigen_journal
        where run_id = new.run_id and slice = new.slice and batch = new.batch
          and target = new.target and client = new.client)
begin
    select raise(abort, 'table kigen_journal is append-only: the row is there already');
end;
create trigger kigen_fence_no_delete before delete on kigen_fence
begin
    select raise(abort, 'table kigen_fence is append-only: delete refused');
end;
create trigger kigen_fence_no_reopening before update on kigen_fence
    when old.run_id <> new.run_id or old.opened_at <> new.opened_at
      or (old.state = 'closed' and new.state <> 'closed')
begin
    select raise(abort, 'a fence is only ever closed');
end;
