-- Schema of the demonstration: a learning management system. Everything in it is generated sample data.
create schema if not exists lms;

comment on schema lms is 'generated sample data (生成された見本データ): no row is about a real person';

create table if not exists lms.client (
  client_id text primary key,
  name text not null
);

create table if not exists lms.learner (
  learner_id bigint primary key,
  client_id text not null references lms.client (client_id),
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

create table if not exists lms.learner_contact (
  contact_id uuid primary key,
  learner_id bigint not null references lms.learner (learner_id),
  kind text not null,
  value text not null
);

create table if not exists lms.login_log (
  login_id bigint primary key,
  learner_id bigint not null references lms.learner (learner_id),
  at timestamptz not null,
  ip text not null,
  user_agent text not null
);

-- An attempt outlives its learner, so learner_id has no foreign key.
create table if not exists lms.exam_attempt (
  attempt_id bigint primary key,
  learner_id bigint not null,
  client_id text not null references lms.client (client_id),
  course_code text not null,
  taken_at timestamptz not null,
  course_ended_on date,
  final_result text,
  score bigint,
  proctored boolean not null,
  conditions jsonb not null,
  comment text
);

create table if not exists lms.exam_answer (
  attempt_id bigint not null references lms.exam_attempt (attempt_id),
  question_no bigint not null,
  answer text not null,
  primary key (attempt_id, question_no)
);

create table if not exists lms.disclosure_request (
  request_id uuid primary key,
  learner_id bigint not null,
  client_id text not null references lms.client (client_id),
  kind text not null,
  received_on date not null,
  replied_on date,
  requester_name text not null,
  requester_address text not null,
  channel text not null
);

create table if not exists lms.request_document (
  document_id uuid primary key,
  request_id uuid not null references lms.disclosure_request (request_id),
  kind text not null,
  object_key text not null
);

create index if not exists learner_withdrawn_on on lms.learner (withdrawn_on);

create index if not exists learner_last_active_at on lms.learner (last_active_at);

create index if not exists learner_contact_learner_id on lms.learner_contact (learner_id);

create index if not exists login_log_learner_id on lms.login_log (learner_id);

create index if not exists exam_attempt_learner_id on lms.exam_attempt (learner_id);

create index if not exists exam_attempt_course_ended_on on lms.exam_attempt (course_ended_on);

create index if not exists disclosure_request_learner_id on lms.disclosure_request (learner_id);

create index if not exists disclosure_request_replied_on on lms.disclosure_request (replied_on);

create index if not exists request_document_request_id on lms.request_document (request_id);
