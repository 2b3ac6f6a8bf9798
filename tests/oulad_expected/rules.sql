-- The rules. A period of n years from an event ends with `last_day`:
-- Civil Code, art. 140: counted from the next day; art. 143: until the day before the corresponding
-- day. Where February 29 has no corresponding day SQLite counts on to March 1, the day before
-- which is February 28: the last day of the month, as the law says.
--   last_day(start, n) = date(start, '+1 day', '+n years', '-1 day')

create table as_of(day text not null);

create view attempt_last_days as
select t.attempt_id, t.learner_id, t.module, t.pseudonymized, t.course_ended_on,
       (e.final_result is null or e.final_result in ('Fail', 'Withdrawn')) as screened,
       l.relationship_ended_on,
       date(t.course_ended_on, '+1 day', '+1 years', '-1 day') as course_last,
       date(l.relationship_ended_on, '+1 day', '+3 years', '-1 day') as screening_last
from exam_attempt t
left join enrolment e using (learner_id, module, presentation)
left join learner l on l.learner_id = t.learner_id;

create view "exam-history/pseudonymize" as
select attempt_id as record, module || ' ' || learner_id as subject,
       case when screened then max(course_last, screening_last) else course_last end as last_day,
       case when pseudonymized then 'already-disposed'
            when course_ended_on is null or (screened and relationship_ended_on is null)
              then 'undatable'
            when course_ended_on > day or (screened and relationship_ended_on > day)
              then 'starts-in-future'
            when course_last >= day or (screened and screening_last >= day) then 'not-expired'
            else 'due' end as verdict
from attempt_last_days, as_of;

create view "exam-history/delete" as
select attempt_id as record, module || ' ' || learner_id as subject,
       date(course_ended_on, '+1 day', '+10 years', '-1 day') as last_day,
       case when course_ended_on is null then 'undatable'
            when course_ended_on > day then 'starts-in-future'
            when date(course_ended_on, '+1 day', '+10 years', '-1 day') >= day then 'not-expired'
            else 'due' end as verdict
from exam_attempt, as_of;

create view "enrolment/delete" as
select e.rowid as record, module || ' ' || learner_id as subject,
       date(ended_on, '+1 day', '+5 years', '-1 day') as last_day,
       case when ended_on is null then 'undatable'
            when ended_on > day then 'starts-in-future'
            when date(ended_on, '+1 day', '+5 years', '-1 day') >= day then 'not-expired'
            when exists (select 1 from exam_attempt t where t.learner_id = e.learner_id
                         and t.module = e.module and t.presentation = e.presentation)
              then 'referenced'
            else 'due' end as verdict
from enrolment e, as_of;

create view "learner/delete" as
select l.rowid as record, learner_id as subject,
       date(relationship_ended_on, '+1 day', '+3 years', '-1 day') as last_day,
       case when relationship_ended_on is null then 'undatable'
            when relationship_ended_on > day then 'starts-in-future'
            when date(relationship_ended_on, '+1 day', '+3 years', '-1 day') >= day then 'not-expired'
            when exists (select 1 from exam_attempt t where t.learner_id = l.learner_id)
              or exists (select 1 from enrolment e where e.learner_id = l.learner_id)
              then 'referenced'
            else 'due' end as verdict
from learner l, as_of;
