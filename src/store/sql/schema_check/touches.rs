//! What the statements of a job do to rows, table by table.

use crate::job::{Disposal, Job, Marker, OnDispose, Operation, TableName};

/// One operation of a job's own statements on one table.
pub(super) struct Touch<'a> {
    pub table: &'a TableName,
    /// The goes-with table that it is; `None` for the cluster's own table and for unlinked ones.
    pub goes_with: Option<&'a TableName>,
    pub operation: Operation,
    /// The columns that an update sets.
    pub columns: Vec<&'a str>,
    /// The stages in which it happens.
    pub stages: Vec<&'a str>,
}

/// Everything that `job` does to rows.
pub(super) fn touches(job: &Job) -> Vec<Touch<'_>> {
    let mut touches = Vec::new();
    for stage in &job.stages {
        touches.push(match &stage.disposal {
            Disposal::Delete => own(job, Operation::Delete, Vec::new(), &stage.name),
            Disposal::Pseudonymize { changes, marker } => {
                let mut columns: Vec<&str> = changes
                    .iter()
                    .map(|change| change.column.as_str())
                    .collect();
                if let Marker::Column(column) = marker {
                    columns.push(column);
                }
                own(job, Operation::Update, columns, &stage.name)
            }
        });
    }
    for reference in &job.references {
        let (goes_with, operation, columns) = match &reference.on_dispose {
            OnDispose::GoesWith { .. } => (Some(&reference.table), Operation::Delete, Vec::new()),
            OnDispose::Unlink => {
                let columns = reference.clear.iter().map(String::as_str);
                (None, Operation::Update, columns.collect())
            }
            OnDispose::Blocks => continue,
        };
        touches.push(Touch {
            table: &reference.table,
            goes_with,
            operation,
            columns,
            stages: reference.stages.iter().map(String::as_str).collect(),
        });
    }
    touches
}

fn own<'a>(job: &'a Job, operation: Operation, columns: Vec<&'a str>, stage: &'a str) -> Touch<'a> {
    Touch {
        table: &job.table,
        goes_with: None,
        operation,
        columns,
        stages: vec![stage],
    }
}

impl Touch<'_> {
    /// What messages say of it: `deletes rows of`.
    pub(super) const fn does(&self) -> &'static str {
        match self.operation {
            Operation::Delete => "deletes rows of",
            Operation::Update => "rewrites rows of",
            Operation::Insert => "adds rows to",
        }
    }
}
