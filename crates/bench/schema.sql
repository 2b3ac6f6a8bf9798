-- The table of `docs/PERFORMANCE.md`: about 550 bytes a row, indexes on the key, on the starting
-- point and on the learner. `pseudonymized_on` is the marker of the second job.
create table exam_attempts (
    id bigint primary key,
    learner_id uuid not null,
    tenant_id integer not null,
    exam_code text not null,
    score numeric(5, 2),
    answers jsonb,
    taken_at timestamptz not null,
    ip inet,
    user_agent text,
    pseudonymized_on date
);
