-- Evidence has an end too: journal rows may go, by a rule like any other, once the certificates of
-- their run are published. Until then they are needed to seal the run, and nobody may delete them.
-- `__SCHEMA__` is replaced by the quoted name of the configured schema.
create table __SCHEMA__.published (
    run_id text primary key references __SCHEMA__.fence (run_id),
    at timestamptz not null
);

create function __SCHEMA__.refuse_early_delete() returns trigger language plpgsql as $$
begin
    if not exists (select 1 from __SCHEMA__.published p where p.run_id = old.run_id) then
        raise exception 'the certificates of the run are not published: delete refused'
            using errcode = 'insufficient_privilege';
    end if;
    return old;
end
$$;

drop trigger kigen_append_only on __SCHEMA__.journal;
create trigger kigen_append_only before update or truncate on __SCHEMA__.journal
    for each statement execute function __SCHEMA__.refuse_change();
create trigger kigen_no_early_delete before delete on __SCHEMA__.journal
    for each row execute function __SCHEMA__.refuse_early_delete();
create trigger kigen_append_only before update or delete or truncate on __SCHEMA__.published
    for each statement execute function __SCHEMA__.refuse_change();
