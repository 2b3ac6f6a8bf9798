-- Schema of the demonstration: a learning management system. Everything in it is generated sample data.
-- The same as in PostgreSQL, without the schema `lms`. Dates are `2026-03-31`, moments
-- `2026-03-31T14:59:59Z`, both as text; documents of JSON and UUIDs are text, booleans 0 and 1.
create table if not exists client (
  client_id text primary key,
  name text not null
);

create table if not exists learner (
  learner_id integer primary key,
  client_id text not null references client (client_id),
  family_name text,
  given_name text,
  family_kana text,
  given_kana text,
  email text unique,
  phone text,
  postal_code text,
  prefecture text,
  address text,
  birth_date date,
  accommodation text,
  refund_account text,
  referral_code text,
  newsletter boolean not null,
  note text,
  registered_on date not null,
  withdrawn_on date,
  withdrawal_reason text,
  last_active_at timestamptz,
  pseudonymized_on date
);

create table if not exists learner_contact (
  contact_id text primary key,
  learner_id integer not null references learner (learner_id),
  kind text not null,
  value text not null
);

create table if not exists login_log (
  login_id integer primary key,
  learner_id integer not null references learner (learner_id),
  at timestamptz not null,
  ip text not null,
  user_agent text not null
);

-- An attempt outlives its learner, so learner_id has no foreign key.
create table if not exists exam_attempt (
  attempt_id integer primary key,
  learner_id integer not null,
  client_id text not null references client (client_id),
  course_code text not null,
  taken_at timestamptz not null,
  course_ended_on date,
  final_result text,
  score integer,
  proctored boolean not null,
  conditions text not null,
  comment text
);

create table if not exists exam_answer (
  attempt_id integer not null references exam_attempt (attempt_id),
  question_no integer not null,
  answer text not null,
  primary key (attempt_id, question_no)
);

create table if not exists disclosure_request (
  request_id text primary key,
  learner_id integer not null,
  client_id text not null references client (client_id),
  kind text not null,
  received_on date not null,
  replied_on date,
  requester_name text not null,
  requester_address text not null,
  channel text not null
);

create table if not exists request_document (
  document_id text primary key,
  request_id text not null references disclosure_request (request_id),
  kind text not null,
  object_key text not null
);

create index if not exists learner_withdrawn_on on learner (withdrawn_on);

create index if not exists learner_last_active_at on learner (last_active_at);

create index if not exists learner_contact_learner_id on learner_contact (learner_id);

create index if not exists login_log_learner_id on login_log (learner_id);

create index if not exists exam_attempt_learner_id on exam_attempt (learner_id);

create index if not exists exam_attempt_course_ended_on on exam_attempt (course_ended_on);

create index if not exists disclosure_request_learner_id on disclosure_request (learner_id);

create index if not exists disclosure_request_replied_on on disclosure_request (replied_on);

create index if not exists request_document_request_id on request_document (request_id);
