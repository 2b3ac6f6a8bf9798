-- The journal: evidence rows in a store's own database, written with the removal.
-- `__SCHEMA__` is replaced by the quoted name of the configured schema.

-- Sealing closes a run's fence first; a worker that wakes up later can remove nothing more.
create table __SCHEMA__.fence (
    run_id text primary key,
    state text not null check (state in ('open', 'closed')),
    opened_at timestamptz not null
);

-- One row for each batch, target and client. `leaves` packs 36 bytes for each leaf, `refs` packs
-- the 32-byte subject reference of each record; `ended_by` counts records by the purpose that
-- ended last.
create table __SCHEMA__.journal (
    run_id text not null references __SCHEMA__.fence (run_id),
    slice bigint not null,
    batch bigint not null,
    target integer not null,
    client text not null,
    action smallint not null,
    records bigint not null check (records >= 0),
    leaves bytea not null check (octet_length(leaves) % 36 = 0),
    refs bytea not null check (octet_length(refs) % 32 = 0),
    ended_by text not null,
    at timestamptz not null,
    primary key (run_id, slice, batch, target, client, action)
);
-- Digests do not shrink: to try costs a batch more than to remove its rows.
alter table __SCHEMA__.journal
    alter column leaves set storage external,
    alter column refs set storage external;

-- What is about to be removed from an object store. Row keys and object keys may be personal
-- data: a row lives only until the outcome was read back.
create table __SCHEMA__.intent (
    run_id text not null references __SCHEMA__.fence (run_id),
    intent_id bigint not null,
    target integer not null,
    row_key text not null,
    facts text not null,
    created_at timestamptz not null,
    primary key (run_id, intent_id)
);

-- Records that a stage has pseudonymized, for tables that may get no column of kigen's.
create table __SCHEMA__.marker (
    object text not null,
    stage text not null,
    record_key text not null,
    run_id text not null,
    at timestamptz not null,
    primary key (object, stage, record_key)
);

create function __SCHEMA__.refuse_change() returns trigger language plpgsql as $$
begin
    raise exception 'table % is append-only: % refused', tg_table_name, lower(tg_op)
        using errcode = 'insufficient_privilege';
end
$$;

create function __SCHEMA__.refuse_reopening() returns trigger language plpgsql as $$
begin
    if old.run_id <> new.run_id or old.opened_at <> new.opened_at
        or (old.state = 'closed' and new.state <> 'closed') then
        raise exception 'a fence is only ever closed'
            using errcode = 'insufficient_privilege';
    end if;
    return new;
end
$$;

create trigger kigen_append_only before update or delete or truncate on __SCHEMA__.journal
    for each statement execute function __SCHEMA__.refuse_change();
create trigger kigen_no_delete before delete or truncate on __SCHEMA__.fence
    for each statement execute function __SCHEMA__.refuse_change();
create trigger kigen_no_reopening before update on __SCHEMA__.fence
    for each row execute function __SCHEMA__.refuse_reopening();
