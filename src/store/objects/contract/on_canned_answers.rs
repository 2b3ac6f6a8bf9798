//! What a store on S3 makes of answers that a real server gives only on a bad day.

use std::net::TcpListener;

use crate::store::objects::{
    ObjectDisposer as _, ObjectError, ObjectInventory as _, Outage, Retry, VersionToRemove,
    Versioning,
};

use super::canned::{Answer, Canned, store_at};
use super::{key, version};

#[tokio::test]
async fn one_version_that_the_server_refuses_does_not_keep_its_neighbours() {
    let server = Canned::start(vec![result(&[
        deleted("a"),
        error("b", "NoSuchVersion"),
        error("c", "Strange"),
    ])]);
    let batch = versions(&["a", "b", "c"]);
    let outcome = server.store().remove(&batch).await;
    assert_eq!(outcome.removed, batch[..1]);
    assert_eq!(outcome.absent, batch[1..2]);
    assert_eq!(outcome.failed[0].version, batch[2]);
    assert_eq!(outcome.failed[0].error.retry(), Retry::Never);
    assert_eq!(outcome.len(), batch.len());
}

#[tokio::test]
async fn every_removal_names_the_version_and_carries_the_checksum_that_old_servers_want() {
    let server = Canned::start(vec![result(&[deleted("a")])]);
    let outcome = server.store().remove(&versions(&["a"])).await;
    assert!(outcome.is_complete());
    let requests = server.requests();
    assert_eq!(requests.len(), 1);
    assert!(requests[0].contains("\r\ncontent-md5: "));
    assert!(requests[0].contains("<Key>kept/a</Key><VersionId>v</VersionId>"));
    assert!(!requests[0].contains("bypass-governance"));
}

#[tokio::test]
async fn a_version_that_the_answer_does_not_name_is_not_claimed_as_removed() {
    let marker_made =
        String::from("<Deleted><Key>kept/b</Key><DeleteMarker>true</DeleteMarker></Deleted>");
    let server = Canned::start(vec![result(&[marker_made])]);
    let outcome = server.store().remove(&versions(&["a", "b"])).await;
    assert!(outcome.removed.is_empty());
    let errors: Vec<_> = outcome.failed.iter().map(|failed| &failed.error).collect();
    assert_eq!(
        errors,
        [&ObjectError::Unconfirmed, &ObjectError::Unconfirmed]
    );
}

#[tokio::test]
async fn a_version_that_the_server_was_too_busy_for_is_tried_again() {
    let server = Canned::start(vec![
        result(&[deleted("a"), error("b", "SlowDown")]),
        result(&[deleted("b")]),
    ]);
    let outcome = server.store().remove(&versions(&["a", "b"])).await;
    assert_eq!(outcome.removed, versions(&["a", "b"]));
    let requests = server.requests();
    assert_eq!(requests.len(), 2);
    assert!(!requests[1].contains("kept/a"));
}

#[tokio::test]
async fn a_call_spoiled_by_one_key_is_halved_until_the_key_stands_alone() {
    let malformed = (
        400,
        String::from("<Error><Code>MalformedXML</Code></Error>"),
    );
    let server = Canned::start(vec![
        malformed.clone(),
        result(&[deleted("a"), deleted("b")]),
        malformed.clone(),
        malformed,
        result(&[deleted("d")]),
    ]);
    let outcome = server
        .store()
        .remove(&versions(&["a", "b", "c", "d"]))
        .await;
    assert_eq!(outcome.removed, versions(&["a", "b", "d"]));
    assert_eq!(outcome.failed[0].version, versions(&["c"])[0]);
    assert!(outcome.unattempted.is_empty());
}

#[tokio::test]
async fn when_the_store_cannot_be_reached_the_rest_is_unattempted() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let store = store_at(&nobody);
    let names: Vec<String> = (0..600).map(|n| n.to_string()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let outcome = store.remove(&versions(&names)).await;
    assert_eq!(outcome.failed.len(), 250);
    assert_eq!(outcome.unattempted.len(), 350);
    let error = &outcome.failed[0].error;
    assert_eq!(error, &ObjectError::Unreachable(Outage::NoConnection));
    assert_eq!(error.retry(), Retry::Later);

    let read_back = store.gone(&[key("a"), key("b")]).await;
    assert_eq!(read_back.unread.len(), 2);
}

#[tokio::test]
async fn half_a_list_is_an_error_and_not_a_list() {
    let endless = "<ListVersionsResult><IsTruncated>true</IsTruncated><NextKeyMarker>kept/a</NextKeyMarker>\
                   <NextVersionIdMarker>v</NextVersionIdMarker></ListVersionsResult>";
    let without_marker = "<ListVersionsResult><IsTruncated>true</IsTruncated></ListVersionsResult>";
    for page in [endless, without_marker, "<ListVersionsResult><IsTrunc"] {
        let server = Canned::start(vec![(200, String::from(page))]);
        let found = server.store().versions(&key("a")).await;
        assert_eq!(found, Err(ObjectError::Unreachable(Outage::AnswerCut)));
    }
}

