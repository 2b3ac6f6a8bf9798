-- The ledger: kigen's own memory. Insert and read; nothing else.
create table kigen_entry (
    entry_id bigint generated always as identity primary key,
    run_id text,
    at timestamptz not null,
    kind text not null,
    body json not null
);
create index kigen_entry_run on kigen_entry (run_id, entry_id);
create index kigen_entry_kind on kigen_entry (kind, entry_id);
create index kigen_entry_at on kigen_entry (at, entry_id);
-- A run starts once.
create unique index kigen_entry_one_start on kigen_entry (run_id) where kind = 'run-started';

-- The only table whose rows may be deleted: that is how a run's key is destroyed.
create table kigen_run_key (
    run_id text primary key,
    kek_id text not null,
    wrapped bytea not null
);

create table kigen_certificate (
    certificate_id text primary key,
    run_id text not null,
    client text not null,
    payload bytea not null,
    payload_sha256 text not null,
    leaves_sha256 text not null,
    created_at timestamptz not null,
    unique (run_id, client)
);

create table kigen_envelope (
    certificate_id text primary key references kigen_certificate (certificate_id),
    envelope bytea not null,
    sshsig text not null
);

create function kigen_refuse_change() returns trigger language plpgsql as $$
begin
    raise exception 'table % is append-only: % refused', tg_table_name, lower(tg_op)
        using errcode = 'insufficient_privilege';
end
$$;

create trigger kigen_append_only before update or delete or truncate on kigen_entry
    for each statement execute function kigen_refuse_change();
create trigger kigen_append_only before update or truncate on kigen_run_key
    for each statement execute function kigen_refuse_change();
create trigger kigen_append_only before update or delete or truncate on kigen_certificate
    for each statement execute function kigen_refuse_change();
create trigger kigen_append_only before update or delete or truncate on kigen_envelope
    for each statement execute function kigen_refuse_change();
