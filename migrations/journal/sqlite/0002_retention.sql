-- Evidence has an end too: journal rows may go, by a rule like any other, once the certificates of
-- their run are published. Until then they are needed to seal the run, and nobody may delete them.
create table kigen_published (
    run_id text not null primary key references kigen_fence (run_id),
    at timestamptz not null -- UTC text, as everywhere here; this name tells rules that it is an instant
);

drop trigger kigen_journal_no_delete;
create trigger kigen_journal_no_early_delete before delete on kigen_journal
    when not exists (select 1 from kigen_published p where p.run_id = old.run_id)
begin
    select raise(abort, 'the certificates of the run are not published: delete refused');
end;
create trigger kigen_published_no_update before update on kigen_published
begin
    select raise(abort, 'table kigen_published is append-only: update refused');
end;
create trigger kigen_published_no_delete before delete on kigen_published
begin
    select raise(abort, 'table kigen_published is append-only: delete refused');
end;
