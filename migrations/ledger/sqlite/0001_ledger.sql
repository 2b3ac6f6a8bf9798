-- The ledger: kigen's own memory. Insert and read; nothing else.
-- Moments are UTC text of one width (2025-04-01T00:00:00.000000Z), so that text order is time order.
create table kigen_entry (
    entry_id integer primary key autoincrement,
    run_id text,
    at text not null check (length(at) = 27),
    kind text not null,
    body text not null check (json_valid(body))
);
create index kigen_entry_run on kigen_entry (run_id, entry_id);
create index kigen_entry_kind on kigen_entry (kind, entry_id);
create index kigen_entry_at on kigen_entry (at, entry_id);
-- A run starts once.
create unique index kigen_entry_one_start on kigen_entry (run_id) where kind = 'run-started';

-- The only table whose rows may be deleted: that is how a run's key is destroyed.
create table kigen_run_key (
    run_id text not null primary key,
    kek_id text not null,
    wrapped blob not null
);

create table kigen_certificate (
    certificate_id text not null primary key,
    run_id text not null,
    client text not null,
    payload blob not null,
    payload_sha256 text not null,
    leaves_sha256 text not null,
    created_at text not null check (length(created_at) = 27),
    unique (run_id, client)
);

create table kigen_envelope (
    certificate_id text not null primary key references kigen_certificate (certificate_id),
    envelope blob not null,
    sshsig text not null
);

create trigger kigen_entry_no_update before update on kigen_entry
begin
    select raise(abort, 'table kigen_entry is append-only: update refused');
end;
create trigger kigen_entry_no_delete before delete on kigen_entry
begin
    select raise(abort, 'table kigen_entry is append-only: delete refused');
end;
create trigger kigen_run_key_no_update before update on kigen_run_key
begin
    select raise(abort, 'table kigen_run_key is append-only: update refused');
end;
create trigger kigen_certificate_no_update before update on kigen_certificate
begin
    select raise(abort, 'table kigen_certificate is append-only: update refused');
end;
create trigger kigen_certificate_no_delete before delete on kigen_certificate
begin
    select raise(abort, 'table kigen_certificate is append-only: delete refused');
end;
create trigger kigen_envelope_no_update before update on kigen_envelope
begin
    select raise(abort, 'table kigen_envelope is append-only: update refused');
end;
create trigger kigen_envelope_no_delete before delete on kigen_envelope
begin
    select raise(abort, 'table kigen_envelope is append-only: delete refused');
end;

-- `insert or replace` deletes without firing delete triggers, so it is refused at the door.
create trigger kigen_entry_no_replace before insert on kigen_entry
    when exists (select 1 from kigen_entry where entry_id = new.entry_id)
      or (new.kind = 'run-started' and exists (
          select 1 from kigen_entry where kind = 'run-started' and run_id = new.run_id))
begin
    select raise(abort, 'table kigen_entry is append-only: the entry is there already');
end;
create trigger kigen_run_key_no_replace before insert on kigen_run_key
    when exists (select 1 from kigen_run_key where run_id = new.run_id)
begin
    select raise(abort, 'table kigen_run_key is append-only: the key is there already');
end;
create trigger kigen_certificate_no_replace before insert on kigen_certificate
    when exists (
        select 1 from kigen_certificate
        where certificate_id = new.certificate_id
           or (run_id = new.run_id and client = new.client))
begin
    select raise(abort, 'table kigen_certificate is append-only: the certificate is there already');
end;
create trigger kigen_envelope_no_replace before insert on kigen_envelope
    when exists (select 1 from kigen_envelope where certificate_id = new.certificate_id)
begin
    select raise(abort, 'table kigen_envelope is append-only: the envelope is there already');
end;
