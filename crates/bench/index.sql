create index exam_attempts_taken_at on exam_attempts (taken_at);
create index exam_attempts_learner on exam_attempts (learner_id);
