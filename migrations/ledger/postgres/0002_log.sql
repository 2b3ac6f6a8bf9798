-- The clients' logs: entries that are never changed, without a gap, and the heads signed over them.
create table kigen_log_entry (
    client text not null,
    log_index bigint not null check (log_index >= 0),
    role text not null check (role in ('plan', 'closing', 'notice')),
    run_id text,
    payload bytea not null check (length(payload) <= 65535),
    leaf_hash bytea not null check (length(leaf_hash) = 32),
    at timestamptz not null,
    primary key (client, log_index),
    check ((role = 'notice') = (run_id is null))
);
-- A run announces itself once in each log, and ends once.
create unique index kigen_log_entry_one_of_run on kigen_log_entry (client, run_id, role) where run_id is not null;
create index kigen_log_entry_run on kigen_log_entry (run_id);
create table kigen_log_checkpoint (
    client text not null,
    size bigint not null check (size > 0),
    note text not null,
    at timestamptz not null,
    primary key (client, size)
);

create trigger kigen_append_only before update or delete or truncate on kigen_log_entry
    for each statement execute function kigen_refuse_change();
create trigger kigen_append_only before update or delete or truncate on kigen_log_checkpoint
    for each statement execute function kigen_refuse_change();

create function kigen_next_log_entry() returns trigger language plpgsql as $$
begin
    if new.log_index <> (select coalesce(max(log_index) + 1, 0) from kigen_log_entry where client = new.client) then
        raise exception 'table kigen_log_entry is append-only: that is not the next entry'
            using errcode = 'integrity_constraint_violation';
    end if;
    return new;
end
$$;
create trigger kigen_next before insert on kigen_log_entry
    for each row execute function kigen_next_log_entry();
