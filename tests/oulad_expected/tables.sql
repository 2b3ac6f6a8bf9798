-- The three tables, from the raw files as text (`raw_*`, one column per column of the file).

create table presentation(presentation text primary key, starts_on text not null);
insert into presentation values
  ('2013B', '2013-02-01'), ('2013J', '2013-10-01'), ('2014B', '2014-02-01'), ('2014J', '2014-10-01');

create table enrolment as
select cast(r.id_student as integer) as learner_id,
       r.code_module as module,
       r.code_presentation as presentation,
       case when r.date_registration not in ('?', '')
            then date(p.starts_on, r.date_registration || ' days') end as registered_on,
       case when r.date_unregistration not in ('?', '')
            then date(p.starts_on, r.date_unregistration || ' days')
            else date(p.starts_on, c.module_presentation_length || ' days') end as ended_on,
       i.final_result
from raw_studentRegistration r
join presentation p on p.presentation = r.code_presentation
join raw_courses c using (code_module, code_presentation)
left join raw_studentInfo i using (code_module, code_presentation, id_student);
create unique index enrolment_key on enrolment(learner_id, module, presentation);

create table learner as
select learner_id, max(ended_on) as relationship_ended_on from enrolment group by learner_id;
create unique index learner_key on learner(learner_id);

create table exam_attempt as
select s.row_number as attempt_id,
       cast(s.id_student as integer) as learner_id,
       a.code_module as module,
       a.code_presentation as presentation,
       e.ended_on as course_ended_on,
       0 as pseudonymized
from raw_studentAssessment s
join raw_assessments a using (id_assessment)
left join enrolment e on e.learner_id = cast(s.id_student as integer)
  and e.module = a.code_module and e.presentation = a.code_presentation;
create unique index attempt_key on exam_attempt(attempt_id);
create index attempt_enrolment on exam_attempt(learner_id, module, presentation);
