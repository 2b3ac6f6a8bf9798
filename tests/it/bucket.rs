//! Buckets on the tests' S3 server, past any SDK: the server checks no signature.

use std::io::{Read, Write};
use std::net::TcpStream;

/// A bucket of its own for a test.
pub(crate) struct Bucket {
    pub(crate) name: String,
    /// The server's address.
    pub(crate) endpoint: String,
}

impl Bucket {
    /// A new bucket with Object Lock, and so with versions; `None`, said aloud, without a server.
    pub(crate) fn lockable() -> Option<Self> {
        Self::new("x-amz-bucket-object-lock-enabled: true\r\n")
    }

    /// A new bucket without versions.
    pub(crate) fn plain() -> Option<Self> {
        Self::new("")
    }

    fn new(headers: &str) -> Option<Self> {
        let Ok(endpoint) = std::env::var("KIGEN_TEST_S3_ENDPOINT") else {
            let is_required = std::env::var("KIGEN_REQUIRE_SERVICES").is_ok_and(|one| one == "1");
            assert!(!is_required, "KIGEN_TEST_S3_ENDPOINT names no server");
            eprintln!("SKIPPED: no S3 server in KIGEN_TEST_S3_ENDPOINT");
            return None;
        };
        let name = format!("kigen-it-{}", uuid::Uuid::now_v7().simple());
        let bucket = Self { name, endpoint };
        bucket.ask("PUT", "", headers, b"");
        Some(bucket)
    }

    /// Puts a delete marker over an object.
    pub(crate) fn hide(&self, key: &str) {
        self.ask("DELETE", key, "", b"");
    }

    /// Writes over an object; its older version stays below.
    pub(crate) fn overwrite(&self, key: &str, bytes: &[u8]) {
        self.ask("PUT", key, "", bytes);
    }

    /// What `[objects.…]` says of it, behind `endpoint`.
    pub(crate) fn objects_keys(&self, endpoint: &str) -> String {
        format!(
            "kind = \"s3\"\nbucket = \"{}\"\nendpoint = \"{endpoint}\"\npath-style = true",
            self.name
        )
    }

    fn ask(&self, method: &str, key: &str, headers: &str, body: &[u8]) {
        let host = self.endpoint.trim_start_matches("http://");
        let mut server = TcpStream::connect(host).unwrap();
        // Credentials of nobody: without any, the request would be that of a stranger.
        let head = format!(
            "{method} /{}/{key} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\
             authorization: AWS4-HMAC-SHA256 Credential=test/20261122/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0\r\n\
             {headers}content-length: {}\r\n\r\n",
            self.name,
            body.len()
        );
        server.write_all(head.as_bytes()).unwrap();
        server.write_all(body).unwrap();
        let mut answer = String::new();
        server.read_to_string(&mut answer).unwrap();
        assert!(
            answer.starts_with("HTTP/1.1 20"),
            "{method} {key}: {answer}"
        );
    }
}