#[tokio::test]
async fn a_list_that_has_left_the_key_is_not_read_to_its_end() {
    let page = "<ListVersionsResult><IsTruncated>true</IsTruncated><NextKeyMarker>kept/a/1</NextKeyMarker>\
                <Version><Key>kept/a</Key><VersionId>v</VersionId></Version>\
                <Version><Key>kept/a/1</Key><VersionId>w</VersionId></Version></ListVersionsResult>";
    let uploads =
        "<ListMultipartUploadsResult><IsTruncated>false</IsTruncated></ListMultipartUploadsResult>";
    let server = Canned::start(vec![
        (200, String::from(page)),
        (200, String::from(uploads)),
    ]);
    let found = server.store().versions(&key("a")).await.unwrap();
    assert_eq!(found.to_remove(), versions(&["a"]));
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn wrong_credentials_and_a_missing_bucket_have_messages_of_their_own() {
    let cases = [
        (
            403,
            "SignatureDoesNotMatch",
            "the object store refuses the credentials (`SignatureDoesNotMatch`)",
        ),
        (404, "NoSuchBucket", "the bucket does not exist"),
    ];
    for (status, code, message) in cases {
        let body = format!("<Error><Code>{code}</Code><Message>scans/yamada.pdf</Message></Error>");
        let server = Canned::start(vec![(status, body)]);
        let error = server.store().describe().await.unwrap_err();
        assert_eq!(error.to_string(), message);
        assert_eq!(error.retry(), Retry::Never);
    }
}

#[tokio::test]
async fn a_bucket_says_what_a_removal_does_not_reach() {
    let replication = "<ReplicationConfiguration><Role>r</Role>\
        <Rule><Status>Enabled</Status><Destination><Bucket>arn:aws:s3:::copy</Bucket></Destination></Rule>\
        </ReplicationConfiguration>";
    let server = described(
        "<VersioningConfiguration><Status>Suspended</Status><MfaDelete>Enabled</MfaDelete></VersioningConfiguration>",
        (
            403,
            String::from("<Error><Code>AccessDenied</Code></Error>"),
        ),
        (200, String::from(replication)),
    );
    let description = server.store().describe().await.unwrap();
    assert_eq!(description.engine, "S3-compatible");
    assert_eq!(description.versioning, Versioning::Suspended);
    assert_eq!(description.mfa_delete, Some(true));
    assert_eq!(description.object_lock, None);
    assert_eq!(
        description.replicas,
        Some(vec![String::from("arn:aws:s3:::copy")])
    );
}

#[tokio::test]
async fn a_bucket_without_settings_has_none_of_them() {
    let absent = |code: &str| (404, format!("<Error><Code>{code}</Code></Error>"));
    let server = described(
        "<VersioningConfiguration></VersioningConfiguration>",
        absent("ObjectLockConfigurationNotFoundError"),
        absent("ReplicationConfigurationNotFoundError"),
    );
    let description = server.store().describe().await.unwrap();
    assert_eq!(description.versioning, Versioning::Never);
    assert_eq!(description.mfa_delete, Some(false));
    assert_eq!(description.object_lock, Some(false));
    assert_eq!(description.replicas, Some(Vec::new()));
}

#[tokio::test]
async fn a_version_whose_retention_has_passed_on_the_servers_clock_is_failed_and_not_locked() {
    let cases = [("2020-01-01T00:00:00Z", 0), ("2099-01-01T00:00:00Z", 1)];
    for (until, locked) in cases {
        let hold = "<LegalHold><Status>OFF</Status></LegalHold>";
        let retention = format!(
            "<Retention><Mode>GOVERNANCE</Mode><RetainUntilDate>{until}</RetainUntilDate></Retention>"
        );
        let server = Canned::start(vec![
            result(&[error("a", "AccessDenied")]),
            (200, String::from(hold)),
            (200, retention),
        ]);
        let outcome = server.store().remove(&versions(&["a"])).await;
        assert_eq!(outcome.locked.len(), locked, "{outcome:?}");
        assert_eq!(outcome.failed.len(), 1 - locked);
    }
}

#[tokio::test]
async fn a_refusal_without_a_lock_is_a_failure() {
    let none = (
        404,
        String::from("<Error><Code>NoSuchObjectLockConfiguration</Code></Error>"),
    );
    let server = Canned::start(vec![
        result(&[error("a", "AccessDenied")]),
        none.clone(),
        none,
    ]);
    let outcome = server.store().remove(&versions(&["a"])).await;
    assert_eq!(outcome.failed[0].error.retry(), Retry::Never);
    assert_eq!(server.requests().len(), 3);
}

/// A server that lets itself be listed and then answers the questions about its settings.
fn described(versioning: &str, object_lock: Answer, replication: Answer) -> Canned {
    Canned::start(vec![
        (
            200,
            String::from("<ListVersionsResult></ListVersionsResult>"),
        ),
        (
            200,
            String::from("<ListMultipartUploadsResult></ListMultipartUploadsResult>"),
        ),
        (200, String::from(versioning)),
        object_lock,
        replication,
    ])
}

fn versions(names: &[&str]) -> Vec<VersionToRemove> {
    names.iter().map(|name| version(&key(name), "v")).collect()
}

fn result(parts: &[String]) -> Answer {
    (
        200,
        format!("<DeleteResult>{}</DeleteResult>", parts.concat()),
    )
}

fn deleted(name: &str) -> String {
    format!("<Deleted><Key>kept/{name}</Key><VersionId>v</VersionId></Deleted>")
}

fn error(name: &str, code: &str) -> String {
    format!("<Error><Key>kept/{name}</Key><VersionId>v</VersionId><Code>{code}</Code></Error>")
}
