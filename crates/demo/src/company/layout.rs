//! The tables of the demonstration as both stores see them: names, columns, rows.

use std::borrow::Cow;

/// A value of a generated row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Cell {
    Null,
    Int(i64),
    Flag(bool),
    Text(Cow<'static, str>),
}

impl From<i64> for Cell {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<bool> for Cell {
    fn from(value: bool) -> Self {
        Self::Flag(value)
    }
}

impl From<&'static str> for Cell {
    fn from(value: &'static str) -> Self {
        Self::Text(Cow::Borrowed(value))
    }
}

impl From<String> for Cell {
    fn from(value: String) -> Self {
        Self::Text(Cow::Owned(value))
    }
}

impl<T: Into<Cell>> From<Option<T>> for Cell {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// One generated row, in the order of its table's columns.
pub(super) type Row = Vec<Cell>;

/// A column's type in PostgreSQL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ColumnType {
    Bigint,
    Boolean,
    Text,
    Uuid,
    Date,
    Timestamp,
    Json,
}

impl ColumnType {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Bigint => "bigint",
            Self::Boolean => "boolean",
            Self::Text => "text",
            Self::Uuid => "uuid",
            Self::Date => "date",
            Self::Timestamp => "timestamptz",
            Self::Json => "jsonb",
        }
    }
}

/// A table of the demonstration.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) name: &'static str,
    pub(super) columns: &'static [(&'static str, ColumnType)],
}

impl Table {
    /// The columns' names, as a statement lists them.
    pub(super) fn column_list(&self) -> String {
        let names: Vec<&str> = self.columns.iter().map(|&(name, _)| name).collect();
        names.join(", ")
    }
}

pub(super) const CLIENT: Table = Table {
    name: "client",
    columns: &[("client_id", ColumnType::Text), ("name", ColumnType::Text)],
};

pub(super) const LEARNER: Table = Table {
    name: "learner",
    columns: &[
        ("learner_id", ColumnType::Bigint),
        ("client_id", ColumnType::Text),
        ("family_name", ColumnType::Text),
        ("given_name", ColumnType::Text),
        ("family_kana", ColumnType::Text),
        ("given_kana", ColumnType::Text),
        ("email", ColumnType::Text),
        ("phone", ColumnType::Text),
        ("postal_code", ColumnType::Text),
        ("prefecture", ColumnType::Text),
        ("address", ColumnType::Text),
        ("birth_date", ColumnType::Date),
        ("accommodation", ColumnType::Text),
        ("refund_account", ColumnType::Text),
        ("referral_code", ColumnType::Text),
        ("newsletter", ColumnType::Boolean),
        ("note", ColumnType::Text),
        ("registered_on", ColumnType::Date),
        ("withdrawn_on", ColumnType::Date),
        ("withdrawal_reason", ColumnType::Text),
        ("last_active_at", ColumnType::Timestamp),
        ("pseudonymized_on", ColumnType::Date),
    ],
};

pub(super) const LEARNER_CONTACT: Table = Table {
    name: "learner_contact",
    columns: &[
        ("contact_id", ColumnType::Uuid),
        ("learner_id", ColumnType::Bigint),
        ("kind", ColumnType::Text),
        ("value", ColumnType::Text),
    ],
};

pub(super) const LOGIN_LOG: Table = Table {
    name: "login_log",
    columns: &[
        ("login_id", ColumnType::Bigint),
        ("learner_id", ColumnType::Bigint),
        ("at", ColumnType::Timestamp),
        ("ip", ColumnType::Text),
        ("user_agent", ColumnType::Text),
    ],
};

pub(super) const EXAM_ATTEMPT: Table = Table {
    name: "exam_attempt",
    columns: &[
        ("attempt_id", ColumnType::Bigint),
        ("learner_id", ColumnType::Bigint),
        ("client_id", ColumnType::Text),
        ("course_code", ColumnType::Text),
        ("taken_at", ColumnType::Timestamp),
        ("course_ended_on", ColumnType::Date),
        ("final_result", ColumnType::Text),
        ("score", ColumnType::Bigint),
        ("proctored", ColumnType::Boolean),
        ("conditions", ColumnType::Json),
        ("comment", ColumnType::Text),
    ],
};

pub(super) const EXAM_ANSWER: Table = Table {
    name: "exam_answer",
    columns: &[
        ("attempt_id", ColumnType::Bigint),
        ("question_no", ColumnType::Bigint),
        ("answer", ColumnType::Text),
    ],
};

pub(super) const DISCLOSURE_REQUEST: Table = Table {
    name: "disclosure_request",
    columns: &[
        ("request_id", ColumnType::Uuid),
        ("learner_id", ColumnType::Bigint),
        ("client_id", ColumnType::Text),
        ("kind", ColumnType::Text),
        ("received_on", ColumnType::Date),
        ("replied_on", ColumnType::Date),
        ("requester_name", ColumnType::Text),
        ("requester_address", ColumnType::Text),
        ("channel", ColumnType::Text),
    ],
};

pub(super) const REQUEST_DOCUMENT: Table = Table {
    name: "request_document",
    columns: &[
        ("document_id", ColumnType::Uuid),
        ("request_id", ColumnType::Uuid),
        ("kind", ColumnType::Text),
        ("object_key", ColumnType::Text),
    ],
};

/// All tables, each after those that it refers to.
pub(super) const TABLES: [&Table; 8] = [
    &CLIENT,
    &LEARNER,
    &LEARNER_CONTACT,
    &LOGIN_LOG,
    &EXAM_ATTEMPT,
    &EXAM_ANSWER,
    &DISCLOSURE_REQUEST,
    &REQUEST_DOCUMENT,
];
