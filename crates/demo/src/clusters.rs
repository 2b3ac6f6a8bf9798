//! The clauses of `jobs/` once more, by hand and in plain SQL: what the demonstration holds the
//! worker against. Shares no code with it, on purpose.

use jiff::Span;
use jiff::civil::Date;

use crate::company::Dialect;

/// One cluster in plain SQL. `t` is a row of its table.
pub(crate) struct Cluster {
    /// As its job calls it.
    pub(crate) name: &'static str,
    pub(crate) table: &'static str,
    pub(crate) key: &'static str,
    /// When a record is due to be pseudonymized; none where no stage does that.
    pub(crate) due_to_pseudonymize: Option<String>,
    /// When a record is due to be deleted.
    pub(crate) due_to_delete: String,
    /// When its last period is over, whether or not rows elsewhere still need it.
    pub(crate) expired: String,
    /// Rows elsewhere that belong to a record.
    pub(crate) dependents: &'static [Dependent],
    /// Why records are still there although their last period is over.
    pub(crate) kept_because: Vec<Count>,
    /// What must never be found again in a pseudonymized record.
    pub(crate) traces: Vec<Count>,
}

/// Rows of another table; `d` is one of them.
pub(crate) struct Dependent {
    pub(crate) table: &'static str,
    pub(crate) on: &'static str,
    pub(crate) order: &'static str,
}

/// Rows to count, and what they are.
pub(crate) struct Count {
    pub(crate) what: &'static str,
    pub(crate) sql: String,
}

/// The three clusters on the day `as_of`.
pub(crate) fn clusters(dialect: Dialect, as_of: Date) -> Vec<Cluster> {
    vec![
        request_documents(as_of),
        exam_history(as_of),
        learner(dialect, as_of),
    ]
}

/// The day before which a period of `months` must have started to be over on `as_of`.
///
/// Civil Code, arts. 140 and 143: counting begins on the day after the start, and the period ends
/// with the day before the corresponding one. So the day after the start is `as_of` less the
/// period, or earlier; the start itself is before that day. Where the month is too short for the
/// corresponding day, its last day stands for it.
fn start_before(as_of: Date, months: i32) -> String {
    format!("'{}'", as_of.saturating_sub(Span::new().months(months)))
}

/// Clause 11-4: two years from the reply.
fn request_documents(as_of: Date) -> Cluster {
    let over = format!("t.replied_on < {}", start_before(as_of, 24));
    Cluster {
        name: "request-documents",
        table: "disclosure_request",
        key: "request_id",
        due_to_pseudonymize: None,
        due_to_delete: over.clone(),
        expired: over,
        dependents: &[Dependent {
            table: "request_document",
            on: "d.request_id = t.request_id",
            order: "d.document_id",
        }],
        kept_because: Vec::new(),
        traces: Vec::new(),
    }
}

/// Clause 8-2: three years from the end of the course, for those who failed or left also three
/// from the withdrawal; then ten years from the end of the course. Tokens are negative.
fn exam_history(as_of: Date) -> Cluster {
    let three = start_before(as_of, 36);
    let over = format!("t.course_ended_on < {}", start_before(as_of, 120));
    Cluster {
        name: "exam-history",
        table: "exam_attempt",
        key: "attempt_id",
        due_to_pseudonymize: Some(format!(
            "t.learner_id > 0 and t.course_ended_on < {three} \
             and (t.final_result not in ('不合格', '途中退学') \
             or exists (select 1 from learner l where l.learner_id = t.learner_id and l.withdrawn_on < {three}))"
        )),
        due_to_delete: over.clone(),
        expired: over,
        dependents: &[Dependent {
            table: "exam_answer",
            on: "d.attempt_id = t.attempt_id",
            order: "d.question_no",
        }],
        kept_because: Vec::new(),
        traces: vec![Count {
            what: "pseudonymized attempts with a comment",
            sql: "select count(*) from exam_attempt where learner_id < 0 and comment is not null"
                .to_owned(),
        }],
    }
}

/// Clause 8-1: one year from the withdrawal (three for those who broke off or were expelled) and
/// six months from the last use; then five years from the withdrawal, unless attempts or requests
/// still name the learner.
fn learner(dialect: Dialect, as_of: Date) -> Cluster {
    let last_active_on = match dialect {
        Dialect::Postgres => "cast(t.last_active_at at time zone 'Asia/Tokyo' as date)",
        Dialect::Sqlite => "date(t.last_active_at, '+9 hours')",
    };
    let (half, one, three) = (
        start_before(as_of, 6),
        start_before(as_of, 12),
        start_before(as_of, 36),
    );
    let over = format!("t.withdrawn_on < {}", start_before(as_of, 60));
    let attempt = "exists (select 1 from exam_attempt a where a.learner_id = t.learner_id)";
    let request = "exists (select 1 from disclosure_request r where r.learner_id = t.learner_id)";
    Cluster {
        name: "learner",
        table: "learner",
        key: "learner_id",
        due_to_pseudonymize: Some(format!(
            "t.pseudonymized_on is null and t.withdrawn_on < {one} \
             and (t.withdrawal_reason not in ('途中退学', '除籍') or t.withdrawn_on < {three}) \
             and {last_active_on} < {half}"
        )),
        due_to_delete: format!("{over} and not {attempt} and not {request}"),
        dependents: &[
            Dependent {
                table: "learner_contact",
                on: "d.learner_id = t.learner_id",
                order: "d.contact_id",
            },
            Dependent {
                table: "login_log",
                on: "d.learner_id = t.learner_id",
                order: "d.login_id",
            },
        ],
        kept_because: vec![
            Count {
                what: "an exam attempt still names them",
                sql: format!("select count(*) from learner t where {over} and {attempt}"),
            },
            Count {
                what: "a disclosure request still names them",
                sql: format!("select count(*) from learner t where {over} and {request}"),
            },
        ],
        expired: over,
        traces: learner_traces(),
    }
}

fn learner_traces() -> Vec<Count> {
    vec![
        Count {
            what: "pseudonymized learners with a name, kana, e-mail, phone, account, accommodation or note",
            sql: "select count(*) from learner where pseudonymized_on is not null \
                  and (family_name <> '仮名加工済' or given_name is not null or family_kana is not null \
                  or given_kana is not null or email like '%@%' or phone is not null \
                  or refund_account is not null or accommodation is not null or note is not null)"
                .to_owned(),
        },
        Count {
            what: "contacts of pseudonymized learners",
            sql: "select count(*) from learner_contact c join learner l on l.learner_id = c.learner_id \
                  where l.pseudonymized_on is not null"
                .to_owned(),
        },
    ]
}
