//! The job of the tests: requests, their documents, the documents' scans.

use std::path::PathBuf;

use jiff::tz::TimeZone;
use kigen_evidence::calendar::FirstDay;
use kigen_evidence::statement::StartingPointKind;

use crate::domain::rule::{EARLIEST_BELIEVED, Purpose, Rule};
use crate::job::{
    Clause, ClientSource, ColumnRef, Disposal, Job, Limit, Match, ObjectLink, OnDispose,
    PurposeSource, Reference, Stage, StoredAs, Subject, TableName, Title,
};

/// Two years after the reply requests are deleted, with documents and scans. Two in a batch.
pub(super) fn job(schema: Option<String>) -> Job {
    let table = |name: &str| TableName {
        schema: schema.clone(),
        name: name.to_owned(),
    };
    let own = |column: &str| ColumnRef {
        join: None,
        column: column.to_owned(),
    };
    Job {
        cluster: "request-documents".to_owned(),
        title: Title {
            ja: "開示等請求書類".to_owned(),
            en: "Documents of disclosure requests".to_owned(),
        },
        owner: "privacy office".to_owned(),
        file: PathBuf::from("request-documents.toml"),
        sha256: String::new(),
        time_zone: TimeZone::get("Asia/Tokyo").unwrap(),
        time_zone_name: "Asia/Tokyo".to_owned(),
        schedule: None,
        approval: None,
        clause: Clause {
            document: String::new(),
            version: String::new(),
            text: String::new(),
            text_sha256: String::new(),
        },
        store: "lms".to_owned(),
        table: table("request"),
        key: vec!["request_id".to_owned()],
        subject: Subject {
            kind: "learner".to_owned(),
            column: "learner_id".to_owned(),
        },
        client: ClientSource::Column("client_id".to_owned()),
        joins: Vec::new(),
        references: vec![Reference {
            table: table("document"),
            of: None,
            on: vec![Match {
                theirs: "request_id".to_owned(),
                ours: own("request_id"),
            }],
            on_dispose: OnDispose::GoesWith {
                key: vec!["document_id".to_owned()],
                columns: Vec::new(),
            },
            clear: Vec::new(),
            stages: vec!["delete".to_owned()],
        }],
        objects: vec![ObjectLink {
            store: "request-scans".to_owned(),
            table: Some(table("document")),
            key_column: "object_key".to_owned(),
            max_absent_percent: 60,
        }],
        stages: vec![stage(own("replied_on"))],
        columns: Vec::new(),
        limit: Limit {
            max_records: 100,
            max_percent: 100.0,
            max_persons: 100,
            max_rows: 10_000,
            batch_size: 2,
        },
        examples: Vec::new(),
        leftovers: Vec::new(),
        effects: Vec::new(),
    }
}

fn stage(starts_at: ColumnRef) -> Stage {
    Stage {
        name: "delete".to_owned(),
        rule: Rule {
            purposes: vec![Purpose {
                name: "proof-of-reply".to_owned(),
                period: "P2Y".parse().unwrap(),
                first_day: FirstDay::NotCounted,
                earliest: EARLIEST_BELIEVED,
            }],
        },
        sources: vec![PurposeSource {
            kind: StartingPointKind::ReplyToRequest,
            starts_at,
            stored_as: StoredAs::Typed,
            applies_when: None,
        }],
        disposal: Disposal::Delete,
    }
}
