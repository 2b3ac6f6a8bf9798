-- The clients' logs: entries that are never changed, without a gap, and the heads signed over them.
create table kigen_log_entry (
    client text not null,
    log_index integer not null check (log_index >= 0),
    role text not null check (role in ('plan', 'closing', 'notice')),
    run_id text,
    payload blob not null check (length(payload) <= 65535),
    leaf_hash blob not null check (length(leaf_hash) = 32),
    at text not null check (length(at) = 27),
    primary key (client, log_index),
    check ((role = 'notice') = (run_id is null))
);
-- A run announces itself once in each log, and ends once.
create unique index kigen_log_entry_one_of_run on kigen_log_entry (client, run_id, role) where run_id is not null;
create index kigen_log_entry_run on kigen_log_entry (run_id);
create table kigen_log_checkpoint (
    client text not null,
    size integer not null check (size > 0),
    note text not null,
    at text not null check (length(at) = 27),
    primary key (client, size)
);

create trigger kigen_log_entry_no_update before update on kigen_log_entry
begin
    select raise(abort, 'table kigen_log_entry is append-only: update refused');
end;
create trigger kigen_log_entry_no_delete before delete on kigen_log_entry
begin
    select raise(abort, 'table kigen_log_entry is append-only: delete refused');
end;
create trigger kigen_log_checkpoint_no_update before update on kigen_log_checkpoint
begin
    select raise(abort, 'table kigen_log_checkpoint is append-only: update refused');
end;
create trigger kigen_log_checkpoint_no_delete before delete on kigen_log_checkpoint
begin
    select raise(abort, 'table kigen_log_checkpoint is append-only: delete refused');
end;

-- The next entry takes the next index; `insert or replace` finds no index that is taken.
create trigger kigen_log_entry_without_gap before insert on kigen_log_entry
    when new.log_index <> (
        select coalesce(max(log_index) + 1, 0) from kigen_log_entry where client = new.client)
      or exists (
        select 1 from kigen_log_entry
        where client = new.client and run_id = new.run_id and role = new.role)
begin
    select raise(abort, 'table kigen_log_entry is append-only: that is not the next entry');
end;
create trigger kigen_log_checkpoint_no_replace before insert on kigen_log_checkpoint
    when exists (
        select 1 from kigen_log_checkpoint where client = new.client and size >= new.size)
begin
    select raise(abort, 'table kigen_log_checkpoint is append-only: a later one is signed');
end;
